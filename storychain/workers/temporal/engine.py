"""Orders by Temporal, for those who have it already: a workflow a story, and its activities at the workers.

Temporal keeps asking somebody to render the story until that is done or cancelled; a worker that is not heard of for
ten seconds is taken for gone. Whether it really is does not matter: who may write and buy is said by the ledger's
claims, here as with any other engine.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from temporalio import activity
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfigProfile
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from storychain.errors import Interrupted, QueueUnreachable, StorychainError, StoryHeld, UsageError
from storychain.workers.engine import FIRST_WAIT, LONGEST_WAIT, Hands, either
from storychain.workers.temporal.asking import begun
from storychain.workers.temporal.workflow import (
    ORDER,
    RENDER,
    TASK_QUEUE,
    WITHDRAW,
    Asked,
    RenderStory,
    Told,
    workflow_id,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from storychain.ledger import Order, Orders

_ADDRESS, _NAMESPACE = "localhost:7233", "default"
_BEAT = 2.0
"""Seconds between two signs of life, and until a cancelled story hears of it, at most."""

_OFFER_AGAIN = 60.0
_A_WHILE = timedelta(seconds=30)
_LONGEST_NAME = 150
_WRONG = (RPCStatusCode.NOT_FOUND, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED)
"""Answers that stay the same however often one asks."""

_TOLD = re.compile(r'message: "([^"]+)"')
"""What is meant for people in the words of Temporal's core."""

# What goes wrong in an activity is told by us, or by Temporal's own pages.
logging.getLogger("temporalio").setLevel(logging.CRITICAL)


class Temporal:
    """See Engine. What is not said is as Temporal's own tools have it: `TEMPORAL_…` in `environ`, then their file."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        address: str | None = None,
        namespace: str | None = None,
        task_queue: str | None = None,
    ) -> None:
        """Read how to connect. Raises UsageError."""
        try:
            known: Any = ClientConfigProfile.load(override_env_vars=dict(environ)).to_client_connect_config()
        except (RuntimeError, ValueError, OSError) as error:
            raise UsageError(f"how to reach Temporal cannot be read: {error}") from error
        self._at = {"target_host": _ADDRESS, "namespace": _NAMESPACE, **known}
        self._at |= {"target_host": address} if address else {}
        self._at |= {"namespace": namespace} if namespace else {}
        self._task_queue = task_queue or TASK_QUEUE

    async def about(self) -> str:
        """See Engine."""
        client = await self._connected()
        await self._check_namespace(client)
        where = f"{self._at['target_host']}, namespace {client.namespace}, task queue {self._task_queue}"
        return f"Temporal at {where}"

    async def offer(self, orders: Sequence[Order]) -> None:
        """See Engine. Raises QueueUnreachable."""
        client = await self._connected()
        await self._offer(client, orders, patience=2.0)

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
        """See Engine. Raises UsageError where Temporal does not know the namespace, or us."""
        hands, wait = Hands(work), FIRST_WAIT
        while not stop.is_set():
            try:
                client = await self._connected()
                await self._check_namespace(client)
                wait = FIRST_WAIT
                await self._serve(client, orders, hands, stop, at_once, lease)
            except QueueUnreachable as error:
                tell(f"{error.what}; trying again in {wait:.1f} s")
                await either(stop.wait(), asyncio.sleep(wait))
                wait = min(LONGEST_WAIT, 2 * wait)
            if hands.trouble is not None:
                raise hands.trouble

    async def _serve(
        self, client: Client, orders: Orders, hands: Hands, stop: asyncio.Event, at_once: int, lease: float
    ) -> None:
        """Serve one connection until `stop`. It mends itself; where it cannot, QueueUnreachable is raised."""
        activities = Activities(orders, hands, stop, lease)
        worker = Worker(
            client,
            task_queue=self._task_queue,
            workflows=[RenderStory],
            activities=[activities.order, activities.render, activities.withdraw],
            max_concurrent_activities=max(2, at_once),
            max_heartbeat_throttle_interval=timedelta(seconds=_BEAT),
            graceful_shutdown_timeout=_A_WHILE,
            workflow_runner=SandboxedWorkflowRunner(
                restrictions=SandboxRestrictions.default.with_passthrough_modules("storychain")
            ),
        )
        running = asyncio.create_task(worker.run())
        offering = asyncio.create_task(self._offer_again(client, orders))
        try:
            await either(stop.wait(), hands.troubled.wait(), asyncio.shield(running))
            if stop.is_set():
                hands.leave()
            if not running.done():
                await worker.shutdown()
            await running
        except (RuntimeError, RPCError) as error:
            raise self._trouble(error) from error
        finally:
            offering.cancel()
            await asyncio.wait([offering])

    async def _connected(self) -> Client:
        """A connection. Raises QueueUnreachable."""
        try:
            return await Client.connect(**self._at)
        except (RuntimeError, RPCError) as error:
            raise self._trouble(error) from error

    async def _check_namespace(self, client: Client) -> None:
        """What a worker would find out, and tell less clearly. Raises UsageError or QueueUnreachable."""
        try:
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
        except RPCError as error:
            raise self._trouble(error) from error

    def _trouble(self, error: Exception) -> StorychainError:
        where = f"Temporal at {self._at['target_host']}"
        words = " ".join(str(error).split())
        if told := _TOLD.findall(words):
            words = told[-1]
        if isinstance(error, RPCError) and error.status in _WRONG:
            return UsageError(f"{where}: {words}", next_step="Look at --address and --namespace, and at TEMPORAL_….")
        return QueueUnreachable(f"{where} does not answer: {words}")

    async def _offer(self, client: Client, orders: Sequence[Order], *, patience: float) -> None:
        """Offer orders. One whose name another workflow has is left: it is offered again once that has ended."""

        async def offer(order: Order) -> None:
            asked, name = Asked(order.story, order=order.id), workflow_id(order.story, order.provider)
            with suppress(StoryHeld):
                await begun(client, asked, name, self._task_queue, patience=patience)

        try:
            await asyncio.gather(*(offer(order) for order in orders))
        except RPCError as error:
            raise self._trouble(error) from error

    async def _offer_again(self, client: Client, orders: Orders) -> None:
        """What Temporal was never told of, or has forgotten, is offered once a minute."""
        while True:
            with suppress(StorychainError):
                await self._offer(client, await asyncio.to_thread(orders.open), patience=0)
            await asyncio.sleep(_OFFER_AGAIN)


class Activities:
    """What a worker does for the workflow of a story."""

    def __init__(self, orders: Orders, hands: Hands, stop: asyncio.Event, lease: float) -> None:
        self._orders = orders
        self._hands = hands
        self._stop = stop
        self._lease = timedelta(seconds=lease)

    @activity.defn(name=ORDER)
    async def order(self, asked: Asked) -> int:
        """Place the order in the ledger; asked again by the same workflow, the same one."""
        _check_name(asked.story)
        cap = None if asked.max_credits is None else Decimal(str(asked.max_credits))
        options = {"retry_failed": asked.retry_failed, "buys": True, "scenes": None, "deadline": None}
        run = activity.info().workflow_run_id or ""
        try:
            placed = await asyncio.to_thread(
                self._orders.place, "pictory", asked.story, asked.text, run=run, cap=cap, options=options
            )
        except StorychainError as error:
            raise self._told(error) from error
        return placed.id

    @activity.defn(name=RENDER)
    async def render(self, number: int) -> Told:
        """Render an ordered story, and say what came of it."""
        beating = asyncio.create_task(_beat())
        try:
            done = not self._stop.is_set() and await self._hands.work(number)
            order = await asyncio.to_thread(self._orders.get, number) if done else None
        except asyncio.CancelledError:
            if activity.cancellation_details() is None or activity.is_worker_shutdown():
                raise ApplicationError("this worker ends; another one goes on", type="WorkerEnds") from None
            raise
        except StorychainError as error:
            raise self._told(error) from error
        finally:
            beating.cancel()
            await asyncio.wait([beating])
        if order is not None:
            return told_of(order)
        if self._stop.is_set() or self._hands.trouble is not None:
            raise ApplicationError("this worker ends; another one goes on", type="WorkerEnds")
        raise ApplicationError(
            "another worker holds this story, or the ledger is out of reach",
            type="NotYet",
            next_retry_delay=self._lease,
        )

    @activity.defn(name=WITHDRAW)
    async def withdraw(self, number: int) -> None:
        """Close the order of a cancelled workflow."""
        error = Interrupted("it was cancelled in Temporal", next_step="What is paid is on record; run again to go on.")
        told = {"kind": "Interrupted", "what": error.what, "where": None, "next_step": error.next_step}
        try:
            await asyncio.to_thread(self._orders.close, number, "stopped", {"error": told})
        except StorychainError as trouble:
            raise self._told(trouble) from trouble

    def _told(self, error: StorychainError) -> ApplicationError:
        """An error as Temporal has it; it is tried again where that may help."""
        mends = not isinstance(error, UsageError | StoryHeld)
        return ApplicationError(
            str(error),
            type=type(error).__name__,
            non_retryable=not mends,
            next_retry_delay=self._lease if mends else None,
        )


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(_BEAT)


def _check_name(name: str) -> None:
    """It becomes the names of files. Raises ApplicationError."""
    plain = name.isprintable() and not name.startswith(".") and not set(name) & {"/", "\\"}
    if not name or not plain or len(name.encode()) > _LONGEST_NAME:
        raise ApplicationError(f"{name!r} cannot be a story's name", type="UsageError", non_retryable=True)


def told_of(order: Order) -> Told:
    """What came of an order that is closed."""
    outcome, error = order.outcome, order.outcome.get("error")
    words = None
    if error is not None:
        words = str(StorychainError(error["what"], where=error["where"], next_step=error["next_step"]))
    return Told(
        story=order.story,
        status=order.state,
        film=outcome.get("film"),
        sha256=outcome.get("sha256"),
        spent=float(outcome.get("spent", 0)),
        worker=outcome.get("worker", ""),
        warnings=outcome.get("warnings", []),
        error=words,
        kind=None if error is None else error["kind"],
    )
