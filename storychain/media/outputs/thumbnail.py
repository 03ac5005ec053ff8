"""Small stills of a video for looking at many at once: its first picture, its last, or one of its middle."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from storychain.media.aside import folder_aside, give_name
from storychain.media.outputs.stills import opened_film
from storychain.media.outputs.threads import to_its_end

if TYPE_CHECKING:
    from pathlib import Path

    from storychain.media.outputs.stills import Film, Still

Where = Literal["first", "middle", "last"]

_QUALITY = 80
_NEVER = Fraction(10**6)
"""Seconds; after the end of whatever a provider sends."""


async def thumbnail(video: Path, out: Path, *, where: Where = "middle", width: int = 320) -> None:
    """Write a still of a video as JPEG, `width` pixels wide or as wide as the video where that is less.

    10 to 30 ms at 720p; the last picture takes as long as decoding from the last key frame on, up to 0.5 s for 8 s.
    Raises MediaError, DiskTrouble.
    """
    await to_its_end(lambda: _thumbnail(video, out, where, width))


def _thumbnail(video: Path, out: Path, where: Where, width: int) -> None:
    with opened_film(video) as film:
        still = _still(film, where)
        wide, high = still.size
        size = (min(wide, width), max(1, round(high * min(wide, width) / wide)))
        picture = still.picture(size)
    with folder_aside(out.parent) as aside:
        made = aside / "thumbnail"
        picture.save(made, "JPEG", quality=_QUALITY, progressive=True)
        give_name(made, out)


def _still(film: Film, where: Where) -> Still:
    if where == "first":
        return film.exactly(Fraction(0))
    return film.exactly(_NEVER) if where == "last" else film.near(film.seconds / 2)
