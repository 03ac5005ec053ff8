"""Renders kept by what they show, so that the same request over the same files is rendered once.

A kept file is a hard link to a finished video where the disk allows it, else a copy.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from storychain import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from storychain.studio.animatic.shot import Shot, Source


def take(folder: Path, shot: Shot, video: Path) -> bool:
    """Put a kept render of `shot` at `video`; false if there is none."""
    kept = folder / _name(shot)
    if not kept.is_file():
        return False
    link(kept, video)
    return True


def keep(folder: Path, shot: Shot, video: Path) -> None:
    """Keep a finished render of `shot`."""
    folder.mkdir(parents=True, exist_ok=True)
    link(video, folder / _name(shot))


def link(source: Path, target: Path) -> None:
    """Put the bytes of `source` at `target`, whole or not at all."""
    aside = target.with_name(f"{target.name}.{uuid.uuid4().hex}")
    try:
        os.link(source, aside)
    except OSError:
        shutil.copyfile(source, aside)
    aside.replace(target)


def _name(shot: Shot) -> str:
    plain = replace(shot, extends=None, first_image=None, references=())
    shown = (__version__, repr(replace(plain, flaws=frozenset())), sorted(shot.flaws), _contents(shot))
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:40] + ".mp4"


def _contents(shot: Shot) -> list[tuple[str, str]]:
    sources: list[Source | None] = [shot.extends, shot.first_image, *shot.references]
    return [(source.field, _digest(source.path)) for source in sources if source]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
