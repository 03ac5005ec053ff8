"""The cutting room: everything the chain asks of media, behind one object that knows its ffmpeg.

The chain is handed one of these rather than calling the functions, so that its decisions can be played through by the
thousand without a single video.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from storychain.media import film, prepare, soundtrack
from storychain.media.edit import Clip, Edit, edit_of, heard_in
from storychain.media.film import FilmFacts
from storychain.media.pieces import Look
from storychain.media.prepare import Prepared
from storychain.media.seam import Seam, find_seam, grey_frames
from storychain.media.sound.loudness import gain_for
from storychain.media.sound.stretch import Heard
from storychain.media.soundtrack import Soundtrack
from storychain.media.tool import Ffmpeg


class SoundInTheMaking(Protocol):
    """A soundtrack that takes segments in story order."""

    async def add(self, heard: Heard) -> None:
        """Encode the next stretch."""

    async def finished(self) -> Soundtrack:
        """Close it."""


class CuttingRoom(Protocol):
    """What the chain asks of media. Every method may raise MediaError."""

    async def prepare(self, segment: Path, folder: Path, *, strict: bool = True, matroska: bool = False) -> Prepared:
        """Check a segment and make it ready for joining."""

    async def last_frame(self, video: Path, png: Path) -> None:
        """Write the last picture of a video."""

    async def seam(self, before: Prepared, after: Prepared) -> Seam:
        """How a segment begins against the one before it."""

    def heard(self, clips: Sequence[Clip]) -> tuple[Heard, ...]:
        """What is heard of each clip in a film of them."""

    async def gain(self, clips: Sequence[Clip], loudness: float | None) -> float | None:
        """The gain (dB) that brings a film of the clips to a loudness (LUFS); None where none is asked for."""

    def soundtrack(self, folder: Path, gain: float | None) -> AbstractAsyncContextManager[SoundInTheMaking]:
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
        loudness: float | None,
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

    async def seam(self, before: Prepared, after: Prepared) -> Seam:
        """See `seam.find_seam`."""
        return await asyncio.to_thread(lambda: find_seam(grey_frames(before.picture), grey_frames(after.picture)))

    def heard(self, clips: Sequence[Clip]) -> tuple[Heard, ...]:
        """See `edit.heard_in`."""
        return heard_in(edit_of(clips), [clip.prepared.sound for clip in clips]) if clips else ()

    async def gain(self, clips: Sequence[Clip], loudness: float | None) -> float | None:
        """See `loudness.gain_for`."""
        return await gain_for(self.ffmpeg, self.heard(clips), loudness)

    def soundtrack(self, folder: Path, gain: float | None) -> AbstractAsyncContextManager[SoundInTheMaking]:
        """See `soundtrack.soundtrack`."""
        return soundtrack.soundtrack(self.ffmpeg, folder, gain)

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
        loudness: float | None,
        sound: Soundtrack | None,
        on_progress: Callable[[float], None],
    ) -> FilmFacts:
        """See `film.assemble`."""
        return await film.assemble(
            self.ffmpeg,
            clips,
            out,
            title=title,
            note=note,
            look=look,
            loudness=loudness,
            sound=sound,
            on_progress=on_progress,
        )
