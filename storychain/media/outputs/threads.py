"""Work in a thread that is over when it is left: what still writes into a folder must not outlive it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


async def to_its_end(work: Callable[[], Result]) -> Result:
    """The result of `work`, done in a thread. Being cancelled, this waits for it first: it takes a second at most."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        if not working.cancelled():
            working.exception()  # nobody is left to be told
        raise
