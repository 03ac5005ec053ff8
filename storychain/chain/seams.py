"""Seams on record: how each segment begins against the one before it, found once from the pictures."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from storychain.chain.run import Run, off_loop
from storychain.ledger import FINDER, SeamRecord

if TYPE_CHECKING:
    from storychain.media.prepare import Prepared

SURE = 0.5
"""Confidence from which a finding is acted on."""


async def seam_between(run: Run, before: Prepared, after: Prepared) -> SeamRecord:
    """The seam between two segments: from the ledger, else from their pictures, and then on record."""
    known = await run.on_record(run.ledger.seam, before.sha256, after.sha256)
    if known is not None and known.finder == FINDER:
        return known
    found = await run.room.seam(before, after)
    seconds = found.frames / after.probe.fps if found.frames else Fraction(0)
    # One frame of 24 a second is one or two of 30: what counts is how many different pictures they were.
    frames = max(1, int(seconds * min(before.probe.fps, after.probe.fps))) if found.frames else 0
    record = SeamRecord(before.sha256, after.sha256, FINDER, found.kind, frames, seconds, round(found.confidence, 3))
    await run.on_record(run.ledger.remember_seam, record)
    return record


async def seam_with_unshown(run: Run, continued: str, segment: Prepared) -> SeamRecord | None:
    """How a segment that is kept begins against the take, by its key, that it was made to continue.

    That much of it is not new. None where that take is not here any more.
    """
    record = await run.on_record(run.ledger.record, continued)
    known = await run.on_record(run.ledger.seam, record.sha256, segment.sha256) if record.sha256 else None
    if known is not None and known.finder == FINDER:
        return known
    file = run.workspace.segment(continued)
    if not await off_loop(file.exists):
        return None
    return await seam_between(
        run, await run.room.prepare(file, run.workspace.prepared(continued), strict=False), segment
    )


def left_out(seam: SeamRecord | None, *, doubled: bool) -> Fraction:
    """Seconds at a segment's head that show nothing new, where that is sure.

    A segment that begins with the very frame it continues shows that frame twice: it is left out only if `doubled`
    frames are to be. Many providers begin so and count it in the length they were paid for, and to leave it out has
    pictures encoded anew that would else be copied.
    """
    if seam is None or seam.confidence < SURE or (seam.frames == 1 and not doubled):
        return Fraction(0)
    return seam.seconds


def less_than_all(skip: Fraction, segment: Prepared) -> Fraction:
    """Of a segment that shows nothing new at all the last frame stays: a scene is never gone without a trace."""
    probe = segment.probe
    return min(skip, probe.seconds - 1 / probe.fps) if skip else skip


def shows_nothing_new(seam: SeamRecord | None, segment: Prepared) -> bool:
    """Whether all of a segment repeats what was shown, for sure."""
    return seam is not None and seam.confidence >= SURE and 0 < segment.probe.seconds <= seam.seconds


NOTHING_NEW = "it is the video before it once more, and nothing in it is new"


def said_of(seam: SeamRecord, segment: Prepared) -> str | None:
    """What a person should know of a seam at once, or None where a segment goes on or begins with one frame doubled."""
    if seam.frames == 1:
        return None
    if shows_nothing_new(seam, segment):
        return f"{NOTHING_NEW}; all but its last frame is left out"
    what = {
        "merged": "it holds the whole video before it once more",
        "repeated": f"its first {_frames(seam)} repeat what was shown",
        "frozen": f"its first {_frames(seam)} stand still",
    }.get(seam.kind)
    if what is None:
        return None
    sure = "; left out" if seam.confidence >= SURE else f"; not sure enough to leave out ({seam.confidence:.0%})"
    return f"{what}{sure}"


def _frames(seam: SeamRecord) -> str:
    return f"{seam.frames} frames"
