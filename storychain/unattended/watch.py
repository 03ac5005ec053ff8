"""One run and all who are told of it besides the person at the terminal: opened before it, told of its end after it."""

from __future__ import annotations

import json
import time
import uuid
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storychain.chain import events as ev
from storychain.errors import StorychainError, StoryHeld
from storychain.printable import visible_lines, without_secrets
from storychain.report.documents import dumped_line
from storychain.report.lines import line
from storychain.unattended.check import Check
from storychain.unattended.ended import Ended, Standing, body, title
from storychain.unattended.entries import COUNTING, entry, entry_of, entry_of_end
from storychain.unattended.log_file import LogFile
from storychain.unattended.metrics import check_metrics_file, write_metrics
from storychain.unattended.notices import Notices

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Any, Self

    from storychain.chain.story import Outcome

PATIENCE = 12.0
"""Seconds that monitors and services may hold up the end of a run, all together."""

_LAST_LINES = 200
"""Lines kept for a ping's body; more than fit into it."""

_CHATTER = (*COUNTING, ev.Looked, ev.Followed)


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told of a run. `where` says in words which machine and folder this is; `secrets` are shown to nobody."""

    where: str
    free: bool
    log_file: Path | None = None
    metrics_file: Path | None = None
    ping_url: str | None = None
    notify: tuple[str, ...] = ()
    notify_always: bool = False
    secrets: tuple[str, ...] = ()


class Watch:
    """A context around one run, whose id it gives.

    Entering raises UsageError for what is set wrongly, before anything is spent, and a monitor hears of that as well.
    From then on nothing of it fails the run: `warn` gets a line for each thing that goes wrong. `look` reads what the
    ledger says of a run's id.
    """

    def __init__(self, told: Told, look: Callable[[str], Standing], warn: Callable[[str], None]) -> None:
        self.run_id = uuid.uuid4().hex
        self._told = told
        self._look = look
        self._warn = warn
        self._log: LogFile | None = None
        self._check: Check | None = None
        self._notices: Notices | None = None
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._counted: dict[tuple[str, ...], float] = {}
        self._worked = False
        self._outcomes: tuple[Outcome, ...] = ()
        self._unreadable: Mapping[str, StorychainError] = {}
        self._code: int | None = None
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        if self._told.ping_url:
            self._check = Check(self._told.ping_url, self.run_id, self._warn)
        try:
            self._open()
        except StorychainError as error:
            self._wait(self._send(self._ended(error)))
            raise
        return self

    def _open(self) -> None:
        told = self._told
        if told.metrics_file:
            check_metrics_file(told.metrics_file)
        if told.notify:
            self._notices = Notices(told.notify, self._warn)
        if told.log_file:
            self._log = LogFile(told.log_file, self._warn)
            self._write(
                entry(time.time(), self.run_id, "info", "RunBegan", f"a run begins {told.where}", free=told.free)
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = self._ended(error)
        if self._log:
            self._write(entry_of_end(ended, self.run_id))
            self._log.close()
        if self._told.metrics_file and ended.worked:
            try:
                write_metrics(self._told.metrics_file, ended)
            except OSError as trouble:
                self._warn(f"{self._told.metrics_file} could not be written: {trouble.strerror or trouble}")
        self._wait(self._send(ended))

    def listening(self, tell: Callable[[ev.Event], None]) -> Callable[[ev.Event], None]:
        """A listener that hears every event and passes it on to `tell`."""

        def heard(event: ev.Event) -> None:
            tell(event)
            self._hear(event)

        return heard

    def ended(
        self, outcomes: Sequence[Outcome], code: int, unreadable: Mapping[str, StorychainError] | None = None
    ) -> None:
        """Say what came of the stories, which files held none, and the exit code unless an error makes it another."""
        self._outcomes, self._code, self._unreadable = tuple(outcomes), code, unreadable or {}

    def _hear(self, event: ev.Event) -> None:
        held = isinstance(event, ev.StoryStopped) and isinstance(event.error, StoryHeld)
        # To find a film that is there is no work, either: beside a story that hangs in another run it says nothing.
        if not held and not (isinstance(event, ev.FilmReady) and not event.made):
            self._begin()
        if not isinstance(event, _CHATTER):
            self._last.append(f"{time.strftime('%H:%M:%S')} {line(event)}")
        if self._log and not self._is_counted(event):
            self._write(entry_of(event, time.time(), self.run_id))

    def _begin(self) -> None:
        """Tell the monitor, once there is a story that is this run's own."""
        if self._check and not self._worked:
            self._check.begin()
        self._worked = True

    def _is_counted(self, event: ev.Event) -> bool:
        """Whether this only counts on from an event of the same kind and place less than a second ago."""
        if not isinstance(event, COUNTING):
            return False
        what, now = (type(event).__name__, event.story, getattr(event, "scene", "")), time.monotonic()
        if now - self._counted.get(what, -1.0) < 1.0:
            return True
        self._counted[what] = now
        return False

    def _ended(self, error: BaseException | None) -> Ended:
        code = _code(error) if error is not None else self._code if self._code is not None else 0
        return Ended(
            code=code,
            seconds=time.monotonic() - self._began,
            at=round(time.time(), 3),
            worked=self._worked or code != StoryHeld.exit_code,
            outcomes=self._outcomes,
            unreadable=self._unreadable,
            error=error,
            standing=self._standing(),
            free=self._told.free,
        )

    def _standing(self) -> Standing | None:
        """What the ledger says, if anybody wants to know and it can be read."""
        told = self._told
        if not (told.log_file or told.metrics_file or told.ping_url or told.notify):
            return None
        try:
            return self._look(self.run_id)
        except (StorychainError, OSError) as trouble:
            self._warn(f"the ledger could not be read to tell what was spent: {trouble}")
            return None

    def _send(self, ended: Ended) -> list[threading.Thread]:
        words = self._discreet(body(ended, self._told.where))
        threads = []
        if self._check:
            threads.append(self._check.end(ended, self._discreet("\n".join([*self._last, "", title(ended), words]))))
        if self._notices and (not ended.well or (self._told.notify_always and ended.worked)):
            threads += self._notices.send(title(ended), words, well=ended.well)
        return threads

    def _wait(self, threads: Sequence[threading.Thread]) -> None:
        until = time.monotonic() + PATIENCE
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        if any(thread.is_alive() for thread in threads) and not (self._check and self._check.troubled):
            self._warn(f"a monitor or service has not answered within {PATIENCE:.0f} s and may not have been told")

    def _write(self, written: dict[str, Any]) -> None:
        assert self._log is not None
        self._log.append(_without(dumped_line(written), [json.dumps(secret)[1:-1] for secret in self._told.secrets]))

    def _discreet(self, text: str) -> str:
        """A text that may leave this machine."""
        return visible_lines(without_secrets(_without(text, self._told.secrets)))


def _without(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "…")
    return text


def _code(error: BaseException) -> int:
    """The exit code that an error will become."""
    match error:
        case StorychainError():
            return error.exit_code
        case KeyboardInterrupt():
            return 130
        case BrokenPipeError():
            return 0
    return 1
