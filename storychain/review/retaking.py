"""What one more take of a scene would cost and make stale, as the page shows it and offers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain import takes as choosing
from storychain.directing import planned
from storychain.plan import quote
from storychain.review.view import RetakeView

if TYPE_CHECKING:
    from storychain.directing import Table
    from storychain.records import Chosen


def retake_of(table: Table, scene: str) -> RetakeView:
    """What one more take of a scene costs, and what it makes stale. Raises UsageError."""
    table.step(scene)
    steps, kept = (planned(table, _retaken(table, scene, keep_after=keep)) for keep in (False, True))
    own = next(step for step in steps if step.scene.id == scene)
    stale = tuple(step.scene.id for step in choosing.stale(table.steps, steps) if step.scene.id != scene)
    had = {step.key for step in table.steps}
    bought = [step for step in steps if step.key not in had]
    return RetakeView(own.price, stale, quote(bought).total, quote([one for one in kept if one.key not in had]).total)


def _retaken(table: Table, scene: str, *, keep_after: bool) -> dict[str, Chosen]:
    """The choices of one more take, whatever became of the one that was asked for last."""
    attempts = [*table.attempts, table.step(scene).record]
    choices = choosing.retaken(table.story, table.facts, attempts, scene, keep_after=keep_after)
    return choices or {scene: table.facts.choices[scene]}


def rewritten(table: Table, scene: str, prompt: str, *, keep_after: bool) -> dict[str, Chosen]:
    """The choices by which a scene is taken again, in other words where some are given. Raises UsageError."""
    written = next((one for one in table.story.scenes if one.id == table.step(scene).scene.id), None)
    assert written is not None
    words = choosing.prompt_of(written, prompt) if prompt.strip() else None
    return choosing.retaken(table.story, table.facts, table.attempts, scene, prompt=words, keep_after=keep_after)
