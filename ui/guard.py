"""Keeps other websites and other machines away from the page: the photos on it are private.

A local server is reachable by every page in the same browser. Requests that name a foreign host (DNS rebinding), that
come from a page of another origin, or that would make the server fetch an address are refused here, before anything of
the app sees them. What is let through is answered with a policy that forbids the page to load anything from outside.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from engine.errors import EngineError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

POLICY = "; ".join(
    (
        "default-src 'self'",
        # Gradio's own page has inline scripts and compiles its templates.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy of every answer."""

_ADDED = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

_UNSAFE_SETTINGS = ("GRADIO_VIBE_MODE", "GRADIO_SHARE", "GRADIO_MCP_SERVER", "GRADIO_ALLOWED_PATHS")
_OFF = frozenset({"", "0", "false", "no", "off"})

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class UnsafeSetting(EngineError):
    """An environment variable would open the page to others."""


def check_environment(environment: Mapping[str, str] = os.environ) -> None:
    """Raise `UnsafeSetting` when a variable of the environment would let visitors run code or reach files.

    Gradio reads these by itself, some without a way to say no to them in the program.
    """
    for name in _UNSAFE_SETTINGS:
        if environment.get(name, "").strip().lower() not in _OFF:
            raise UnsafeSetting(f"The environment variable {name} would open private photos to others. Unset it.")


class Guard:
    """An ASGI layer that lets only this machine's own page through."""

    def __init__(self, app: App, hosts: frozenset[str] = LOOPBACK) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {bytes(k).decode("latin-1").lower(): bytes(v).decode("latin-1") for k, v in scope["headers"]}
        reason = why_refused(scope.get("method", "GET"), str(scope["path"]), headers, self.hosts)
        if reason and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
            return
        if reason:
            body = reason.encode()
            lines = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 403, "headers": [*lines, *_ADDED]})
            await send({"type": "http.response.body", "body": body})
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_ADDED]
            await send(message)

        await self.app(scope, receive, send_with_policy)


def why_refused(method: str, path: str, headers: Mapping[str, str], hosts: frozenset[str] = LOOPBACK) -> str:
    """Say in a sentence why a request is refused, or give "" when it may pass.

    Args:
        method: such as GET.
        path: decoded, without the query.
        headers: names in lower case.
        hosts: host names that are this server.
    """
    host = headers.get("host", "")
    if _name(host) not in hosts:
        return f"Likeness answers only to {', '.join(sorted(hosts))}, not to {host[:80]!r}."
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return "Likeness takes no requests from other websites."
    # Another local port counts as the same site, but is another program's page.
    opened = (method, headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("GET", "navigate", "document")
    if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not (opened and path == "/"):
        return "Likeness takes no requests from other websites."
    if "=http:" in path.lower() or "=https:" in path.lower() or "/proxy=" in path.lower():
        return "Likeness fetches nothing from the network."
    return ""


def _name(host: str) -> str:
    """Give the host without its port, in lower case."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
