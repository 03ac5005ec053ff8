"""The contact sheet: one picture of every scene of a film on a dark ground, with its name and its time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from storychain.lettering.lines import CAPS, TEXT, THIN, Face, draw_line, drawable, length, wrap
from storychain.media.outputs.poster import evenly, keep_picture
from storychain.media.outputs.stills import opened_film
from storychain.media.outputs.threads import to_its_end

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction
    from pathlib import Path

    from storychain.media.outputs.stills import Film, Scene, Still

MOST_SCENES = 60
"""Scenes on one sheet; of more, so many are taken evenly."""

_GROUND, _FRAME = (16, 18, 23), (38, 41, 49)
_PAPER, _QUIET, _ACCENT = (233, 231, 225), (136, 140, 149), (212, 171, 110)
_WIDTH = 1600
"""Pixels of an ordinary sheet's width; a few scenes make a narrower one."""

_MARGIN, _GAP = 56, 28
_LARGEST, _MOST_COLUMNS = 480, 8
"""Pixels of the longer side of a picture on it, at most; and columns, that there is room for a name."""

_SHAPE = 1.5
"""Width by height that a sheet is brought near to."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where things are: columns, rows, a picture's size, the height of the words below it, the size of the type."""

    columns: int
    rows: int
    picture: tuple[int, int]
    words: int
    type: int
    head: int

    @property
    def size(self) -> tuple[int, int]:
        """Of the whole sheet."""
        width = 2 * _MARGIN + self.columns * self.picture[0] + (self.columns - 1) * _GAP
        height = self.head + self.rows * (self.picture[1] + self.words) + (self.rows - 1) * _GAP + _MARGIN
        return width, height

    def corner(self, place: int) -> tuple[int, int]:
        """Upper left corner of a scene's picture."""
        row, column = divmod(place, self.columns)
        return (
            _MARGIN + column * (self.picture[0] + _GAP),
            self.head + row * (self.picture[1] + self.words + _GAP),
        )


async def contact_sheet(film: Path, out: Path, scenes: Sequence[Scene], *, title: str = "") -> None:
    """Write a contact sheet with a picture of each scene, a .png as PNG and all else as JPEG; 0.4 s for five scenes.

    Each picture is the most telling of a few frames of the scene, at key frames in its middle if it has any, else
    shortly after the last one before that. Raises MediaError, DiskTrouble, and ValueError without scenes.
    """
    if not scenes:
        raise ValueError("no scenes")
    await to_its_end(lambda: _sheet(film, out, scenes, title))


def _sheet(film: Path, out: Path, scenes: Sequence[Scene], title: str) -> None:
    shown = evenly(range(len(scenes)), MOST_SCENES)
    with opened_film(film) as opened:
        tries = 3 if len(shown) <= 8 else 2 if len(shown) <= 20 else 1
        stills = [_best(opened, scenes[number], tries) for number in shown]
        grid = _grid(len(shown), stills[0].size, headed=bool(title.strip()))
        pictures = [still.picture(grid.picture) for still in stills]
        seconds = opened.seconds
    sheet = Image.new("RGB", grid.size, _GROUND)
    if title.strip():
        _heading(sheet, title, _counted(len(shown), len(scenes), seconds))
    for place, (number, picture) in enumerate(zip(shown, pictures, strict=True)):
        left, top = grid.corner(place)
        sheet.paste(_FRAME, (left - 1, top - 1), _rounded((grid.picture[0] + 2, grid.picture[1] + 2)))
        sheet.paste(picture, (left, top), _rounded(grid.picture))
        _words(sheet, grid, (left, top + grid.picture[1]), number, scenes[number])
    keep_picture(sheet, out)


def _best(film: Film, scene: Scene, tries: int) -> Still:
    """The most telling of some frames away from the scene's ends, where it still is, or already is, another."""
    length_ = scene.end - scene.begin
    begin, end = scene.begin + length_ / 8, scene.end - length_ / 12
    keys = [number for number, key in enumerate(film.keys) if begin <= key < end]
    if not keys:
        still = film.near(scene.begin + length_ / 2)
        return still if still.seconds >= scene.begin else film.exactly(begin)
    stills = [film.at_key(number) for number in evenly(keys, tries)]
    return max(stills, key=lambda still: still.worth)


def _grid(count: int, size: tuple[int, int], *, headed: bool) -> _Grid:
    """The number of columns that makes the sheet most like an ordinary page, and leaves few places empty."""
    grids = [_columns(count, columns, size, headed=headed) for columns in range(1, min(count, _MOST_COLUMNS) + 1)]

    def cost(grid: _Grid) -> float:
        empty = grid.columns * grid.rows - count
        return abs(log(grid.size[0] / grid.size[1] / _SHAPE)) + 0.5 * empty / (grid.columns * grid.rows)

    return min(grids, key=cost)


def _columns(count: int, columns: int, size: tuple[int, int], *, headed: bool) -> _Grid:
    room = (_WIDTH - 2 * _MARGIN - (columns - 1) * _GAP) / columns
    width = min(room, _LARGEST * min(1.0, size[0] / size[1]))
    type_ = round(min(19, max(12, width / 20)))
    height = round(width * size[1] / size[0])
    head = _MARGIN + 74 if headed else _MARGIN
    return _Grid(columns, ceil(count / columns), (round(width), height), round(type_ * 4.6), type_, head)


def _heading(sheet: Image.Image, title: str, counted: str) -> None:
    small = Face(TEXT, 19)
    baseline = _MARGIN + 30
    left = sheet.width - _MARGIN - length(counted, small)
    room = left - 2 * _MARGIN
    draw_line(sheet, (left, baseline), counted, small, _QUIET)
    face = Face(THIN, 38)
    for line in wrap(" ".join(drawable(title, face).split()), face, room, 1):
        draw_line(sheet, (_MARGIN - 2, baseline), line, face, _PAPER)


def _counted(shown: int, scenes: int, seconds: Fraction) -> str:
    number = f"{scenes} scene{'s' * (scenes != 1)}" if shown == scenes else f"{shown} of {scenes} scenes"
    return f"{number}  ·  {_clock(seconds)}"


def _words(sheet: Image.Image, grid: _Grid, at: tuple[int, int], number: int, scene: Scene) -> None:
    left, size, width = at[0], grid.type, grid.picture[0]
    baseline = at[1] + round(size * 1.75)
    draw_line(sheet, (left, baseline), f"{number + 1:02d}", Face(CAPS, size), _ACCENT)
    small = Face(TEXT, max(10, round(size * 0.86)))
    time = f"{_clock(scene.begin)} \u2013 {_clock(scene.end)}"
    draw_line(sheet, (left + width - length(time, small), baseline), time, small, _QUIET)
    face = Face(TEXT, size)
    name = " ".join(drawable(scene.title, face).split())
    for row, line in enumerate(wrap(name, face, width, 2)):
        draw_line(sheet, (left, baseline + round(size * 1.35 * (row + 1))), line, face, _PAPER)


def _clock(seconds: Fraction) -> str:
    whole = int(seconds + 0.5)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


@lru_cache(maxsize=4)
def _rounded(size: tuple[int, int]) -> Image.Image:
    """A mask with round corners and smooth edges."""
    fine = 4
    mask = Image.new("L", (size[0] * fine, size[1] * fine), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, mask.width - 1, mask.height - 1), 7 * fine, 255)
    return mask.reduce(fine)
