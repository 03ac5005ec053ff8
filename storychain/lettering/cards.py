"""Cards that stand before and after a film: a few words, large, on a dark calm ground.

Pictures only; how long a card stands and how it comes in is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from storychain.lettering.lines import TEXT, THIN, Face, draw_line, drawable_lines, length, wrap

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PAPER = (240, 237, 229)
_QUIET = (168, 170, 176)
_ACCENT = (201, 160, 99)
_CENTRE, _EDGE = (27.0, 31.0, 40.0), (8.0, 9.0, 13.0)
"""The ground's colour in the middle and at the corners."""

_TITLE_SIZES = ((0.115, 1), (0.1, 2), (0.085, 2), (0.072, 3), (0.06, 4), (0.05, 5), (0.042, 7), (0.035, 9))
"""Shares of the shorter side, and the most lines a title may take in each; an upright picture has room for one more."""

_LEAST_THIN = 0.055
"""Share below which a thin face would not survive the coding of a film."""

_SUBTITLE_SIZES = ((1.0, 4), (0.85, 6), (0.7, 15))
"""Shares of the usual size of what stands below a title, and the most lines it may take in each."""


@dataclass(frozen=True, slots=True)
class _Set:
    """Words in lines, and whether their end had to be left out."""

    face: Face
    lines: list[str]
    cut: bool


def cut(title: str, subtitle: str, size: tuple[int, int]) -> tuple[bool, bool]:
    """Whether the ends of the title and of the subtitle do not fit on a card of this size (width, height)."""
    above, below = _title(title, size), _subtitle(subtitle, size)
    return above is not None and above.cut, below is not None and below.cut


def card(title: str, subtitle: str, size: tuple[int, int]) -> Image.Image | None:
    """An opaque picture (RGB) of this size (width, height); None if no font here can draw the title.

    Lines of the words stay lines. A subtitle that no font here can draw, or that is empty, is left out.
    """
    above, below = _title(title, size), _subtitle(subtitle, size)
    if above is None:
        return None
    face, unit = above.face, min(size) / 720
    picture = _ground(size)
    leading, gap = round(face.size * 1.24), round(max(30 * unit, face.size * 0.62))
    block = face.size * 0.72 + leading * (len(above.lines) - 1)
    if below:
        block += gap * 2 + below.face.size * (1.5 * len(below.lines) - 0.78)
    # What stands exactly in the middle seems to sink.
    baseline = round(size[1] * 0.485 - block / 2 + face.size * 0.72)
    for line in above.lines:
        _centred(picture, baseline, line, face, _PAPER)
        baseline += leading
    if below:
        baseline += gap - leading
        _rule(picture, baseline, unit)
        baseline += gap + round(below.face.size * 0.72)
        for line in below.lines:
            _centred(picture, baseline, line, below.face, _QUIET)
            baseline += round(below.face.size * 1.5)
    return picture


def _measure(size: tuple[int, int]) -> float:
    """Pixels a line of a title may take."""
    width, height = size
    return width * (0.76 if width >= 0.9 * height else 0.84)


def _title(title: str, size: tuple[int, int]) -> _Set | None:
    words = drawable_lines(title, Face(THIN, 16))
    if not words:
        return None
    measure, upright = _measure(size), size[1] > 1.2 * size[0]
    longest = max(words.split(), key=len)
    for share, count in _TITLE_SIZES:
        face = Face(THIN if share >= _LEAST_THIN else TEXT, max(10, round(min(size) * share)))
        most = count + upright
        lines = wrap(words, face, measure, most + 1)
        if len(lines) <= most and length(longest, face) <= measure:
            break
    return _kept(words, face, lines, measure, most)


def _subtitle(subtitle: str, size: tuple[int, int]) -> _Set | None:
    words = drawable_lines(subtitle, Face(TEXT, 16))
    if not words:
        return None
    width, height = size
    measure = _measure(size) * 0.86
    usual = (23 if width > height else 26 if 1.2 * width > height else 31) * min(size) / 720
    for share, most in _SUBTITLE_SIZES:
        face = Face(TEXT, max(8, round(usual * share)))
        lines = wrap(words, face, measure, most + 1)
        if len(lines) <= most:
            break
    return _kept(words, face, lines, measure, most)


def _kept(words: str, face: Face, lines: list[str], measure: float, most: int) -> _Set:
    too_many = len(lines) > most
    return _Set(face, wrap(words, face, measure, most) if too_many else lines, too_many)


def _centred(picture: Image.Image, baseline: int, line: str, face: Face, fill: tuple[int, int, int]) -> None:
    draw_line(picture, (round((picture.width - length(line, face)) / 2), baseline), line, face, fill)


def _rule(picture: Image.Image, y: int, unit: float) -> None:
    half, thick = round(26 * unit), max(1, round(2 * unit))
    middle = picture.width // 2
    ImageDraw.Draw(picture).rectangle((middle - half, y, middle + half - 1, y + thick - 1), _ACCENT)


def _ground(size: tuple[int, int]) -> Image.Image:
    """A dark ground, a little lighter in the middle; dithered, because eight bits of so little light show steps."""
    width, height = size
    across = (np.arange(width, dtype=np.float32)[None, :] + 0.5) / width * 2 - 1
    down = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height * 2 - 1
    away: NDArray[np.float32] = np.clip(np.sqrt(across**2 + (down + 0.08) ** 2) / 1.35, 0, 1)
    share = (away * away * (3 - 2 * away))[..., None]
    colours = np.array(_CENTRE, np.float32) * (1 - share) + np.array(_EDGE, np.float32) * share
    grain = np.random.default_rng(0).random((height, width, 1), np.float32)
    return Image.fromarray((colours + grain).astype(np.uint8))
