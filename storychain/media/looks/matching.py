"""Meeting the colours of the segment before: a gain and an offset for each of Y, U and V, and the filter for them.

Both sides of a seam show nearly the same picture. What most of its pixels change by across the seam, beyond what they
change by from frame to frame anyway, is no movement: the later segment can be corrected by that much. What moves or
comes into view changes fewer pixels and is left out of account. Pictures are measured here, never changed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from storychain.errors import MediaError
from storychain.media.looks.change import apart, standardised
from storychain.media.looks.frames import Coding, Facts, Shown, decoded, facts_of, levels, shrunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from storychain.media.pieces import Filter

SPAN = 12
"""Frames on each side that are compared; the nearer to the seam, the more they count."""

_NEAR = 5
"""Frames on each side whose own change, from one to the next, is taken for what would change anyway."""

_PAIRS = 3
"""Pairs of frames, counted from the seam to both sides, that are laid over each other."""

_ROUNDS = 4
"""Rounds of fitting; each leaves out what the one before did not explain."""

_COMPARABLE = 0.5
"""Distance of the two frames at the seam above which they show different things, and no colours are to be matched."""

_LEAST_SPREAD = 3.0
"""Code values of deviation below which a plane is too even to tell a gain from."""

_LEAST_OFFSET = 0.75
"""Code values of change that are worth drawing a segment anew for."""

_LEAST_GAIN = 0.03
"""Gain, less one, below which there is none, nor where it makes less than the least offset: that is the coding's."""

_MOST_GAIN = 1.2
"""A gain is kept within this and its inverse: beyond, it is not light that differs."""

_MOST_LUMA, _MOST_CHROMA = 24.0, 12.0
"""Code values that the mean of a plane is moved by at the most."""

_KNEE = 16
"""Code values over which the correction of luma comes in above black, and goes out below white."""


@dataclass(frozen=True, slots=True)
class Plane:
    """Mean and deviation of a plane on both sides of a seam, and its correction, in 8 bit code values.

    Means and deviations are over up to 12 frames, the nearer ones counting more. The correction of a value is it
    times `gain`, plus `offset`; it moves the later side's mean by `moves`.
    """

    mean_before: float
    spread_before: float
    mean_after: float
    spread_after: float
    gain: float
    offset: float
    moves: float

    @property
    def counts(self) -> bool:
        """Whether anybody would see it."""
        return abs(self.moves) >= _LEAST_OFFSET or self.gain != 1


@dataclass(frozen=True, slots=True)
class ColourShift:
    """What makes a segment meet the one before it; in code values as 8 bits have them, of the segment's own `coding`.

    `comparable` says whether both sides show the same things at all; where not, nothing is to be corrected.
    """

    luma: Plane
    blue: Plane
    red: Plane
    coding: Coding
    comparable: bool

    @property
    def worthwhile(self) -> bool:
        """Whether a correction would be seen, and is meant."""
        return self.comparable and any(plane.counts for plane in (self.luma, self.blue, self.red))

    @property
    def filters(self) -> tuple[Filter, ...]:
        """ffmpeg's filters that correct the segment's pictures, or none; for pictures of YUV in the segment's own bits.

        Black stays black and white stays white, so that bars and titles keep their edges: luma is corrected fully
        from 16 values above the one to 16 below the other.
        """
        if not self.worthwhile:
            return ()
        options = (("y", self._luma()), ("u", self._chroma(self.blue)), ("v", self._chroma(self.red)))
        return (("lutyuv", options),)

    def corrected(self, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Planes (any shape ending in 3 by height by width, 8 bits) as the filters leave them."""
        if not self.worthwhile:
            return codes
        values = np.arange(256, dtype=np.float64)
        low, high = self._ends()
        ramp = np.clip(np.minimum(values - low, high - values) / _KNEE, 0, 1)
        tables = [
            values + ramp * (values * (self.luma.gain - 1) + self.luma.offset),
            *(values * plane.gain + plane.offset for plane in (self.blue, self.red)),
        ]
        made = np.clip(np.floor(np.array(tables) + 0.5), 0, 255).astype(np.uint8)
        return np.stack([made[number][codes[..., number, :, :]] for number in range(3)], axis=-3)

    def _ends(self) -> tuple[int, int]:
        return (0, 255) if self.coding.full_range else (16, 235)

    def _luma(self) -> str:
        unit = 1 << (self.coding.bits - 8)
        low, high = (end * unit for end in self._ends())
        ramp = f"clip(min(val-{low},{high}-val)/{_KNEE * unit},0,1)"
        change = f"val*{self.luma.gain - 1:.5f}{self.luma.offset * unit:+.3f}"
        return f"floor(val+{ramp}*({change})+0.5)"

    def _chroma(self, plane: Plane) -> str:
        unit = 1 << (self.coding.bits - 8)
        return f"floor(val*{plane.gain:.5f}{plane.offset * unit:+.3f}+0.5)"


async def colour_shift(before: Shown, after: Shown, corrected: ColourShift | None = None) -> ColourShift:
    """What would make `after` meet `before`, which is itself shown `corrected`; about 0.2 s at 720p.

    Both must be in one form (the film's), as they are once `conform` has seen them. Raises MediaError.
    """
    return await asyncio.to_thread(_shift, before, after, corrected)


def _shift(before: Shown, after: Shown, corrected: ColourShift | None) -> ColourShift:
    facts, other = facts_of(after.picture), facts_of(before.picture)
    if facts.coding != other.coding:
        what = "its colours are coded in another way than those of the segment before"
        raise MediaError(what, where=str(after.picture), next_step="Bring both into the film's form first.")
    end = other.frames if before.end is None else before.end
    earlier = _codes(before, facts, max(before.begin, end - SPAN), end)
    until = facts.frames if after.end is None else after.end
    later = _codes(after, facts, after.begin, min(until, after.begin + SPAN))
    if corrected is not None:
        earlier = corrected.corrected(earlier)
    views = [
        standardised(levels(side[None, 0], full_range=facts.coding.full_range)) for side in (earlier[-1], later[0])
    ]
    comparable = float(apart(*views)[0]) <= _COMPARABLE
    seen = _without_bars(earlier, later, facts.coding)
    luma, blue, red = (
        _plane(*(side[:, number][:, seen].astype(np.float64) for side in (earlier, later)), most=most)
        for number, most in enumerate((_MOST_LUMA, _MOST_CHROMA, _MOST_CHROMA))
    )
    return ColourShift(luma, blue, red, facts.coding, comparable)


def _codes(shown: Shown, facts: Facts, begin: int, end: int) -> NDArray[np.uint8]:
    full = facts.coding.full_range
    return np.array([shrunk(frame, facts.small, full_range=full) for _, frame in decoded(shown.picture, begin, end)])


def _without_bars(earlier: NDArray[np.uint8], later: NDArray[np.uint8], coding: Coding) -> NDArray[np.bool_]:
    """Which pixels (height by width) are no bars: black or white from first to last, they would water down the rest."""
    low, high = (8, 247) if coding.full_range else (22, 229)
    luma = np.concatenate([earlier[:, 0], later[:, 0]])
    seen = ~((luma <= low).all(0) | (luma >= high).all(0))
    return np.asarray(seen if seen.any() else np.ones_like(seen))


def _plane(earlier: NDArray[np.float64], later: NDArray[np.float64], *, most: float) -> Plane:
    """What a plane (frames by pixels, in the order of showing) needs."""
    before, after = _statistics(earlier[::-1]), _statistics(later)
    own = np.mean([_usual(step) for side in (earlier[-_NEAR:], later[:_NEAR]) for step in np.diff(side, axis=0)] or [0])
    pairs = [(earlier[-1 - away], later[away]) for away in range(min(_PAIRS, len(earlier), len(later)))]
    fits = [_fit(one, other) for one, other in pairs]
    gain = float(np.clip(np.median([gain for gain, _ in fits]), 1 / _MOST_GAIN, _MOST_GAIN))
    if abs(gain - 1) < _LEAST_GAIN or abs(gain - 1) * after[1] < _LEAST_OFFSET:
        gain = 1.0
    steps = [step + (2 * away + 1) * own for away, (_, step) in enumerate(fits)]
    moves = float(np.clip(np.mean(steps), -most, most))
    centre = float(pairs[0][1].mean())
    return Plane(*before, *after, gain, moves - centre * (gain - 1), moves)


def _statistics(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and deviation of a plane, the nearest frame to the seam first."""
    weights = np.arange(len(values), 0, -1)
    return float(np.average(values.mean(1), weights=weights)), float(np.average(values.std(1), weights=weights))


def _usual(changes: NDArray[np.float64]) -> float:
    """What most values change by: the mean of their middle half."""
    low, high = np.quantile(changes, (0.25, 0.75))
    return float(changes[(changes >= low) & (changes <= high)].mean())


def _fit(one: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[float, float]:
    """The gain that makes most values of `other` those of `one`, and by how much that and an offset move its mean."""
    gain, step = 1.0, _usual(one - other)
    if min(one.std(), other.std()) < _LEAST_SPREAD:
        return gain, step
    centre = float(other.mean())
    for _ in range(_ROUNDS):
        off = np.abs(one - (other + step + (other - centre) * (gain - 1)))
        kept = off <= max(2.0, 3 * float(np.median(off)))
        if min(one[kept].std(), other[kept].std()) < _LEAST_SPREAD:
            return 1.0, _usual(one - other)
        gain = float(np.clip(one[kept].std() / other[kept].std(), 1 / _MOST_GAIN, _MOST_GAIN))
        step = _usual((one - other - (other - centre) * (gain - 1))[kept])
    return gain, step
