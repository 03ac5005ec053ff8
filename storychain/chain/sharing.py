"""Segments and the shared place: what was brought home is put there, and had from there by other machines.

It only ever saves a way to the provider: where the place cannot be reached, segments come as they would without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.chain.events import NotShared
from storychain.chain.run import Run, off_loop
from storychain.errors import StoreTrouble
from storychain.store import segment_name
from storychain.workspace import settle

if TYPE_CHECKING:
    from storychain.plan import Step
    from storychain.records import Record


async def share(run: Run, story: str, step: Step, sha256: str) -> None:
    """Put a segment that is stored here into the shared place."""
    if run.store is None:
        return
    try:
        await run.store.put(run.workspace.segment(step.key), segment_name(step.key, sha256))
    except StoreTrouble as error:
        _told_once(run, story, step, error)


async def had_from_store(run: Run, story: str, step: Step, record: Record) -> bool:
    """Bring a segment that another machine stored here; whether that worked. It then is where it was stored."""
    if run.store is None or record.sha256 is None:
        return False
    part = run.workspace.part(step.key)
    try:
        if not await run.store.fetch(segment_name(step.key, record.sha256), record.sha256, part):
            return False
    except StoreTrouble as error:
        _told_once(run, story, step, error)
        return False
    await off_loop(settle, part, run.workspace.segment(step.key))
    return True


def _told_once(run: Run, story: str, step: Step, error: StoreTrouble) -> None:
    assert run.store is not None
    if run.store.is_news():
        run.tell(NotShared(story, step.scene.id, f"{error.where}: {error.what}", take=step.scene.take))
