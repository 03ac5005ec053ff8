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
    known = await off_loop(run.ledger.seam, before.sha256, after.sha256)
    if known is not None and known.finder == FINDER:
        return known
    found = await run.room.seam(before, after)
    seconds = found.frames / after.probe.fps if found.frames else Fraction(0)
    record = SeamRecord(
        before.sha256, after.sha256, FINDER, found.kind, found.frames, seconds, round(found.confidence, 3)
    )
    await off_loop(run.ledger.remember_seam, record)
    return record


def left_out(seam: SeamRecord | None) -> Fraction:
    """Seconds at a segment's head that show nothing new, where that is sure; never all of it."""
    return seam.seconds if seam is not None and seam.confidence >= SURE else Fraction(0)


def said_of(seam: SeamRecord) -> str | None:
    """What a person should know of a seam, or None where a segment simply goes on."""
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
    return f"{seam.frames} frames" if seam.frames != 1 else "frame"
