"""From a path to the story's text: what kind of file it is, how large, in which encoding, which characters.

What lives here: everything that can be wrong before the first letter of YAML. What may not: YAML.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
from typing import TYPE_CHECKING

from storychain.errors import InvalidStory
from storychain.printable import visible
from storychain.story.naming import ENDINGS
from storychain.story.problems import Problem, Span, nearest, render

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 1024 * 1024
"""Largest story file, in bytes."""

_FORBIDDEN = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_BREAKS = re.compile("\r\n?")
_EXOTIC_BREAKS = str.maketrans(dict.fromkeys("\x85\u2028\u2029", " "))
_WIDE_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_file(path: Path) -> str:
    r"""Return the text of the story at `path`: UTF-8, lines ended by `\n` alone, no control characters but tabs.

    Raises `InvalidStory` for anything that is not such a file.
    """
    return _decode(_read(path), str(path))


def one_problem(problem: Problem, text: str, name: str) -> InvalidStory:
    """Return the error for a file in which nothing further can be read."""
    return InvalidStory(render([problem], text, name))


def _read(path: Path) -> bytes:
    try:
        _refuse_special(path, path.stat().st_mode)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            _refuse_special(path, os.fstat(descriptor).st_mode)
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        if path.is_symlink():
            target = visible(str(path.readlink()))
            advice = f"It points to {target}; put the story there, or remove the link."
            raise _unreadable(path, "is a link that leads nowhere", advice) from error
        raise _unreadable(path, "there is no such file", _neighbour(path)) from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise _unreadable(path, f"cannot be read: {reason}", None) from error
    if len(raw) > MOST_BYTES:
        raise _unreadable(path, "is larger than 1 MiB; a story is a page or two of text", None)
    return raw


def _refuse_special(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise _unreadable(path, "is a directory, not a story file", "Name the .yaml file inside it.")
    if not stat.S_ISREG(mode):
        raise _unreadable(path, "is a pipe, socket or device, not a story file", "Save the story as a file first.")


def _unreadable(path: Path, what: str, next_step: str | None) -> InvalidStory:
    return InvalidStory(what, where=visible(str(path)), next_step=next_step)


def _neighbour(path: Path) -> str | None:
    """Return a sentence with the most alike story file in the same directory, if there is one."""
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.suffix in ENDINGS]
    except OSError:
        return None
    stems = {name.rpartition(".")[0]: name for name in names}
    found = nearest(path.name, names) or stems.get(nearest(path.stem, stems) or "")
    return f"Did you mean {visible(str(path.parent / found))}?" if found else None


def _decode(raw: bytes, name: str) -> str:
    if raw.startswith(_WIDE_MARKS):
        problem = Problem(Span(0, 0), (), "the file is UTF-16 or UTF-32; save it as UTF-8")
        raise one_problem(problem, "", name)
    raw = raw.removeprefix(codecs.BOM_UTF8)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _undecodable(raw, error, name) from error
    text = plain_breaks(text)
    _refuse_controls(text, name)
    return text


def plain_breaks(text: str) -> str:
    r"""Return `text` with lines ended by `\n` alone; what only some programs take for a line's end becomes a space."""
    return _LINE_BREAKS.sub("\n", text).translate(_EXOTIC_BREAKS)


def control_in(text: str) -> str | None:
    """Return the first character that no text may hold, as it is written about: U+0000."""
    found = _FORBIDDEN.search(text)
    return f"U+{ord(found[0]):04X}" if found else None


def _undecodable(raw: bytes, error: UnicodeDecodeError, name: str) -> InvalidStory:
    before = _LINE_BREAKS.sub("\n", raw[: error.start].decode("utf-8"))
    what = f"byte 0x{raw[error.start]:02x} at offset {error.start:,} is not UTF-8; save the file as UTF-8"
    shown = _LINE_BREAKS.sub("\n", raw.decode("utf-8", "replace"))
    return one_problem(Problem(Span(len(before), len(before) + 1), (), what), shown, name)


def _refuse_controls(text: str, name: str) -> None:
    found = _FORBIDDEN.search(text)
    if found is None:
        return
    hint = "; is this a text file in UTF-8?" if found[0] == "\0" else "; remove it"
    what = f"control character U+{ord(found[0]):04X} is not allowed{hint}"
    raise one_problem(Problem(Span(found.start(), found.end()), (), what), text, name)
