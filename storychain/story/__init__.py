"""The one door to story files: YAML text in, a frozen `Story` or an `InvalidStory` with every problem out.

Nothing outside this package reads YAML. What parses and validates is imported when a story is loaded, so that the
package itself is quick to import.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from storychain.catalogue import MODELS
from storychain.story.matrix import Row
from storychain.story.model import Join, OnFailure, Scene, Source, Start, Story
from storychain.story.template import SCHEMA_FILE, schema_text, template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from storychain.catalogue import Catalogue
    from storychain.errors import StorychainError

__all__ = [
    "SCHEMA_FILE",
    "Join",
    "OnFailure",
    "Row",
    "Scene",
    "Source",
    "Start",
    "Story",
    "load_row",
    "load_rows",
    "load_story",
    "load_table",
    "schema",
    "schema_text",
    "template",
]


def load_story(path: Path, catalogue: Catalogue = MODELS) -> Story:
    """Read the story file at `path` and check it against `catalogue`.

    Raises `InvalidStory` naming every problem with its file, line and column. Touches no network.
    """
    from storychain.story.loading import load  # noqa: PLC0415 - pydantic and PyYAML take longer than `--help` may

    return load(path, catalogue)


def load_rows(
    path: Path, rows: Path | Iterable[Mapping[str, object]], catalogue: Catalogue = MODELS
) -> tuple[Story, ...]:
    """Read the story file at `path` once for each row of a CSV file, whose columns set its variables, or of mappings.

    Each is called after the file and the row. Raises `InvalidStory`, or UsageError for what is wrong with the rows.
    """
    from storychain.story.loading import load_each  # noqa: PLC0415 - as above
    from storychain.story.matrix import given_rows  # noqa: PLC0415

    if isinstance(rows, Path):
        stories, unfit = load_table(path, rows, catalogue)
    else:
        stories, unfit = load_each(path, given_rows(rows), "the rows", catalogue)
    for error in unfit.values():
        raise error
    return stories


def load_table(
    path: Path, table: Path, catalogue: Catalogue = MODELS
) -> tuple[tuple[Story, ...], Mapping[str, StorychainError]]:
    """Read the story file at `path` once for each row of a CSV file. One row that is at fault keeps back no other.

    Returns the stories, and by the others' names, or places, what is wrong with them. Raises as `load_rows` where there
    would be no story at all, or nobody can tell which cell belongs to which column.
    """
    from storychain.story.loading import load_each  # noqa: PLC0415 - as above
    from storychain.story.matrix import read_table  # noqa: PLC0415

    read = read_table(table)
    stories, unfit = load_each(path, read.rows, str(table), catalogue)
    return stories, {**read.unfit, **unfit}


def load_row(path: Path, row: Row, catalogue: Catalogue = MODELS) -> Story:
    """Read the story file at `path` with the variables of one row. Raises `InvalidStory` or UsageError."""
    from storychain.story.loading import load_each  # noqa: PLC0415 - as above

    (story,), _ = load_each(path, [row], str(path), catalogue)
    return story


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft-07) of the story file, computed from the format itself."""
    from storychain.story.schema import story_schema  # noqa: PLC0415 - pydantic takes longer than `--help` may

    return story_schema()
