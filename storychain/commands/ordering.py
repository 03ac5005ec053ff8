"""`run` where workers share a ledger: stories are ordered with the consent to spend, and followed to their end."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
import uuid
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from storychain import errors
from storychain.chain.assembling import Offline
from storychain.chain.events import Noticed, StoryStopped
from storychain.chain.run import Run, off_loop
from storychain.chain.story import Outcome, outcome_of
from storychain.commands.consent import cap_agreed_to
from storychain.commands.desk import PAID, Desk
from storychain.commands.interrupts import interrupts
from storychain.commands.rendering import a_run, exit_code, listener, print_outcomes
from storychain.errors import Interrupted, LedgerUnreachable, OutOfTime, StorychainError, UsageError
from storychain.ledger import Ledger, Order
from storychain.media.tool import find_ffmpeg
from storychain.plan import Action, quote
from storychain.store import Store
from storychain.workers import offer
from storychain.workspace import settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storychain.provider import Provider
    from storychain.story.model import Story

_LOOK_EVERY = 0.5
_NOBODY = 30.0
"""Seconds after which it is said that no worker has taken a story."""


def order(at: Desk, stories: tuple[Story, ...], arguments: argparse.Namespace) -> int:
    """Order stories, follow them, and print what `run` prints."""
    store = None if at.settings.store is None else Store(at.settings.store)
    for story in stories:
        _check_files(story, store)
    with at.ledger() as ledger:
        cap = _agreed(at, ledger, stories, arguments)
        placed = _placed(ledger, stories, cap, retry_failed=arguments.retry_failed)
        outcomes, interrupted = asyncio.run(_follow(at, ledger, placed, arguments))
    print_outcomes(outcomes, at, as_json=arguments.json)
    if interrupted:
        advice = "The workers go on with it; the same command follows them again."
        raise Interrupted("Interrupted", next_step=advice)
    return exit_code(outcomes)


def _agreed(at: Desk, ledger: Ledger, stories: tuple[Story, ...], arguments: argparse.Namespace) -> Decimal | None:
    plans = [at.plan(story, ledger, free=False, retry_failed=arguments.retry_failed) for story in stories]
    stuck = (Action.FAILED, Action.UNRESOLVED)
    payable = [step for plan in plans if not any(one.action in stuck for one in plan) for step in plan]
    return cap_agreed_to(quote(payable), arguments, arguments.argv)


def _placed(
    ledger: Ledger, stories: tuple[Story, ...], cap: Decimal | None, *, retry_failed: bool
) -> list[tuple[Story, Order | StorychainError]]:
    """Place an order a story; they count as one run, so that one cap holds over all of them."""
    run = uuid.uuid4().hex
    placed: list[tuple[Story, Order | StorychainError]] = []
    for story in stories:
        text = story.path.read_text("utf-8-sig")
        try:
            one = ledger.orders.place(PAID, story.name, text, run=run, cap=cap, retry_failed=retry_failed)
        except errors.StoryHeld as error:
            placed.append((story, error))
        else:
            if one.run != run:
                cap_ = "at any price" if one.cap is None else f"for up to {one.cap} credits"
                print(f"{story.name}: it is ordered already, {cap_}; following that", file=sys.stderr)
            placed.append((story, one))
    return placed


def _check_files(story: Story, store: Store | None) -> None:
    """Workers have other disks: a story may name addresses, and files in the shared place. Raises UsageError."""
    folder = None if store is None else store.folder
    for what, path in _files(story):
        text = story.path.read_text("utf-8-sig")
        if folder is not None and path.is_relative_to(folder) and str(path) in text:
            continue
        place = f"put it below {folder} and name it with its whole path" if folder else "give its address instead"
        raise UsageError(
            f"{what} is the file {path}, which workers on other machines do not have",
            where=story.name,
            next_step=f"For workers: {place}. Or render here: storychain run --here.",
        )


def _files(story: Story) -> Iterator[tuple[str, Path]]:
    for source in story.start.sources if story.start else ():
        if source.path is not None:
            yield "its start", source.path
    if story.film.music is not None:
        yield "its music", story.film.music.file
    if story.film.watermark is not None:
        yield "its watermark", story.film.watermark.file
    for scene in story.scenes:
        if scene.narration_file is not None:
            yield f"the narration of {scene.id}", scene.narration_file


async def _follow(
    at: Desk, ledger: Ledger, placed: list[tuple[Story, Order | StorychainError]], arguments: argparse.Namespace
) -> tuple[tuple[Outcome, ...], bool]:
    assert at.settings.url is not None
    try:
        await offer(at.settings.url, [one.id for _, one in placed if isinstance(one, Order)])
    except LedgerUnreachable as error:
        print(f"{error.what}; the workers find the orders by themselves", file=sys.stderr)
    with listener(arguments) as tell:
        offline = cast("Provider", Offline(PAID, free=False))
        run = a_run(at, ledger, offline, find_ffmpeg(os.environ), tell)
        following = asyncio.gather(*(_Following(at, run, story).to_the_end(one) for story, one in placed))
        with interrupts(following.cancel):
            try:
                return tuple(await following), False
            except asyncio.CancelledError:
                ended = Interrupted("interrupted; the workers go on")
                return tuple([outcome_of(run, story, None, None, ended) for story, _ in placed]), True


class _Following:
    """One order, looked at until it is closed."""

    def __init__(self, at: Desk, run: Run, story: Story) -> None:
        self._at = at
        self._run = run
        self._story = story
        self._known: dict[str, str] = {}

    async def to_the_end(self, placed: Order | StorychainError) -> Outcome:
        """What came of the order. Told are changes of the ledger, whichever worker makes them."""
        if isinstance(placed, StorychainError):
            return await self._summed_up({}, placed, None)
        closed = await self._closed(placed)
        if isinstance(closed, StorychainError):
            return await self._summed_up({}, closed, None)
        film = await off_loop(self._film, closed.outcome)
        summed_up = await self._summed_up(closed.outcome, _error_of(closed.outcome), film)
        return replace(summed_up, status="done" if closed.state == "open" else closed.state)

    async def _closed(self, placed: Order) -> Order | StorychainError:
        began, told = time.monotonic(), False
        heard = began
        seen = placed.seen_at
        while True:
            order = await off_loop(self._run.ledger.orders.get, placed.id)
            if order.state != "open":
                return order
            await off_loop(self._tell_news)
            if order.seen_at != seen:
                seen, heard, told = order.seen_at, time.monotonic(), False
            waited = time.monotonic() - heard
            if waited > _NOBODY and not told:
                told = True
                who = f"{order.worker} was not heard of" if order.worker else "no worker has taken it"
                words = f"{who} for {waited:.0f} s; `storychain worker` starts one"
                self._run.tell(Noticed(self._story.name, "", words))
            if waited > self._at.settings.job_timeout:
                return OutOfTime(
                    f"no worker was heard of for {waited / 60:.0f} min",
                    next_step="The order stands. Start `storychain worker`; the same command follows it again.",
                )
            await asyncio.sleep(_LOOK_EVERY)

    def _tell_news(self) -> None:
        ledger, name = self._run.ledger, self._run.provider.name
        for record in ledger.story_records(name, self._story.name):
            if self._known.get(record.scene) != record.state and record.attempt:
                first = record.scene not in self._known and record.state == "stored"
                self._known[record.scene] = record.state
                if not first:
                    job = f", job {record.job_id}" if record.job_id else ""
                    self._run.tell(Noticed(self._story.name, record.scene, f"{record.state}{job}"))

    def _film(self, outcome: dict[str, Any]) -> Path | None:
        """The film, brought here where there is a shared place; else where its worker has it."""
        if "film" not in outcome:
            return None
        if "stored" not in outcome or self._at.settings.store is None:
            film = Path(outcome["film"])
            if not film.exists():
                there = f"the film is with worker {outcome['worker']}; STORYCHAIN_STORE would bring it here"
                self._run.tell(Noticed(self._story.name, "", there))
            return film
        out = self._at.settings.out
        name = Path(outcome["stored"]).name
        part = out / f".{name}.{uuid.uuid4().hex}.part"
        try:
            if not Store(self._at.settings.store).fetch(outcome["stored"], outcome["sha256"], part):
                raise StorychainError(f"{outcome['film']} is not in the shared place as it was put there")
            settle(part, out / name)
        finally:
            part.unlink(missing_ok=True)
        return out / name

    async def _summed_up(self, told: dict[str, Any], error: StorychainError | None, film: Path | None) -> Outcome:
        if error is not None:
            self._run.tell(StoryStopped(self._story.name, error))
        planned = told.get("planned", "0")
        outcome = await off_loop(
            outcome_of, self._run, self._story, film, None if planned is None else Decimal(planned), error
        )
        return replace(outcome, spent=Decimal(told.get("spent", "0")), warnings=tuple(told.get("warnings", ())))


def _error_of(outcome: dict[str, Any]) -> StorychainError | None:
    told = outcome.get("error")
    if told is None:
        return None
    kind = getattr(errors, told["kind"], StorychainError)
    return cast("StorychainError", kind(told["what"], where=told["where"], next_step=told["next_step"]))
