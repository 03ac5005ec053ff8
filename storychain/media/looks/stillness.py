"""Standing pictures: where frame after frame is one and the same, though the segment moves elsewhere.

Told from small frames, taken one at a time; three are kept. No file is opened here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from storychain.media.looks.change import apart, standardised
from storychain.media.looks.stretches import Stretch, stretch

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MEAN = 0.08
"""Levels by which a small frame's pixels may change at the mean from one to the next, if it stands. Coding alone makes
less once it has settled; live grain makes more, even where nothing else moves."""

_MOST = 5.0
"""Levels by which any of them may."""

_SLIGHT_MEAN, _SLIGHT_MOST = 1.5, 16.0
"""The same where a key frame draws a standing picture anew, and well."""

_REFRESHED = 4.0
"""Levels by which they may change at the mean where it does so badly; twice as much since it stands."""

_REFRESHED_APART = 0.05
"""Distance up to light and contrast (0 alike, 2 unlike) that goes with it."""

_EVERYWHERE = 0.4
"""Share of the pixels that change when a picture is drawn anew. What moves in one place changes fewer."""

_SETTLED_MEAN, _SETTLED_MOST = 0.5, 8.0
"""The same since the stretch settled: a slow zoom moves little from frame to frame, but gets somewhere."""

_SETTLE = 0.4
"""Seconds that coding takes to draw a standing picture to the end."""

_BETWEEN = 0.2
"""Seconds that a picture must have stood before a key frame may draw it anew."""

_LEAST = 0.5
"""Seconds that a picture must stand."""


class StillFinder:
    """Takes the frames of a segment (height by width levels, in order) at `fps` frames a second."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._number = -1
        self._last: NDArray[np.float32] | None = None
        self._begin = 0
        self._first: NDArray[np.float32] | None = None
        self._settled: NDArray[np.float32] | None = None
        self._refreshed = 0
        self._stretches: list[Stretch] = []
        self.moves = False
        """Whether anything has moved so far."""

    def take(self, shown: NDArray[np.float32]) -> None:
        """The next frame."""
        self._number += 1
        if self._last is None or self._first is None:
            self._first = shown
        elif not self._stands(shown, self._last, self._first):
            self.moves = True
            self._close()
            self._begin, self._first, self._settled = self._number, shown, None
        elif self._settled is None and self._number - self._begin >= _SETTLE * self._fps:
            self._settled = shown
        self._last = shown

    def found(self) -> tuple[Stretch, ...]:
        """The stretches in which the picture stands; call it once, at the end."""
        self._number += 1
        self._close()
        return tuple(self._stretches)

    def _stands(self, shown: NDArray[np.float32], last: NDArray[np.float32], first: NDArray[np.float32]) -> bool:
        if not _alike(shown, last, _MEAN, _MOST):
            # Only once in a while, and after standing, is it a key frame.
            since = self._number - max(self._begin, self._refreshed)
            if since < _BETWEEN * self._fps or not _is_drawn_anew(shown, last):
                return False
            self._refreshed, self._settled = self._number, None
        if self._settled is not None and not _alike(shown, self._settled, _SETTLED_MEAN, _SETTLED_MOST):
            return False
        return _might_be_drawn_anew(shown, first, 2 * _REFRESHED)

    def _close(self) -> None:
        if self._number - self._begin >= _LEAST * self._fps:
            self._stretches.append(stretch(self._begin, self._number, self._fps))


def _alike(one: NDArray[np.float32], other: NDArray[np.float32], mean: float, most: float) -> bool:
    step = np.abs(one - other)
    return float(step.mean()) <= mean and float(step.max()) <= most


def _is_drawn_anew(shown: NDArray[np.float32], last: NDArray[np.float32]) -> bool:
    if _alike(shown, last, _SLIGHT_MEAN, _SLIGHT_MOST):
        return True
    changed = float((np.abs(shown - last) > 0.5).mean())
    return changed >= _EVERYWHERE and _might_be_drawn_anew(shown, last)


def _might_be_drawn_anew(one: NDArray[np.float32], other: NDArray[np.float32], mean: float = _REFRESHED) -> bool:
    if float(np.abs(one - other).mean()) > mean:
        return False
    return float(apart(standardised(one[None]), standardised(other[None]))[0]) <= _REFRESHED_APART
