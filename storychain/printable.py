"""Words from strangers made fit to be shown: no control characters, no signed addresses, no keys, no endless text."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

_ADDRESS_TAIL = re.compile(r"(https?://[^\s?#\"'<>]+)[?#][^\s\"'<>]*", re.IGNORECASE)
_PASSWORD = re.compile(r"(https?://)[^\s/?#\"'<>]*@", re.IGNORECASE)
_KEY = re.compile(r"pictai_[\w.~+/=-]+")
_LISTED = 8
_DIRECTIONS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


def printable(text: str, limit: int = 500) -> str:
    """One line of `text`: control and direction-changing characters dropped, queries of addresses and keys hidden."""
    line = " ".join(text.split())
    kept = "".join(char for char in line if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co"))
    hidden = without_secrets(kept)
    return hidden if len(hidden) <= limit else hidden[: limit - 1] + "…"


def without_secrets(text: str) -> str:
    """The same text, of any length, with queries and passwords of addresses left out and keys hidden."""
    return _KEY.sub("pictai_…", _PASSWORD.sub(r"\1", _ADDRESS_TAIL.sub(r"\1", text)))


def visible(text: str) -> str:
    """One line of `text`, exact but harmless: what steers a terminal or breaks the line is written as escapes."""
    if text.isascii() and text.isprintable():
        return text  # as nearly all are, and nothing that is neither steers a terminal
    return "".join(_escaped(character) for character in text)


def visible_lines(text: str) -> str:
    """The same for text of several lines, which stay lines."""
    return "\n".join(map(visible, text.split("\n")))


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: the first of them, and how many more there are."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def counted(number: int | Decimal, word: str) -> str:
    """A number of things: `1 scene`, `2 scenes`, `3 stories`."""
    many = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{number} {word if number == 1 else many}"


class Harmless:
    """A stream for people to read: whoever writes to it, nothing that steers a terminal gets through."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, made visible; tabs and ends of lines stay what they are."""
        return self._stream.write(_made_visible(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Forgiving(Harmless):
    """The same for what is told meanwhile: where nobody reads it any more, what is paid for goes on all the same."""

    def write(self, text: str) -> int:
        """Write text if somebody reads it."""
        with suppress(OSError, ValueError):  # gone, or closed
            self._stream.write(_made_visible(text))
        return len(text)

    def flush(self) -> None:
        """Hand over what was written, if somebody reads it."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def _made_visible(text: str) -> str:
    return "\t".join(map(visible_lines, text.split("\t")))


def _escaped(character: str) -> str:
    category = unicodedata.category(character)
    steers = category in {"Cc", "Cs", "Zl", "Zp"} or unicodedata.bidirectional(character) in _DIRECTIONS
    return character.encode("unicode_escape").decode("ascii") if steers else character


def without_query(url: str) -> str:
    """An address without its query, which may be a signature, and without a password."""
    return _PASSWORD.sub(r"\1", url.partition("?")[0].partition("#")[0])
