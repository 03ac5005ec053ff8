"""A seam to look at: the last frames before it beside the first after it, and its measures in numbers and words.

Pictures only; what is measured and what is too much is decided in `seams` and `limits`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from storychain.media.looks.frames import Facts, Shown, decoded, facts_of
from storychain.media.looks.hearing import FLOOR
from storychain.media.looks.limits import LIMITS, OF_CUTS, findings_of_seam
from storychain.media.looks.seams import NEAR
from storychain.media.looks.sheet import (
    CALM,
    GROUND,
    INK,
    LINE,
    PANEL,
    QUIET,
    SEAM,
    TIMES,
    WARN,
    Colour,
    dot,
    keep,
    named,
    signed,
    write,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from storychain.media.looks.limits import Finding, Limit
    from storychain.media.looks.seams import SeamMeasures

_WIDE, _HIGH = 288, 330
"""Most pixels across and down of a frame on the sheet."""

_MARGIN, _GAP, _MIDDLE = 48, 8, 48
_HEAD, _FOOT = 104, 52
"""Pixels above the frames, and below them for their numbers."""

_ONE_ROW = 2000
"""Pixels of width from which the tiles stand in one row."""

_BETWEEN = 12
_TILE, _ROW = 148, 44
"""Heights of a measure's tile, and of a finding's line."""

_CALM = "Nothing stands out at this seam."
_CALM_CUT = "A cut, as it is meant; nothing is wrong with it."
_CALM_KEPT = "Kept from another take, so steps are to be expected; nothing else is wrong with it."
"""What is said where nothing is found."""

_SPACES = {"bt601": "ITU601", "bt709": "ITU709", "bt2020": "BT2020"}


@dataclass(frozen=True, slots=True)
class _Tile:
    """A measure on the sheet: its name, its value as text, what it was and became, how much of its limit it uses."""

    name: str
    value: str
    told: str
    used: float


async def draw_seam(
    before: Shown,
    after: Shown,
    seam: SeamMeasures,
    png: Path,
    *,
    names: tuple[str, str],
    cut: bool = False,
    kept: bool = False,
    limits: Mapping[str, Limit] = LIMITS,
) -> None:
    """Write the picture of a seam as a PNG, some 2,500 pixels wide; 0.5 s at 720p.

    `names` are the two scenes'; `cut` says that another view is meant to begin, `kept` that the later one was made to
    continue another take than the earlier, and is therefore judged like a cut. Raises MediaError, DiskTrouble.
    """
    calm = _CALM_KEPT if kept else _CALM_CUT if cut else _CALM
    await asyncio.to_thread(_drawn, before, after, seam, png, names=names, cut=cut, calm=calm, limits=limits)


def _drawn(
    before: Shown,
    after: Shown,
    seam: SeamMeasures,
    png: Path,
    *,
    names: tuple[str, str],
    cut: bool,
    calm: str,
    limits: Mapping[str, Limit],
) -> None:
    findings = findings_of_seam(seam, cut=cut, limits=limits)
    facts = facts_of(before.picture), facts_of(after.picture)
    size = _fitted(facts[0])
    end = seam.frame_before + 1
    ranges = (max(before.begin, end - NEAR), end), (seam.frame_after, seam.frame_after + NEAR)
    strips = [
        _frames(shown, facts_, *range_, size)
        for shown, facts_, range_ in zip((before, after), facts, ranges, strict=True)
    ]
    side = NEAR * size[0] + (NEAR - 1) * _GAP
    width = 2 * (_MARGIN + side) + _MIDDLE
    tiles_at = _HEAD + size[1] + _FOOT + 28
    words_at = tiles_at + _rows(width) * (_TILE + _BETWEEN) + 22
    height = words_at + _ROW * max(1, (len(findings) + 1) // 2) + 24
    sheet = Image.new("RGB", (width, height), GROUND)
    places = (_MARGIN, _MARGIN + side + _MIDDLE)
    # The earlier frames stand against the seam, too, where there are fewer of them.
    shifted = places[0] + (NEAR - len(strips[0])) * (size[0] + _GAP), places[1]
    for place, name, from_, strip, facts_ in zip(places, names, shifted, strips, facts, strict=True):
        write(sheet, (place, 62), named(name, 32), 32, INK, bold=True, room=side)
        _strip(sheet, from_, strip, facts_, size)
    middle = width // 2
    ImageDraw.Draw(sheet).rectangle((middle - 1, 30, middle + 1, _HEAD + size[1] + _FOOT - 8), SEAM)
    tiles = _measures(seam, limits)
    _tiles(sheet, tiles_at, tiles, {name: _colour(name, findings, cut=cut) for name in tiles})
    _words(sheet, words_at, findings, calm)
    keep(sheet, png)


def _colour(name: str, findings: tuple[Finding, ...], *, cut: bool) -> Colour:
    """A measure's colour: whether it is too much, all right, or not judged at a cut."""
    if any(one.name == name for one in findings):
        return WARN
    return QUIET if cut and name not in OF_CUTS else CALM


def _fitted(facts: Facts) -> tuple[int, int]:
    """The size of a frame on the sheet."""
    scale = min(_WIDE / facts.width, _HIGH / facts.height)
    return max(2, round(facts.width * scale)), max(2, round(facts.height * scale))


def _frames(shown: Shown, facts: Facts, begin: int, end: int, size: tuple[int, int]) -> list[tuple[int, Image.Image]]:
    """Frames with their numbers, in the colours that players show them in, fitted into `size`."""
    until = facts.frames if shown.end is None else shown.end
    scale = min(size[0] / facts.width, size[1] / facts.height)
    own = max(2, round(facts.width * scale)), max(2, round(facts.height * scale))
    told = "JPEG" if facts.coding.full_range else "MPEG"
    made: list[tuple[int, Image.Image]] = []
    for number, frame in decoded(shown.picture, begin, min(end, until)):
        picture = frame.reformat(
            *own,
            "rgb24",
            _SPACES[facts.coding.matrix],
            interpolation="AREA",
            src_color_range=told,
            dst_color_range="JPEG",
        )
        fitted = Image.new("RGB", size, (0, 0, 0))
        fitted.paste(Image.fromarray(picture.to_ndarray()), ((size[0] - own[0]) // 2, (size[1] - own[1]) // 2))
        made.append((number, fitted))
    return made


def _strip(
    sheet: Image.Image, left: int, frames: list[tuple[int, Image.Image]], facts: Facts, size: tuple[int, int]
) -> None:
    for place, (number, picture) in enumerate(frames):
        x = left + place * (size[0] + _GAP)
        sheet.paste(picture, (x, _HEAD))
        baseline = _HEAD + size[1] + 32
        told = write(sheet, (x, baseline), f"{number}", 22, INK)
        time = f"{float(number / facts.fps):.2f} s"
        # Narrow frames have room for their numbers alone.
        if told + written(time, 22) + 2 * _GAP <= size[0]:
            write(sheet, (x + told + 14, baseline), time, 22, QUIET)


def _rows(width: int) -> int:
    """Rows of tiles: two where one would leave them too narrow to be read."""
    return 1 if width >= _ONE_ROW else 2


def _tiles(sheet: Image.Image, top: int, tiles: Mapping[str, _Tile], colours: Mapping[str, Colour]) -> None:
    rows = _rows(sheet.width)
    columns = len(tiles) // rows
    wide = (sheet.width - 2 * _MARGIN - (columns - 1) * _BETWEEN) // columns
    draw = ImageDraw.Draw(sheet)
    for place, (name, tile) in enumerate(tiles.items()):
        x, y = _MARGIN + place % columns * (wide + _BETWEEN), top + place // columns * (_TILE + _BETWEEN)
        left, room = x + 18, wide - 36
        draw.rounded_rectangle((x, y, x + wide, y + _TILE), 8, PANEL)
        write(sheet, (left, y + 34), tile.name, 19, QUIET, room=room)
        strong = WARN if colours[name] == WARN else INK
        write(sheet, (left, y + 78), tile.value, 32, strong, bold=True, room=room)
        write(sheet, (left, y + 110), tile.told, 19, QUIET, room=room)
        draw.rounded_rectangle((left, y + 126, left + room, y + 130), 2, LINE)
        # The limit lies at two thirds of the bar, so that it can be seen to be passed.
        full = round(room * min(1.0, tile.used * 2 / 3))
        if full >= 4:
            draw.rounded_rectangle((left, y + 126, left + full, y + 130), 2, colours[name])
        draw.rectangle((left + room * 2 // 3, y + 122, left + 1 + room * 2 // 3, y + 134), QUIET)


def _measures(seam: SeamMeasures, limits: Mapping[str, Limit]) -> dict[str, _Tile]:
    return {
        "brightness": _Tile(
            "Brightness, levels",
            signed(seam.brightness_step),
            f"{seam.brightness_before:.0f} to {seam.brightness_after:.0f}",
            max(0.0, abs(seam.brightness_step) - seam.brightness_drift) / _most("brightness", limits),
        ),
        "contrast": _ratio("Contrast", seam.contrast_ratio, "deviation of luma", _most("contrast", limits)),
        "colour": _Tile(
            "Colour, CIEDE2000",
            f"{seam.tint_step:.1f}",
            f"towards {seam.towards}" if seam.towards else "no hue",
            seam.tint_step / _most("colour", limits),
        ),
        "sharpness": _ratio("Sharpness", seam.sharpness_ratio, "fine detail", _most("sharpness", limits)),
        "motion": _ratio(
            "Motion",
            seam.motion_ratio,
            f"{seam.motion_before:.0f} to {seam.motion_after:.0f} levels/s",
            _most("motion", limits),
        ),
        "jump": _Tile(
            "Jump", f"{seam.jump_ratio:.1f}{TIMES}", "of the motion around", seam.jump_ratio / _most("jump", limits)
        ),
        "loudness": _Tile(
            "Loudness, LU",
            signed(seam.loudness_step),
            _loudness(seam.loudness_before, seam.loudness_after),
            abs(seam.loudness_step) / _most("loudness", limits),
        ),
        "repeated": _Tile("Repeated frames", f"{seam.repeated}", "after the seam", 1.5 * bool(seam.repeated)),
    }


def _loudness(before: float, after: float) -> str:
    one, other = ("silence" if side <= FLOOR else f"{side:.0f}" for side in (before, after))
    return f"{one} to {other}" + ("" if after <= FLOOR else " LUFS")


def _most(name: str, limits: Mapping[str, Limit]) -> float:
    return limits[name].most if name in limits else LIMITS[name].most


def _ratio(name: str, ratio: float, told: str, most: float) -> _Tile:
    """A tile of a measure that may go up or down by a factor."""
    times = max(ratio, 1 / ratio) if ratio > 0 else most * 2
    return _Tile(name, f"{ratio:.2f}{TIMES}", told, (times - 1) / (most - 1) if most > 1 else times)


def _words(sheet: Image.Image, top: int, findings: tuple[Finding, ...], calm: str) -> None:
    """Each finding's sentence; where there is none, `calm`."""
    half = (sheet.width - 2 * _MARGIN) // 2
    if not findings:
        dot(sheet, (_MARGIN + 8, top + 16), 6, CALM)
        write(sheet, (_MARGIN + 30, top + 25), calm, 25, QUIET)
    for place, one in enumerate(findings):
        x, y = _MARGIN + place % 2 * half, top + place // 2 * _ROW
        dot(sheet, (x + 8, y + 16), 6, WARN)
        write(sheet, (x + 30, y + 25), one.sentence[:1].upper() + one.sentence[1:], 25, INK, room=half - 60)
