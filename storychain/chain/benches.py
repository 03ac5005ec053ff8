"""Where films are made: no more at a time than the machine has cores, finished ones before what can wait."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Benches:
    """Places in the cutting room. Whoever works ahead leaves when others come to wait."""

    def __init__(self, count: int | None = None) -> None:
        """`count` is one a core unless it is given."""
        self._places = asyncio.Semaphore(count or os.cpu_count() or 1)
        self._waiting = 0

    @property
    def crowded(self) -> bool:
        """Whether somebody waits for a place."""
        return self._waiting > 0

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Hold a place, as soon as there is one."""
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()
