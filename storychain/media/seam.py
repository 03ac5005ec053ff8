"""Where two segments meet: does the later one go straight on, repeat what was shown, or stand still at first?

Told from small grey frames; nothing is cut here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import av
import numpy as np

from storychain.media.probe import CONFINED

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Kind = Literal["tail", "merged", "repeated", "frozen", "unrelated"]

WIDTH, HEIGHT = 96, 54
"""Size of the frames that are compared: small enough to be quick, large enough to tell a step from standing still."""

_REACH = 52
"""Frames, some two seconds, up to which a repetition is looked for."""

_UNRELATED = 0.36
"""Distance above which two frames show different things."""

_NOISE = 0.01
"""Distance that coding alone may make between two copies of a frame."""

_LEAST = 2
"""Frames that must repeat to be believed: one alone cannot be told from slow movement."""


@dataclass(frozen=True, slots=True)
class Seam:
    """How the later segment begins, and how many frames of its beginning show nothing new.

    `tail`: goes on from the last frame. `merged`: holds all of the earlier segment first. `repeated`: its first
    `frames` are the last ones of the earlier. `frozen`: its first `frames` stand still. `unrelated`: shows something
    else.
    `distance` is of the frames held to be the same, 0 (equal) to 2 (unlike, up to light and contrast).
    """

    kind: Kind
    frames: int
    distance: float
    confidence: float = 1.0


def grey_frames(video: Path) -> NDArray[np.uint8]:
    """All frames of a video as an array of n by 54 by 96 bytes, grey; about 0.5 s for 8 s of 720p."""
    with av.open(str(video.absolute()), format="mov", options=CONFINED) as opened:
        opened.streams.video[0].thread_type = "AUTO"
        shown = [frame.reformat(WIDTH, HEIGHT, "gray").to_ndarray() for frame in opened.decode(video=0)]
    return np.array(shown, np.uint8)


def find_seam(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Seam:
    """Judge the seam between two segments' grey frames (n by height by width, whole segments, one rate)."""
    earlier, later = _standardised(before), _standardised(after)
    motion = max(_motion(earlier[-_REACH:]), _motion(later[:_REACH]))
    allowed = 1.2 * motion + _NOISE
    return (
        _merged(earlier, later, allowed)
        or _repeated(earlier[-_REACH:], later[:_REACH], allowed)
        or _frozen(earlier, later, motion)
        or _plain(earlier, later, allowed)
    )


def _standardised(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """One row a frame, its mean taken away and its deviation made 1: brightness and contrast no longer count."""
    rows = frames.reshape(len(frames), -1).astype(np.float32)
    rows -= rows.mean(1, keepdims=True)
    return np.asarray(rows / np.maximum(rows.std(1, keepdims=True), 1.0), np.float32)


def _apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean squared difference of each pair of rows."""
    return np.asarray(((one - other) ** 2).mean(1), np.float32)


def _motion(rows: NDArray[np.float32]) -> float:
    """Usual distance of a frame to the next."""
    return float(np.median(_apart(rows[1:], rows[:-1]))) if len(rows) > 1 else 0.0


def _merged(earlier: NDArray[np.float32], later: NDArray[np.float32], allowed: float) -> Seam | None:
    whole = len(earlier)
    if len(later) <= whole:
        return None
    at = np.unique(np.linspace(0, whole - 1, 24).astype(int))
    distance = float(_apart(earlier[at], later[at]).mean())
    # A still picture is like itself anywhere: only where the segment gets away from its beginning does likeness count.
    travelled = float(_apart(earlier[at], earlier[at[::-1]]).mean())
    return Seam("merged", whole, distance) if distance <= min(allowed, travelled / 4) else None


def _repeated(tail: NDArray[np.float32], head: NDArray[np.float32], allowed: float) -> Seam | None:
    reach = min(len(tail), len(head))
    distances = [float(_apart(tail[-shift:], head[:shift]).mean()) for shift in range(1, reach + 1)]
    shift = int(np.argmin(distances)) + 1
    distance = distances[shift - 1]
    # Were it not a repetition, going straight on would fit about as well.
    convincing = distance <= min(allowed, distances[0] / 2)
    return Seam("repeated", shift, distance) if shift >= _LEAST and convincing else None


def _frozen(earlier: NDArray[np.float32], later: NDArray[np.float32], motion: float) -> Seam | None:
    steps = _apart(later[1 : _REACH + 1], later[: len(later[: _REACH + 1]) - 1])
    moving = np.flatnonzero(steps > 0.1 * motion)
    still = int(moving[0]) if len(moving) else 0
    distance = float(_apart(earlier[-1:], later[:1])[0])
    return Seam("frozen", still + 1, distance) if still >= _LEAST and distance <= _UNRELATED else None


def _plain(earlier: NDArray[np.float32], later: NDArray[np.float32], allowed: float) -> Seam:
    distance = float(_apart(earlier[-1:], later[:1])[0])
    # A racing camera makes neighbours as unlike as strangers.
    return Seam("tail" if distance <= max(_UNRELATED, 1.5 * allowed) else "unrelated", 0, distance)
