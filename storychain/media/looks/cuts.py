"""Hidden cuts: places where a segment that should be one take goes over to another view from one frame to the next.

A fast pan, a passing bus and a flash change a frame as much as a cut does. What tells a cut: neither the frames
around it change like that, nor can the later frame be laid together out of pieces of the earlier one, nor does the
earlier view come back. Frames are taken one at a time and few are kept. No file is opened here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from storychain.media.looks.change import apart, standardised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_SUDDEN = 0.3
"""Distance of two neighbours below which they show one view."""

_AGAINST = 2.0
"""How many times as far as any of its neighbours a step must go."""

_AROUND = 5
"""Steps on each side that a step is held against."""

_LASTS = 13
"""Frames within which a view may come back: half a second, as long as a flash lasts."""

_LOOKED_AT = (0, 1, 2, 4, 6, 9, 12)
"""Which of them are looked at, counted from the step."""

_NEW = 0.5
"""Share of a frame's blocks that must be found nowhere near in the earlier one."""

_BLOCKS = (10, 6)
"""Blocks across and down that a frame is laid together of."""

_SEARCH = (20, 10)
"""How far a block may have moved, as a share of 80 across and of 45 down."""

_TEXTURE = 4.0
"""Deviation in levels below which a block looks like any other and says nothing."""

_BLANK = 0.2
"""Share of blocks that must have texture for a frame to show anything."""

_UNLIKE = 0.5
"""Mean difference of a block to its best match, over its own mean deviation, from which it is not the same thing."""


@dataclass(slots=True)
class _Doubt:
    """A step that may be a cut, to be decided when enough has come after it."""

    step: int
    before: list[NDArray[np.float32]]
    after: list[NDArray[np.float32]] = field(default_factory=list)


class CutFinder:
    """Takes the frames of a segment (height by width levels, in order); `found` at the end are the cuts' frames."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None
        self._recent: deque[NDArray[np.float32]] = deque(maxlen=_LASTS)
        self._steps: list[float] = []
        self._doubts: deque[_Doubt] = deque()
        self._found: list[int] = []

    def take(self, shown: NDArray[np.float32]) -> None:
        """The next frame."""
        row = standardised(shown[None])
        small = _small(shown)
        if self._last is not None:
            self._steps.append(float(apart(self._last, row)[0]))
            if self._steps[-1] > _SUDDEN:
                self._doubts.append(_Doubt(len(self._steps) - 1, list(self._recent)))
        for doubt in self._doubts:
            doubt.after.append(small)
        if self._doubts and len(self._doubts[0].after) >= _LASTS:
            self._settle(self._doubts.popleft())
        self._last = row
        self._recent.append(small)

    def found(self) -> tuple[int, ...]:
        """Numbers, counted from the first frame taken, of the frames that begin another view."""
        while self._doubts:
            self._settle(self._doubts.popleft())
        return tuple(self._found)

    def _settle(self, doubt: _Doubt) -> None:
        around = self._steps[max(0, doubt.step - _AROUND) : doubt.step + 1 + _AROUND]
        others = sorted(around)[:-1] if max(around) == self._steps[doubt.step] else around
        if self._steps[doubt.step] < _AGAINST * max(others, default=0.0):
            return
        if all(novelty(earlier, later) > _NEW for earlier, later in _pairs(doubt)):
            self._found.append(doubt.step + 1)


def _pairs(doubt: _Doubt) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Frames of both sides that would show one view, were the step the beginning or the end of a flash."""
    near, far = doubt.before[::-1], doubt.after
    yield from ((near[0], far[place]) for place in _LOOKED_AT if place < len(far))
    yield from ((near[place], far[0]) for place in _LOOKED_AT[1:] if place < len(near))


def _small(shown: NDArray[np.float32]) -> NDArray[np.float32]:
    """A frame at half its width and height, its sides whole numbers of blocks."""
    height, width = shown.shape
    down, across = (height // 2 // _BLOCKS[1] * _BLOCKS[1], width // 2 // _BLOCKS[0] * _BLOCKS[0])
    even = shown[: 2 * down, : 2 * across].reshape(down, 2, across, 2)
    return np.asarray(even.mean((1, 3)), np.float32)


def novelty(earlier: NDArray[np.float32], later: NDArray[np.float32]) -> float:
    """Share of the later frame's blocks that are found nowhere near in the earlier, up to brightness: 0 to 1.

    0 where either is blank: what comes out of a flash, or goes into the dark, is no other view yet.
    """
    down, across = later.shape
    high, wide = down // _BLOCKS[1], across // _BLOCKS[0]
    far_x, far_y = max(1, across * _SEARCH[0] // 80), max(1, down * _SEARCH[1] // 45)
    flat = _blocks(later, high, wide)
    texture = np.abs(flat).mean((1, 3))
    telling = texture > _TEXTURE
    shows = np.abs(_blocks(earlier, high, wide)).mean((1, 3)) > _TEXTURE
    if min(float(telling.mean()), float(shows.mean())) < _BLANK:
        return 0.0
    padded = np.pad(earlier, ((far_y, far_y), (far_x, far_x)), mode="edge")
    best = np.full(texture.shape, np.inf, np.float32)
    for y in range(2 * far_y + 1):
        for x in range(2 * far_x + 1):
            moved = _blocks(padded[y : y + down, x : x + across], high, wide)
            np.minimum(best, np.abs(flat - moved).mean((1, 3)), out=best)
    return float((best[telling] > _UNLIKE * texture[telling]).mean())


def _blocks(shown: NDArray[np.float32], high: int, wide: int) -> NDArray[np.float32]:
    """A frame in blocks, each less its mean: down, height, across, width."""
    blocks = shown.reshape(_BLOCKS[1], high, _BLOCKS[0], wide)
    return np.asarray(blocks - blocks.mean((1, 3), keepdims=True))
