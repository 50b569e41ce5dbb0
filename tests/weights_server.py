"""A real HTTP server on the loopback that serves files well, and badly on demand: cuts, stalls, lies, changes."""

from __future__ import annotations

import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Move = Callable[["Handler", "Served"], None]
"""What is done with one request, rather than serving it well."""


@dataclass
class Served:
    """One file, with what is to happen at the next requests for it."""

    data: bytes
    etag: str = '"one"'
    ranges: bool = True
    moves: deque[Move] = field(default_factory=lambda: deque[Move]())
    asked: list[dict[str, str]] = field(default_factory=lambda: list[dict[str, str]]())
    """Headers of every request, names in small letters."""
    sent: int = 0
    """Bytes of bodies, over all requests."""


class Handler(BaseHTTPRequestHandler):
    """Serves the files of its server."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.close_connection = True
        served = self.server.files.get(self.path.rpartition("/")[2])
        if served is None:
            self.answer(404, {"Content-Length": "0"})
            return
        served.asked.append({name.lower(): value for name, value in self.headers.items()})
        move = served.moves.popleft() if served.moves else well
        move(self, served)

    def answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()

    def send(self, served: Served, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()
        served.sent += len(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Files by name. `url` gives the address of one."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, Served] = {}
        self.closing = threading.Event()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def serve(self, name: str, data: bytes, *moves: Move, **given: Any) -> Served:
        self.files[name] = Served(data, moves=deque(moves), **given)
        return self.files[name]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what is tested."""


@contextmanager
def running() -> Iterator[Server]:
    """A server in a thread of its own."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()


def part_of(handler: Handler, served: Served) -> tuple[int, dict[str, str], int]:
    """Give status, headers and start of an honest answer: the rest of the file, if the same one is asked for."""
    wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    same = handler.headers.get("If-Range", served.etag) == served.etag
    size, kind = len(served.data), {"Content-Type": "application/octet-stream", "ETag": served.etag}
    if wanted is None or not same or not served.ranges:
        return 200, {**kind, "Content-Length": str(size)}, 0
    start = int(wanted[1])
    if start >= size:
        return 416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"}, size
    about = {"Content-Range": f"bytes {start}-{size - 1}/{size}", "Content-Length": str(size - start)}
    return 206, {**kind, **about}, start


def well(handler: Handler, served: Served) -> None:
    """Serve what is asked for."""
    status, headers, start = part_of(handler, served)
    handler.answer(status, headers)
    handler.send(served, served.data[start:])


def cut(count: int) -> Move:
    """Send that many bytes and hang up."""

    def move(handler: Handler, served: Served) -> None:
        status, headers, start = part_of(handler, served)
        handler.answer(status, headers)
        handler.send(served, served.data[start : start + count])
        handler.connection.shutdown(socket.SHUT_RDWR)

    return move


def stall(count: int) -> Move:
    """Send that many bytes and then nothing, with the line open."""

    def move(handler: Handler, served: Served) -> None:
        status, headers, start = part_of(handler, served)
        handler.answer(status, headers)
        handler.send(served, served.data[start : start + count])
        handler.server.closing.wait(20)

    return move


def offer(length: int) -> Move:
    """Say that the file is that long, and send what there is."""

    def move(handler: Handler, served: Served) -> None:
        handler.answer(200, {"Content-Length": str(length), "ETag": served.etag})
        handler.send(served, served.data[:length])

    return move


def unmeasured(handler: Handler, served: Served) -> None:
    """Send the file without a word about its length."""
    handler.answer(200, {"Content-Type": "application/octet-stream"})
    handler.send(served, served.data)


def page(kind: str) -> Move:
    """Send a web page in place of the file, as networks with a login do."""

    def move(handler: Handler, served: Served) -> None:
        body = b"\n<!DOCTYPE html><html><body>Please log in.</body></html>"
        handler.answer(200, {"Content-Type": kind, "Content-Length": str(len(body))})
        handler.send(served, body)

    return move


def status(code: int) -> Move:
    """Answer with a status alone."""

    def move(handler: Handler, served: Served) -> None:
        handler.answer(code, {"Content-Length": "0"})

    return move


def changed(data: bytes, etag: str) -> Move:
    """Have another file from now on, and serve it."""

    def move(handler: Handler, served: Served) -> None:
        served.data, served.etag = data, etag
        well(handler, served)

    return move
