"""From a paid job to bytes on this disk: looking at the job until it ends, then bringing its video home.

A segment counts as stored only when its file is whole, decodes, is synced and has its name.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

from storychain.chain.events import Completed, Downloading, Followed, Looked, Noticed, Stored
from storychain.chain.lookout import Watched
from storychain.chain.run import Run, off_loop
from storychain.chain.sharing import share
from storychain.errors import MediaError, OutOfTime, ProviderUnreachable, Unresolved
from storychain.media.prepare import Prepared
from storychain.provider import AddressGone, Job, RequestRefused
from storychain.workspace import settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from storychain.chain.expecting import Schedule
    from storychain.plan import Step
    from storychain.records import Record

_SEEN_EVERY = 60.0
"""Seconds after which the ledger is told that somebody still waits for a job, looked at or not."""

_LAST_LOOK = 30.0
"""Seconds that the last look at a job may take that is about to be given up."""

_NOT_FOUND_LOOKS = 5
"""A job just accepted may be unknown for a moment; one that stays unknown, for `settle` seconds as well, is gone."""

_FETCHES = 4
"""Times a broken or vanished file is fetched anew in one run; it is never bought anew."""


async def follow(run: Run, story: str, step: Step, record: Record) -> Record | None:
    """See a submitted job to its end; what is on record of it then, None where it failed. Raises what `_ended` does."""
    assert record.job_id is not None
    run.tell(Followed(story, step.scene.id, record.job_id, take=step.scene.take))
    like = step.model, step.scene.seconds
    waits = partial(run.on_record, run.ledger.waits, run.provider.name, *like)
    plan = await run.lookout.plan(run.pace.poll, like, waits)
    called = run.hooks and run.hooks.expected(run.provider.name, record.attempt, record.job_id)
    with called or nullcontext():
        job, under_way_at = await _ended(run, story, step, record, plan)
    if job.state == "failed":
        await run.on_record(run.ledger.failed, record.attempt, job)
        return None
    ended = await run.on_record(run.ledger.completed, record.attempt, job, under_way_at)
    run.tell(Completed(story, step.scene.id, job.id, job.credits, take=step.scene.take))
    if job.credits is not None and step.price is not None and job.credits != step.price:
        said = f"the provider took {job.credits} credits where {step.price} were quoted"
        run.tell(Noticed(story, step.scene.id, said, take=step.scene.take))
    return ended


async def _ended(run: Run, story: str, step: Step, record: Record, plan: Schedule) -> tuple[Job, float | None]:
    """Look at a submitted job until it is completed (with an address) or failed.

    Returns it with the moment (seconds of the epoch) at which it was last seen under way. Raises OutOfTime when the job
    takes longer than allowed, Unresolved when the provider no longer knows it.
    """
    assert record.job_id is not None
    loop = asyncio.get_running_loop()
    began, seen, unknown, asked_at_last = loop.time(), 0.0, 0, False
    first_unknown = began
    patience = began + run.pace.job_timeout
    age = max(0.0, run.now() - (record.submitted_at or record.intended_at))
    watched = Watched(record.job_id, began - age, began, plan)
    while True:
        job = await _look(run, story, step, watched, patience)
        match job:
            case Job(state="completed", url=str()) | Job(state="failed"):
                return job, None if watched.seen is None else run.now() - (loop.time() - watched.seen)
            case Job(state="cleaned"):
                raise await lost(run, record, f"job {record.job_id} was removed at the provider before its download")
            case Job(state="not_found"):
                unknown += 1
                first_unknown = loop.time() if unknown == 1 else first_unknown
                if unknown >= _NOT_FOUND_LOOKS and loop.time() - first_unknown >= run.pace.settle:
                    back = f"`storychain adopt STORY {record.scene} {record.job_id}` has it if it is known again"
                    raise await lost(run, record, f"the provider does not know job {record.job_id}. {back}")
        run.check_time()
        waited = loop.time() - began
        if loop.time() >= patience and not asked_at_last:
            asked_at_last = True  # nobody gives up on a job without a last look at it, however seldom it is looked at
            patience += _LAST_LOOK
            run.lookout.hint(record.job_id)
        elif asked_at_last:
            ended = job is not None and job.state == "completed"
            how = "has ended, but names no address of its video" if ended else "is still under way"
            raise OutOfTime(
                f"job {record.job_id} {how} after {waited / 60:.0f} min",
                next_step="It is paid and on record: run again later to pick it up.",
            )
        if waited - seen >= _SEEN_EVERY:
            seen = waited
            await run.on_record(run.ledger.seen, record.attempt)
        total = run.now() - (record.submitted_at or record.intended_at)
        run.tell(
            Looked(story, step.scene.id, record.job_id, total, job.progress if job else None, take=step.scene.take)
        )


async def _look(run: Run, story: str, step: Step, watched: Watched, patience: float) -> Job | None:
    """Read the job when it is time; None where it is not to be read now, which changes nothing about the job."""
    loop = asyncio.get_running_loop()
    until = min(patience, loop.time() + _SEEN_EVERY)
    if run.deadline is not None:
        until = min(until, loop.time() + max(0.0, run.deadline - run.now()))
    try:
        return await run.lookout.look(run.provider, watched, until=until)
    except (ProviderUnreachable, RequestRefused) as error:
        run.tell(Noticed(story, step.scene.id, f"{error.what}; looking again", take=step.scene.take))
        return None


async def lost(run: Run, record: Record, what: str) -> Unresolved:
    """A paid job that cannot be had any more: put on record, and only a person may have it bought again."""
    message = (
        f"{what}. `storychain resubmit STORY {record.scene} --may-pay-twice` (with the run's --model or --matrix if it "
        "had one) buys it again"
    )
    if record.sha256:
        file = run.workspace.segment(record.key).relative_to(run.workspace.root)
        message += f"; for nothing it is had again where its file is put back as {file} in the workspace"
    await run.on_record(run.ledger.unresolved, record.attempt, message)
    return Unresolved(message)


async def bring_home(
    run: Run, story: str, step: Step, record: Record, job: Job, foreseen: Callable[[Prepared], None] | None = None
) -> Prepared:
    """Download, check, prepare and store a completed job's video.

    What is expected to come of it is `foreseen` before all is checked; perhaps of more than one download.
    """
    part, final = run.workspace.part(step.key), run.workspace.segment(step.key)
    trouble: AddressGone | MediaError | ProviderUnreachable | None = None
    broken: set[str] = set()
    for fetch in range(_FETCHES):
        if fetch:
            job = await read_anew(run, record)
        try:
            prepared, sha256, size = await _fetch(run, story, step, job, broken, foreseen)
        except (AddressGone, MediaError, ProviderUnreachable) as error:
            trouble = error
            run.tell(Noticed(story, step.scene.id, f"{error.what}; fetching it again", take=step.scene.take))
            await asyncio.sleep(min(run.pace.poll, 2.0 * fetch))
            continue
        await off_loop(settle, part, final)
        await run.on_record(run.ledger.stored, record.attempt, sha256, size)
        await share(run, story, step, sha256)
        _note_length(run, story, step, prepared)
        run.tell(Stored(story, step.scene.id, final, float(prepared.probe.seconds), take=step.scene.take))
        return prepared
    assert trouble is not None
    if isinstance(trouble, ProviderUnreachable):
        raise trouble
    raise OutOfTime(
        f"the video of job {job.id} could not be had whole in {_FETCHES} tries; lastly: {trouble.what}",
        next_step="It is paid and on record: run again to fetch it again.",
    )


async def read_anew(run: Run, record: Record) -> Job:
    """Ask a completed job for addresses that work. Raises Unresolved where its files are gone."""
    assert record.job_id is not None
    job = await run.provider.job(record.job_id)
    if job.state in ("cleaned", "not_found"):
        raise await lost(run, record, f"the video of job {record.job_id} is gone at the provider")
    if job.state == "completed" and job.url:
        await run.on_record(run.ledger.completed, record.attempt, job)
    return job


async def _fetch(
    run: Run, story: str, step: Step, job: Job, broken: set[str], foreseen: Callable[[Prepared], None] | None
) -> tuple[Prepared, str, int]:
    """One download, checked. Bytes that came broken before are the provider's own: they are taken if they decode."""
    if job.url is None:
        raise AddressGone(f"job {job.id} names no address")
    part = run.workspace.part(step.key)
    sha256 = await run.provider.download(
        job.url,
        part,
        lambda size, total: run.tell(Downloading(story, step.scene.id, size, total, take=step.scene.take)),
    )
    try:
        prepared = await run.room.prepare(
            part, run.workspace.prepared(step.key), strict=sha256 not in broken, on_sound=foreseen
        )
    except MediaError:
        broken.add(sha256)
        raise
    if sha256 in broken:
        what = "the provider's own file is damaged, as it came twice; it is mended as far as it decodes"
        run.tell(Noticed(story, step.scene.id, what, take=step.scene.take))
    return prepared, sha256, part.stat().st_size


def _note_length(run: Run, story: str, step: Step, prepared: Prepared) -> None:
    seconds = float(prepared.probe.seconds)
    if abs(seconds - step.scene.seconds) > 0.5:
        message = f"the provider sent {seconds:.1f} s where {step.scene.seconds} s were asked for"
        run.tell(Noticed(story, step.scene.id, message, take=step.scene.take))
