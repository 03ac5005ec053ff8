"""Lanes: how many requests of an account may be on their way at once, and being alone with the account.

A request is in a lane from reading the watermark until its outcome is on record. So what is written down in a lane that
nobody is in is in doubt, and at most as many requests are as there are lanes. What became of them is found out by who
is alone: then every job on the account's list that is ours and answered for is on record, too.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from storychain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storychain.chain.run import Run

_LET_BUY = 3.0
"""Seconds for which a download that nobody waits for lets those go first who buy."""

MOST_LANES = 16
"""Who wants to be alone has to pass all of them, whatever others have been told to use."""


class Lanes:
    """The lanes that one run uses, `count` of them.

    `answers_lost` are its attempts that were sent and whose answer will not come; `looked` says that what others left
    in doubt before it began was seen to. Raises UsageError for more than MOST_LANES.
    """

    def __init__(self, count: int = 1) -> None:
        if count > MOST_LANES:
            raise UsageError(f"there are {MOST_LANES} submit lanes at most, and {count} are asked for")
        self.answers_lost: set[int] = set()
        self.looked = False
        self._count = count
        self._waiting: Counter[int] = Counter()
        self._calm = asyncio.Event()
        self._calm.set()

    @asynccontextmanager
    async def one(self, run: Run) -> AsyncIterator[int]:
        """Be in a lane, the one that fewest of this run wait for; its number."""
        lane = min(range(self._count), key=lambda number: self._waiting[number])
        self._waiting[lane] += 1
        if self._waiting[lane] > 1:
            self._calm.clear()
        try:
            async with run.locks.wait(run.workspace.lane_lock(run.provider.name, lane)):
                yield lane
        finally:
            self._waiting[lane] -= 1
            if max(self._waiting.values()) <= 1:
                self._calm.set()

    async def calm(self) -> None:
        """Wait, but not for long, until no request of this run waits for its turn.

        For what can wait: a job that begins later ends later, and bytes can come while it is under way.
        """
        if not self._calm.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LET_BUY):
                    await self._calm.wait()

    async def alone(self, run: Run) -> AsyncExitStack:
        """Be in all lanes, so that no request is on its way, until what is returned is left.

        Not for who is in one already.
        """
        async with AsyncExitStack() as lanes:
            for lane in range(MOST_LANES):  # in one order for all, so that nobody waits for who waits for him
                await lanes.enter_async_context(run.locks.wait(run.workspace.lane_lock(run.provider.name, lane)))
            return lanes.pop_all()
