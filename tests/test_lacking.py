"""Which restorers cannot work yet, said anew when the folder of weights changes."""

from __future__ import annotations

from engine.restorers import find
from engine.studio.lacking import Lacking
from engine.weights.places import listed
from engine.workspace import Workspace


def test_what_a_restorer_lacks_follows_the_folder_of_weights(workspace: Workspace) -> None:
    lacking = Lacking(workspace.weights)
    first = {one.id: one for one in lacking()}
    assert "dual-pivot" not in first and "cleaner" not in first
    assert first["gfpgan"].title == find("gfpgan").title
    assert "weights get gfpgan" in first["gfpgan"].why
    assert lacking() is lacking(), "nothing has changed, so nothing is looked for again"
    file = listed(find("gfpgan").weights_for(find("gfpgan").options())[0])
    (workspace.weights / file.file).write_bytes(b"no weights")
    second = {one.id: one.why for one in lacking()}
    assert second["gfpgan"] != first["gfpgan"].why and file.file in second["gfpgan"]
