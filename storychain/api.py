"""storychain for other programs: the same settings, ledger, plan and chain as the command line's, awaited.

Nothing is printed and nobody is asked: consent to spend is `max_credits`, or `any_price`. A log file or
a monitor that cannot be told is said to the logger `storychain`. A program and a cron job may share a workspace; the
ledger keeps them apart.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypedDict, Unpack, get_type_hints

from storychain.arguments import Parser
from storychain.chain.batch import render_all
from storychain.chain.events import Event
from storychain.chain.story import Outcome
from storychain.cli import parser
from storychain.commands.desk import Desk, desk
from storychain.commands.limits import chosen, limits_of
from storychain.commands.rendering import exit_code, opened_run, until_cancelled
from storychain.commands.selection import by_name
from storychain.commands.watching import watched_aside
from storychain.errors import ConsentNeeded, Interrupted, StorychainError, UsageError
from storychain.plan import Step
from storychain.story import load_rows as stories_of_rows
from storychain.story import load_story
from storychain.story.model import Story

__all__ = [
    "Event",
    "Outcome",
    "Rendering",
    "Step",
    "Story",
    "StorychainError",
    "load",
    "load_rows",
    "plan_of",
    "render",
    "rendering",
]

_log = logging.getLogger("storychain")

_INSTEAD = {
    "yes": "any_price=True agrees to whatever the plan costs.",
    "matrix": "load_rows(story, table) makes a story of each row; give these.",
    "json": "Outcomes are what it would print.",
}
"""What programs do where the command line has an option."""

Source = str | Path | Story
"""A story file, or a story that was read from one."""


class Options(TypedDict, total=False):
    """What a run may be told; each is the option of `storychain run` of that name, but for `any_price`.

    That agrees to whatever the plan costs, like `--yes`; `select` are `STORY:SCENE` and its like; `deadline` is as
    there. What is not given, or None, is read from the environment, `.env` and `storychain.toml` of the working
    directory; so is who else is told of the run (`log_file`, `ping_url`, `notify`, `metrics_file`). Anything else is
    refused with a UsageError.
    """

    model: str

    local: bool
    max_credits: Decimal | int
    any_price: bool
    workspace: str | Path
    out: str | Path
    jobs: int
    poll: float
    select: Sequence[str]
    resume_only: bool
    retry_failed: bool
    deadline: str
    submit_lanes: int


def load(path: str | Path) -> Story:
    """Read and check a story file by the settings' models. Raises InvalidStory with every problem."""
    return load_story(Path(path), desk(_arguments({})).settings.catalogue)


def load_rows(path: str | Path, rows: str | Path | Iterable[Mapping[str, object]]) -> tuple[Story, ...]:
    """Read a story file once for each row: of a CSV file, or of mappings such as `frame.to_dict("records")`.

    A row's values set the story's variables, `name` what its film is called. Raises InvalidStory or UsageError.
    """
    table = Path(rows) if isinstance(rows, str | Path) else rows
    return stories_of_rows(Path(path), table, desk(_arguments({})).settings.catalogue)


def plan_of(story: Source, **options: Unpack[Options]) -> tuple[Step, ...]:
    """What `render` would do for each scene, and what it would cost; nothing is asked of any provider.

    It takes the options of `render`; scenes that would not be bought because of them are left out.
    """
    arguments = _arguments(options)
    at = desk(arguments)
    with at.ledger_if_any() as ledger:
        (meant,), choice = chosen(at, ledger, _read([story], at), arguments)
        steps = at.plan(meant, ledger, free=arguments.local, retry_failed=arguments.retry_failed)
        return choice.of(meant.name, steps)


async def render(
    *stories: Source, on_event: Callable[[Event], None] | None = None, **options: Unpack[Options]
) -> tuple[Outcome, ...]:
    """Render stories side by side; their outcomes in the same order. Idempotent, as `storychain run` is.

    A story that is given twice is rendered once and has its outcome in both places; one that `select` leaves out has
    none. What goes wrong with one story is in its outcome. Raises ConsentNeeded, UsageError, InvalidStory or
    AccountError before anything is spent. Cancelling it leaves everything paid on record.
    """
    async with rendering(*stories, on_event=on_event, **options) as running:
        return await running.outcomes()


class Rendering:
    """A run under way: an async iterator of its events, in their order, which ends when it does.

    What ends a run by mistake, such as an error of `on_event`, is raised by the iterator once all events are told, by
    `outcomes`, or, where neither was asked so far, on leaving the block.
    """

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._whole: asyncio.Task[tuple[Outcome, ...]] | None = None
        self._trouble: BaseException | None = None
        """What the listener raised. The run may end in another way before it ends by that."""
        self._raised = False

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        event = await self._events.get()
        if event is None:
            self._events.put_nowait(None)  # for whoever asks once more
            self._raise()
            raise StopAsyncIteration
        return event

    async def outcomes(self) -> tuple[Outcome, ...]:
        """Wait for the end of the run; what came of each story.

        Of a run that was left early it is how each story stood then: done, or stopped by an Interrupted error, as
        `storychain run` says after Ctrl-C.
        """
        assert self._whole is not None
        await asyncio.wait([self._whole])
        self._raised = True
        if self._trouble:
            raise self._trouble
        if self._whole.cancelled():  # with the loop itself: there was no time to sum up
            raise Interrupted("the run was stopped", next_step="What is paid is on record: render it again to go on.")
        return self._whole.result()

    def _begin(self, whole: asyncio.Task[tuple[Outcome, ...]]) -> None:
        self._whole = whole
        whole.add_done_callback(lambda _: self._events.put_nowait(None))

    def _raise(self) -> None:
        """Raise what ended the run by mistake, unless it was raised before."""
        if self._whole is None or self._raised:
            return
        self._raised = True
        if error := self._trouble or (None if self._whole.cancelled() else self._whole.exception()):
            raise error

    def _tell(self, event: Event, on_event: Callable[[Event], None] | None) -> None:
        self._events.put_nowait(event)
        if on_event is not None:
            with ExitStack() as listening:
                listening.push(self._fell)
                on_event(event)

    def _fell(self, *raised: Any) -> None:
        """What a listener raised is kept, and goes on its way."""
        _, error, _ = raised
        self._trouble = self._trouble or error


@asynccontextmanager
async def rendering(
    *stories: Source, on_event: Callable[[Event], None] | None = None, **options: Unpack[Options]
) -> AsyncIterator[Rendering]:
    """Render stories while the block runs; leaving it early stops the run in good order. See `render`."""
    arguments = _arguments(options)
    at = desk(arguments)
    running = Rendering()

    begun: asyncio.Future[asyncio.Task[Any]] = asyncio.get_running_loop().create_future()
    tell = partial(running._tell, on_event=on_event)  # noqa: SLF001 - its other half
    whole = asyncio.create_task(_run(at, arguments, stories, tell, begun))
    running._begin(whole)  # noqa: SLF001
    first: list[asyncio.Future[Any]] = [begun, whole]
    try:
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if not begun.done():
            await running.outcomes()  # which raises why it could not begin
        yield running
    finally:
        (begun.result() if begun.done() else whole).cancel()
        await asyncio.gather(whole, return_exceptions=True)
    running._raise()  # noqa: SLF001


async def _run(
    at: Desk,
    arguments: argparse.Namespace,
    stories: Sequence[Source],
    tell: Callable[[Event], None],
    begun: asyncio.Future[asyncio.Task[Any]],
) -> tuple[Outcome, ...]:
    """A whole run, whoever else is told of it included; `begun` gets the work that may be cancelled to interrupt it."""
    async with watched_aside(at, arguments, _log.warning) as watch:
        with at.ledger() as ledger:
            try:
                given = _read(stories, at)
                meant, limits = limits_of(at, ledger, tuple(by_name(given).values()), arguments)
            except ConsentNeeded as error:
                advice = "Pass max_credits=, or any_price=True, or local=True."
                raise ConsentNeeded(error.what, next_step=advice) from None
            async with opened_run(at, ledger, arguments, limits, watch.listening(tell)) as opened:
                run = replace(opened, id=watch.run_id)
                work = asyncio.create_task(render_all(run, meant))
                begun.set_result(work)
                outcomes, stopped = await until_cancelled(run, meant, work)
        watch.ended(outcomes, Interrupted.exit_code if stopped else exit_code(outcomes))
    return _as_given(given, outcomes)


def _as_given(given: Iterable[Story], outcomes: Iterable[Outcome]) -> tuple[Outcome, ...]:
    came = {outcome.story.name: outcome for outcome in outcomes}
    return tuple(came[story.name] for story in given if story.name in came)


def _read(stories: Iterable[Source], at: Desk) -> tuple[Story, ...]:
    """The stories as they are given, one that is given twice in both places."""
    read = [one if isinstance(one, Story) else load_story(Path(one), at.settings.catalogue) for one in stories]
    if not read:
        raise UsageError("no story was given")
    by_name(read)
    return at.as_made_here(read)


class _Parser(Parser):
    """A parser that neither prints nor ends the program."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(message.removeprefix("argument "))


def _arguments(options: Options) -> argparse.Namespace:
    """The options as a command line of `run` that asks nobody and renders here. Raises UsageError."""
    words = ["run", "-"]
    for name, value in options.items():
        words += _words(name, value)
    arguments = parser(_Parser).parse_args(words)
    arguments.argv, arguments.asks, arguments.here = words, False, True
    return arguments


def _words(name: str, value: object) -> list[str]:
    kinds = get_type_hints(Options)
    if name not in kinds:
        near = difflib.get_close_matches(name, kinds, 1)
        advice = f"Did you mean '{near[0]}'?" if near else f"Known options: {', '.join(sorted(kinds))}."
        raise UsageError(f"there is no option '{name}'", next_step=_INSTEAD.get(name, advice))
    if value is None:
        return []
    flag = f"--{'yes' if name == 'any_price' else name.replace('_', '-')}"
    if isinstance(value, bool) != (kinds[name] is bool):
        wanted = "True or False" if kinds[name] is bool else "a number or a text"
        raise UsageError(f"{name}: {value!r} is not {wanted}")
    if isinstance(value, bool):
        return [flag] * value
    if name == "select":
        return [f"{flag}={one}" for one in _selected(value)]
    return [f"{flag}={value}"]


def _selected(value: object) -> list[object]:
    chosen = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    if not chosen:
        raise UsageError("select: nothing is selected", next_step="Leave it out where everything is meant.")
    return chosen
