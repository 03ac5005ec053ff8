"""Who may see the page: this machine's browser that was given the address, and nobody by way of another site.

- The Host header must be one of ours, so that a name that a stranger lets point here (DNS rebinding) gets nothing: 400.
- The token of the opened address is changed for a cookie that scripts cannot read and other sites cannot send: 401.
- What changes something must come from a page of ours, by Origin or Sec-Fetch-Site: 403.
- Nothing but our own files may be loaded or run by a page, and no other page may hold one of ours in a frame.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: browsers would then say `Origin: null` of our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Sent with every answer."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_EVERYWHERE = frozenset({"0.0.0.0", "[::]"})  # noqa: S104 - compared with, not bound to


def is_loopback(host: str) -> bool:
    """Whether only this machine gets to an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(slots=True)
class Door:
    """How one gets in: at `host` (in brackets where it is IPv6) and `port`, once with the token or, with `reusable`,
    as often as one likes."""

    host: str
    port: int
    reusable: bool = False
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    _session: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    _open: bool = True

    @property
    def origin(self) -> str:
        """The address without a token."""
        return f"http://{self.host}:{self.port}"

    @property
    def address(self) -> str:
        """The address to open, token included."""
        return f"{self.origin}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """The cookie's name; browsers share cookies between the ports of a machine."""
        return f"storychain_review_{self.port}"

    def set_cookie(self) -> str:
        """The header that lets a browser in from now on."""
        return f"{self.cookie}={self._session}; Path=/; HttpOnly; SameSite=Strict"

    def knows_host(self, host: str) -> bool:
        """Whether a Host header names this server. An address made of numbers is nobody's to let point elsewhere."""
        name, port = _split(host.lower())
        if port != self.port:
            return False
        if name in _LOOPBACK or name == self.host.lower():
            return True
        return self.host in _EVERYWHERE and _is_number(name)

    def knows_cookie(self, cookies: str) -> bool:
        """Whether a Cookie header holds the session."""
        return hmac.compare_digest(cookie_parser(cookies).get(self.cookie, "").encode(), self._session.encode())

    def admits(self, token: str) -> bool:
        """Whether a token lets in; where it is good only once, it is used up by that."""
        admitted = hmac.compare_digest(token.encode(), self.token.encode()) and self._open
        if admitted and not self.reusable:
            self._open = False
        return admitted


def _split(host: str) -> tuple[str, int]:
    name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "80")
    return name, int(port) if port.isascii() and port.isdigit() and len(port) < 6 else -1


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


class Guard:
    """The application behind its door."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or say why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        app = self._judged(scope) or self._app

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await app(scope, receive, guarded)

    def _judged(self, scope: Scope) -> ASGIApp | None:
        """What is answered in place of the page; None where there is nothing against it."""
        headers, door = Headers(scope=scope), self._door
        if not door.knows_host(headers.get("host", "")):
            return _told(400, "This address is not the review page's.")
        known = door.knows_cookie(headers.get("cookie", ""))
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tokens = [value for name, value in query if name == "token"]
        if tokens and scope["method"] == "GET" and (known or door.admits(tokens[-1])):
            return self._let_in(scope["path"], [pair for pair in query if pair[0] != "token"])
        if scope["path"].startswith("/static/"):
            return None
        if not known:
            words = "Open the address that storychain review printed; it lets one browser in."
            return _told(401, words)
        if scope["method"] not in _SAFE and not self._is_ours(headers):
            return _told(403, "This request does not come from the review page.")
        return None

    def _let_in(self, path: str, query: list[tuple[str, str]]) -> Response:
        # A path that begins with two slashes would lead to another machine.
        there = "/" + path.lstrip("/\\")
        response = RedirectResponse(f"{there}?{urlencode(query)}" if query else there, status_code=303)
        response.headers.append("Set-Cookie", self._door.set_cookie())
        return response

    def _is_ours(self, headers: Headers) -> bool:
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is None and origin is None:
            return False
        return site in (None, "same-origin") and origin in (None, f"http://{headers['host']}")


def _told(status: int, words: str) -> Response:
    body = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>storychain review</title><link rel="stylesheet" href="/static/review.css">'
        f'<body class="told"><main><h1>{status}</h1><p>{words}</p></main></body></html>'
    )
    return Response(body, status_code=status, media_type="text/html")
