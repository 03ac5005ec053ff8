"""Where two segments meet: how many frames at the head of the later one show nothing new, found from the pictures.

What lives here: reading the few frames that matter, and the judgement. What may not: cutting, and the numbers that the
judgement rests on (`likeness`). A frame of real footage left out is the worst mistake there is, so whatever is not
sure is a `tail`, of which nothing is dropped. What is decided how:

- Frames are small and grey, made alike in brightness and contrast, and weighed by where the film moves.
- *Repeated frames.* For each shift the mean distance of the frames laid over each other; the least is the candidate.
  It holds if nearly every pair is much nearer than the earlier segment is to itself so many frames before (a loop,
  stillness), if what is left of the difference has nothing to do with the movement just there (else it is one frame
  off), nor with the movement from so many frames before (else the film just goes on).
- *One repeated frame*, or a *frozen* head. A frame that repeats the last one differs from it by coding alone; a next
  one by movement, and what moves is explained by shifts of small blocks where noise is not. It is repeated if that
  part is far below that of the steps on both sides, or if it is below and the movement on both sides, which goes on
  evenly, is not in it. Footage that doubles a frame now and then (24 frames a second shown as 25) is not cut
  where the next double is due. Frozen frames count only after an end that moved, before a beginning that does.
- *Merged.* Only a later segment that is longer is asked: it must begin like the earlier one and not like its end, and
  the end is then looked for where it must be.
- *Unrelated.* Nothing alike at the seam: a cut. Nothing is dropped.

Rates may differ: positions are then reckoned in fractions of frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Literal

import numpy as np

from storychain.media.glance import Header, glance, header
from storychain.media.likeness import Floats, Grey, Views, along, apart, contained, moved, steps, views

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

Kind = Literal["tail", "merged", "repeated", "frozen", "unrelated"]

_REACH = 52
"""Frames up to which a repetition is looked for; more where they last less than `_LONG`."""

_LONG = 2.2
"""Seconds up to which a repetition or a frozen head is looked for."""

_GLIMPSE = 16
"""Frames of the later segment that tell whether there is anything to look for."""

_LEAST = 4
"""Frames on either side without which nothing can be told."""

_ALIKE = 0.5
"""Part of the earlier segment's own distance over a shift that a matching pair may have."""

_OFF = 0.35
"""Part of a frame's movement that a match may be off."""

_SURE, _LIKELY = 0.15, 0.5
"""Part of the movement of the steps beside it that a repeated frame may show: by itself; if evenness agrees."""

_NOISY = 0.15
"""Part of what differs in a repeated frame that shifts explain, at most: the rest is noise of coding."""

_STILL = 0.15
"""Part of the movement after it that a frozen stretch may show: coders let some of what comes shine through."""

_SHORT = 5
"""Steps up to which standing still has to be complete to count: slow movement may nearly stand."""

_DOUBLE = 0.03
"""Part of the usual movement below which a frame is the one before it once more."""

_FLAT = 6.0
"""Deviation, in levels, of a picture that shows too little to be known again: black, white, fog."""

_UNRELATED = 0.36
"""Distance of standardised frames, 0 (equal) to 2, above which they show different things."""


@dataclass(frozen=True, slots=True)
class Seam:
    """How the later segment begins, and how many frames of its beginning, at its own rate, show nothing new.

    `tail`: goes on from the last frame. `merged`: holds all of the earlier segment first. `repeated`: its first frames
    are the last ones of the earlier (and may stand still after that). `frozen`: its first frames stand still as the
    earlier's last. `unrelated`: shows something else. `confidence` is 0 (a guess) to 1. `distance` is of the frames
    held to be the same, else of those that meet: 0 (equal) to 2 (unlike), brightness and contrast not counted.
    """

    kind: Kind
    frames: int
    confidence: float
    distance: float


def find_seam(before: Path, after: Path) -> Seam:
    """Judge the seam between two prepared pictures; 0.2 to 0.6 s for 8 s of 720p, to be called in a thread.

    Raises MediaError where one of them cannot be read.
    """
    one, other = header(before), header(after)
    ratio = float(one.fps / other.fps)
    earlier = glance(before, max(0, one.frames - _window(one)), one.frames, size=one.size)
    later = glance(after, 0, _GLIMPSE, size=one.size)
    if min(len(earlier), len(later)) < _LEAST:
        return Seam(_plain(earlier, later), 0, 0.0, apart(earlier[-1], later[0]))
    whole = len(earlier) == one.frames
    if not whole and other.seconds > one.seconds:
        merged = _merged(before, after, earlier, later)
        if merged is not None:
            return merged
    pair = _Pair(earlier, later, ratio, whole=whole)
    if pair.shift < _TWO and pair.standing == 1:
        return _judged(pair)
    later = glance(after, 0, _window(other) + _window(other) // 2, size=one.size)
    return _judged(_Pair(earlier, later, ratio, whole=whole))


def _window(facts: Header) -> int:
    return max(_REACH, round(_LONG * facts.fps)) + 1


_TWO = 1.6
"""Frames of shift from which on it is more than one frame that would be repeated."""


class _Pair:
    """The end of one segment, the beginning of the next, and what is measured on them once.

    `ratio` is how many frames of the earlier last as long as one of the later; `whole` says that none of the earlier
    is missing. `shift` is the shift, in frames of the earlier, at which they fit best. `standing` is how many of the
    later's first frames show the same, and `resumes` whether it moves after them.
    """

    def __init__(self, earlier: Grey, later: Grey, ratio: float, *, whole: bool) -> None:
        self.ratio, self.whole = ratio, whole
        self.earlier, self.later = earlier.astype(np.float32), later.astype(np.float32)
        self.views = (views(earlier, later, 2), views(earlier, later, 4))
        self.steps = steps(self.earlier)
        self.usual = max(0.0, float(np.percentile(self.steps[-8:], 75)))
        self.doubles = _doubles(self.steps, self.usual)
        self.shift = self._best_shift()
        still, self.resumes = self.run(0)
        self.standing = 1 + still

    def _best_shift(self) -> float:
        most = len(self.earlier)
        grid = np.arange(1, most + 1) if self.ratio == 1 else np.arange(0.75, most, 0.25)
        costs = np.zeros(len(grid))
        for view in self.views:
            cost = np.array([view.across[self.matched(float(shift))].mean() for shift in grid])
            costs += cost / max(float(np.median(cost)), 1e-9)
        return float(grid[int(costs.argmin())])

    def matched(self, shift: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Frames of the later and of the earlier (counted from its end, -1 the last) that lie over each other."""
        later = np.arange(len(self.later))
        earlier = np.floor(later * self.ratio - shift + 0.5).astype(int)
        within = (earlier <= -1) & (earlier >= -len(self.earlier))
        return later[within], earlier[within]

    def frames(self, shift: float) -> int:
        """How many frames of the later lie over the earlier."""
        return ceil((shift - 0.5) / self.ratio - 1e-9)

    def run(self, begin: int) -> tuple[int, bool]:
        """How many steps of the later stand still from frame `begin` on, and whether it moves after that."""
        frames = self.later[begin:]
        if len(frames) < 2:
            return 0, False
        each, way = steps(frames), moved(frames[:1], frames[1:])
        highest = np.maximum.accumulate(np.maximum(each, way / 3))
        lively = float(self.steps[-3:].max())
        for still in range(len(each) - 1, 0, -1):
            least = min(lively, float(each[still : still + 2].max()))
            if highest[still - 1] <= (_STILL if still > _SHORT else _DOUBLE) * least:
                return still, True
        return (len(each), False) if highest[-1] <= _STILL * lively else (0, True)


def _judged(pair: _Pair) -> Seam:
    if pair.shift >= _TWO:
        sure = max(_overlaps(pair, view, fit) for fit in _fits(pair) for view in pair.views)
        if sure > 0:
            return _overlapping(pair, sure)
    frames, sure = _held(pair)
    if frames:
        kind: Kind = "repeated" if frames == 1 else "frozen"
        return Seam(kind, frames, sure, apart(pair.earlier[-1], pair.later[0]))
    return Seam(_plain(pair.earlier, pair.later), 0, 1.0 - sure, apart(pair.earlier[-1], pair.later[0]))


def _overlapping(pair: _Pair, sure: float) -> Seam:
    frames = pair.frames(pair.shift)
    later, earlier = pair.matched(pair.shift)
    distance = float(np.mean([apart(pair.later[i], pair.earlier[j]) for i, j in zip(later, earlier, strict=True)]))
    still, resumes = pair.run(frames - 1)
    if still >= _HOLD and resumes and not pair.doubles[-1]:
        frames += still
    return Seam("merged" if pair.whole and pair.shift == len(pair.earlier) else "repeated", frames, sure, distance)


_HOLD = 3
"""Frames that must stand still to be taken for a frozen stretch."""

_CLOSE = 8
"""Frames of shift up to which slow movement may be less than the noise of coding."""


@dataclass(frozen=True, slots=True)
class _Fit:
    """How far the later's frames are from those they lie over, and from the earlier's last; and, as the measure of
    both, how far the earlier is from itself so many frames before.
    """

    matches: Floats
    last: Floats
    own: float


def _fits(pair: _Pair) -> Iterator[_Fit]:
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


def _overlaps(pair: _Pair, view: Views, fit: _Fit) -> float:
    """How sure it is (0: not at all) that the later begins with the earlier's last `shift` frames."""
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
    goes_on = [along(view.b[i] - view.a[j], gone) for i, j in zip(later[:4], earlier[:4], strict=True)]
    null = abs(float(np.mean(goes_on)))
    allowed = _OFF if pair.ratio == 1 else 2 * _OFF
    if off > allowed or null > _OFF:
        return 0.0
    return float(1 - 0.5 * max(cost / fit.own / _ALIKE, off / allowed, null / _OFF))


def _off(view: Views, later: NDArray[np.intp], earlier: NDArray[np.intp]) -> float:
    """By how many frames the matched ones are off, told by the movement around each."""
    inner = (earlier <= -2) & (earlier - 1 >= -len(view.a))
    if not inner.any():
        return 0.0
    ways = (view.a[earlier[inner] + 1] - view.a[earlier[inner] - 1]) * np.float32(0.5)
    return along(view.b[later[inner]] - view.a[earlier[inner]], ways)


def _held(pair: _Pair) -> tuple[int, float]:
    """How many frames at the later's head are the earlier's last one again, and how sure that is.

    With no frames, it is how near it came to being sure.
    """
    still = pair.doubles
    standing = _trailing(still)
    longest = _longest(still[: len(still) - standing])
    frames = pair.standing - _due(still)
    moving = pair.usual > 0 and pair.resumes and float(pair.earlier[-1].std()) >= _FLAT
    if not moving or frames < 1 or standing > longest:
        return 0, 0.5
    end = len(pair.earlier) - standing
    before = pair.steps[: end - 1][~still[: end - 1]][-3:]
    after = steps(pair.later[pair.standing - 1 : pair.standing + 2])
    head = pair.later[: min(pair.standing, 6)].mean(0, keepdims=True)
    last = pair.earlier[end - 1 : end]
    step = float(moved(last, head)[0])
    beside = float(before.min()) if frames >= _HOLD else float(min(before[-1], after[0]))
    if (frames >= _HOLD and frames <= longest + 1) or beside <= 0 or not _real(pair, end, beside):
        return 0, 0.4
    part, noisy = step / beside, step <= _NOISY * float(((head - head.mean() - last + last.mean()) ** 2).sum())
    even = _evenness(pair, end)
    if even.turns or even.goes_on > _LIKELY:
        return 0, 0.2
    if part <= _SURE:
        return frames, float(1 - 0.5 * max(0.0, part) / _SURE)
    if part <= _LIKELY and (even.goes_on <= _OFF if even.known else noisy):
        return frames, float(0.9 - 0.4 * part / _LIKELY)
    return 0, 0.5 if part <= 2 * _LIKELY else 0.1


def _real(pair: _Pair, end: int, beside: float) -> bool:
    """Whether what moves beside the seam is no mere noise: it adds up, or the seam has far less of it."""
    near = pair.earlier[max(0, end - 5) : end]
    if float(moved(near[:-1], near[-1:]).max()) >= 1.7 * beside:
        return True
    over, own = (float(((one - near[-1]) ** 2).mean()) for one in (pair.later[0], near[-2]))
    return over <= 0.3 * own


@dataclass(frozen=True, slots=True)
class _Evenness:
    """Whether movement is even enough on a side to be known again, how much of it is in the seam, and if it turns."""

    known: bool
    goes_on: float
    turns: bool


def _evenness(pair: _Pair, end: int) -> _Evenness:
    """Movement two frames long, clear of the seam's own frames, looked for in the step over the seam."""
    start = pair.standing
    known, goes_on, turns = False, 0.0, False
    for view in pair.views:
        a, b = view.a[:end], view.b
        over = b[0] - a[-1]
        sides: list[tuple[float, float]] = []
        if len(a) >= 5:
            own = [_evenly(a[-3 - n :: -1][:3], a[-1 - n] - a[-2 - n]) for n in range(min(4, len(a) - 4))]
            sides.append((float(np.median(own)), abs(_evenly(a[-2::-1][:3], over))))
        if len(b) >= start + 4:
            own = [
                _evenly(b[start + 3 + n :: -1][:3], b[start + n] - b[start - 1 + n])
                for n in range(min(4, len(b) - start - 3))
            ]
            sides.append((float(np.median(own)), abs(_evenly(b[start + 2 :: -1][:3], over))))
        for even, there in sides:
            if even >= 0.4:
                known = True
                goes_on = max(goes_on, there)
        if len(b) > start:
            turns = turns or contained(a[-1] - a[-2], b[start] - b[start - 1]) < -0.75
    return _Evenness(known, goes_on, turns)


def _evenly(three: Floats, step: Floats) -> float:
    """How much of the movement over three frames, latest first, is in one step; 1 where it goes on evenly."""
    return 2 * along(step, three[0] - three[2])


def _doubles(each: Floats, usual: float) -> NDArray[np.bool_]:
    """Which steps do nothing beside the livelier ones around them."""
    around = np.array([np.percentile(each[max(0, n - 4) : n + 5], 75) for n in range(len(each))])
    return np.asarray((each <= _DOUBLE * around) & (around >= 0.1 * usual), np.bool_)


def _trailing(still: NDArray[np.bool_]) -> int:
    return int(np.argmin(still[::-1])) if not still.all() else len(still)


def _longest(still: NDArray[np.bool_]) -> int:
    """The longest run of steps that stand still."""
    moving = np.flatnonzero(~np.concatenate([[False], still, [False]]))
    return int(np.diff(moving).max() - 1)


def _due(doubles: NDArray[np.bool_]) -> int:
    """1 where footage that doubles frames in a regular beat doubles one at the seam, else 0."""
    back = [False, *reversed(doubles.tolist())]  # back[n] is the step n before the seam
    return int(any(back[n] and back[2 * n] for n in range(1, (len(back) + 1) // 2)))


def _plain(earlier: Grey | Floats, later: Grey | Floats) -> Kind:
    """Whether the later goes on from the earlier, or shows something else; nothing is dropped."""
    distance = apart(earlier[-1], later[0])
    beside = [apart(frames[n], frames[n + 1]) for frames in (earlier[-4:], later[:4]) for n in range(len(frames) - 1)]
    # A racing camera makes neighbours as unlike as strangers.
    usual = float(np.median(beside)) if beside else 0.0
    return "tail" if distance <= max(_UNRELATED, 2 * usual) else "unrelated"


def _merged(before: Path, after: Path, earlier: Grey, later: Grey) -> Seam | None:
    """The seam of a later segment that holds all of the earlier one first, or None."""
    one, other = header(before), header(after)
    opening = glance(before, 0, 2, size=one.size)
    begins = apart(opening[0], later[0])
    if begins > _UNRELATED / 2 or begins > 0.25 * apart(earlier[-1], later[0]):
        return None
    ratio = float(one.fps / other.fps)
    due = round(one.seconds * other.fps)
    first = max(0, due - _window(other) + 5)
    there = glance(after, first, min(other.frames, due + _window(other) // 2), size=one.size)
    if len(there) < _LEAST:
        return None
    pair = _Pair(earlier, there, ratio, whole=False)
    sure = max(_overlaps(pair, view, fit) for fit in _fits(pair) for view in pair.views)
    if sure > 0 and abs(first + pair.frames(pair.shift) - due) <= other.fps / 2:
        found = _overlapping(pair, sure)
        return Seam("merged", first + found.frames, sure, found.distance)
    # An end that stands still cannot be told by its pictures; then the length says where it is.
    meets = [apart(earlier[-1], frame) for frame in there[max(0, due - first - 3) : due - first]]
    alike = bool(meets) and max(meets) < 0.1 * apart(opening[0], earlier[-1])
    return Seam("merged", due, 0.6, float(np.mean(meets))) if alike else None
