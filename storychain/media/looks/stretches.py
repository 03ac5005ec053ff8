"""Stretches of frames, and how they are found in series of one value a frame. Pure; no file is opened here."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SWING = 3.0
"""Levels by which light must turn back to count as a swing; grain and coding stay below."""

_SLOWEST = 2.0
"""Times a second that light must go up and down to flicker rather than to change."""

_SWINGS = 6
"""Swings in a row that make a flicker: three times up and down. A flash is two, a double flash four."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames `begin` up to `end`, and the same in seconds."""

    begin: int
    end: int
    begin_seconds: float
    end_seconds: float

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.end_seconds - self.begin_seconds


@dataclass(frozen=True, slots=True)
class Flicker:
    """A stretch over which the light goes up and down `per_second` times a second, usually by `levels` (of 255)."""

    stretch: Stretch
    per_second: float
    levels: float


def stretch(begin: int, end: int, fps: float) -> Stretch:
    """Frames `begin` up to `end` at `fps` frames a second."""
    return Stretch(begin, end, begin / fps, end / fps)


def stretches_of(marks: Sequence[bool], fps: float, least: int) -> tuple[Stretch, ...]:
    """Where at least `least` frames in a row are marked."""
    found: list[Stretch] = []
    begin = None
    for number, mark in enumerate([*marks, False]):
        if mark and begin is None:
            begin = number
        elif not mark and begin is not None:
            if number - begin >= least:
                found.append(stretch(begin, number, fps))
            begin = None
    return tuple(found)


def flicker_in(light: Sequence[float], fps: float) -> tuple[Flicker, ...]:
    """Where brightness (levels, one a frame) swings to and fro fast and long enough to disturb."""
    found: list[Flicker] = []
    run: list[int] = []
    for turn in _turns(light):
        if run and turn - run[-1] > fps / _SLOWEST / 2:
            found += _flicker(run, light, fps)
            run = []
        run.append(turn)
    return tuple(found + _flicker(run, light, fps))


def _flicker(turns: Sequence[int], light: Sequence[float], fps: float) -> list[Flicker]:
    swings = [abs(light[later] - light[earlier]) for earlier, later in pairwise(turns)]
    if len(swings) < _SWINGS:
        return []
    rate = len(swings) / 2 * fps / (turns[-1] - turns[0])
    return [Flicker(stretch(turns[0], turns[-1] + 1, fps), rate, median(swings))]


def _turns(light: Sequence[float]) -> list[int]:
    """Frames at which brightness turns back by a swing or more, the farthest frame of the last swing among them."""
    turns: list[int] = []
    low = high = 0
    heading = 0
    for number, level in enumerate(light):
        if heading >= 0 and level > light[high]:
            high = number
        if heading <= 0 and level < light[low]:
            low = number
        if heading >= 0 and level <= light[high] - _SWING:
            turns.append(high)
            heading, low = -1, number
        elif heading <= 0 and level >= light[low] + _SWING:
            turns.append(low)
            heading, high = 1, number
    return [*turns, high if heading > 0 else low] if heading else turns
