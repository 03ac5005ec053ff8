"""One segment's measures: where it is black, stands still, flickers or cuts, how it sounds, and its course in time.

One pass over the picture at a small size and one over the sound, in memory that does not grow with their length but
for a few numbers a frame. Only measured here; what is too much is said in `limits`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storychain.media.looks.change import is_black
from storychain.media.looks.colour import Lab, mean_lab
from storychain.media.looks.cuts import CutFinder
from storychain.media.looks.frames import decoded, facts_of, levels, shrunk
from storychain.media.looks.listening import SoundMeasures, measure_sound
from storychain.media.looks.stillness import StillFinder
from storychain.media.looks.stretches import Flicker, Stretch, flicker_in, stretches_of

if TYPE_CHECKING:
    from pathlib import Path

_POINTS = 2
"""Points a second of a segment's course."""

_LEAST_BLACK = 2
"""Frames that must be black in a row to be a stretch; one may be a flash's other side."""


@dataclass(frozen=True, slots=True)
class Point:
    """How a segment looks at a time: seconds from its beginning, mean luma in levels (0 to 255), mean colour."""

    seconds: float
    brightness: float
    colour: Lab


@dataclass(frozen=True, slots=True)
class SegmentMeasures:
    """What one pass over a segment told. Frames are numbered from 0, seconds count from its beginning.

    - `frames`, `fps`, `seconds`: its length.
    - `brightness`: mean luma of all its frames, in levels from 0 to 255.
    - `moves`: whether anything in it ever moves; where nothing does, `frozen` is empty.
    - `black`: stretches of two frames or more in which nothing is brighter than 20 levels, but for a thousandth.
    - `frozen`: stretches of half a second or more in which frame after frame is the same picture, and no black one.
    - `flicker`: stretches over which the light goes up and down at least twice a second, by 3 levels or more.
    - `cuts`: frames that begin another view.
    - `sound`: how it sounds.
    - `course`: brightness and colour twice a second, and of the last frame; to draw.
    """

    frames: int
    fps: float
    seconds: float
    brightness: float
    moves: bool
    black: tuple[Stretch, ...]
    frozen: tuple[Stretch, ...]
    flicker: tuple[Flicker, ...]
    cuts: tuple[int, ...]
    sound: SoundMeasures
    course: tuple[Point, ...]


async def measure_segment(picture: Path, sound: Path) -> SegmentMeasures:
    """Measure a prepared segment; about 0.8 s for 8 s of 720p, most of it decoding. Raises MediaError."""
    return await asyncio.to_thread(_measured, picture, sound)


def _measured(picture: Path, sound: Path) -> SegmentMeasures:
    facts = facts_of(picture)
    full, fps = facts.coding.full_range, float(facts.fps)
    cuts, still = CutFinder(), StillFinder(fps)
    light: list[float] = []
    black: list[bool] = []
    course: list[Point] = []
    every = max(1, round(fps / _POINTS))
    for number, frame in decoded(picture):
        codes = shrunk(frame, facts.small, full_range=full)
        shown = levels(codes[0], full_range=full)
        light.append(float(shown.mean()))
        black.append(is_black(shown))
        cuts.take(shown)
        still.take(shown)
        if number % every == 0 or number == facts.frames - 1:
            course.append(Point(number / fps, light[-1], mean_lab(codes, facts.coding)))
    dark = stretches_of(black, fps, _LEAST_BLACK)
    return SegmentMeasures(
        frames=len(light),
        fps=fps,
        seconds=len(light) / fps,
        brightness=sum(light) / len(light),
        moves=still.moves,
        black=dark,
        frozen=_unless_black(still.found(), dark) if still.moves else (),
        flicker=flicker_in(light, fps),
        cuts=cuts.found(),
        sound=measure_sound(sound),
        course=tuple(course),
    )


def _unless_black(frozen: tuple[Stretch, ...], black: tuple[Stretch, ...]) -> tuple[Stretch, ...]:
    """Black stands still, too, but is told as black."""
    return tuple(one for one in frozen if 2 * sum(_shared(one, other) for other in black) < one.end - one.begin)


def _shared(one: Stretch, other: Stretch) -> int:
    return max(0, min(one.end, other.end) - max(one.begin, other.begin))
