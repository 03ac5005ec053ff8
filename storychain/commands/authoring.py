"""Commands around story files: new, check, schema. No network, no ledger."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

from storychain.chain.warning import warnings_before
from storychain.commands.desk import desk
from storychain.commands.selection import called
from storychain.errors import UsageError
from storychain.printable import counted, visible
from storychain.story import SCHEMA_FILE, schema, schema_text, template
from storychain.story.advice import spelled
from storychain.story.naming import ENDINGS


def new(arguments: argparse.Namespace) -> int:
    """Write a commented story to start from, and the schema its first line points to."""
    given = Path(arguments.name)
    if given.name in ("", ".."):
        raise UsageError(f"'{arguments.name}' names no story", next_step="Give a name, such as my-story.")
    path = given if given.suffix in ENDINGS else given.with_name(f"{given.name}.yaml")
    if not path.parent.is_dir():
        make = f"mkdir -p {shlex.quote(str(path.parent))}"
        taken = any(folder.exists() and not folder.is_dir() for folder in path.parents)
        raise UsageError(
            f"there is no folder {path.parent}",
            next_step="A file of that name is in its way; choose another folder." if taken else make,
        )
    text = template(path.stem)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        path.with_name(SCHEMA_FILE).write_text(schema_text(), "utf-8")
    except FileExistsError as error:
        raise UsageError(f"{path} exists already", next_step="Choose another name; nothing was changed.") from error
    except OSError as error:
        raise UsageError(
            f"{error.filename} cannot be written: {error.strerror}",
            next_step="Choose a folder that is yours to write in, or make room.",
        ) from error
    print(path)
    print(f"Next: edit it, then {spelled('run', path, '--local')} for a free preview.", file=sys.stderr)
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Validate stories, and say what of their films will not be as they say."""
    found = desk(arguments).find(arguments.stories, arguments.matrix)
    for story in found.stories:
        seconds = sum(scene.seconds for scene in story.scenes)
        scenes = counted(len(story.scenes), "scene")
        print(f"{visible(called(story))}: fine, {scenes}, {seconds} s", file=sys.stderr)
        for warning in warnings_before(story):
            print(f"  {visible(warning)}", file=sys.stderr)
    found.all()
    return 0


def print_schema(_: argparse.Namespace) -> int:
    """Print the JSON Schema of story files."""
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
    return 0
