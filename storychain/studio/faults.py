"""What can be made to go wrong, and the seeded dice that say when. Decides only; the doors carry faults out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from storychain.errors import UsageError

FAULTS: Mapping[str, str] = {
    "submit.cut": "the connection is cut before the job is accepted",
    "submit.429": "refused for too many requests, without Retry-After",
    "submit.429_retry_after": "refused for too many requests, with Retry-After: 1",
    "submit.503": "refused: service unavailable",
    "submit.400_words": "refused for the words of the prompt",
    "submit.500_refused": "answers 500, no job exists",
    "submit.500_accepted": "answers 500, yet the job exists",
    "submit.lost": "accepted, then the connection drops without an answer",
    "submit.garbled": "accepted, the answer is broken JSON",
    "submit.slow": "accepted, the answer comes late",
    "poll.500": "a poll answers 500",
    "poll.429": "a poll is refused for too many requests",
    "poll.garbled": "a poll answers broken JSON",
    "poll.cut": "the connection is cut during a poll",
    "list.500": "a list answers 500",
    "list.bare": "a list tells of its jobs no more than how they stand",
    "list.mute": "a list names its jobs and tells nothing of them",
    "list.stale": "a list tells of all jobs as if they were still in progress",
    "list.lag": "a job just accepted is missing from the next two lists",
    "download.cut": "half of the bytes, then the connection is closed",
    "download.slow": "the bytes come slowly",
    "download.html": "200 with an HTML page in place of the video",
    "download.truncated": "a whole answer that carries half of the file",
    "download.403": "the address is refused as expired",
    "upload.500": "an upload answers 500",
    "job.failed": "the job fails in moderation",
    "job.failed_internal": "the job fails for no reason of its own",
    "media.short": "one second less than was asked and answered",
    "media.merged": "the whole source video and the new part after it",
    "media.same": "the source video itself, and nothing after it",
    "media.repeat": "the last 12 frames of the source are repeated at the head",
    "media.fps30": "30 frames a second",
    "media.fps25": "25 frames a second",
    "media.silent": "no sound track",
    "media.small": "half the width and height",
    "media.no_last_frame": "the answer has no lastFrameImageUrl",
}
"""Every fault by name. The word before the point is its kind: what counts as an occasion for it."""


@dataclass(frozen=True, slots=True)
class Chance:
    """When a fault fires: at the occasions `at` (1-based), or with `probability` at each."""

    probability: float = 0.0
    at: frozenset[int] = frozenset()

    def fires(self, occasion: int, dice: float) -> bool:
        """Whether it fires at `occasion`, given dice in [0, 1)."""
        return occasion in self.at if self.at else dice < self.probability


class Faults:
    """The faults now set, and how often each kind has had an occasion. Same seed, same occasions: same faults."""

    def __init__(self, faults: Mapping[str, float | str], seed: int = 0) -> None:
        self._seed = seed
        self._chances: dict[str, Chance] = {}
        self._occasions: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()
        self.set(faults)

    def set(self, faults: Mapping[str, float | str]) -> None:
        """Replace the faults; occasions go on counting."""
        self._chances = {checked_name(name): _chance(name, value) for name, value in faults.items()}

    def occasion(self, kind: str) -> frozenset[str]:
        """Count one occasion of `kind` (`submit`, `poll`, …) and say which of its faults are due."""
        self._occasions[kind] += 1
        return self._due(kind, self._occasions[kind])

    def for_job(self) -> frozenset[str]:
        """Faults that travel with the job accepted now: how it ends, what its media are like, the list's lag."""
        self._occasions["job"] += 1
        return frozenset().union(*(self._due(kind, self._occasions["job"]) for kind in ("job", "media", "list.lag")))

    def fire(self, due: frozenset[str], name: str) -> bool:
        """Whether `name` is among `due`; counted as fired if it is."""
        self.fired[name] += name in due
        return name in due

    def _due(self, kind: str, occasion: int) -> frozenset[str]:
        return frozenset(
            name
            for name, chance in self._chances.items()
            if (name == kind or name.startswith(f"{kind}.")) and chance.fires(occasion, self._dice(name, occasion))
        )

    def _dice(self, name: str, occasion: int) -> float:
        digest = hashlib.sha256(f"{self._seed}/{name}/{occasion}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64


def parse_faults(words: Iterable[str]) -> dict[str, float | str]:
    """Read `NAME=P`, `NAME=@N` or a bare `NAME` (always) as given on a command line; raises UsageError."""
    faults: dict[str, float | str] = {}
    for word in words:
        name, _, value = word.partition("=")
        number: float | str = value if value.startswith("@") else _probability(name, value or "1")
        _chance(checked_name(name), number)
        faults[name] = number
    return faults


def checked_name(name: str) -> str:
    """The name of a known fault as it stands; UsageError with the nearest one otherwise."""
    if name in FAULTS:
        return name
    nearest = get_close_matches(name, FAULTS, n=1)
    meant = f"Did you mean {nearest[0]!r}? " if nearest else ""
    raise UsageError(f"unknown fault {name!r}", next_step=f"{meant}Known faults: {', '.join(FAULTS)}.")


def _chance(name: str, value: float | str) -> Chance:
    if isinstance(value, str) and value.startswith("@"):
        places = value[1:].split(",")
        if all(place.isdecimal() and int(place) > 0 for place in places):
            return Chance(at=frozenset(int(place) for place in places))
        raise UsageError(
            f"fault {name}: {value!r} names no occasion", next_step="Write @1 for the first, @2,@5 is @2,5."
        )
    return Chance(probability=_probability(name, value))


def _probability(name: str, value: float | str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise UsageError(f"fault {name}: {value!r} is no probability", next_step="Give 0 to 1, or @N for the Nth time.")
    return number
