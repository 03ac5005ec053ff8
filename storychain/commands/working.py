"""The command `worker`: takes stories that were ordered anywhere, renders them here, and says what came of them."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from storychain import errors
from storychain.chain.account import Purse
from storychain.chain.choice import Choice, LeftUnbought
from storychain.chain.run import Run, off_loop
from storychain.chain.story import Outcome, render
from storychain.commands.calls import hooks_of
from storychain.commands.desk import Desk, desk, keep_to_ourselves
from storychain.commands.editions import ordered_story
from storychain.commands.engines import engine_of
from storychain.commands.interrupts import interrupts
from storychain.commands.order_in_hand import OrderInHand
from storychain.commands.providers import pace, provider
from storychain.commands.rendering import a_run, listener
from storychain.commands.sweeping import collect_seldom
from storychain.errors import (
    AccountError,
    DiskTrouble,
    InvalidStory,
    LedgerUnreachable,
    StoreTrouble,
    StorychainError,
    StoryHeld,
    UsageError,
)
from storychain.ledger import MOST_BEGUN, Caps, Ledger, Order
from storychain.media.tool import find_ffmpeg
from storychain.store import film_name
from storychain.workspace import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from storychain.chain.events import Event
    from storychain.story.model import Story
    from storychain.workers import Engine


def worker(arguments: argparse.Namespace) -> int:
    """Render what is ordered, until interrupted. Prints each film's place."""
    at = desk(arguments)
    if at.settings.url is None:
        raise UsageError(
            "workers share a ledger, and there is none",
            next_step="Set STORYCHAIN_URL=postgresql://…, here and where `storychain run` orders stories.",
        )
    if not at.settings.api_key:
        raise AccountError("there is no API key", next_step="Set PICTORY_API_KEY in the environment or in .env.")
    engine = engine_of(at.settings)
    keep_to_ourselves()
    collect_seldom()
    with at.ledger() as ledger:
        asyncio.run(_serve(at, ledger, arguments, engine))
    return 0


async def _serve(at: Desk, ledger: Ledger, arguments: argparse.Namespace, engine: Engine) -> None:
    settings, ffmpeg = at.settings, find_ffmpeg(at.environ)
    stop = asyncio.Event()
    async with AsyncExitStack() as opening:
        tell = opening.enter_context(listener(arguments))
        opened = await opening.enter_async_context(provider(at, arguments, ffmpeg, tell))
        with interrupts(stop.set):
            plain = a_run(at, ledger, opened, ffmpeg, tell)
            called = await opening.enter_async_context(hooks_of(at, plain.lookout))
            run = replace(plain, pace=pace(at, arguments), hooks=called)
            working = _Working(at, run, ledger)
            print(f"{working.name} takes stories.", file=sys.stderr, flush=True)
            await engine.serve(
                ledger.orders,
                working.work,
                stop,
                at_once=settings.jobs,
                lease=settings.lease,
                tell=lambda words: print(words, file=sys.stderr, flush=True),
            )


class _Working:
    """One worker's hand in every order it takes."""

    def __init__(self, at: Desk, run: Run, ledger: Ledger) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._at = at
        self._run = run
        self._orders = ledger.orders
        self._to_be_left: set[OrderInHand] = set()

    async def work(self, number: int) -> bool:
        """Render an order's story; whether the order needs nobody any more."""
        try:
            await self._leave_those_behind()
            order = await off_loop(self._orders.begin, number, self.name)
            if order is None:
                return True
            done, in_hand = False, OrderInHand(self._orders, number)
            try:
                done = await self._close(order, await self._rendered(order, in_hand))
            finally:
                if not done:
                    self._to_be_left.add(in_hand)
                    with suppress(LedgerUnreachable):
                        await self._leave_those_behind()
            await off_loop(shutil.rmtree, self._at.workspace.order(number), ignore_errors=True)
            return done
        except StorychainError as error:
            print(error, file=sys.stderr, flush=True)
            return False

    async def _leave_those_behind(self) -> None:
        """Give back what was begun and not ended; while the ledger is out of reach that has to wait."""
        while self._to_be_left:
            in_hand = self._to_be_left.pop()
            try:
                await off_loop(in_hand.leave)
            except StorychainError:
                self._to_be_left.add(in_hand)
                raise

    async def _rendered(self, order: Order, in_hand: OrderInHand) -> Outcome | StorychainError:
        if order.begun > MOST_BEGUN:
            return StorychainError(
                f"{MOST_BEGUN} workers had this story in hand and none of them ended it",
                where=order.story,
                next_step="What is paid is on record. Look at the workers' words, then run again.",
            )
        try:
            story = await off_loop(self._story, order)
        except (InvalidStory, UsageError) as error:
            return error
        except OSError as error:
            return DiskTrouble.of(error)
        run = await self._run_of(order, story)

        def tell(event: Event) -> None:
            run.tell(event)
            in_hand.tell(event)

        telling = asyncio.create_task(in_hand.keep_told())
        try:
            return await render(replace(run, tell=tell), story)
        finally:
            telling.cancel()
            await asyncio.wait([telling])

    async def _run_of(self, order: Order, story: Story) -> Run:
        settings, ledger = self._at.settings, self._run.ledger
        scenes = order.options["scenes"]
        # One try more was agreed to, however many workers take the order up one after the other.
        spent = await off_loop(ledger.spent, self._run.provider.name, story=story.name, run=order.run)
        return replace(
            self._run,
            id=order.run,
            caps=Caps(run=order.cap, day=settings.max_credits_per_day, month=settings.max_credits_per_month),
            purse=Purse(),
            retry_failed=order.options["retry_failed"] and not spent,
            choice=Choice(
                buys=order.options["buys"], scenes=None if scenes is None else {story.name: frozenset(scenes)}
            ),
            deadline=order.options["deadline"],
        )

    def _story(self, order: Order) -> Story:
        folder = self._at.workspace.order(order.id)
        folder.mkdir(parents=True, exist_ok=True)
        return ordered_story(order, folder, self._at.settings.catalogue)

    async def _close(self, order: Order, came: Outcome | StorychainError) -> bool:
        """Write down what came of an order; False where that is for another worker, or a later try, to say."""
        if isinstance(came, StorychainError):
            await off_loop(self._orders.close, order.id, "stopped", {"error": told(came)})
            return True
        if isinstance(came.error, StoryHeld | LedgerUnreachable):
            return False
        document: dict[str, Any] = {
            "planned": None if came.planned is None else str(came.planned),
            "spent": str(came.spent),
            "warnings": list(came.warnings),
            "worker": self.name,
        }
        state, error = came.status, came.error
        if came.film is not None:
            try:
                document |= await self._delivered(came.film)
            except StoreTrouble as trouble:
                state, error = "stopped", trouble
            else:
                print(document["film"], flush=True)
        if error is not None:
            document["error"] = told(error)
        await off_loop(self._orders.close, order.id, state, document)
        return True

    async def _delivered(self, film: Path) -> dict[str, Any]:
        """Where a film can be had, and its path here, by which it is on record."""
        sha256 = await off_loop(sha256_of, film)
        path = str(film.resolve())
        there: dict[str, Any] = {"film": path, "path": path, "sha256": sha256}
        if self._run.store is not None:
            name = film_name(film.name, sha256)
            await self._run.store.put(film, name, anyway=True)
            there |= {"film": self._run.store.address(name), "stored": name}
        return there


def told(error: StorychainError) -> dict[str, Any]:
    """An error as an order keeps it, by the name that everybody knows it by."""
    known = (base for base in type(error).__mro__ if hasattr(errors, base.__name__) or base is LeftUnbought)
    kind = next(known).__name__
    return {"kind": kind, "what": error.what, "where": error.where, "next_step": error.next_step}
