"""Opens and closes the studio: the socket, uvicorn in the running event loop, the floor. Knows no endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn

from storychain.errors import UsageError
from storychain.studio.answers import job_answer
from storychain.studio.app import PREFIX, application
from storychain.studio.console import counts_of
from storychain.studio.counts import Counts
from storychain.studio.faults import Faults
from storychain.studio.floor import Floor
from storychain.studio.options import Options
from storychain.studio.records import Job
from storychain.studio.shelf import Shelf
from storychain.studio.studio import Studio
from storychain.studio.webhooks import tell
from storychain.studio.wire import Wire

_GRACE_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Running:
    """A studio that is open. `base_url` is what `PICTORY_API_BASE_URL` would be."""

    studio: Studio
    origin: str

    @property
    def base_url(self) -> str:
        """`http://host:port/pictoryapis`."""
        return self.origin + PREFIX

    @property
    def counts(self) -> dict[str, Any]:
        """What was asked of this studio since it was opened, as `/studio/counts` answers it."""
        return counts_of(self.studio)


class _Server(uvicorn.Server):
    """uvicorn that says when it is ready, and leaves signals to whoever runs the event loop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.leaving = asyncio.Event()

    async def main_loop(self) -> None:
        """Keep the clock of the Date header until the studio is closed, without a last tick's wait."""
        ticks = 0
        while not await self.on_tick(ticks % 864_000):
            ticks += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.leaving.wait(), 0.1)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@contextlib.asynccontextmanager
async def serve(options: Options, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Running]:
    """Keep a studio open in the running event loop; port 0 takes a free one. Raises UsageError if it is taken.

    On leaving, renders are stopped and their jobs stay in progress on disk: the next studio over the same home
    takes them up again.
    """
    listener = _listen(host, port)
    hooks: set[asyncio.Task[None]] = set()
    origin = f"http://{_bracketed(host)}:{listener.getsockname()[1]}"
    studio = _studio(options, origin, hooks)
    server = _server(studio)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="studio")
    try:
        await _started(server, serving)
        await studio.floor.open()
        yield Running(studio, origin)
    finally:
        await asyncio.shield(_close(studio, server, serving, hooks))
        listener.close()


def _studio(options: Options, origin: str, hooks: set[asyncio.Task[None]]) -> Studio:
    shelf, counts, faults = Shelf(options.home), Counts(), Faults(options.faults, options.seed)

    async def ended(job: Job) -> None:
        url = job.body.get("webhook")
        if url:
            task = asyncio.create_task(_call(str(url), job))
            hooks.add(task)
            task.add_done_callback(hooks.discard)

    async def _call(url: str, job: Job) -> None:
        told = await tell(url, job_answer(job, 100, studio.address(origin)))
        counts.plain["webhooks" if told else "webhooks_failed"] += 1

    studio = Studio(options, shelf, faults, Floor(options, shelf, faults, counts, ended), counts)
    return studio


def _server(studio: Studio) -> _Server:
    config = uvicorn.Config(
        application(studio),
        http=Wire,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return _Server(config)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Said outright: of a socket that does not know that it is TCP, asyncio lets small packets wait for each other.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        step = "Choose another with --port, or 0 for any that is free."
        raise UsageError(f"the studio cannot listen on {host}:{port} ({error.strerror})", next_step=step) from error
    return listener


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _started(server: _Server, serving: asyncio.Task[None]) -> None:
    ready = asyncio.create_task(server.ready.wait())
    await asyncio.wait({ready, serving}, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if serving.done():
        await serving


async def _close(studio: Studio, server: _Server, serving: asyncio.Task[None], hooks: set[asyncio.Task[None]]) -> None:
    server.should_exit = True
    server.leaving.set()
    await studio.floor.close()
    for hook in hooks:
        hook.cancel()
    await asyncio.gather(serving, *hooks, return_exceptions=True)
    studio.shelf.close()
