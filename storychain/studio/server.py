"""Opens and closes the studio: its server, its floor. Knows no endpoint."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from storychain.serving import bracketed, listening, served
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


@contextlib.asynccontextmanager
async def serve(options: Options, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Running]:
    """Keep a studio open in the running event loop; port 0 takes a free one. Raises UsageError if it is taken.

    On leaving, renders are stopped and their jobs stay in progress on disk: the next studio over the same home
    takes them up again.
    """
    advice = "Choose another with --port, or 0 for any that is free."
    listener = listening(host, port, who="the studio", next_step=advice)
    hooks: set[asyncio.Task[None]] = set()
    origin = f"http://{bracketed(host)}:{listener.getsockname()[1]}"
    studio = _studio(options, origin, hooks)
    try:
        async with served(application(studio), listener, "studio", http=Wire) as server:
            try:
                await studio.floor.open()
                yield Running(studio, origin)
            finally:
                server.leave()
                await asyncio.shield(_close(studio, hooks))
    finally:
        studio.shelf.close()


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


async def _close(studio: Studio, hooks: set[asyncio.Task[None]]) -> None:
    await studio.floor.close()
    for hook in hooks:
        hook.cancel()
    await asyncio.gather(*hooks, return_exceptions=True)
