"""What the files beside a film are called. Pure; nothing is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_STILLS = {"poster": ".poster.jpg", "sheet": ".sheet.jpg"}
_PLAIN = ("srt", "vtt", "gif", "webp", "hls")


def beside(film: Path, kind: str) -> Path:
    """Where an output of a film belongs: in its folder, under its name without `.mp4`.

    `kind` is poster, sheet, srt, vtt, gif, webp, hls (a folder), web, or an aspect ratio such as 9:16.
    """
    if kind in _STILLS:
        ending = _STILLS[kind]
    elif kind in _PLAIN:
        ending = f".{kind}"
    else:
        ending = f".{kind.replace(':', 'x')}.mp4"
    return film.with_name(film.stem + ending)
