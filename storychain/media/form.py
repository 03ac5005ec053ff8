"""What must agree before pictures may be copied into one film, as pure data and decisions.

No file is opened here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TICKS = 120_000
"""Ticks per second of every picture track we write: whole numbers for all usual frame rates, 23.976 to 120."""

USUAL_RATES = tuple(
    sorted(
        [Fraction(rate) for rate in (8, 10, 12, 15, 16, 20, 24, 25, 30, 48, 50, 60, 120)]
        + [Fraction(1000 * rate, 1001) for rate in (24, 30, 60, 120)]
    )
)
"""Frames per second that a segment may have and still be copied."""


@dataclass(frozen=True, slots=True)
class Form:
    """Pictures of equal form can be joined by copying their packets.

    `parameters` are the decoder's parameter sets where they must agree to the byte. H.264 pictures whose every
    keyframe is an IDR carry them along in the stream, so theirs stay out of the form (empty).
    """

    codec: str
    width: int
    height: int
    fps: Fraction
    pixel_format: str
    sample_aspect_ratio: Fraction
    full_range: bool
    matrix: str
    transfer: str
    parameters: bytes = b""

    def as_target(self) -> Form:
        """The form our own encoder makes for pictures that have to become like this one: H.264 that plays anywhere."""
        if self.codec == "h264":
            return replace(self, parameters=b"")
        return replace(self, codec="h264", parameters=b"", pixel_format="yuv420p", full_range=False)


def rate_of(marks: Sequence[int], base: Fraction, tick: Fraction) -> Fraction | None:
    """The usual frame rate on whose grid all `marks` (times in units of `base` s, ascending) lie in a row, or None.

    `tick` is the time base of the file in seconds: times may be off by rounding to it. One time alone fits none.
    """
    if len(marks) < 2:
        return None
    allowed = tick + Fraction(1, TICKS)  # rounded once to the file's tick, perhaps once more to ours
    off, rate = min((_worst(marks, base, rate), rate) for rate in USUAL_RATES)
    return rate if off <= min(allowed, 1 / rate / 4) else None


def _worst(marks: Sequence[int], base: Fraction, rate: Fraction) -> Fraction:
    """How far, in seconds, a mark lies from its place on the grid of `rate`, at the worst."""
    first, step = marks[0], 1 / rate
    if abs((marks[-1] - first) * base - (len(marks) - 1) * step) > step:
        return step
    # In whole numbers of a unit that measures both, since a film has a thousand frames and more.
    unit = Fraction(1, math.lcm(base.denominator, step.denominator))
    each, due = int(base / unit), int(step / unit)
    return max(abs((mark - first) * each - place * due) for place, mark in enumerate(marks)) * unit


def nearest_usual(rate: Fraction) -> Fraction:
    """The usual rate nearest to `rate` (frames per second) by proportion."""
    return min(USUAL_RATES, key=lambda usual: max(usual / rate, rate / usual))


def fit(form: Form, target: Form) -> tuple[int, int]:
    """Size in pixels of the target at which a picture of `form` fills its frame without being distorted; even."""
    source = form.width * form.sample_aspect_ratio / form.height
    whole = target.width * target.sample_aspect_ratio / target.height
    if source >= whole:
        return target.width, min(target.height, _even(target.height * whole / source))
    return min(target.width, _even(target.width * source / whole)), target.height


def _even(length: Fraction) -> int:
    return max(2, round(length / 2) * 2)


def common_form(forms: Sequence[Form], seconds: Sequence[Fraction]) -> Form:
    """The form of a film of clips with these `forms` and `seconds`: what most clips have already.

    Among equals the one that leaves least to re-encode, then the earliest. Only H.264 can take in re-encoded pictures:
    clips of another codec are copied when all clips agree.
    """
    if all(form == forms[0] for form in forms):
        return forms[0]
    spent: dict[Form, Fraction] = {}
    for form, length in zip(forms, seconds, strict=True):
        spent[form] = spent.get(form, Fraction(0)) + length
    favourite = max(spent, key=lambda form: (list(forms).count(form), spent[form]))
    return favourite if favourite.codec == "h264" and not favourite.parameters else favourite.as_target()
