"""How loud sounds are: measured once a segment, then a film's loudness is a sum over what is heard of each.

Loudness is ITU-R BS.1770's, in LUFS: what EBU R 128, streaming services and ffmpeg's ebur128 filter go by. Kept are the
powers of blocks of 100 ms after its frequency weighting, four of which make one of its gating blocks of 400 ms; so the
film need not be measured again when stretches are moved or added. What became of it is measured on finished sound.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ffmpeg as build
import numpy as np

from storychain.errors import MediaError
from storychain.media.aside import folder_aside, give_name
from storychain.media.recipes import SOUND_RATE, patience
from storychain.media.sound.join import CHANNELS, length_of
from storychain.media.sound.stretch import starts_of
from storychain.media.tool import Feed, fed_ffmpeg, run_ffmpeg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from fractions import Fraction
    from pathlib import Path

    from ffmpeg.nodes import FilterableStream, OutputStream
    from numpy.typing import NDArray

    from storychain.media.sound.stretch import Heard
    from storychain.media.tool import Ffmpeg

BLOCK = SOUND_RATE // 10
"""Samples of a block."""

STEP = 0.5
"""Gains come in steps of so many dB: finer is not heard, and a step seldom changes with the last segment."""

MOST_GAIN = 20.0
"""dB of gain at most: what is so quiet is meant to be, and its noise is not."""

_SHELF = (1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585)
_HIGH_PASS = (1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621)
"""The standard's two filters at 48 kHz: b0, b1, b2, a1, a2 (a0 is 1)."""

_OFFSET = -0.691
_ABSOLUTE_GATE = -70.0
_RELATIVE_GATE = -10.0
_WINDOW = 4

_RECIPE = 1
"""Counts up when measurements are kept differently."""

_BLOCKS, _METER = "blocks.txt", "meter.txt"


@dataclass(frozen=True, slots=True)
class Loudness:
    """Weighted powers (mean squares, both channels summed; full scale 1) of a sound's blocks of 100 ms.

    The last block is as long as is left of the sound's `samples`.
    """

    samples: int
    powers: tuple[float, ...]


async def loudness_of(ffmpeg: Ffmpeg, sound: Path) -> Loudness:
    """Measure a WAV of 48 kHz stereo, 0.05 s for 8 s; kept beside it, and good while its bytes are the same.

    Raises MediaError.
    """
    samples, mark = await asyncio.to_thread(_identity, sound)
    kept = sound.with_name(f"{sound.name}.loudness.json")
    known = await asyncio.to_thread(_recall, kept, samples, mark)
    if known is not None:
        return known
    with folder_aside(sound.parent) as aside:
        stream = build.input(str(sound.absolute()), f="wav")["a:0"]
        argv = [str(arg) for arg in measured(stream).get_args()]
        await run_ffmpeg(ffmpeg, argv, timeout=_patience(samples), cwd=aside, where=str(sound))
        found = await asyncio.to_thread(measurement, aside, samples)
        record = {"recipe": _RECIPE, "sha256": mark, "samples": samples, "powers": found.powers}
        (aside / "kept.json").write_text(json.dumps(record) + "\n", encoding="ascii")
        await asyncio.to_thread(give_name, aside / "kept.json", kept)
    return found


def measured(stream: FilterableStream) -> OutputStream:
    """An output that measures a stream of 48 kHz stereo; ffmpeg leaves its blocks in the folder it runs in."""
    names = ("b0", "b1", "b2", "a1", "a2")
    stream = stream.filter("aformat", sample_fmts="dblp")
    for weights in (_SHELF, _HIGH_PASS):
        stream = stream.filter("biquad", a0=1, **dict(zip(names, weights, strict=True)))
    only_power = {"metadata": 1, "reset": 1, "measure_perchannel": "RMS_level", "measure_overall": "none"}
    return (
        stream.filter("asetnsamples", n=BLOCK, p=0)
        .filter("astats", **only_power)
        .filter("ametadata", mode="print", file=_BLOCKS)
        .output("-", f="null")
    )


def measurement(folder: Path, samples: int) -> Loudness:
    """What the output `measured` left in a folder. Raises MediaError."""
    told = re.findall(r"astats\.\d\.RMS_level=(\S+)", (folder / _BLOCKS).read_text(encoding="ascii"))
    powers = np.array([_power(level) for level in told]).reshape(-1, CHANNELS).sum(axis=1)
    if len(powers) != -(-samples // BLOCK):
        raise MediaError(f"{len(powers)} blocks of {samples} samples of sound could be measured", where=str(folder))
    return Loudness(samples, tuple(float(power) for power in powers))


def _power(level: str) -> float:
    decibels = float(level)  # float knows -inf
    return 10 ** (decibels / 10) if math.isfinite(decibels) else 0.0


def blocks_of(heard: Sequence[Heard], loudness: Sequence[Loudness]) -> NDArray[np.float64]:
    """Weighted powers of the film's blocks of 100 ms, from those of the sounds it takes stretches of."""
    places = starts_of(heard)
    bounds = np.append(np.arange(0, places[-1], BLOCK), places[-1])
    energies = np.zeros(max(0, len(bounds) - 1))
    for number, (one, told) in enumerate(zip(heard, loudness, strict=True)):
        ends = np.minimum(np.arange(len(told.powers) + 1) * BLOCK, told.samples)
        grown = 10 ** (one.gain / 10) * np.append(0.0, np.cumsum(np.array(told.powers) * np.diff(ends)))
        begin, end = places[number], places[number] + one.samples
        within = np.clip(bounds, begin, end) - begin + one.begin
        over = heard[number + 1].overlap if number + 1 < len(heard) else 0
        middles = (np.clip(bounds[:-1], begin, end) + np.clip(bounds[1:], begin, end)) / 2
        # The powers of a crossfade add up to one.
        share = _ramp(middles - begin, one.overlap) * _ramp(end - middles, over)
        energies += share * np.diff(np.interp(within, ends, grown))
    return energies / np.maximum(np.diff(bounds), 1)


def _ramp(inside: NDArray[np.float64], over: int) -> NDArray[np.float64]:
    return np.clip(inside / over, 0.0, 1.0) if over else np.ones_like(inside)


def integrated(powers: NDArray[np.float64]) -> float:
    """Loudness in LUFS of a whole, gated as the standard says, from the powers of its blocks; -inf of silence."""
    if not len(powers):
        return -math.inf
    grown = np.append(0.0, np.cumsum(powers))
    window = min(_WINDOW, len(powers))
    gating = (grown[window:] - grown[:-window]) / window
    heard = gating[gating > _power_of(_ABSOLUTE_GATE)]
    if not len(heard):
        return -math.inf
    gate = _power_of(lufs(heard.mean()) + _RELATIVE_GATE)
    return lufs(heard[heard > gate].mean())


def lufs(power: float) -> float:
    """Loudness of a weighted power, ungated; -inf of none."""
    return _OFFSET + 10 * math.log10(power) if power > 0 else -math.inf


def _power_of(loudness: float) -> float:
    return float(10 ** ((loudness - _OFFSET) / 10))


def gain_of(loudness: float, target: float | None) -> float | None:
    """dB that bring `loudness` to `target` (LUFS), in whole steps; silence stays as it is. None where none is asked."""
    if target is None:
        return None
    if loudness == -math.inf:
        return 0.0
    return min(MOST_GAIN, round((target - loudness) / STEP) * STEP)


async def gain_for(ffmpeg: Ffmpeg, heard: Sequence[Heard], target: float | None) -> float | None:
    """The gain that brings these stretches, joined, to `target`. Raises MediaError."""
    return None if target is None else gain_of(await loudness_heard(ffmpeg, heard), target)


async def loudness_heard(ffmpeg: Ffmpeg, heard: Sequence[Heard]) -> float:
    """Loudness in LUFS of these stretches, joined. Raises MediaError."""
    return integrated(blocks_of(heard, [await loudness_of(ffmpeg, one.sound) for one in heard]))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished sound came to: its loudness in LUFS and its largest true peak in dBTP."""

    loudness: float
    peak: float


class Meter:
    """A meter that listens to a sound while it is encoded."""

    def __init__(self, feed: Feed, told: Path) -> None:
        self._feed = feed
        self._told = told

    async def outcome(self, seconds: Fraction) -> Outcome:
        """What the sound, of that length, came to, once its encoder has ended. Raises MediaError."""
        await self._feed.finish(patience(seconds))
        told = await asyncio.to_thread(self._told.read_text, encoding="ascii")
        loudness, peaks = re.findall(r"r128\.I=(\S+)", told), re.findall(r"true_peaks_ch\d=(\S+)", told)
        if not loudness or not peaks:
            raise MediaError("its loudness could not be measured", where=str(self._told))
        return Outcome(float(loudness[-1]), 20 * math.log10(max(1e-6, *(float(peak) for peak in peaks))))


@asynccontextmanager
async def metered(ffmpeg: Ffmpeg, adts: int, folder: Path) -> AsyncIterator[Meter]:
    """Measure AAC as players decode it, by ffmpeg's own meter, as it comes out of the pipe `adts`, and in `folder`.

    It takes 0.3 s for 40 s, which nobody has to wait for.
    """
    meter = (
        # It tells at every full 100 ms; silence makes the last of them full.
        build.input("pipe:0", f="aac")["a:0"]
        .filter("apad", pad_len=2 * BLOCK)
        .filter("ebur128", peak="true", metadata=1)
        .filter("ametadata", mode="print", file=_METER)
        .output("-", f="null")
    )
    argv = [str(arg) for arg in meter.get_args()]
    async with fed_ffmpeg(ffmpeg, argv, cwd=folder, stdin=adts) as feed:
        yield Meter(feed, folder / _METER)


def _identity(sound: Path) -> tuple[int, str]:
    samples = length_of(sound)
    with sound.open("rb") as file:
        return samples, hashlib.file_digest(file, "sha256").hexdigest()


def _recall(kept: Path, samples: int, mark: str) -> Loudness | None:
    try:
        record: dict[str, Any] = json.loads(kept.read_text(encoding="ascii"))
        powers = tuple(float(power) for power in record["powers"])
        told = (record["recipe"], record["sha256"], record["samples"], len(powers))
        return Loudness(samples, powers) if told == (_RECIPE, mark, samples, -(-samples // BLOCK)) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # whatever is wrong with it, it is measured anew


def _patience(samples: int) -> float:
    return 120 + 60 * samples / SOUND_RATE
