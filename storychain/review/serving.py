"""Media by key: segments, films and small stills. No path of a request ever reaches the disk.

Ranges are answered (206), so that players can seek. Stills are drawn when they are first asked for, two at a time.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, get_args

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse

from storychain.errors import MediaError
from storychain.locks import Queue
from storychain.media.outputs.thumbnail import Where, thumbnail
from storychain.media.probe import probe

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from storychain.workspace import Workspace

_NAME = re.compile(r"([0-9a-f]{32})(?:\.([0-9]{1,18}))?")
"""A segment's key, and the attempt's number where its video was turned down."""

WIDTHS = {"small": 320, "large": 1280}
"""Pixels of stills: for strips, and for looking at a seam."""

_AT_ONCE = 2
_FOR_GOOD = "private, max-age=31536000, immutable"
_ASK_AGAIN = "private, no-cache"


def segment_path(workspace: Workspace, name: str) -> Path:
    """The file of a segment, by what its address ends in. Raises HTTPException (404) where there is none."""
    told = _NAME.fullmatch(name)
    if told is None:
        raise HTTPException(404, "There is no such segment.")
    path = workspace.rejected(told[1], int(told[2])) if told[2] else workspace.segment(told[1])
    if not path.is_file():
        raise HTTPException(404, "This segment's file is not here.")
    return path


def video(path: Path, request: Request) -> Response:
    """A video, whole or the range that is asked for."""
    caching = _FOR_GOOD if request.query_params.get("v") else _ASK_AGAIN
    return FileResponse(path, media_type="video/mp4", headers={"Cache-Control": caching, "Accept-Ranges": "bytes"})


class Stills:
    """Small stills of segments, drawn once and kept in the workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._queue = Queue()

    async def path(self, name: str, where: str, size: str) -> Path:
        """The still of a segment: its `first`, `middle` or `last` picture, `small` or `large`.

        Raises HTTPException (404) where there is no such segment, or no picture in it.
        """
        if where not in get_args(Where) or size not in WIDTHS:
            raise HTTPException(404, "There is no such picture.")
        video = segment_path(self._workspace, name)
        still = self._workspace.thumbnail(f"{name}-{where}-{WIDTHS[size]}")
        if _is_fresh(still, video):
            return still
        async with self._room, self._queue.lock(self._workspace.thumbnail(f"{name}-{where}").with_suffix(".lock")):
            if not _is_fresh(still, video):
                try:
                    await thumbnail(video, still, where=where, width=WIDTHS[size])  # type: ignore[arg-type]
                except MediaError as error:
                    raise HTTPException(404, error.what) from error
        return still

    async def answer(self, request: Request) -> Response:
        """The still that a request asks for by `name`, `where` and `size`."""
        told = request.path_params
        path = await self.path(told["name"], told["where"], told["size"])
        caching = _FOR_GOOD if request.query_params.get("v") else _ASK_AGAIN
        return FileResponse(path, media_type="image/jpeg", headers={"Cache-Control": caching})


def _is_fresh(still: Path, video: Path) -> bool:
    """Whether a still was drawn after its video came: a segment may be bought anew under the same key."""
    try:
        return still.stat().st_mtime_ns >= video.stat().st_mtime_ns
    except OSError:
        return False


async def facts(workspace: Workspace, request: Request) -> Response:
    """Frames a second and length of a segment, for stepping through it; 16 ms for 8 s of 720p."""
    path = segment_path(workspace, request.path_params["name"])
    try:
        found = await asyncio.to_thread(probe, path, matroska=True)
    except MediaError as error:
        raise HTTPException(404, error.what) from error
    told = {"fps": float(found.fps), "frames": found.frames, "width": found.width, "height": found.height}
    caching = _FOR_GOOD if request.query_params.get("v") else _ASK_AGAIN
    return JSONResponse(told, headers={"Cache-Control": caching})
