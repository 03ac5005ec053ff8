"""Commands by which a person settles what became of a scene's request: adopt and resubmit. Both are safe to repeat."""

from __future__ import annotations

import argparse
import asyncio
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

from storychain.chain.survey import with_presence
from storychain.commands.desk import FREE, PAID, desk
from storychain.commands.selection import which
from storychain.errors import AccountError, StoryHeld, UsageError
from storychain.ledger import Purchase
from storychain.locks import Held
from storychain.pictory import Pictory
from storychain.plan import step_of
from storychain.story.advice import command

if TYPE_CHECKING:
    from collections.abc import Callable

    from storychain.commands.desk import Desk
    from storychain.commands.selection import Found
    from storychain.ledger import Ledger
    from storychain.plan import Step
    from storychain.records import Record
    from storychain.settings import Settings
    from storychain.story.model import Story

_OPEN = ("unresolved", "intended")
_NEVER_LIVE = ("none", "failed", "refused", "abandoned")


def adopt(arguments: argparse.Namespace) -> int:
    """Say which of the account's jobs made a scene."""
    if not arguments.local:
        _check_job(arguments)

    def settle(ledger: Ledger, story: Story, step: Step, record: Record) -> str:
        if record.job_id == arguments.job and record.state not in (*_OPEN, *_NEVER_LIVE):
            return f"Scene {arguments.scene} has job {arguments.job} already."
        if record.state in _NEVER_LIVE:
            ledger.take_over(_purchase(story, step, arguments.job, free=arguments.local), arguments.job)
        elif record.state in _OPEN:
            ledger.adopt(record.attempt, arguments.job)
        else:
            raise _nothing_to_settle(arguments, story, record)
        return f"Scene {arguments.scene} is job {arguments.job} now; run the story to go on."

    return _settle(arguments, settle)


def _check_job(arguments: argparse.Namespace) -> None:
    """Raise UsageError if the account has no such job, or none whose video can be had."""
    settings = desk(arguments).settings
    if not settings.api_key:
        raise AccountError("there is no API key", next_step="Set PICTORY_API_KEY in the environment or in .env.")
    state = asyncio.run(_state_of(settings, arguments.job))
    if state not in ("in_progress", "completed"):
        raise UsageError(
            f"job {arguments.job} is {state.replace('_', ' ')}",
            next_step="`storychain reconcile` shows the account's jobs that belong to no scene.",
        )


async def _state_of(settings: Settings, job_id: str) -> str:
    async with Pictory(settings.base_url, settings.api_key or "", name=PAID) as provider:
        return (await provider.job(job_id)).state


def resubmit(arguments: argparse.Namespace) -> int:
    """Let a scene be bought again although it may have been paid."""
    if not arguments.may_pay_twice:
        raise UsageError(
            "this scene may have been paid already",
            next_step="If you accept paying it twice, add --may-pay-twice.",
        )

    def settle(ledger: Ledger, story: Story, _: Step, record: Record) -> str:
        if record.state in ("none", "refused", "abandoned"):
            return f"Scene {arguments.scene} will be bought by the next run in any case."
        if record.state not in _OPEN:
            raise _nothing_to_settle(arguments, story, record)
        ledger.abandon(record.attempt)
        return f"Scene {arguments.scene} will be bought again by the next run."

    return _settle(arguments, settle)


def _nothing_to_settle(arguments: argparse.Namespace, story: Story, record: Record) -> UsageError:
    again = command("run", story, "--retry-failed", free=arguments.local)
    return UsageError(
        f"scene {arguments.scene} has nothing to settle: it is {record.state}",
        next_step=f"{again} pays for one more try." if record.state == "failed" else None,
    )


def _settle(arguments: argparse.Namespace, settle: Callable[[Ledger, Story, Step, Record], str]) -> int:
    at = desk(arguments)
    stories = at.find([arguments.story], arguments.matrix)
    with at.ledger() as ledger:
        story, step = _meant(at, ledger, stories, arguments)
        try:
            with at.key_held(ledger, step.key):
                record = with_presence(ledger.record(step.key), at.workspace)
                print(settle(ledger, story, step, record), file=sys.stderr)
        except Held:
            advice = "Wait for it to end, then try again."
            raise StoryHeld("a run is working on this scene", next_step=advice) from None
    return 0


def _meant(at: Desk, ledger: Ledger, stories: Found, arguments: argparse.Namespace) -> tuple[Story, Step]:
    """The story and its scene: of a table's rows the one that is named, else the only one with anything to settle."""
    rows = stories.of_row(arguments.row)
    found = [(story, step_of(at.plan(story, ledger, free=arguments.local), arguments.scene)) for story in rows]
    if len(found) > 1:
        found = [(story, step) for story, step in found if step.record.state in _OPEN] or found
    # Rows that share a segment settle it together.
    if len({step.key for _, step in found}) != 1:
        raise which([story for story, _ in found] or stories.stories)
    return found[0]


def _purchase(story: Story, step: Step, job_id: str, *, free: bool) -> Purchase:
    return Purchase(
        key=step.key,
        provider=FREE if free else PAID,
        story=story.name,
        scene=step.scene.id,
        run="adopted",
        model=step.model,
        seconds=step.scene.seconds,
        prompt=step.scene.prompt,
        price=Decimal(0) if free else step.price,
        watermark=(job_id,),
        take=step.scene.take,
        parent=step.parent,
        asked=step.scene.prompt,
    )
