"""`run` where workers share a ledger: stories are ordered with the consent to spend, and followed to their end."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from storychain import errors
from storychain.chain.choice import LeftUnbought
from storychain.chain.doubt import spelled_out
from storychain.chain.events import Noticed, StoryLeft, StoryStopped
from storychain.chain.preflight import check_place
from storychain.chain.run import Run, off_loop
from storychain.chain.story import Outcome, outcome_of
from storychain.commands.desk import PAID, Desk
from storychain.commands.editions import edition_written
from storychain.commands.engines import engine_of
from storychain.errors import LedgerUnreachable, OutOfTime, QueueUnreachable, StorychainError, UsageError
from storychain.ledger import Order
from storychain.store import Store
from storychain.workspace import settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storychain.story.model import Story

_LOOK_EVERY = 0.5
_NEWS = ("submitted", "completed", "stored", "failed", "unresolved")

_NOBODY = 30.0
"""Seconds after which it is said that no worker has taken a story."""


async def order(at: Desk, run: Run, stories: tuple[Story, ...], cap: Decimal | None) -> tuple[Outcome, ...]:
    """Order stories under what was agreed to, and follow them to their end; what came of each.

    They count as one run, so that one cap holds over all of them.
    """
    store = None if at.settings.store is None else Store(at.settings.store)
    for story in stories:
        _check_files(story, store)
        if store is not None:  # films are brought here then
            await off_loop(check_place, at.settings.out.resolve() / f"{story.edition}.mp4")
    engine = engine_of(at.settings)
    placed = [await off_loop(_placed, run, story, cap) for story in stories]
    try:
        await engine.offer([one for one in placed if isinstance(one, Order)])
    except (LedgerUnreachable, QueueUnreachable) as error:
        print(f"{error.what}; the workers find the orders by themselves", file=sys.stderr)
    following = (_Following(at, run, story).to_the_end(one) for story, one in zip(stories, placed, strict=True))
    return tuple(await asyncio.gather(*following))


def _placed(run: Run, story: Story, cap: Decimal | None) -> Order | StorychainError:
    chosen = run.choice.scenes
    options = {
        "retry_failed": run.retry_failed,
        "buys": run.choice.buys,
        "scenes": None if chosen is None else sorted(chosen.get(story.name, ())),
        "deadline": run.deadline,
        "edition": edition_written(story),
    }
    text = story.path.read_text("utf-8-sig")
    try:
        one = run.ledger.orders.place(PAID, story.edition, text, run=run.id, cap=cap, options=options)
    except errors.StoryHeld as error:
        return error
    if one.run != run.id:
        run.tell(Noticed(story.name, "", f"it is ordered already, {one.agreed}; that is followed"))
    return one


def _check_files(story: Story, store: Store | None) -> None:
    """Workers have other disks: a story may name addresses, and files in the shared place. Raises UsageError."""
    folder = None if store is None else store.folder
    for what, path in _files(story):
        words = [story.path.read_text("utf-8-sig"), *(story.row.variables.values() if story.row else ())]
        if folder is not None and path.is_relative_to(folder) and any(str(path) in one for one in words):
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


class _Following:
    """One order, looked at until it is closed."""

    def __init__(self, at: Desk, run: Run, story: Story) -> None:
        self._at = at
        self._run = run
        self._story = story
        self._known: dict[str, str] | None = None

    async def to_the_end(self, placed: Order | StorychainError) -> Outcome:
        """What came of the order. Told are changes of the ledger, whichever worker makes them."""
        if isinstance(placed, StorychainError):
            return await self._summed_up({}, placed, None)
        closed = await self._closed(placed)
        if isinstance(closed, StorychainError):
            return await self._summed_up({}, closed, None)
        film = await self._film(closed.outcome)
        error = _error_of(closed.outcome)
        if error is not None:
            error.what = spelled_out(error.what, self._story, self._run.workspace, free=False)
        summed_up = await self._summed_up(closed.outcome, error, film)
        return replace(summed_up, status="done" if closed.state == "open" else closed.state)

    async def _closed(self, placed: Order) -> Order | StorychainError:
        began, told = time.monotonic(), False
        heard = began
        seen = placed.seen_at
        while True:
            order = await off_loop(self._run.ledger.orders.get, placed.id)
            await off_loop(self._tell_news)
            if order.state != "open":
                return order
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
        latest = {record.scene: record for record in ledger.story_records(name, self._story.name)}
        known, self._known = self._known, {scene: record.state for scene, record in latest.items()}
        if known is None:
            return
        for scene, record in latest.items():
            if record.state in _NEWS and known.get(scene) != record.state:
                job = f", job {record.job_id}" if record.job_id else ""
                self._run.tell(Noticed(self._story.name, scene, f"{record.state}{job}"))

    async def _film(self, outcome: dict[str, Any]) -> Path | None:
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
        part = out / f".{uuid.uuid4().hex}.part"  # without the name, which may be as long as disks allow
        try:
            if not await Store(self._at.settings.store).fetch(outcome["stored"], outcome["sha256"], part):
                raise StorychainError(f"{outcome['film']} is not in the shared place as it was put there")
            await off_loop(settle, part, out / name)
        finally:
            part.unlink(missing_ok=True)
        await off_loop(self._remember, outcome, out / name)
        return (out / name).resolve()

    def _remember(self, outcome: dict[str, Any], here: Path) -> None:
        """Put on record that the worker's film is here as well."""
        films = self._run.ledger
        if (there := films.film(Path(outcome.get("path", "")))) is not None:
            films.remember_film(replace(there, path=str(here.resolve())), self._story.name, outcome["sha256"])

    async def _summed_up(self, told: dict[str, Any], error: StorychainError | None, film: Path | None) -> Outcome:
        if isinstance(error, LeftUnbought):
            self._run.tell(StoryLeft(self._story.name, error.told))
        elif error is not None:
            self._run.tell(StoryStopped(self._story.name, error))
        planned = told.get("planned", "0")
        outcome = await off_loop(
            outcome_of, self._run, self._story, film, None if planned is None else Decimal(planned), error
        )
        # Who closed it need not be who rendered it: what was bought for this run by then is in the ledger.
        spent = Decimal(told["spent"]) if "spent" in told else outcome.spent
        return replace(outcome, spent=spent, warnings=tuple(told.get("warnings", ())))


def _error_of(outcome: dict[str, Any]) -> StorychainError | None:
    told = outcome.get("error")
    if told is None:
        return None
    plain = told["kind"] != LeftUnbought.__name__
    kind = getattr(errors, told["kind"], StorychainError) if plain else LeftUnbought
    return cast("StorychainError", kind(told["what"], where=told["where"], next_step=told["next_step"]))
