"""What a YAML parser's complaint means for the person who wrote the line.

What lives here: from an exception of PyYAML to one problem with its place. What may not: reading, or the format.
"""

from __future__ import annotations

import re

import yaml

from storychain.printable import visible
from storychain.story.problems import Problem, Span

_KEY_BEFORE = re.compile(r"\s*(?:-\s+)*[^\s:][^:]*:\s")
_QUOTED = re.compile(r"(?:-\s+)?[^\s:][^:]*:\s+(?P<quote>['\"])")
_RESERVED = {"@", "`", "%"}


def explain(error: yaml.YAMLError, text: str) -> Problem:
    """Return the problem behind a parser's exception, said in the terms of the line it is on."""
    said = getattr(error, "problem", None) or str(error)
    opened = getattr(error, "context_mark", None)
    if "end of stream" in said and opened is not None:
        return Problem(Span(opened.index, opened.index + 1), (), "what is opened here is never closed")
    offset = min(_offset(error), len(text))
    begin = text.rfind("\n", 0, offset) + 1
    line = text[begin:].split("\n", 1)[0]
    hint = (
        _indent(line, offset - begin) or _scalar(line, offset - begin, said) or _structure(line, offset - begin, said)
    )
    return Problem(Span(offset, offset + 1), (), hint)


def _offset(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return int(mark.index if mark is not None else getattr(error, "position", 0))


def _indent(line: str, column: int) -> str | None:
    indent = line[: len(line) - len(line.lstrip())]
    return "a tab indents this line; YAML wants spaces" if "\t" in indent and column <= len(indent) else None


def _scalar(line: str, column: int, said: str) -> str | None:
    """Return what is wrong with one value, or None when it is the shape of the text around it."""
    if "mapping values" in said and _KEY_BEFORE.match(line[:column]):
        return "': ' inside unquoted text; put the text in quotes, or write it below the key after >-"
    if "mapping values" in said:
        return "a key is not expected here; is the line indented too far, or does the text above want quotes?"
    if "cannot start" in said and line[column : column + 1] in _RESERVED:
        return f"text that begins with {line[column]} needs quotes"
    if "alphabetic" in said:
        return "text that begins with * or & needs quotes"
    if "escape" in said and line[column - 2 : column].casefold() == "\\u":
        return "this escape names no character; write the character itself"
    if "escape" in said:
        return "a backslash inside double quotes begins an escape; write \\\\ or use single quotes"
    return None


def _structure(line: str, column: int, said: str) -> str:
    if line.startswith("%"):
        return "a story needs no YAML directive; remove this line"
    if "','" in said:
        return "the bracket before this is not closed; text that begins with [ or { needs quotes"
    found = _QUOTED.match(line.strip())
    if found and column > line.index(found["quote"]):
        return f"text goes on after the closing {found['quote']}; double that quote inside, or use the other kind"
    if line[:column].rstrip().endswith("]"):
        return "text goes on after the closing ]; text that begins with [ needs quotes"
    if line.strip() and not line[:column].strip():
        return f"this line does not fit the ones above; are the indents and dashes in line? ({visible(said)})"
    return f"this is not YAML: {visible(said)}"
