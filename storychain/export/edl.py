"""The timeline as CMX 3600 edit decision lists: the oldest format there is, and the one every program reads.

Written here: an adapter would be a dependency for a page of fixed columns, and the one there is splits nothing.
Plain ASCII; the film begins at one hour, as lists do; sources begin at zero, as generated files do.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from storychain.export.timeline import nominal, rate_text, seam_text, timecode

if TYPE_CHECKING:
    from storychain.export.timeline import Item, Timeline

MOST_EVENTS = 999
"""Event numbers have three digits."""

_HOUR = 3600
_BLACK = "BL"
_CHANNELS = {0: "V", 1: "B"}
"""What an event is of, by its channels of sound; all others are stereo to a list."""


def edl_texts(timeline: Timeline) -> list[str]:
    """The timeline as one .edl document, or as several of 999 events each that follow on in time.

    Raises UsageError for a rate without timecode.
    """
    nominal(timeline.fps)
    events = _Writer(timeline).events()
    parts = [events[begin : begin + MOST_EVENTS] for begin in range(0, len(events), MOST_EVENTS)]
    return [_document(timeline, part, number, len(parts)) for number, part in enumerate(parts, 1)]


def _document(timeline: Timeline, events: list[str], number: int, of: int) -> str:
    title = ascii_line(timeline.title) + (f" ({number} of {of})" if of > 1 else "")
    numbered = (event.replace("###", f"{place:03}") for place, event in enumerate(events, 1))
    return "\n".join([f"TITLE: {title}", "FCM: NON-DROP FRAME", "", *numbered]) + "\n"


class _Writer:
    """Writes one timeline's events, numbered `###` until it is known which list they go to."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._start = nominal(timeline.fps) * _HOUR
        self._reels: dict[str, str] = {}

    def events(self) -> list[str]:
        items, places = self._timeline.items, self._timeline.begins
        made = []
        for number, item in enumerate(items):
            before = items[number - 1] if item.blend else None
            made.append("\n".join(self._event(item, before, places[number], places[number + 1])) + "\n")
        return made

    def _event(self, item: Item, before: Item | None, begin: int, end: int) -> list[str]:
        """The lines of an item: what is seen from where a dissolve into it begins, to where one out of it does."""
        channel = _channel(item)
        lines = []
        if before is not None:
            # A dissolve has two lines of one number: what it leaves, at no length, and what it goes to.
            left = before.first + before.frames - item.blend
            lines.append(self._line(before, channel, "C", (left, left), (begin, begin)))
        kind = f"D    {item.blend:03}" if before is not None else "C"
        lines.append(self._line(item, channel, kind, (item.first, item.first + end - begin), (begin, end)))
        return [*lines, *self._comments(item, before, begin)]

    def _line(self, item: Item, channel: str, kind: str, source: tuple[int, int], record: tuple[int, int]) -> str:
        reel = self._reel(item)
        shown = (source[0], source[1]) if item.media else (0, source[1] - source[0])
        times = [timecode(frame, self._timeline.fps) for frame in shown]
        times += [timecode(self._start + frame, self._timeline.fps) for frame in record]
        return f"###  {reel:<8} {channel:<5} {kind:<8} {' '.join(times)}"

    def _reel(self, item: Item) -> str:
        """Eight characters that stay a file's own in every list it is in: the beginning of its key."""
        if item.media is None:
            return _BLACK
        key = "".join(sign for sign in item.take.key.upper() if sign.isascii() and sign.isalnum()) or "SOURCE"
        taken = {reel for other, reel in self._reels.items() if other != item.take.key}
        windows = (key[place : place + 8] for place in range(max(1, len(key) - 7)))
        numbered = (f"S{number:07}" for number in range(10**7))
        found = self._reels.get(item.take.key) or next(
            (reel for reel in windows if reel not in taken), next(reel for reel in numbered if reel not in taken)
        )
        self._reels[item.take.key] = found
        return found

    def _comments(self, item: Item, before: Item | None, begin: int) -> list[str]:
        at = timecode(self._start + begin, self._timeline.fps)
        if item.media is None:
            return [f"* COMMENT: SCENE {ascii_line(item.name)} IS MISSING", f"* LOC: {at} RED     {_missing(item)}"]
        named = [f"* FROM CLIP NAME: {_clip_name(item)}"]
        if before is not None:
            named = [f"* FROM CLIP NAME: {_clip_name(before)}", f"* TO CLIP NAME: {_clip_name(item)}"]
            named += [f"* TRANSITION: {ascii_line(item.transition)}"] if item.transition else []
        take = item.take
        # Two names for one thing: who reads lists through OpenTimelineIO (Kdenlive) finds the file by the second alone.
        told = [f"* SOURCE FILE: {item.media.uri}", f"* FROM FILE: {item.media.uri}"]
        told.append(f"* COMMENT: SCENE {ascii_line(item.name)} TAKE {take.number}")
        told += [f"* COMMENT: JOB {ascii_line(take.job_id)}"] if take.job_id else []
        if item.media.fps != self._timeline.fps:
            told.append(f"* COMMENT: SOURCE HAS {rate_text(item.media.fps)} FRAMES A SECOND; TIMES ARE THE FILM'S")
        if item.seam:
            color = "GREEN " if item.seam.kind == "tail" else "YELLOW"
            told.append(f"* LOC: {at} {color}  SEAM {ascii_line(seam_text(item.seam))}")
        return [*named, *told]


def _channel(item: Item) -> str:
    if item.media is None:
        return "V"
    return _CHANNELS.get(item.media.channels, "AA/V")


def _clip_name(item: Item) -> str:
    return ascii_line(item.media.path.name) if item.media else _BLACK


def _missing(item: Item) -> str:
    return f"MISSING: {ascii_line(item.missing)}"


_SPELT = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
    | dict.fromkeys("\u2010\u2012\u2013\u2014", "-")
    | dict.fromkeys("\u2018\u2019\u201a", "'")
    | dict.fromkeys("\u201c\u201d\u201e\xab\xbb", '"')
)
"""Signs that do not come apart into a letter and its accent."""


def ascii_line(text: str) -> str:
    """`text` on one line of plain ASCII: accents are dropped, other signs become `_`."""
    spread = unicodedata.normalize("NFKD", " ".join(text.translate(_SPELT).split()))
    kept = (sign if " " <= sign <= "~" else "_" for sign in spread if not unicodedata.combining(sign))
    return "".join(kept)
