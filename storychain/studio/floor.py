"""The studio floor: carries accepted jobs out, two at a time, and takes up again what a stop interrupted."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from storychain.errors import MediaError
from storychain.studio import kept
from storychain.studio.animatic.shot import Shot, Source, size_of
from storychain.studio.sources import SourceRefused, fetch

if TYPE_CHECKING:
    from pathlib import Path

    from storychain.studio.counts import Counts
    from storychain.studio.faults import Faults
    from storychain.studio.options import Options
    from storychain.studio.records import Job
    from storychain.studio.shelf import Shelf

_log = logging.getLogger(__name__)
_AT_ONCE = 2
_FAILURES = {
    "job.failed": ("CONTENT_MODERATED", "The prompt was refused by the content policy of the model."),
    "job.failed_internal": ("5001", "INTERNAL_ERROR: the video could not be generated."),
}


class Floor:
    """Runs jobs as tasks. `ended` is awaited once for each job that ended, after that is on disk."""

    def __init__(
        self, options: Options, shelf: Shelf, faults: Faults, counts: Counts, ended: Callable[[Job], Awaitable[None]]
    ) -> None:
        self._options = options
        self._shelf = shelf
        self._faults = faults
        self._counts = counts
        self._ended = ended
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._frames: dict[str, float] = {}

    async def open(self) -> None:
        """Take up every job that a studio over this home left unfinished."""
        for job in await self._shelf.adopt():
            self.take(job)

    def take(self, job: Job) -> None:
        """Start on a job."""
        task = asyncio.create_task(self._carry(job), name=f"job {job.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop all work; what was in progress stays so on disk."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def progress(self, job: Job) -> int:
        """Percent done, 0 to 99 while in progress."""
        return 100 if job.status == "completed" else min(99, int(100 * self._frames.get(job.id, 0.0)))

    async def _carry(self, job: Job) -> None:
        scratch = self._shelf.scratch / job.id
        try:
            changes = await self._outcome(job, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        await asyncio.sleep(max(0.0, job.accepted_at + self._options.latency - time.time()))
        ended = await self._shelf.change(job, ended_at=time.time(), **changes)
        self._frames.pop(job.id, None)
        await self._ended(ended)

    async def _outcome(self, job: Job, scratch: Path) -> dict[str, object]:
        """What the job's record becomes: its result, or why it failed."""
        for name, (code, message) in _FAILURES.items():
            if self._faults.fire(job.faults, name):
                return _failed(code, message)
        async with self._room:
            (made,) = await asyncio.gather(self._made(job, scratch), return_exceptions=True)
        match made:
            case SourceRefused():
                return _failed(made.code, str(made))
            case MediaError():
                return _failed("5002", f"RENDER_FAILED: {made}")
            case Exception():
                # A job must end, else its client waits for ever: a bug of ours ends it too, and is counted.
                _log.error("job %s", job.id, exc_info=made)
                self._counts.plain["bugs"] += 1
                return _failed("5003", f"STUDIO_BUG: {type(made).__name__}: {made}")
            case BaseException():
                raise made
        return made

    async def _made(self, job: Job, scratch: Path) -> dict[str, object]:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        shot = await self._shot(job, scratch)
        video, stand_in = self._shelf.media_of(job.id).video, self._options.stand_in
        if stand_in is None:
            await self._rendered(job, shot, video, scratch)
        else:
            await asyncio.to_thread(kept.link, stand_in, video)
        return {"status": "completed", "width": shot.width, "height": shot.height, "credits": job.price}

    async def _rendered(self, job: Job, shot: Shot, video: Path, scratch: Path) -> None:
        from storychain.studio.animatic.render import render  # noqa: PLC0415 - numpy, Pillow and av are slow to import

        for flaw in shot.flaws:
            self._faults.fire(job.faults, flaw)

        def on_frame(frame: int) -> None:
            self._frames[job.id] = frame / max(1, shot.frames)

        renders = self._options.renders
        if renders is None or not await asyncio.to_thread(kept.take, renders, shot, video):
            self._counts.plain["renders"] += 1
            options = self._options
            await render(
                shot, video, ffmpeg=options.ffmpeg, environ=options.environ, scratch=scratch, on_frame=on_frame
            )
            if renders is not None:
                await asyncio.to_thread(kept.keep, renders, shot, video)

    async def _shot(self, job: Job, scratch: Path) -> Shot:
        scale = self._options.scale / (2 if "media.small" in job.faults else 1)
        width, height = size_of(job.aspect_ratio, scale)
        return Shot(
            prompt=str(job.body["prompt"]),
            model=job.model,
            seconds=job.seconds,
            width=width,
            height=height,
            extends=await self._source(job, "extendVideoUrl", scratch),
            first_image=await self._source(job, "firstFrameImageUrl", scratch),
            references=await self._references(job, scratch),
            flaws=frozenset(name for name in job.faults if name.startswith("media.")),
        )

    async def _source(self, job: Job, field: str, scratch: Path) -> Source | None:
        url = job.body.get(field)
        return Source(field, await fetch(self._shelf, field, url, scratch / field)) if url else None

    async def _references(self, job: Job, scratch: Path) -> tuple[Source, ...]:
        urls = job.body.get("referenceImageUrls") or []
        names = [f"referenceImageUrls.{place}" for place in range(len(urls))]
        fetched = [fetch(self._shelf, name, url, scratch / name) for name, url in zip(names, urls, strict=True)]
        return tuple(map(Source, names, await asyncio.gather(*fetched)))


def _failed(code: str, message: str) -> dict[str, object]:
    return {"status": "failed", "error_code": code, "error_message": message}
