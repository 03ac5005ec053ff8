"""What the seam picture and the drift chart have in common: their colours, their type, and how they are written.

No measure is taken here and no layout made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from storychain.lettering.lines import CAPS, TEXT, Face, draw_line, drawable, length, wrap
from storychain.media.aside import folder_aside, give_name

if TYPE_CHECKING:
    from pathlib import Path

Colour = tuple[int, int, int]

GROUND: Colour = (15, 17, 21)
PANEL: Colour = (23, 26, 32)
LINE: Colour = (48, 53, 62)
INK: Colour = (234, 232, 226)
QUIET: Colour = (142, 149, 160)
CALM: Colour = (118, 178, 188)
WARN: Colour = (244, 178, 82)
SEAM: Colour = (255, 240, 204)

TIMES = "\u00d7"
"""The sign after a factor."""


def write(
    sheet: Image.Image,
    at: tuple[float, float],
    text: str,
    size: int,
    fill: Colour,
    *,
    bold: bool = False,
    room: float = 0,
) -> float:
    """One line with its left end and baseline at `at`, cut to `room` pixels (0: as long as it is); its width."""
    face = Face(CAPS if bold else TEXT, size)
    if room and length(text, face) > room:
        text = "".join(wrap(text, face, room, 1))
    draw_line(sheet, at, text, face, fill)
    return length(text, face)


def written(text: str, size: int, *, bold: bool = False) -> float:
    """The width of a line."""
    return length(text, Face(CAPS if bold else TEXT, size))


def named(name: str, size: int) -> str:
    """A scene's name as the fonts here can draw it."""
    return drawable(" ".join(name.split()), Face(CAPS, size), least=0.5) or "(no font here can draw its name)"


def signed(value: float, digits: int = 1) -> str:
    """A step with its sign; nothing has none."""
    told = f"{value:+.{digits}f}"
    return told[1:] if float(told) == 0 else told


def dot(sheet: Image.Image, centre: tuple[float, float], radius: float, fill: Colour) -> None:
    """A round dot with a soft edge."""
    fine, side = 8, 2 * round(radius + 1)
    mask = Image.new("L", (side * fine, side * fine))
    middle, reach = side * fine / 2, radius * fine
    ImageDraw.Draw(mask).ellipse((middle - reach, middle - reach, middle + reach, middle + reach), 255)
    corner = round(centre[0] - side / 2), round(centre[1] - side / 2)
    sheet.paste(fill, corner, mask.resize((side, side), Image.Resampling.BOX))


def keep(sheet: Image.Image, png: Path) -> None:
    """Write a picture, whole or not at all. Raises DiskTrouble."""
    with folder_aside(png.parent) as aside:
        sheet.save(aside / "sheet.png", "PNG", optimize=False, compress_level=6)
        give_name(aside / "sheet.png", png)
