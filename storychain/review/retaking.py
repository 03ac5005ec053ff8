"""What one more take of a scene would cost and make stale, as the page shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain import takes as choosing
from storychain.directing import planned, retaken
from storychain.plan import quote, step_of
from storychain.review.view import RetakeView

if TYPE_CHECKING:
    from storychain.directing import Table
    from storychain.records import Chosen


def retake_of(table: Table, scene: str) -> RetakeView:
    """What one more take of a scene costs, and what it makes stale. Raises UsageError."""
    steps, kept = (planned(table, _retaken(table, scene, keep_after=keep)) for keep in (False, True))
    stale = tuple(step.scene.id for step in choosing.stale(table.steps, steps) if step.scene.id != scene)
    had = {step.key for step in table.steps}
    whole, alone = (quote([step for step in plan if step.key not in had]).total for plan in (steps, kept))
    return RetakeView(step_of(steps, scene).price, stale, whole, alone)


def _retaken(table: Table, scene: str, *, keep_after: bool) -> dict[str, Chosen]:
    """The choices of one more take, or of the one that was asked for last and is not here yet."""
    return retaken(table, scene, None, keep_after=keep_after) or {scene: table.facts.choices[scene]}
