"""Lines of the land: seeded heights that are the same wherever one begins to look. Numbers only, no pictures.

Positions are pixels along an endless strip, so the segment that continues another paints on where that one stopped.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(0x9E3779B97F4A7C15))


def chance(seed: int, cells: npt.NDArray[np.int64]) -> Floats:
    """A number in [0, 1) for every cell."""
    value = (cells.astype(np.uint64) + np.uint64(seed % 2**40)) * _MIX[2]
    value = (value ^ (value >> np.uint64(30))) * _MIX[0]
    value = (value ^ (value >> np.uint64(27))) * _MIX[1]
    return ((value >> np.uint64(40)).astype(np.float32)) / np.float32(2**24)


def _noise(seed: int, places: Floats, *, smooth: bool) -> Floats:
    cells = np.floor(places).astype(np.int64)
    part = (places - cells).astype(np.float32)
    if smooth:
        part = part * part * (3 - 2 * part)
    left, right = chance(seed, cells), chance(seed, cells + 1)
    return left + (right - left) * part


def rolling(seed: int, places: npt.NDArray[np.float64], wavelength: float) -> Floats:
    """Soft hills in 0 to 1."""
    parts = (_noise(seed + k, (places * 2**k / wavelength).astype(np.float64), smooth=True) / 2.2**k for k in range(4))
    return np.asarray(sum(parts) / 1.75, dtype=np.float32)


def jagged(seed: int, places: npt.NDArray[np.float64], wavelength: float) -> Floats:
    """Mountain ridges in 0 to 1."""
    total = np.zeros(len(places), dtype=np.float32)
    for k in range(6):
        total += _noise(seed + 11 * k, places * 2**k / wavelength, smooth=False) / np.float32(1.9**k)
    return total / np.float32(2.05)


def dunes(seed: int, places: npt.NDArray[np.float64], wavelength: float) -> Floats:
    """Dunes in 0 to 1: long windward slopes, steep lee sides."""
    cells = np.floor(places / wavelength).astype(np.int64)
    part = (places / wavelength - cells).astype(np.float32)
    height = 0.35 + 0.65 * chance(seed, cells)
    following = 0.35 + 0.65 * chance(seed, cells + 1)
    slope = np.where(part < 0.72, np.sin(part / 0.72 * np.pi / 2) ** 2, np.cos((part - 0.72) / 0.28 * np.pi / 2) ** 2)
    return (0.25 * rolling(seed + 5, places, wavelength * 2) + 0.75 * slope * (height + following) / 2).astype(
        np.float32
    )


def blocks(seed: int, places: npt.NDArray[np.float64], wavelength: float) -> Floats:
    """Roofs of houses in 0 to 1, in streets of uneven plots."""
    warped = places / wavelength + 0.35 * np.floor(
        2 * chance(seed + 3, np.floor(places / wavelength / 3).astype(np.int64))
    )
    plots = np.floor(warped).astype(np.int64)
    part = warped - plots
    base = 0.25 + 0.75 * chance(seed, plots) ** 2
    setback = np.where((part > 0.3) & (part < 0.7) & (chance(seed + 9, plots) > 0.55), 0.12, 0.0)
    return (base + setback).astype(np.float32)


def pines(seed: int, places: npt.NDArray[np.float64], wavelength: float) -> Floats:
    """Tree tops in 0 to 1: pointed crowns with stepped boughs over a soft undergrowth."""
    ground = 0.35 * rolling(seed + 2, places, wavelength * 12)
    crowns = np.zeros(len(places), dtype=np.float32)
    for row, width in enumerate((1.0, 0.73)):
        cells = np.floor(places / (wavelength * width)).astype(np.int64)
        part = (places / (wavelength * width) - cells).astype(np.float32)
        centre = 0.35 + 0.3 * chance(seed + 20 + row, cells)
        tall = 0.25 + 0.5 * chance(seed + 30 + row, cells)
        away = np.abs(part - centre) / 0.36
        boughs = 1 - away - 0.07 * ((away * 6) % 1)
        crowns = np.maximum(crowns, np.clip(boughs, 0, 1) * tall)
    return (ground + crowns).astype(np.float32)
