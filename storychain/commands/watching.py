"""Who is told of a run besides the person at the terminal: read from the settings, opened around it."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from storychain.commands.desk import FREE, PAID
from storychain.printable import counted
from storychain.unattended.ended import Standing
from storychain.unattended.log_file import check_log_file
from storychain.unattended.metrics import check_metrics_file
from storychain.unattended.notices import Notices
from storychain.unattended.watch import Told, Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from storychain.commands.desk import Desk
    from storychain.settings import Settings

_LEAST_SECRET = 8
"""Shorter keys would be found in words that have nothing to do with them."""


def watched(at: Desk, arguments: argparse.Namespace, warn: Callable[[str], None] | None = None) -> Watch:
    """The watch over a run; what goes wrong with it is said on stderr, or to `warn`.

    A free preview is not what a monitor waits for: with --local only what the command line itself names is told, so
    that somebody who looks at a story does not report that tonight's films are done.
    """
    return Watch(_told(at, arguments), lambda run: _standing(at, run, free=arguments.local), warn or _warn)


@asynccontextmanager
async def watched_aside(at: Desk, arguments: argparse.Namespace, warn: Callable[[str], None]) -> AsyncIterator[Watch]:
    """The same for a loop that others share: its end, which may wait for a monitor's answer, holds nobody up."""
    watch = watched(at, arguments, warn)

    async def end(*raised: Any) -> None:
        await asyncio.to_thread(watch.__exit__, *raised)

    async with AsyncExitStack() as around:
        await asyncio.to_thread(watch.__enter__)
        around.push_async_exit(end)
        yield watch


def check_told(at: Desk, arguments: argparse.Namespace) -> None:
    """Raise UsageError where the watch over such a run could not be opened. Nobody is told anything."""
    told = _told(at, arguments)
    if told.metrics_file:
        check_metrics_file(told.metrics_file)
    if told.notify:
        Notices(told.notify, _warn)
    if told.log_file:
        check_log_file(told.log_file)


def _told(at: Desk, arguments: argparse.Namespace) -> Told:
    settings, local = at.settings, arguments.local
    key = settings.api_key or ""
    shy = [
        *([settings.ping_url] if settings.ping_url else []),
        *([settings.url] if settings.url else []),
        *settings.notify,
        *([key] * (len(key) >= _LEAST_SECRET)),
    ]
    return Told(
        where=f"on {socket.gethostname()}, in {Path.cwd()}",
        free=local,
        log_file=settings.log_file,
        metrics_file=settings.metrics_file if not local or arguments.metrics_file else None,
        ping_url=settings.ping_url if not local or arguments.ping_url else None,
        notify=settings.notify if not local or arguments.notify_on else (),
        notify_always=settings.notify_on == "always",
        secrets=tuple(shy),
    )


def told_line(settings: Settings) -> str:
    """Who is told of unattended runs, in words without secrets. Raises UsageError for what is set wrongly."""
    told = [f"log {settings.log_file}"] if settings.log_file else []
    if settings.ping_url:
        told.append(f"the monitor at {urlsplit(settings.ping_url).hostname}")
    if settings.notify:
        Notices(settings.notify, _warn)
        often = "each time" if settings.notify_on == "always" else "after failures"
        told.append(f"{counted(len(settings.notify), 'service')}, {often}")
    if settings.metrics_file:
        check_metrics_file(settings.metrics_file)
        told.append(f"metrics {settings.metrics_file}")
    return "; ".join(told) or "nobody besides who runs it"


def _standing(at: Desk, run: str, *, free: bool) -> Standing:
    provider = FREE if free else PAID
    with at.ledger_if_any() as ledger:
        if ledger is None:
            return Standing()
        states = ledger.states(provider)
        if free:
            return Standing(attempts=states)
        return Standing(ledger.spent(provider, run=run), ledger.spent(provider), states)


def _warn(words: str) -> None:
    print(f"storychain: {words}", file=sys.stderr, flush=True)
