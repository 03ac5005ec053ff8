"""May the next scene go on from this one? Whether a segment ends black, frozen or blurred.

An answer of yes may make a person pay for the scene again, so what counts is what nobody would want to continue:

- black: its last three frames, or more, are black (nothing brighter than 20 of 255 levels, but for a thousandth);
- frozen: for its last second, at least, every frame has been the same picture, grain and all, and it moved before;
- blurred: each of its last five frames has less than a quarter of the detail that its own sharp frames have, in the
  finest scales far more than in the coarse ones, and it is not because the camera races. A smooth sky, mist or a dark
  room have little detail in all scales; where a quarter of the view or more stays sharp, or a quarter of the places
  that had detail keep it, it is focus, or words that went, not blur.

Black and frozen are told from the small frames that are kept of a segment anyway. So is what cannot be blurred, which
is nearly all: only the rest is decoded for it. Of a long segment the last ten seconds are looked at. Nothing is decided
here but these three.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from storychain.media.glance import glance, header
from storychain.media.looks.change import is_black, moved
from storychain.media.looks.frames import decoded, facts_of, luma
from storychain.media.looks.stillness import StillFinder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_LOOKED_AT = 10
"""Seconds before the end that are looked at."""

_BLACK = 3
"""Frames that must be black."""

_FROZEN = 1.0
"""Seconds that the picture must stand."""

_BLURRED = 5
"""Frames that must be blurred."""

_EVERY = 6
"""Of the frames before, every so many is looked at for the segment's own sharpness."""

_FINE = 640
"""Longest side in pixels of the frames that detail is measured on."""

_DETAIL = 1 / 4
"""Share of its own best detail below which a frame is blurred."""

_SLOPE = 0.5
"""Share of its own best relation of fine to coarse detail below which it is blur, not an empty view."""

_EMPTY = 3.0
"""Deviation in levels of the coarse scales below which there is nothing that could be sharp."""

_PLACE, _OCTAVES = 32, 4
"""Pixels of the squares in which detail is measured, and into how many octaves it is parted."""

_HAD = 3.0
"""Energy of a place's fine scales (variance in levels squared) that can be lost to blur."""

_SOFTER = 0.6
"""Share of their small frames' finest detail that half the places must lose for blur to be looked for."""

_SMALLEST = 240
"""Pixels of the longest side below which there is too little detail in any picture to tell blur by."""

_FEWEST, _LEAST_SEEN = 6, 0.1
"""Squares, and share of them, that must have something in them for sharpness to be told."""

_SHARPER = 0.75
"""Share of the places that the one which tells is sharper than."""

_RACING = 3.0
"""Mean change of a pixel in levels from frame to frame, per 1/24 s, above which movement may be what blurs."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a segment ends.

    - `black`: how many frames at its end are black; `frozen`: for how many seconds the picture has stood at its end.
    - `sharpness`: detail of its last five frames at the best, over its own best (1 is as sharp as it gets).
    - `is_black`, `is_frozen`, `is_blurred`: whether that counts; see the head of this module.
    - `reason`: the first that counts in words, or None.
    """

    black: int
    frozen: float
    sharpness: float
    is_black: bool
    is_frozen: bool
    is_blurred: bool

    @property
    def good(self) -> bool:
        """Whether the next scene may go on from here."""
        return self.reason is None

    @property
    def reason(self) -> str | None:
        """What is wrong, for a person."""
        if self.is_black:
            return f"it ends in black ({self.black} frames)"
        if self.is_frozen:
            return f"it stands still for its last {self.frozen:.1f} s"
        if self.is_blurred:
            return f"it ends blurred, with {self.sharpness:.0%} of the detail it had"
        return None


@dataclass(frozen=True, slots=True)
class _Detail:
    """Energy of a frame's fine and coarse scales (variance in levels squared), and of the fine ones place by place."""

    fine: float
    coarse: float
    places: NDArray[np.float32]

    @property
    def slope(self) -> float:
        return self.fine / max(self.coarse, 0.01)


async def ending_of(picture: Path) -> Ending:
    """Look at the last ten seconds of a prepared picture; some 0.1 s for 8 s, 0.5 s where
    it might be blurred (720p). Raises MediaError."""
    return await asyncio.to_thread(_looked_at, picture)


def _looked_at(picture: Path) -> Ending:
    facts = header(picture)
    fps = float(facts.fps)
    begin = max(0, facts.frames - round(_LOOKED_AT * fps))
    small = glance(picture, begin, facts.frames, size=facts.size).astype(np.float32)
    dark = next((count for count, shown in enumerate(small[::-1]) if not is_black(shown)), len(small))
    still = StillFinder(fps)
    for shown in small:
        still.take(shown)
    stood = [one.seconds for one in still.found() if one.end == len(small)]
    frozen = stood[0] if still.moves and stood and not dark else 0.0
    share, blurred = _blur(picture, begin, facts.frames) if _is_softer(small) else (1.0, False)
    blurred = blurred and not dark and not _races(small, fps)
    return Ending(dark, frozen, share, dark >= _BLACK, frozen >= _FROZEN, blurred)


def _is_softer(small: NDArray[np.float32]) -> bool:
    """Whether the end has lost so much of the small frames' finest detail that it is worth a closer look."""
    before, end = ([_finest(shown) for shown in part] for part in (small[:-_BLURRED:_EVERY], small[-_BLURRED:]))
    return bool(before) and _kept(before, end, _SOFTER) < 1 / 2


def _finest(shown: NDArray[np.float32]) -> NDArray[np.float32]:
    return _by_place(_lost(shown, _halved(shown)) ** 2, _PLACE // _OCTAVES)


def _kept(before: list[NDArray[np.float32]], end: list[NDArray[np.float32]], share: float) -> float:
    """Of the places that had detail most of the time, the share that ends with at least a `share` of it."""
    usual, last = np.median(before, 0), np.max(end, 0)
    had = usual > _HAD
    return float((last[had] >= share * usual[had]).mean()) if had.any() else 1.0


def _races(small: NDArray[np.float32], fps: float) -> bool:
    steps = [moved(one, other) for one, other in pairwise(small[-_BLURRED - 1 :])]
    return bool(steps) and float(np.median(steps)) * fps / 24 > _RACING


def _details(picture: Path, begin: int, frames: int) -> Iterator[tuple[bool, _Detail | None]]:
    """Detail of some frames of the picture, and of all its last ones; whether it is one of those comes first."""
    full, due = facts_of(picture).coding.full_range, begin
    for number, frame in decoded(picture, begin, loosely=frames - _BLURRED):
        last = number >= frames - _BLURRED
        if last or number >= due:
            due = number + _EVERY
            yield last, _detail_of(luma(frame, _FINE, full_range=full))


def _blur(picture: Path, begin: int, frames: int) -> tuple[float, bool]:
    """The share of its own best detail that the end has, and whether it is blurred (or the camera races)."""
    details = list(_details(picture, begin, frames))
    end = [detail for last, detail in details if last and detail is not None]
    before = [detail for last, detail in details if not last and detail is not None]
    if len(before) < _BLURRED or len(end) < _BLURRED:
        return 1.0, False
    # Not the very best: one frame in ten may be a flash.
    best = float(np.quantile([detail.fine for detail in before], 0.9))
    slope = float(np.quantile([detail.slope for detail in before], 0.9))
    share = min(1.0, max(detail.fine for detail in end) / max(best, 0.01))
    soft = max(detail.slope for detail in end) < _SLOPE * slope
    kept = _kept([detail.places for detail in before], [detail.places for detail in end], _DETAIL)
    return share, share < _DETAIL and soft and kept < 1 - _SHARPER


def _detail_of(shown: NDArray[np.float32]) -> _Detail | None:
    """Energy of the two finest octaves and of the two after them, in the places where there is something to see.

    It is that of the place sharper than three in four, not of the picture as a whole: a title has more detail than the
    rest together, and when it goes the picture is as sharp as before; and where the focus goes over to one thing in
    the view, that thing is sharp. None where too little of the picture has anything in it.
    """
    if max(shown.shape) < _SMALLEST:
        return None
    bands: list[NDArray[np.float32]] = []
    size = _PLACE
    while size >= 4 and min(shown.shape) >= size:
        coarser = _halved(shown)
        bands.append(_by_place(_lost(shown, coarser) ** 2, size))
        shown, size = coarser, size // 2
    if len(bands) < _OCTAVES:
        return None
    rows, columns = (min(band.shape[axis] for band in bands) for axis in (0, 1))
    bands = [band[:rows, :columns] for band in bands]
    fine, coarse = bands[0] + bands[1], bands[2] + bands[3]
    seen = coarse > _EMPTY**2
    if seen.sum() < max(_FEWEST, seen.size * _LEAST_SEEN):
        return None
    sharper = [float(np.quantile(energy[seen], _SHARPER)) for energy in (fine, coarse)]
    return _Detail(sharper[0], sharper[1], fine)


def _by_place(energy: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Mean of each square of `size` pixels."""
    rows, columns = energy.shape[0] // size, energy.shape[1] // size
    squares = energy[: rows * size, : columns * size].reshape(rows, size, columns, size)
    return np.asarray(squares.mean(axis=(1, 3)), np.float32)


def _halved(shown: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = (side // 2 * 2 for side in shown.shape)
    even = shown[:height, :width]
    return np.asarray((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4)


def _lost(shown: NDArray[np.float32], halved: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is lost by halving."""
    height, width = (2 * side for side in halved.shape)
    return np.asarray(shown[:height, :width] - np.repeat(np.repeat(halved, 2, 0), 2, 1))
