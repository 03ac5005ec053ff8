"""A few silent seconds of a film that play by themselves: an animated GIF, or a WebP of a quarter of its size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import ffmpeg as build
import numpy as np
from PIL import Image

from storychain.errors import DiskTrouble, MediaError
from storychain.media.aside import folder_aside, give_name, need_space
from storychain.media.outputs.poster import evenly
from storychain.media.outputs.stills import Scene, opened_film
from storychain.media.outputs.threads import to_its_end
from storychain.media.probe import probe
from storychain.media.recipes import PLAIN, patience, told
from storychain.media.tool import run_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ffmpeg.nodes import FilterableStream

    from storychain.media.tool import Ffmpeg

_SECONDS = Fraction(4)
_MOST_SCENES = 4


@dataclass(frozen=True, slots=True)
class _Try:
    """Pixels along the longer side, hundredths of a second a frame (all that a GIF can count), colours, quality."""

    longest: int
    hundredths: int
    colours: int
    quality: int


_TRIES = (_Try(480, 8, 256, 74), _Try(400, 8, 192, 66), _Try(320, 10, 128, 58), _Try(240, 12, 96, 50))
"""Each is smaller than the one before; the first that comes out small enough is kept, or the last."""

_MOST_BYTES = {".gif": 4_000_000, ".webp": 2_000_000}


async def teaser(
    ffmpeg: Ffmpeg,
    film: Path,
    out: Path,
    scenes: Sequence[Scene] = (),
    *,
    on_progress: Callable[[float], None] | None = None,
) -> None:
    """Write about four seconds out of the middles of up to four scenes as `out`, a .gif or .webp, without end.

    Without `scenes`, out of the film's four quarters. No side is longer than 480 pixels and no GIF larger than 4 MB,
    no WebP than 2 MB, or else they are smaller still. Raises MediaError, DiskTrouble, and ValueError for another kind.
    """
    kind = out.suffix.lower()
    if kind not in _MOST_BYTES:
        raise ValueError(f"{kind} is no kind of teaser")
    size, stretches = await to_its_end(lambda: _facts(film, scenes))
    matrix = (await to_its_end(lambda: probe(film))).matrix
    need_space(out.parent, 3 * _MOST_BYTES[kind] + 60_000_000)
    with folder_aside(out.parent) as aside:
        for one in _TRIES:
            small = _within(size, one.longest)
            moving = _moving(film, matrix, stretches, small, one)
            made = await (_gif if kind == ".gif" else _webp)(ffmpeg, moving, aside, one, small, out, on_progress)
            if made.stat().st_size <= _MOST_BYTES[kind]:
                break
        await to_its_end(lambda: give_name(made, out))


def _facts(film: Path, scenes: Sequence[Scene]) -> tuple[tuple[int, int], list[tuple[Fraction, Fraction]]]:
    """The film's width and height; beginnings and lengths, in seconds, of what is shown of it."""
    with opened_film(film) as opened:
        still = opened.at_key(0)
        whole = opened.seconds
    quarters = [Scene("", whole * place / 4, whole * (place + 1) / 4) for place in range(4)]
    among = [scene for scene in scenes if scene.end > scene.begin] or quarters
    chosen = [among[number] for number in evenly(range(len(among)), _MOST_SCENES)]
    stretches = []
    for scene in chosen:
        length = min(_SECONDS / len(chosen), scene.end - scene.begin)
        stretches.append(((scene.begin + scene.end - length) / 2, length))
    return still.size, stretches


def _within(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """The size scaled down until no side is longer; even."""
    scale = min(Fraction(1), Fraction(longest, max(size)))
    return max(2, round(size[0] * scale / 2) * 2), max(2, round(size[1] * scale / 2) * 2)


def _moving(
    film: Path, matrix: str, stretches: Sequence[tuple[Fraction, Fraction]], size: tuple[int, int], one: _Try
) -> FilterableStream:
    """The stretches one after the other, small and slow enough."""
    rate = Fraction(100, one.hundredths)
    parts = []
    for begin, length in stretches:
        part = build.input(str(film.absolute()), f="mov", ss=f"{float(begin):.6f}", t=f"{float(length):.6f}")["v:0"]
        part = told(part, matrix).filter("fps", fps=str(rate), start_time=0)
        part = part.filter("trim", end_frame=max(1, int(length * rate)))
        parts.append(part.filter("scale", *size, flags="lanczos").filter("setsar", "1"))
    return build.concat(*parts, n=len(parts)) if len(parts) > 1 else parts[0]


async def _gif(
    ffmpeg: Ffmpeg,
    moving: FilterableStream,
    aside: Path,
    one: _Try,
    _size: tuple[int, int],
    out: Path,
    on_progress: Callable[[float], None] | None,
) -> Path:
    """One palette for all frames; an ordered dither would pack better, and show."""
    both = moving.filter_multi_output("split", 2)
    palette = both[0].filter("palettegen", max_colors=one.colours, stats_mode="full")
    drawn = build.filter([both[1], palette], "paletteuse", dither="sierra2_4a", diff_mode="rectangle")
    argv = build.output(drawn, "teaser.gif", loop=0, f="gif", y=None, **PLAIN).get_args()
    await run_ffmpeg(ffmpeg, argv, timeout=patience(_SECONDS), cwd=aside, on_progress=on_progress, where=str(out))
    return aside / "teaser.gif"


async def _webp(
    ffmpeg: Ffmpeg,
    moving: FilterableStream,
    aside: Path,
    one: _Try,
    size: tuple[int, int],
    out: Path,
    on_progress: Callable[[float], None] | None,
) -> Path:
    """Encoded by Pillow: not every ffmpeg has an encoder for it."""
    written = {"f": "rawvideo", "pix_fmt": "rgb24", "y": None} | PLAIN
    argv = build.output(moving, "frames.rgb", **written).get_args()
    await run_ffmpeg(ffmpeg, argv, timeout=patience(_SECONDS), cwd=aside, on_progress=on_progress, where=str(out))
    width, height = size
    frames = np.fromfile(aside / "frames.rgb", np.uint8).reshape(-1, height, width, 3)
    if not len(frames):
        raise MediaError("there is nothing to show in a teaser", where=str(out), next_step="Run again.")
    try:
        await to_its_end(lambda: _animate(frames, aside / "teaser.webp", one))
    except OSError as error:
        raise DiskTrouble.of(error) from error
    return aside / "teaser.webp"


def _animate(frames: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], made: Path, one: _Try) -> None:
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(
        made,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=one.hundredths * 10,
        loop=0,
        quality=one.quality,
        method=4,
    )
