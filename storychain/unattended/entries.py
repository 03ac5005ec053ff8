"""Events as entries of the log file: what each line holds. Its field names are a contract: add, never rename. Pure."""

from __future__ import annotations

import dataclasses
import datetime
import math
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storychain.chain import events as ev
from storychain.errors import StorychainError, StoryHeld
from storychain.plan import Quote, Step
from storychain.printable import without_secrets
from storychain.report.documents import number
from storychain.report.lines import told

if TYPE_CHECKING:
    from storychain.unattended.ended import Ended

COUNTING = (ev.Downloading, ev.Joining, ev.Copying)
"""Told many times a second while something moves; the log has one a second of each."""

_DEBUG = (*COUNTING, ev.Looked, ev.Followed)
_WARNING = (ev.StoodIn, ev.NotShared, ev.BooksDiffer, ev.Postponed, ev.HeldBack)
_APART = {"story", "scene", "message"}
"""Fields that every entry has anyway."""


def entry(at: float, run: str, level: str, event: str, message: str, **fields: Any) -> dict[str, Any]:
    """One entry: time (UTC, ISO 8601, milliseconds), run, level, story, scene, event, message, then its own fields."""
    time = datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="milliseconds")
    head = {"time": time.replace("+00:00", "Z"), "run": run, "level": level}
    about = {"story": _plain(fields.pop("story", None)), "scene": _plain(fields.pop("scene", None) or None)}
    return {**head, **about, "event": event, "message": without_secrets(message), **_plain(fields)}


def entry_of(event: ev.Event, at: float, run: str) -> dict[str, Any]:
    """The entry of an event, with all of its own fields."""
    own = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    fields = {name: value for name, value in own.items() if name not in _APART}
    return entry(
        at,
        run,
        _level(event),
        type(event).__name__,
        told(event),
        story=event.story,
        scene=getattr(event, "scene", None),
        **fields,
    )


def entry_of_end(ended: Ended, run: str) -> dict[str, Any]:
    """The last entry of a run."""
    stories = [
        {"story": one.story.name, "status": one.status, "film": one.film, "credits": one.spent}
        for one in ended.outcomes
    ]
    return entry(
        ended.at,
        run,
        "info" if ended.well else "error",
        "RunEnded",
        f"the run has ended with exit code {ended.code}",
        exit_code=ended.code,
        seconds=round(ended.seconds, 3),
        credits=None if ended.standing is None else ended.standing.spent,
        stories=stories,
        unreadable=[{"file": name, "error": error} for name, error in ended.unreadable.items()],
        error=ended.error,
    )


def _level(event: ev.Event) -> str:
    match event:
        case ev.StoryStopped(error=StoryHeld()):
            return "info"
        case ev.StoryStopped():
            return "error"
        case ev.SceneFailed(again=again):
            return "warning" if again else "error"
    return "warning" if isinstance(event, _WARNING) else "debug" if isinstance(event, _DEBUG) else "info"


def _plain(value: Any) -> Any:  # noqa: C901 - one case a type
    """What JSON can hold of a value, without anything a stranger could pay or steer with."""
    match value:
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case Decimal():
            return number(value)
        case Path():
            return without_secrets(str(value))
        case Step():
            return {
                "scene": value.scene.id,
                "action": str(value.action),
                "key": value.key,
                "credits": number(value.credits),
            }
        case Quote():
            return {"scenes": value.scenes, "credits": number(value.total)}
        case StorychainError():
            return {
                "kind": type(value).__name__,
                "exit_code": value.exit_code,
                "what": _plain(value.what),
                "where": _plain(value.where),
                "next_step": _plain(value.next_step),
            }
        case BaseException():
            return {"kind": type(value).__name__}
        case str():
            return without_secrets(value)
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
    # Whatever an event may come to hold one day: a line of the log is no reason to fail a run.
    return without_secrets(str(value))
