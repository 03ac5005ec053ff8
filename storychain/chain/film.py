"""Making the film of a story from its segments."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from storychain.chain.events import Downloading, FilmReady, Joining
from storychain.chain.recipe import recipe_of
from storychain.chain.run import Run, off_loop
from storychain.ledger import FilmRecord
from storychain.media.film import Clip, assemble
from storychain.media.prepare import Prepared, prepare
from storychain.workspace import settle, sha256_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.plan import Facts, Step
    from storychain.story.model import Story

NOTE = "The pictures of this film are AI-generated."
"""Goes into every film's metadata."""


async def make_film(
    run: Run, story: Story, facts: Facts, steps: Sequence[Step], segments: Sequence[Prepared], path: Path
) -> FilmRecord:
    """Join a story's segments, after its start video where that is included, into the film at `path`."""
    clips = [Clip(segment, step.scene.id) for step, segment in zip(steps, segments, strict=True)]
    if story.start and story.start.include:
        clips.insert(0, Clip(await _opening(run, story, facts), "opening"))
    path.parent.mkdir(parents=True, exist_ok=True)
    total = float(sum(clip.prepared.probe.seconds for clip in clips))
    made = await assemble(
        run.ffmpeg,
        clips,
        path,
        title=story.title,
        note=NOTE,
        on_progress=lambda seconds: run.tell(Joining(story.name, min(1.0, seconds / total))),
    )
    record = FilmRecord(str(path), recipe_of(story, facts, steps), run.provider.free, made.size, float(made.seconds))
    await off_loop(run.ledger.remember_film, record, story.name, await off_loop(sha256_of, path))
    run.tell(FilmReady(story.name, path, record.seconds, made=True))
    return record


async def _opening(run: Run, story: Story, facts: Facts) -> Prepared:
    """The story's own start video, fetched once where it has an address."""
    assert story.start is not None
    source, identity = story.start.sources[0], facts.start[0]
    file = source.path or run.workspace.source(identity)
    if source.path is None and not file.exists():
        part = file.with_suffix(".part")
        await run.provider.download(
            source.url or "", part, lambda size, total: run.tell(Downloading(story.name, "opening", size, total))
        )
        await off_loop(settle, part, file)
    folder = run.workspace.prepared(hashlib.sha256(identity.encode()).hexdigest()[:32])
    return await prepare(run.ffmpeg, file, folder, strict=False, matroska=True)
