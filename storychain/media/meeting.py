"""The end of one segment and the beginning of the next, with what is measured on them once.

What lives here: the best shift of one over the other, and where the later stands still. What may not: any decision
about what is dropped.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from storychain.media.likeness import Floats, Grey, moved, steps, views

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STILL = 0.15
"""Part of the movement after it that a frozen stretch may show: coders let some of what comes shine through."""

_FAINT = 0.05
"""Part of the earlier's movement that the later must show to be moving again."""

_SHORT = 5
"""Steps up to which standing still has to be complete to count: slow movement may nearly stand."""

_AS_DEEP, _RIDGE = 2.5, 6.0
"""How many times the least cost another valley's may be to count as deep, and what lies between them is at least."""

_DOUBLE = 0.03
"""Part of the usual movement below which a frame is the one before it once more."""


class Meeting:
    """The two stretches, and what is measured on them.

    `ratio` is how many frames of the earlier last as long as one of the later; `whole` says that none of the earlier
    is missing. `shift` is the shift, in frames of the earlier, at which they fit best. `standing` is how many of the
    later's first frames show the same, and `resumes` whether it moves after them. `steps` is what moves
    from frame to frame of the earlier, `usual` how much that is near its end, and `doubles` where it is nothing.
    """

    def __init__(self, earlier: Grey, later: Grey, ratio: float, *, whole: bool) -> None:
        self.ratio, self.whole = ratio, whole
        self.earlier, self.later = earlier.astype(np.float32), later.astype(np.float32)
        self.views = (views(earlier, later, 2), views(earlier, later, 4))
        self.steps = steps(self.earlier)
        self.usual = max(0.0, float(np.percentile(self.steps[-8:], 75)))
        self.doubles = doubled(self.steps, self.usual)
        self._fresh = _fresh(self.doubles), _fresh(doubled(steps(self.later), self.usual))
        self.shift = self._best_shift()
        still, self.resumes = self.run(0)
        self.standing = 1 + still

    def _best_shift(self) -> float:
        most = len(self.earlier)
        grid = np.arange(1, most + 1) if self.ratio == 1 else np.arange(0.75, most + 0.5, 0.25)
        costs = np.zeros(len(grid))
        for view in self.views:
            cost = np.array([view.across[self.matched(float(shift))].mean() for shift in grid])
            costs += cost / max(float(np.median(cost)), 1e-9)
        return float(grid[_first_of_equals(costs)])

    def matched(self, shift: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Frames of the later and of the earlier (counted from its end, -1 the last) that lie over each other.

        A frame that is the one before it once more stands where another was left out, perhaps on one side only: it
        says nothing, as long as others do.
        """
        later = np.arange(len(self.later))
        earlier = np.floor(later * self.ratio - shift + 0.5).astype(int)
        within = (earlier <= -1) & (earlier >= -len(self.earlier))
        later, earlier = later[within], earlier[within]
        own, other = self._fresh
        telling = own[earlier] & other[later]
        enough = 2 * int(telling.sum()) >= len(telling)
        return (later[telling], earlier[telling]) if enough else (later, earlier)

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
            if least >= _FAINT * lively and highest[still - 1] <= (_STILL if still > _SHORT else _DOUBLE) * least:
                return still, True
        return (len(each), False) if highest[-1] <= _STILL * lively else (0, True)


def _first_of_equals(costs: NDArray[np.float64]) -> int:
    """The place of the least cost; of several valleys as deep, the first: what swings to and fro on a beat fits again
    after each, and the shorter shift leaves out less.
    """
    best = int(costs.argmin())
    for place in np.flatnonzero(costs[:best] <= _AS_DEEP * costs[best]):
        if costs[place:best].max() > _RIDGE * costs[best]:
            valley = int(np.argmax(costs[place:] > _AS_DEEP * costs[best]))
            return int(place) + int(costs[place : place + valley].argmin())
    return best


def _fresh(doubles: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which frames are not the one before them once more."""
    return np.concatenate([[True], ~doubles])


def doubled(each: Floats, usual: float) -> NDArray[np.bool_]:
    """Which steps do nothing beside the livelier ones around them."""
    around = np.array([np.percentile(each[max(0, n - 4) : n + 5], 75) for n in range(len(each))])
    return np.asarray((each <= _DOUBLE * around) & (around >= 0.01 * usual), np.bool_)
