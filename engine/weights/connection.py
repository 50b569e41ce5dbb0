"""One connection to an address: read by a thread of its own, so that a stop is heard while nothing comes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

LOOK_SECONDS = 0.1
"""How often a stop is looked for while nothing comes."""


@dataclass(frozen=True)
class Patience:
    """How long a download waits before it gives an address up."""

    connect_seconds: float = 15.0
    stall_seconds: float = 30.0
    """Without a byte."""
    tries: int = 4
    """In a row that bring nothing."""
    wait_seconds: float = 1.0
    """Before the second try; twice as long before each further one."""


class SourceFailed(Exception):
    """This address will not give the file."""


class Again(Exception):
    """This try failed; another may not."""


@dataclass
class _Line:
    """One connection, read by a thread of its own so that a stop is heard while nothing comes."""

    items: Queue[Any] = field(default_factory=lambda: Queue(maxsize=64))
    hung_up: threading.Event = field(default_factory=threading.Event)
    response: httpx.Response | None = None

    def put(self, item: Any) -> bool:
        """Hand something over; False once nobody listens any more."""
        while not self.hung_up.is_set():
            with suppress(Full):
                self.items.put(item, timeout=LOOK_SECONDS)
                return True
        return False

    def hang_up(self) -> None:
        """End it from the other side, even while it waits for bytes."""
        self.hung_up.set()
        if self.response is not None:
            stream = self.response.extensions.get("network_stream")
            line = stream.get_extra_info("socket") if stream is not None else None
            if isinstance(line, socket.socket):
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)


_END = object()


@contextmanager
def stream(
    url: str, headers: dict[str, str], look: Callable[[], None], patience: Patience
) -> Generator[tuple[httpx.Response, Generator[bytes | None]]]:
    """Give an answer and its bytes as they come; None every `LOOK_SECONDS` in which nothing does.

    Args:
        url: the address.
        headers: of the request.
        look: called while nothing answers; may raise `Cancelled`.
        patience: how long that may be.

    Raises:
        Again, SourceFailed: the connection failed, for the moment or for good.
    """
    line = _Line()
    reader = threading.Thread(target=_read, args=(line, url, headers, patience), daemon=True, name="download")
    reader.start()
    pieces = _items(line)
    try:
        while (first := next(pieces)) is None:
            look()
        yield _answer(first, patience), _bytes(pieces, patience)
    finally:
        line.hang_up()
        reader.join(timeout=5)


def _items(line: _Line) -> Generator[Any]:
    """Give what a line's reader hands over, None while that is nothing."""
    while True:
        try:
            yield line.items.get(timeout=LOOK_SECONDS)
        except Empty:
            yield None


def _answer(item: Any, patience: Patience) -> httpx.Response:
    import httpx

    if isinstance(item, httpx.Response):
        return item
    raise _reason(item, patience)


def _bytes(items: Generator[Any], patience: Patience) -> Generator[bytes | None]:
    for item in items:
        if item is _END:
            return
        if item is not None and not isinstance(item, bytes):
            raise _reason(item, patience)
        yield item


def _read(line: _Line, url: str, headers: dict[str, str], patience: Patience) -> None:
    """Read an address into a line. Ends by itself: with the file, with an error, or when hung up."""
    import httpx

    timeout = httpx.Timeout(patience.stall_seconds, connect=patience.connect_seconds)
    try:
        with (
            httpx.Client(follow_redirects=True, timeout=timeout) as client,
            client.stream("GET", url, headers=headers) as response,
        ):
            line.response = response
            if line.put(response) and all(map(line.put, response.iter_raw())):
                line.put(_END)
                return
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ImportError) as error:
        line.put(error)
    finally:
        line.put(RuntimeError())  # after what was not foreseen the other side must not wait for ever


def _reason(error: Any, patience: Patience) -> Exception:
    """Say what a failed connection means."""
    import httpx

    match error:
        case httpx.TimeoutException():
            connecting = isinstance(error, (httpx.ConnectTimeout, httpx.PoolTimeout))
            seconds = patience.connect_seconds if connecting else patience.stall_seconds
            return Again(f"{'does not answer' if connecting else 'sent nothing'} for {seconds:.0f} s")
        case httpx.ProxyError():
            return Again(f"is behind a proxy that refuses ({error})")
        case httpx.ConnectError():
            return Again(f"cannot be reached ({error})")
        case httpx.TooManyRedirects() | httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return SourceFailed(f"leads nowhere ({error})")
        case ImportError():
            return SourceFailed('is behind a SOCKS proxy, for which run: pip install "httpx[socks]"')
        case _:
            return Again("cuts the connection before the end")
