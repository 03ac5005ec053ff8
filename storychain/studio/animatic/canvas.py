"""What painters share: the frame, a plate and its motion, colours as arrays. Paints nothing by itself.

A plate is straight RGBA, rows x columns x 4, uint8. Soft plates are painted small and enlarged by whoever shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from storychain.studio.animatic.look import Colour

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Plate:
    """A painted layer and how it moves: shown at `width` x `height`, starting at `x`, `y`.

    It moves `pan` pixels a frame to the left and `fall` down; with `every` it repeats after that many pixels of fall.
    """

    pixels: Pixels
    width: int
    height: int
    x: int = 0
    y: int = 0
    pan: float = 0.0
    fall: float = 0.0
    every: int = 0


@dataclass(frozen=True, slots=True)
class Stage:
    """The frame that is painted: its size in pixels and how many frames (at 24 a second) layers move for."""

    width: int
    height: int
    frames: int

    @property
    def unit(self) -> float:
        """Length of one pixel of a 720-line picture."""
        return min(self.width, self.height) / 720

    def travel(self, pan: float) -> int:
        """How much wider than the frame a layer must be that moves `pan` units a frame."""
        return even(self.frames * pan * self.unit) + 4


def colour(of: Colour) -> Floats:
    """A colour to calculate with."""
    return np.asarray(of, np.float32)


def mixed(first: Colour, second: Colour, part: float) -> Colour:
    """`first` with `part` of `second` in it."""
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(first, second, strict=True))
    return red, green, blue


def blend(first: Floats, second: Floats, part: Floats | float) -> Floats:
    """`first` with `part` of `second` in it, for arrays."""
    return np.asarray(first + (second - first) * np.asarray(part, np.float32), np.float32)


def smooth(part: Floats) -> Floats:
    """0 to 1 without corners at the ends."""
    return np.asarray(part * part * (3 - 2 * part), np.float32)


def rgba(picture: Floats, alpha: Floats | float) -> Pixels:
    """Colours (… x 3) and opacities (0 to 255) as pixels."""
    pixels = np.empty((*picture.shape[:-1], 4), np.uint8)
    pixels[..., :3] = np.clip(picture, 0, 255)
    pixels[..., 3] = np.clip(alpha, 0, 255)
    return pixels


def tinted(of: Colour, alpha: Pixels | Floats) -> Pixels:
    """One colour in many opacities."""
    pixels = np.empty((*alpha.shape, 4), np.uint8)
    pixels[..., :3] = of
    pixels[..., 3] = np.clip(alpha, 0, 255)
    return pixels


def even(length: float) -> int:
    """The even number at or below `length`."""
    return int(length) // 2 * 2
