"""How like small grey frames are, and by how much they have moved: the numbers that a seam is judged by.

Plain arrays in, numbers out. No file is opened here, and nothing is decided.

Coding anew changes every pixel a little; movement changes few of them, but along the picture's edges. So frames are
compared where the film moves (`Views` weighs each pixel by how much it changes from frame to frame), and what lies
between two frames is split into what a shift of small blocks explains and the rest (`moved`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]

_BLOCK = 8
"""Pixels, each way, of the blocks whose shift is looked for."""

_GAIN = (0.8, 1.25)
"""Contrast that is made alike; more would blow up the noise of dark frames."""

_NEAR = 14
"""Frames on both sides of the seam that say where the film moves."""


@dataclass(frozen=True, slots=True)
class Views:
    """Two stretches of film, weighed: n by pixels, and the squared distances between all their frames.

    `across[i, j]` is from frame i of the later to frame j of the earlier, `earlier` and `later` are within each.
    """

    a: Floats
    b: Floats
    across: Floats
    earlier: Floats
    later: Floats


def views(before: Grey, after: Grey, factor: int) -> Views:
    """Weigh two stretches (n by height by width), made smaller by `factor`; brightness and contrast count for nothing.

    A pixel weighs as much as it changes from frame to frame near the seam, so that the noise of what stands still does
    not drown a small thing that moves.
    """
    one, other = _pooled(before, factor), _pooled(after, factor)
    contrast = max(1.0, float(np.median(one.std((1, 2)))))
    a, b = _levelled(one, contrast), _levelled(other, contrast)
    change = _change(a[-_NEAR:]) + _change(b[:_NEAR])
    weight = change / (change + 0.1 * change.max() + 1e-9)
    scale = np.sqrt(weight / max(float(weight.sum()), 1e-9)).astype(np.float32)
    a, b = a * scale, b * scale
    return Views(a, b, _distances(b, a), _distances(a, a), _distances(b, b))


def calmer(before: Grey | Floats, after: Grey | Floats, part: float) -> tuple[Floats, Floats]:
    """Two stretches (n by pixels, unweighed) without the pixels that make up `part` of all that changes near the seam.

    A small thing that flashes outweighs all else there is; what else there is may tell another story.
    """
    one, other = _pooled(before, 2), _pooled(after, 2)
    contrast = max(1.0, float(np.median(one.std((1, 2)))))
    a, b = _levelled(one, contrast), _levelled(other, contrast)
    change = _change(a[-_NEAR:]) + _change(b[:_NEAR])
    order = np.argsort(change)
    kept = order[np.cumsum(change[order]) < (1 - part) * change.sum()]
    return a[:, kept], b[:, kept]


def _pooled(frames: Grey | Floats, factor: int) -> Floats:
    number, height, width = frames.shape
    rows, columns = height // factor, width // factor
    cut = frames[:, : rows * factor, : columns * factor].reshape(number, rows, factor, columns, factor)
    return np.asarray(cut.mean((2, 4), dtype=np.float32), np.float32)


def _levelled(frames: Floats, contrast: float) -> Floats:
    rows = frames.reshape(len(frames), -1)
    rows = rows - rows.mean(1, keepdims=True)
    gain = np.clip(contrast / np.maximum(rows.std(1, keepdims=True), 1.0), *_GAIN)
    return np.asarray(rows * gain, np.float32)


def _change(rows: Floats) -> Floats:
    """How much each pixel changes from frame to frame; one cut among them must not decide alone."""
    if len(rows) < 2:
        return np.zeros(rows.shape[1], np.float32)
    steps = np.diff(rows, axis=0) ** 2
    size = steps.mean(1, keepdims=True)
    most = 4 * np.median(size) + 1e-6
    return np.asarray((steps * np.minimum(1, most / (size + 1e-9))).mean(0), np.float32)


def _distances(one: Floats, other: Floats) -> Floats:
    squares = (one**2).sum(1)[:, None] + (other**2).sum(1)[None] - 2 * (one @ other.T)
    return np.asarray(np.maximum(squares, 0), np.float32)


def along(difference: Floats, motion: Floats) -> float:
    """How many times `motion` is contained in `difference`: 0 for what has nothing to do with it."""
    return float((difference * motion).sum()) / max(float((motion * motion).sum()), 1e-9)


def contained(one: Floats, other: Floats) -> float:
    """Correlation of two movements, -1 (the way back) to 1 (the same again)."""
    size = float(np.sqrt((one * one).sum() * (other * other).sum()))
    return float((one * other).sum()) / max(size, 1e-9)


def apart(one: Grey | Floats, other: Grey | Floats) -> float:
    """Distance of two frames with mean 0 and deviation 1: 0 (equal) to 2, brightness and contrast left out."""
    pair = [frame.astype(np.float32) - np.float32(frame.mean()) for frame in (one, other)]
    pair = [frame / max(float(frame.std()), 1.0) for frame in pair]
    return float(((pair[0] - pair[1]) ** 2).mean())


def moved(one: Floats, other: Floats) -> Floats:
    """Energy (levels squared, summed over pixels) of what lies between frames that shifts of small blocks explain.

    Both are n by height by width (or one frame for all); a number a pair. What shifts would explain by chance is taken
    off, so for mere noise it is about 0, or below.
    """
    difference = other - one
    difference = difference - difference.mean((1, 2), keepdims=True)
    middle = (one + other) * np.float32(0.25)
    down, right = np.zeros_like(middle), np.zeros_like(middle)
    down[:, 1:-1] = middle[:, 2:] - middle[:, :-2]
    right[:, :, 1:-1] = middle[:, :, 2:] - middle[:, :, :-2]
    xx, yy, xy = _blocks(right * right), _blocks(down * down), _blocks(right * down)
    dx, dy, whole = _blocks(difference * right), _blocks(difference * down), _blocks(difference * difference)
    firm = 0.02 * (xx + yy) + 1e-3 * _BLOCK * _BLOCK  # flat blocks shift anywhere
    xx, yy = xx + firm, yy + firm
    explained = np.minimum((dx * dx * yy - 2 * dx * dy * xy + dy * dy * xx) / (xx * yy - xy * xy), whole)
    by_chance = 2 / (_BLOCK * _BLOCK - 2) * (whole - explained)
    return np.asarray((explained - by_chance).sum((1, 2)), np.float32)


def _blocks(pixels: Floats) -> Floats:
    number, rows, columns = len(pixels), pixels.shape[1] // _BLOCK, pixels.shape[2] // _BLOCK
    cut = pixels[:, : rows * _BLOCK, : columns * _BLOCK]
    lines = cut.reshape(number, rows, _BLOCK, columns * _BLOCK).sum(2)
    return np.asarray(lines.reshape(number, rows, columns, _BLOCK).sum(3), np.float32)


def steps(frames: Floats) -> Floats:
    """What has moved from each frame to the next."""
    return moved(frames[:-1], frames[1:])
