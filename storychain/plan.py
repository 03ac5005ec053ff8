"""The plan: which keys a story's scenes have, what is left to do for each, why, and what it costs.

Pure: no clock, no disk, no network, no database. `plan`, `run` and `status` all look at the list made here, so they
cannot disagree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from storychain.catalogue import MODELS, Catalogue
from storychain.errors import UsageError
from storychain.printable import listed
from storychain.records import LIVE, NOTHING, Chosen, Record, Verdict
from storychain.story.finishing import TRANSITIONS, Transition

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
    PLACEHOLDER = "placeholder"
    HOLD = "hold"
    BLOCKED = "blocked"


KEPT_TRANSITION = Transition(TRANSITIONS["dissolve"], Fraction(2, 5))
"""How a segment follows one that it was not made to continue, where nobody said otherwise."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All the plan may know of the world.

    `start` identifies the story's start files: `sha256:…` for a local one, the address as written for a remote one.
    `records` says what the ledger knows, by key, `choices` what is chosen for scenes, by their ids, and `verdicts` what
    is said of takes, by key. `retry_failed` allows one try more than the story's `attempts`, but
    not for the keys in `given_up`: they had it.
    """

    provider: str
    free: bool = False
    start: tuple[str, ...] = ()
    records: Mapping[str, Record] = field(default_factory=dict)
    retry_failed: bool = False
    given_up: frozenset[str] = frozenset()
    catalogue: Catalogue = field(default_factory=lambda: MODELS)
    choices: Mapping[str, Chosen] = field(default_factory=dict)
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One scene of the plan; `scene` is as it is chosen to be, which may not be as the story file has it.

    `credits` is what this step will still cost: zero where nothing is bought, None where the price is unknown.
    `price` is what the scene costs when it is bought, whether or not it still has to be. `parent` is the key of the
    segment it continues; without one it begins afresh, or from the story's start files where `from_start` says so.
    `again` allows one try more than the story does. `continued` is the key of the segment that a kept one was really
    made to continue, where another is shown before it. `beside` are the scene's other takes, bought side by side.
    `waits_for` is the scene that has to be approved before this one is bought.
    """

    scene: Scene
    key: str
    parent: str | None
    action: Action
    reason: str
    credits: Decimal | None
    price: Decimal | None
    record: Record = NOTHING
    from_start: bool = False
    again: bool = False
    model: str = ""
    continued: str | None = None
    beside: tuple[Step, ...] = ()
    waits_for: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    """What carrying out steps will cost: known credits, segments, those of no known price, and of how many scenes.

    `most` is what they come to if every scene fails until its last allowed try.
    """

    credits: Decimal
    most: Decimal
    submits: int
    unknown: int
    scenes: int

    @property
    def total(self) -> Decimal | None:
        """Credits in all, or None where a price is unknown."""
        return None if self.unknown else self.credits


def keys(story: Story, facts: Facts) -> tuple[str, ...]:
    """The key of each scene as the story and its choices have it: a hash of what is asked for and of its parent's key.

    Of the facts only what identifies a segment counts: the provider, the start files, the choices, and which of the
    segments that are chosen to be kept are on record.
    """
    found: list[str] = []
    for index, scene in enumerate(story.scenes):
        if kept := _kept(scene, facts):
            found.append(kept.key)
            continue
        opens = index == 0 or scene.join == "cut"
        begins = facts.start if index == 0 and scene.join != "cut" else ()
        found.append(_key(story, as_chosen(scene, facts), facts.provider, None if opens else found[-1], begins))
    return tuple(found)


def as_chosen(scene: Scene, facts: Facts) -> Scene:
    """A scene with what is chosen for it. Words that are chosen have no fallbacks: those were for the file's."""
    chosen = facts.choices.get(scene.id)
    if chosen is None:
        return scene
    if chosen.prompt is not None and chosen.prompt != scene.prompt:
        scene = replace(scene, prompt=chosen.prompt, fallbacks=())
    return replace(scene, take=chosen.take)


def as_planned(story: Story, steps: Sequence[Step]) -> Story:
    """The story whose scenes are those of the plan."""
    return replace(story, scenes=tuple(step.scene for step in steps))


def _kept(scene: Scene, facts: Facts) -> Record | None:
    """The segment that is chosen to be kept whatever comes before it; None where there is none, or it is not paid."""
    chosen = facts.choices.get(scene.id)
    record = facts.records.get(chosen.kept, NOTHING) if chosen and chosen.kept else NOTHING
    return record if record.state in LIVE else None


def _key(story: Story, scene: Scene, provider: str, parent: str | None, start: Sequence[str]) -> str:
    join = scene.join if parent else "start"
    begins = (story.start.kind, *start) if start and story.start else None
    return _hash(
        provider, story.model, story.aspect_ratio, scene.seconds, scene.prompt, join, begins, scene.take, parent
    )


@lru_cache(maxsize=1 << 14)
def _hash(
    provider: str,
    model: str,
    aspect_ratio: str,
    seconds: int,
    prompt: str,
    join: str,
    start: tuple[str, ...] | None,
    take: int,
    parent: str | None,
) -> str:
    """What is asked for, as a key; remembered, since a story is planned a few times a run."""
    asked = {
        "version": KEY_VERSION,
        "provider": provider,
        "model": model,
        "aspect_ratio": aspect_ratio,
        "seconds": seconds,
        "prompt": prompt,
        "join": join,
        "start": start,
        "take": take,
        "parent": parent,
    }
    canonical = json.dumps(asked, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def plan(story: Story, facts: Facts) -> tuple[Step, ...]:
    """Say for every scene what is to be done, in story order.

    What follows a placeholder is asked for as if that scene were not in the story: it continues the last segment there
    is. But what is already paid for as the story has it is kept.
    """
    steps: list[Step] = []
    chain: list[Step] = []
    start = facts.start
    before: str | None = None
    holding: Step | None = None
    for scene, written in zip(story.scenes, keys(story, facts), strict=True):
        if scene.join == "cut":
            chain, start, before, holding = [], (), None, None
        if kept := _kept(scene, facts):
            step = _kept_step(story, scene, facts, kept, chain[-1] if chain else None)
        else:
            if facts.records.get(written, NOTHING).state in LIVE:
                parent = before
            else:
                parent = next((step.key for step in reversed(chain) if step.action is not Action.PLACEHOLDER), None)
            step = _asked_step(story, scene, facts, parent, () if parent else start)
            if start and parent is None:
                step = replace(step, from_start=True)
        step = _held_back(step, holding, facts)
        holding = holding or (step if _holds(step, facts) else None)
        chain.append(step)
        steps.append(step)
        before = written
    return _stopped(steps)


def _asked_step(story: Story, scene: Scene, facts: Facts, parent: str | None, start: Sequence[str]) -> Step:
    """The step of a scene that continues `parent`, and those of the takes that are to be bought beside it."""
    asked = as_chosen(scene, facts)
    step = _step(story, asked, facts, _key(story, asked, facts.provider, parent, start), parent)
    if scene.takes == 1 or scene.id in facts.choices:
        return step
    others = [replace(asked, take=take, on_failure="stop") for take in range(2, scene.takes + 1)]
    beside = [_step(story, one, facts, _key(story, one, facts.provider, parent, start), parent) for one in others]
    return replace(step, beside=tuple(replace(one, from_start=bool(start)) for one in beside))


def _kept_step(story: Story, scene: Scene, facts: Facts, kept: Record, shown_before: Step | None) -> Step:
    """The step of a segment that is shown whatever comes before it."""
    asked = replace(as_chosen(scene, facts), seconds=kept.seconds)
    parent = kept.parent or None
    goes_on = shown_before is not None and parent == shown_before.key
    if not goes_on and shown_before is not None and asked.join != "cut" and asked.transition is None:
        asked = replace(asked, transition=KEPT_TRANSITION)
    step = _step(story, asked, facts, kept.key, parent if goes_on else None)
    return replace(step, continued=None if goes_on else parent, model=kept.model)


def _holds(step: Step, facts: Facts) -> bool:
    """Whether nothing that continues it is to be bought."""
    verdict = facts.verdicts.get(step.key)
    return step.action is not Action.PLACEHOLDER and (verdict == "rejected" or (step.scene.hold and verdict is None))


def _held_back(step: Step, holding: Step | None, facts: Facts) -> Step:
    """The step; where it would be bought though what it continues is not approved as it has to be, it waits."""
    if step.action is not Action.SUBMIT or holding is None:
        return step
    name, rejected = holding.scene.id, holding.key in facts.verdicts
    reason = f"scene {name} is {'rejected; take it again or pick another take' if rejected else 'not approved yet'}"
    held = replace(step, action=Action.HOLD, reason=reason, credits=Decimal(0), beside=())
    return held if rejected else replace(held, waits_for=name)


def _stopped(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps; where a scene is given up or in doubt, nothing more of its story is bought, in whichever chain."""
    cause = next((step for step in steps if step.action in (Action.FAILED, Action.UNRESOLVED)), None)
    if cause is None:
        return tuple(steps)
    what = "given up" if cause.action is Action.FAILED else "in doubt"
    why = f"scene {cause.scene.id} is {what}, so nothing more is bought"

    def stopped(step: Step) -> Step:
        if step.action is Action.SUBMIT:
            step = replace(step, action=Action.BLOCKED, reason=why)
        return replace(step, credits=Decimal(0), beside=tuple(map(stopped, step.beside)))

    return tuple(map(stopped, steps))


def _step(story: Story, scene: Scene, facts: Facts, key: str, parent: str | None) -> Step:
    record = facts.records.get(key, NOTHING)
    model = facts.catalogue.get(story.model)
    price = Decimal(0) if facts.free else model.credits(scene.seconds) if model else None
    again = facts.retry_failed and key not in facts.given_up
    action, reason = decide(record, scene, again=again)
    return Step(
        scene=scene,
        key=key,
        parent=parent,
        action=action,
        reason=reason,
        credits=price if _may_cost(action, record) else Decimal(0),
        price=price,
        record=record,
        again=again,
        model=story.model,
    )


def with_beside(steps: Sequence[Step]) -> tuple[Step, ...]:
    """All steps, those of takes bought beside others included."""
    return tuple(one for step in steps for one in (step, *step.beside))


def _may_cost(action: Action, record: Record) -> bool:
    """A request that may never have arrived may still have to be paid; the quote says the most it can be."""
    return action is Action.SUBMIT or (action is Action.RESUME and record.state == "intended")


def decide(record: Record, scene: Scene, *, again: bool) -> tuple[Action, str]:
    """What is to be done for a scene of which this is on record, and why; `again` allows one try more."""
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
        case "abandoned":
            return Action.SUBMIT, "to be bought again, as you asked"
    if not record.failures and not record.objected:
        return Action.SUBMIT, "never bought"
    return _after_failures(record, scene, again=again)


def _after_failures(record: Record, scene: Scene, *, again: bool) -> tuple[Action, str]:
    prompt = next_prompt(scene, record)
    if again or (prompt is not None and record.failures < scene.attempts):
        what = "" if prompt in (None, record.prompt) else f"; {_called(scene, prompt)} is next"
        return Action.SUBMIT, trouble(record, scene) + what
    if scene.on_failure == "placeholder":
        return Action.PLACEHOLDER, f"a free card stands in for it: {trouble(record, scene)}"
    return Action.FAILED, trouble(record, scene)


def trouble(record: Record, scene: Scene) -> str:
    """What has gone wrong with a scene so far: how often, the provider's last word, and which prompt it was about."""
    told = (record.message or "the provider gave no reason").rstrip(".")
    about = f" (said of {_called(scene, record.prompt)})" if record.prompt in record.objected else ""
    if not record.failures:
        return f"refused before it was paid: {told}{about}"
    return f"failed {record.failures} of {max(scene.attempts, record.failures)} tries: {told}{about}"


def next_prompt(scene: Scene, record: Record) -> str | None:
    """The words to ask for a scene with: the first whose words nobody has objected to.

    Where all were objected to, the last that the provider at least took on; None if it took on none.
    """
    fresh = (prompt for prompt in scene.prompts if prompt not in record.objected)
    taken = (prompt for prompt in reversed(scene.prompts) if prompt not in record.barred)
    return next(fresh, None) or next(taken, None)


def _called(scene: Scene, prompt: str | None) -> str:
    """How people name one of a scene's prompts."""
    if prompt not in scene.prompts:
        return "words it had before"
    place = scene.prompts.index(prompt)
    return f"fallback prompt {place}" if place else "its prompt"


def step_of(steps: Sequence[Step], scene: str) -> Step:
    """The step of a scene, by its id. Raises UsageError where there is none."""
    for step in steps:
        if step.scene.id == scene:
            return step
    raise UsageError(f"there is no scene '{scene}'", next_step=f"Its scenes: {listed([s.scene.id for s in steps])}.")


def chains(steps: Sequence[Step]) -> tuple[tuple[Step, ...], ...]:
    """Split a story's steps into its chains: the first scene begins one, and so does every cut."""
    found: list[list[Step]] = []
    for step in steps:
        if not found or step.scene.join == "cut":
            found.append([])
        found[-1].append(step)
    return tuple(tuple(chain) for chain in found)


def quote(steps: Sequence[Step]) -> Quote:
    """Add up what steps will cost. A segment that several scenes or stories share is bought, and counted, once."""
    buys = [one for one in with_beside(steps) if _may_cost(one.action, one.record) and one.credits == one.price]
    wanted = {step.key: step for step in buys}
    known = [(step.credits, step) for step in wanted.values() if step.credits is not None]
    return Quote(
        credits=sum((price for price, _ in known), Decimal(0)),
        most=sum((price * max(1, one.scene.attempts - one.record.failures) for price, one in known), Decimal(0)),
        submits=len(wanted),
        unknown=len(wanted) - len(known),
        scenes=len({step.key for step in steps if any(one.key in wanted for one in (step, *step.beside))}),
    )
