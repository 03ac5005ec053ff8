"""Many stories side by side: what came of each, never one's trouble for another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from storychain.chain.account import compare_books
from storychain.chain.run import Run, on_record
from storychain.chain.story import Outcome, render
from storychain.errors import StorychainError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.story.model import Story

_AT_LEAST = 8
"""Stories that are in hand at a time, however few jobs there may be: most of their time they wait."""


def in_hand(jobs: int) -> int:
    """Stories that are in hand at a time where so many jobs may be under way."""
    return max(_AT_LEAST, 2 * jobs)


async def render_all(run: Run, stories: Sequence[Story]) -> tuple[Outcome, ...]:
    """Render stories side by side; their outcomes in the order of the stories.

    Twice as many are in hand as jobs may be under way, so that there is always one ready to be bought, and a thousand
    stories need no thousand open files. Those that are paid for in part come first: what they wait for does not keep.
    """
    places = asyncio.Semaphore(in_hand(run.jobs))

    async def in_turn(story: Story) -> Outcome:
        async with places:
            return await render(run, story)

    begun = await _begun(run)
    order = sorted(range(len(stories)), key=lambda place: stories[place].name not in begun)
    tasks = {place: asyncio.create_task(in_turn(stories[place])) for place in order}
    try:
        await asyncio.gather(*tasks.values())
    finally:  # one ends by a mistake of ours, or all are cancelled: none goes on alone
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    await compare_books(run)
    return tuple(tasks[place].result() for place in range(len(stories)))


async def _begun(run: Run) -> frozenset[str]:
    """Stories that are paid for in part; none where that cannot be read, which each story then says for itself."""
    try:
        return await on_record(run.ledger.begun, run.provider.name)
    except StorychainError:
        return frozenset()
