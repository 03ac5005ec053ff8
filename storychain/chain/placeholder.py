"""Placeholders: a free card in place of a scene that could not be had, so that there is a film all the same.

Cards are kept apart from paid segments, by what they show. Who paints them is told to the run; what is decided about a
scene is the plan's business.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from storychain.chain.card import Card
from storychain.chain.events import StoodIn
from storychain.media.aside import folder_aside
from storychain.media.form import common_form
from storychain.plan import Action, plan, quote, trouble
from storychain.story.advice import command
from storychain.workspace import settle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from storychain.chain.run import Run
    from storychain.media.prepare import Prepared
    from storychain.plan import Facts, Step
    from storychain.story.model import Story


def card_for(story: Story, step: Step, others: Sequence[Prepared]) -> Card:
    """The card of a scene, in the form of the segments around it."""
    card = Card(step.scene.id, step.scene.text, story.aspect_ratio, step.scene.seconds)
    if not others:
        return card
    form = common_form([one.probe.form for one in others], [one.probe.seconds for one in others])
    return replace(card, size=(form.width, form.height), rate=form.fps)


async def stand_in(run: Run, story: Story, step: Step, others: Sequence[Prepared]) -> Prepared:
    """The placeholder of a scene, painted unless it was before, ready to be joined."""
    card = card_for(story, step, others)
    name = hashlib.sha256(repr(card).encode()).hexdigest()[:32]
    video = run.workspace.placeholder(name)
    if not video.exists():
        with folder_aside(video.parent) as folder:
            await run.paint(card, folder / "card.mp4")
            settle(folder / "card.mp4", video)
    prepared = await run.room.prepare(video, run.workspace.prepared(f"placeholder-{name}"), strict=False)
    run.tell(StoodIn(story.name, step.scene.id, trouble(step.record, step.scene), take=step.scene.take))
    return prepared


def warnings_of(story: Story, facts: Facts, steps: Sequence[Step]) -> tuple[str, ...]:
    """What a person has to know of a film with placeholders: which scenes, why, and what it costs to try again."""
    missing = [step for step in steps if step.action is Action.PLACEHOLDER]
    if not missing:
        return ()
    told = [f"scene {step.scene.id} is a placeholder: {trouble(step.record, step.scene)}" for step in missing]
    advice = f"change the scene, or try again with {command('run', story, '--retry-failed', free=facts.free)}"
    return (*told, f"{advice}{_cost(again(story, facts))}")


def again(story: Story, facts: Facts) -> Decimal | None:
    """Credits of one more try at what was given up, with all the scenes that would then continue from it."""
    return quote(plan(story, replace(facts, retry_failed=True, given_up=frozenset()))).total


def _cost(credits_: Decimal | None) -> str:
    if credits_ is None:
        return ", at an unknown price"
    return f": {credits_} credits, with the scenes that continue from it" if credits_ else ""
