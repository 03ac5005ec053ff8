"""The socket under an answer: cutting it, slowing it, stopping half way. The one place that knows uvicorn's insides."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_WIRE = "wire"
_SLOW_PIECES = 16


class Wire(H11Protocol):
    """uvicorn's protocol, with its transport within reach of the answers (`scope["state"]`)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the transport in the state that every request of this connection gets a copy of."""
        self.app_state = {**self.app_state, _WIRE: transport}
        super().connection_made(transport)

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that has said all may close its half, and is answered all the same; then nothing more can come."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering:
            self.cycle.keep_alive = False
        return answering


class Cut(Response):
    """No answer at all: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Close, then wait until the server has noticed, lest it answers for us."""
        _transport(scope).close()
        while (await receive())["type"] != "http.disconnect":
            continue


class HalfSent(Response):
    """Another answer, of which half the body is sent before the connection is closed."""

    def __init__(self, inner: Response) -> None:
        super().__init__()
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let half of the announced bytes pass."""
        left = 0

        async def half(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.start":
                left = int(MutableHeaders(raw=message["headers"]).get("content-length", "0")) // 2
                await send(message)
            elif left > 0:
                part = message.get("body", b"")[:left]
                left -= len(part)
                await send({"type": "http.response.body", "body": part, "more_body": True})
                if left == 0:
                    _transport(scope).close()

        await self._inner(scope, receive, half)


class Slowly(Response):
    """Another answer, whose body takes some seconds longer."""

    def __init__(self, inner: Response, seconds: float) -> None:
        super().__init__()
        self._inner = inner
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send each body message in pieces with pauses between them."""

        async def slow(message: Message) -> None:
            body: bytes = message.get("body", b"")
            for piece, last in _pieces(body):
                await asyncio.sleep(self._seconds / _SLOW_PIECES)
                more = bool(message.get("more_body")) or not last
                await send({"type": "http.response.body", "body": piece, "more_body": more})
            if not body:
                await send(message)

        await self._inner(scope, receive, slow)


def _pieces(body: bytes) -> list[tuple[bytes, bool]]:
    size = max(1, -(-len(body) // _SLOW_PIECES))
    starts = range(0, len(body), size)
    return [(body[at : at + size], at + size >= len(body)) for at in starts]


def _transport(scope: Scope) -> asyncio.Transport:
    transport: Any = scope["state"][_WIRE]
    assert isinstance(transport, asyncio.Transport)
    return transport
