"""The sound of a film, encoded once and as its segments come in, so that little is left to do after the last one."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from storychain.media.recipes import PLAIN, SOUND_RATE, patience, samples_of
from storychain.media.tool import Feed, fed_ffmpeg

if TYPE_CHECKING:
    from storychain.media.prepare import Prepared
    from storychain.media.tool import Ffmpeg

_AAC = {"c:a": "aac", "aac_coder": "fast", "q:a": 2}
"""AAC of about 190 kb/s for a full sound. By quality, not by rate: searching for a given rate takes four times as long
on pure tones; the fast coder comes nearer to the original than the slow one, by signal to distortion."""

_FRAME = 4
"""Bytes of one sample of 16 bit stereo."""

_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Soundtrack:
    """A film's finished sound, an MP4 with AAC, and the segments' sounds it was made of."""

    path: Path
    sounds: tuple[Path, ...]


class SoundtrackInTheMaking:
    """Takes segments in story order; `finished` closes it."""

    def __init__(self, feed: Feed, path: Path) -> None:
        self._feed = feed
        self._path = path
        self._sounds: list[Path] = []
        self._seconds = Fraction(0)
        self._written = 0

    async def add(self, segment: Prepared) -> None:
        """Encode the next segment's sound. Raises MediaError where ffmpeg has failed."""
        self._sounds.append(segment.sound)
        self._seconds += segment.probe.seconds
        for chunk in _chunks(segment.sound):
            await self._feed.write(chunk)
        # Each sound is rounded down to whole samples; a sample of silence makes up for it when due.
        self._written += samples_of(segment.probe.seconds)
        missing = samples_of(self._seconds) - self._written
        self._written += missing
        await self._feed.write(bytes(_FRAME * missing))

    async def finished(self) -> Soundtrack:
        """Close the file. Raises MediaError."""
        await self._feed.finish(patience(self._seconds))
        return Soundtrack(self._path, tuple(self._sounds))


def _chunks(sound: Path) -> Iterator[bytes]:
    with wave.open(str(sound), "rb") as opened:
        while chunk := opened.readframes(_CHUNK // _FRAME):
            yield chunk


@asynccontextmanager
async def soundtrack(ffmpeg: Ffmpeg, folder: Path) -> AsyncIterator[SoundtrackInTheMaking]:
    """Make a soundtrack in `folder`, an existing one; on leaving early its ffmpeg is killed."""
    name = "sound.mp4"
    source = ["-f", "s16le", "-ar", str(SOUND_RATE), "-ac", "2", "-i", "pipe:0"]
    written = [part for option, value in (_AAC | PLAIN).items() for part in (f"-{option}", str(value))]
    argv = ["-y", *source, *written, "-movie_timescale", str(SOUND_RATE), "-f", "mp4", name]
    async with fed_ffmpeg(ffmpeg, argv, cwd=folder) as feed:
        yield SoundtrackInTheMaking(feed, folder / name)


async def soundtrack_of(ffmpeg: Ffmpeg, segments: Sequence[Prepared], folder: Path) -> Soundtrack:
    """The soundtrack of segments that are all here."""
    async with soundtrack(ffmpeg, folder) as making:
        for segment in segments:
            await making.add(segment)
            await asyncio.sleep(0)
        return await making.finished()
