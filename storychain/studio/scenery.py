"""Paints the still layers a segment is made of: sky, clouds, ridges, weather, vignette. Knows no ffmpeg and no words.

A plate is straight RGBA, rows × columns × 4, uint8. Soft plates are painted small and enlarged by whoever shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from storychain.studio import land
from storychain.studio.look import Colour, Look, World

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Plate:
    """A painted layer and how it moves: shown at `width` × `height`, starting at `x`, `y`.

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
    """The frame that is painted: size in pixels, `unit` = 1 at 720 lines, and frames until the end."""

    width: int
    height: int
    frames: int

    @property
    def unit(self) -> float:
        """Length of one pixel of a 720-line picture."""
        return min(self.width, self.height) / 720


@dataclass(frozen=True, slots=True)
class _Ridge:
    """One line of land: its heights, where it starts as a part of the height, its relief, wavelength, nearness, pan."""

    line: Callable[[int, npt.NDArray[np.float64], float], Floats]
    top: float
    relief: float
    wavelength: float
    near: float
    pan: float
    windows: bool = False


_LAND: dict[str, tuple[_Ridge, ...]] = {
    "hills": (
        _Ridge(land.rolling, 0.56, 0.14, 520, 0.25, 0.5),
        _Ridge(land.rolling, 0.66, 0.15, 420, 0.55, 1.0),
        _Ridge(land.rolling, 0.80, 0.17, 640, 0.92, 2.0),
    ),
    "mountains": (
        _Ridge(land.jagged, 0.40, 0.30, 420, 0.22, 0.5),
        _Ridge(land.jagged, 0.58, 0.26, 360, 0.52, 1.0),
        _Ridge(land.pines, 0.82, 0.22, 46, 0.94, 2.0),
    ),
    "forest": (
        _Ridge(land.rolling, 0.52, 0.14, 480, 0.22, 0.5),
        _Ridge(land.pines, 0.58, 0.30, 44, 0.55, 1.0),
        _Ridge(land.pines, 0.76, 0.62, 120, 0.95, 2.0),
    ),
    "desert": (
        _Ridge(land.dunes, 0.60, 0.10, 430, 0.20, 0.5),
        _Ridge(land.dunes, 0.70, 0.14, 620, 0.42, 1.0),
        _Ridge(land.dunes, 0.86, 0.20, 1150, 0.72, 2.0),
    ),
    "city": (
        _Ridge(land.blocks, 0.62, 0.32, 46, 0.26, 0.5),
        _Ridge(land.blocks, 0.72, 0.34, 74, 0.58, 1.0, windows=True),
        _Ridge(land.blocks, 0.94, 0.30, 150, 0.93, 2.0, windows=True),
    ),
    "sea": (
        _Ridge(land.jagged, 0.615, 0.075, 620, 0.30, 0.5),
        _Ridge(land.rolling, 0.985, 0.15, 900, 0.95, 2.0),
    ),
    "room": (),
}
_SEA_LEVEL = 0.62


def paint(look: Look, world: World, stage: Stage) -> list[Plate]:
    """The layers from back to front; the first is opaque and as large as the frame."""
    plates = [_sky(look, world, stage), _clouds(look, world, stage)]
    plates += [_ridge(look, world, stage, ridge, row) for row, ridge in enumerate(_LAND[look.terrain])]
    if look.terrain == "sea":
        plates[3:3] = [_glitter(look, world, stage)]
    if look.terrain == "room":
        plates += list(_bokeh(look, world, stage))
    if look.lighthouse:
        plates.insert(-1 if look.terrain == "sea" else len(plates), _lighthouse(look, stage))
    return [*plates, *_weather(look, world, stage), _vignette(stage)]


def _sky(look: Look, world: World, stage: Stage) -> Plate:
    rows, columns = max(2, stage.height // 2), max(2, stage.width // 2)
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    across = np.linspace(0, 1, columns, dtype=np.float32)[None, :]
    palette = look.palette
    rise = np.clip(down / 0.66, 0, 1) ** 1.35
    picture = _blend(_colour(palette.zenith), _colour(palette.horizon), rise[..., None])
    picture = np.broadcast_to(picture, (rows, columns, 3)).copy()
    ratio = stage.width / stage.height
    away = np.hypot((across - look.sun[0]) * ratio, down - look.sun[1])
    glow = np.exp(-((away / 0.34) ** 2)) * 0.62 + np.exp(-((away / 0.9) ** 2)) * 0.22
    picture += (_colour(palette.light) - picture) * glow[..., None]
    if look.mood not in {"storm", "fog", "lamp", "deep"}:
        disc = np.clip((0.052 - away) * rows * 0.6 + 0.5, 0, 1) * 0.85
        picture += (_colour(palette.light) - picture) * disc[..., None]
    if look.weather == "stars":
        _stars(picture, world.seed, down)
    if look.terrain == "sea":
        _water(picture, look, across, down)
    # A little noise before rounding keeps the soft gradients free of bands.
    picture += np.random.default_rng(world.seed).uniform(-1.2, 1.2, (rows, columns, 1)).astype(np.float32)
    return Plate(_opaque(picture), stage.width, stage.height)


def _stars(picture: Floats, seed: int, down: Floats) -> None:
    dice = np.random.default_rng(seed + 4)
    rows, columns = picture.shape[:2]
    count = rows * columns // 900
    at = (dice.integers(0, int(rows * 0.6), count), dice.integers(0, columns, count))
    bright = (dice.random(count) ** 3 * 190 * (1 - down[at[0], 0] * 1.4)).clip(0, 255)
    picture[at] = np.minimum(255, picture[at] + bright[:, None])


def _water(picture: Floats, look: Look, across: Floats, down: Floats) -> None:
    """Turn what lies under the horizon into water: the sky again, darker with depth, and the light's path."""
    line = int(len(down) * _SEA_LEVEL)
    depth = np.linspace(0, 1, len(down) - line, dtype=np.float32)[:, None]
    palette = look.palette
    far = _blend(_colour(palette.horizon), _colour(palette.zenith), np.float32(0.45))
    water = _blend(
        far, _blend(_colour(palette.zenith), _colour(palette.shadow), np.float32(0.6)), depth[..., None] ** 0.7
    )
    path = np.exp(-(((across - look.sun[0]) / (0.035 + 0.13 * depth)) ** 2)) * (0.55 - 0.45 * depth)
    picture[line:] = water + (_colour(palette.light) - water) * path[..., None]


def _clouds(look: Look, world: World, stage: Stage) -> Plate:
    """Long soft banks, lit from below."""
    heavy = {"storm": 0.95, "fog": 0.7, "day": 0.6, "dawn": 0.6, "dusk": 0.65, "snow": 0.6}.get(look.mood, 0.3)
    pan, travel = 0.5 * stage.unit, _travel(stage, 0.5)
    width, height = stage.width + travel, int(stage.height * 0.62)
    rows, columns = max(8, height // 8), max(8, width // 8)
    start = world.frame * pan / 8
    across = (np.arange(columns) + start) / (columns * 8 / width) / max(0.2, stage.unit)
    strength = np.zeros((rows, columns), np.float32)
    for octave, wavelength in enumerate((60.0, 26.0, 11.0)):
        for row in range(rows):
            place = row / rows * 5 * 2**octave
            low, part = int(place), place - int(place)
            part = part * part * (3 - 2 * part)
            seed = world.seed + 70 + 1000 * octave
            above = land.rolling(seed + low, across + 37 * low, wavelength)
            below = land.rolling(seed + low + 1, across + 37 * (low + 1), wavelength)
            strength[row] += (above + (below - above) * part) / 2.0**octave
    strength = np.clip((strength / 1.75 - 0.5) * 3.4 + heavy - 0.35, 0, 1)
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    dark = _blend(_colour(look.palette.zenith), _colour(look.palette.shadow), np.float32(0.35 if heavy > 0.9 else 0.0))
    lit = _blend(_colour(look.palette.horizon), _colour(look.palette.light), np.float32(0.45))
    shade = _blend(lit, dark, (strength * 0.75 * (1 - down * 0.5))[..., None])
    alpha = strength * heavy * np.clip((1 - down) * 4, 0, 1) * 210
    return Plate(_rgba(shade, alpha), width, height, pan=pan)


def _ridge(look: Look, world: World, stage: Stage, ridge: _Ridge, row: int) -> Plate:
    pan, travel = ridge.pan * stage.unit, _travel(stage, ridge.pan)
    width = stage.width + travel
    start = _even(world.frame * pan)
    places = (np.arange(width) + start) / stage.unit
    heights = ridge.line(world.seed + 101 * row, places, ridge.wavelength)
    tops = stage.height * ridge.top - heights * ridge.relief * stage.height
    above = max(0, int(tops.min()) - 2) // 2 * 2
    bottom = int(stage.height * _SEA_LEVEL) + 1 if look.terrain == "sea" and row == 0 else stage.height
    rows = max(4, bottom - above)
    down = np.arange(rows, dtype=np.float32)[:, None] + above
    depth = (down - tops[None, :]).astype(np.float32)
    colour = _land_colour(look, ridge, depth / stage.height)
    if ridge.windows:
        _light_windows(colour, world.seed + row, places, depth / stage.unit, look)
    return Plate(_rgba(colour, np.clip(depth + 0.5, 0, 1) * 255), width, rows, y=above, pan=pan)


def _land_colour(look: Look, ridge: _Ridge, depth: Floats) -> Floats:
    """Air between the layers: far land takes the horizon's colour, and mist gathers at its foot."""
    palette = look.palette
    body = _blend(_colour(palette.horizon), _colour(palette.shadow), np.float32(0.18 + 0.82 * ridge.near))
    mist = _blend(body, _colour(palette.horizon), np.float32(0.62 * (1 - ridge.near)))
    colour = _blend(body, mist, np.clip(depth / 0.24, 0, 1)[..., None])
    rim = np.exp(-np.clip(depth, 0, 1) / 0.006)[..., None] * np.float32(0.30 * (1 - 0.55 * ridge.near))
    return _blend(colour, _colour(palette.light), rim)


def _light_windows(colour: Floats, seed: int, places: npt.NDArray[np.float64], depth: Floats, look: Look) -> None:
    column, line = np.floor(places / 9).astype(np.int64), np.floor(depth / 13).astype(np.int64)
    inside = (places % 9 > 3)[None, :] & (depth % 13 > 6) & (depth > 12)
    lit = land.chance(seed, column[None, :] * 4099 + line) > (0.72 if look.mood in {"night", "dusk", "storm"} else 0.9)
    colour[inside & lit] = _blend(_colour((255, 206, 130)), _colour(look.palette.horizon), np.float32(0.25))


def _glitter(look: Look, world: World, stage: Stage) -> Plate:
    """Short strokes of light on the water, denser towards the light."""
    pan, travel = 1.0 * stage.unit, _travel(stage, 1.0)
    width, top = stage.width + travel, _even(stage.height * _SEA_LEVEL)
    height = stage.height - top
    picture = Image.new("RGBA", (width, height), (*look.palette.light, 0))
    draw, dice = ImageDraw.Draw(picture), np.random.default_rng(world.seed + 8)
    for place in dice.random((int(240 * stage.width / stage.height), 4)):
        depth = place[0] ** 1.7
        long = (6 + 70 * depth) * stage.unit * (0.4 + place[1])
        x, y = place[2] * (width + long) - long, depth * height
        shine = int(18 + 70 * place[3] * (1 - 0.6 * depth))
        draw.rounded_rectangle(
            (x, y, x + long, y + max(1, 2.2 * depth * stage.unit + 1)), 2, (*look.palette.light, shine)
        )
    return Plate(np.asarray(picture), width, height, y=top, pan=pan)


def _bokeh(look: Look, world: World, stage: Stage) -> Iterator[Plate]:
    """Out-of-focus lights at two depths, as of a room behind the subject."""
    for row, (count, size, shine) in enumerate(((26, 34.0, 46), (12, 84.0, 34))):
        pan = (0.5 + 0.5 * row) * stage.unit
        travel = _travel(stage, 0.5 + 0.5 * row)
        width = stage.width + travel
        small = (max(4, width // 2), max(4, stage.height // 2))
        alpha = Image.new("L", small, 0)
        dice = np.random.default_rng(world.seed + 40 + row)
        for place in dice.random((int(count * width / stage.width), 4)):
            radius = size * (0.5 + place[2]) * stage.unit / 2
            x, y = place[0] * small[0], (0.08 + 0.8 * place[1]) * small[1]
            disc = Image.new("L", small, 0)
            box = (x - radius, y - radius, x + radius, y + radius)
            edge = int(shine * (0.5 + place[3]) * 1.5)
            ImageDraw.Draw(disc).ellipse(box, int(shine * (0.5 + place[3])), edge, max(1, int(1.5 * stage.unit)))
            alpha.paste(Image.eval(alpha, lambda value, extra=shine: min(150, value + extra // 2)), (0, 0), disc)
            alpha.paste(disc, (0, 0), disc)
        alpha = alpha.filter(ImageFilter.GaussianBlur(1.2 + row))
        colour = np.broadcast_to(_colour(look.palette.light), (small[1], small[0], 3))
        yield Plate(_rgba(colour, np.asarray(alpha, np.float32) * 1.6), width, stage.height, pan=pan)


def _lighthouse(look: Look, stage: Stage) -> Plate:
    """A tower on its rock, with its lamp lit; it stands still while the sea goes by."""
    high = _even(stage.height * 0.46)
    wide = _even(high * 0.9)
    big = 3
    picture = Image.new("RGBA", (wide * big, high * big), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    w, h = wide * big, high * big
    stone = (*_mixed(look.palette.shadow, look.palette.horizon, 0.12), 255)
    band = (*_mixed(look.palette.shadow, look.palette.horizon, 0.38), 255)
    c = w * 0.5
    rock = [(0, h), (w * 0.1, h * 0.93), (w * 0.25, h * 0.9), (w * 0.36, h * 0.83), (w * 0.66, h * 0.84)]
    draw.polygon([*rock, (w * 0.8, h * 0.91), (w, h)], stone)
    draw.polygon(
        [(c - w * 0.085, h * 0.86), (c - w * 0.05, h * 0.26), (c + w * 0.05, h * 0.26), (c + w * 0.085, h * 0.86)],
        stone,
    )
    for low, up in ((0.74, 0.62), (0.5, 0.38)):
        left, right = _tower(c, w, low), _tower(c, w, up)
        draw.polygon([(left[0], h * low), (right[0], h * up), (right[1], h * up), (left[1], h * low)], band)
    draw.rectangle((c - w * 0.07, h * 0.245, c + w * 0.07, h * 0.265), stone)
    draw.rectangle((c - w * 0.042, h * 0.175, c + w * 0.042, h * 0.245), (255, 226, 160, 255))
    draw.polygon([(c - w * 0.055, h * 0.178), (c, h * 0.12), (c + w * 0.055, h * 0.178)], stone)
    tower = picture.resize((wide, high), Image.Resampling.LANCZOS)
    glow = _lamp_glow(wide, high)
    glow.alpha_composite(tower)
    place = 0.68 if look.sun[0] < 0.5 else 0.02
    return Plate(np.asarray(glow), wide, high, x=_even(stage.width * place), y=_even(stage.height * 0.93) - high)


def _tower(centre: float, width: float, at: float) -> tuple[float, float]:
    half = width * (0.05 + 0.035 * (at - 0.26) / 0.6)
    return centre - half, centre + half


def _lamp_glow(wide: int, high: int) -> Image.Image:
    down, across = np.mgrid[0:high, 0:wide].astype(np.float32)
    away = np.hypot(across - wide * 0.5, down - high * 0.21) / high
    alpha = np.clip(np.exp(-((away / 0.08) ** 2)) * 0.75 + np.exp(-((away / 0.2) ** 2)) * 0.34 - 0.012, 0, 1) * 255
    return Image.fromarray(_rgba(np.broadcast_to(_colour((255, 224, 158)), (high, wide, 3)), alpha), "RGBA")


def _weather(look: Look, world: World, stage: Stage) -> Iterator[Plate]:
    if look.weather == "rain":
        yield _falling(look, world, stage, count=260, fall=26.0, shape=(1, 34), shine=62)
    if look.weather == "snow":
        yield _falling(look, world, stage, count=200, fall=2.0, shape=(5, 5), shine=190)
    if look.weather == "dust":
        yield _falling(look, world, stage, count=70, fall=-1.0, shape=(4, 4), shine=130)


def _falling(
    look: Look, world: World, stage: Stage, *, count: int, fall: float, shape: tuple[int, int], shine: int
) -> Plate:
    """Drops, flakes or motes on a sheet two frames high that repeats, so that it can fall for ever."""
    width, height = stage.width, stage.height
    picture = Image.new("L", (width, height), 0)
    draw, dice = ImageDraw.Draw(picture), np.random.default_rng(world.seed + 60)
    wide, high = (max(1.0, side * stage.unit) for side in shape)
    for x, y, big, bright in dice.random((count, 4)):
        size = 0.4 + big
        left, top, lean = x * width, y * (height - high * 1.5), high * 0.12 if high > 3 * wide else 0
        value = int(shine * (0.3 + 0.7 * bright))
        if lean:
            draw.line((left + lean, top, left, top + high * size), value, max(1, round(wide)))
        else:
            draw.ellipse((left, top, left + wide * size, top + high * size), value)
    if shape[0] > 1:
        picture = picture.filter(ImageFilter.GaussianBlur(0.9 * stage.unit))
    alpha = np.tile(np.asarray(picture, np.float32), (2, 1))
    colour = np.broadcast_to(_colour(look.palette.light), (*alpha.shape, 3))
    every = _even(height)
    return Plate(_rgba(colour, alpha), width, height * 2, fall=fall * stage.unit, every=every)


def _vignette(stage: Stage) -> Plate:
    rows, columns = max(9, stage.height // 8), max(9, stage.width // 8)
    down = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    across = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    alpha = np.clip((np.hypot(across, down) - 0.72) / 0.85, 0, 1) ** 1.6 * 165
    return Plate(_rgba(np.zeros((rows, columns, 3), np.float32), alpha), stage.width, stage.height)


def _travel(stage: Stage, pan: float) -> int:
    """How much wider than the frame a layer must be that moves `pan` pixels a frame."""
    return _even(stage.frames * pan * stage.unit) + 4


def _colour(colour: Colour) -> Floats:
    return np.asarray(colour, np.float32)


def _mixed(first: Colour, second: Colour, part: float) -> Colour:
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _blend(first: Floats, second: Floats, part: Floats | np.float32) -> Floats:
    return np.asarray(first + (second - first) * part, dtype=np.float32)


def _opaque(picture: Floats) -> Pixels:
    return _rgba(picture, np.full(picture.shape[:2], 255, np.float32))


def _rgba(picture: Floats, alpha: Floats) -> Pixels:
    rows, columns = alpha.shape
    pixels = np.empty((rows, columns, 4), np.uint8)
    pixels[..., :3] = np.clip(picture, 0, 255)
    pixels[..., 3] = np.clip(alpha, 0, 255)
    return pixels


def _even(length: float) -> int:
    return int(length) // 2 * 2
