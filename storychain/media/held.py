"""Whether a segment begins with the very last frame of the one before it, once or standing still.

What lives here: the evidence for one repeated frame and for a frozen head, which slow movement and doubled frames look
much like. What may not: files, and what is made of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from storychain.media.likeness import Floats, along, contained, moved, steps
from storychain.media.meeting import doubled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from storychain.media.meeting import Meeting

_SURE, _LIKELY = 0.15, 0.5
"""Part of the movement of the steps beside it that a repeated frame may show: by itself; if evenness agrees."""

_OFF = 0.35
"""Part of an even movement that may be in the step over the seam."""

_NOISY = 0.15
"""Part of what differs in a repeated frame that shifts explain, at most: the rest is noise of coding."""

_FLAT = 6.0
"""Deviation, in levels, of a picture that shows too little to be known again: black, white, fog."""

_CUT = 4.0
"""How many times wider than the next a step is that is no movement but a cut."""

HOLD = 3
"""Frames that must stand still to be taken for a frozen stretch."""


def held(pair: Meeting) -> tuple[int, float]:
    """How many frames at the later's head are the earlier's last one again, and how sure that is.

    With no frames, it is how near it came to being sure.
    """
    still = pair.doubles
    standing = _trailing(still)
    longest = _longest(still[: len(still) - standing])
    frames = pair.standing - _due(still, doubled(steps(pair.later[pair.standing - 1 :]), 0.0))
    moving = pair.usual > 0 and pair.resumes and float(pair.earlier[-1].std()) >= _FLAT
    if not moving or frames < 1 or standing > longest:
        return 0, 0.5
    end = len(pair.earlier) - standing
    before = pair.steps[: end - 1][~still[: end - 1]][-3:]
    after = steps(pair.later[pair.standing - 1 : pair.standing + 2])
    head = pair.later[: min(pair.standing, 6)].mean(0, keepdims=True)
    last = pair.earlier[end - 1 : end]
    step = float(moved(last, head)[0])
    due = _expected(before[::-1])
    beside = min(due, float(before.min())) if frames >= HOLD else min(due, _expected(after))
    if (frames >= HOLD and frames <= longest + 1) or beside <= 0 or not _real(pair, end, beside):
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


def _expected(each: Floats) -> float:
    """What the step over the seam would move, told by those on one side, the nearest first: less where they slow."""
    near = sqrt(max(0.0, float(each[0])))
    beyond = sqrt(max(0.0, float(each[1]))) if len(each) > 1 else near
    if beyond > _CUT * near:
        return near * near  # a cut beside the nearest says nothing
    slowed = max(0.0, min(near, 1.5 * near - 0.5 * beyond))
    return slowed * slowed


def _real(pair: Meeting, end: int, beside: float) -> bool:
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


def _evenness(pair: Meeting, end: int) -> _Evenness:
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


def _trailing(still: NDArray[np.bool_]) -> int:
    return int(np.argmin(still[::-1])) if not still.all() else len(still)


def _longest(still: NDArray[np.bool_]) -> int:
    """The longest run of steps that stand still."""
    moving = np.flatnonzero(~np.concatenate([[False], still, [False]]))
    return int(np.diff(moving).max() - 1)


def _due(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> int:
    """1 where footage that doubles frames in a regular beat, on both sides, doubles one at the seam, else 0."""
    back = [False, *reversed(before.tolist())]  # back[n] is the step n before the seam
    beat = back.index(True) if True in back else len(back)  # the nearest: two beats at once would make up others
    if 2 * beat >= len(back) or not back[2 * beat]:
        return 0
    return int(beat > len(after) or after[beat - 1])
