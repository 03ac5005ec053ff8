"""Type: which font can draw a text, how it breaks into lines, how a line is drawn. Knows no scene and no layout."""

from __future__ import annotations

import itertools
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, features

FONTS = Path(__file__).parent / "fonts"
TEXT, CAPS, THIN = "DejaVuSans.ttf", "DejaVuSansCondensed-Bold.ttf", "DejaVuSans-ExtraLight.ttf"
_MOST_FONTS = 600
_NOWHERE = "\U0010fffe"
"""A character that no font has: what is drawn for it is drawn for every missing one."""

_MARKS = {True: "\u200e", False: "\u200f"}
"""What has no width and says that a line runs to the right, or to the left."""

_LIKELY = (
    "cjk",
    "wqy",
    "hiragino",
    "pingfang",
    "gothic",
    "ming",
    "notosans",
    "noto",
    "arabic",
    "devanagari",
    "unicode",
)


@dataclass(frozen=True, slots=True)
class Face:
    """A font at a size."""

    name: str
    size: int

    @property
    def font(self) -> ImageFont.FreeTypeFont:
        """Pillow's font."""
        return _font(self.name, self.size)


def wrap(text: str, face: Face, width: float, most: int) -> list[str]:
    """Lines no wider than `width` pixels, at most `most`; a text that is cut ends in an ellipsis.

    Lines that the text has stay lines, empty ones among them.
    """
    given = text.split("\n") if text.strip() else []
    parts = [_filled(line, face, width) or [""] for line in given]
    too_many = sum(map(len, parts)) > most
    if not too_many:
        parts = [_balanced(line, face, width, part) for line, part in zip(given, parts, strict=True)]
    lines = [one for line, part in zip(given, parts, strict=True) for one in running_as(line, part)]
    if too_many:
        return [*lines[: most - 1], _cut(" ".join(filter(None, lines[most - 1 :])), face, width)]
    return lines


def running_as(text: str, lines: Sequence[str]) -> list[str]:
    """Lines of a text, marked so that each runs as the whole does, whatever letter it begins with itself."""
    return [_running(line, rightwards=not _right_to_left(text)) for line in lines]


def _balanced(text: str, face: Face, width: float, lines: list[str]) -> list[str]:
    """As few lines, of the most even length: set as narrow as they stay as few, so that no word is left alone."""
    narrow, wide = 0.5, 1.0
    for _ in range(5 if len(lines) > 1 else 0):
        middle = (narrow + wide) / 2
        evener = _filled(text, face, width * middle)
        if len(evener) == len(lines):
            lines, wide = evener, middle
        else:
            narrow = middle
    return lines


def _filled(text: str, face: Face, width: float) -> list[str]:
    lines: list[str] = [""]
    for piece in _pieces(text, face, width):
        joined = lines[-1] + piece
        if lines[-1] and length(joined.rstrip(), face) > width:
            lines[-1] = lines[-1].rstrip()
            lines.append(piece.lstrip())
        else:
            lines[-1] = joined
    return [line.rstrip() for line in lines if line.strip()]


def drawable(text: str, face: Face, *, least: float = 0.7) -> str:
    """The text without letters that no font here has; empty unless more than the share `least` of it is left."""
    kept = "".join(letter for letter in text if _can_be_seen(letter, face.name))
    return kept if len(kept.strip()) > least * len(text.strip()) else ""


def drawable_lines(text: str, face: Face) -> str:
    """The same for a text of several lines, which stay lines; of empty ones between them at the most one."""
    if not drawable(" ".join(text.split()), face):
        return ""
    lines = (" ".join(drawable(line, face, least=0).split()) for line in text.strip().splitlines())
    return re.sub("\n{3,}", "\n\n", "\n".join(lines))


def undrawable(text: str, face: Face) -> tuple[str, ...]:
    """The letters of a text that no font here has, each once."""
    return tuple(letter for letter in dict.fromkeys(text) if not _can_be_seen(letter, face.name))


def _can_be_seen(letter: str, name: str) -> bool:
    """Whether some font here has a letter. Marks and joiners are nothing by themselves, and go with their letter."""
    alone = not letter.isspace() and unicodedata.category(letter) not in {"Mn", "Mc", "Me", "Cf"}
    return not alone or _found(letter, name) is not None


def length(text: str, face: Face) -> float:
    """Width of a line in pixels."""
    return sum(run_face.font.getlength(run) for run, run_face in _runs(text, face))


def draw_line(
    picture: Image.Image, at: tuple[float, float], text: str, face: Face, fill: tuple[int, ...], *, stroke: int = 0
) -> None:
    """Draw one line with its left end and baseline at `at`; runs of other scripts in a font that has them.

    With `stroke` its letters are that many pixels fatter on every side, where they stand.
    """
    draw = ImageDraw.Draw(picture)
    x, y = at
    for run, run_face in _in_sight(_runs(text, face), _right_to_left(text)):
        draw.text((x, y), run, fill, font=run_face.font, anchor="ls", stroke_width=stroke)
        x += run_face.font.getlength(run)


def draw_spaced(
    picture: Image.Image, at: tuple[float, float], text: str, face: Face, fill: tuple[int, ...], space: float
) -> None:
    """Draw a short line letter by letter with `space` pixels between; scripts from right to left stay whole."""
    x = at[0]
    for letter in [text] if _turns(text) else text:
        draw_line(picture, (x, at[1]), letter, face, fill)
        x += length(letter, face) + space


_PARTS = re.compile(r"[^-_./]+[-_./]*|[-_./]+")
"""Where a long word, such as a name made of several, may end a line: behind its hyphens and their like."""


def _pieces(text: str, face: Face, width: float) -> Iterator[str]:
    """Words with the space after them; what is wider than a line in its parts, scripts without spaces in letters."""
    for word in text.split():
        if length(word, face) > width or any(_breaks_anywhere(letter) for letter in word):
            for part in _PARTS.findall(word):
                yield from _clusters(part)
            yield " "
        else:
            yield word + " "


def _clusters(word: str) -> Iterator[str]:
    held = ""
    for letter in word:
        if held and not _clings(letter) and (_breaks_anywhere(letter) or _breaks_anywhere(held[-1])):
            yield held
            held = ""
        held += letter
        if len(held) > 24:
            yield held
            held = ""
    if held:
        yield held


def _breaks_anywhere(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"


def _clings(letter: str) -> bool:
    """Marks, joiners and closing punctuation stay with what is before them."""
    return unicodedata.category(letter) in {"Mn", "Mc", "Me", "Cf", "Pe", "Pf", "Po"}


def _cut(line: str, face: Face, width: float) -> str:
    line = line[: int(width / max(1.0, face.size * 0.2))]
    while line and length(line + "…", face) > width:
        line = line[:-1]
    return line.rstrip(" ,;:.") + "…"


_RIGHT_TO_LEFT = {"R", "AL"}


def _right_to_left(text: str) -> bool:
    """Whether a text begins on the right, as its first letter has it."""
    strong = (unicodedata.bidirectional(letter) for letter in text)
    return next((kind in _RIGHT_TO_LEFT for kind in strong if kind in {"L", *_RIGHT_TO_LEFT}), False)


def _turns(text: str) -> bool:
    """Whether any of it runs from right to left."""
    return any(unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT for letter in text)


def _running(text: str, *, rightwards: bool) -> str:
    """A part of a text, with a mark before it where its own first letter would let it run the other way."""
    if not _turns(text) and rightwards:
        return text
    return text if _right_to_left(text) is not rightwards else f"{_MARKS[rightwards]}{text}"


def _runs(text: str, face: Face) -> Iterator[tuple[str, Face]]:
    """The text in stretches of one font each; where any of it runs from right to left, in one font if one has it all.

    Only within one run are words, digits and punctuation of both directions put in their order.
    """
    whole = _name_for_all(frozenset(text), face.name) if _turns(text) else None
    held, name = "", whole or face.name
    for letter in text:
        wanted = name if whole or _clings(letter) or letter.isspace() else _name_for(letter, face.name)
        if wanted != name and held:
            yield held, Face(name, face.size)
            held = ""
        name = wanted
        held += letter
    if held:
        yield held, Face(name, face.size)


def _in_sight(runs: Iterable[tuple[str, Face]], right_to_left: bool) -> Iterator[tuple[str, Face]]:
    """The runs of a line from left to right: those against its direction keep their order among themselves."""

    def is_leftwards(run: tuple[str, Face]) -> bool:
        kinds = {unicodedata.bidirectional(letter) for letter in run[0]}
        against = {"L"} if right_to_left else _RIGHT_TO_LEFT
        along = _RIGHT_TO_LEFT if right_to_left else {"L"}
        return right_to_left if not kinds & against or kinds & along else not right_to_left

    groups = [(leftwards, list(group)) for leftwards, group in itertools.groupby(runs, is_leftwards)]
    for leftwards, group in reversed(groups) if right_to_left else groups:
        for run, face in reversed(group) if leftwards else group:
            yield _running(run, rightwards=not leftwards), face


def _name_for(letter: str, preferred: str) -> str:
    return _found(letter, preferred) or preferred


@lru_cache(maxsize=256)
def _name_for_all(letters: frozenset[str], preferred: str) -> str | None:
    """A font that has all of these letters, as near to the preferred one as can be."""
    wanted = sorted(letter for letter in letters if unicodedata.category(letter) != "Cf")
    names = itertools.chain((preferred, TEXT), _machine_fonts())
    return next((name for name in names if all(_has(name, letter) for letter in wanted)), None)


@lru_cache(maxsize=4096)
def _found(letter: str, preferred: str) -> str | None:
    """The font to draw a letter with: the preferred one, else one that came along, else any on this machine."""
    return next((name for name in (preferred, TEXT) if _has(name, letter)), None) or next(
        (name for name in _machine_fonts() if _has(name, letter)), None
    )


@lru_cache(maxsize=8192)
def _has(name: str, letter: str) -> bool:
    """Whether the font has the letter: else it draws what it draws for a character that no font has."""
    try:
        font = _font(name, 16)
        mask = font.getmask(letter)
        return bytes(mask) != bytes(font.getmask(_NOWHERE)) if mask.size[0] else letter.isspace()
    except OSError:
        return False


@lru_cache(maxsize=64)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    path = FONTS / name if not os.path.isabs(name) else Path(name)  # noqa: PTH117
    engine = ImageFont.Layout.RAQM if features.check_feature("raqm") else ImageFont.Layout.BASIC
    return ImageFont.truetype(str(path), size, layout_engine=engine)


@lru_cache(maxsize=1)
def _machine_fonts() -> tuple[str, ...]:
    """Fonts found on this machine, likely ones for other scripts first."""
    found = [
        str(path)
        for folder in _font_folders()
        if folder.is_dir()
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in {".ttf", ".otf", ".ttc"}
    ]
    found.sort(key=lambda path: not any(word in Path(path).name.lower().replace("-", "") for word in _LIKELY))
    return tuple(found[:_MOST_FONTS])


def _font_folders() -> tuple[Path, ...]:
    home = Path.home()
    if sys.platform == "darwin":
        return (Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts")
    shared = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
    return (*shared, home / ".local/share/fonts", home / ".fonts")
