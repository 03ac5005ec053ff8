"""Looking at all a film needs besides its segments, before anything is spent: sounds, pictures, words, its place."""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING

from storychain.chain.blending import blending_warnings
from storychain.chain.events import Noticed
from storychain.chain.finishing import narration_of
from storychain.chain.narration import too_long
from storychain.chain.run import off_loop
from storychain.chain.warning import idle_variables
from storychain.chain.wording import UNREADABLE, draws_words, undrawn, wording_warnings
from storychain.errors import DiskTrouble, MediaError, UsageError
from storychain.media.aside import folder_aside
from storychain.media.outputs.names import beside
from storychain.media.outputs.streaming import check_free

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from storychain.chain.run import Run
    from storychain.story.model import Story

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TRUSTED = 60.0
_took: dict[Path, float] = {}
"""When each folder last took a name of plain letters. For a minute it is trusted to take others: of a batch of a
thousand films not each is tried, which is four changes to the folder a film."""


async def preflight(run: Run, story: Story) -> None:
    """Make the voices, and look at music, watermark and words. Raises MediaError for what would fail in the end."""
    film, room = story.film, run.room
    if film.music is not None:
        await room.seconds_of(film.music.file)
    if film.watermark is not None:
        await room.check_picture(film.watermark.file)
    warnings = (*idle_variables(story), *blending_warnings(story))
    if draws_words(story):
        warnings += await off_loop(_wording, story)
    for warning in warnings:
        run.tell(Noticed(story.name, "", warning))
    for scene in story.scenes:
        sound = await narration_of(run, story, scene)
        if sound is not None:
            seconds = await room.seconds_of(sound)
            if seconds > scene.seconds:
                run.tell(Noticed(story.name, scene.id, too_long(story, scene, float(seconds))))


def _wording(story: Story) -> tuple[str, ...]:
    if where := undrawn(story):
        raise MediaError(
            UNREADABLE,
            where=f"{story.name}, {where}",
            next_step="Install a font for its script, or leave it out. Nothing was bought.",
        )
    return wording_warnings(story)


def check_place(film: Path, neighbours: Iterable[Path] = ()) -> None:
    """Raise UsageError where no film could be written by this name, or be put on record. Makes its folder.

    `neighbours` are files that are to be written beside it, and the folder of a stream.
    """
    trouble = _trouble_with(film) or next(filter(None, map(_in_the_way, neighbours)), None)
    if trouble:
        raise UsageError(
            f"no film can be put there: {trouble}",
            where=str(film.parent),
            next_step="Let --out name a folder that is there, or can be made, and is ours to write in; or move away "
            "what is in the way. Nothing was bought.",
        )


def _trouble_with(film: Path) -> str | None:
    """What stands in a film's way, by doing what is done for it in the end: only the disk knows what it will take."""
    try:
        str(film).encode()
    except UnicodeEncodeError:
        return "the folder's name is not written in UTF-8"
    if film.is_dir():
        return f"{film.name} is a folder"
    plain = _PLAIN.fullmatch(film.stem) is not None
    if plain and film.parent.is_dir() and time.monotonic() - _took.get(film.parent, -math.inf) < _TRUSTED:
        return None
    try:
        with folder_aside(film.parent) as aside:
            (aside / beside(film, "poster").name).write_bytes(b"a name as long as any that is put there")
    except DiskTrouble as error:
        return "it is a file" if isinstance(error.__cause__, FileExistsError) else error.what
    except OSError as error:
        return f"cannot be written: {error.strerror}"
    if plain:
        _took[film.parent] = time.monotonic()
    return None


def _in_the_way(neighbour: Path) -> str | None:
    """What is where something is to be written beside a film, and cannot make way for it."""
    if neighbour.suffix != ".hls":
        return f"{neighbour.name} is a folder" if neighbour.is_dir() else None
    try:
        check_free(neighbour)
    except (MediaError, OSError):
        return f"{neighbour.name} is something else than a stream that was made here"
    return None
