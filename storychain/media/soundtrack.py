"""The sound of a film, encoded once and as its segments come in, so that little is left to do after the last one.

Which samples it has is decided in the `sound` package. What is encoded here depends on those and the gain alone, not on
when or in which pieces they came.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from storychain.media.recipes import PLAIN, SOUND_RATE, patience, samples_of
from storychain.media.sound.join import Joiner, joined
from storychain.media.sound.loudness import true_peak
from storychain.media.sound.stretch import Heard
from storychain.media.tool import Feed, fed_ffmpeg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
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

_ATTEMPTS = 4

_FAR_BELOW = 6.0
"""dB below the ceiling from where no peak between two samples, or of the encoder's making, reaches it."""

_OVERSAMPLED = 4 * SOUND_RATE
_LOOKAHEAD, _RELEASE = 5, 50
"""Milliseconds: short enough not to be heard as a dip, long enough not to be heard as distortion."""

_NAME = "sound.mp4"


@dataclass(frozen=True, slots=True)
class Soundtrack:
    """A film's finished sound, an MP4 with AAC; the WAVs it was made of, which stretches of them, and the gain in dB.

    Where `gain` is None the sound is as loud as it came, and not limited.
    """

    path: Path
    sounds: tuple[Path, ...]
    heard: tuple[Heard, ...] = ()
    gain: float | None = None


class SoundtrackInTheMaking:
    """Takes stretches in story order; `finished` closes it."""

    def __init__(self, ffmpeg: Ffmpeg, feed: Feed, path: Path, gain: float | None) -> None:
        self._ffmpeg = ffmpeg
        self._feed = feed
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
        await _feed(self._feed, self._joiner.add(heard))

    async def finished(self) -> Soundtrack:
        """Close the file. Raises MediaError."""
        await _feed(self._feed, self._joiner.end())
        await self._feed.finish(patience(Fraction(self._joiner.written, SOUND_RATE)))
        heard = tuple(self._heard)
        over = await _over(self._ffmpeg, self._path, self._joiner.written, self._joiner.peak, self._gain)
        if over > 0:
            limit = CEILING - _HEADROOM - over - _MARGIN
            await encoded(self._ffmpeg, lambda: joined(heard), self._path.parent, self._gain, limit=limit)
        return Soundtrack(self._path, tuple(one.sound for one in heard), heard, self._gain)

    def _whole(self, segment: Prepared) -> Heard:
        begin = samples_of(self._seconds)
        self._seconds += segment.probe.seconds
        return Heard(segment.sound, 0, samples_of(self._seconds) - begin)


@asynccontextmanager
async def soundtrack(ffmpeg: Ffmpeg, folder: Path, gain: float | None = None) -> AsyncIterator[SoundtrackInTheMaking]:
    """Make a soundtrack in `folder`, an existing one; on leaving early its ffmpeg is killed.

    With a `gain` (dB, 0 included) its true peaks stay below the ceiling.
    """
    async with _encoder(ffmpeg, folder, gain, CEILING - _HEADROOM) as feed:
        yield SoundtrackInTheMaking(ffmpeg, feed, folder / _NAME, gain)


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
    *,
    limit: float = CEILING - _HEADROOM,
) -> Path:
    """Encode the samples (n by 2) that `samples` begins anew each time it is called; the MP4 in `folder`.

    `limit` is where the limiter begins, in dBTP. Raises MediaError.
    """
    for _ in range(_ATTEMPTS):
        written, peak = 0, 0.0
        async with _encoder(ffmpeg, folder, gain, limit) as feed:
            chunks = samples()
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                written, peak = written + len(chunk), max(peak, float(np.abs(chunk).max()))
                await feed.write(_bytes(chunk))
            await feed.finish(patience(Fraction(written, SOUND_RATE)))
        over = await _over(ffmpeg, folder / _NAME, written, peak, gain)
        if over <= 0:
            break
        limit -= over + _MARGIN
    return folder / _NAME


async def _feed(feed: Feed, chunks: Iterator[NDArray[np.float64]]) -> None:
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        await feed.write(_bytes(chunk))


def _bytes(samples: NDArray[np.float64]) -> bytes:
    return samples.astype("<f4").tobytes()


@asynccontextmanager
async def _encoder(ffmpeg: Ffmpeg, folder: Path, gain: float | None, limit: float) -> AsyncIterator[Feed]:
    source = ["-f", "f32le", "-ar", str(SOUND_RATE), "-ac", "2", "-i", "pipe:0"]
    louder = [] if gain is None else ["-af", _louder(gain, limit)]
    written = [part for option, value in (_AAC | PLAIN).items() for part in (f"-{option}", str(value))]
    argv = ["-y", *source, *louder, *written, "-movie_timescale", str(SOUND_RATE), "-f", "mp4", _NAME]
    async with fed_ffmpeg(ffmpeg, argv, cwd=folder) as feed:
        yield feed


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


async def _over(ffmpeg: Ffmpeg, made: Path, samples: int, peak: float, gain: float | None) -> float:
    """By how many dB a finished sound passes the ceiling; what cannot is not measured."""
    if gain is None or peak * 10 ** (gain / 20) < 10 ** ((CEILING - _FAR_BELOW) / 20):
        return 0.0
    return await true_peak(ffmpeg, made, Fraction(samples, SOUND_RATE)) - CEILING
