"""Whether a segment begins with the last frames of the one before it.

What lives here: the evidence for more than one repeated frame. What may not: files, and what is made of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from storychain.media.likeness import Floats, Views, along, calmer, contained, moved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from storychain.media.meeting import Meeting

_ALIKE = 0.5
"""Part of the earlier segment's own distance over a shift that a matching pair may have."""

_OFF = 0.35
"""Part of a frame's movement that a match may be off."""

_LIKELY = 0.5
"""Part of the movement from frame to frame that matched frames may show."""

_NOISY = 0.15
"""Part of what differs in a repeated frame that shifts explain, at most: the rest is noise of coding."""

_LOUD = (0.5, 0.8)
"""Parts of all that changes whose pixels are left out, to see what the others say."""

_FIRST = 4
"""Pairs of frames, from the seam on, that are asked whether the film has gone on."""

_MOVED_ON, _SAME_WAY = 0.1, 0.3
"""How much of a movement, and how like it, a difference is to be for the film to have gone on.

Measured on drifting clouds behind flashing lamps: 0.11 to 0.98 and 0.35 to 0.96 where they went on, at most 0.10 and
0.15 where they were repeated."""

_CLOSE = 8
"""Frames of shift up to which slow movement may be less than the noise of coding."""


def overlaps(pair: Meeting) -> float:
    """How sure it is, from 0 (not at all) to 1, that the later begins with the earlier's last `shift` frames."""
    if not _quiet(pair):
        return 0.0
    sure = max(_sure(pair, view, fit) for fit in _fits(pair) for view in pair.views)
    return 0.0 if sure > 0 and _goes_on(pair) else sure


@dataclass(frozen=True, slots=True)
class _Fit:
    """How far the later's frames are from those they lie over, and from the earlier's last; and, as the measure of
    both, how far the earlier is from itself so many frames before.
    """

    matches: Floats
    last: Floats
    own: float


def _fits(pair: Meeting) -> Iterator[_Fit]:
    """The pair at its best shift, by distance on both views; for small shifts by movement alone as well."""
    later, earlier = pair.matched(pair.shift)
    back, most = round(pair.shift), len(pair.earlier)
    ends = [most - 1 - number for number in range(min(4, most - back))] or [most - 1]
    starts = [max(0, end - back) for end in ends]
    for view in pair.views:
        yield _Fit(view.across[later, earlier], view.across[later, -1], float(view.earlier[ends, starts].mean()))
    if back <= _CLOSE:
        matches = moved(pair.earlier[earlier], pair.later[later])
        last = moved(pair.earlier[-1:], pair.later[later])
        yield _Fit(matches, last, float(moved(pair.earlier[starts], pair.earlier[ends]).mean()))


def _sure(pair: Meeting, view: Views, fit: _Fit) -> float:
    """How sure it is by one way of measuring, of place (`view`) and of distance (`fit`)."""
    later, earlier = pair.matched(pair.shift)
    back, most = round(pair.shift), len(pair.earlier)
    cost = max(0.0, float(fit.matches.mean()))
    if cost >= _ALIKE * fit.own or float((fit.matches < _ALIKE * fit.own).mean()) < 0.85:
        return 0.0
    # The head must be more than the last frame again: it has to have moved over a good part of the way.
    if int((fit.last > 1.5 * cost).sum()) < ceil(len(later) / 3):
        return 0.0
    off = abs(_off(view, later, earlier))
    gone = view.a[-1] - view.a[-1 - back if back < most else 0]
    goes_on = [along(view.b[i] - view.a[j], gone) for i, j in zip(later[:_FIRST], earlier[:_FIRST], strict=True)]
    null = abs(float(np.mean(goes_on)))
    allowed = _OFF if pair.ratio == 1 else 2 * _OFF
    if off > allowed or null > _OFF:
        return 0.0
    return float(1 - 0.5 * max(cost / fit.own / _ALIKE, off / allowed, null / _OFF))


def _quiet(pair: Meeting) -> bool:
    """Whether next to nothing has moved between the frames laid over each other, but for doubled ones among them."""
    later, earlier = pair.matched(pair.shift)
    one, other = pair.earlier[earlier], pair.later[later]
    step = moved(one, other)
    difference = other - one
    whole = (difference**2).sum((1, 2)) - difference.sum((1, 2)) ** 2 / difference[0].size
    at = len(pair.steps) + earlier
    beside = np.array([np.percentile(pair.steps[max(0, n - 2) : n + 3], 75) for n in at])
    quiet = float(((step <= _LIKELY * beside) | (step <= _NOISY * whole)).mean())
    return quiet >= (1.0 if round(pair.shift) == 2 else 0.4 if pair.shift < _CLOSE else 0.0)


def _goes_on(pair: Meeting) -> bool:
    """Whether what changes less than the rest has gone on: clouds that drift behind a lamp that flashes on its beat.

    It has if the movement from so many frames before is what lies between the frames laid over each other. Frames that
    are repeated differ by coding alone, which has nothing to do with that movement.
    """
    later, earlier = (places[:_FIRST] for places in pair.matched(pair.shift))
    back, most = round(pair.shift), len(pair.earlier)
    for part in _LOUD:
        a, b = calmer(pair.earlier, pair.later, part)
        gone = a[-1] - a[-1 - back if back < most else 0]
        differences = [b[i] - a[j] for i, j in zip(later, earlier, strict=True)]
        moved_on = float(np.mean([along(one, gone) for one in differences]))
        alike = float(np.mean([contained(one, gone) for one in differences]))
        if moved_on > _MOVED_ON and alike > _SAME_WAY:
            return True
    return False


def _off(view: Views, later: NDArray[np.intp], earlier: NDArray[np.intp]) -> float:
    """By how many frames the matched ones are off, told by the movement around each."""
    inner = (earlier <= -2) & (earlier - 1 >= -len(view.a))
    if not inner.any():
        return 0.0
    ways = (view.a[earlier[inner] + 1] - view.a[earlier[inner] - 1]) * np.float32(0.5)
    return along(view.b[later[inner]] - view.a[earlier[inner]], ways)
