"""Problems of a story and how they are shown: place, path, sentence, the line and a caret.

What lives here: offsets to lines and columns, display widths, nearest names. What may not: YAML, the format's rules.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from storychain.printable import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN = 100
"""Most problems listed one by one."""

_WINDOW = 100
_LEAD = 30
_QUERY = re.compile(r"(https?://[^\s?#\"']*\?)([^\s#\"']+)")
_PLAIN_KEY = re.compile(r"[^\W\d][\w-]*")
_LONGEST_GUESSED = 64

Path = tuple[str | int, ...]
"""Where in the story: keys and list positions from the top."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the story's text, in characters from its beginning; `end` is exclusive."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: its place in the text, its path in the story, and the sentence for a person."""

    span: Span
    path: Path
    what: str


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name most like `word`, or None when none is like it."""
    if len(word) > _LONGEST_GUESSED:
        return None
    by_folded = {name.casefold(): name for name in known}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that offers the nearest name, or nothing."""
    name = nearest(word, known)
    return f"; did you mean '{visible(name)}'?" if name else ""


def quoted(text: str, limit: int = 60) -> str:
    """Return `text` between quotes, shortened, with nothing in it that a terminal would act on."""
    shown = " ".join(text.split()) if text.strip() else text
    return f"'{visible(shown[: limit - 1] + '…' if len(shown) > limit else shown)}'"


def path_text(path: Path) -> str:
    """Return a path as people write it: `scenes[2].prompt`."""
    parts = [_step(step) for step in path]
    return "".join(parts).removeprefix(".")


def render(problems: Iterable[Problem], text: str, name: str) -> str:
    """Return every problem with its place in the file called `name`, in the order of the text."""
    lines = _Lines(text)
    ordered = sorted(problems, key=lambda problem: (problem.span.start, problem.span.end))
    shown = [_block(problem, lines, visible(name)) for problem in ordered[:SHOWN]]
    left_out = len(ordered) - SHOWN
    if left_out > 0:
        shown.append(f"… and {left_out:,} more of the kind")
    return "\n".join(shown)


class _Lines:
    """A text by lines."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self._starts = [0]
        for line in self.lines[:-1]:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, both counted from zero."""
        line = bisect_right(self._starts, offset) - 1
        return line, min(offset - self._starts[line], len(self.lines[line]))


def _block(problem: Problem, lines: _Lines, name: str) -> str:
    row, column = lines.place(problem.span.start)
    line = lines.lines[row]
    end = min(len(line.rstrip()), column + problem.span.end - problem.span.start)
    subject = f"{path_text(problem.path)}: " if problem.path else ""
    head = f"{name}:{row + 1}:{column + 1}  {subject}{problem.what}"
    shown, caret = _excerpt(line, column, end)
    return f"{head}\n{row + 1:>5} | {shown}\n      | {caret}" if line.strip() else head


def _excerpt(line: str, start: int, end: int) -> tuple[str, str]:
    """Return the part of a line around `start`, and the carets that belong under it."""
    line = _QUERY.sub(lambda found: found[1] + "*" * len(found[2]), line)
    left = max(0, start - _LEAD) if len(line) > _WINDOW else 0
    right = min(len(line), left + _WINDOW)
    before = ("…" if left else "") + _displayed(line[left:start])
    marked = _displayed(line[start : min(end, right)])
    after = _displayed(line[max(start, min(end, right)) : right]) + ("…" if right < len(line) else "")
    return before + marked + after, " " * _width(before) + "^" * max(1, _width(marked))


def _displayed(text: str) -> str:
    return visible(text.replace("\t", "    "))


def _width(text: str) -> int:
    """Return the columns a text takes on a terminal."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_KEY.fullmatch(step) and len(step) <= _LONGEST_GUESSED else f"[{quoted(step)}]"
