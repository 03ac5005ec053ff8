"""Work on the ledger off the loop, in one thread: it has one connection, for which threads would only queue up.

What comes while the thread is at work is done together then: one transaction, one sync of the disk and one call to the
loop for all of it, where hundreds of jobs end in the same moment.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

from storychain.ledger import Outcome, together

P = ParamSpec("P")
T = TypeVar("T")

_AT_ONCE, _LONGEST = 32, 0.005
"""Pieces of work, and seconds, after which what is done together is put on disk: whoever pays waits for it as well."""


@dataclass(slots=True)
class _Errand:
    """A piece of work, in the context it was asked for in, and who waits for what comes of it."""

    work: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    waiting: asyncio.Future[Any]


class Clerk:
    """Does errands in the order in which they come, the urgent ones first."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "storychain-records")
        self._urgent: deque[_Errand] = deque()
        self._others: deque[_Errand] = deque()
        self._deciding = threading.Lock()
        self._at_work = False

    async def do(self, urgent: bool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the work; what it wrote is on disk when this returns."""
        loop = asyncio.get_running_loop()
        errand = _Errand(partial(copy_context().run, work, *args, **kwargs), loop, loop.create_future())
        with self._deciding:
            (self._urgent if urgent else self._others).append(errand)
            begins, self._at_work = not self._at_work, True
        if begins:
            loop.run_in_executor(self._thread, self._work)
        done: T = await errand.waiting
        return done

    def _work(self) -> None:
        while (first := self._next()) is not None:
            taken: list[_Errand] = []
            whole = Outcome[None]()
            outcomes: list[Outcome[Any]] = []
            with whole:
                outcomes = together(self._several(first, taken))
            if whole.error is not None:  # a mistake of ours, or no memory: nobody waits for ever for it
                outcomes = [Outcome(error=whole.error)] * len(taken)
            for loop in {errand.loop for errand in taken}:
                told = [(one.waiting, what) for one, what in zip(taken, outcomes, strict=True) if one.loop is loop]
                with suppress(RuntimeError):  # a loop that is closed has nobody who waits
                    loop.call_soon_threadsafe(_tell, told)

    def _several(self, first: _Errand, taken: list[_Errand]) -> Iterator[Callable[[], Any]]:
        """The work of this errand and of those that wait, for a while; each is `taken` then."""
        errand: _Errand | None = first
        ends = time.monotonic() + _LONGEST
        while errand is not None:
            # Whoever is not waiting any more was cancelled before it was begun: as good as never asked for.
            if not errand.waiting.cancelled():
                taken.append(errand)
                yield errand.work
            goes_on = len(taken) < _AT_ONCE and time.monotonic() < ends
            errand = self._waiting() if goes_on else None

    def _next(self) -> _Errand | None:
        with self._deciding:
            errand = self._waiting()
            self._at_work = errand is not None
            return errand

    def _waiting(self) -> _Errand | None:
        """The one that is next; only the thread at work takes any."""
        queue = self._urgent or self._others
        return queue.popleft() if queue else None


def _tell(outcomes: list[tuple[asyncio.Future[Any], Outcome[Any]]]) -> None:
    for waiting, outcome in outcomes:
        if waiting.done():
            continue
        error = outcome.error
        if error is None:
            waiting.set_result(outcome.value)
        elif isinstance(error, StopIteration):  # which no task can be told as it is
            waiting.set_exception(RuntimeError("a piece of work ended its own loop"))
        else:
            waiting.set_exception(error)
