"""What a YAML parser's complaint means for the person who wrote the line.

What lives here: from an exception of PyYAML to one problem with its place. What may not: reading, or the format.
"""

from __future__ import annotations

import re

import yaml

from storychain.story.problems import Problem, Span, visible

_COLON = re.compile(r"[^\s:][^:]*:\s+(?P<value>[^\s'\"|>\[{&*!].*)")
_QUOTED = re.compile(r"(?:-\s+)?[^\s:][^:]*:\s+(?P<quote>['\"])")
_RESERVED = {
    "@": "text that begins with @ needs quotes",
    "`": "text that begins with ` needs quotes",
    "%": "text that begins with % needs quotes",
}


def explain(error: yaml.YAMLError, text: str) -> Problem:
    """Return the problem behind a parser's exception, said in the terms of the line it is on."""
    offset = min(_offset(error), len(text))
    begin = text.rfind("\n", 0, offset) + 1
    line = text[begin:].split("\n", 1)[0]
    said = getattr(error, "problem", None) or str(error)
    opened = _opened(error)
    return Problem(Span(offset, offset + 1), (), _hint(line, offset - begin, said, opened, text))


def _offset(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    index = mark.index if mark is not None else getattr(error, "position", 0)
    return int(index)


def _opened(error: yaml.YAMLError) -> int | None:
    """Return the line, counted from one, on which what could not be finished began."""
    mark = getattr(error, "context_mark", None)
    return mark.line + 1 if mark is not None else None


def _hint(line: str, column: int, said: str, opened: int | None, text: str) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent and column <= len(indent):
        return "a tab indents this line; YAML wants spaces"
    if "mapping values" in said:
        return _colon(line)
    if column < len(line) and line[column] in _RESERVED and "cannot start" in said:
        return _RESERVED[line[column]]
    if "end of stream" in said and opened is not None and text:
        return f"the quotes opened on line {opened} are never closed"
    if "','" in said:
        return f"the bracket opened on line {opened} is not closed here; text that begins with [ or {{ needs quotes"
    if "escape" in said:
        return "a backslash inside double quotes begins an escape; write \\\\ or use single quotes"
    return _structure(line, column, said)


def _colon(line: str) -> str:
    if _COLON.search(line.strip().removeprefix("- ")):
        return "': ' inside unquoted text; put the text in quotes, or write it below the key after >-"
    return "a key is not expected here; is the line indented as its neighbours are?"


def _structure(line: str, column: int, said: str) -> str:
    found = _QUOTED.match(line.strip())
    if found and column > line.index(found["quote"]):
        return f"text goes on after the closing {found['quote']}; double that quote inside, or use the other kind"
    if line[:column].rstrip().endswith("]"):
        return "text goes on after the closing ]; text that begins with [ needs quotes"
    if line.strip() and not line[:column].strip():
        return f"this line does not fit the ones above; are the indents and dashes in line? ({visible(said)})"
    return f"this is not YAML: {visible(said)}"
