"""Opens and closes the review page: the socket, uvicorn in the running event loop, the door. Knows no page."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from storychain.errors import UsageError
from storychain.review.guard import Door, Guard, is_loopback
from storychain.review.live import News
from storychain.review.pages import Pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from storychain.review.gathering import Views
    from storychain.review.spending import Till


@dataclass(frozen=True, slots=True)
class Opened:
    """A review page that answers."""

    door: Door
    news: News


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: they are for whoever runs the event loop."""
        yield


@contextlib.asynccontextmanager
async def opened(
    views: Views, host: str, port: int, *, to_many: bool = False, till: Till | None = None
) -> AsyncIterator[Opened]:
    """Keep the page open; port 0 takes a free one. `to_many` lets in whoever has the token, as often as they like.
    With a `till` the page buys.

    Raises UsageError where it cannot listen there, or where others could get at it and nobody said that they may.
    """
    if not to_many and not is_loopback(host):
        raise UsageError(
            f"{host} is an address that other machines get to",
            next_step="Add --token if they may: whoever has the address that is printed then gets in, unencrypted.",
        )
    listener = _listen(host, port)
    door = Door(_bracketed(host), listener.getsockname()[1], reusable=to_many)
    news = News(views)
    config = uvicorn.Config(
        Guard(Pages(views, news, till).application(), door),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="review")
    try:
        await _started(server, serving)
        yield Opened(door, news)
    finally:
        await news.close()
        server.should_exit = True
        await asyncio.shield(asyncio.wait([serving]))
        listener.close()


async def _started(server: _Server, serving: asyncio.Task[None]) -> None:
    ready = asyncio.create_task(server.ready.wait())
    await asyncio.wait({ready, serving}, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if serving.done():
        await serving


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Said outright: of a socket that does not know that it is TCP, asyncio lets small packets wait for each other.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"the review page cannot listen on {host}:{port} ({error.strerror})",
            next_step="Choose another with --port, or 0 for any that is free.",
        ) from error
    return listener


def _bracketed(host: str) -> str:
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).version == 6:
            return f"[{host}]"
    return host
