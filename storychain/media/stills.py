"""A still picture as a video: title cards and whatever else stands in a film without moving."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import TYPE_CHECKING

import ffmpeg as build

from storychain.media.aside import folder_aside, give_name
from storychain.media.recipes import colours, encoded, patience
from storychain.media.tool import run_ffmpeg

if TYPE_CHECKING:
    from pathlib import Path

    from storychain.media.form import Form
    from storychain.media.tool import Ffmpeg


async def still(ffmpeg: Ffmpeg, png: Path, form: Form, frames: int, out: Path) -> None:
    """Show `png` for so many frames, in the form of a film that drawn pictures can stand in, as the video `out`.

    It is scaled to the film's size. 0.3 s for 3 s of 720p. Raises MediaError.
    """
    target = form.as_target()
    stream = (
        # Decoded and scaled once; the one picture is then repeated.
        build.input(str(png.absolute()), f="png_pipe")["v:0"]
        .filter("scale", target.width, target.height, flags="bicubic", **colours(target))
        .filter("setsar", str(target.sample_aspect_ratio))
        .filter("format", target.pixel_format)
        .filter("loop", loop=-1, size=1)
        .filter("setpts", f"N/({target.fps}*TB)")
        .filter("fps", fps=str(target.fps), start_time=0)
    )
    argv = stream.output("still.mov", **encoded(target, frames)).get_args()
    with folder_aside(out.parent) as aside:
        limit = patience(Fraction(frames) / target.fps)
        await run_ffmpeg(ffmpeg, argv, timeout=limit, cwd=aside, where=str(out))
        await asyncio.to_thread(give_name, aside / "still.mov", out)
