"""Prepared sounds, measured: loudness as people hear it, silence, and samples driven into the ceiling.

Loudness is that of ITU-R BS.1770: both channels K-weighted, their mean squares added. Files are read in pieces, so
that an hour takes no more memory than a minute. Nothing is changed here.
"""

from __future__ import annotations

import wave
from contextlib import contextmanager
from functools import lru_cache
from math import log10
from typing import TYPE_CHECKING

import numpy as np

from storychain.errors import MediaError
from storychain.media.recipes import SOUND_RATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

FLOOR = -70.0
"""LUFS below which all is silence: BS.1770's absolute gate."""

_SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
_HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
"""The two filters of K-weighting at 48 kHz: numerator and denominator, as the recommendation prints them."""

SETTLE = SOUND_RATE // 10
"""Samples that the filters are given to settle before what is measured; their ringing is 80 dB down by then."""


@contextmanager
def opened(sound: Path) -> Iterator[wave.Wave_read]:
    """A prepared WAV. Raises MediaError where it is something else."""
    try:
        with wave.open(str(sound), "rb") as file:
            if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (2, 2, SOUND_RATE):
                raise MediaError("this sound is not 48 kHz stereo of 16 bits", where=str(sound))
            yield file
    except (OSError, wave.Error, EOFError) as error:
        raise MediaError(f"this sound cannot be read: {error}", where=str(sound)) from error


def samples(sound: Path, begin: int, end: int) -> NDArray[np.int16]:
    """Samples `begin` up to `end` of a prepared WAV, n by 2; fewer where it has no more."""
    with opened(sound) as file:
        total = file.getnframes()
        begin, end = (min(max(0, place), total) for place in (begin, end))
        file.setpos(begin)
        return np.frombuffer(file.readframes(end - begin), "<i2").reshape(-1, 2)


def weighted(heard: NDArray[np.int16]) -> NDArray[np.float64]:
    """K-weighted samples (full scale is 1) of a stretch, n by 2; the first `SETTLE` are still settling."""
    if not len(heard):
        return np.zeros((0, 2))
    size = 1 << (len(heard) + SETTLE - 1).bit_length()
    spectrum = np.fft.rfft(heard.astype(np.float64) / 32_768, size, axis=0)
    return np.asarray(np.fft.irfft(spectrum * _response(size)[:, None], size, axis=0)[: len(heard)])


@lru_cache(maxsize=8)
def _response(size: int) -> NDArray[np.complex128]:
    """What K-weighting does to each frequency of a transform over `size` samples."""
    turn = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    response = np.ones(len(turn), np.complex128)
    for above, below in (_SHELF, _HIGH_PASS):
        response *= np.polyval(above[::-1], turn) / np.polyval(below[::-1], turn)
    return response


def lufs(power: float) -> float:
    """Loudness of a mean square summed over channels, never below `FLOOR`."""
    return max(FLOOR, -0.691 + 10 * log10(power)) if power > 0 else FLOOR


def loudness(sound: Path, begin: int, end: int) -> float:
    """Loudness in LUFS, ungated, of samples `begin` up to `end`; `FLOOR` where there are none."""
    lead = min(SETTLE, begin)
    measured = weighted(samples(sound, begin - lead, end))[lead:]
    return lufs(float((measured**2).mean(0).sum())) if len(measured) else FLOOR
