"""How much changes from one small frame to the next: the plain measures that seams and segments are judged by.

Pure functions of arrays; no file is opened here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLACK = 20.0
"""Levels (of 255) that nothing in a black frame is brighter than, but for a thousandth of it. Nights have lights."""


def top(shown: NDArray[np.float32]) -> float:
    """Level that a thousandth of a frame is brighter than."""
    flat = shown.ravel()
    place = len(flat) - 1 - len(flat) // 1000
    return float(np.partition(flat, place)[place])


def is_black(shown: NDArray[np.float32]) -> bool:
    """Whether nothing can be seen in a frame (levels)."""
    return top(shown) <= BLACK


def moved(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Mean change of a pixel in levels, once the change in overall brightness is taken away."""
    step = other - one
    return float(np.abs(step - step.mean()).mean())


def standardised(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """One row a frame, its mean taken away and its deviation made 1: brightness and contrast no longer count."""
    rows = frames.reshape(len(frames), -1)
    rows = rows - rows.mean(1, keepdims=True)
    return np.asarray(rows / np.maximum(rows.std(1, keepdims=True), 1.0), np.float32)


def apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean squared difference of each pair of standardised rows: 0 (alike) to 2 (nothing in common) and beyond."""
    return np.asarray(((one - other) ** 2).mean(-1), np.float32)


def sharpness(shown: NDArray[np.float32]) -> float:
    """Variance of the Laplacian of a frame's luma, in levels squared: the finest detail there is."""
    laplacian = shown[1:-1, :-2] + shown[1:-1, 2:] + shown[:-2, 1:-1] + shown[2:, 1:-1] - 4 * shown[1:-1, 1:-1]
    return float(laplacian.var())
