"""Paints the land: ridges one behind the other, with air between them, and lit windows. Knows no sky."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from storychain.studio.animatic import land
from storychain.studio.animatic.canvas import Floats, Pixels, Plate, Stage, blend, colour, even, rgba
from storychain.studio.animatic.look import Look, World

SEA_LEVEL = 0.62
"""Where the horizon of the sea is, as a part of the height."""

_FINE = 8
"""Steps per pixel in the table of a ridge's colours by depth: its edge stays smooth."""


@dataclass(frozen=True, slots=True)
class Ridge:
    """One line of land: where it stands and how high it rises (parts of the height), its wavelength in units.

    `near` is 0 at the horizon and 1 before our feet; `pan` is its motion in units a frame.
    """

    line: Callable[[int, land.Places, float], Floats]
    top: float
    relief: float
    wavelength: float
    near: float
    pan: float
    windows: bool = False


_LAND: dict[str, tuple[Ridge, ...]] = {
    "hills": (
        Ridge(land.rolling, 0.60, 0.16, 420, 0.22, 0.5),
        Ridge(land.rolling, 0.72, 0.17, 520, 0.52, 1.0),
        Ridge(land.rolling, 0.89, 0.20, 760, 0.90, 2.0),
    ),
    "mountains": (
        Ridge(land.jagged, 0.62, 0.42, 760, 0.20, 0.5),
        Ridge(land.jagged, 0.76, 0.34, 560, 0.50, 1.0),
        Ridge(land.pines, 0.98, 0.24, 78, 0.94, 2.0),
    ),
    "forest": (
        Ridge(land.rolling, 0.60, 0.16, 480, 0.18, 0.5),
        Ridge(land.pines, 0.76, 0.32, 92, 0.46, 1.0),
        Ridge(land.pines, 1.03, 0.66, 210, 0.95, 2.0),
    ),
    "desert": (
        Ridge(land.dunes, 0.66, 0.12, 430, 0.16, 0.5),
        Ridge(land.dunes, 0.76, 0.16, 640, 0.36, 1.0),
        Ridge(land.dunes, 0.93, 0.22, 1150, 0.66, 2.0),
    ),
    "city": (
        Ridge(land.blocks, 0.70, 0.38, 92, 0.24, 0.5),
        Ridge(land.blocks, 0.80, 0.40, 150, 0.56, 1.0, windows=True),
        Ridge(land.blocks, 1.0, 0.30, 300, 0.93, 2.0, windows=True),
    ),
    "sea": (
        Ridge(land.rolling, 0.625, 0.055, 620, 0.26, 0.5),
        Ridge(land.rolling, 0.985, 0.12, 900, 0.95, 2.0),
    ),
    "room": (),
}
_ROUGH_SEA = (
    Ridge(land.rolling, 0.625, 0.05, 620, 0.26, 0.5),
    Ridge(land.swell, 0.735, 0.035, 150, 0.42, 1.0),
    Ridge(land.swell, 0.845, 0.065, 270, 0.66, 2.0),
    Ridge(land.swell, 0.985, 0.095, 430, 0.92, 2.0),
)


def ridges(look: Look, world: World, stage: Stage) -> Iterator[Plate]:
    """The land's layers from back to front."""
    lines = _ROUGH_SEA if look.terrain == "sea" and look.mood == "storm" else _LAND[look.terrain]
    for row, line in enumerate(lines):
        foot = SEA_LEVEL if look.terrain == "sea" and row == 0 else 1.0
        yield _ridge(look, world, stage, line, row, foot)


def _ridge(look: Look, world: World, stage: Stage, ridge: Ridge, row: int, foot: float) -> Plate:
    pan = ridge.pan * stage.unit
    width = stage.width + stage.travel(ridge.pan)
    places = (np.arange(width) + even(world.frame * pan)) / stage.unit
    heights = ridge.line(world.seed + 101 * row, places, ridge.wavelength)
    tops = ridge.top * stage.height - heights * np.float32(ridge.relief * stage.height)
    above = max(0, even(float(tops.min()) - 2))
    rows = max(4, int(stage.height * foot) + 1 - above)
    down = (np.arange(rows, dtype=np.int32) + above) * _FINE
    depth = down[:, None] - np.round(tops * _FINE).astype(np.int32)[None, :]
    pixels = _table(look, ridge, stage).take(np.clip(depth + _FINE // 2, 0, None), mode="clip")
    picture = np.ascontiguousarray(pixels).view(np.uint8).reshape(rows, width, 4)
    if ridge.windows:
        _light_windows(picture, world.seed + row, places, depth / (_FINE * stage.unit), look)
    return Plate(picture, width, rows, y=above, pan=pan)


def _table(look: Look, ridge: Ridge, stage: Stage) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """Colours by depth under the edge. Far land takes the horizon's colour, and mist gathers at its foot."""
    palette = look.palette
    depth = (np.arange(stage.height * _FINE, dtype=np.float32) - _FINE / 2) / _FINE
    body = blend(colour(palette.horizon), colour(palette.shadow), 0.18 + 0.82 * ridge.near)
    mist = blend(body, colour(palette.horizon), 0.62 * (1 - ridge.near))
    shade = blend(body, mist, np.clip(depth / stage.height / 0.24, 0, 1)[:, None])
    rim = np.exp(-np.clip(depth, 0, None) / (0.006 * stage.height)) * (0.34 * (1 - 0.55 * ridge.near))
    edge = np.clip(depth + 0.5, 0, 1) * 255
    edge[0] = 0
    table: Pixels = rgba(blend(shade, colour(palette.light), rim[:, None]), edge)
    return np.ascontiguousarray(table).view(np.uint32).reshape(-1)


def _light_windows(picture: Pixels, seed: int, places: land.Places, depth: Floats, look: Look) -> None:
    """Windows in a grid of floors; whole floors and houses stay dark, as they do."""
    column, floor = np.floor(places / 10).astype(np.int64), np.floor(depth / 15).astype(np.int64)
    inside = (places % 10 > 4)[None, :] & (depth % 15 > 8) & (depth > 15)
    awake = 0.22 if look.mood in {"night", "dusk", "storm"} else 0.07
    house = land.chance(seed + 1, np.floor(places / 70).astype(np.int64))
    lit = land.chance(seed, column[None, :] * 4099 + floor) < awake * (0.3 + 1.4 * house)[None, :]
    warm = land.chance(seed + 2, column)[None, :] + np.zeros_like(depth)
    glow = blend(colour((255, 186, 104)), colour((255, 232, 196)), warm[inside & lit][:, None])
    picture[inside & lit, :3] = blend(glow, colour(look.palette.horizon), 0.18)
