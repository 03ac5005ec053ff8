"""Offering orders to workers, and serving them: a queue in the same database, mended where it breaks.

A row of the queue may be lost: a worker that was stopped for long deletes it when it wakes up, whoever has it by then.
So every minute one of the workers offers every open order again; what is offered already is not offered twice.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from storychain.errors import LedgerUnreachable, UsageError
from storychain.ledger import queue_connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

_ENTRYPOINT = "storychain_render"
_EVERY_MINUTE = "* * * * *"
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 10.0
_LOOK_ANYWAY = 5.0
"""Seconds between two looks of a worker by itself, at most; usually it is woken up."""

# It tells of every lost connection with a traceback; that we mend it is told by ourselves.
logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)


def _pgqueuer() -> Any:
    try:
        return importlib.import_module("pgqueuer")
    except ImportError as error:
        raise UsageError("workers need a queue", next_step="Install it: pip install 'storychain[cluster]'") from error


async def offer(url: str, orders: Sequence[int]) -> None:
    """Offer orders to whoever serves. Raises LedgerUnreachable; the orders are then offered within a minute or so."""
    async with _queue(url) as queue:
        await _offer(queue.queries, orders)


async def _offer(queries: Any, orders: Sequence[int]) -> None:
    if orders:
        count = len(orders)
        payloads, names = [str(order).encode() for order in orders], [f"order-{order}" for order in orders]
        await queries.enqueue([_ENTRYPOINT] * count, payloads, [0] * count, dedupe_key=names, on_conflict="skip")


async def serve(
    url: str,
    work: Callable[[int], Awaitable[bool]],
    open_orders: Callable[[], Awaitable[Sequence[int]]],
    stop: asyncio.Event,
    *,
    at_once: int,
    lease: float,
    tell: Callable[[str], None],
) -> None:
    """Work on orders until `stop`; those under way are then cancelled and offered to others at once.

    `work` is given an order's id and says whether it is done with: where not, it is offered again after `lease`
    seconds. Whatever else it raises ends serving and is raised here. A server that goes away is waited for without end.
    """
    serving = _Serving(work, open_orders, stop, lease)
    wait = _FIRST_WAIT
    while not stop.is_set():
        try:
            async with _queue(url) as queue:
                wait = _FIRST_WAIT
                await serving.serve(queue, at_once)
        except LedgerUnreachable as error:
            tell(f"{error.what}; trying again in {wait:.1f} s")
            await _either(stop.wait(), asyncio.sleep(wait))
            wait = min(_LONGEST_WAIT, 2 * wait)
        if serving.trouble is not None:
            raise serving.trouble


class _Serving:
    def __init__(
        self,
        work: Callable[[int], Awaitable[bool]],
        open_orders: Callable[[], Awaitable[Sequence[int]]],
        stop: asyncio.Event,
        lease: float,
    ) -> None:
        self._work = work
        self._open_orders = open_orders
        self._stop = stop
        self._lease = lease
        self._tasks: set[asyncio.Task[bool]] = set()
        self.trouble: BaseException | None = None

    async def serve(self, queue: Any, at_once: int) -> None:
        """Serve one connection until `stop` or until it breaks. Raises LedgerUnreachable."""
        retry = _pgqueuer_errors().RetryRequested

        async def render(job: Any) -> None:
            if not await self._worked(queue, int(job.payload)):
                raise retry(delay=timedelta(seconds=0 if self._stop.is_set() else self._lease))

        async def offer_again(_: Any) -> None:
            await _offer(queue.queries, await self._open_orders())

        queue.entrypoint(_ENTRYPOINT, accepts_context=False)(render)
        queue.schedule("storychain_offer", _EVERY_MINUTE, accepts_context=False)(offer_again)
        await _offer(queue.queries, await self._open_orders())
        watching = asyncio.create_task(self._watch(queue))
        try:
            await queue.run(
                batch_size=1,
                max_concurrent_tasks=max(2, at_once),
                dequeue_timeout=timedelta(seconds=min(_LOOK_ANYWAY, self._lease / 2)),
                heartbeat_timeout=timedelta(seconds=self._lease),
                shutdown_on_listener_failure=True,
            )
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    async def _worked(self, queue: Any, order: int) -> bool:
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
            queue.shutdown.set()
            return False
        return task.result()

    async def _watch(self, queue: Any) -> None:
        """Once it is to stop: take nothing more, and leave what is under way."""
        await self._stop.wait()
        queue.shutdown.set()
        for task in tuple(self._tasks):
            task.cancel()


def _pgqueuer_errors() -> Any:
    return importlib.import_module("pgqueuer.errors")


@asynccontextmanager
async def _queue(url: str) -> AsyncIterator[Any]:
    """The queue on a connection of its own, its tables made where there are none. Raises LedgerUnreachable."""
    pgqueuer = _pgqueuer()
    async with queue_connection(url) as connection:
        queue = pgqueuer.PgQueuer.from_psycopg_connection(connection)
        try:
            if await queue.queries.schema_is_installed():
                await queue.queries.upgrade()
            else:
                await queue.queries.install()
        finally:
            await connection.execute("SELECT pg_advisory_unlock_all()")
        try:
            yield queue
        except _pgqueuer_errors().PgqException as error:
            raise LedgerUnreachable(f"the queue's server does not answer: {error}") from error


async def _either(*waits: Any) -> None:
    """Wait for the first of several."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
