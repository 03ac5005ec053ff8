"""The words on a segment: the scene's line and its prompt in the lower third, references as small prints.

Pictures only; when they appear and leave is decided where the layers are put together.
"""

from __future__ import annotations

import re

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from storychain.lettering.lines import CAPS, TEXT, Face, draw_line, draw_spaced, drawable, length, wrap
from storychain.studio.animatic.look import Colour

_MOST_LINES = 4
_MOST_LETTERS = 600
"""More than this no card can hold; what comes after it need not be measured."""

_NO_FONT = "No font on this machine can draw these words; install one for their script to read them here."
_WHITE = (250, 248, 242)


def title_card(prompt: str, heading: str, size: tuple[int, int], accent: Colour) -> Image.Image:
    """A frame-sized picture (RGBA) with the prompt and its heading in the lower third."""
    width, height = size
    unit = min(width, height) / 720
    margin = round(width * (0.07 if width >= height else 0.08))
    words = drawable(" ".join(prompt.split()), Face(TEXT, 16)) or _NO_FONT
    face, lines = _fitted(words, unit, (width - 2 * margin) * (0.82 if width > height else 1.0))
    step = round(face.size * 1.42)
    baseline = height - round(66 * unit) - step * (len(lines) - 1) - (round(70 * unit) if height > width else 0)
    type_ = Image.new("RGBA", size, (0, 0, 0, 0))
    small = Face(CAPS, max(8, round(17 * unit)))
    top = baseline - round(face.size * 1.05) - round(24 * unit)
    rule = (
        margin,
        top - round(5 * unit),
        margin + round(34 * unit),
        top - round(5 * unit) + max(1, round(2 * unit)) - 1,
    )
    ImageDraw.Draw(type_).rectangle(rule, (*accent, 255))
    draw_spaced(type_, (margin + round(48 * unit), top), heading, small, (*_WHITE, 225), 2.1 * unit)
    for row, line in enumerate(lines):
        draw_line(type_, (margin, baseline + row * step), line, face, (*_WHITE, 255))
    return _shadowed(type_, _scrim(size, top - round(60 * unit)), unit)


def prints(paths: list[Image.Image], size: tuple[int, int]) -> Image.Image:
    """A frame-sized picture (RGBA) with up to three images as paper prints in the upper right corner."""
    width, height = size
    unit = min(width, height) / 720
    sheet = Image.new("RGBA", size, (0, 0, 0, 0))
    x = width - round(44 * unit)
    for picture, turn in zip(paths, (2.6, -1.8, 1.4), strict=False):
        paper = _print(picture, unit).rotate(turn, Image.Resampling.BICUBIC, expand=True)
        x -= paper.width
        sheet.alpha_composite(paper, (max(0, x), round(36 * unit)))
        x -= round(6 * unit)
    return _shadowed(sheet, Image.new("RGBA", size, (0, 0, 0, 0)), unit)


def stamped(word: str, size: tuple[int, int]) -> Image.Image:
    """A frame-sized picture (RGBA) with a word in a frame in its upper half, large enough for anybody to see."""
    width, height = size
    unit = min(width, height) / 720
    spacing = 9 * unit
    face = Face(CAPS, max(12, round(58 * unit)))
    wide = length(word, face) + spacing * (len(word) - 1)
    left, top = round((width - wide) / 2), round(height * 0.14)
    sheet = Image.new("RGBA", size, (0, 0, 0, 0))
    room, edge = round(30 * unit), max(2, round(4 * unit))
    box = (left - room, top - round(18 * unit), left + round(wide) + room, top + face.size + round(26 * unit))
    ImageDraw.Draw(sheet).rectangle(box, (6, 8, 12, 150), (*_WHITE, 255), edge)
    draw_spaced(sheet, (left, top + face.size), word, face, (*_WHITE, 255), spacing)
    return sheet


def _fitted(prompt: str, unit: float, width: float) -> tuple[Face, list[str]]:
    """The largest of three sizes at which the prompt fits; else as many whole sentences as do, else an ellipsis."""
    faces = [Face(TEXT, max(9, round(points * unit))) for points in (30, 26, 22)]
    for face in faces:
        lines = wrap(prompt, face, width, _MOST_LINES + 1)
        if len(lines) <= _MOST_LINES:
            return face, lines
    sentences = re.split(r"(?<=[.!?\u3002])\s+", prompt[:_MOST_LETTERS])
    for face, count in ((face, count) for count in range(len(sentences) - 1, 0, -1) for face in faces[1:]):
        lines = wrap(" ".join(sentences[:count]) + " \u2026", face, width, _MOST_LINES + 1)
        if len(lines) <= _MOST_LINES:
            return face, lines
    return faces[-1], wrap(prompt, faces[-1], width, _MOST_LINES)


def _scrim(size: tuple[int, int], top: int) -> Image.Image:
    """A darkening towards the bottom that lets white type be read on anything."""
    width, height = size
    down = np.clip((np.arange(height) - top + 40 * height / 720) / max(1, height - top), 0, 1)
    alpha = (175 * (down**0.8) * np.minimum(1, down * 3)).astype(np.uint8)
    mask = Image.fromarray(np.repeat(alpha[:, None], width, axis=1))
    scrim = Image.new("RGBA", size, (6, 8, 12, 0))
    scrim.putalpha(mask)
    return scrim


def _shadowed(words: Image.Image, ground: Image.Image, unit: float) -> Image.Image:
    box = words.getbbox()
    if box is None:
        return ground
    room = round(14 * unit) + 2
    area = (max(0, box[0] - room), max(0, box[1] - room), box[2] + room, box[3] + room)
    part = words.getchannel("A").crop(area).filter(ImageFilter.GaussianBlur(3.2 * unit))
    shade = Image.new("RGBA", part.size, (0, 0, 0, 0))
    shade.putalpha(part.point(lambda value: min(200, value * 2)))
    ground.alpha_composite(shade, (area[0], min(ground.height - 1, area[1] + round(2 * unit))))
    ground.alpha_composite(words)
    return ground


def _print(picture: Image.Image, unit: float) -> Image.Image:
    side, edge = max(12, round(150 * unit)), max(2, round(9 * unit))
    paper = Image.new("RGBA", (side + 2 * edge, side + 3 * edge), (246, 243, 236, 255))
    paper.paste(ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS), (edge, edge))
    return ImageOps.expand(paper, round(4 * unit), (0, 0, 0, 0))
