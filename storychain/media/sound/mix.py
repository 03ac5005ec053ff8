"""Mixing: the scenes' own sound, music under it and narration over it, brought to one loudness and encoded.

All positions are samples of the film at 48 kHz. Who says what, and when, is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import ffmpeg as build
import numpy as np

from storychain.errors import MediaError
from storychain.media.aside import folder_aside, need_space
from storychain.media.recipes import SOUND_RATE, patience
from storychain.media.sound.intake import taken_in
from storychain.media.sound.join import CHANNELS, joined, read
from storychain.media.sound.loudness import (
    BLOCK,
    MOST_GAIN,
    blocks_of,
    gain_of,
    integrated,
    loudness_of,
    lufs,
    measured,
    measurement,
)
from storychain.media.sound.stretch import Heard, starts_of
from storychain.media.soundtrack import Soundtrack, encoded
from storychain.media.tool import fed_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from storychain.media.sound.loudness import Loudness
    from storychain.media.tool import Ffmpeg

    Samples = NDArray[np.float64]

NARRATION = -16.0
"""LUFS of every narration before the whole is brought to its target: programs that speak differ by 10 LU and more."""

_APART = 12.0
"""LU that the scenes' own sound lies under the narration at least, for words to be understood over anything."""

_LEAST_LOWERED, _MOST_LOWERED = 6.0, 24.0
"""dB by which the scenes' own sound is lowered under narration: to be noticed as making way, not as gone."""

_BEFORE, _AFTER = SOUND_RATE * 25 // 100, SOUND_RATE // 2
"""Samples in which it is lowered before the first word and comes back after the last."""

_PAUSE = SOUND_RATE * 3 // 2
"""Samples of pause between two narrations over which it stays down: it would seem to pant."""

_SOFT = SOUND_RATE // 200
"""Samples over which a narration begins and ends."""

_DUCK = {"threshold": 0.03, "ratio": 6, "attack": 20, "release": 500, "knee": 4, "link": "maximum", "detection": "rms"}
"""Music goes down by some 12 dB under narration: speech of -16 LUFS is about 14 dB above the threshold."""

_MOST_HEEDED = 3.0
"""dB by which the scenes' own sound is raised at most for the music to heed it: wind and waves are no words."""

_LOOPED = 2 * SOUND_RATE
"""Samples over which the beginning of looped music comes in over its end."""

_SHORTEST_LOOP = SOUND_RATE // 2

_FED = 5
"""Channels that are fed: scenes and narration mixed, music, and what the music goes down under."""

_CHUNK = 1 << 16
_MIXED = "mixed.f32"


@dataclass(frozen=True, slots=True)
class Music:
    """A file of music under the whole film, looped or cut to its length; `volume` in dB against the file's own.

    `fade_in` and `fade_out` are in seconds. It makes way for narration; with `duck` for the scenes' own sound as well.
    """

    path: Path
    volume: float = -12.0
    fade_in: float = 1.0
    fade_out: float = 3.0
    duck: bool = False


@dataclass(frozen=True, slots=True)
class Voice:
    """A narration that begins at sample `at` of the film; `gain` in dB against the level of all narrations.

    What reaches past the film's end is cut there.
    """

    sound: Path
    at: int
    gain: float = 0.0


@dataclass(frozen=True, slots=True)
class _Said:
    """A narration taken in: samples `begin` to `end` of the film, from a WAV, times `factor`."""

    wav: Path
    begin: int
    end: int
    factor: float


@dataclass(frozen=True, slots=True)
class _Lowered:
    """Samples `begin` to `end` of the film under which the scenes' own sound is lowered by `depth` dB."""

    begin: int
    end: int
    depth: float


async def mix(
    ffmpeg: Ffmpeg,
    heard: Sequence[Heard],
    folder: Path,
    *,
    music: Music | None = None,
    voices: Sequence[Voice] = (),
    target: float | None = None,
) -> Soundtrack:
    """The soundtrack, in `folder`, of stretches with music and narration; about 1 s for 40 s.

    `target` is the loudness of the whole in LUFS; None leaves it as it comes. The same inputs make the same bytes.
    Raises MediaError, also where the music or a narration is no sound.
    """
    total = starts_of(heard)[-1]
    need_space(folder, total * (_FED + CHANNELS) * 4)
    with folder_aside(folder) as aside:
        said = [await _said(ffmpeg, voice, aside / f"voice{n}.wav", total) for n, voice in enumerate(voices)]
        powers = blocks_of(heard, [await loudness_of(ffmpeg, one.sound) for one in heard])
        under = None if music is None else await _under(ffmpeg, music, aside / "music.wav", total, integrated(powers))
        found = await _mixed(ffmpeg, _fed(heard, said, _spans(said, powers), under), aside, total)
        whole = integrated(np.array(found.powers))
        gain = gain_of(whole, target)
        path, came_to = await encoded(ffmpeg, lambda: _floats(aside / _MIXED), folder, gain, whole)
    return Soundtrack(path, tuple(one.sound for one in heard), tuple(heard), gain, came_to)


@dataclass(frozen=True, slots=True)
class _Under:
    """Music taken in: the stretches that make up the film's length, and how it goes.

    The scenes' own sound times `heeded` makes it go down, as if it were narration.
    """

    music: Music
    looped: tuple[Heard, ...]
    heeded: float


async def _said(ffmpeg: Ffmpeg, voice: Voice, wav: Path, total: int) -> _Said:
    if not 0 <= voice.at < total:
        what = f"this narration would begin at {voice.at / SOUND_RATE:.3f} s of a film of {total / SOUND_RATE:.3f} s"
        raise MediaError(what, where=str(voice.sound))
    samples = await taken_in(ffmpeg, voice.sound, wav, most=Fraction(total - voice.at, SOUND_RATE))
    level = integrated(np.array((await loudness_of(ffmpeg, wav)).powers))
    return _Said(wav, voice.at, voice.at + samples, _as_narration(level) * 10 ** (voice.gain / 20))


def _as_narration(level: float, most: float = MOST_GAIN) -> float:
    """The factor that brings a sound of `level` LUFS to the level of narrations, by `most` dB more at the most."""
    return 1.0 if level == -math.inf else float(10 ** (min(most, NARRATION - level) / 20))


async def _under(ffmpeg: Ffmpeg, music: Music, wav: Path, total: int, scenes: float) -> _Under:
    samples = await taken_in(ffmpeg, music.path, wav, most=Fraction(total, SOUND_RATE), gain=music.volume)
    if samples < min(_SHORTEST_LOOP, total):
        what = f"this music lasts {samples / SOUND_RATE:.2f} s, too short to be played again and again"
        raise MediaError(what, where=str(music.path), next_step="Give music of half a second at least.")
    return _Under(
        music, tuple(_looped(wav, samples, total)), _as_narration(scenes, _MOST_HEEDED) if music.duck else 0.0
    )


def _looped(wav: Path, samples: int, total: int) -> list[Heard]:
    """The stretches of a WAV that make up `total` samples, each coming in over the end of the one before."""
    if samples >= total:
        return [Heard(wav, 0, total)]
    heard, rest = [Heard(wav, 0, samples)], total - samples
    over = min(_LOOPED, samples // 4)
    while rest > 0:
        again = min(samples - over, rest)
        heard.append(Heard(wav, 0, again + min(over, again), min(over, again)))
        rest -= again
    return heard


def _spans(said: Sequence[_Said], powers: Samples) -> list[_Lowered]:
    """Where the scenes' own sound is lowered, and by how much: the louder it is there, the more."""
    spans: list[_Lowered] = []
    for one in sorted(said, key=lambda one: (one.begin, one.end)):
        beneath = lufs(powers[one.begin // BLOCK : -(-one.end // BLOCK)].mean())
        depth = min(_MOST_LOWERED, max(_LEAST_LOWERED, beneath - (NARRATION - _APART)))
        if spans and one.begin - spans[-1].end < _PAUSE:
            last = spans.pop()
            spans.append(_Lowered(last.begin, max(last.end, one.end), max(last.depth, depth)))
        else:
            spans.append(_Lowered(one.begin, one.end, depth))
    return spans


def _fed(
    heard: Sequence[Heard], said: Sequence[_Said], lowered: Sequence[_Lowered], under: _Under | None
) -> Iterator[Samples]:
    """What ffmpeg is fed, a row a sample: the mixed scenes and narration, the music, what the music goes down under."""
    total, place = starts_of(heard)[-1], 0
    played = _in_step(joined(under.looped)) if under is not None else None
    if played is not None:
        next(played)
    for scene in joined(heard):
        count = len(scene)
        spoken = _spoken(said, place, count)
        row = np.zeros((count, _FED))
        row[:, :2] = scene * _making_way(lowered, place, count) + spoken
        if under is not None and played is not None:
            row[:, 2:4] = played.send(count) * _faded(under.music, place, count, total)
            row[:, 4] = (spoken + under.heeded * scene).mean(axis=1)
        yield row
        place += count


def _in_step(chunks: Iterator[Samples]) -> Generator[Samples, int, None]:
    """Hands on as many samples as it is sent for."""
    held = np.zeros((0, CHANNELS))
    wanted = yield held
    while True:
        while len(held) < wanted:
            held = np.concatenate([held, next(chunks)])
        given, held = held[:wanted], held[wanted:]
        wanted = yield given


def _spoken(said: Sequence[_Said], place: int, count: int) -> Samples:
    """The narrations' samples from `place` of the film on."""
    sound = np.zeros((count, CHANNELS))
    for one in said:
        begin, end = max(place, one.begin), min(place + count, one.end)
        if begin < end:
            whole = Heard(one.wav, 0, one.end - one.begin)
            at = np.arange(begin, end)[:, None]
            soft = np.clip(np.minimum(at - one.begin, one.end - 1 - at) / _SOFT, 0, 1)
            sound[begin - place : end - place] += one.factor * soft * read(whole, begin - one.begin, end - begin)
    return sound


def _making_way(lowered: Sequence[_Lowered], place: int, count: int) -> Samples:
    """Factors of the scenes' own sound from `place` on."""
    depth = np.zeros((count, 1))
    at = np.arange(place, place + count)[:, None]
    for span in lowered:
        if span.begin - _BEFORE < place + count and place < span.end + _AFTER:
            inside = np.minimum((at - span.begin + _BEFORE) / _BEFORE, (span.end + _AFTER - at) / _AFTER)
            depth = np.maximum(depth, span.depth * _smooth(inside))
    return 10 ** (-depth / 20)


def _faded(music: Music, place: int, count: int, total: int) -> Samples:
    """Factors of the music from `place` on: fades of at most half the film each."""
    at: Samples = np.arange(place, place + count, dtype=np.float64)[:, None] + 0.5
    factors = np.ones((count, 1))
    for seconds, inside in ((music.fade_in, at), (music.fade_out, total - at)):
        length = float(min(seconds * SOUND_RATE, total / 2))
        if length > 0:
            factors *= _smooth(inside / length)
    return factors


def _smooth(share: Samples) -> Samples:
    return cast("Samples", np.sin(np.pi / 2 * np.clip(share, 0, 1)) ** 2)


async def _mixed(ffmpeg: Ffmpeg, rows: Iterator[Samples], folder: Path, total: int) -> Loudness:
    """Write the mix as raw floats into `folder`, and measure it on the way."""
    fed = build.input("pipe:0", f="f32le", ar=SOUND_RATE, ac=_FED).asplit()
    picked = (("0-FL|1-FR"), ("2-FL|3-FR"), ("4-FL|4-FR"))
    scenes, music, over = (
        fed[place].filter("channelmap", map=channels, channel_layout="stereo") for place, channels in enumerate(picked)
    )
    ducked = build.filter([music, over], "sidechaincompress", **_DUCK)
    whole = build.filter([scenes, ducked], "amix", inputs=2, normalize=0, duration="first").asplit()
    outputs = build.merge_outputs(whole[0].output(_MIXED, f="f32le"), measured(whole[1]))
    argv = [str(arg) for arg in outputs.get_args()]
    async with fed_ffmpeg(ffmpeg, argv, cwd=folder) as feed:
        while (row := await asyncio.to_thread(next, rows, None)) is not None:
            await feed.write(row.astype("<f4").tobytes())
        await feed.finish(patience(Fraction(total, SOUND_RATE)))
    made = (folder / _MIXED).stat().st_size // (4 * CHANNELS)
    if made != total:
        raise MediaError(f"mixing gave {made} samples of {total}", where=str(folder))
    return measurement(folder, total)


def _floats(raw: Path) -> Iterator[Samples]:
    with raw.open("rb") as file:
        while chunk := file.read(_CHUNK * CHANNELS * 4):
            yield np.frombuffer(chunk, "<f4").reshape(-1, CHANNELS).astype(np.float64)
