"""Opens and closes the review page behind its door. Knows no page."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storychain.errors import UsageError
from storychain.review.guard import Door, Guard, is_loopback
from storychain.review.live import News
from storychain.review.pages import Pages
from storychain.serving import bracketed, listening, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storychain.review.gathering import Views
    from storychain.review.spending import Till


@dataclass(frozen=True, slots=True)
class Opened:
    """A review page that answers."""

    door: Door
    news: News


@contextlib.asynccontextmanager
async def opened(
    views: Views, host: str, port: int, *, to_many: bool = False, till: Till | None = None
) -> AsyncIterator[Opened]:
    """Keep the page open; port 0 takes a free one. `to_many` lets in whoever has the token, as often as they like.
    With a `till` the page buys.

    Raises UsageError where it cannot listen there, or where others could get at it and nobody said that they may.
    """
    if not to_many and not is_loopback(host):
        raise UsageError(
            f"{host} is an address that other machines get to",
            next_step="Add --token if they may: whoever has the address that is printed then gets in, unencrypted.",
        )
    advice = "Choose another with --port, or 0 for any that is free."
    listener = listening(host, port, who="the review page", next_step=advice)
    door = Door(bracketed(host), listener.getsockname()[1], reusable=to_many)
    news = News(views)
    async with served(Guard(Pages(views, news, till).application(), door), listener, "review"):
        try:
            yield Opened(door, news)
        finally:
            await news.close()  # whoever listens to news would keep the server from its end
