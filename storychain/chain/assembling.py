"""Making a story's film anew from stored segments alone: nothing is asked of any provider, nothing can be bought."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from storychain.chain.blocked import brought_on
from storychain.chain.story import Outcome, render_with
from storychain.errors import MediaError, ProviderUnreachable
from storychain.plan import Action
from storychain.printable import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.chain.run import Run
    from storychain.plan import Facts, Step
    from storychain.story.model import Story


class Offline:
    """A provider of which nothing can be had: whoever asks it anything is told that there is no network here."""

    def __init__(self, name: str, *, free: bool) -> None:
        self.name = name
        self.free = free

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        async def call(*_: object) -> Any:
            raise ProviderUnreachable(
                "this needs the network, and assembling does without", next_step="Use `storychain run`."
            )

        return call


async def assemble_all(run: Run, stories: Sequence[Story]) -> tuple[Outcome, ...]:
    """Make the films of stories anew, side by side."""
    check = partial(_all_here, workers=run.locks.shared)
    return tuple(await asyncio.gather(*(render_with(run, story, check=check) for story in stories)))


def _all_here(story: Story, facts: Facts, steps: tuple[Step, ...], *, workers: bool) -> None:
    missing = [step.scene.id for step in steps if step.action not in (Action.REUSE, Action.PLACEHOLDER)]
    if missing:
        raise MediaError(
            f"not every segment is stored: {listed(missing)}",
            where=story.name,
            next_step=f"Nothing was changed. {brought_on(story, facts, steps, workers=workers)}.",
        )
