"""How a film drifts from its first scene to its last: brightness, colour and loudness over all of it, in one chart.

Pictures only; what is measured is decided in `seams` and `segments`, what is too much in `limits`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from storychain.media.looks.colour import delta_e
from storychain.media.looks.hearing import FLOOR
from storychain.media.looks.limits import LIMITS, findings_of_seam
from storychain.media.looks.sheet import (
    CALM,
    GROUND,
    INK,
    LINE,
    PANEL,
    QUIET,
    SEAM,
    WARN,
    dot,
    keep,
    named,
    signed,
    write,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from storychain.media.looks.limits import Limit
    from storychain.media.looks.seams import SeamMeasures
    from storychain.media.looks.segments import SegmentMeasures

_WIDTH = 2000
_LEFT, _RIGHT, _HEAD, _FOOT = 200, 48, 128, 72
_BAND, _BETWEEN = 220, 30
"""Height of a band, and pixels between two."""

_INSET = 36
"""Pixels inside a band, above and below its curve; the steps' numbers stand there."""

_SCALE = 3
"""Curves are drawn so many times larger and scaled down, for smooth edges."""

_QUIETEST = -60.0
"""LUFS at which the curve of loudness ends; below, there is nothing to compare."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A segment in the film: its name, its measures, and which of its frames are shown (`end` None: to the last).

    `cut` says that it is meant to begin another view.
    """

    name: str
    segment: SegmentMeasures
    begin: int = 0
    end: int | None = None
    cut: bool = False

    @property
    def seconds(self) -> float:
        """How long it is shown."""
        return ((self.segment.frames if self.end is None else self.end) - self.begin) / self.segment.fps


@dataclass(frozen=True, slots=True)
class _Band:
    """A curve for each scene (film seconds and value), and each seam's step as text with whether it is too much."""

    title: str
    unit: str
    curves: list[list[tuple[float, float]]]
    steps: list[tuple[str, bool]]
    least: float
    """Span of values that the band shows at the least: small drifts are to look small."""


async def draw_drift(
    scenes: Sequence[Scene],
    seams: Sequence[SeamMeasures],
    png: Path,
    *,
    begins: Sequence[float] | None = None,
    limits: Mapping[str, Limit] = LIMITS,
) -> None:
    """Write the chart as a PNG, 2,000 pixels wide; `seams` are those between the scenes, one fewer. 0.2 s.

    `begins` are the film's seconds at which each scene comes in, and its end; one after the other if there are none.
    Raises DiskTrouble where it cannot be written.
    """
    await asyncio.to_thread(_drawn, scenes, seams, png, begins or _one_after_the_other(scenes), limits)


def _one_after_the_other(scenes: Sequence[Scene]) -> list[float]:
    return [0.0, *accumulate(scene.seconds for scene in scenes)]


def _drawn(
    scenes: Sequence[Scene],
    seams: Sequence[SeamMeasures],
    png: Path,
    begins: Sequence[float],
    limits: Mapping[str, Limit],
) -> None:
    found = [
        {one.name for one in findings_of_seam(seam, cut=scene.cut, limits=limits)}
        for scene, seam in zip(scenes[1:], seams, strict=True)
    ]
    bands = _bands(scenes, seams, found, begins)
    height = _HEAD + len(bands) * (_BAND + _BETWEEN) - _BETWEEN + _FOOT
    sheet = Image.new("RGB", (_WIDTH, height), GROUND)
    title = write(sheet, (_LEFT, 54), "Drift over the film", 30, INK, bold=True)
    told = "colour against the film's first picture; the step at each seam beside its line"
    write(sheet, (_LEFT + title + 24, 54), told, 18, QUIET)
    for place, band in enumerate(bands):
        _band(sheet, _HEAD + place * (_BAND + _BETWEEN), band, begins)
    _scenes(sheet, scenes, begins)
    _times(sheet, begins[-1], height - _FOOT + 34)
    keep(sheet, png)


def _bands(
    scenes: Sequence[Scene], seams: Sequence[SeamMeasures], found: Sequence[set[str]], begins: Sequence[float]
) -> list[_Band]:
    light: list[list[tuple[float, float]]] = []
    colour: list[list[tuple[float, float]]] = []
    loud: list[list[tuple[float, float]]] = []
    first = next((point.colour for scene in scenes for point in scene.segment.course), (0.0, 0.0, 0.0))
    for scene, at in zip(scenes, begins, strict=False):
        zero, seconds = scene.begin / scene.segment.fps, scene.seconds
        points = [(at + point.seconds - zero, point) for point in scene.segment.course]
        points = [(time, point) for time, point in points if at <= time <= at + seconds]
        light.append([(time, point.brightness) for time, point in points])
        colour.append([(time, delta_e(first, (first[0], *point.colour[1:]))) for time, point in points])
        # Each block of 400 ms is drawn at its middle.
        heard = [(at + number / 10 + 0.2 - zero, level) for number, level in enumerate(scene.segment.sound.course)]
        loud.append([(time, max(_QUIETEST, level)) for time, level in heard if at <= time <= at + seconds])
    marks = {name: [name in names for names in found] for name in ("brightness", "colour", "loudness")}
    steps = {
        "brightness": [signed(seam.brightness_step, 0) for seam in seams],
        "colour": [f"{seam.tint_step:.1f}" for seam in seams],
        "loudness": [_loudness_step(seam) for seam in seams],
    }
    told = {name: list(zip(steps[name], marks[name], strict=True)) for name in steps}
    return [
        _Band("Brightness", "levels", light, told["brightness"], 40),
        _Band("Colour", "CIEDE2000", colour, told["colour"], 8),
        _Band("Loudness", "LUFS", loud, told["loudness"], 24),
    ]


def _loudness_step(seam: SeamMeasures) -> str:
    silent = [side <= FLOOR for side in (seam.loudness_before, seam.loudness_after)]
    return "" if all(silent) else "stops" if silent[1] else "sets in" if silent[0] else signed(seam.loudness_step, 0)


def _x(time: float, whole: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * time / max(whole, 0.001)


def _band(sheet: Image.Image, top: int, band: _Band, begins: Sequence[float]) -> None:
    whole = begins[-1]
    values = [value for curve in band.curves for _, value in curve] or [0.0]
    middle, span = (min(values) + max(values)) / 2, max(max(values) - min(values), band.least)
    low = max(0.0, middle - span / 2) if min(values) >= 0 else middle - span / 2
    high = low + span

    def y(value: float) -> float:
        return top + _BAND - _INSET - (_BAND - 2 * _INSET) * (value - low) / (high - low)

    draw = ImageDraw.Draw(sheet)
    draw.rounded_rectangle((_LEFT, top, _WIDTH - _RIGHT, top + _BAND), 8, PANEL)
    write(sheet, (40, top + 26), band.title, 21, INK, bold=True)
    write(sheet, (40, top + 50), band.unit, 16, QUIET)
    for value in (low, (low + high) / 2, high):
        draw.line((_LEFT, y(value), _WIDTH - _RIGHT, y(value)), LINE)
        text = f"{value:.0f}"
        write(sheet, (_LEFT - 12 - written(text, 16), y(value) + 6), text, 16, QUIET)
    for time in begins[1:-1]:
        draw.line((_x(time, whole), top, _x(time, whole), top + _BAND), (86, 84, 78))
    _curves(sheet, top, [[(_x(time, whole), y(value)) for time, value in curve] for curve in band.curves])
    _steps(sheet, top, band, begins)


def _curves(sheet: Image.Image, top: int, curves: Sequence[Sequence[tuple[float, float]]]) -> None:
    """Draw smooth lines into a band."""
    mask = Image.new("L", (_WIDTH * _SCALE, _BAND * _SCALE))
    draw = ImageDraw.Draw(mask)
    for curve in curves:
        fine = [(x * _SCALE, (y - top) * _SCALE) for x, y in curve]
        for one, other in pairwise(fine):
            draw.line((*one, *other), 255, 3 * _SCALE)
        for x, y in fine:
            draw.ellipse((x - 1.5 * _SCALE, y - 1.5 * _SCALE, x + 1.5 * _SCALE, y + 1.5 * _SCALE), 255)
    sheet.paste(CALM, (0, top), mask.resize((_WIDTH, _BAND), Image.Resampling.BOX))


def _steps(sheet: Image.Image, top: int, band: _Band, begins: Sequence[float]) -> None:
    """Each seam's step at its line: those that are too much always, the others where there is room."""
    taken = 0.0
    for (text, much), time in zip(band.steps, begins[1:], strict=False):
        x = _x(time, begins[-1])
        wide = written(text, 17, bold=much)
        if not text or (not much and x - wide / 2 < taken):
            continue
        if much:
            dot(sheet, (x, top + _BAND), 6, WARN)
        # Beside the line, not on it; before it where the sheet ends.
        left = x + 8 if x + 8 + wide < _WIDTH - _RIGHT else x - 8 - wide
        write(sheet, (left, top + 24), text, 17, WARN if much else QUIET, bold=much)
        taken = left + wide + 10


def _scenes(sheet: Image.Image, scenes: Sequence[Scene], begins: Sequence[float]) -> None:
    draw = ImageDraw.Draw(sheet)
    for number, (scene, begin, end) in enumerate(zip(scenes, begins, begins[1:], strict=False)):
        left, right = _x(begin, begins[-1]), _x(end, begins[-1])
        draw.line((left, _HEAD - 36, left, _HEAD), SEAM if number else LINE, 2 if number else 1)
        room = right - left - 16
        if room >= 60:
            write(sheet, (left + 8, _HEAD - 16), named(scene.name, 18), 18, QUIET, room=room)
        elif room >= written(f"{number + 1}", 16):
            write(sheet, (left + 6, _HEAD - 16), f"{number + 1}", 16, QUIET)


def _times(sheet: Image.Image, whole: float, baseline: int) -> None:
    """The film's time below the bands, at round steps."""
    step = next(
        step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600) if whole / step <= 12 or step == 3600
    )
    for number in range(int(whole / step) + 1):
        time = number * step
        text = f"{time} s" if whole < 120 else f"{time // 60}:{time % 60:02d}"
        x = min(_x(time, whole) - written(text, 17) / 2, _WIDTH - _RIGHT - written(text, 17))
        write(sheet, (max(_LEFT, x), baseline), text, 17, QUIET)
