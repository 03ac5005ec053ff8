"""storychain for other programs: the same settings, ledger, plan and chain as the command line's, awaited.

Nothing is printed and nobody is asked: consent to spend is `max_credits`, or `any_price`. A program and a cron job may
share a workspace; the ledger keeps them apart.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn, TypedDict, Unpack, get_type_hints

from storychain.chain.batch import render_all
from storychain.chain.events import Event
from storychain.chain.story import Outcome
from storychain.cli import parser
from storychain.commands.desk import Desk, desk
from storychain.commands.limits import chosen, limits_of
from storychain.commands.rendering import opened_run
from storychain.commands.selection import by_name
from storychain.errors import ConsentNeeded, StorychainError, UsageError
from storychain.plan import Step
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
    "plan_of",
    "render",
    "rendering",
]

Source = str | Path | Story
"""A story file, or a story that was read from one."""


class Options(TypedDict, total=False):
    """What a run may be told; each is the option of `storychain run` of that name.

    `any_price` agrees to whatever the plan costs; `select` are `STORY:SCENE` and its like; `deadline` is written as
    there. What is not given, or None, is read from the environment, `.env` and `storychain.toml` of the working
    directory. Anything else is refused with a UsageError.
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


def load(path: str | Path) -> Story:
    """Read and check a story file by the settings' models. Raises InvalidStory with every problem."""
    return load_story(Path(path), desk(_arguments({})).settings.catalogue)


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
    """A run under way: an async iterator of its events, in their order, which ends when it does."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._work: asyncio.Task[tuple[Outcome, ...]] | None = None

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        event = await self._events.get()
        if event is None:
            self._events.put_nowait(None)  # for whoever asks once more
            raise StopAsyncIteration
        return event

    async def outcomes(self) -> tuple[Outcome, ...]:
        """Wait for the end of the run; what came of each story."""
        assert self._work is not None
        return await asyncio.shield(self._work)

    def _begin(self, work: asyncio.Task[tuple[Outcome, ...]]) -> None:
        self._work = work
        work.add_done_callback(lambda _: self._events.put_nowait(None))


@asynccontextmanager
async def rendering(
    *stories: Source, on_event: Callable[[Event], None] | None = None, **options: Unpack[Options]
) -> AsyncIterator[Rendering]:
    """Render stories while the block runs; leaving it early stops the run in good order. See `render`."""
    arguments = _arguments(options)
    at = desk(arguments)
    running = Rendering()

    def tell(event: Event) -> None:
        running._events.put_nowait(event)  # noqa: SLF001 - its other half
        if on_event is not None:
            on_event(event)

    with at.ledger() as ledger:
        try:
            given = _read(stories, at)
            meant, limits = limits_of(at, ledger, tuple(by_name(given).values()), arguments)
        except ConsentNeeded as error:
            raise ConsentNeeded(error.what, next_step="Pass max_credits=, or any_price=True, or local=True.") from None
        async with opened_run(at, ledger, arguments, limits, tell) as run:
            work = asyncio.create_task(_as_given(given, render_all(run, meant)))
            running._begin(work)  # noqa: SLF001
            try:
                yield running
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)


async def _as_given(given: Iterable[Story], rendering: Coroutine[Any, Any, tuple[Outcome, ...]]) -> tuple[Outcome, ...]:
    came = {outcome.story.name: outcome for outcome in await rendering}
    return tuple(came[story.name] for story in given if story.name in came)


def _read(stories: Iterable[Source], at: Desk) -> tuple[Story, ...]:
    """The stories as they are given, one that is given twice in both places."""
    read = [one if isinstance(one, Story) else load_story(Path(one), at.settings.catalogue) for one in stories]
    if not read:
        raise UsageError("no story was given")
    by_name(read)
    return at.as_made_here(read)


class _Parser(argparse.ArgumentParser):
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
        raise UsageError(
            f"there is no option '{name}'",
            next_step=f"Did you mean '{near[0]}'?" if near else f"Known options: {', '.join(sorted(kinds))}.",
        )
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
