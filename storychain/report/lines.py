"""Events as plain lines, one each, for logs, cron and make: a time, a place, what happened."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

from storychain.chain import events as ev
from storychain.errors import StoryHeld
from storychain.printable import counted, visible, visible_lines
from storychain.report.text import cost_text, credits_text, duration_text

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

HEARTBEAT = 60.0
"""Seconds of silence after which a line says that work is still under way."""


def told(event: ev.Event) -> str:  # noqa: C901, PLR0912 - one case an event
    """An event in words; where it happened is said apart."""
    match event:
        case ev.StoryBegan(steps=steps, quoted=quoted):
            return f"{counted(len(steps), 'scene')}. {cost_text(quoted)}"
        case ev.SceneQueued(why=why):
            return f"waiting: {why}"
        case ev.Submitted(job_id=job_id, credits=credits_):
            price = f", {credits_text(credits_)}" if credits_ != 0 else ""
            return f"submitted as job {job_id}{price}"
        case ev.Followed(job_id=job_id):
            return f"waiting for job {job_id}"
        case ev.Postponed(why=why, wait=wait):
            return f"{why}; next in {duration_text(wait)} or later"
        case ev.Reconciled(job_id=None):
            return "its request had never arrived; it will be sent again"
        case ev.Reconciled(job_id=job_id):
            return f"its lost answer is found: job {job_id}"
        case ev.Looked(waited=waited, progress=progress):
            share = f", {progress:.0f} %" if progress is not None else ""
            return f"generating for {duration_text(waited)}{share}"
        case ev.Completed(job_id=job_id):
            return f"job {job_id} has ended; downloading"
        case ev.Downloading(size=size, total=total):
            return f"{size / 1e6:.1f} of {total / 1e6:.1f} MB" if total else f"{size / 1e6:.1f} MB"
        case ev.Stored(path=path, seconds=seconds):
            return f"stored, {seconds:.2f} s: {path}"
        case ev.Reused():
            return "already here"
        case ev.SceneFailed(message=message, again=again):
            return f"{message}{'; trying again' if again else ''}"
        case ev.StoodIn(why=why):
            return f"a placeholder takes its place in the film: {why}"
        case ev.Noticed(message=message):
            return message
        case ev.NotShared(why=why):
            return f"{why}; until that is mended, segments stay on this machine alone and come from the provider"
        case ev.Joining(share=share):
            return f"joining, {share:.0%}"
        case ev.Copying(kind=kind, seconds=seconds):
            return f"writing it as {kind}, {seconds:.1f} s so far"
        case ev.FilmReady(path=path, seconds=seconds, made=made):
            return f"film {'ready' if made else 'already there'}, {seconds:.2f} s: {path}"
        case ev.Beside(paths=paths):
            return f"beside it: {', '.join(path.name for path in paths)}"
        case ev.BooksDiffer(taken=taken, written=written):
            return (
                f"it took {credits_text(taken)} during this run, the ledger wrote down {credits_text(written)}: "
                f"{'something else uses it too' if taken > written else 'failed jobs may cost nothing'}, or its books "
                "are late. `storychain credits` compares them"
            )
        case ev.HeldBack(why=why, wait=wait):
            return f"{why}; asking again in {duration_text(wait)}"
        case ev.StoryLeft(why=why):
            return f"left without a film: {why}"
        case ev.StoryStopped(error=StoryHeld() as error):
            # Nothing is wrong and nothing to be done: a line is enough, each time cron finds it so.
            return f"left alone: {error.what}. {error.next_step or ''}".rstrip()
        case ev.StoryStopped(error=error):
            return f"stopped: {error}"


def line(event: ev.Event) -> str:
    """An event with its place; one line, but for errors that have more to say."""
    words = visible_lines(told(event)) if isinstance(event, ev.StoryStopped) else visible(told(event))
    return f"{visible(place(event))}: {words}"


def place(event: ev.Event) -> str:
    """The story and scene an event is about, and which of its takes where there are several."""
    if not isinstance(event, ev.SceneEvent) or not event.scene:
        return event.story
    return f"{event.story}/{event.scene}" + (f", take {event.take}" if event.take > 1 else "")


_BEATING = (ev.Looked, ev.Joining, ev.Copying)
"""Told all the same where nothing else has been for a while."""

_CHATTER = (*_BEATING, ev.Downloading, ev.Followed)
_ALARMS = (ev.StoryStopped, ev.SceneFailed, ev.StoodIn, ev.NotShared, ev.BooksDiffer)


class Lines:
    """Writes a line an event. `level` -1 tells only what is wrong, 0 what has changed, 1 everything."""

    def __init__(self, stream: TextIO, level: int = 0) -> None:
        self._stream = stream
        self._level = level
        self._spoke = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def __call__(self, event: ev.Event) -> None:
        """Tell an event, if it is worth telling."""
        if self._level < 0 and not isinstance(event, _ALARMS):
            return
        quiet = time.monotonic() - self._spoke < HEARTBEAT
        if self._level < 1 and isinstance(event, _CHATTER) and (quiet or not isinstance(event, _BEATING)):
            return
        self._spoke = time.monotonic()
        print(f"{time.strftime('%H:%M:%S')} {line(event)}", file=self._stream, flush=True)
