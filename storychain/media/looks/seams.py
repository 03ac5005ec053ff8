"""A seam's measures: what changes between the last frames and samples of one segment and the first of the next.

Only measured here; what is too much is said in `limits`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from storychain.media.looks import hearing
from storychain.media.looks.change import apart, is_black, moved, sharpness, standardised
from storychain.media.looks.colour import delta_e, mean_lab
from storychain.media.looks.frames import Facts, Shown, decoded, facts_of, levels, luma, shrunk
from storychain.media.recipes import SOUND_RATE, samples_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR = 4
"""Frames on each side whose light, colours and sharpness are compared: about a sixth of a second."""

_MOVING = 12
"""Frames on each side whose movement is compared."""

_REACH = 52
"""Frames on each side among which repetitions are looked for: some two seconds."""

_FINE = 960
"""Longest side in pixels of the frames that sharpness is measured on."""

_HEARD = 1
"""Seconds on each side whose loudness is compared."""

_STILL = 6.0
"""Levels a second below which nothing that counts moves: movement is never set against less."""

_SAME = 0.15
"""Share of the usual distance of a frame to the next below which two frames are one and the same."""

_NOISE = 0.03
"""Distance that coding alone may make, at the most, between two copies of a frame."""

_LEAST = 2
"""Frames that must repeat for their order to tell anything."""

_CLOSING = 3
"""Steps before the seam that must all be movement, if standing after it is to count as a fault."""

_DEAD = 0.03
"""Share of the least recent step below which nothing at all moves."""

_LONG = 5
"""Steps that must be dead for a head to stand that does not begin with the last frame before it."""

_HELD = 0.1
"""Share of frames that a segment may show twice by itself; beyond it, as in drawn animation, that is its manner."""

_VISIBLE = 0.002
"""Usual distance of a frame to the next below which repeating one cannot be told from going on, nor be seen."""


@dataclass(frozen=True, slots=True)
class SeamMeasures:
    """What changes at a seam, the later side against the earlier.

    - `frame_before`, `frame_after`: numbers, in their files, of the last frame shown before and the first after.
    - `brightness_before`, `brightness_after`: mean luma over the 4 nearest frames, in levels from 0 to 255.
    - `brightness_step`: the later less the earlier, in levels.
    - `brightness_drift`: how far it gets by itself over as many frames, on the side where that is more, in levels.
    - `contrast_ratio`: deviation of luma, later over earlier.
    - `colour_step`: CIEDE2000 between the mean colours of the 4 nearest frames, brightness included.
    - `tint_step`: the same at equal lightness; `towards` names the hue that the colours go to, or is "".
    - `sharpness_ratio`: variance of the Laplacian, later over earlier.
    - `motion_before`, `motion_after`: mean change of a pixel in levels a second, over 12 frames, brightness taken away.
    - `motion_ratio`: later over earlier, neither taken for less than 6 levels a second.
    - `jump`: the same across the seam; `jump_ratio` is it over the larger of the two (and of 6).
    - `distance`: of the two frames at the seam, 0 (alike) to 2 (nothing in common), up to light and contrast.
    - `loudness_before`, `loudness_after`: of the nearest second, LUFS (BS.1770, ungated), -70 for silence.
    - `loudness_step`: later less earlier, in LU.
    - `repeated`: frames after the seam that show again, or still, what was shown before it.
    - `black_before`, `black_after`: black frames that touch the seam.
    """

    frame_before: int
    frame_after: int
    brightness_before: float
    brightness_after: float
    brightness_step: float
    brightness_drift: float
    contrast_ratio: float
    colour_step: float
    tint_step: float
    towards: str
    sharpness_ratio: float
    motion_before: float
    motion_after: float
    motion_ratio: float
    jump: float
    jump_ratio: float
    distance: float
    loudness_before: float
    loudness_after: float
    loudness_step: float
    repeated: int
    black_before: int
    black_after: int


@dataclass(frozen=True, slots=True)
class Side:
    """What of one side of a seam is compared, nearest the seam last (before it) or first (after it).

    `codes` are the nearest small frames (n by 3 by height by width), `shown` the luma of more of them in levels,
    `sharp` the sharpness of the nearest, `first` the number of the first frame of `shown`.
    """

    facts: Facts
    first: int
    codes: NDArray[np.uint8]
    shown: NDArray[np.float32]
    sharp: float


async def measure_seam(before: Shown, after: Shown) -> SeamMeasures:
    """Measure the seam between two prepared stretches that are shown one after the other; 0.3 to 0.6 s at 720p.

    Sizes, rates and codings may differ. Raises MediaError where a file cannot be read.
    """
    return await asyncio.to_thread(_measured, before, after)


def _measured(before: Shown, after: Shown) -> SeamMeasures:
    size = facts_of(before.picture).small
    earlier, later = side_before(before, size), side_after(after, size)
    loud = _loudness(before, after, earlier, later)
    light = [float(side.mean()) for side in (earlier.shown[-NEAR:], later.shown[:NEAR])]
    spread = [max(1.0, float(side.std())) for side in (earlier.shown[-NEAR:], later.shown[:NEAR])]
    one, other = mean_lab(earlier.codes, earlier.facts.coding), mean_lab(later.codes, later.facts.coding)
    motion = [
        _motion(earlier.shown[-_MOVING - 1 :]) * float(earlier.facts.fps),
        _motion(later.shown[: _MOVING + 1]) * float(later.facts.fps),
    ]
    counted = [max(_STILL, each) for each in motion]
    jump = moved(earlier.shown[-1], later.shown[0]) * float(earlier.facts.fps)
    distance = float(apart(standardised(earlier.shown[-1:]), standardised(later.shown[:1]))[0])
    repeated, black = _repeated(earlier, later), _leading_black(later.shown)
    return SeamMeasures(
        frame_before=earlier.first + len(earlier.shown) - 1,
        frame_after=later.first,
        brightness_before=light[0],
        brightness_after=light[1],
        brightness_step=light[1] - light[0],
        brightness_drift=max(_drift(earlier.shown[::-1]), _drift(later.shown)),
        contrast_ratio=spread[1] / spread[0],
        colour_step=delta_e(one, other),
        tint_step=delta_e(one, (one[0], *other[1:])),
        towards=_towards(other[1] - one[1], other[2] - one[2]),
        sharpness_ratio=max(1.0, later.sharp) / max(1.0, earlier.sharp),
        motion_before=motion[0],
        motion_after=motion[1],
        motion_ratio=counted[1] / counted[0],
        jump=jump,
        jump_ratio=jump / max(counted),
        distance=distance,
        loudness_before=loud[0],
        loudness_after=loud[1],
        loudness_step=loud[1] - loud[0],
        # Black stands, too, but is another fault: it was not shown before.
        repeated=0 if repeated <= black else repeated,
        black_before=_leading_black(earlier.shown[::-1]),
        black_after=black,
    )


def side_before(shown: Shown, size: tuple[int, int], reach: int = _REACH) -> Side:
    """The last `reach` frames of a stretch, shrunk to `size`."""
    facts = facts_of(shown.picture)
    end = facts.frames if shown.end is None else shown.end
    return _side(shown, facts, max(shown.begin, end - reach), end, size, last=True)


def side_after(shown: Shown, size: tuple[int, int], reach: int = _REACH) -> Side:
    """The first `reach` frames of a stretch, shrunk to `size`."""
    facts = facts_of(shown.picture)
    end = facts.frames if shown.end is None else shown.end
    return _side(shown, facts, shown.begin, min(end, shown.begin + reach), size, last=False)


def _side(shown: Shown, facts: Facts, begin: int, end: int, size: tuple[int, int], *, last: bool) -> Side:
    full = facts.coding.full_range
    near = range(end - NEAR, end) if last else range(begin, begin + NEAR)
    small, sharp = [], []
    for number, frame in decoded(shown.picture, begin, end):
        small.append(shrunk(frame, size, full_range=full))
        if number in near:
            sharp.append(sharpness(luma(frame, _FINE, full_range=full)))
    codes = np.array(small, np.uint8)
    nearest = codes[-NEAR:] if last else codes[:NEAR]
    return Side(facts, begin, nearest, levels(codes[:, 0], full_range=full), float(np.mean(sharp)) if sharp else 0.0)


def _motion(shown: NDArray[np.float32]) -> float:
    """Usual change of a pixel from frame to frame, in levels: a flash or a cut among the steps does not count."""
    steps = sorted(moved(one, other) for one, other in pairwise(shown))
    kept = steps[: len(steps) - len(steps) // 6]
    return float(np.mean(kept)) if kept else 0.0


def _drift(shown: NDArray[np.float32]) -> float:
    """How far brightness gets from the nearest frames to as many beyond them."""
    near, beyond = shown[:NEAR], shown[NEAR : 2 * NEAR]
    return abs(float(near.mean() - beyond.mean())) if len(beyond) else 0.0


def _towards(a: float, b: float) -> str:
    """The hue that a step in colour goes to."""
    if abs(a) < 0.5 and abs(b) < 0.5:
        return ""
    names = ("magenta", "orange", "yellow", "green", "green", "cyan", "blue", "violet")
    return names[int((np.degrees(np.arctan2(b, a)) + 22.5) % 360 // 45)]


def _leading_black(shown: NDArray[np.float32]) -> int:
    return next((count for count, frame in enumerate(shown) if not is_black(frame)), len(shown))


def _loudness(before: Shown, after: Shown, earlier: Side, later: Side) -> tuple[float, float]:
    end = samples_of((earlier.first + len(earlier.shown)) / earlier.facts.fps)
    begin = samples_of(before.begin / earlier.facts.fps)
    first = samples_of(later.first / later.facts.fps)
    until = first + samples_of((facts_end(after, later.facts) - later.first) / later.facts.fps)
    length = SOUND_RATE * _HEARD
    return (
        hearing.loudness(before.sound, max(begin, end - length), end),
        hearing.loudness(after.sound, first, min(until, first + length)),
    )


def facts_end(shown: Shown, facts: Facts) -> int:
    """The number after the last frame of a stretch."""
    return facts.frames if shown.end is None else shown.end


def _repeated(earlier: Side, later: Side) -> int:
    """How many frames of the later side show nothing new; 0 wherever nothing moved that could tell."""
    tail, head = (standardised(_halved(frames)) for frames in (earlier.shown, _at_rate_of(earlier, later)))
    steps = [apart(rows[1:], rows[:-1]) for rows in (tail, head)]
    if not len(steps[0]) or float(np.median(steps[0])) < _VISIBLE:
        return 0
    count = _again(tail, head) or _standing(tail, head, steps[0], steps[1])
    return min(len(later.shown), round(count * float(later.facts.fps / earlier.facts.fps)))


def _halved(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Frames of half the width and height: a quarter of the arithmetic, and less of the coding's noise."""
    height, width = (side // 2 * 2 for side in frames.shape[1:])
    even = frames[:, :height, :width]
    return np.asarray((even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]) / 4)


def _at_rate_of(earlier: Side, later: Side) -> NDArray[np.float32]:
    """The later frames as they would be at the rate of the earlier: the nearest in time."""
    ratio = float(later.facts.fps / earlier.facts.fps)
    if ratio == 1:
        return later.shown
    wanted = np.round(np.arange(int(len(later.shown) / ratio)) * ratio).astype(int)
    return np.asarray(later.shown[np.minimum(wanted, len(later.shown) - 1)])


def _again(tail: NDArray[np.float32], head: NDArray[np.float32]) -> int:
    """How many frames of the head are the last of the tail once more; 0 where fewer than two are, or none."""
    reach = min(len(tail), len(head))
    distances = [float(apart(tail[-shift:], head[:shift]).mean()) for shift in range(1, reach + 1)]
    shift = int(np.argmin(distances)) + 1
    if shift < _LEAST:
        return 0
    # A repetition fits at one shift alone. What comes to rest at the seam fits at many, and worse at each.
    beside = [distances[near - 1] for near in (shift - 1, shift + 1) if near <= reach]
    return shift if distances[shift - 1] <= min(_NOISE, _SAME * 2 * min(beside)) else 0


def _standing(
    tail: NDArray[np.float32], head: NDArray[np.float32], before: NDArray[np.float32], after: NDArray[np.float32]
) -> int:
    """How many frames of the head stand, though the tail was moving to its very end."""
    before = before[-_MOVING:]
    usual = float(np.median(before))
    if float((before < _SAME * usual).mean()) > _HELD:
        return 0
    least = min(usual, *(float(step) for step in before[-_CLOSING:]))
    if float(apart(tail[-1:], head[:1])[0]) <= _SAME * least:
        return _leading_below(after, _SAME * least) + 1
    # Where the first of them differs from the last before, only standing as no footage does is believed.
    still = _leading_below(after, _DEAD * least)
    return still + 1 if still >= _LONG else 0


def _leading_below(steps: NDArray[np.float32], most: float) -> int:
    going = np.flatnonzero(steps > most)
    return int(going[0]) if len(going) else len(steps)
