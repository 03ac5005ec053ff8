"""One segment to render, as data: what its picture is made from and how long it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FPS = 24
_SIZES = {"16:9": (1280, 720), "9:16": (720, 1280), "1:1": (960, 960), "4:3": (1104, 832), "3:4": (832, 1104)}


@dataclass(frozen=True, slots=True)
class Source:
    """A source file and the request's field that named it."""

    field: str
    path: Path


@dataclass(frozen=True, slots=True)
class Shot:
    """One segment. `flaws` are names of `media.*` faults; sizes are in pixels and even.

    A `stamp` is written large over the picture, for a segment that must not be taken for anything else.
    """

    prompt: str
    model: str
    seconds: int
    width: int
    height: int
    extends: Source | None = None
    first_image: Source | None = None
    references: tuple[Source, ...] = ()
    flaws: frozenset[str] = frozenset()
    stamp: str = ""

    @property
    def fps(self) -> int:
        """Frames a second."""
        return 30 if "media.fps30" in self.flaws else 25 if "media.fps25" in self.flaws else FPS

    @property
    def frames(self) -> int:
        """Frames the picture has."""
        return (self.seconds - ("media.short" in self.flaws)) * self.fps


def size_of(aspect_ratio: str, scale: float) -> tuple[int, int]:
    """Width and height for a ratio such as `16:9`, even, `scale` times the 720p default."""
    width, height = _SIZES.get(aspect_ratio) or _area(aspect_ratio)
    return _even(width * scale), _even(height * scale)


def _area(aspect_ratio: str) -> tuple[float, float]:
    wide, _, high = aspect_ratio.partition(":")
    ratio = float(wide) / float(high)
    return (921600 * ratio) ** 0.5, (921600 / ratio) ** 0.5


def _even(length: float) -> int:
    return max(16, round(length / 2) * 2)
