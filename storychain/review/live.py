"""News for open pages: which stories changed, as server-sent events. While nobody listens, nothing is looked at."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

from storychain.errors import StorychainError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from storychain.review.gathering import Views

_EACH = 1.0
"""Seconds between two looks."""

_SIGN_OF_LIFE = 15.0
"""Seconds of silence after which a listener is told that there is no news, so that a dead connection is noticed."""


class News:
    """Who listens, and the one look a second for all of them."""

    def __init__(self, views: Views, each: float = _EACH) -> None:
        self._views = views
        self._each = each
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._closed = False
        self._serials: dict[str, int] = {}

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    async def stream(self) -> AsyncIterator[str]:
        """Events, as text, until the listener leaves or the server closes."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._listeners.add(queue)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="review news")
        try:
            yield f"retry: 2000\nevent: serials\ndata: {json.dumps(self._serials)}\n\n"
            while not self._closed:
                news = await self._next(queue)
                if news is None:
                    return
                yield news
        finally:
            self._listeners.discard(queue)
            if not self._listeners and self._looking is not None:
                self._looking.cancel()

    async def _next(self, queue: asyncio.Queue[str | None]) -> str | None:
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(queue.get(), _SIGN_OF_LIFE)
        return ": nothing new\n\n"

    async def _look(self) -> None:
        while True:
            try:
                serials = await asyncio.to_thread(self._views.look)
            except StorychainError as error:
                self._tell("trouble", {"words": str(error)})
            else:
                # Of all stories, whichever changed: a page finds by its own numbers what it has missed as well.
                if serials != self._serials:
                    self._serials = serials
                    self._tell("serials", serials)
            await asyncio.sleep(self._each)

    def _tell(self, event: str, data: Mapping[str, str | int]) -> None:
        for queue in self._listeners:
            queue.put_nowait(f"event: {event}\ndata: {json.dumps(data)}\n\n")

    async def close(self) -> None:
        """End every stream."""
        self._closed = True
        for queue in self._listeners:
            queue.put_nowait(None)
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
