"""Paints things in the picture: glitter on water, a lighthouse, a boat, lights out of focus, rain and snow."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from storychain.studio.animatic.canvas import Plate, Stage, even, mixed, tinted
from storychain.studio.animatic.look import Colour, Look, World
from storychain.studio.animatic.ridges import SEA_LEVEL

_LAMP: Colour = (255, 224, 158)
_OVERSIZE = 3


def glitter(look: Look, world: World, stage: Stage) -> Plate:
    """Short strokes of light on the water, finer towards the horizon."""
    width, top = stage.width + stage.travel(1.0), even(stage.height * SEA_LEVEL)
    height = stage.height - top
    shine = Image.new("L", (width, height), 0)
    draw, dice = ImageDraw.Draw(shine), np.random.default_rng(world.seed + 8)
    for near, long, across, bright in dice.random((int(260 * stage.width / stage.height), 4)):
        depth = near**1.7
        wide = (6 + 70 * depth) * stage.unit * (0.4 + long)
        x, y = across * (width + wide) - wide, depth * height
        box = (x, y, x + wide, y + max(1.0, 2.2 * depth * stage.unit + 1))
        draw.rounded_rectangle(box, 2, int(18 + 70 * bright * (1 - 0.6 * depth)))
    return Plate(tinted(look.palette.light, np.asarray(shine)), width, height, y=top, pan=stage.unit)


def bokeh(look: Look, world: World, stage: Stage) -> Iterator[Plate]:
    """Lights out of focus at two depths, as of a room behind the subject."""
    for row, (count, size, shine) in enumerate(((24, 30.0, 40), (13, 78.0, 28))):
        pan = 0.5 + 0.5 * row
        width = stage.width + stage.travel(pan)
        columns, rows = max(4, width // 2), max(4, stage.height // 2)
        light = np.zeros((rows, columns), np.float32)
        down, across = np.ogrid[0:rows, 0:columns]
        for x, y, big, bright in np.random.default_rng(world.seed + 40 + row).random((count, 4)):
            radius = max(2.0, size * (0.45 + big) * stage.unit / 2)
            left, top = int(x * columns), int((0.06 + 0.8 * y) * rows)
            part = slice(max(0, top - int(radius) - 2), top + int(radius) + 2)
            side = slice(max(0, left - int(radius) - 2), left + int(radius) + 2)
            away = np.hypot(across[:, side] - left, down[part] - top) / radius
            rim = 0.75 + 0.5 * np.exp(-(((away - 0.93) / 0.07) ** 2))
            light[part, side] += np.clip((1 - away) * radius / 1.8, 0, 1) * rim * shine * (0.5 + bright)
        yield Plate(tinted(look.palette.light, np.minimum(light, 150)), width, stage.height, pan=pan * stage.unit)


def lighthouse(look: Look, stage: Stage) -> Plate:
    """A tower on its rock with its lamp lit; it stands still while the sea goes by."""
    high = even(stage.height * 0.46)
    wide = even(high * 0.9)
    w, h = wide * _OVERSIZE, high * _OVERSIZE
    picture = Image.new("RGBA", (w, h), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    stone, band = (mixed(look.palette.shadow, look.palette.horizon, part) for part in (0.12, 0.38))
    rock = ((0, 1), (0.1, 0.93), (0.25, 0.9), (0.36, 0.83), (0.66, 0.84), (0.8, 0.91), (1, 1))
    draw.polygon([(x * w, y * h) for x, y in rock], stone)
    for foot, top, shade in ((0.86, 0.26, stone), (0.74, 0.62, band), (0.5, 0.38, band)):
        draw.polygon([*_edges(w, h, foot), *reversed(_edges(w, h, top))], shade)
    draw.rectangle((0.43 * w, 0.245 * h, 0.57 * w, 0.265 * h), stone)
    draw.rectangle((0.458 * w, 0.175 * h, 0.542 * w, 0.245 * h), (255, 226, 160))
    draw.polygon([(0.445 * w, 0.178 * h), (0.5 * w, 0.12 * h), (0.555 * w, 0.178 * h)], stone)
    above = even(high * 0.4)
    glow = _lamp_glow(wide, high + above, above + high * 0.21, high)
    glow.alpha_composite(picture.reduce(_OVERSIZE), (0, above))
    place = 0.69  # on the right: words stand on the left
    foot = even(stage.height * 0.97)
    return Plate(np.asarray(glow), wide, high + above, x=even(stage.width * place), y=foot - high - above)


def boat(look: Look, stage: Stage) -> Plate:
    """A small sailing boat not far under the horizon, making way against the drift."""
    side = even(96 * stage.unit) + 4
    s = side * _OVERSIZE
    picture = Image.new("RGBA", (s, s), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    hull, sail = (
        mixed(look.palette.shadow, look.palette.horizon, 0.08),
        mixed(look.palette.light, look.palette.horizon, 0.3),
    )
    draw.polygon([(0.12 * s, 0.80 * s), (0.92 * s, 0.80 * s), (0.80 * s, 0.93 * s), (0.26 * s, 0.93 * s)], hull)
    draw.line((0.52 * s, 0.1 * s, 0.52 * s, 0.82 * s), hull, max(2, s // 70))
    draw.polygon([(0.54 * s, 0.14 * s), (0.54 * s, 0.75 * s), (0.84 * s, 0.75 * s)], sail)
    draw.polygon([(0.50 * s, 0.20 * s), (0.50 * s, 0.75 * s), (0.24 * s, 0.75 * s)], mixed(sail, hull, 0.25))
    place = 0.3 if look.sun[0] > 0.5 else 0.56
    top = even(stage.height * (SEA_LEVEL + 0.05)) - even(side * 0.8)
    return Plate(
        np.asarray(picture.reduce(_OVERSIZE)), side, side, even(stage.width * place), top, pan=-0.2 * stage.unit
    )


def weather(look: Look, world: World, stage: Stage) -> Iterator[Plate]:
    """What falls or floats, if anything does."""
    if look.weather == "rain":
        yield _sheet(look, world, stage, count=260, fall=26.0, shape=(1, 34), shine=62)
    if look.weather == "snow":
        yield _sheet(look, world, stage, count=200, fall=2.0, shape=(5, 5), shine=190)
    if look.weather == "dust":
        yield _sheet(look, world, stage, count=60, fall=-1.0, shape=(4, 4), shine=130)


def _sheet(
    look: Look, world: World, stage: Stage, *, count: int, fall: float, shape: tuple[int, int], shine: int
) -> Plate:
    """Drops, flakes or motes on a sheet of two equal frames, one above the other, that can move for ever."""
    width, height = stage.width, even(stage.height)
    sheet = Image.new("L", (width, height), 0)
    draw, dice = ImageDraw.Draw(sheet), np.random.default_rng(world.seed + 60)
    wide, high = (max(1.0, side * stage.unit) for side in shape)
    for x, y, big, bright in dice.random((count, 4)):
        left, top, size, value = x * width, y * (height - high * 1.5), 0.4 + big, int(shine * (0.3 + 0.7 * bright))
        if fall > 10:
            draw.line((left + high * 0.12, top, left, top + high * size), value, max(1, round(wide)))
        else:
            draw.ellipse((left, top, left + wide * size, top + high * size), value)
    if shape[0] > 1:
        sheet = sheet.filter(ImageFilter.BoxBlur(0.8 * stage.unit))
    pixels = tinted(look.palette.light, np.tile(np.asarray(sheet), (2, 1)))
    return Plate(pixels, width, height * 2, fall=fall * stage.unit, every=height)


def _edges(w: int, h: int, at: float) -> list[tuple[float, float]]:
    """Left and right edge of the tower at a height."""
    half = 0.05 + 0.035 * (at - 0.26) / 0.6
    return [((0.5 - half) * w, at * h), ((0.5 + half) * w, at * h)]


def _lamp_glow(wide: int, high: int, lamp: float, size: float) -> Image.Image:
    down, across = np.ogrid[0:high, 0:wide]
    away = (np.hypot(across - wide * 0.5, down - lamp) / size).astype(np.float32)
    alpha = np.exp(-((away / 0.07) ** 2)) * 0.7 + np.exp(-((away / 0.19) ** 2)) * 0.36 - 0.005
    return Image.fromarray(tinted(_LAMP, alpha * 255))
