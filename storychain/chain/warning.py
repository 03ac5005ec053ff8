"""What a person is warned of before a story is bought, however it is looked at: by check, plan or run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.chain.blending import blending_warnings
from storychain.chain.narration import narration_warnings
from storychain.chain.wording import wording_warnings

if TYPE_CHECKING:
    from storychain.story.model import Story


def warnings_before(story: Story) -> tuple[str, ...]:
    """What of the film will not be as its story says it; of words that are still to be spoken it is a guess."""
    return (*idle_variables(story), *narration_warnings(story), *blending_warnings(story), *wording_warnings(story))


def idle_variables(story: Story) -> tuple[str, ...]:
    """The variables that make no difference: the rows of a table that set one all make the same film."""
    return tuple(f"the variable '{name}' is in no text: write ${{{name}}} where it is meant" for name in story.idle)
