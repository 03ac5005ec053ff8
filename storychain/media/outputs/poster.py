"""A film's poster: the frame at a moment, or the most telling of some; and how every still is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.media.aside import folder_aside, give_name
from storychain.media.outputs.stills import Film, opened_film
from storychain.media.outputs.threads import to_its_end

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction
    from pathlib import Path

    from PIL import Image

    from storychain.media.outputs.stills import Still

_CANDIDATES = 8
_QUALITY = 90


async def poster(
    film: Path, out: Path, *, at: Fraction | None = None, avoid: Sequence[tuple[Fraction, Fraction]] = ()
) -> Fraction:
    """Write a still picture of a film, and tell the second it is from; 0.1 to 0.3 s at 720p.

    A .png is written as PNG, all else as JPEG. Without a moment `at` it is the most telling of eight frames, none of
    which lies in a stretch to `avoid` (transitions, cards; seconds) unless all do. Raises MediaError, DiskTrouble.
    """
    return await to_its_end(lambda: _poster(film, out, at, avoid))


def _poster(film: Path, out: Path, at: Fraction | None, avoid: Sequence[tuple[Fraction, Fraction]]) -> Fraction:
    with opened_film(film) as opened:
        still = opened.exactly(at) if at is not None else _most_telling(opened, avoid)
        picture = still.picture()
    keep_picture(picture, out)
    return still.seconds


def _most_telling(film: Film, avoid: Sequence[tuple[Fraction, Fraction]]) -> Still:
    def free(seconds: Fraction) -> bool:
        return not any(begin <= seconds < end for begin, end in avoid)

    # How a film opens says least of it: a card, black, what the first scene begins from.
    keys = [number for number, key in enumerate(film.keys) if key > film.seconds / 20 and free(key)]
    chosen = evenly(keys, _CANDIDATES)
    stills = [film.at_key(number) for number in chosen]
    if len(chosen) < _CANDIDATES / 2:
        moments = [film.seconds * share / 10 for share in (2, 4, 6, 8)]
        # A moment is reached only nearly; what counts is where that led.
        stills += [still for moment in moments if free((still := film.near(moment)).seconds)]
    return max(stills or [film.near(film.seconds / 2)], key=lambda still: still.worth)


def evenly(numbers: Sequence[int], most: int) -> list[int]:
    """At most so many of the numbers, spread over all of them."""
    count = min(most, len(numbers))
    return [numbers[(2 * place + 1) * len(numbers) // (2 * count)] for place in range(count)]


def keep_picture(picture: Image.Image, out: Path) -> None:
    """Write a picture, whole or not at all: .png as PNG, all else as JPEG. Raises DiskTrouble."""
    with folder_aside(out.parent) as aside:
        made = aside / "picture"
        if out.suffix.lower() == ".png":
            picture.save(made, "PNG", compress_level=6)
        else:
            # Colour at full resolution: there are letters on some, and edges of them show otherwise.
            picture.convert("RGB").save(made, "JPEG", quality=_QUALITY, optimize=True, progressive=True, subsampling=0)
        give_name(made, out)
