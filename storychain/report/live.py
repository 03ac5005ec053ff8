"""The live view on a terminal: a line a scene with its state, time, expected time and credits. Only ever a terminal."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from storychain.chain import events as ev
from storychain.plan import Action
from storychain.printable import counted, visible
from storychain.report.lines import line, told
from storychain.report.text import duration_text

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from storychain.plan import Step

_MARGIN = 3
"""Lines of the terminal left free; a picture taller than the terminal would flicker."""

_BAR = 20
_SPIN = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@dataclass(slots=True)
class _Row:
    """One scene on the screen."""

    step: Step
    usual: float | None
    state: str = "waiting"
    style: str = "dim"
    since: float | None = None
    took: float | None = None
    note: str = ""


@dataclass(slots=True)
class _Board:
    """One story on the screen."""

    title: str
    rows: dict[str, _Row] = field(default_factory=dict)
    joining: float | None = None
    spent: Decimal = Decimal(0)


class LiveView:
    """Listens to events and keeps the terminal up to date; what matters is left behind as plain lines."""

    def __init__(self) -> None:
        # The stream itself: what is drawn needs the very signs that words are kept from.
        self._console = Console(file=sys.__stderr__, markup=False, highlight=False)
        self._boards: dict[str, _Board] = {}
        self._copies: dict[str, ev.Copying] = {}
        self._live = Live(
            console=self._console, get_renderable=self._picture, refresh_per_second=8, transient=True, screen=False
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def __call__(self, event: ev.Event) -> None:
        """Take an event in."""
        match event:
            case ev.StoryBegan(story=story, title=title, steps=steps, usual=usual):
                rows = {step.scene.id: _row(step, wait) for step, wait in zip(steps, usual, strict=True)}
                self._boards[story] = _Board(visible(title), rows)
            case ev.Joining(story=story, share=share):
                self._boards[story].joining = share
            case ev.Copying(story=story):
                self._copies[story] = event
            case ev.FilmReady() | ev.StoryLeft() | ev.StoryStopped():
                self._finish(event)
            case ev.Beside(story=story):
                self._copies.pop(story, None)
                self._console.print(Text(line(event), style="dim"), soft_wrap=True)
            case ev.BooksDiffer() | ev.HeldBack():
                self._console.print(Text(line(event), style="yellow"), soft_wrap=True)
            case ev.SceneEvent():
                self._update(event)

    def _finish(self, event: ev.FilmReady | ev.StoryLeft | ev.StoryStopped) -> None:
        board = self._boards.pop(event.story, None)
        self._copies.pop(event.story, None)
        if board:
            self._console.print(_story(board, time.monotonic(), len(board.rows)))
        style = "red" if isinstance(event, ev.StoryStopped) else "green"
        self._console.print(Text(line(event), style=style), soft_wrap=True)

    def _update(self, event: ev.SceneEvent) -> None:
        board = self._boards.get(event.story)
        row = board.rows.get(event.scene) if board else None
        if board is None or row is None:
            return
        if isinstance(event, ev.Noticed | ev.NotShared | ev.SceneFailed | ev.StoodIn):
            self._console.print(Text(line(event), style="yellow"), soft_wrap=True)
        if event.take == row.step.scene.take:
            # Takes that are bought beside the film's have no line of their own.
            _show(row, event, time.monotonic())
        if isinstance(event, ev.Submitted) and event.credits:
            board.spent += event.credits

    def _picture(self) -> RenderableType:
        """What is being rendered, and below it what is made of finished films."""
        copies = [Text(line(event), style="magenta") for event in self._copies.values()]
        return Group(self._rendering(len(copies)), *copies)

    def _rendering(self, below: int) -> RenderableType:
        """Every scene where they fit; else a line a story; else as many of those as fit."""
        now, room = time.monotonic(), max(4, self._console.size.height - _MARGIN - below)
        boards = list(self._boards.values())
        if len(boards) == 1:
            return _story(boards[0], now, room - 2)
        if sum(len(board.rows) + 2 for board in boards) <= room:
            return Group(*(_story(board, now, len(board.rows)) for board in boards))
        shown = boards if len(boards) <= room else boards[: room - 1]
        more = (
            [Text(f"… and {counted(len(boards) - len(shown), 'more story')}", style="dim")] if shown != boards else []
        )
        return Group(_stories(shown, now), *more)


def _row(step: Step, usual: float | None) -> _Row:
    row = _Row(step, usual)
    if step.action is Action.REUSE:
        row.state, row.style = "here", "green"
    return row


def _show(row: _Row, event: ev.SceneEvent, now: float) -> None:
    match event:
        case ev.Submitted() | ev.Followed():
            row.state, row.style, row.note = "generating", "cyan", ""
            row.since = row.since or now
        case ev.Looked(waited=waited):
            row.state, row.style, row.since = "generating", "cyan", now - waited
        case ev.Completed():
            row.took = now - row.since if row.since else None
            row.state, row.style, row.since = "downloading", "blue", None
        case ev.Downloading(size=size, total=total):
            row.note = f"{size / 1e6:.1f}" + (f" of {total / 1e6:.1f} MB" if total else " MB")
        case ev.Stored(seconds=seconds):
            row.state, row.style, row.note = "stored", "green", f"{seconds:.2f} s"
        case ev.Reused():
            row.state, row.style = "here", "green"
        case ev.SceneFailed(again=again):
            row.state, row.style, row.since = ("again" if again else "failed"), "red", None
        case ev.StoodIn():
            row.state, row.style, row.since = "placeholder", "yellow", None
        case ev.SceneQueued() | ev.Postponed() | ev.Reconciled():
            row.state, row.style, row.note = "queued", "yellow", visible(told(event))


def _stories(boards: list[_Board], now: float) -> RenderableType:
    """A line a story: how far it is, and the scene being worked on."""
    grid = Table.grid(padding=(0, 2))
    for _ in range(5):
        grid.add_column(no_wrap=True, overflow="ellipsis")
    for board in boards:
        rows = list(board.rows.values())
        done = sum(row.style == "green" for row in rows)
        busy = next((row for row in rows if row.style not in ("green", "dim")), None)
        grid.add_row(
            Text(board.title),
            Text(f"{done} of {len(rows)}", style="dim"),
            Text(busy.step.scene.id if busy else ""),
            Text(busy.state, style=busy.style) if busy else Text("joining" if board.joining is not None else ""),
            _progress(busy, now) if busy else Text(""),
        )
    return grid


def _story(board: _Board, now: float, most: int) -> RenderableType:
    """A line a scene, at most `most`: those around the work."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style="dim")
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="ellipsis", no_wrap=True, style="dim")
    for number, row in _window(board, most):
        grid.add_row(
            str(number),
            Text(row.step.scene.id),
            Text(row.state, style=row.style),
            _progress(row, now),
            Text(str(row.step.price) if row.step.price else ""),
            Text(row.note),
        )
    head = Text(board.title, style="bold")
    if board.spent:
        head.append(f"   {board.spent} credits spent in this run", style="not bold dim")
    parts: list[RenderableType] = [head, grid]
    if board.joining is not None:
        parts.append(Text(f"joining  {_bar(board.joining)}  {board.joining:.0%}", style="magenta"))
    return Group(*parts)


def _window(board: _Board, most: int) -> list[tuple[int, _Row]]:
    numbered = list(enumerate(board.rows.values(), 1))
    busy = next((index for index, (_, row) in enumerate(numbered) if row.style != "green"), len(numbered))
    first = max(0, min(busy - 3, len(numbered) - most))
    return numbered[first : first + most]


def _progress(row: _Row, now: float) -> Text:
    if row.since is None:
        return Text(duration_text(row.took) if row.took else "", style="dim")
    passed = now - row.since
    spin = _SPIN[int(now * 8) % len(_SPIN)]
    if not row.usual:
        return Text(f"{spin} {duration_text(passed)}")
    share = min(0.98, passed / row.usual)
    return Text(f"{spin} {_bar(share)} {duration_text(passed)} of about {duration_text(row.usual)}")


def _bar(share: float) -> str:
    full = round(share * _BAR)
    return "━" * full + "─" * (_BAR - full)


def wanted() -> bool:
    """Whether stderr is a terminal that can be drawn on."""
    return sys.stderr.isatty() and Console(stderr=True).is_terminal and not Console(stderr=True).is_dumb_terminal
