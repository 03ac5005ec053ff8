"""Rows of a table that each make a film of one story: their columns are the story's variables.

What lives here: reading the table. What may not: YAML, and what becomes of the values.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import TYPE_CHECKING

from storychain.errors import UsageError
from storychain.story.problems import SHOWN
from storychain.story.reading import control_in, plain_breaks

if TYPE_CHECKING:
    from pathlib import Path

NAME = "name"
"""The column that names a row's film; without it rows are numbered."""

_DELIMITERS = (",", ";", "\t")

_SAID_DELIMITER = re.compile(r"sep=([,;\t])\r?\n")
"""A first line by which some spreadsheets tell each other how cells are set apart."""

_FILE_NAME = re.compile(r"(?!\.)[^/\\\x00-\x1f\x7f]{1,100}")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the name it adds to the story's own, and the variables it sets. Empty cells set nothing."""

    name: str
    variables: Mapping[str, str]
    place: str
    """Where it stands, for a person: a table and a line, or which one of those that were handed over."""
    table: Path | None = None
    """The table's absolute path; None where it is on another machine, or there is none."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a table that can be used, and what is wrong with each of the others, by their places."""

    rows: tuple[Row, ...]
    unfit: Mapping[str, UsageError]


def read_table(path: Path) -> Table:
    """Read a CSV file (commas, semicolons or tabs) with a header. Raises UsageError where no row can be used.

    It is UTF-8, or UTF-16 that says so by its first bytes. No other encoding is guessed: a wrong guess would be paid.
    Nor is any where a row has more cells than there are columns, or less: who knows in which row a quote is missing?
    """
    text = _text_of(path)
    if said := _SAID_DELIMITER.match(text):
        before, delimiter, text = 1, said[1], text[said.end() :]
    else:
        before, delimiter = 0, max(_DELIMITERS, key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        lines = [(before + reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise UsageError(f"line {before + reader.line_num}: {error}", where=str(path)) from error
    if len(lines) < 2:
        raise UsageError("a header and at least one row are needed", where=str(path))
    columns = [cell.strip() for cell in lines[0][1]]
    _check_once(columns, str(path), "column")
    rows: list[Row] = []
    unfit: dict[str, UsageError] = {}
    for number, (line, cells) in enumerate(lines[1:], 1):
        texts, place = _under(columns, cells, line, path), f"{path}, line {line}"
        try:
            rows.append(_row(number, texts, place, path.absolute()))
        except UsageError as error:
            unfit[place] = error
    if not rows:
        raise UsageError("\n".join(str(error) for error in [*unfit.values()][:SHOWN]))
    _check_once([row.name for row in rows], str(path), "name")
    return Table(tuple(rows), unfit)


def given_rows(given: Iterable[Mapping[str, object]]) -> tuple[Row, ...]:
    """Rows that a program hands over: texts and numbers by the names of variables; None sets nothing, as NaN does.

    Raises UsageError.
    """
    rows = []
    for number, variables in enumerate(given, 1):
        place = f"row {number}"
        texts = {name: text for name, value in variables.items() if (text := _as_text(name, value, place)) is not None}
        rows.append(_row(number, texts, place))
    if not rows:
        raise UsageError("at least one row is needed")
    _check_once([row.name for row in rows], "the rows", "name")
    return tuple(rows)


def _as_text(name: object, value: object, place: str) -> str | None:
    if not isinstance(name, str):
        raise UsageError(f"the name {name!r} is no text", where=place)
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):  # how tables in memory call an empty cell
        return None
    if isinstance(value, bool) or not isinstance(value, Number):
        raise UsageError(f"{name} is neither a text nor a number: {value!r}", where=place)
    return str(value)


def _text_of(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from error
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        what = "the file is cut off" if wide else f"line {line}: byte 0x{raw[error.start]:02x} is not UTF-8"
        raise UsageError(
            what,
            where=str(path),
            next_step="Save the table as UTF-8: spreadsheets call it 'CSV UTF-8', or offer it as the character set.",
        ) from error


def _under(columns: Sequence[str], cells: Sequence[str], line: int, path: Path) -> dict[str, str]:
    if len(cells) != len(columns):
        raise UsageError(
            f"line {line} has {len(cells)} cells under {len(columns)} columns",
            where=str(path),
            next_step="Put cells that hold the delimiter into double quotes.",
        )
    return dict(zip(columns, cells, strict=True))


def _row(number: int, texts: Mapping[str, str], place: str, table: Path | None = None) -> Row:
    plain = {column: plain_breaks(text) for column, text in texts.items()}
    for column, text in plain.items():
        if control := control_in(text):
            what = f"column '{column}' holds the control character {control}; remove it"
            raise UsageError(what, where=place, next_step="Nothing is sent or spent for this row.")
    values = {column: text.strip() for column, text in plain.items() if text.strip()}
    name = values.get(NAME) or f"{number:03d}"
    if not _FILE_NAME.fullmatch(name):
        raise UsageError(f"'{name}' cannot be part of a file's name", where=place)
    return Row(name, values, place, table)


def _check_once(names: Sequence[str], where: str, kind: str) -> None:
    for name, times in Counter(names).items():
        if not name:
            raise UsageError(f"a {kind} is empty", where=where)
        if times > 1:
            numbered = "Rows without a name are called by their number." if kind == NAME and name.isdecimal() else None
            raise UsageError(f"the {kind} '{name}' is there {times} times", where=where, next_step=numbered)
