"""What a placeholder shows, and who paints it: words only. Making one is `placeholder`'s business."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from storychain.errors import MediaError


@dataclass(frozen=True, slots=True)
class Card:
    """What a placeholder shows and what it is to be like: whole seconds, pixels, frames a second.

    Size and rate are None where no other segment says what they should be.
    """

    scene: str
    words: str
    aspect_ratio: str
    seconds: int
    size: tuple[int, int] | None = None
    rate: Fraction | None = None


Painter = Callable[[Card, Path], Awaitable[None]]
"""Writes a card's video to a path. May raise MediaError."""


async def nobody_paints(card: Card, video: Path) -> None:
    """The painter of a run that was given none."""
    raise MediaError(f"there is nobody to paint a placeholder for scene {card.scene}", where=str(video))
