"""What is heard of each prepared sound, and when: exact times to whole samples. No file is opened here."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from storychain.media.recipes import samples_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch in exact seconds: `seconds` of a WAV from `begin` on, over the last `overlap` of the one before.

    `gain` is in dB.
    """

    sound: Path
    begin: Fraction
    seconds: Fraction
    overlap: Fraction = Fraction(0)
    gain: float = 0.0


@dataclass(frozen=True, slots=True)
class Heard:
    """`samples` of a WAV (48 kHz stereo, 16 bits) from sample `begin` on.

    They come in over the last `overlap` samples of the stretch before, by which the whole gets shorter; 0 is a hard
    join. An overlap takes at most half of either stretch. `gain` (dB) is this stretch's own.
    """

    sound: Path
    begin: int
    samples: int
    overlap: int = 0
    gain: float = 0.0


def heard_of(cuts: Sequence[Cut]) -> tuple[Heard, ...]:
    """The cuts in whole samples: each begins and ends at its exact time in the film, rounded down.

    So nothing drifts, neither gap nor sample is left between two of them, and what comes later changes nothing about
    what came before. A stretch may reach past the end of its WAV by the sample that rounding took there.
    """
    heard: list[Heard] = []
    end = Fraction(0)
    for cut in cuts:
        start = end - cut.overlap
        before, end = end, start + cut.seconds
        place = samples_of(start)
        samples, overlap = samples_of(end) - place, samples_of(before) - place
        heard.append(Heard(cut.sound, samples_of(cut.begin), samples, overlap, cut.gain))
    return tuple(heard)


def starts_of(heard: Sequence[Heard]) -> list[int]:
    """The film's sample at which each stretch begins to be heard, and the film's length in samples at the end."""
    places = [0]
    for number, one in enumerate(heard):
        over = heard[number + 1].overlap if number + 1 < len(heard) else 0
        places.append(places[-1] + one.samples - over)
    return places
