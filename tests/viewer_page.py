"""`python -m tests.viewer_page HOME PORT PANES` serves a page with the viewer alone, for its tests.

`PANES` is a JSON list, each entry `[id, label, detail, file]`; `?panes=2` shows only the first two. What the viewer
tells is written into a field of the page.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import gradio as gr

from engine.studio import Studio
from engine.studio.desk import Desk
from engine.studio.proxies import proxy_of
from ui import app, picture, top, viewer
from ui.follow import QUIET

EYES = ((0.4, 0.45), (0.6, 0.45))
FACE = (0.3, 0.25, 0.7, 0.75)
CROP_EYES = ((0.377, 0.47), (0.623, 0.47))


def build(desk: Desk, asked: list[list[str]]) -> gr.Blocks:
    """Put the page together: the bar, the viewer with the panes that were asked for, and what it tells."""
    panes = [
        viewer.Pane(name, label, detail, proxy_of(Path(file), desk.previews)) for name, label, detail, file in asked
    ]
    addresses = picture.addresses(desk, *(pane.proxy for pane in panes))
    beside = [viewer.Beside(addresses[pane.proxy.small], pane.label, CROP_EYES, 512) for pane in panes[:2]]

    def opened(request: gr.Request) -> list[Any]:
        count = int(dict(request.query_params).get("panes", len(panes)))
        known: dict[str, Any] = {"photo": "one", "face": FACE, "eyes": EYES, "references": beside, "marks": []}
        return ["", viewer.value(panes[:count], addresses, **known, photos={"name": "1 of 3"})]

    def told(event: gr.EventData) -> str:
        return json.dumps({name: value for name, value in event._data.items() if name != "target"})

    with gr.Blocks(analytics_enabled=False, title="Viewer") as page:
        bar, stage = top.draw(), viewer.draw("viewer")
        words = gr.Textbox(label="Told", elem_id="told", interactive=True)
        for listener in (stage.picked, stage.stepped, stage.marked):
            listener(told, None, words, **QUIET)
        page.load(opened, None, [bar, stage], **QUIET)
    return page


def main(home: Path, port: int, asked: list[list[str]]) -> None:
    """Serve the page until the input ends."""
    with Studio(home, device="cpu") as studio:
        desk = Desk(studio)
        page = build(desk, asked)
        address = app.launch(page, desk, app.free_port(port))
        sys.stdout.write(address + "\n")
        sys.stdout.flush()
        sys.stdin.read()
        threading.Thread(target=page.close, kwargs={"verbose": False}, daemon=True).start()
        desk.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]))
