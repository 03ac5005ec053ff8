"""Orders by pgqueuer: a queue in the ledger's own database, mended where it breaks.

A row of the queue may be lost: a worker that was stopped for long deletes it when it wakes up, whoever has it by then.
So every minute one of the workers offers every open order again; what is offered already is not offered twice.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import logging
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from storychain.errors import LedgerUnreachable, UsageError
from storychain.ledger import queue_connection
from storychain.workers.engine import FIRST_WAIT, LONGEST_WAIT, Hands, either

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from storychain.ledger import Order, Orders

_ENTRYPOINT = "storychain_render"
_EVERY_MINUTE = "* * * * *"
_LOOK_ANYWAY = 5.0
"""Seconds between two looks of a worker by itself, at most; usually it is woken up."""

# It tells of every lost connection with a traceback; that we mend it is told by ourselves.
logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)


def _pgqueuer() -> Any:
    try:
        return importlib.import_module("pgqueuer")
    except ImportError as error:
        raise UsageError("workers need a queue", next_step="Install it: pip install 'storychain[cluster]'") from error


class Queue:
    """See Engine. `url` is the ledger's."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def about(self) -> str:
        """See Engine."""
        async with _queue(self._url):
            return f"pgqueuer {importlib.metadata.version('pgqueuer')}, in the ledger's database"

    async def offer(self, orders: Sequence[Order]) -> None:
        """See Engine. Raises LedgerUnreachable."""
        async with _queue(self._url) as queue:
            await _offer(queue.queries, [order.id for order in orders])

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
        """See Engine."""
        serving = _Serving(orders, Hands(work), stop, lease)
        wait = FIRST_WAIT
        while not stop.is_set():
            try:
                async with _queue(self._url) as queue:
                    wait = FIRST_WAIT
                    await serving.serve(queue, at_once)
            except LedgerUnreachable as error:
                tell(f"{error.what}; trying again in {wait:.1f} s")
                await either(stop.wait(), asyncio.sleep(wait))
                wait = min(LONGEST_WAIT, 2 * wait)
            if serving.hands.trouble is not None:
                raise serving.hands.trouble


async def _offer(queries: Any, orders: Sequence[int]) -> None:
    if orders:
        count = len(orders)
        payloads, names = [str(order).encode() for order in orders], [f"order-{order}" for order in orders]
        await queries.enqueue([_ENTRYPOINT] * count, payloads, [0] * count, dedupe_key=names, on_conflict="skip")


class _Serving:
    def __init__(self, orders: Orders, hands: Hands, stop: asyncio.Event, lease: float) -> None:
        self.hands = hands
        self._orders = orders
        self._stop = stop
        self._lease = lease

    async def serve(self, queue: Any, at_once: int) -> None:
        """Serve one connection until `stop` or until it breaks. Raises LedgerUnreachable."""
        retry = _pgqueuer_errors().RetryRequested

        async def render(job: Any) -> None:
            if not await self.hands.work(int(job.payload)):
                raise retry(delay=timedelta(seconds=0 if self._stop.is_set() else self._lease))

        async def offer_again(_: Any) -> None:
            await _offer(queue.queries, await self._open())

        queue.entrypoint(_ENTRYPOINT, accepts_context=False)(render)
        queue.schedule("storychain_offer", _EVERY_MINUTE, accepts_context=False)(offer_again)
        await offer_again(None)
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

    async def _open(self) -> Sequence[int]:
        """Ids of all orders that are not closed; none while the ledger cannot tell."""
        try:
            return [order.id for order in await asyncio.to_thread(self._orders.open)]
        except LedgerUnreachable:
            return ()

    async def _watch(self, queue: Any) -> None:
        """Once it is to stop: take nothing more, and leave what is under way."""
        await either(self._stop.wait(), self.hands.troubled.wait())
        queue.shutdown.set()
        if self._stop.is_set():
            self.hands.leave()


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
