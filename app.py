"""Likeness: `python app.py` opens the app in the browser, `python app.py --help` lists the commands."""

from __future__ import annotations

import sys

try:
    from ui.cli.main import main
except ModuleNotFoundError as missing:
    if (missing.name or "ui").partition(".")[0] in ("ui", "engine"):
        raise
    sys.exit(f"likeness: {missing.name} is not installed. Run: python -m pip install -r requirements.txt")

if __name__ == "__main__":
    main()
