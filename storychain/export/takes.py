"""The takes of a film as CSV: a row for each, those that are not shown included.

For spreadsheets: UTF-8 with the mark by which they know it, and nothing in it that they would calculate.
"""

from __future__ import annotations

import csv
import io
from fractions import Fraction
from typing import TYPE_CHECKING

from storychain.export.timeline import plain_number, rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.export.timeline import Item, Take, Timeline

COLUMNS = (
    "position",
    "scene",
    "kind",
    "shown",
    "begin_seconds",
    "end_seconds",
    "begin_frame",
    "end_frame",
    "first_source_frame",
    "rate",
    "seam",
    "seam_frames",
    "seam_confidence",
    "transition",
    "transition_frames",
    "take",
    "state",
    "key",
    "job_id",
    "model",
    "seconds_asked",
    "credits",
    "file",
    "file_rate",
    "file_frames",
    "width",
    "height",
    "sha256",
    "prompt",
    "remark",
)
"""A contract with scripts: add, never rename. Frames count at `rate`, the film's; ends are not included."""

_CALCULATED = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes a cell for a formula by; a quote before it makes it text."""


def csv_text(timeline: Timeline, unused: Sequence[tuple[str, Take]] = ()) -> str:
    """Every take of every scene as CSV; `unused` are takes, by scene, of scenes that the story no longer has."""
    written = io.StringIO()
    rows = csv.DictWriter(written, COLUMNS, restval="", lineterminator="\r\n")
    rows.writeheader()
    begins = timeline.begins
    for number, item in enumerate(timeline.items):
        shown = _shown(timeline, item, begins[number])
        rows.writerow({"position": number + 1, **shown, **_take(item.take), "remark": _text(_remark(item))})
        for take in item.others:
            told = {"scene": _text(item.name), "kind": item.kind, "shown": "no"}
            rows.writerow({"position": number + 1, **told, **_take(take)})
    for scene, take in unused:
        rows.writerow({"scene": _text(scene), "kind": "scene", "shown": "no", **_take(take)})
    return f"\ufeff{written.getvalue()}"


def _shown(timeline: Timeline, item: Item, begin: int) -> dict[str, object]:
    end = begin + item.frames
    seam = item.seam
    return {
        "scene": _text(item.name),
        "kind": item.kind,
        "shown": "no" if item.missing else "yes",
        "begin_seconds": _seconds(begin / timeline.fps),
        "end_seconds": _seconds(end / timeline.fps),
        "begin_frame": begin,
        "end_frame": end,
        "first_source_frame": "" if item.missing else item.first,
        "rate": rate_text(timeline.fps),
        "seam": seam.kind if seam else "",
        "seam_frames": seam.frames if seam else "",
        "seam_confidence": "" if seam is None or seam.confidence is None else seam.confidence,
        "transition": item.transition if item.blend else "",
        "transition_frames": item.blend or "",
    }


def _take(take: Take) -> dict[str, object]:
    media = take.media
    told: dict[str, object] = {
        "take": take.number,
        "state": take.state,
        "key": take.key,
        "job_id": _text(take.job_id or ""),
        "model": _text(take.model or ""),
        "seconds_asked": "" if take.seconds is None else take.seconds,
        "credits": "" if take.credits is None else plain_number(take.credits),
        "sha256": take.sha256 or "",
        "prompt": _text(take.prompt),
        "remark": _text(take.message or ""),
    }
    if media is None:
        return told
    size = {"width": media.width, "height": media.height}
    return (
        told | size | {"file": _text(str(media.path)), "file_rate": rate_text(media.fps), "file_frames": media.frames}
    )


def _remark(item: Item) -> str:
    return item.missing or item.take.message or ""


def _seconds(seconds: Fraction) -> str:
    return f"{float(seconds):.6f}"


def _text(text: str) -> str:
    """Words of people and strangers as a cell holds them; a name of bytes that are no text stays readable."""
    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return f"'{plain}" if plain.startswith(_CALCULATED) else plain
