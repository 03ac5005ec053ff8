"""What brings orders to workers: one interface with two adapters, and what both do with an order that is under way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from storychain.ledger import Order, Orders

FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0
"""Seconds between two tries to reach a server, at first and at last."""


class Engine(Protocol):
    """Delivers orders to whoever serves, each at least once for as long as it is open."""

    async def about(self) -> str:
        """What it is and where, once it has answered. Raises LedgerUnreachable, QueueUnreachable or UsageError."""

    async def offer(self, orders: Sequence[Order]) -> None:
        """Offer orders; what is offered already is not offered twice.

        Raises LedgerUnreachable or QueueUnreachable; the orders are then offered by the workers, within a minute or so.
        """

    async def serve(
        self,
        orders: Orders,
        work: Callable[[int], Awaitable[bool]],
        stop: asyncio.Event,
        *,
        at_once: int,
        lease: float,
        tell: Callable[[str], None],
    ) -> None:
        """Work on orders until `stop`; those under way are then cancelled and offered to others at once.

        `work` is given an order's id and says whether it is done with: where not, it is offered again after `lease`
        seconds. Whatever else it raises ends serving and is raised here. A server that goes away is waited for
        without end.
        """


class Hands:
    """The orders under way in this process, each in a task of its own, so that it can be left in good order."""

    def __init__(self, work: Callable[[int], Awaitable[bool]]) -> None:
        self._work = work
        self._tasks: set[asyncio.Future[bool]] = set()
        self.trouble: BaseException | None = None
        self.troubled = asyncio.Event()

    async def work(self, order: int) -> bool:
        """Work on an order; whether it is done with. It is not where it was left, or raised what ends serving."""
        task = asyncio.ensure_future(self._work(order))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait([task])
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
        if task.cancelled():
            return False
        if (error := task.exception()) is not None:
            self.trouble = error
            self.troubled.set()
            return False
        return task.result()

    def leave(self) -> None:
        """Leave what is under way."""
        for task in tuple(self._tasks):
            task.cancel()


async def either(*waits: Any) -> None:
    """Wait for the first of several."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
