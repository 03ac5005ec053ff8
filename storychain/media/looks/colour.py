"""Colours as people see them: code values to CIE Lab, and how far two colours are apart.

Pure arithmetic on arrays and triples; no file is opened here. Footage of a wide gamut or a high dynamic range is read
as if it were ordinary (BT.709 or sRGB): steps between two segments of one kind come out right in kind, not in size.
"""

from __future__ import annotations

from math import atan2, cos, degrees, exp, hypot, radians, sin, sqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from storychain.media.looks.frames import Coding, Matrix

Lab = tuple[float, float, float]
"""CIE L*a*b* under D65: lightness 0 to 100, green to red, blue to yellow."""

_LUMA_WEIGHTS: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}
"""Shares of red and blue in luma."""

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""From linear red, green and blue (sRGB's primaries, which are BT.709's) to CIE XYZ."""

_WHITE = _TO_XYZ.sum(1)


def mean_lab(planes: NDArray[np.uint8], coding: Coding) -> Lab:
    """Mean colour of small frames (any shape ending in 3 by height by width), taken of the light, not of the codes."""
    codes = np.moveaxis(planes, -3, 0).reshape(3, -1).astype(np.float64)
    light = _linear(_rgb(codes, coding)).mean(1)
    x, y, z = (_bent(float(value)) for value in _TO_XYZ @ light / _WHITE)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _rgb(codes: NDArray[np.float64], coding: Coding) -> NDArray[np.float64]:
    """Red, green and blue from 0 to 1, as the screen is told them."""
    luma = codes[0] / 255 if coding.full_range else (codes[0] - 16) / 219
    blue_off, red_off = (codes[1:] - 128) / (255 if coding.full_range else 224)
    share_red, share_blue = _LUMA_WEIGHTS[coding.matrix]
    red = luma + 2 * (1 - share_red) * red_off
    blue = luma + 2 * (1 - share_blue) * blue_off
    green = (luma - share_red * red - share_blue * blue) / (1 - share_red - share_blue)
    return np.asarray(np.clip(np.stack([red, green, blue]), 0, 1))


def _linear(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4))


def _bent(share: float) -> float:
    """CIE's curve from light to lightness."""
    return share ** (1 / 3) if share > 216 / 24389 else (24389 / 27 * share + 16) / 116


def delta_e(one: Lab, other: Lab) -> float:
    """CIEDE2000: about 1 is the least a trained eye sees side by side, 2.3 what anybody does."""
    a_scale, chroma = _evened(one, other)
    hue1, hue2 = (_hue(lab[1] * a_scale, lab[2]) for lab in (one, other))
    gap = 0.0 if chroma[0] * chroma[1] == 0 else (hue2 - hue1 + 180) % 360 - 180
    hue_step = 2 * sqrt(chroma[0] * chroma[1]) * sin(radians(gap) / 2)
    mean_light, mean_chroma = (one[0] + other[0]) / 2, sum(chroma) / 2
    mean_hue = hue1 + hue2 if chroma[0] * chroma[1] == 0 else _mean_hue(hue1, hue2)
    light_weight = 1 + 0.015 * (mean_light - 50) ** 2 / sqrt(20 + (mean_light - 50) ** 2)
    light = (other[0] - one[0]) / light_weight
    colour = (chroma[1] - chroma[0]) / (1 + 0.045 * mean_chroma)
    hue = hue_step / (1 + 0.015 * mean_chroma * _hue_weight(mean_hue))
    turned = sin(radians(60 * exp(-(((mean_hue - 275) / 25) ** 2)))) * -2 * _saturation(mean_chroma)
    return sqrt(max(0.0, light**2 + colour**2 + hue**2 + turned * colour * hue))


def _evened(one: Lab, other: Lab) -> tuple[float, tuple[float, float]]:
    """How far the red-green axis is stretched near grey, and both chromas with it stretched."""
    mean = (hypot(*one[1:]) + hypot(*other[1:])) / 2
    scale = 1 + 0.5 * (1 - _saturation(mean))
    return scale, (hypot(one[1] * scale, one[2]), hypot(other[1] * scale, other[2]))


def _saturation(chroma: float) -> float:
    return sqrt(chroma**7 / (chroma**7 + 25.0**7))


def _hue(a: float, b: float) -> float:
    return degrees(atan2(b, a)) % 360


def _mean_hue(one: float, other: float) -> float:
    if abs(one - other) <= 180:
        return (one + other) / 2
    return (one + other + 360) / 2 if one + other < 360 else (one + other - 360) / 2


def _hue_weight(hue: float) -> float:
    turns = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    return 1 + sum(share * cos(radians(times * hue + offset)) for share, times, offset in turns)
