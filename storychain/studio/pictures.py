"""A finished segment's pictures, made when they are first asked for. Knows no HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storychain.studio.shelf import Shelf

_ID_LENGTH = 36


async def media_file(shelf: Shelf, name: str) -> Path | None:
    """The file called `name` (a job's id and an ending of `records.MEDIA_ENDINGS`), or None if there is none."""
    media = shelf.media_of(name[:_ID_LENGTH])
    path = next((path for path in media.files() if path.name == name), None)
    if path is None or not media.video.is_file():
        return None
    if not path.is_file():
        from storychain.studio.animatic.stills import develop  # noqa: PLC0415 - av and Pillow are slow to import

        await asyncio.to_thread(develop, *media.files())
    return path
