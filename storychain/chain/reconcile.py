"""Finding out what became of paid requests whose answer was lost, by asking the account's job list.

A request can have left at most one job behind: one that appeared after the attempt's watermark and that no attempt
owns. Everything here happens alone with the account, so no request of ours is under way meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from storychain.chain.events import Postponed, Reconciled
from storychain.chain.joblist import appeared_since
from storychain.chain.restored import check_memory, forgotten
from storychain.errors import ProviderUnreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.chain.run import Run
    from storychain.provider import Job
    from storychain.records import Record

_LOOKS = 4


def anything_in_doubt(run: Run, lane: int) -> bool:
    """Whether anything has to be found out before a request may be sent in this lane, which the caller is in.

    Before a run's first request that is whatever anybody left in doubt, or has on its way just now. Nearly always there
    is nothing, and this is asked before each request.
    """
    if forgotten(run) or run.ledger.open_questions(run.provider.name, lane if run.lanes.looked else None):
        return True
    run.lanes.looked = True
    return False


async def settle_open_questions(run: Run) -> None:
    """Find out about every attempt nobody knows the fate of, alone with the account.

    Raises Unresolved if the ledger has forgotten attempts: their jobs would be taken for those in doubt.
    """
    await check_memory(run)
    questions = await _questions(run)
    seconds = run.pace.settle
    if any(record.attempt not in run.lanes.answers_lost for record in questions):
        # Whoever sent it may have been killed a moment ago, without having waited for an answer.
        seconds += run.pace.silence
        if run.locks.shared:
            questions = await _after_those_who_wake_up(run, questions)
    if questions:
        await _settle(run, questions, await _candidates(run, questions, seconds))
    run.lanes.looked = True


async def _questions(run: Run) -> Sequence[Record]:
    return await run.first_on_record(run.ledger.open_questions, run.provider.name)


async def _after_those_who_wake_up(run: Run, questions: Sequence[Record]) -> Sequence[Record]:
    """What is still in doubt after a while.

    Whoever wrote it down may be stopped rather than dead, and sends nothing later than this. The time counts from here:
    clocks of two machines may tell different times.
    """
    record = questions[0]
    why = "whoever was to send its request is gone; it may still be on its way"
    run.tell(Postponed(record.story, record.scene, why, run.pace.send_within, take=record.take))
    await asyncio.sleep(run.pace.send_within)
    return await _questions(run)


async def _settle(run: Run, questions: Sequence[Record], found: Sequence[Sequence[Job]]) -> None:
    """Move attempts on: to their job, to refused, or to unresolved where a person has to say.

    A job that may be of several of them is of none: the wrong one would have another's video, and the right one would
    be paid again.
    """
    wanted = Counter(job.id for candidates in found for job in candidates)
    for record, candidates in zip(questions, found, strict=True):
        match candidates:
            case []:
                await run.on_record(run.ledger.refused, record.attempt, "its request never reached the provider")
                run.tell(Reconciled(record.story, record.scene, None, take=record.take))
            case [job] if wanted[job.id] == 1 and not _is_another(record, job):
                await run.on_record(run.ledger.submitted, record.attempt, job.id)
                run.tell(Reconciled(record.story, record.scene, job.id, take=record.take))
            case _:
                await run.on_record(run.ledger.unresolved, record.attempt, _question(record, candidates))
        run.lanes.answers_lost.discard(record.attempt)


async def _candidates(run: Run, questions: Sequence[Record], seconds: float) -> list[Sequence[Job]]:
    """For each attempt the jobs that may be its own. Looked for over all of that time.

    Lists lag behind, and of two new jobs the wrong one may show first. The time counts from here, not from when the
    request was written down: it may have been under way for long, its process may have been killed a moment ago, and
    clocks of two machines may tell different times. A look that fails is one that found nothing, but for the last:
    that there is no job is said by nobody else. Raises ProviderUnreachable then.
    """
    found: list[dict[str, Job]] = [{} for _ in questions]
    looks = _LOOKS if seconds > 0 else 1
    trouble = ""
    for number in range(looks):
        if number:
            wait = seconds / (looks - 1)
            why = f"the answer to its request was lost; {trouble}asking the job list ({number + 1} of {looks})"
            for record in questions:
                run.tell(Postponed(record.story, record.scene, why, wait, take=record.take))
            await asyncio.sleep(wait)
        try:
            appeared = await appeared_since(run.provider, run.ledger, [record.watermark for record in questions])
        except ProviderUnreachable as error:
            if number == looks - 1:
                raise
            trouble = f"{error.what}; "
            continue
        trouble = ""
        for jobs, more in zip(found, appeared, strict=True):
            jobs |= {job.id: job for job in more}
    return [await _narrowed(run, record, list(jobs)) for record, jobs in zip(questions, found, strict=True)]


async def _narrowed(run: Run, record: Record, job_ids: Sequence[str]) -> Sequence[Job]:
    """The jobs as they tell of themselves, of several without those that say they made another length.

    Never down to nothing: if none seems to fit, a person decides.
    """
    told = [await run.provider.job(job_id) for job_id in job_ids]
    return [job for job in told if _as_long(record, job)] or told


def _as_long(record: Record, job: Job) -> bool:
    return job.seconds is None or abs(job.seconds - record.seconds) < 1


def _is_another(record: Record, job: Job) -> bool:
    """Whether the only new job is somebody else's: it tells another length, which alone is not to be trusted of a video
    that continues another, and another price as well.
    """
    return not _as_long(record, job) and None not in (job.credits, record.credits) and job.credits != record.credits


def _question(record: Record, candidates: Sequence[Job]) -> str:
    jobs = f"any of the jobs {', '.join(job.id for job in candidates)}"
    if len(candidates) == 1 and _is_another(record, candidates[0]):
        (job,) = candidates
        jobs = f"job {job.id}, which tells another length and price ({job.seconds} s, {job.credits} credits)"
    return (
        f"its request may have started {jobs}. Look in the account, then either "
        f"`storychain adopt STORY {record.scene} JOB` or `storychain resubmit STORY {record.scene} --may-pay-twice`, "
        "with the run's --model or --matrix if it had one"
    )
