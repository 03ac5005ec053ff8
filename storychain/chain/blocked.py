"""What lets a story go on of which a scene is given up or in doubt: until then a run buys nothing more of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.chain.placeholder import again
from storychain.chain.survey import attempts_of
from storychain.errors import GenerationFailed, Unresolved
from storychain.plan import Action, trouble
from storychain.story.advice import brought_here, command
from storychain.takes import takes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.ledger import Ledger
    from storychain.plan import Facts, Step
    from storychain.records import Record
    from storychain.story.model import Story


def way_on(story: Story, facts: Facts, steps: Sequence[Step], ledger: Ledger | None) -> str | None:
    """The commands that help, with what they cost, in a sentence without its end; None where nothing is in the way."""
    doubtful = next((step for step in steps if step.action is Action.UNRESOLVED), None)
    if doubtful is not None:
        return f"scene {doubtful.scene.id} is in doubt: {settled_by(story, doubtful.record, doubtful, free=facts.free)}"
    if all(step.action is not Action.FAILED for step in steps):
        return None
    price = again(story, facts)
    cost = ", at an unknown price" if price is None else f": {price} credits, with all that is left" if price else ""
    retry = f"{command('run', story, '--retry-failed', free=facts.free)} tries once more what was given up{cost}"
    instead = shown_instead(story, facts, steps, ledger)
    return f"{instead}; {retry}" if instead else retry


def shown_instead(story: Story, facts: Facts, steps: Sequence[Step], ledger: Ledger | None) -> str | None:
    """The command that shows another take of a scene that is given up, if one was had: that costs nothing more."""
    given_up = [step for step in steps if step.action is Action.FAILED]
    attempts = attempts_of(story, facts, ledger) if ledger and given_up else ()
    for scene in takes_of(given_up, attempts, ()):
        for take in reversed(scene.takes):
            if take.record.state == "stored":
                name = scene.step.scene.id
                pick = command("pick", story, name, str(take.number), free=facts.free)
                return f"{pick} shows scene {name} as its take {take.number}, which costs nothing more"
    return None


def brought_on(story: Story, facts: Facts, steps: Sequence[Step], *, workers: bool) -> str:
    """What brings a story's missing segments here, whatever is in the way; in a sentence without its end."""
    return way_on(story, facts, steps, None) or brought_here(story, free=facts.free, workers=workers)


def settled_by(story: Story, record: Record, step: Step, *, free: bool) -> str:
    """The commands by which a person says what became of a scene's request; of a job that is gone there is but one."""
    resubmit = f"{command('resubmit', story, step.scene.id, '--may-pay-twice', free=free)} has it bought again"
    if record.job_id is not None:
        return resubmit
    return f"{command('adopt', story, step.scene.id, 'JOB', free=free)} says which job it is, {resubmit}"


def unresolved(record: Record) -> Unresolved:
    """The error of a scene in doubt, in the words on record."""
    return Unresolved(record.message or "it cannot be told whether this scene was paid")


def gave_up(step: Step, record: Record) -> GenerationFailed:
    """The error of a scene of which no try is left."""
    price = f" for {step.price} credits" if step.price else ""
    words = "Change its prompt or give it `fallback_prompts`" if record.objected else "Raise its `attempts`"
    return GenerationFailed(
        trouble(record, step.scene),
        next_step=f"{words}, or run with --retry-failed to try once more{price}; with `on_failure: placeholder` there "
        "is a film without it. What is finished is kept.",
    )
