"""Commands that choose what is bought then: take a scene again, promote a draft's scenes.

Nothing is chosen before its price is shown and agreed to, nor what could not be bought then. What is chosen stands
until it is bought or another take is picked; where it stands unbought, that is said.
"""

from __future__ import annotations

import argparse
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

from storychain import takes as choosing
from storychain.commands.desk import Desk, desk
from storychain.commands.limits import agreed, by_workers, check_means
from storychain.commands.takes import on_the_table
from storychain.directing import planned, retaken
from storychain.errors import StorychainError, StoryHeld, UsageError
from storychain.locks import Held
from storychain.plan import Action, quote, step_of
from storychain.printable import listed
from storychain.records import LIVE
from storychain.report.text import cost_text
from storychain.story.advice import command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from storychain.directing import Table
    from storychain.ledger import Ledger
    from storychain.plan import Step
    from storychain.records import Chosen
    from storychain.story.model import Story
    from storychain.takes import SceneTakes


def retake(arguments: argparse.Namespace) -> int:
    """Take a scene again: shows what that makes stale and costs, and renders once that is agreed to."""
    at = desk(arguments)
    story = at.story(arguments)
    with at.ledger() as ledger:
        found = on_the_table(at, ledger, story, free=arguments.local)
        choices = retaken(found, arguments.scene, arguments.prompt, keep_after=arguments.keep_after)
        steps = planned(found, choices)
        _agree(at, ledger, story, arguments, steps, _retake_words(arguments, found, steps))
        choose(at, ledger, found, choices, steps, elsewhere=by_workers(at, arguments))
    arguments.select = [story.name] if story.row else []
    return _render(at, arguments, found, [arguments.scene])


def _retake_words(arguments: argparse.Namespace, found: Table, steps: Sequence[Step]) -> list[str]:
    """What taking a scene again means for what follows."""
    told = [f"Scene {arguments.scene} is taken again."]
    step = step_of(steps, arguments.scene)
    if step.action in (Action.HOLD, Action.BLOCKED):
        told.append(f"It is bought later: {step.reason}.")
    stale = [step for step in choosing.stale(found.steps, steps) if step.scene.id != arguments.scene]
    if bought := _names(stale, Action.SUBMIT):
        told.append(f"Stale by that, and to be bought again, since it continues it: {listed(bought)}.")
    if later := _names(stale, Action.HOLD):
        told.append(f"Stale as well, and to be bought once what it continues is approved: {listed(later)}.")
    again = {arguments.scene, *bought}
    if new := [name for name in _names(steps, Action.SUBMIT) if name not in again]:
        told.append(f"Bought along with it, as it is not bought yet: {listed(new)}.")
    if not stale and arguments.keep_after:
        told.append("What follows is kept as it is; the seam is covered by a dissolve.")
    return told


def _names(steps: Sequence[Step], action: Action) -> list[str]:
    return [step.scene.id for step in steps if step.action is action]


def promote(arguments: argparse.Namespace) -> int:
    """Buy approved scenes from another model, in the words that were approved; price first."""
    at = desk(arguments)
    draft = Desk(at.settings, at.workspace, arguments.draft).story(arguments)
    story = at.story(arguments)
    with at.ledger() as ledger:
        preview = at.takes_preview(ledger, draft, local=arguments.local)
        drafted = on_the_table(at, ledger, draft, free=preview)
        target = on_the_table(at, ledger, story, free=arguments.local)
        names = _promoted_names(arguments, drafted)
        choices = choosing.promoted(story, target.facts, drafted.scenes, names)
        steps = planned(target, choices)
        needed = _up_to(steps, names)
        _agree(at, ledger, story, arguments, needed, _promote_words(names, target, steps, needed))
        choose(at, ledger, target, choices, needed, elsewhere=by_workers(at, arguments))
    bought = [step.scene.id for step in needed] or names
    arguments.select = [f"{story.name}:{scene}" for scene in bought]
    return _render(at, arguments, target, names)


def _promote_words(names: Sequence[str], target: Table, steps: Sequence[Step], needed: Sequence[Step]) -> list[str]:
    """What is bought of the scenes named, what has to wait, and what that makes stale."""
    buying = {step.scene.id: 1 + len(step.beside) for step in needed}
    told = [f"By {target.story.model}: {', '.join(names)}."]
    if extra := [name for name in buying if name not in names]:
        told.append(f"They continue what is not bought from it yet either: {', '.join(extra)}.")
    if several := [f"{name} ({count})" for name, count in buying.items() if count > 1]:
        told.append(f"In several takes side by side: {', '.join(several)}.")
    if later := [name for name in _names(steps, Action.HOLD) if name in names]:
        told.append(f"Not bought before what it continues is approved: {listed(later)}.")
    stale = [step for step in choosing.stale(target.steps, steps) if step.scene.id not in {*names, *buying}]
    if stale:
        cost = cost_text(quote(stale))
        told.append(f"Stale by that, since it continues it, and not bought with it: {listed(_ids(stale))}. {cost}")
    return told


def _ids(steps: Sequence[Step]) -> list[str]:
    return [step.scene.id for step in steps]


def _promoted_names(arguments: argparse.Namespace, drafted: Table) -> list[str]:
    """The scenes that are named, else all that have an approved take, in the story's order."""
    for name in arguments.scenes:
        drafted.scene(name)
    names = [
        one.step.scene.id
        for one in drafted.scenes
        if (one.step.scene.id in arguments.scenes if arguments.scenes else _is_approved(one))
    ]
    if not names:
        approve = command("approve", drafted.story, "SCENE", free=drafted.facts.free)
        raise UsageError(
            "no scene is approved",
            where=drafted.story.name,
            next_step=f"Approve some with {approve}, or name those to be promoted.",
        )
    return names


def _is_approved(one: SceneTakes) -> bool:
    return any(take.verdict == "approved" for take in one.takes)


def _up_to(steps: Sequence[Step], names: Sequence[str]) -> list[Step]:
    """What has to be bought for the scenes named, with what they continue."""
    wanted: dict[str, Step] = {}
    parents: set[str] = set()
    for step in reversed(steps):
        if step.scene.id in names or step.key in parents:
            if step.parent:
                parents.add(step.parent)
            if step.action is Action.SUBMIT:
                wanted[step.key] = step
    return list(reversed(wanted.values()))


def _agree(
    at: Desk, ledger: Ledger, story: Story, arguments: argparse.Namespace, steps: Sequence[Step], told: Sequence[str]
) -> None:
    """Show what would be done and its price; raises CapReached, ConsentNeeded or AccountError where it cannot be had.

    Nobody is asked to agree to what budget and caps forbid; that is looked at again when it is chosen.
    """
    check_means(at, ledger, story, steps, elsewhere=by_workers(at, arguments))
    for line in told if arguments.verbose >= arguments.quiet else ():
        print(line, file=sys.stderr)
    if arguments.local:
        return
    cap = agreed(at, arguments, steps, asking=steps)
    if arguments.max_credits is None and not arguments.yes:
        # With nothing to pay nothing may be spent; what has no known price was agreed to at any.
        arguments.max_credits = cap if quote(steps).submits else Decimal(0)
        arguments.yes = arguments.max_credits is None


def choose(
    at: Desk, ledger: Ledger, found: Table, choices: Mapping[str, Chosen], steps: Sequence[Step], *, elsewhere: bool
) -> None:
    """Write down what is chosen, if its `steps` may be bought and nobody renders the story as it was before.

    Raises CapReached or StoryHeld. A run `elsewhere` is one by workers.
    """
    if not choices:
        return
    check_means(at, ledger, found.story, steps, elsewhere=elsewhere)
    try:
        with at.story_held(ledger, found.story, free=found.facts.free):
            ledger.decisions.choose(found.facts.provider, found.story.edition, choices)
    except Held:
        raise StoryHeld(
            "another run is rendering this story, and would not know of what is chosen now",
            where=found.story.name,
            next_step="Nothing was chosen or bought. Wait for its end, then ask for it again.",
        ) from None


def _render(at: Desk, arguments: argparse.Namespace, before: Table, names: Sequence[str]) -> int:
    from storychain.commands import rendering  # noqa: PLC0415 - it needs ffmpeg, and nothing up to here does

    arguments.stories = [arguments.story]
    try:
        code = rendering.run(arguments)
    except StorychainError:
        _tell_what_stands(at, before, names)
        raise
    if code:
        _tell_what_stands(at, before, names)
    return code


def _tell_what_stands(at: Desk, before: Table, names: Sequence[str]) -> None:
    """Say of scenes that are chosen and not had what buys them, and what shows them as they were before."""
    story, free = before.story, before.facts.free
    with at.ledger() as ledger:
        steps = at.plan(story, ledger, free=free)
    unbought = (Action.SUBMIT, Action.FAILED, Action.BLOCKED)
    lacking = [step for step in steps if step.scene.id in names and step.action in unbought]
    if wanted := _names(lacking, Action.SUBMIT):
        run = command("run", story, free=free)
        print(f"What is chosen stands, though {listed(wanted)} is not bought; {run} buys it.", end=" ", file=sys.stderr)
        print(cost_text(quote(steps)), file=sys.stderr)
    for step in lacking:
        shown = before.scene(step.scene.id).shown
        # Of one that is given up, the error has said so.
        if step.action is not Action.FAILED and shown.record.state in LIVE and shown.key != step.key:
            undo = command("pick", story, step.scene.id, str(shown.number), free=free)
            print(f"  {undo} shows scene {step.scene.id} as before.", file=sys.stderr)
