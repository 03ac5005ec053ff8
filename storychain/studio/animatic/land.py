"""Lines of the land: seeded heights that are the same wherever one begins to look. Numbers only, no pictures.

Positions are pixels of a 720-line picture along an endless strip, so the segment that continues another paints on
where that one stopped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Places = npt.NDArray[np.float64]
_STEP, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

_TIERS = 7


def chance(seed: int, cells: npt.NDArray[np.int64]) -> Floats:
    """A number in [0, 1) for every cell."""
    value = (cells.astype(np.uint64) + np.uint64(seed % 2**40)) * _STEP
    value = (value ^ (value >> np.uint64(30))) * _FIRST
    value = (value ^ (value >> np.uint64(27))) * _SECOND
    return (value >> np.uint64(40)).astype(np.float32) / np.float32(2**24)


def rolling(seed: int, places: Places, wavelength: float) -> Floats:
    """Soft hills in 0 to 1."""
    octaves = [_noise(seed + k, places * 2**k / wavelength) / np.float32(2.4**k) for k in range(3)]
    return np.asarray(sum(octaves) / 1.59, np.float32)


def jagged(seed: int, places: Places, wavelength: float) -> Floats:
    """Mountain ridges in 0 to 1: few high peaks, rough flanks."""
    total = np.zeros(len(places), np.float32)
    for k in range(6):
        noise = _noise(seed + 11 * k, places * 2**k / wavelength, corners=True)
        total += (1 - np.abs(2 * noise - 1)) / np.float32(2.05**k)
    return np.asarray((total / 1.9) ** 1.25, np.float32)


def dunes(seed: int, places: Places, wavelength: float) -> Floats:
    """Dunes in 0 to 1: long windward slopes, steep lee sides."""
    cells, part = _cells(places, wavelength)
    height = 0.7 + 0.6 * (chance(seed, cells) + chance(seed, cells + 1)) / 2
    rise, drop = np.sin(part / 0.72 * np.pi / 2) ** 2, np.cos((part - 0.72) / 0.28 * np.pi / 2) ** 2
    slope = np.where(part < 0.72, rise, drop)
    return np.asarray(0.3 * rolling(seed + 5, places, wavelength * 2) + 0.6 * slope * height, np.float32)


def swell(seed: int, places: Places, wavelength: float) -> Floats:
    """Waves in 0 to 1: sharp crests, round troughs, no two alike."""
    cells, part = _cells(places, wavelength)
    left, right = chance(seed, cells), chance(seed, cells + 1)
    crest = left + (right - left) * part
    return np.asarray((0.35 + 0.65 * crest) * np.abs(2 * part - 1) ** 1.9, np.float32)


def blocks(seed: int, places: Places, wavelength: float) -> Floats:
    """Roofs of houses in 0 to 1, some with a setback or a mast."""
    cells, part = _cells(places, wavelength)
    plots = cells * 2 + (part > 0.35 + 0.3 * chance(seed + 3, cells))
    base = 0.2 + 0.72 * chance(seed, plots) ** 2.2
    middle = np.abs(part - 0.5 + 0.3 * (chance(seed + 4, cells) - 0.5))
    setback = np.where((middle < 0.09) & (chance(seed + 9, plots) > 0.6), 0.08, 0.0)
    mast = np.where((middle < 0.012) & (chance(seed + 13, plots) > 0.8), 0.14, 0.0)
    return np.asarray(base + setback + mast, np.float32)


def pines(seed: int, places: Places, wavelength: float) -> Floats:
    """Tree tops in 0 to 1: firs with tiers of boughs, tall ones over a close row of small ones."""
    crowns = 0.16 + 0.10 * rolling(seed + 2, places, wavelength * 5)
    for row, width in enumerate((1.0, 0.71, 0.43, 0.27)):
        cells, part = _cells(places + 31 * row, wavelength * width)
        away = np.abs(part - 0.42 - 0.16 * chance(seed + 20 + row, cells)) / 0.44 * _TIERS
        tier = np.floor(away)
        # Each tier falls off steeply, then runs out flat into the tip of its bough.
        boughs = 1 - (tier + np.minimum(1, 1.9 * (away - tier)) ** 0.8) / _TIERS
        tall = 0.55 + 0.45 * chance(seed + 30 + row, cells)
        height = 0.12 + 0.88 * np.clip(boughs, 0, 1) ** 1.25 * tall
        crowns = np.maximum(crowns, np.where(boughs > 0, height * np.float32(0.34 + 0.66 * width), 0))
    return np.asarray(crowns, np.float32)


def _cells(places: Places, wavelength: float) -> tuple[npt.NDArray[np.int64], Floats]:
    scaled = places / wavelength
    cells = np.floor(scaled).astype(np.int64)
    return cells, (scaled - cells).astype(np.float32)


def _noise(seed: int, places: Places, *, corners: bool = False) -> Floats:
    cells, part = _cells(places, 1.0)
    if not corners:
        part = part * part * (3 - 2 * part)
    left, right = chance(seed, cells), chance(seed, cells + 1)
    return left + (right - left) * part
