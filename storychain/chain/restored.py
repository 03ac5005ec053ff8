"""A ledger that was put back from a copy has forgotten payments: that is found out before anything is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.chain.joblist import appeared_since
from storychain.chain.run import Run, off_loop
from storychain.chain.watermarks import MARKED
from storychain.errors import Unresolved
from storychain.printable import counted

if TYPE_CHECKING:
    from storychain.ledger import Ledger
    from storychain.provider import Job, Provider


def forgotten(run: Run) -> int:
    """How many attempts the ledger has forgotten, as far as it matters: what is free may be made again."""
    return 0 if run.provider.free else run.ledger.lost_attempts()


def in_words(lost: int) -> str:
    """What is said of a ledger that has forgotten attempts."""
    return f"the ledger has forgotten {counted(lost, 'attempt')}, as if put back from an older copy"


async def check_memory(run: Run) -> None:
    """Raise Unresolved if the ledger has forgotten attempts, naming the account's jobs that it does not know."""
    lost = await run.on_record(forgotten, run)
    if not lost:
        return
    unknown = await unknown_jobs(run.provider, run.ledger)
    jobs = ", ".join(job.id for job in unknown) or "none"
    raise Unresolved(
        f"{in_words(lost)}. Jobs of the account that it does not know: {jobs}",
        next_step="Nothing was spent. Give each job its scene (`storychain adopt STORY SCENE JOB`; they are shown "
        "again by `storychain reconcile`), then say that the rest is none of ours: `storychain reconcile --accept`.",
    )


async def unknown_jobs(provider: Provider, ledger: Ledger) -> list[Job]:
    """The account's jobs that belong to no attempt and are newer than the newest that does, newest first."""
    known = await off_loop(ledger.newest_jobs, provider.name, MARKED)
    (unknown,) = await appeared_since(provider, ledger, [known], gaps=True)
    return unknown
