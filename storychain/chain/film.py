"""Making the film of a story, as far as possible while its segments are still coming in."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from storychain.chain.events import Downloading, FilmReady, Joining, Noticed
from storychain.chain.placeholder import stand_in
from storychain.chain.recipe import chapter_of, recipe_of
from storychain.chain.run import Run, off_loop
from storychain.errors import MediaError
from storychain.ledger import FilmRecord
from storychain.locks import lock
from storychain.media.aside import folder_aside
from storychain.media.edit import Clip
from storychain.media.prepare import Prepared
from storychain.media.soundtrack import Soundtrack
from storychain.plan import Action
from storychain.workspace import settle, sha256_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.plan import Facts, Step
    from storychain.story.model import Story

NOTE = "The pictures of this film are AI-generated."
"""Goes into every film's metadata."""


_FETCHES = 4
"""Times a start video that comes broken is fetched."""


class FilmInTheMaking:
    """Takes a story's segments as they arrive. When only one is missing, the sound of the others is encoded."""

    def __init__(self, run: Run, story: Story, facts: Facts, steps: Sequence[Step], folder: Path) -> None:
        self._run = run
        self._story = story
        self._facts = facts
        self._steps = steps
        self._folder = folder
        loop = asyncio.get_running_loop()
        self._segments: list[asyncio.Future[Prepared]] = [loop.create_future() for _ in steps]
        self._tasks: list[asyncio.Task[Soundtrack]] = []
        self._opening = asyncio.create_task(_opening(run, story, facts)) if _has_opening(story) else None

    def arrived(self, place: int, segment: Prepared) -> None:
        """Take the segment of the scene at `place`."""
        self._segments[place].set_result(segment)
        missing = sum(not segment.done() for segment in self._segments)
        if missing <= 1 and not self._tasks:
            self._tasks.append(asyncio.create_task(self._sound()))

    async def finished(self, path: Path) -> None:
        """Join everything into the film at `path` and put it on record."""
        run, story = self._run, self._story
        await self._stand_ins()
        clips = [
            Clip(await segment, chapter_of(step)) for segment, step in zip(self._segments, self._steps, strict=True)
        ]
        if self._opening is not None:
            clips.insert(0, Clip(await self._opening, "opening"))
        path.parent.mkdir(parents=True, exist_ok=True)
        made = await run.room.assemble(
            clips,
            path,
            title=story.title,
            note=NOTE,
            look=None,
            sound=await self._tasks[0],
            on_progress=lambda share: run.tell(Joining(story.name, share)),
        )
        recipe = recipe_of(story, self._facts, self._steps)
        record = FilmRecord(str(path), recipe, run.provider.free, made.size, float(made.seconds))
        await off_loop(run.ledger.remember_film, record, story.name, await off_loop(sha256_of, path))
        run.tell(FilmReady(story.name, path, record.seconds, made=True))

    async def _stand_ins(self) -> None:
        """Put placeholders where the plan has them, in the form of the segments that are here."""
        here = [segment.result() for segment in self._segments if segment.done()]
        for place, step in enumerate(self._steps):
            if step.action is Action.PLACEHOLDER:
                self.arrived(place, await stand_in(self._run, self._story, step, here))

    async def _sound(self) -> Soundtrack:
        async with self._run.room.soundtrack(self._folder) as making:
            if self._opening is not None:
                await making.add(await asyncio.shield(self._opening))
            for segment in self._segments:
                await making.add(await asyncio.shield(segment))
            return await making.finished()

    async def given_up(self) -> None:
        """Stop whatever is still being made."""
        tasks: list[asyncio.Task[Soundtrack] | asyncio.Task[Prepared]] = [*self._tasks]
        if self._opening is not None:
            tasks.append(self._opening)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def film_in_the_making(
    run: Run, story: Story, facts: Facts, steps: Sequence[Step]
) -> AsyncIterator[FilmInTheMaking]:
    """A film in the making; on leaving nothing half done is left behind."""
    with folder_aside(run.workspace.root / "joining") as folder:
        film = FilmInTheMaking(run, story, facts, steps, folder)
        try:
            yield film
        finally:
            await film.given_up()


def _has_opening(story: Story) -> bool:
    return story.start is not None and story.start.include


async def _opening(run: Run, story: Story, facts: Facts) -> Prepared:
    """The story's own start video, fetched once where it has an address."""
    assert story.start is not None
    source, identity = story.start.sources[0], facts.start[0]
    name = hashlib.sha256(identity.encode()).hexdigest()[:32]
    file, folder = source.path or run.workspace.source(identity), run.workspace.prepared(name)
    if source.path is None:
        async with lock(run.workspace.key_lock(name)):  # stories that begin alike fetch it once, not into each other
            if not file.exists():
                await _fetch_opening(run, story, source.url or "", file, folder)
    return await run.room.prepare(file, folder, strict=False, matroska=True)


async def _fetch_opening(run: Run, story: Story, url: str, file: Path, folder: Path) -> None:
    """Download a start video; it gets its name once it has been seen to be whole, so that a bad one is not kept."""
    part = file.with_suffix(".part")
    broken: set[str] = set()
    for fetch in range(_FETCHES):
        sha256 = await run.provider.download(
            url, part, lambda size, total: run.tell(Downloading(story.name, "opening", size, total))
        )
        try:
            # Bytes that come broken twice are broken where they lie: they are taken if they decode at all.
            await run.room.prepare(part, folder, strict=sha256 not in broken, matroska=True)
        except MediaError as error:
            broken.add(sha256)
            if fetch == _FETCHES - 1:
                raise
            run.tell(Noticed(story.name, "opening", f"{error.what}; fetching it again"))
        else:
            break
    await off_loop(settle, part, file)
