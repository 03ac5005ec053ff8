"""Where two segments meet: how many frames at the head of the later one show nothing new, found from the pictures.

What lives here: which frames are looked at, and the judgement. What may not: cutting, decoding (`glance`), measuring
(`likeness`, `meeting`) and weighing the evidence (`overlap`, `held`). A frame of real footage left out is the worst
mistake there is, so whatever is not sure is a `tail`, of which nothing is dropped. What is decided how:

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
- *Merged.* A later segment that is longer must begin like the earlier one and not like its end, and the end is then
  looked for where it must be. One that is as long may be the earlier one sent back: `resent`.
- *Unrelated.* Nothing alike at the seam: a cut. Nothing is dropped.

Rates may differ: positions are then reckoned in fractions of frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from storychain.media.glance import Header, glance, header
from storychain.media.held import HOLD, held
from storychain.media.likeness import Floats, Grey, apart
from storychain.media.meeting import Meeting
from storychain.media.overlap import overlaps
from storychain.media.resent import COPY, sent_back

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["tail", "merged", "repeated", "frozen", "unrelated"]

_REACH = 52
"""Frames up to which a repetition is looked for; more where they last less than `_LONG`."""

_LONG = 2.2
"""Seconds up to which a repetition or a frozen head is looked for."""

_GLIMPSE = 16
"""Frames of the later segment that tell whether there is anything to look for."""

_LEAST = 4
"""Frames on either side without which nothing can be told."""

_TWO = 1.6
"""Frames of shift from which on it is more than one frame that would be repeated."""

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
    if not whole:
        longer = other.seconds > one.seconds
        merged = _merged(before, after, earlier, later) if longer else _sent_back(before, after, other.frames)
        if merged is not None:
            return merged
    pair = Meeting(earlier, later, ratio, whole=whole)
    if pair.shift < _TWO and pair.standing <= _GLIMPSE // 2:
        return _judged(pair)
    later = glance(after, 0, _window(other) + _window(other) // 2, size=one.size)
    return _judged(Meeting(earlier, later, ratio, whole=whole))


def _window(facts: Header) -> int:
    return max(_REACH, round(_LONG * facts.fps)) + 1


def _judged(pair: Meeting) -> Seam:
    if pair.shift >= _TWO:
        sure = overlaps(pair)
        if sure > 0:
            return _overlapping(pair, sure)
    frames, sure = held(pair)
    if frames:
        kind: Kind = "repeated" if frames == 1 else "frozen"
        return Seam(kind, frames, sure, apart(pair.earlier[-1], pair.later[0]))
    return Seam(_plain(pair.earlier, pair.later), 0, 1.0 - sure, apart(pair.earlier[-1], pair.later[0]))


def _overlapping(pair: Meeting, sure: float) -> Seam:
    frames = pair.frames(pair.shift)
    later, earlier = pair.matched(pair.shift)
    distance = float(np.mean([apart(pair.later[i], pair.earlier[j]) for i, j in zip(later, earlier, strict=True)]))
    still, resumes = pair.run(frames - 1)
    if still >= HOLD and resumes and not pair.doubles[-1]:
        frames += still
    all_of_it = pair.whole and pair.shift > len(pair.earlier) - (0.5 if pair.ratio == 1 else 1)
    return Seam("merged" if all_of_it else "repeated", frames, sure, distance)


def _plain(earlier: Grey | Floats, later: Grey | Floats) -> Kind:
    """Whether the later goes on from the earlier, or shows something else; nothing is dropped."""
    distance = apart(earlier[-1], later[0])
    beside = [apart(frames[n], frames[n + 1]) for frames in (earlier[-4:], later[:4]) for n in range(len(frames) - 1)]
    # A racing camera makes neighbours as unlike as strangers.
    usual = float(np.median(beside)) if beside else 0.0
    return "tail" if distance <= max(_UNRELATED, 2 * usual) else "unrelated"


def _sent_back(before: Path, after: Path, frames: int) -> Seam | None:
    """The seam of a later segment that holds the earlier one and nothing else, or None."""
    distance = sent_back(before, after)
    return None if distance is None else Seam("merged", frames, 1 - distance / COPY / 2, distance)


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
    pair = Meeting(earlier, there, ratio, whole=False)
    sure = overlaps(pair)
    if sure > 0 and abs(first + pair.frames(pair.shift) - due) <= other.fps / 2:
        found = _overlapping(pair, sure)
        # Footage that comes back to where it began makes a long repetition begin like all of it.
        if first + found.frames < due - other.fps / 8:
            return None
        return Seam("merged", first + found.frames, sure, found.distance)
    # An end that stands still cannot be told by its pictures; then the length says where it is.
    meets = [apart(earlier[-1], frame) for frame in there[max(0, due - first - 3) : due - first]]
    alike = bool(meets) and max(meets) < 0.1 * apart(opening[0], earlier[-1])
    return Seam("merged", due, 0.6, float(np.mean(meets))) if alike else None
