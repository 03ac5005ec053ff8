"""Many stories side by side: what came of each, never one's trouble for another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from storychain.chain.account import compare_books
from storychain.chain.run import Run, off_loop
from storychain.chain.story import Outcome, done_already, render
from storychain.errors import StorychainError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from storychain.story.model import Story

_AT_LEAST = 8
"""Stories that are in hand at a time, however few jobs there may be: most of their time they wait."""


_AT_A_LOOK = 25
"""Stories that are looked at between two moments in which others get on, and a run can be interrupted."""


def _in_hand(jobs: int) -> int:
    """Stories that are in hand at a time where so many jobs may be under way."""
    return max(_AT_LEAST, 2 * jobs)


async def render_all(run: Run, stories: Sequence[Story]) -> tuple[Outcome, ...]:
    """Render stories side by side; their outcomes in the order of the stories.

    Twice as many are in hand as jobs may be under way, so that there is always one ready to be bought, and no more: a
    story in hand is held against other runs. Those that are paid for in part come first: what they wait for does not
    keep.
    """
    places = asyncio.Semaphore(_in_hand(run.jobs))

    async def in_turn(story: Story) -> Outcome:
        async with places:
            return await render(run, story)

    begun = await _begun(run)
    done = await _done(run, stories)
    rest = [place for place in range(len(stories)) if place not in done]
    order = sorted(rest, key=lambda place: stories[place].name not in begun)
    tasks = {place: asyncio.create_task(in_turn(stories[place])) for place in order}
    try:
        await asyncio.gather(*tasks.values())
    finally:  # one ends by a mistake of ours, or all are cancelled: none goes on alone
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    await compare_books(run)
    return tuple(done[place] if place in done else tasks[place].result() for place in range(len(stories)))


async def _done(run: Run, stories: Sequence[Story]) -> dict[int, Outcome]:
    """What came of the stories of which nothing is left to do, by their places.

    Where many are given, those that have a film are looked at in turn by one thread: hundreds need not wait for each
    other, and nothing of theirs has to be held for a look.
    """
    if len(stories) <= _AT_LEAST:
        return {}
    try:
        films = await run.on_record(run.ledger.films)
    except StorychainError:
        return {}
    filmed = [place for place, story in enumerate(stories) if story.name in films]

    def looked_at(places: Sequence[int]) -> list[Callable[[], Outcome] | None]:
        return [done_already(run, stories[place]) for place in places]

    done: dict[int, Outcome] = {}
    for begin in range(0, len(filmed), _AT_A_LOOK):
        some = filmed[begin : begin + _AT_A_LOOK]
        found = await off_loop(looked_at, some)
        done |= {place: summed_up() for place, summed_up in zip(some, found, strict=True) if summed_up is not None}
    return done


async def _begun(run: Run) -> frozenset[str]:
    """Stories that are paid for in part; none where that cannot be read, which each story then says for itself."""
    try:
        return await run.on_record(run.ledger.begun, run.provider.name)
    except StorychainError:
        return frozenset()
