"""How a segment sounds: whether there is anything to hear, how loud, and where it was driven into the ceiling.

One pass in pieces of a few seconds; see `hearing` for the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import TYPE_CHECKING

import numpy as np

from storychain.media.looks.hearing import FLOOR, SETTLE, lufs, opened, weighted
from storychain.media.looks.stretches import Stretch, stretches_of
from storychain.media.recipes import SOUND_RATE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

HOP = SOUND_RATE // 10
"""Samples between two measures of loudness."""

_BLOCK = 4
"""Hops in a block of momentary loudness: 400 ms."""

_PIECE = 100 * HOP
"""Samples read at once: ten seconds."""

_QUIET = -60.0
"""Decibels below full scale that nothing in a silence is louder than."""

_LEAST_SILENCE = 10
"""Hops that a silence lasts at least: one second."""

_CEILING = 32_766
"""Samples from here on are at the ceiling."""

_RUN = 3
"""Samples at the ceiling in a row that make clipping; one alone is a peak that just fits."""


@dataclass(frozen=True, slots=True)
class SoundMeasures:
    """How a segment sounds; times in seconds from its beginning.

    - `missing`: nothing but zeros, as where a segment came without a sound track.
    - `silent`: no sample above -60 dB of full scale.
    - `loudness`: integrated, gated, in LUFS (ITU-R BS.1770); -70 for silence.
    - `peak`: highest sample, in dB of full scale; -96 at the least.
    - `silences`: stretches of a second or more below -60 dB, to a tenth of a second; their frames count tenths.
    - `clipped`: share of the samples that lie in runs of three or more at the ceiling, either channel's.
    - `clippings`: where, to a tenth of a second.
    - `course`: loudness of each 400 ms, ten a second, in LUFS, the first of them over the first 400 ms.
    """

    missing: bool
    silent: bool
    loudness: float
    peak: float
    silences: tuple[Stretch, ...]
    clipped: float
    clippings: tuple[Stretch, ...]
    course: tuple[float, ...]


def measure_sound(sound: Path) -> SoundMeasures:
    """Measure a prepared WAV; 60 ms for 8 s. Raises MediaError."""
    power: list[NDArray[np.float64]] = []
    peaks: list[NDArray[np.int64]] = []
    clipped: list[NDArray[np.int64]] = []
    lead = np.zeros((0, 2), np.int16)
    total = 0
    with opened(sound) as file:
        while raw := file.readframes(_PIECE):
            piece = np.frombuffer(raw, "<i2").reshape(-1, 2)
            total += len(piece)
            measured = weighted(np.concatenate([lead, piece]))[len(lead) :]
            hops = np.arange(0, len(piece), HOP)
            whole = len(piece) // HOP * HOP
            power.append((measured[:whole] ** 2).sum(1).reshape(-1, HOP).mean(1))
            peaks.append(np.maximum.reduceat(np.abs(piece.astype(np.int64)).max(1), hops))
            clipped.append(np.add.reduceat(_at_ceiling(piece), hops))
            lead = piece[-SETTLE:]
    loud = np.concatenate(power) if power else np.zeros(0)
    loudest, runs = (np.concatenate(part) if part else np.zeros(0, np.int64) for part in (peaks, clipped))
    peak = float(loudest.max(initial=0))
    quiet = 32_768 * 10 ** (_QUIET / 20)
    blocks = _momentary(loud)
    return SoundMeasures(
        missing=peak == 0,
        silent=peak <= quiet,
        loudness=integrated(blocks),
        peak=max(-96.0, 20 * log10(peak / 32_768)) if peak else -96.0,
        silences=stretches_of([bool(level <= quiet) for level in loudest], 10, _LEAST_SILENCE),
        clipped=float(runs.sum()) / max(1, total),
        clippings=stretches_of([bool(count) for count in runs], 10, 1),
        course=tuple(lufs(float(block)) for block in blocks),
    )


def integrated(blocks: Sequence[float] | NDArray[np.float64]) -> float:
    """Loudness in LUFS of mean squares of overlapping blocks, gated as BS.1770 has it."""
    powers = np.asarray(blocks, np.float64)
    heard = powers[[lufs(float(power)) > FLOOR for power in powers]] if len(powers) else powers
    if not len(heard):
        return FLOOR
    gate = lufs(float(heard.mean())) - 10
    kept = heard[[lufs(float(power)) > gate for power in heard]]
    return lufs(float(kept.mean())) if len(kept) else FLOOR


def _momentary(hops: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean squares of all whole blocks; of what is shorter than one, of what there is."""
    if not len(hops):
        return hops
    length = min(_BLOCK, len(hops))
    return np.convolve(hops, np.full(length, 1 / length), "valid")


def _at_ceiling(piece: NDArray[np.int16]) -> NDArray[np.int64]:
    """Of each sample, 1 where it lies in a run at the ceiling in either channel."""
    found = np.zeros(len(piece), np.int64)
    for channel in piece.T:
        high = np.abs(channel.astype(np.int64)) >= _CEILING
        edges = np.flatnonzero(np.diff(np.concatenate([[False], high, [False]]).astype(np.int8)))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            if end - begin >= _RUN:
                found[begin:end] = 1
    return found
