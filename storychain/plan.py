"""The plan: which keys a story's scenes have, what is left to do for each, why, and what it costs.

Pure: no clock, no disk, no network, no database. `plan`, `run` and `status` all look at the list made here, so they
cannot disagree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from storychain.catalogue import MODELS, Catalogue
from storychain.records import NOTHING, Record

if TYPE_CHECKING:
    from storychain.story.model import Scene, Story

KEY_VERSION = 1
"""Raise it only where the same words would mean another request: every segment would be bought anew."""


class Action(StrEnum):
    """What `run` will do for a scene."""

    REUSE = "reuse"
    RESUME = "resume"
    SUBMIT = "submit"
    UNRESOLVED = "unresolved"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Facts:
    """All the plan may know of the world.

    `start` identifies the story's start files: `sha256:…` for a local one, the address as written for a remote one.
    `records` says what the ledger knows, by key. `retry_failed` allows more paid tries than the story's `attempts`.
    """

    provider: str
    free: bool = False
    start: tuple[str, ...] = ()
    records: Mapping[str, Record] = field(default_factory=dict)
    retry_failed: bool = False
    catalogue: Catalogue = field(default_factory=lambda: MODELS)


@dataclass(frozen=True, slots=True)
class Step:
    """One scene of the plan.

    `credits` is what this step will still cost: zero where nothing is bought, None where the price is unknown.
    `price` is what the scene costs when it is bought, whether or not it still has to be.
    """

    scene: Scene
    key: str
    parent: str | None
    action: Action
    reason: str
    credits: Decimal | None
    price: Decimal | None
    record: Record = NOTHING


@dataclass(frozen=True, slots=True)
class Quote:
    """What carrying out steps will cost: credits that are known, and how many scenes have no known price.

    `most` is what they come to if every scene fails until its last allowed try.
    """

    credits: Decimal
    most: Decimal
    submits: int
    unknown: int

    @property
    def total(self) -> Decimal | None:
        """Credits in all, or None where a price is unknown."""
        return None if self.unknown else self.credits


def keys(story: Story, provider: str, start: Sequence[str]) -> tuple[str, ...]:
    """The key of each scene: a hash of what is asked for it and of its parent's key."""
    found: list[str] = []
    parent: str | None = None
    for index, scene in enumerate(story.scenes):
        opens = index == 0 or scene.join == "cut"
        parent = _key(story, scene, provider, None if opens else parent, start if index == 0 else ())
        found.append(parent)
    return tuple(found)


def _key(story: Story, scene: Scene, provider: str, parent: str | None, start: Sequence[str]) -> str:
    asked = {
        "version": KEY_VERSION,
        "provider": provider,
        "model": story.model,
        "aspect_ratio": story.aspect_ratio,
        "seconds": scene.seconds,
        "prompt": scene.prompt,
        "join": scene.join if parent else "start",
        "start": [story.start.kind, *start] if start and story.start else None,
        "take": 1,
        "parent": parent,
    }
    canonical = json.dumps(asked, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def plan(story: Story, facts: Facts) -> tuple[Step, ...]:
    """Say for every scene what is to be done, in story order."""
    steps: list[Step] = []
    model = facts.catalogue.get(story.model)
    for scene, key in zip(story.scenes, keys(story, facts.provider, facts.start), strict=True):
        record = facts.records.get(key, NOTHING)
        price = Decimal(0) if facts.free else model.credits(scene.seconds) if model else None
        action, reason = _decide(record, scene, facts.retry_failed)
        steps.append(
            Step(
                scene=scene,
                key=key,
                parent=None if not steps or scene.join == "cut" else steps[-1].key,
                action=action,
                reason=reason,
                credits=price if _may_cost(action, record) else Decimal(0),
                price=price,
                record=record,
            )
        )
    return tuple(steps)


def _may_cost(action: Action, record: Record) -> bool:
    """A request that may never have arrived may still have to be paid; the quote says the most it can be."""
    return action is Action.SUBMIT or (action is Action.RESUME and record.state == "intended")


def _decide(record: Record, scene: Scene, retry_failed: bool) -> tuple[Action, str]:
    match record.state:
        case "stored" if record.present:
            return Action.REUSE, "already paid and here"
        case "stored":
            return Action.RESUME, "already paid; its file is not here and will be downloaded again"
        case "completed":
            return Action.RESUME, "finished at the provider; only its download is left"
        case "submitted":
            return Action.RESUME, f"its job {record.job_id} is under way"
        case "intended":
            return (
                Action.RESUME,
                "its request may have reached the provider; the job list is asked before anything else",
            )
        case "unresolved":
            return Action.UNRESOLVED, record.message or "it cannot be told whether it was paid"
        case _:
            return _after_failures(record, scene, retry_failed)


def _after_failures(record: Record, scene: Scene, retry_failed: bool) -> tuple[Action, str]:
    if record.state == "abandoned":
        return Action.SUBMIT, "to be bought again, as you asked"
    if not record.failures:
        return Action.SUBMIT, "never bought"
    failed = f"failed {record.failures} of {scene.attempts} tries: {record.message}"
    if record.failures < scene.attempts or retry_failed:
        return Action.SUBMIT, failed
    return Action.FAILED, failed


def _tries_left(step: Step) -> int:
    return max(1, step.scene.attempts - step.record.failures)


def chains(steps: Sequence[Step]) -> tuple[tuple[Step, ...], ...]:
    """Split a story's steps into its chains; each begins with a step that has no parent."""
    found: list[list[Step]] = []
    for step in steps:
        if step.parent is None:
            found.append([])
        found[-1].append(step)
    return tuple(tuple(chain) for chain in found)


def quote(steps: Sequence[Step]) -> Quote:
    """Add up what steps will cost. A segment that several scenes or stories share is bought, and counted, once."""
    wanted = {step.key: step for step in steps if _may_cost(step.action, step.record)}.values()
    return Quote(
        credits=sum((step.credits for step in wanted if step.credits is not None), Decimal(0)),
        most=sum((step.credits * _tries_left(step) for step in wanted if step.credits is not None), Decimal(0)),
        submits=len(wanted),
        unknown=sum(1 for step in wanted if step.credits is None),
    )
