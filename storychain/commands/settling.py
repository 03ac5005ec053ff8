"""Commands by which a person settles an unresolved attempt: adopt and resubmit. Both are safe to repeat."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from storychain.commands.desk import Desk, desk
from storychain.errors import UsageError
from storychain.locks import Held, lock_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from storychain.ledger import Ledger
    from storychain.records import Record


def adopt(arguments: argparse.Namespace) -> int:
    """Say which of the account's jobs a scene's unresolved attempt is."""

    def settle(ledger: Ledger, record: Record) -> str:
        if record.job_id == arguments.job and record.state != "unresolved":
            return f"Scene {arguments.scene} has job {arguments.job} already."
        if record.state not in ("unresolved", "intended"):
            raise UsageError(f"scene {arguments.scene} has nothing to settle: it is {record.state}")
        ledger.adopt(record.attempt, arguments.job)
        return f"Scene {arguments.scene} is job {arguments.job} now; run the story to go on."

    return _settle(arguments, settle)


def resubmit(arguments: argparse.Namespace) -> int:
    """Let a scene be bought again although it may have been paid."""
    if not arguments.may_pay_twice:
        raise UsageError(
            "this scene may have been paid already",
            next_step="If you accept paying it twice, add --may-pay-twice.",
        )

    def settle(ledger: Ledger, record: Record) -> str:
        if record.state == "abandoned":
            return f"Scene {arguments.scene} will be bought again already."
        if record.state not in ("unresolved", "intended"):
            raise UsageError(f"scene {arguments.scene} has nothing to settle: it is {record.state}")
        ledger.abandon(record.attempt)
        return f"Scene {arguments.scene} will be bought again by the next run."

    return _settle(arguments, settle)


def _settle(arguments: argparse.Namespace, settle: Callable[[Ledger, Record], str]) -> int:
    at = desk(arguments)
    key, record = "", None
    with at.ledger() as ledger:
        key = _key(at, ledger, arguments.story, arguments.scene, free=arguments.local)
        try:
            with lock_now(at.workspace.key_lock(key)):
                record = ledger.record(key)
                if record.state == "none":
                    raise UsageError(f"scene {arguments.scene} was never bought")
                print(settle(ledger, record), file=sys.stderr)
        except Held:
            raise UsageError(
                "a run is working on this scene", next_step="Wait for it to end, then try again."
            ) from None
    return 0


def _key(at: Desk, ledger: Ledger, story_path: str, scene: str, *, free: bool) -> str:
    (story,) = at.stories([story_path])
    for step in at.plan(story, ledger, free=free):
        if step.scene.id == scene:
            return step.key
    known = ", ".join(step.id for step in story.scenes)
    raise UsageError(f"there is no scene '{scene}' in {story.name}", next_step=f"Its scenes: {known}.")
