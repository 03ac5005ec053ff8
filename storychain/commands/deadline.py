"""When a run has to be over: a time of day, a moment, or a span, as people write them."""

from __future__ import annotations

import datetime
import re

from storychain.errors import UsageError

_SPAN = re.compile(r"\+?(\d{1,5}(?:\.\d+)?)(s|m|min|h)")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600}


def deadline_of(text: str, now: float) -> float:
    """The moment meant, in seconds of the epoch; `now` likewise. Raises UsageError.

    `06:00` is the next such time by this machine's clock, a moment such as `2026-11-26T06:00` may name its offset
    (`+01:00`, `Z`), `90m` or `2h` count from now. A time that the spring's change of clocks leaves out is what the
    clock would have shown without it; of one that comes twice in autumn the first is meant.
    """
    if span := _SPAN.fullmatch(text):
        return now + float(span[1]) * _UNITS[span[2]]
    if clock := _CLOCK.fullmatch(text):
        hour, minute = int(clock[1]), int(clock[2])
        if hour < 24 and minute < 60:
            return _next(hour, minute, now)
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or len(text) < 12:
        raise UsageError(
            f"--deadline: '{text}' is no moment",
            next_step="Write a time of day such as 06:00, a moment such as 2026-11-26T06:00, or a span such as 90m.",
        )
    try:
        when = _local(moment) if moment.tzinfo is None else moment.timestamp()
    except (ValueError, OverflowError):  # at the ends of what a calendar can tell
        when = now
    if when <= now:
        raise UsageError(f"--deadline: {text} has passed, or no clock will ever show it")
    return when


def comes_again(text: str) -> bool:
    """Whether a deadline is another moment for a run of another day."""
    return bool(_SPAN.fullmatch(text) or _CLOCK.fullmatch(text))


def _next(hour: int, minute: int, now: float) -> float:
    today = datetime.datetime.fromtimestamp(now).replace(hour=hour, minute=minute, second=0, microsecond=0)
    when = _local(today)
    return when if when > now else _local(today + datetime.timedelta(days=1))


def _local(moment: datetime.datetime) -> float:
    """Seconds of the epoch of a moment on this machine's clock."""
    return moment.replace(fold=0).timestamp()
