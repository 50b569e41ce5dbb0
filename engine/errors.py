"""What a person can act on: the base of every error whose text is shown as it stands.

`str(error)` is one sentence that says what is wrong, what was found and what to do. Anything else that is raised is
a bug and keeps its traceback.
"""

from __future__ import annotations


class EngineError(Exception):
    """Something the user can put right; its text is shown to them unchanged."""
