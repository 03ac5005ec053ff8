"""Doing things at once of which none outlives the others."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable

T = TypeVar("T")


@asynccontextmanager
async def beside(work: Coroutine[None, None, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Do `work` beside the block, which awaits the task it is given; left over when the block ends, it is cancelled."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def abreast(do: Callable[[T], Awaitable[None]], things: Iterable[T], hands: int) -> None:
    """Do each of `things`, begun in their order, `hands` at once. The first failure ends it; nothing goes on then."""
    left = iter(things)

    async def hand() -> None:
        for thing in left:
            await do(thing)

    tasks = [asyncio.create_task(hand()) for _ in range(hands)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
