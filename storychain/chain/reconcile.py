"""Finding out what became of a paid request whose answer was lost, by asking the account's job list.

A request can have left at most one job behind: one that appeared after the attempt's watermark and that no attempt
owns. Everything here happens under the account's lock, so no request of ours is under way meanwhile.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from storychain.chain.events import Postponed, Reconciled
from storychain.chain.joblist import appeared_since
from storychain.chain.restored import check_memory
from storychain.chain.run import first_on_record, on_record

if TYPE_CHECKING:
    from storychain.chain.run import Run
    from storychain.provider import Job
    from storychain.records import Record

_LOOKS = 4


async def settle_open_questions(run: Run) -> None:
    """Find out about every attempt nobody knows the fate of. Newest first: its candidates are the fewest.

    Raises Unresolved if the ledger has forgotten attempts: their jobs would be taken for those in doubt.
    """
    if not await first_on_record(_in_doubt, run):
        return
    await check_memory(run)
    questions = await on_record(run.ledger.open_questions, run.provider.name)
    if questions and run.locks.shared:
        # Whoever wrote them down may be stopped rather than dead, and sends nothing later than this. The time counts
        # from here: clocks of two machines may tell different times.
        record = questions[0]
        why = "whoever was to send its request is gone; it may still be on its way"
        run.tell(Postponed(record.story, record.scene, why, run.pace.send_within, take=record.take))
        await asyncio.sleep(run.pace.send_within)
        questions = await on_record(run.ledger.open_questions, run.provider.name)
    for record in questions:
        # Whoever sent it may have been killed a moment ago, without having waited for an answer.
        await settle(run, record, run.pace.silence + run.pace.settle)


def _in_doubt(run: Run) -> bool:
    """Whether there is anything to find out; nearly always there is not, and this is asked before each request."""
    return bool(run.ledger.lost_attempts() or run.ledger.open_questions(run.provider.name))


async def settle(run: Run, record: Record, seconds: float) -> None:
    """Move an intended attempt on: to its job, to refused, or to unresolved where a person has to say.

    `seconds` is how long its job may take from now on to appear on the list.
    """
    candidates = await _candidates(run, record, seconds)
    if len(candidates) > 1:
        candidates = await _narrowed(run, record, candidates)
    match candidates:
        case []:
            await on_record(run.ledger.refused, record.attempt, "its request never reached the provider")
            run.tell(Reconciled(record.story, record.scene, None, take=record.take))
        case [job]:
            await on_record(run.ledger.submitted, record.attempt, job.id)
            run.tell(Reconciled(record.story, record.scene, job.id, take=record.take))
        case _:
            await on_record(run.ledger.unresolved, record.attempt, _question(record, candidates))


async def _candidates(run: Run, record: Record, seconds: float) -> list[Job]:
    """Look over all of that time: lists lag behind, and of two new jobs the wrong one may show first.

    The time counts from here, not from when the request was written down: it may have been under way for long, its
    process may have been killed a moment ago, and clocks of two machines may tell different times.
    """
    found: dict[str, Job] = {}
    looks = _LOOKS if seconds > 0 else 1
    for number in range(looks):
        if number:
            wait = seconds / (looks - 1)
            why = f"the answer to its request was lost; asking the job list ({number + 1} of {looks})"
            run.tell(Postponed(record.story, record.scene, why, wait, take=record.take))
            await asyncio.sleep(wait)
        appeared = await appeared_since(run.provider, run.ledger, record.watermark)
        found |= {job.id: job for job in appeared}
    return list(found.values())


async def _narrowed(run: Run, record: Record, candidates: list[Job]) -> list[Job]:
    """Drop candidates that cannot be the one: jobs that say they made another length.

    Never down to nothing: if none seems to fit, a person decides.
    """
    told = [await run.provider.job(job.id) for job in candidates]
    fitting = [job for job in told if job.seconds is None or abs(job.seconds - record.seconds) < 1]
    return fitting or candidates


def _question(record: Record, candidates: list[Job]) -> str:
    jobs = ", ".join(job.id for job in candidates)
    return (
        f"its request may have started any of the jobs {jobs}. Look at them in the account, then either "
        f"`storychain adopt STORY {record.scene} JOB` or `storychain resubmit STORY {record.scene} --may-pay-twice`"
    )
