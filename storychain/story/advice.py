"""Commands that a person is advised to give, as a shell takes them: for the film and the workspace that are meant."""

from __future__ import annotations

import shlex
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from storychain.story.model import Story


_OF_ONE = {"takes", "pick", "approve", "reject", "retake", "promote", "export", "adopt", "resubmit"}
"""Commands about one story, which of a table is one row."""

_LOOK_AT_FILMS = ("run", "assemble", "inspect", "status")
_PLACES: ContextVar[Mapping[str, str]] = ContextVar("places", default=MappingProxyType({}))


def places_given(**places: str | None) -> None:
    """The command line at hand says by options where `workspace` and `out` are: what it advises says so, too."""
    _PLACES.set({name: place for name, place in places.items() if place is not None})


def command(verb: str, story: Story, *words: str, free: bool = False) -> str:
    """The command line, in backquotes. `words` come behind the file, before what says which film is meant."""
    edition = ["--model", story.other_model] if story.other_model else []
    table = ["--matrix", str(story.row.table)] if story.row and story.row.table else []
    if table and verb in _OF_ONE:
        table += ["--row", story.name]
    return spelled(verb, story.path, *words, *(["--local"] if free else []), *edition, *table, *_places(verb))


def _places(verb: str) -> list[str]:
    given = _PLACES.get()
    options = ("workspace", "out") if verb in _LOOK_AT_FILMS else ("workspace",)
    return [word for name in options if name in given for word in (f"--{name}", given[name])]


def brought_here(story: Story, *, free: bool, workers: bool) -> str:
    """What brings a story's segments to this machine; where `workers` render what is run, it has to be said."""
    return f"{command('run', story, *(['--here'] if workers and not free else []), free=free)} brings them in"


def spelled(verb: str, *words: str | Path) -> str:
    """A command line of these words, in backquotes, each word quoted where a shell would take it apart."""
    return f"`storychain {shlex.join([verb, *map(str, words)])}`"
