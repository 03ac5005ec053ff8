"""Paints what is above and behind: sky, light, stars, water, clouds; and the paper it all is on. Knows no land."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from storychain.studio.animatic.canvas import Floats, Plate, Stage, blend, colour, rgba, smooth
from storychain.studio.animatic.land import chance
from storychain.studio.animatic.look import Look, World
from storychain.studio.animatic.ridges import SEA_LEVEL

_HEAVY = {"storm": 0.95, "fog": 0.7, "day": 0.6, "dawn": 0.6, "dusk": 0.65, "snow": 0.6}
_NO_DISC = {"storm", "fog", "lamp", "deep", "snow"}
_CLOUD_PAN = 0.5
_GRAIN = 3.2


def sky(look: Look, world: World, stage: Stage) -> Plate:
    """The ground layer, opaque and as large as the frame, painted at half size."""
    rows, columns = max(2, stage.height // 2), max(2, stage.width // 2)
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    across = np.linspace(0, 1, columns, dtype=np.float32)[None, :]
    rise = (np.clip(down / 0.66, 0, 1) ** 1.35)[..., None]
    picture = np.repeat(blend(colour(look.palette.zenith), colour(look.palette.horizon), rise), columns, axis=1)
    _light(picture, look, np.hypot((across - look.sun[0]) * stage.width / stage.height, down - look.sun[1]))
    if look.weather == "stars":
        _stars(picture, world.seed, down)
    if look.terrain == "sea":
        _water(picture, look, across, down)
    # A little noise before rounding keeps the soft gradients free of bands.
    picture += np.random.default_rng(world.seed).random((rows, columns, 1), np.float32) * 2.4 - 1.2
    return Plate(rgba(picture, 255.0), stage.width, stage.height)


def clouds(look: Look, world: World, stage: Stage) -> Plate:
    """Long soft banks, lit from below, drifting; painted at an eighth."""
    heavy = _HEAVY.get(look.mood, 0.3)
    pan = _CLOUD_PAN * stage.unit
    width, height = stage.width + stage.travel(_CLOUD_PAN), int(stage.height * 0.62)
    rows, columns = max(8, height // 8), max(8, width // 8)
    across = (np.arange(columns) * width / columns + world.frame * pan) / stage.unit
    strength = np.clip((_billows(world.seed + 70, rows, across) - 0.5) * 3.4 + heavy - 0.35, 0, 1)
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    palette = look.palette
    dark = blend(colour(palette.zenith), colour(palette.shadow), 0.35 if look.mood == "storm" else 0.0)
    lit = blend(colour(palette.horizon), colour(palette.light), 0.45)
    shade = blend(lit, dark, (strength * 0.75 * (1 - down * 0.5))[..., None])
    return Plate(rgba(shade, strength * heavy * np.clip((1 - down) * 4, 0, 1) * 210), width, height, pan=pan)


@lru_cache(maxsize=2)
def paper(width: int, height: int) -> Plate:
    """Darker corners and the grain of paper: over all of a film alike, and still, so that it costs few bytes."""
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    corners = np.clip((np.sqrt(across**2 + down**2) - 0.72) / 0.85, 0, 1) ** 1.6 * 150
    grain = np.random.default_rng(720).standard_normal((height, width), np.float32)
    grain[:, 1:] = 0.75 * grain[:, 1:] + 0.4 * grain[:, :-1]  # fibres lie along the sheet
    shade = corners + grain * _GRAIN
    pixels = np.empty((height, width, 4), np.uint8)
    pixels[..., :3] = np.where(shade < 0, 255, 5)[..., None]
    pixels[..., 3] = np.minimum(np.abs(shade), 255)
    return Plate(pixels, width, height)


def _light(picture: Floats, look: Look, away: Floats) -> None:
    """The sun, moon or lamp: a wide glow, a near one, and a disc where one could be seen."""
    wide, close = (0.12, 0.34) if look.mood in {"night", "space"} else (0.22, 0.6)
    reach = 0.2 if look.mood in {"night", "space"} else 0.34
    glow = np.exp(-((away / reach) ** 2)) * close + np.exp(-((away / 0.9) ** 2)) * wide
    picture += (colour(look.palette.light) - picture) * glow[..., None]
    if look.mood not in _NO_DISC:
        disc = np.clip((0.05 - away) * len(away) * 0.6 + 0.5, 0, 1) * 0.85
        picture += (colour(look.palette.light) - picture) * disc[..., None]


def _stars(picture: Floats, seed: int, down: Floats) -> None:
    dice = np.random.default_rng(seed + 4)
    rows, columns = picture.shape[:2]
    count = rows * columns // 900
    at = (dice.integers(0, int(rows * 0.6), count), dice.integers(0, columns, count))
    bright = (dice.random(count) ** 3 * 190 * (1 - down[at[0], 0] * 1.4)).clip(0, 255)
    picture[at] = np.minimum(255, picture[at] + bright[:, None])


def _water(picture: Floats, look: Look, across: Floats, down: Floats) -> None:
    """Turn what lies under the horizon into water: the sky again, darker with depth, and the light's path."""
    line = int(len(down) * SEA_LEVEL)
    depth = np.linspace(0, 1, len(down) - line, dtype=np.float32)[:, None]
    palette = look.palette
    far = blend(colour(palette.horizon), colour(palette.zenith), 0.45)
    near = blend(colour(palette.zenith), colour(palette.shadow), 0.6)
    water = blend(far, near, (depth**0.7)[..., None])
    path = np.exp(-(((across - look.sun[0]) / (0.035 + 0.13 * depth)) ** 2)) * (0.55 - 0.45 * depth)
    picture[line:] = water + (colour(palette.light) - water) * path[..., None]


def _billows(seed: int, rows: int, across: npt.NDArray[np.float64]) -> Floats:
    """Cloudy noise in 0 to 1, much longer than high: three octaves, each a small lattice drawn out both ways."""
    total = np.zeros((rows, len(across)), np.float32)
    for octave in range(3):
        wide = across * 2**octave / 520
        high = np.linspace(0, 5 * 2**octave, rows)
        first = int(np.floor(wide[0]))
        cells = (np.arange(int(high[-1]) + 2)[:, None] * 7919) + first + np.arange(int(wide[-1]) - first + 2)[None, :]
        lattice = chance(seed + octave, cells.astype(np.int64))
        total += _drawn(high, lattice.shape[0]) @ lattice @ _drawn(wide - first, lattice.shape[1]).T / 2**octave
    return total / np.float32(1.75)


def _drawn(places: npt.NDArray[np.float64], cells: int) -> Floats:
    """The weights with which each place takes the two lattice points beside it."""
    left = np.clip(np.floor(places).astype(np.int64), 0, cells - 2)
    part = smooth((places - left).astype(np.float32))
    weights = np.zeros((len(places), cells), np.float32)
    rows = np.arange(len(places))
    weights[rows, left], weights[rows, left + 1] = 1 - part, part
    return weights
