"""Captions as they lie over moving pictures: white, softly outlined, centred where nothing covers them.

Pictures only; how captions are cut into what is shown at once is not decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageFilter

from storychain.lettering.lines import TEXT, Face, draw_line, drawable_lines, length, running_as, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

_WHITE = (250, 249, 246)
_INK = (6, 7, 10)
_OUTLINE = 0.07
"""Width of the outline, in sizes of the face."""

_LEADING = 1.32
"""From one baseline to the next, in sizes of the face."""

_STEPS = ((1.0, 2), (0.92, 3), (0.84, 4), (0.75, 5), (0.66, 7), (0.58, 9))
"""Shares of the usual size, and how many lines may be set in each: a long text is set smaller before it is cut."""


def columns_for(size: tuple[int, int]) -> int:
    """How many letters, about, fit into a line of a caption on a picture of this size (width, height)."""
    face, measure = _face(size, 1.0), _measure(size)
    # Running text is a little narrower than its alphabet: by about as much as capitals and wide words take back.
    return max(12, min(42, int(measure / (length("abcdefghijklmnopqrstuvwxyz", face) / 26))))


def caption(text: str, size: tuple[int, int]) -> Image.Image | None:
    """A picture (RGBA) of this size (width, height), clear but for the words; None if no font here can draw them.

    Lines that are broken already stay as they are if they fit. What is too long is set smaller, and cut at the very
    last.
    """
    words = _drawable(text)
    if not words:
        return None
    face, lines = _fitted(words, size)
    lines = running_as(words, lines)
    step = round(face.size * _LEADING)
    base = size[1] - _foot(size) - step * (len(lines) - 1)
    letters, fat = (Image.new("L", size, 0) for _ in range(2))
    for row, line in enumerate(lines):
        at = (round((size[0] - length(line, face)) / 2), base + row * step)
        draw_line(letters, at, line, face, (255,))
        draw_line(fat, at, line, face, (255,), stroke=max(1, round(face.size * _OUTLINE)))
    return _outlined(letters, fat, face.size)


def _drawable(text: str) -> str:
    """The words without what cannot be drawn, in lines as they came."""
    return "\n".join(filter(None, drawable_lines(text, Face(TEXT, 16)).splitlines()))


def _face(size: tuple[int, int], scale: float) -> Face:
    width, height = size
    # A phone is held nearer than its width says: letters are a little larger on an upright picture.
    share = 0.05 if width > 1.2 * height else 0.052 if width >= 0.9 * height else 0.06
    return Face(TEXT, max(8, round(min(size) * share * scale)))


def _measure(size: tuple[int, int]) -> float:
    """Pixels a line may take: inside what every screen and player shows, and no wider than eyes like to wander."""
    width, height = size
    return min(width * 0.84, height * 1.5)


def _foot(size: tuple[int, int]) -> int:
    """Pixels below the last baseline: on an upright picture, where players lay buttons and names, there are more."""
    width, height = size
    return round(height * (0.085 if width > 1.2 * height else 0.095 if width >= 0.9 * height else 0.2))


def _fitted(words: str, size: tuple[int, int]) -> tuple[Face, list[str]]:
    measure, given, words = _measure(size), words.split("\n"), " ".join(words.split())
    for scale in (1.0, 0.92, 0.84):
        face = _face(size, scale)
        if len(given) <= _STEPS[0][1] and all(length(line, face) <= measure for line in given):
            return face, given
    for face, lines, most in _tries(words, size, measure):
        if len(lines) <= most:
            return face, lines
    face, most = _face(size, _STEPS[-1][0]), _STEPS[-1][1]
    return face, wrap(words, face, measure, most)


def _tries(words: str, size: tuple[int, int], measure: float) -> Iterator[tuple[Face, list[str], int]]:
    for scale, most in _STEPS:
        face = _face(size, scale)
        yield face, wrap(words, face, measure, most + 1), most


def _outlined(letters: Image.Image, fat: Image.Image, size: int) -> Image.Image:
    """The letters on a thin dark outline and a wide soft shadow, so that they can be read on snow and on night."""
    whole = Image.new("RGBA", letters.size, (0, 0, 0, 0))
    box = fat.getbbox()
    if box is None:
        return whole
    room = size + 4
    left, top = max(0, box[0] - room), max(0, box[1] - room)
    area = (left, top, min(letters.width, box[2] + room), min(letters.height, box[3] + room))
    letters, fat = letters.crop(area), fat.crop(area)
    outline = fat.filter(ImageFilter.GaussianBlur(max(0.4, size * 0.018))).point(lambda value: round(value * 0.85))
    shadow = fat.filter(ImageFilter.GaussianBlur(max(1.0, size * 0.22))).point(lambda value: round(value * 0.65))
    ground = Image.new("RGBA", letters.size, (*_INK, 0))
    ground.putalpha(ImageChops.screen(outline, shadow))
    words = Image.new("RGBA", letters.size, (*_WHITE, 0))
    words.putalpha(letters)
    ground.alpha_composite(words)
    whole.paste(ground, (left, top))
    return whole
