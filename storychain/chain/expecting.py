"""When to look at a job: by how long such jobs took before, so that an answer is likely each time. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

Span = tuple[float, float]
"""Seconds after which a job was seen still under way for the last time, and seen ended."""

_PRICE = 0.5
"""Seconds of waiting longer that a look is worth."""

_NARROWEST, _PARTS = 6, 4
"""Spans that say best when jobs end, and the moments that are looked at in each."""

_GRID = 40
"""Moments that are looked at in all of the time."""

_ROUNDS = 12
"""Rounds in which what is known narrowly says more about what is known only widely."""

_ENOUGH = 3
"""Jobs that must have been seen before their like is expected to take as long."""

_SLOWER = 0.1
"""Share of its age after which a job that takes longer than all before is looked at again."""

_LONGEST = 8
"""Times the floor between two looks at most: what is known may be wrong, as after a clock that was set meanwhile."""

_UNTRIED = 12
"""Times the floor that what a list says is believed of jobs of which none is known."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The ages (seconds) at which to look at a job, never within `floor` of each other; and what then."""

    ages: tuple[float, ...]
    floor: float

    def first(self, age: float) -> float:
        """The age for the first look at a job that is `age` old now."""
        place = bisect_left(self.ages, age)
        if place < len(self.ages):
            return min(self.ages[place], self._at_most(age))
        return age if self.ages else max(age, self.floor)

    def after(self, age: float) -> float:
        """The age for the next look at a job that was under way when it was `age` old."""
        place = bisect_right(self.ages, age)
        if place < len(self.ages):
            return min(max(age + self.floor, self.ages[place]), self._at_most(age))
        return min(age + (max(self.floor, _SLOWER * age) if self.ages else self.floor), self._at_most(age))

    def likely(self, age: float) -> float:
        """The age from which on a job may have ended that was under way when it was `age` old."""
        return max(age, min(self.ages[0], self._at_most(age))) if self.ages else age

    def beyond(self, age: float) -> float:
        """The age from which on it is not believed any more that a job goes on which was so when it was `age` old."""
        return self._at_most(max(age, self.ages[-1])) if self.ages else age + _UNTRIED * self.floor

    def _at_most(self, age: float) -> float:
        return age + _LONGEST * self.floor


def schedule(spans: Sequence[Span], floor: float) -> Schedule:
    """The looks that cost least: a second of waiting too long costs one, a look `_PRICE`; by all the spans at once.

    A job that nobody looked at for long, as from one night's run to the next, says nothing of how long it took.
    """
    telling = [(low, high) for low, high in spans if high - low <= max(_LONGEST * floor, high / 2)]
    if len(telling) < _ENOUGH:
        return Schedule((), floor)
    ends, shares = _likely(telling)
    return Schedule(_cheapest(ends, shares, floor), floor)


def _likely(spans: Sequence[Span]) -> tuple[list[float], list[float]]:
    """Moments at which such jobs end, and the share of them that do at each.

    A job looked at too late says only that it ended before; it is counted where others, looked at in time, did.
    """
    narrow = sorted(spans, key=lambda span: span[1] - span[0])[:_NARROWEST]
    inside = {low + (high - low) * part / _PARTS for low, high in narrow for part in range(1, _PARTS)}
    earliest, latest = min(low for low, _ in spans), max(high for _, high in spans)
    evenly = {earliest + (latest - earliest) * part / _GRID for part in range(1, _GRID)}
    ends = sorted(inside | evenly | {high for _, high in spans})
    within = [
        (min(bisect_right(ends, low), bisect_right(ends, high) - 1), bisect_right(ends, high)) for low, high in spans
    ]
    shares = [1 / len(ends)] * len(ends)
    for _ in range(_ROUNDS):
        so_far = [0.0, *accumulate(shares)]
        # Of each span every moment in it gets its share of one: all that is added from there on, and taken off after.
        steps = [0.0] * (len(ends) + 1)
        for first, after in within:
            whole = so_far[after] - so_far[first]
            if whole > 0:
                steps[first] += 1 / whole
                steps[after] -= 1 / whole
        shares = [share * max(0.0, times) / len(spans) for share, times in zip(shares, accumulate(steps), strict=False)]
    return ends, shares


def _cheapest(ends: Sequence[float], shares: Sequence[float], floor: float) -> tuple[float, ...]:
    """Ages of looks, the last of them at the last end or later, for jobs of which these shares end at `ends` (sorted).

    `best[j]` is the least cost of all that end up to j, where a look is made just then.
    """
    costs = _Costs(ends, shares)
    last = len(ends) - 1
    best: list[tuple[float, int | None]] = []
    for j, end in enumerate(ends):
        found: tuple[float, int | None] = (costs.of(-1, j, end), None) if end >= floor else (float("inf"), None)
        for i in range(j):
            if end - ends[i] < floor:
                break
            cost = best[i][0] + costs.of(i, j, end)
            if cost < found[0]:
                found = cost, i
        best.append(found)
    at = max(ends[-1], floor)
    total, before = costs.of(-1, last, at), None
    for i in range(last):
        when = max(ends[-1], ends[i] + floor)
        cost = best[i][0] + costs.of(i, last, when)
        if cost < total:
            total, before, at = cost, i, when
    ages = [at]
    while before is not None:
        ages.append(ends[before])
        before = best[before][1]
    return tuple(reversed(ages))


class _Costs:
    """What a look costs: the waiting of those that ended since the one before, and itself for all not ended by then."""

    def __init__(self, ends: Sequence[float], shares: Sequence[float]) -> None:
        self._shares = [0.0, *accumulate(shares)]
        self._times = [0.0, *accumulate(end * share for end, share in zip(ends, shares, strict=True))]

    def of(self, i: int, j: int, at: float) -> float:
        """Of a look at age `at` that finds those that ended after end i (-1: all) up to end j."""
        ended = self._shares[j + 1] - self._shares[i + 1]
        waited = ended * at - (self._times[j + 1] - self._times[i + 1])
        return waited + _PRICE * (self._shares[-1] - self._shares[i + 1])
