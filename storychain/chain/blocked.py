"""What lets a story go on of which a scene is given up or in doubt: until then a run buys nothing more of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.chain.placeholder import again
from storychain.plan import Action
from storychain.story.advice import brought_here, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.plan import Facts, Step
    from storychain.records import Record
    from storychain.story.model import Story


def way_on(story: Story, facts: Facts, steps: Sequence[Step]) -> str | None:
    """The commands that help, with what they cost, in a sentence without its end; None where nothing is in the way."""
    doubtful = next((step for step in steps if step.action is Action.UNRESOLVED), None)
    if doubtful is not None:
        return f"scene {doubtful.scene.id} is in doubt: {settled_by(story, doubtful.record, doubtful, free=facts.free)}"
    if all(step.action is not Action.FAILED for step in steps):
        return None
    price = again(story, facts)
    cost = ", at an unknown price" if price is None else f": {price} credits, with all that is left" if price else ""
    return f"{command('run', story, '--retry-failed', free=facts.free)} tries once more what was given up{cost}"


def brought_on(story: Story, facts: Facts, steps: Sequence[Step], *, workers: bool) -> str:
    """What brings a story's missing segments here, whatever is in the way; in a sentence without its end."""
    return way_on(story, facts, steps) or brought_here(story, free=facts.free, workers=workers)


def settled_by(story: Story, record: Record, step: Step, *, free: bool) -> str:
    """The commands by which a person says what became of a scene's request; of a job that is gone there is but one."""
    resubmit = f"{command('resubmit', story, step.scene.id, '--may-pay-twice', free=free)} has it bought again"
    if record.job_id is not None:
        return resubmit
    return f"{command('adopt', story, step.scene.id, 'JOB', free=free)} says which job it is, {resubmit}"
