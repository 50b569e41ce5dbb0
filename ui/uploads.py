"""Takes away what is left of an upload that broke off, as by a browser that was closed: half a photo is private too."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from starlette.requests import ClientDisconnect

from ui.guard import App, Receive, Scope, Send

log = logging.getLogger(__name__)


class Uploads:
    """An ASGI layer that keeps the folder of dropped files free of halves.

    Gradio writes a file that comes in straight into that folder, and moves it to a folder of its own once it is whole.
    """

    def __init__(self, app: App, folder: Path) -> None:
        self.app, self._folder = app, folder
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or not str(scope["path"]).endswith("/upload"):
            await self.app(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self.app(scope, receive, send)
        except ClientDisconnect:
            log.info("an upload broke off")
        finally:
            self._under_way -= 1
            if not self._under_way:  # else a file that lies there may be one that still comes in
                self._sweep()

    def _sweep(self) -> None:
        for file in self._folder.iterdir():
            with suppress(OSError):  # a file that the system holds goes when the app is next opened
                if file.is_file():
                    file.unlink()
