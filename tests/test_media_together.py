"""Things done at once, of which none outlives the others."""

from __future__ import annotations

import asyncio

import pytest

from storychain.media.together import abreast


def test_as_many_at_once_as_there_are_hands_begun_in_order():
    begun, at_once, most = [], 0, 0

    async def do(thing: int) -> None:
        nonlocal at_once, most
        begun.append(thing)
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1

    asyncio.run(abreast(do, range(7), 2))
    assert (begun, most) == (list(range(7)), 2)


def test_the_first_failure_ends_the_others_and_nothing_more_is_begun():
    begun, ended = [], []

    async def do(thing: int) -> None:
        begun.append(thing)
        if thing == 1:
            raise ValueError(thing)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(thing)

    with pytest.raises(ValueError, match="1"):
        asyncio.run(abreast(do, range(9), 2))
    assert (begun, ended) == ([0, 1], [0])


def test_cancelled_it_leaves_nothing_behind():
    ended = []

    async def do(thing: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(thing)

    async def cancelled() -> None:
        task = asyncio.create_task(abreast(do, range(9), 2))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert sorted(ended) == [0, 1]
