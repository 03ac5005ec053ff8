"""A few frames of a prepared picture, small and grey: enough to tell what goes on where two segments meet.

A segment is decoded once, when it is checked and prepared: all its frames are then kept this small beside its picture
(`kept_beside`). Of a picture that has none beside it, as many are decoded as are asked for.

What lives here: how small they are, keeping and reading them. What may not: any judgement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from storychain.errors import MediaError
from storychain.media.looks.frames import decoded, facts_of, grey
from storychain.media.walk import AGAIN

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path

    from ffmpeg.nodes import FilterableStream, OutputStream
    from numpy.typing import NDArray

_AREA = 160 * 90
"""Pixels of a frame, about; small enough to be quick, large enough to tell a step from standing still."""

_GRID = 8
"""Both sides are multiples of it: frames are halved twice, and cut into blocks."""

_WIDENED = np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)
"""Code values of the narrow range as grey from 0 (black) to 255 (white)."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture file says of itself: frames a second, how many frames, and the size to look at them in."""

    fps: Fraction
    frames: int
    size: tuple[int, int]
    full_range: bool

    @property
    def seconds(self) -> Fraction:
        """Its length."""
        return self.frames / self.fps


def header(picture: Path) -> Header:
    """Look at a prepared picture without decoding it. Raises MediaError."""
    facts = facts_of(picture)
    return Header(facts.fps, facts.frames, small_size(facts.width, facts.height), facts.coding.full_range)


def small_size(width: int, height: int) -> tuple[int, int]:
    """Width and height in which pictures of this size are glanced at."""
    sides = ((_AREA * width / height) ** 0.5, (_AREA * height / width) ** 0.5)
    across, down = (max(2, round(side / _GRID)) * _GRID for side in sides)
    return across, down


def kept_beside(picture: Path) -> Path:
    """Where all frames of a prepared picture lie small and grey: code values of the file's own range, row by row."""
    return picture.with_suffix(".grey")


def keeping(pictures: FilterableStream, size: tuple[int, int], name: str, frames: int) -> OutputStream:
    """The end of an ffmpeg graph that writes what is kept: at most `frames` of these pictures, into the file `name`."""
    small = pictures.filter("scale", *size, flags="area").filter("format", "yuv420p|yuvj420p")
    told = {"f": "rawvideo", "fps_mode": "passthrough", "frames:v": frames}
    return small.filter("extractplanes", "y").output(name, **told)


def glance(picture: Path, begin: int, end: int, *, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Frames `begin` up to `end` of a prepared picture as n by height by width greys; those that there are.

    Raises MediaError, also where there is none.
    """
    facts = header(picture)
    frames = _kept(picture, facts, begin, end) if size == facts.size else None
    if frames is None:
        shown = (grey(frame, size, full_range=facts.full_range) for _, frame in decoded(picture, begin, end))
        frames = np.array(list(shown), np.uint8)
    if not len(frames):
        words = "there are no frames in this picture where they should be"
        raise MediaError(words, where=str(picture), next_step=AGAIN)
    return frames if facts.full_range else _WIDENED[frames]


def _kept(picture: Path, facts: Header, begin: int, end: int) -> NDArray[np.uint8] | None:
    """What lies beside a picture, if it is all there."""
    width, height = facts.size
    path, pixels, last = kept_beside(picture), width * height, min(end, facts.frames)
    try:
        if path.stat().st_size != facts.frames * pixels:
            return None
        count = max(0, last - begin) * pixels
        return np.fromfile(path, np.uint8, count, offset=begin * pixels).reshape(-1, height, width)
    except OSError:
        return None
