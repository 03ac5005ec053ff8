"""Looking at all jobs under way of a run: when an answer is likely, many with one request, and at once when told to."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from storychain.chain.expecting import Schedule, schedule
from storychain.errors import ProviderUnreachable, StorychainError
from storychain.provider import Job, RequestRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from storychain.chain.expecting import Span
    from storychain.provider import Provider

_MANY = 4
"""Jobs under way from which on the account's list is looked at for all of them."""

_OFTEN = 10
"""How many times more often than at a single job the list is looked at, at most."""

_SELDOM = 8
"""Times the floor until a list that told of no job is looked at again."""

_PAGES = 40
"""Pages of the list that are read in the time of the floor, in the long run; as many may be read at once."""

_BARREN = 5
"""Pages without a job of ours, below others of ours, after which those that were not met are not on the list."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where on the list a page begins: the key that it is had by, and how many pages were before it then."""

    page: str | None
    depth: int


_TOP = _Place(None, 0)


@dataclass(slots=True)
class _Found:
    """What a look at the list has told: of which jobs nothing yet, which of the wanted are missing, which ended."""

    watched: dict[str, Watched]
    missing: set[str]
    ended: list[Watched] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Watched:
    """One job, submitted at `since` (the loop's time, as all these) and waited for from `begun` on.

    `seen` is when it was last seen under way, `asked` when it was itself looked at, `told` when its follower last heard
    of it; `hinted` that somebody says it has ended, `untold` that the list does not tell how it stands, `asking` that
    an answer is awaited. `listed` says that the list has told of it, `at` on which page it was last. At `doubted` it
    is looked at by itself though the list says that it goes on: lists lag, and some never catch up.
    """

    id: str
    since: float
    begun: float
    plan: Schedule
    seen: float | None = None
    asked: float | None = None
    told: float = float("-inf")
    hinted: bool = False
    untold: bool = False
    doubted: float = float("inf")
    asking: bool = False
    listed: bool = False
    at: _Place = _TOP
    turn: asyncio.Future[Job] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def due(self, now: float) -> float:
        """When to look at it by itself; on a hint at once, but never twice within a tenth of the floor."""
        if self.hinted:
            return now if self.asked is None else max(now, self.asked + self.plan.floor / _OFTEN)
        if self.asked is None:
            return self.since + self.plan.first(self.begun - self.since)
        return self.since + self.plan.after(self.asked - self.since)

    def may_end(self) -> float:
        """From when on it may have ended."""
        known = self.begun if self.seen is None else self.seen
        return self.since + self.plan.likely(known - self.since)


def _told_of(jobs: Sequence[Watched]) -> Sequence[Watched]:
    """Those of the jobs that the list is worth a look for: all, where it tells of none."""
    return [one for one in jobs if not one.untold] or jobs


class Lookout:
    """Asks after jobs for everybody who waits for one.

    A few jobs are each looked at by their own plan. Of many, the list tells most at once; those that have ended and of
    which it does not tell all, those of which it tells nothing, and now and then those of which it says the same for
    long are looked at one by one. It takes no more requests than each job alone would.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, Watched] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self._hinted: set[str] = set()
        self._urgent = False
        self._next_list = float("-inf")
        self._paid = float("-inf")
        """Until when the time has been used up for the pages that were read."""
        self._next_alone = float("inf")
        self._blind = False
        """Whether the list has told of none of the jobs."""
        self._plans: dict[tuple[str, int], tuple[float, Schedule]] = {}
        self._planning = asyncio.Lock()

    async def look(self, provider: Provider, watched: Watched, *, until: float | None = None) -> Job | None:
        """Wait until it is time to look at a job, and look; None where the loop's time `until` comes first.

        Raises what reading a job raises.
        """
        watched.turn = asyncio.get_running_loop().create_future()
        watched.hinted = watched.id in self._hinted
        self._urgent |= watched.hinted
        self._hinted.discard(watched.id)
        known = watched.begun if watched.asked is None else watched.asked
        watched.doubted = watched.since + watched.plan.beyond(known - watched.since)
        self._jobs[watched.id] = watched
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch(provider))
            self._task.add_done_callback(self._give_up)
        try:
            async with asyncio.timeout_at(until):
                return await watched.turn
        except TimeoutError:
            return None
        finally:
            self._jobs.pop(watched.id, None)
            self._changed.set()  # it may have been the last, and then nothing is watched any more

    async def plan(
        self, floor: float, like: tuple[str, int], spans: Callable[[], Awaitable[Sequence[Span]]]
    ) -> Schedule:
        """When to look at jobs of one model and length; `spans` reads how long the last of them took.

        Within `floor` seconds nothing is learned that would matter.
        """
        async with self._planning:
            now = asyncio.get_running_loop().time()
            known = self._plans.get(like)
            if known is None or now - known[0] > floor:
                known = self._plans[like] = (now, schedule(await spans(), floor))
            return known[1]

    def hint(self, job_id: str) -> None:
        """Somebody says that a job has ended: look soon. Nothing is believed, and saying it twice changes nothing."""
        watched = self._jobs.get(job_id)
        if watched is None:
            self._hinted.add(job_id)  # its follower is about to look again
            return
        watched.hinted = self._urgent = True
        self._changed.set()

    async def _watch(self, provider: Provider) -> None:
        loop = asyncio.get_running_loop()
        while self._jobs:
            self._changed.clear()
            now = loop.time()
            pause = min(self._next_list, self._next_alone)
            if len(self._jobs) >= _MANY and now < pause and not (self._urgent or self._blind):
                # Each of many comes and goes in this time; looking through all of them each time would be the work.
                await self._until(pause)
                continue
            self._urgent = False
            jobs = [one for one in self._jobs.values() if not (one.asking or one.turn.done())]
            many = len(jobs) >= _MANY
            due = [one for one in jobs if self._when(one, now, many=many) <= now]
            listing = max(self._next_list, min(one.may_end() for one in _told_of(jobs))) if many else float("inf")
            if not due and listing <= now:
                due = await self._listed(provider, jobs)
            for one in due:
                self._begin(provider, one)
            left = [one for one in jobs if not one.asking]
            self._urgent |= any(one.hinted for one in left)
            self._next_alone = min((self._when(one, now, many=many) for one in left), default=float("inf"))
            if not due and listing > now:
                await self._until(min(listing, self._next_alone))

    def _when(self, one: Watched, now: float, *, many: bool) -> float:
        """When to look at a job by itself."""
        listed = many and not (one.hinted or one.untold or self._blind)
        return one.doubted if listed else one.due(now)

    def _begin(self, provider: Provider, one: Watched) -> None:
        """Ask about one job; one whose answer takes long keeps no other waiting."""
        one.asking = True
        task = asyncio.create_task(self._ask(provider, one))
        self._asking.add(task)
        task.add_done_callback(self._asked)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        self._changed.set()
        self._give_up(task)

    async def _until(self, when: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(when if when < float("inf") else None):
                await self._changed.wait()

    async def _listed(self, provider: Provider, jobs: Sequence[Watched]) -> list[Watched]:
        """Look at the list for the jobs that may have ended; those to be looked at by themselves.

        Jobs sink on it as others are begun, so those before the page where one was are newer: they are passed over.
        """
        loop = asyncio.get_running_loop()
        floor = max(one.plan.floor for one in jobs)
        began = loop.time()
        wanted = _told_of([one for one in jobs if one.may_end() <= began] or jobs)
        found = _Found({one.id: one for one in jobs}, {one.id for one in wanted})
        first = min((one.at for one in wanted), key=lambda at: at.depth)
        most = len(jobs) // _MANY + 1
        pages = await self._read(provider, found, first, most)
        if found.missing and first.depth:
            pages += await self._read(provider, found, _TOP, most)  # it has moved on since
        now = loop.time()
        for one in wanted:
            one.untold = one.untold or one.id in found.missing
        self._blind = not any(one.listed for one in jobs)
        self._paid = max(self._paid, now - floor) + floor * pages / _PAGES
        # However much was read, the list tells most: others are not to wait for long because one was searched for.
        self._next_list = now + (_SELDOM * floor if self._blind else min(floor, max(floor / _OFTEN, self._paid - now)))
        return found.ended + [one for one in wanted if one.untold and one.due(now) <= now]

    async def _read(self, provider: Provider, found: _Found, at: _Place, most: int) -> int:
        """Read the list from a place on until nothing is missing; how many pages that were."""
        pages = barren = 0
        before = len(found.watched)
        while found.missing and pages < most and barren < _BARREN:
            try:
                got = await provider.jobs(at.page)
            except (ProviderUnreachable, RequestRefused):
                break
            pages, barren = pages + 1, barren + (len(found.watched) < before)
            for job in got.jobs:
                if (one := found.watched.pop(job.id, None)) is None:
                    continue
                barren = 0
                found.missing.discard(job.id)
                one.at = at
                one.untold = job.state == "untold"
                one.listed |= not one.untold
                if job.state == "in_progress":
                    self._under_way(one, job)
                elif job.told_whole:
                    self._tell(one, job)
                elif not one.untold:
                    found.ended.append(one)
            if not got.next_page:
                break
            at = _Place(got.next_page, at.depth + 1)
        return pages

    def _under_way(self, one: Watched, job: Job) -> None:
        """Of a job that goes on its follower hears no more often than if it were looked at by itself."""
        one.seen = asyncio.get_running_loop().time()
        if one.seen - one.told >= one.plan.floor:
            self._tell(one, job)

    async def _ask(self, provider: Provider, one: Watched) -> None:
        one.hinted = False
        try:
            job = await provider.job(one.id)
        except StorychainError as error:
            if not one.turn.done():
                one.turn.set_exception(error)
        else:
            if job.state == "in_progress":
                one.seen = asyncio.get_running_loop().time()
            self._tell(one, job)
        finally:
            one.asking = False
            one.asked = asyncio.get_running_loop().time()

    def _tell(self, one: Watched, job: Job) -> None:
        one.told = asyncio.get_running_loop().time()
        if not one.turn.done():
            one.turn.set_result(job)

    def _give_up(self, task: asyncio.Task[None]) -> None:
        """Whoever waits hears of a mistake of ours, rather than waiting for ever."""
        error = None if task.cancelled() else task.exception()
        for one in self._jobs.values():
            if error is not None and not one.turn.done():
                one.turn.set_exception(error)
