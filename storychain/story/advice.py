"""Commands that a person is advised to give, as a shell takes them: with the model or the table that is meant."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from storychain.story.model import Story


def command(verb: str, story: Story, *words: str, free: bool = False) -> str:
    """The command line, in backquotes. `words` come behind the file, before what says which film is meant."""
    edition = ["--model", story.other_model] if story.other_model else []
    table = ["--matrix", str(story.row.table)] if story.row and story.row.table else []
    return spelled(verb, story.path, *words, *(["--local"] if free else []), *edition, *table)


def brought_here(story: Story, *, free: bool, workers: bool) -> str:
    """What brings a story's segments to this machine; where `workers` render what is run, it has to be said."""
    return f"{command('run', story, *(['--here'] if workers and not free else []), free=free)} brings them in"


def spelled(verb: str, *words: str | Path) -> str:
    """A command line of these words, in backquotes, each word quoted where a shell would take it apart."""
    return f"`storychain {shlex.join([verb, *map(str, words)])}`"
