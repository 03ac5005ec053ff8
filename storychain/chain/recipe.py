"""What a film is made of, where it goes, and whether the one in place is still right. Makes nothing."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from storychain.chain.files import preview_of
from storychain.ledger import FINDER
from storychain.plan import Action
from storychain.workspace import sha256_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from storychain.ledger import FilmRecord, Ledger
    from storychain.plan import Facts, Step
    from storychain.story.model import Story

_RECIPE_VERSION = 4
"""Raise it where the same segments would be joined differently: films are then made anew, for nothing."""


def film_path(ledger: Ledger | None, out: Path, name: str, *, free: bool) -> Path:
    """Where a story's film goes: `NAME.mp4`, but a free preview never replaces a film that was paid for."""
    path = (out / f"{name}.mp4").resolve()
    if free and ledger is not None and path.exists():
        there = ledger.film(path)
        if there is not None and not there.free:
            return preview_of(path)
    return path


def recipe_of(story: Story, facts: Facts, steps: Sequence[Step]) -> str:
    """What a film is made of, as a hash: equal recipes give equal films."""
    made_of = {
        "version": _RECIPE_VERSION,
        "title": story.title,
        "chapters": [chapter_of(step) for step in steps],
        "segments": [_shown(step) for step in steps],
        "opening": facts.start if story.start and story.start.include else None,
        "seams": FINDER,
        "film": repr(story.film),
        "files": [sha256_of(path) for path in _files(story)],
        "beside": [_beside(step) for step in steps],
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def _files(story: Story) -> list[Path]:
    """Files the film is made of besides its segments."""
    film = story.film
    files = [one.file for one in (film.music, film.watermark) if one is not None]
    files += [scene.narration_file for scene in story.scenes if scene.narration_file is not None]
    return files


def _beside(step: Step) -> list[str]:
    """What is said, shown and done about a scene beyond its segment."""
    scene = step.scene
    return [scene.caption, scene.narration, str(scene.narration_file or ""), repr(scene.transition)]


def chapter_of(step: Step) -> str:
    """The title of a scene's chapter."""
    return f"{step.scene.id} (placeholder)" if step.action is Action.PLACEHOLDER else step.scene.id


def _shown(step: Step) -> str | list[str | int]:
    """What is seen of a scene: its segment, or a card with its words."""
    return [step.scene.text, step.scene.seconds] if step.action is Action.PLACEHOLDER else step.key


def film_in_place(ledger: Ledger | None, path: Path, recipe: str) -> FilmRecord | None:
    """The record of the film at `path` if it is by this recipe and still as it was written."""
    record = ledger.film(path) if ledger else None
    try:
        size = path.stat().st_size
    except OSError:
        return None
    return record if record and record.recipe == recipe and record.size == size else None
