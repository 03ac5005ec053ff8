"""Jobs whose run has died: when they stand in the way, somebody has to look whether they have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.chain.run import Run
from storychain.locks import Held

if TYPE_CHECKING:
    from storychain.records import Record


async def note_ended_orphans(run: Run) -> None:
    """Put on record which jobs nobody waits for have ended, so that they no longer count as under way.

    Their bytes are left to their own story's next run.
    """
    for record in await run.on_record(run.ledger.in_flight, run.provider.name):
        try:
            async with run.locks.now(run.workspace.key_lock(record.key)):
                await _note(run, record)
        except Held:
            continue  # somebody is looking after it


async def _note(run: Run, record: Record) -> None:
    if record.job_id is None:
        return
    job = await run.provider.job(record.job_id)
    match job.state:
        case "completed" if job.url:
            await run.on_record(run.ledger.completed, record.attempt, job)
        case "failed":
            await run.on_record(run.ledger.failed, record.attempt, job)
