"""Whether a segment is the video before it sent back: as long as that, and every frame that one's of the same number.

A segment of which nothing is new is a scene nearly gone, so less than all of its frames proves nothing: they must be
the same to the last bit, or be copies that are nearer to the frames of their own number than to those beside them, with
a beginning that does not go on from the end, as it does in a loop that closes. What stands still is never held for sent
back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from storychain.media.glance import glance, header
from storychain.media.likeness import Grey, apart

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_SHORTER = 0.95
"""Part of the earlier one's frames that it has at the least: coders and containers lose a few at the end."""

_GLIMPSE = 4
"""Frames that tell in nearly all cases that it is another video."""

_LEAST = 12
"""Frames without which nothing can be told."""

COPY = 0.05
"""Distance that coding anew makes between two copies of a frame, at the most: 0 (equal) to 2."""

_NEARER = 0.5
"""Part of the distance to the frames beside it that a frame may be from its own number's, over all of the video."""

_ALL = 0.98
"""Part of the frames that must be copies."""

_MOVES = 0.5
"""Part of the steps from frame to frame that must change anything, where all frames are the same to the last bit."""

_JUMP = 4.0
"""How many times further than usual from frame to frame its beginning is from the end, at the least."""


def sent_back(before: Path, after: Path) -> float | None:
    """How far the frames are from those they repeat, where the later video is the earlier one again, else None."""
    one, other = header(before), header(after)
    if one.fps != other.fps or not max(_LEAST, _SHORTER * one.frames) <= other.frames <= one.frames:
        return None
    for frames in (_GLIMPSE, one.frames):
        earlier, later = (glance(picture, 0, frames, size=one.size) for picture in (before, after))
        off = _distances(earlier, later)
        if float((off <= COPY).mean()) < _ALL:
            return None
    steps = _distances(earlier[:-1], earlier[1:])
    if not off.any():
        # Nobody makes the same frames to the last bit: if they move, it is the same file.
        return 0.0 if float((steps > 0).mean()) >= _MOVES else None
    beside = _distances(earlier[1:], later)
    if float(off.mean()) >= _NEARER * float(beside.mean()):
        return None
    if apart(earlier[-1], later[0]) < max(COPY, _JUMP * float(np.percentile(steps, 90))):
        return None
    return float(off.mean())


def _distances(one: Grey, other: Grey) -> NDArray[np.float64]:
    return np.array([apart(*pair) for pair in zip(one, other, strict=False)])
