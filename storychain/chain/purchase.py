"""Buying one segment: written down before it is paid, sent once, its outcome on record before anything else happens.

From reading the watermark to recording the outcome a request is in a lane, of which there is one unless somebody asks
for more, so that at most one request of a ledger is in doubt at any time.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from storychain.chain.events import Postponed, SceneQueued, Submitted
from storychain.chain.orphans import note_ended_orphans
from storychain.chain.reconcile import anything_in_doubt, settle_open_questions
from storychain.chain.run import Run
from storychain.errors import AccountError, MovedOn, ProviderUnreachable, Unresolved
from storychain.ledger import Admitted, Full, Purchase, regardless
from storychain.printable import counted
from storychain.provider import Accepted, AnswerLost, RequestRefused, SegmentRequest, TurnedAway
from storychain.records import Record

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from storychain.ledger import Caps

MOST_SENDINGS = 8
"""Requests sent for one segment before the next run may try: each one provably left nothing behind."""

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
_ROOM_WAIT = 5.0

T = TypeVar("T")


Intend = Callable[[tuple[str, ...], int], Purchase]
"""Makes the purchase from the watermark and the lane."""


Sent = Record | TurnedAway | AnswerLost
"""How a request fared: what is on record of its job, or why there is none, or that nobody knows yet."""


class _FoundOut:
    """Nothing was sent: what became of other requests had to be found out first."""


async def buy(run: Run, caps: Caps, request: SegmentRequest, intend: Intend) -> Record:
    """Buy a segment; what is on record of it then, with its job. Raises CapReached, AccountError, RequestRefused,
    Unresolved or ProviderUnreachable; after each of them the ledger knows all there is to know.
    """
    wanted = intend((), 0)
    sendings, why = 0, ""
    while sendings < MOST_SENDINGS:
        outcome = await _try_once(run, caps, request, intend, wanted.key)
        match outcome:
            case Record():
                return outcome
            case Full(under_way):
                words = f"{counted(under_way, 'job')} under way"
                run.tell(SceneQueued(wanted.story, wanted.scene, words, take=wanted.take))
                await note_ended_orphans(run)
                await asyncio.sleep(min(run.pace.poll, _ROOM_WAIT) * random.uniform(0.5, 1.0))
            case TurnedAway(why, asked):
                delay = asked if asked is not None else _growing(sendings)
                sendings += 1
                run.tell(Postponed(wanted.story, wanted.scene, why, delay, take=wanted.take))
                await asyncio.sleep(delay)
    raise ProviderUnreachable(
        f"the request was turned away {MOST_SENDINGS} times; lastly: {why}",
        next_step="Nothing was bought for this scene. Run again later.",
    )


def _growing(sendings: int) -> float:
    return min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**sendings) * random.uniform(0.75, 1.25)


async def _try_once(
    run: Run, caps: Caps, request: SegmentRequest, intend: Intend, key: str
) -> Record | TurnedAway | Full | _FoundOut:
    """Send one request at most, and find out its fate if its answer is lost."""
    async with run.lanes.one(run) as lane:
        if (closed := run.purse.closed) is not None:
            raise AccountError(closed.what, next_step=closed.next_step)
        outcome = await _try_in(lane, run, caps, request, intend)
    if not isinstance(outcome, AnswerLost | _FoundOut):
        return outcome
    async with await run.lanes.alone(run):
        await settle_open_questions(run)
    return await _fate(run, key, outcome) if isinstance(outcome, AnswerLost) else outcome


def _in_the_way(run: Run, lane: int) -> Full | _FoundOut | None:
    """What keeps a request from being sent, as far as that is known before the account's list is looked at."""
    if anything_in_doubt(run, lane):
        return _FoundOut()
    under_way = run.ledger.under_way(run.provider.name)
    return Full(under_way) if under_way >= run.jobs else None


def _admitted(run: Run, purchase: Purchase, caps: Caps) -> Admitted | Full | _FoundOut:
    if anything_in_doubt(run, purchase.lane):
        return _FoundOut()
    return run.ledger.admit(purchase, caps, run.jobs)


async def _try_in(lane: int, run: Run, caps: Caps, request: SegmentRequest, intend: Intend) -> Sent | Full | _FoundOut:
    """Send one request at most; afterwards the ledger knows all that its answer told."""
    if not run.marks.are_fresh():  # nobody asks for the list who may not send anything anyway
        known = await run.first_on_record(_in_the_way, run, lane)
        if known is not None:
            return known
    purchase = intend(await run.marks.newest(run.provider), lane)
    if run.locks.shared:
        await run.provider.turn()  # waited for before that, since what is admitted has to be sent soon
    began = _moment(run)
    admission = await run.first_on_record(_admitted, run, purchase, caps)
    if not isinstance(admission, Admitted):
        return admission
    if run.locks.shared:
        # Others wait no longer than this for who may have been stopped: they may have bought the segment themselves.
        request = replace(request, in_time=lambda: _since(run, began) <= run.pace.send_within)
    # Ctrl-C does not cut the answer off: the request is on its way, so its outcome is awaited and recorded.
    outcome = await _to_the_end(_send(run, admission, purchase, request))
    if isinstance(outcome, AnswerLost):
        run.lanes.answers_lost.add(admission.attempt)
    return outcome


def _moment(run: Run) -> tuple[float, float]:
    return time.monotonic(), run.now()


def _since(run: Run, then: tuple[float, float]) -> float:
    """Seconds gone by, by the clock that counts more: one stands still while the machine sleeps, one may be set."""
    return max(later - earlier for later, earlier in zip(_moment(run), then, strict=True))


async def _to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """The outcome of work that is done whatever happens; a cancellation meanwhile is raised afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:  # may come again and again: whoever leaves many stories cancels twice
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # it is on record; nobody else would ask for it
    raise cancelled


async def _send(run: Run, admitted: Admitted, purchase: Purchase, request: SegmentRequest) -> Sent:
    if run.hooks is not None:
        request = replace(request, webhook=run.hooks.address(run.provider.name, admitted.attempt))
    try:
        outcome = await run.provider.submit(request)
    except (RequestRefused, AccountError) as error:
        objected = isinstance(error, RequestRefused) and error.about_words
        with regardless():
            await _record_refusal(run, admitted, error.what, objected)
        if isinstance(error, AccountError):
            run.purse.closed = error
        raise
    # Nobody else knows what was answered: it is recorded whoever holds the story by now.
    with regardless():
        match outcome:
            case Accepted(job_id):
                record = await _record_job(run, admitted, purchase.key, job_id)
                run.marks.appeared(job_id)
                run.tell(Submitted(purchase.story, purchase.scene, job_id, purchase.price, take=purchase.take))
                return record
            case TurnedAway(reason):
                await _record_refusal(run, admitted, reason)
    return outcome


async def _record_job(run: Run, admitted: Admitted, key: str, job_id: str) -> Record:
    try:
        return await run.first_on_record(run.ledger.submitted, admitted.attempt, job_id)
    except MovedOn:
        if not run.locks.shared:
            raise
        await run.first_on_record(run.ledger.arrived_after_all, admitted.attempt, job_id)
        return await run.first_on_record(run.ledger.record, key)


async def _record_refusal(run: Run, admitted: Admitted, why: str, objected: bool = False) -> None:
    try:
        await run.first_on_record(run.ledger.refused, admitted.attempt, why, objected)
    except MovedOn:
        # Others have found out by themselves. Nothing was bought here, so there is nothing to tell them; what is sent
        # next is admitted only where the story is still ours.
        if not run.locks.shared:
            raise


async def _fate(run: Run, key: str, lost: AnswerLost) -> Record | TurnedAway:
    """What was found out of a request whose answer was lost."""
    record = await run.first_on_record(run.ledger.record, key)
    match record.state:
        case "submitted" if record.job_id:
            return record
        case "unresolved":
            raise Unresolved(record.message or lost.reason)
        case _:
            if lost.mend is not None:
                raise ProviderUnreachable(f"{lost.reason}; nothing was bought", next_step=lost.mend)
            return TurnedAway(lost.reason)
