"""The cutting room: everything the chain asks of media, behind one object that knows its ffmpeg.

The chain is handed one of these rather than calling the functions, so that its decisions can be played through by the
thousand without a single video.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from storychain.media import film, prepare, soundtrack
from storychain.media.edit import Clip, Edit, edit_of
from storychain.media.film import FilmFacts
from storychain.media.pieces import Look
from storychain.media.prepare import Prepared
from storychain.media.soundtrack import Soundtrack
from storychain.media.tool import Ffmpeg


class SoundInTheMaking(Protocol):
    """A soundtrack that takes segments in story order."""

    async def add(self, segment: Prepared) -> None:
        """Encode the next segment's sound."""

    async def finished(self) -> Soundtrack:
        """Close it."""


class CuttingRoom(Protocol):
    """What the chain asks of media. Every method may raise MediaError."""

    async def prepare(self, segment: Path, folder: Path, *, strict: bool = True, matroska: bool = False) -> Prepared:
        """Check a segment and make it ready for joining."""

    async def last_frame(self, video: Path, png: Path) -> None:
        """Write the last picture of a video."""

    def soundtrack(self, folder: Path) -> AbstractAsyncContextManager[SoundInTheMaking]:
        """Open a soundtrack in a folder."""

    def edit(self, clips: Sequence[Clip], *, drawn: bool) -> Edit:
        """Which stretches of the clips a film of them shows, and when."""

    async def assemble(
        self,
        clips: Sequence[Clip],
        out: Path,
        *,
        title: str,
        note: str,
        look: Look | None,
        sound: Soundtrack | None,
        on_progress: Callable[[float], None],
    ) -> FilmFacts:
        """Join clips into a film."""


@dataclass(frozen=True, slots=True)
class FfmpegRoom:
    """The cutting room there is."""

    ffmpeg: Ffmpeg

    async def prepare(self, segment: Path, folder: Path, *, strict: bool = True, matroska: bool = False) -> Prepared:
        """See `prepare.prepare`."""
        return await prepare.prepare(self.ffmpeg, segment, folder, strict=strict, matroska=matroska)

    async def last_frame(self, video: Path, png: Path) -> None:
        """See `prepare.last_frame`."""
        await prepare.last_frame(self.ffmpeg, video, png)

    def soundtrack(self, folder: Path) -> AbstractAsyncContextManager[SoundInTheMaking]:
        """See `soundtrack.soundtrack`."""
        return soundtrack.soundtrack(self.ffmpeg, folder)

    def edit(self, clips: Sequence[Clip], *, drawn: bool) -> Edit:
        """See `edit.edit_of`."""
        return edit_of(clips, drawn=drawn)

    async def assemble(
        self,
        clips: Sequence[Clip],
        out: Path,
        *,
        title: str,
        note: str,
        look: Look | None,
        sound: Soundtrack | None,
        on_progress: Callable[[float], None],
    ) -> FilmFacts:
        """See `film.assemble`."""
        return await film.assemble(
            self.ffmpeg, clips, out, title=title, note=note, look=look, sound=sound, on_progress=on_progress
        )
