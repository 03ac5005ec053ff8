"""Rows of a table that each make a film of one story: their columns are the story's variables.

What lives here: reading the table. What may not: YAML, and what becomes of the values.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storychain.errors import UsageError
from storychain.story.reading import control_in, plain_breaks

if TYPE_CHECKING:
    from pathlib import Path

NAME = "name"
"""The column that names a row's film; without it rows are numbered."""

_DELIMITERS = (",", ";", "\t")

_FILE_NAME = re.compile(r"(?!\.)[^/\\\x00-\x1f\x7f]{1,100}")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the name it adds to the story's own, and the variables it sets. Empty cells set nothing."""

    name: str
    variables: Mapping[str, str]
    line: int
    table: Path | None = None
    """The table's absolute path; None where it is on another machine."""


def read_rows(path: Path) -> tuple[Row, ...]:
    """Read a CSV file (UTF-8; commas, semicolons or tabs) with a header. Raises UsageError."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path)) from error
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(_DELIMITERS, key=header.count), strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise UsageError(f"line {reader.line_num}: {error}", where=str(path)) from error
    if len(lines) < 2:
        raise UsageError("a header and at least one row are needed", where=str(path))
    columns = [cell.strip() for cell in lines[0][1]]
    _check_once(columns, path, "column")
    rows = tuple(_row(number, columns, cells, line, path) for number, (line, cells) in enumerate(lines[1:], 1))
    _check_once([row.name for row in rows], path, "name")
    return rows


def _row(number: int, columns: Sequence[str], cells: Sequence[str], line: int, path: Path) -> Row:
    if len(cells) != len(columns):
        raise UsageError(
            f"line {line} has {len(cells)} cells under {len(columns)} columns",
            where=str(path),
            next_step="Put cells that hold the delimiter into double quotes.",
        )
    texts = {column: plain_breaks(cell) for column, cell in zip(columns, cells, strict=True)}
    for column, text in texts.items():
        if control := control_in(text):
            what = f"line {line}, column '{column}' holds the control character {control}; remove it"
            raise UsageError(what, where=str(path), next_step="Nothing was sent, nothing was spent.")
    values = {column: text.strip() for column, text in texts.items() if text.strip()}
    name = values.get(NAME) or f"{number:03d}"
    if not _FILE_NAME.fullmatch(name):
        raise UsageError(f"line {line}: '{name}' cannot be part of a file's name", where=str(path))
    return Row(name, values, line, path.absolute())


def _check_once(names: Sequence[str], path: Path, kind: str) -> None:
    for name, times in Counter(names).items():
        if not name:
            raise UsageError(f"a {kind} is empty", where=str(path))
        if times > 1:
            raise UsageError(f"the {kind} '{name}' is there {times} times", where=str(path))
