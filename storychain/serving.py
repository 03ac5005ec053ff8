"""A server within the running event loop: its socket, and uvicorn from its first answer to its end. Knows no page."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import uvicorn

from storychain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.types import ASGIApp


class Server(uvicorn.Server):
    """uvicorn that says when it is ready, and leaves signals to whoever runs the event loop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._leaving = asyncio.Event()

    async def main_loop(self) -> None:
        """Keep the clock of the Date header until the server is closed, without a last tick's wait."""
        ticks = 0
        while not await self.on_tick(ticks % 864_000):
            ticks += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), 0.1)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    def leave(self) -> None:
        """Take no more requests, and end once those that are there are answered."""
        self.should_exit = True
        self._leaving.set()


@contextlib.asynccontextmanager
async def served(app: ASGIApp, listener: socket.socket, name: str, **options: Any) -> AsyncIterator[Server]:
    """Serve an application at a listening socket for as long as the block lasts; the socket is closed at the end.

    `options` are uvicorn's. What goes wrong at the beginning is raised here.
    """
    told: dict[str, Any] = {
        "ws": "none",
        "lifespan": "off",
        "log_config": None,
        "log_level": "critical",
        "access_log": False,
    }
    told |= {"server_header": False, "timeout_graceful_shutdown": 1}
    server = Server(uvicorn.Config(app, **{**told, **options}))
    serving = asyncio.create_task(server.serve(sockets=[listener]), name=name)
    try:
        await _started(server, serving)
        yield server
    finally:
        server.leave()
        await asyncio.shield(asyncio.wait([serving]))
        listener.close()


async def _started(server: Server, serving: asyncio.Task[None]) -> None:
    ready = asyncio.create_task(server.ready.wait())
    await asyncio.wait({ready, serving}, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if serving.done():
        await serving


def listening(host: str, port: int, *, who: str, next_step: str) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises UsageError, with that next step, where it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Said outright: of a socket that does not know that it is TCP, asyncio lets small packets wait for each other.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # at once: two may be bound to one place as long as neither listens
    except (OSError, OverflowError) as error:
        listener.close()
        why = error.strerror if isinstance(error, OSError) else "no such port"
        raise UsageError(f"{who} cannot listen on {host}:{port} ({why})", next_step=next_step) from error
    return listener


def bracketed(host: str) -> str:
    """A host as it stands in an address."""
    return f"[{host}]" if ":" in host else host
