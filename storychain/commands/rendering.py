"""The command `run`: the quote and the consent to it, the provider (the studio with --local), the chain, the report."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import uuid
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from storychain.chain.assembling import Offline, assemble_all
from storychain.chain.batch import render_all
from storychain.chain.choice import Choice
from storychain.chain.holding import locks_of
from storychain.chain.lanes import Lanes
from storychain.chain.run import Run
from storychain.chain.slots import Slots
from storychain.chain.story import Outcome, interrupted, outcome_of
from storychain.commands.calls import hooks_of
from storychain.commands.desk import FREE, PAID, Desk, desk, keep_to_ourselves
from storychain.commands.interrupts import interrupts
from storychain.commands.limits import Limits, by_workers, limits_of
from storychain.commands.painting import painter
from storychain.commands.providers import pace, provider
from storychain.commands.sweeping import collect_seldom
from storychain.commands.watching import watched
from storychain.errors import Interrupted, StorychainError, UsageError
from storychain.ledger import Caps, Ledger
from storychain.media.room import FfmpegRoom
from storychain.media.tool import find_ffmpeg
from storychain.printable import visible
from storychain.report import documents
from storychain.report.lines import Lines
from storychain.report.text import summary_text
from storychain.store import Store
from storychain.terminal import if_anybody_reads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
    from pathlib import Path

    from storychain.chain.events import Event
    from storychain.commands.selection import Found
    from storychain.media.tool import Ffmpeg
    from storychain.provider import Provider
    from storychain.settings import Settings
    from storychain.story.model import Story
    from storychain.unattended.watch import Watch


def run(arguments: argparse.Namespace) -> int:
    """Render stories. Prints each film's path, or one JSON document."""
    at = desk(arguments)
    keep_to_ourselves()
    with watched(at, arguments) as watch:
        return _run(at, arguments, watch)


def _run(at: Desk, arguments: argparse.Namespace, watch: Watch) -> int:
    found = at.find(arguments.stories, arguments.matrix)
    if not found.any() and arguments.verbose >= arguments.quiet:
        print("The list on stdin is empty; nothing to do.", file=sys.stderr)
    _tell_unreadable(found)
    with at.ledger() as ledger:
        stories, limits = limits_of(at, ledger, found.stories, arguments)
        if arguments.here and at.settings.url is not None and not arguments.local:
            _take_back(ledger, stories)
        outcomes, stopped = asyncio.run(_outcomes(at, ledger, stories, arguments, limits, watch))
    code = Interrupted.exit_code if stopped else exit_code(outcomes, found.unreadable.values())
    watch.ended(outcomes, code, found.unreadable)
    print_outcomes(outcomes, at, as_json=arguments.json, unreadable=found.unreadable)
    if len(outcomes) + len(found.unreadable) > 1 and arguments.verbose >= arguments.quiet:
        print(f"\n{summary_text(outcomes, found.unreadable)}", file=sys.stderr)
    if stopped:
        advice = "Nothing is lost: the same command goes on from here and pays nothing twice."
        if by_workers(at, arguments):
            advice = "The order stands, for workers to render it; the same command follows it again."
        raise Interrupted(_left_behind(outcomes, free=arguments.local), next_step=advice)
    return code


def _tell_unreadable(found: Found) -> None:
    """Tell first of what holds no valid story: the others' news would carry it out of sight."""
    for error in found.unreadable.values():
        print(f"storychain: {error}\n", file=sys.stderr)


def _take_back(ledger: Ledger, stories: tuple[Story, ...]) -> None:
    """What is rendered here is not to be bought in other words later, by a worker that is not even there yet."""
    for story in stories:
        if ledger.orders.take_back(PAID, story.edition, "it was rendered by `run --here` instead"):
            words = f"storychain: {story.name}: was ordered, and no worker has taken it: the order is taken back"
            print(visible(words), file=sys.stderr)


async def _outcomes(
    at: Desk,
    ledger: Ledger,
    stories: tuple[Story, ...],
    arguments: argparse.Namespace,
    limits: Limits,
    watch: Watch,
) -> tuple[tuple[Outcome, ...], bool]:
    """Render, or let workers do it, and say whether somebody interrupted that."""
    with listener(arguments) as told:
        tell = watch.listening(told)
        if by_workers(at, arguments):
            from storychain.commands.ordering import order  # noqa: PLC0415 - only where there are workers

            offline = cast("Provider", Offline(PAID, free=False))
            following = replace(
                a_run(at, ledger, offline, find_ffmpeg(at.environ), tell),
                id=watch.run_id,
                retry_failed=arguments.retry_failed,
                choice=limits.choice,
                deadline=limits.deadline,
            )
            return await _until_interrupted(following, stories, order(at, following, stories, limits.cap))
        collect_seldom()
        async with opened_run(at, ledger, arguments, limits, tell) as opened:
            run = replace(opened, id=watch.run_id)
            return await _until_interrupted(run, stories, render_all(run, stories))


@asynccontextmanager
async def opened_run(
    at: Desk, ledger: Ledger, arguments: argparse.Namespace, limits: Limits, tell: Callable[[Event], None]
) -> AsyncIterator[Run]:
    """A run by the settings, the command line and its limits, with all that has to be open as long as it lasts."""
    settings, ffmpeg = at.settings, find_ffmpeg(at.environ)
    caps = Caps(run=limits.cap, day=settings.max_credits_per_day, month=settings.max_credits_per_month)
    async with AsyncExitStack() as hooks, provider(at, arguments, ffmpeg, tell) as opened:
        plain = a_run(at, ledger, opened, ffmpeg, tell)
        yield replace(
            plain,
            caps=Caps() if arguments.local else caps,
            pace=pace(at, arguments),
            retry_failed=arguments.retry_failed,
            choice=limits.choice,
            deadline=limits.deadline,
            hooks=None if arguments.local else await hooks.enter_async_context(hooks_of(at, plain.lookout)),
        )


def a_run(at: Desk, ledger: Ledger, opened: Provider, ffmpeg: Ffmpeg, tell: Callable[[Event], None]) -> Run:
    """A run by the settings, without caps."""
    settings = at.settings
    return Run(
        id=uuid.uuid4().hex,
        provider=opened,
        ledger=ledger,
        workspace=at.workspace,
        room=FfmpegRoom(ffmpeg, at.environ),
        out=settings.out,
        tell=tell,
        catalogue=settings.catalogue,
        jobs=settings.jobs,
        locks=locks_of(ledger),
        store=None if settings.store is None else Store(settings.store),
        slots=Slots(settings.jobs),
        lanes=Lanes(settings.submit_lanes),
        paint=painter(ffmpeg),
        certificate=_certificate(settings),
    )


def _certificate(settings: Settings) -> tuple[Path, Path] | None:
    cert, key = settings.c2pa_cert, settings.c2pa_key
    if (cert is None) != (key is None):
        raise UsageError(
            "a certificate and its key go together", next_step="Set both STORYCHAIN_C2PA_CERT and STORYCHAIN_C2PA_KEY."
        )
    return (cert, key) if cert is not None and key is not None else None


def assemble(arguments: argparse.Namespace) -> int:
    """Make films anew from stored segments, without a network. Prints like `run`."""
    at = desk(arguments)
    found = at.find(arguments.stories, arguments.matrix)
    stories = found.any()
    _tell_unreadable(found)
    with at.ledger() as ledger:
        outcomes, stopped = asyncio.run(_assemble(at, ledger, stories, arguments))
    print_outcomes(outcomes, at, as_json=arguments.json, unreadable=found.unreadable)
    if stopped:
        raise Interrupted("Interrupted", next_step="Nothing is half done: the same command begins again.")
    return exit_code(outcomes, found.unreadable.values())


async def _assemble(
    at: Desk, ledger: Ledger, stories: tuple[Story, ...], arguments: argparse.Namespace
) -> tuple[tuple[Outcome, ...], bool]:
    ffmpeg = find_ffmpeg(at.environ)
    offline = cast("Provider", Offline(FREE if arguments.local else PAID, free=arguments.local))
    with listener(arguments) as tell:
        run = replace(a_run(at, ledger, offline, ffmpeg, tell), choice=Choice(buys=False))
        return await _until_interrupted(run, stories, assemble_all(run, stories), _unfinished)


def _unfinished(run: Run, story: Story, error: StorychainError) -> Outcome:
    """Of films that are made anew the old ones are there, and say nothing."""
    return outcome_of(run, story, None, None, error)


async def _until_interrupted(
    run: Run,
    stories: tuple[Story, ...],
    rendering: Coroutine[Any, Any, tuple[Outcome, ...]],
    told: Callable[[Run, Story, StorychainError], Outcome] = interrupted,
) -> tuple[tuple[Outcome, ...], bool]:
    work = asyncio.create_task(rendering)
    with interrupts(work.cancel):
        return await until_cancelled(run, stories, work, told)


async def until_cancelled(
    run: Run,
    stories: tuple[Story, ...],
    work: asyncio.Task[tuple[Outcome, ...]],
    told: Callable[[Run, Story, StorychainError], Outcome] = interrupted,
) -> tuple[tuple[Outcome, ...], bool]:
    """What came of the work on stories, and whether somebody cancelled it: then how each story stands."""
    try:
        return await work, False
    except asyncio.CancelledError:
        error = Interrupted("interrupted; run again to go on")
        return tuple([told(run, story, error) for story in stories]), True


@contextmanager
def listener(arguments: argparse.Namespace) -> Iterator[Callable[[Event], None]]:
    """A live view on a terminal, plain lines elsewhere."""
    level = arguments.verbose - arguments.quiet
    if level == 0 and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from storychain.report.live import LiveView  # noqa: PLC0415 - rich is for terminals only

        with LiveView() as view:
            yield view
        return
    with Lines(sys.stderr, level) as lines:
        yield lines


def print_outcomes(
    outcomes: tuple[Outcome, ...], at: Desk, *, as_json: bool, unreadable: Mapping[str, StorychainError] | None = None
) -> None:
    """Results on stdout: each film's path a line, or one JSON document."""
    with if_anybody_reads():
        if as_json:
            print(documents.dumped(documents.run_document(outcomes, at.workspace, unreadable)))
            return
        for outcome in outcomes:
            if outcome.film:
                print(outcome.film)


def _left_behind(outcomes: tuple[Outcome, ...], *, free: bool) -> str:
    steps = [step for one in outcomes for step in one.steps if step.record.state == "submitted"]
    jobs = list(dict.fromkeys(str(step.record.job_id) for step in steps))  # rows that share a segment share its job
    if free:
        return "Interrupted"
    if not jobs:
        return "Interrupted; no job is under way"
    return f"Interrupted; paid jobs that go on at the provider: {len(jobs)} ({', '.join(jobs)})"


_WORST_FIRST = (1, 6, 7, 5, 3, 2, 75, 4, 130)
"""Of several stories' troubles the one a person should hear of first decides the exit code."""


def exit_code(outcomes: tuple[Outcome, ...], others: Iterable[StorychainError] = ()) -> int:
    """0 if every story is done as far as was asked, else the code of the gravest trouble, `others` included."""
    errors = [*(outcome.error for outcome in outcomes if outcome.error is not None), *others]
    codes = {error.exit_code for error in errors if error.exit_code}
    return min(codes, key=_WORST_FIRST.index) if codes else 0
