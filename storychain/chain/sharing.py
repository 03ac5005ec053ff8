"""Segments and the shared place: what was brought home is put there, and had from there by other machines.

It only ever saves a way to the provider: where the place cannot be reached, segments come as they would without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.chain.events import Noticed
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
        await off_loop(run.store.put, run.workspace.segment(step.key), segment_name(step.key, sha256))
    except StoreTrouble as error:
        run.tell(Noticed(story, step.scene.id, f"{error.what}; the segment is on this machine alone"))


async def had_from_store(run: Run, story: str, step: Step, record: Record) -> bool:
    """Bring a segment that another machine stored here; whether that worked. It then is where it was stored."""
    if run.store is None or record.sha256 is None:
        return False
    part = run.workspace.part(step.key)
    try:
        if not await off_loop(run.store.fetch, segment_name(step.key, record.sha256), record.sha256, part):
            return False
    except StoreTrouble as error:
        run.tell(Noticed(story, step.scene.id, f"{error.what}; it is fetched from the provider"))
        return False
    await off_loop(settle, part, run.workspace.segment(step.key))
    return True
