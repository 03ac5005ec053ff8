"""The sound of a film, encoded once and as its segments come in, so that little is left to do after the last one.

Which samples it has is decided in the `sound` package. What is encoded here depends on those and the gain alone, not on
when or in which pieces they came.
"""

from __future__ import annotations

import asyncio
import math
import os
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from storychain.media.recipes import PLAIN, SOUND_RATE, patience, samples_of
from storychain.media.sound.join import Joiner, joined
from storychain.media.sound.loudness import Meter, Outcome, loudness_heard, metered
from storychain.media.sound.stretch import Heard
from storychain.media.together import beside
from storychain.media.tool import Feed, fed_ffmpeg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from storychain.media.prepare import Prepared
    from storychain.media.tool import Ffmpeg

_AAC = {"c:a": "aac", "aac_coder": "fast", "q:a": 2}
"""AAC of about 190 kb/s for a full sound. By quality, not by rate: searching for a given rate takes four times as long
on pure tones; the fast coder comes nearer to the original than the slow one, by signal to distortion."""

CEILING = -1.0
"""dBTP that no peak of a sound with gain passes, as players decode it."""

_HEADROOM = 1.0
"""dB that the limiter stays below the ceiling at first: AAC raises most peaks by less. Where it does by more (clicks),
the sound is encoded again with as much less."""

_MARGIN = 0.1
"""dB more than was found lacking: less of a peak is raised a little differently."""

_LACKING = 0.25
"""LU that the limiter may take from the loudness; more is made up for by more gain."""

_DRIVE = 1.3
"""dB of more gain for each LU that lacks, some of which the limiter takes again."""

_MOST_DRIVE = 3.0
"""dB of more gain at most: a sound that is nothing but sharp peaks stays quieter than asked rather than distort."""

_DRIVES, _CORRECTIONS = 2, 5
"""How often more gain is tried, and how often it is encoded again at all."""

_FAR_BELOW = 6.0
"""dB below the ceiling from where no peak between two samples, or of the encoder's making, reaches it."""

_OVERSAMPLED = 4 * SOUND_RATE
_LOOKAHEAD, _RELEASE = 5, 50
"""Milliseconds: short enough not to be heard as a dip, long enough not to be heard as distortion."""

_NAME = "sound.mp4"


@dataclass(frozen=True, slots=True)
class Soundtrack:
    """A film's finished sound, an MP4 with AAC; the WAVs it was made of, which stretches of them, and the gain in dB.

    Where `gain` is None the sound is as loud as it came, and not limited; else `loudness` is what it came to, in LUFS.
    """

    path: Path
    sounds: tuple[Path, ...]
    heard: tuple[Heard, ...] = ()
    gain: float | None = None
    loudness: float | None = None


class SoundtrackInTheMaking:
    """Takes stretches in story order; `finished` closes it."""

    def __init__(self, ffmpeg: Ffmpeg, encoder: _Encoder, path: Path, gain: float | None) -> None:
        self._ffmpeg = ffmpeg
        self._encoder = encoder
        self._path = path
        self._gain = gain
        self._joiner = Joiner()
        self._heard: list[Heard] = []
        self._seconds = Fraction(0)

    async def add(self, segment: Heard | Prepared) -> None:
        """Encode the next stretch, or a whole segment by a hard join. Raises MediaError, also where ffmpeg has failed.

        The last of a stretch waits for the next one, which may come in over it.
        """
        heard = segment if isinstance(segment, Heard) else self._whole(segment)
        self._heard.append(heard)
        await _feed(self._encoder.feed, self._joiner.add(heard))

    async def finished(self) -> Soundtrack:
        """Close the file. Raises MediaError."""
        heard, came_to = tuple(self._heard), None
        if self._gain is None or not heard:
            await self._closed()
        else:
            # What is measured of the stretches as they came need not wait for their encoding.
            async with beside(loudness_heard(self._ffmpeg, heard)) as measuring:
                fed, loudness = await self._closed(), await measuring
            came_to = await _corrected(
                self._ffmpeg, lambda: joined(heard), self._path, self._gain, loudness, fed, self._encoder.outcome
            )
        return Soundtrack(self._path, tuple(one.sound for one in heard), heard, self._gain, came_to)

    async def _closed(self) -> _Fed:
        await _feed(self._encoder.feed, self._joiner.end())
        fed = _Fed(self._joiner.written, self._joiner.peak)
        await self._encoder.feed.finish(fed.patience)
        return fed

    def _whole(self, segment: Prepared) -> Heard:
        begin = samples_of(self._seconds)
        self._seconds += segment.probe.seconds
        return Heard(segment.sound, 0, samples_of(self._seconds) - begin)


@asynccontextmanager
async def soundtrack(ffmpeg: Ffmpeg, folder: Path, gain: float | None = None) -> AsyncIterator[SoundtrackInTheMaking]:
    """Make a soundtrack in `folder`, an existing one; on leaving early its ffmpeg is killed.

    With a `gain` (dB, 0 included) its true peaks stay below the ceiling.
    """
    async with _encoder(ffmpeg, folder, _Setting(gain)) as encoder:
        yield SoundtrackInTheMaking(ffmpeg, encoder, folder / _NAME, gain)


async def soundtrack_of(
    ffmpeg: Ffmpeg, segments: Sequence[Heard | Prepared], folder: Path, gain: float | None = None
) -> Soundtrack:
    """The soundtrack of stretches, or whole segments, that are all here. Raises MediaError."""
    async with soundtrack(ffmpeg, folder, gain) as making:
        for segment in segments:
            await making.add(segment)
        return await making.finished()


async def settled(
    ffmpeg: Ffmpeg, heard: Sequence[Heard], folder: Path, gain: float | None, early: Soundtrack | None
) -> Soundtrack:
    """`early` itself where it is the soundtrack of just these stretches with this gain, else another in `folder`.

    What was encoded before the last segment came had to guess at its gain. Either way the bytes are the same.
    """
    if early is not None and (early.heard, early.gain) == (tuple(heard), gain):
        return early
    return await soundtrack_of(ffmpeg, heard, folder, gain)


async def encoded(
    ffmpeg: Ffmpeg,
    samples: Callable[[], Iterator[NDArray[np.float64]]],
    folder: Path,
    gain: float | None,
    loudness: float,
) -> tuple[Path, float | None]:
    """Encode the samples (n by 2) that `samples` begins anew each time it is called; the MP4 in `folder`.

    `loudness` is theirs, in LUFS, before the gain; with one, what it came to is told as well. Raises MediaError.
    """
    path, came_to = folder / _NAME, None
    async with _encoder(ffmpeg, folder, _Setting(gain)) as encoder:
        fed = await _encode(encoder, samples())
        if gain is not None:
            came_to = await _corrected(ffmpeg, samples, path, gain, loudness, fed, encoder.outcome)
    return path, came_to


@dataclass(frozen=True, slots=True)
class _Fed:
    """How many samples an encoder was fed, and the largest of them."""

    samples: int
    peak: float

    @property
    def seconds(self) -> Fraction:
        return Fraction(self.samples, SOUND_RATE)

    @property
    def patience(self) -> float:
        return patience(self.seconds)


@dataclass(frozen=True, slots=True)
class _Setting:
    """Gain in dB, or None for neither gain nor limiter, and where the limiter begins, in dBTP."""

    gain: float | None
    limit: float = CEILING - _HEADROOM


async def _encode(encoder: _Encoder, chunks: Iterator[NDArray[np.float64]]) -> _Fed:
    samples, peak = 0, 0.0
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        samples, peak = samples + len(chunk), max(peak, float(np.abs(chunk).max()))
        await encoder.feed.write(_bytes(chunk))
    fed = _Fed(samples, peak)
    await encoder.feed.finish(fed.patience)
    return fed


async def _corrected(
    ffmpeg: Ffmpeg,
    samples: Callable[[], Iterator[NDArray[np.float64]]],
    path: Path,
    gain: float,
    loudness: float,
    fed: _Fed,
    outcome: Callable[[Fraction], Awaitable[Outcome]],
) -> float:
    """Encode again what passes the ceiling, or lost loudness to the limiter; as often as needed, and no more.

    `outcome` tells what came of the first encoding. What came of the last is returned, in LUFS.
    """
    if fed.peak * 10 ** (gain / 20) < 10 ** ((CEILING - _FAR_BELOW) / 20):
        return loudness + gain  # the limiter had nothing to do
    drive, limit, lacked = 0.0, CEILING - _HEADROOM, math.inf
    found = await outcome(fed.seconds)
    for attempt in range(_CORRECTIONS):
        over, lacks = found.peak - CEILING, loudness + gain - found.loudness
        before = (drive, limit)
        if lacks >= lacked - _MARGIN:
            drive = 0.0  # more gain was all taken by the limiter
        elif lacks > _LACKING and attempt < _DRIVES:
            drive, lacked = min(_MOST_DRIVE, drive + _DRIVE * lacks), lacks
        if over > 0:
            limit -= over + _MARGIN
        if (drive, limit) == before:
            break
        async with _encoder(ffmpeg, path.parent, _Setting(gain + drive, limit)) as encoder:
            await _encode(encoder, samples())
            found = await encoder.outcome(fed.seconds)
    return found.loudness


async def _feed(feed: Feed, chunks: Iterator[NDArray[np.float64]]) -> None:
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        await feed.write(_bytes(chunk))


def _bytes(samples: NDArray[np.float64]) -> bytes:
    return samples.astype("<f4").tobytes()


@dataclass(frozen=True, slots=True)
class _Encoder:
    """An encoder that waits for samples; with a gain, a meter listens to what it makes of them."""

    feed: Feed
    meter: Meter | None = None

    async def outcome(self, seconds: Fraction) -> Outcome:
        """What came of it, once it has ended."""
        assert self.meter is not None
        return await self.meter.outcome(seconds)


@asynccontextmanager
async def _encoder(ffmpeg: Ffmpeg, folder: Path, setting: _Setting) -> AsyncIterator[_Encoder]:
    read = ["-y", "-f", "f32le", "-ar", str(SOUND_RATE), "-ac", "2", "-i", "pipe:0"]
    coded = [part for option, value in (_AAC | PLAIN).items() for part in (f"-{option}", str(value))]
    if setting.gain is None:
        argv = [*read, *coded, "-movie_timescale", str(SOUND_RATE), "-f", "mp4", _NAME]
        async with fed_ffmpeg(ffmpeg, argv, cwd=folder) as feed:
            yield _Encoder(feed)
        return
    both = f"[f=mp4:fflags=+bitexact:movie_timescale={SOUND_RATE}]{_NAME}|[f=adts:fflags=+bitexact]pipe\\:1"
    # An MP4 wants the coder's settings apart from its packets, and `tee` does not ask for that by itself.
    written = ["-flags", "+bitexact+global_header", "-map", "0:a", "-f", "tee", both]
    argv = [*read, "-af", _louder(setting.gain, setting.limit), *coded, *written]
    with ExitStack() as pipe:
        heard, said = os.pipe()
        pipe.callback(os.close, heard)
        pipe.callback(os.close, said)
        async with (
            metered(ffmpeg, heard, folder) as meter,
            fed_ffmpeg(ffmpeg, argv, cwd=folder, stdout=said) as feed,
        ):
            pipe.close()  # each end belongs to one of them now; a meter hears the end only when nobody else can write
            yield _Encoder(feed, meter)


def _louder(gain: float, limit: float) -> str:
    """Gain, and a limiter that sees the peaks between the samples as well.

    It hands its sound on later by as much as it looks ahead, less one sample; that is put back.
    """
    late = _OVERSAMPLED * _LOOKAHEAD // 1000 - 1
    limiter = f"limit={10 ** (limit / 20):.6f}:attack={_LOOKAHEAD}:release={_RELEASE}:level=0"
    return ",".join(
        (
            f"volume={gain:.2f}dB:precision=float",
            f"aresample={_OVERSAMPLED}",
            f"apad=pad_len={late}",
            f"alimiter={limiter}",
            f"atrim=start_sample={late}",
            "asetpts=N/SR/TB",
            f"aresample={SOUND_RATE}",
        )
    )
