"""A story's budget: whether it can pay for all that is left of the story, and what is said where it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.errors import CapReached
from storychain.plan import quote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from storychain.plan import Step
    from storychain.story.model import Story


def check_budget(story: Story, steps: Sequence[Step], spent: Decimal) -> None:
    """Half a film is no film: where a story's budget cannot pay for all that is left, raise CapReached."""
    if (error := over_budget(story, steps, spent)) is not None:
        raise error


def over_budget(story: Story, steps: Sequence[Step], spent: Decimal) -> CapReached | None:
    """Why a run buys nothing of these steps, where a story's budget cannot pay for all of them."""
    wanted = quote(steps)
    if story.budget is None or not wanted.submits:
        return None
    if wanted.total is not None and spent + wanted.total <= story.budget:
        return None
    cost = "an unknown number of" if wanted.total is None else wanted.total
    return CapReached(
        f"the story's budget is {story.budget} credits: {spent} are spent, and the rest costs {cost}",
        where=story.name,
        next_step="Raise `budget` in the story, or shorten it. Nothing was bought.",
    )
