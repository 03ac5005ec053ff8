"""The workflow of one story, and the values that go through it; no clock, disk or network, as Temporal wants it.

It orders the story where that is not done yet, has it rendered however often it takes, and says what came of it. All
of that is on record in the ledger; the history of the workflow has the story's text in it, and no key.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

TASK_QUEUE = "storychain"
ORDER, RENDER, WITHDRAW = "storychain.order", "storychain.render", "storychain.withdraw"
"""The activities, by name: workers have them, workflows only ask for them."""

SILENT = timedelta(seconds=10)
"""A worker that was not heard of for so long is taken for gone; what it may still do is for the ledger to say."""

_AGAIN = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
_A_MOMENT = timedelta(minutes=1)
_A_DAY = timedelta(days=1)
"""A rendering that takes longer is taken up anew: it goes on from what is on record."""


@dataclass(frozen=True)
class Asked:
    """A story to be rendered: its name and the text of its file, and the credits that were agreed to.

    `max_credits` is None where any price is agreed to; unless something is agreed to nothing is bought. `retry_failed`
    pays for one more try of scenes that were given up. `order` is for who has placed it in the ledger already.
    """

    story: str
    text: str = ""
    max_credits: float | None = 0
    retry_failed: bool = False
    order: int | None = None

    @property
    def workflow_id(self) -> str:
        """The id its workflow is to have, so that a story has one workflow at a time."""
        return workflow_id(self.story)


@dataclass(frozen=True)
class Told:
    """What came of a story: `done`, or `failed` or `stopped` with an `error` in words and its `kind`.

    `film` is the film's address in the shared place, or its path at `worker`. `spent` are the run's credits.
    """

    story: str
    status: str
    film: str | None = None
    sha256: str | None = None
    spent: float = 0
    worker: str = ""
    warnings: list[str] = field(default_factory=list)
    error: str | None = None
    kind: str | None = None


def workflow_id(story: str, provider: str = "pictory") -> str:
    """The id of a story's workflow."""
    return f"storychain-{provider}-{story}"


@workflow.defn(name="storychain.RenderStory")
class RenderStory:
    """One story, until it is rendered or cannot be; then it fails with an ApplicationError that has the Told in it.

    Cancelled, it ends at a safe point: what is paid stays on record, and the order is closed.
    """

    @workflow.run
    async def run(self, asked: Asked) -> Told:
        """Render the story. Raises ApplicationError, named like storychain's own errors."""
        placing = asyncio.create_task(self._placed(asked))
        try:
            # An order that nobody knows of would be rendered all the same, so it is waited for.
            told = await self._rendered(await asyncio.shield(placing))
        except (asyncio.CancelledError, ActivityError) as error:
            await self._withdrawn(await placing)
            if workflow.cancellation_reason() is not None:
                raise asyncio.CancelledError from error
            raise
        if told.error is not None and told.status != "done":
            raise ApplicationError(told.error, told, type=told.kind, non_retryable=True)
        return told

    async def _placed(self, asked: Asked) -> int:
        if asked.order is not None:
            return asked.order
        order: int = await workflow.execute_activity(
            ORDER, asked, result_type=int, start_to_close_timeout=_A_MOMENT, retry_policy=_AGAIN
        )
        return order

    async def _rendered(self, order: int) -> Told:
        told: Told = await workflow.execute_activity(
            RENDER,
            order,
            result_type=Told,
            heartbeat_timeout=SILENT,
            start_to_close_timeout=_A_DAY,
            retry_policy=_AGAIN,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        return told

    async def _withdrawn(self, order: int) -> None:
        await workflow.execute_activity(WITHDRAW, order, start_to_close_timeout=_A_MOMENT, retry_policy=_AGAIN)
