"""The start video of a story: its file, or what was fetched once from its address."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from storychain.chain.events import Downloading, Noticed
from storychain.chain.run import Run, off_loop
from storychain.errors import MediaError
from storychain.locks import lock
from storychain.workspace import settle

if TYPE_CHECKING:
    from pathlib import Path

    from storychain.media.prepare import Prepared
    from storychain.plan import Facts
    from storychain.story.model import Story

_FETCHES = 4
"""Times a start video that comes broken is fetched."""


async def opening_of(run: Run, story: Story, facts: Facts) -> Prepared:
    """The story's start video, fetched once where it has an address."""
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
