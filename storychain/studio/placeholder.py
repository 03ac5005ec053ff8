"""A card that stands in for a scene nobody could make: an animatic of its words, stamped as what it is."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from storychain.studio.animatic.shot import Shot, size_of

_STAMP = "PLACEHOLDER"
_RATES = {25: "media.fps25", 30: "media.fps30"}
"""Rates the renderer makes besides its usual one."""


async def paint_placeholder(
    video: Path,
    *,
    ffmpeg: Path,
    environ: Mapping[str, str] | None,
    scene: str,
    words: str,
    aspect_ratio: str,
    seconds: int,
    size: tuple[int, int] | None,
    rate: Fraction | None,
) -> None:
    """Write the card of a scene to `video`: `size` in pixels, `rate` in frames a second, or the studio's own.

    A rate the renderer does not make becomes its usual one. Raises MediaError.
    """
    from storychain.studio.animatic.render import render  # noqa: PLC0415 - numpy, Pillow and av are slow to import

    width, height = size or size_of(aspect_ratio, 1.0)
    flaw = _RATES.get(round(rate)) if rate else None
    shot = Shot(
        prompt=words,
        model=scene,
        seconds=seconds,
        width=width,
        height=height,
        flaws=frozenset({flaw} if flaw else ()),
        stamp=_STAMP,
    )
    with tempfile.TemporaryDirectory(prefix="storychain-") as scratch:
        await render(shot, video, ffmpeg=ffmpeg, environ=environ, scratch=Path(scratch), on_frame=lambda _: None)
