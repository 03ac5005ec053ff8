"""Whose scene is bought next, where more are ready than jobs may be under way: fair shares among stories."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A scene that is ready to be bought: its story, how many scenes that one has left, and who came first."""

    story: str
    left: int
    number: int
    turn: asyncio.Future[None] = field(compare=False)


class Slots:
    """Jobs that a run may have under way.

    A free one goes to the story that has fewest under way; of those to one that is begun rather than to a new one, then
    to the one with the fewest scenes left, then to who came first. So a story with many chains does not take all, none
    near its end waits for new ones, and none waits for ever: a begun story always comes before those behind it.
    """

    def __init__(self, jobs: int) -> None:
        self._free = jobs
        self._held: Counter[str] = Counter()
        self._begun: set[str] = set()
        self._waiting: list[_Waiting] = []
        self._numbers = count()

    @asynccontextmanager
    async def taken(self, story: str, left: int) -> AsyncIterator[None]:
        """Hold a slot for a story with `left` scenes to go."""
        await self._take(story, left)
        try:
            yield
        finally:
            self._give_back(story)

    async def _take(self, story: str, left: int) -> None:
        if self._free:  # then nobody waits
            self._grant(story)
            return
        waiting = _Waiting(story, left, next(self._numbers), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            else:  # it was given just now
                self._give_back(story)
            raise

    def _grant(self, story: str) -> None:
        self._free -= 1
        self._held[story] += 1
        self._begun.add(story)

    def _give_back(self, story: str) -> None:
        self._free += 1
        self._held[story] -= 1
        if self._waiting:
            chosen = min(self._waiting, key=self._rank)
            self._waiting.remove(chosen)
            self._grant(chosen.story)
            chosen.turn.set_result(None)

    def _rank(self, waiting: _Waiting) -> tuple[int, bool, int, int]:
        return self._held[waiting.story], waiting.story not in self._begun, waiting.left, waiting.number
