"""Drawing the pictures of a film that are drawn anew while its later scenes are still being generated."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from storychain.chain.finishing import draws, dress_of, with_cards
from storychain.errors import StorychainError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.chain.cutting import Cutting
    from storychain.chain.run import Run
    from storychain.media.edit import Clip
    from storychain.story.model import Story


class DrawingAhead:
    """Draws transitions, captions and odd segments of the film's beginning as it grows.

    All it makes is found again by the joining under its own name, or not needed after all: it cannot make a film wrong,
    only sooner.
    """

    def __init__(self, run: Run, story: Story, cutting: Cutting) -> None:
        self._run = run
        self._story = story
        self._cutting = cutting
        self._grown = asyncio.Event()
        self._wanted = True
        self._task: asyncio.Task[None] | None = None

    def more(self) -> None:
        """Another segment is here."""
        self._grown.set()
        if self._task is None and not self._story.film.match_color:  # whose steps are known when all are here
            self._task = asyncio.create_task(self._draw())

    async def left_off(self) -> None:
        """Finish the piece in hand, and stop."""
        self._wanted = False
        self._grown.set()
        if self._task is not None:
            await self._task

    async def given_up(self) -> None:
        """Stop at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _draw(self) -> None:
        drawn = 0
        while self._wanted:
            await self._grown.wait()
            self._grown.clear()
            try:
                beginning = await self._cutting.beginning()
                if len(beginning) > max(1, drawn):
                    await self._draw_of(beginning)
                    drawn = len(beginning)
            except StorychainError:
                return  # the joining comes to it again, and says so

    async def _draw_of(self, beginning: Sequence[Clip]) -> None:
        run, story = self._run, self._story
        clips, first = await with_cards(run, story, beginning, ended=False)
        edit = run.room.edit(clips, drawn=draws(story))
        dress = dress_of(story, edit, first + (self._cutting.opening is not None), ())
        async with run.benches.taken():
            await run.room.draw_ahead(clips, dress, lambda: self._wanted and not run.benches.crowded)
