"""Asking Temporal for a story: its one workflow is begun, or followed where it is under way."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import asdict
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from storychain.errors import StoryHeld
from storychain.workers.temporal.workflow import TASK_QUEUE, Asked, RenderStory, Told

_MEMO = "asked"
_LOOK_AGAIN = 0.2


async def render_story(client: Client, asked: Asked, *, task_queue: str = TASK_QUEUE) -> Told:
    """Have a story rendered, and wait for what comes of it; asked again for the same, it is followed again.

    Raises WorkflowFailureError as Temporal does: its cause says why, by an ApplicationError of which `type` is the
    name of storychain's error and `details` the Told. Raises StoryHeld where another version is being rendered.
    """
    handle = await begun(client, asked, asked.workflow_id, task_queue)
    return await handle.result()


async def begun(
    client: Client, asked: Asked, name: str, task_queue: str, *, patience: float = 2.0
) -> WorkflowHandle[Any, Told]:
    """The workflow that does what is asked for.

    Another one of this name is given `patience` seconds to end: it may be about to. Raises StoryHeld after that.
    """
    wanted, until = _digest(asked), time.monotonic() + patience
    while True:
        try:
            return await client.start_workflow(
                RenderStory.run,
                asked,
                id=name,
                task_queue=task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                memo={_MEMO: wanted},
            )
        except WorkflowAlreadyStartedError as error:
            there = client.get_workflow_handle_for(RenderStory.run, name, run_id=error.run_id)
            if await (await there.describe()).memo_value(_MEMO, default="") == wanted:
                return there
            if time.monotonic() >= until:
                raise StoryHeld(
                    "Temporal has a workflow for another version of this story",
                    where=asked.story,
                    next_step=f"Wait until {name} has ended, or cancel it; then ask again.",
                ) from error
        await asyncio.sleep(_LOOK_AGAIN)


def _digest(asked: Asked) -> str:
    return hashlib.sha256(json.dumps(asdict(asked), sort_keys=True).encode()).hexdigest()
