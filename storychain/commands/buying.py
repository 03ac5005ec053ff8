"""What the review page may buy, where it was opened with `--allow-spend`: runs like any other, under one cap."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

from storychain.chain.batch import render_all
from storychain.chain.choice import Choice
from storychain.chain.recipe import film_path
from storychain.cli import parser
from storychain.commands.limits import Limits, check_means
from storychain.commands.rendering import opened_run
from storychain.commands.retaking import choose
from storychain.errors import AccountError, CapReached, StorychainError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from storychain.chain.events import Event
    from storychain.commands.desk import Desk
    from storychain.directing import Table
    from storychain.ledger import Ledger
    from storychain.plan import Step
    from storychain.records import Chosen
    from storychain.story.model import Story


class PageTill:
    """Renders in this process. `most` is what all of it may cost; what is under way counts with its own cap."""

    def __init__(self, at: Desk, ledger: Ledger, most: Decimal) -> None:
        if not at.settings.api_key:
            raise AccountError(
                "there is no API key to buy with",
                next_step="Set PICTORY_API_KEY in the environment or in .env, or leave out --allow-spend.",
            )
        self._at = at
        self._ledger = ledger
        self._most = most
        self._spent = Decimal(0)
        self._working: dict[str, tuple[asyncio.Task[None], Decimal]] = {}
        self._told: dict[str, tuple[StorychainError, object]] = {}

    @property
    def left(self) -> Decimal:
        """See Till."""
        return self._most - self._spent - sum((cap for _, cap in self._working.values()), Decimal(0))

    def busy(self, story: str) -> bool:
        """See Till."""
        return story in self._working

    def told(self, story: Story) -> StorychainError | None:
        """See Till."""
        trouble, stood = self._told.get(story.name, (None, None))
        if trouble is not None and self._stands(story) != stood:
            self._told.pop(story.name, None)
            return None
        return trouble

    def refusal(self, story: Story, steps: Sequence[Step]) -> CapReached | None:
        """See Till."""
        try:
            check_means(self._at, self._ledger, story, steps, elsewhere=False)
        except CapReached as error:
            return error
        return None

    def choose(self, table: Table, choices: Mapping[str, Chosen], steps: Sequence[Step]) -> None:
        """See Till."""
        choose(self._at, self._ledger, table, choices, steps, elsewhere=False)

    def begin(self, story: Story, most: Decimal) -> None:
        """See Till."""
        self._told.pop(story.name, None)
        task = asyncio.create_task(self._render(story, most), name=f"buying {story.name}")
        self._working[story.name] = (task, most)

    async def close(self) -> None:
        """Stop in good order; what is paid is on record."""
        tasks = [task for task, _ in self._working.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _render(self, story: Story, most: Decimal) -> None:
        spent = most
        try:
            spent, trouble = await self._outcome(story, most)
            if trouble is not None:
                self._told[story.name] = (trouble, await asyncio.to_thread(self._stands, story))
        finally:
            # A run that was broken off counts with all it might have spent.
            self._spent += spent
            del self._working[story.name]

    async def _outcome(self, story: Story, most: Decimal) -> tuple[Decimal, StorychainError | None]:
        """What a run spent, or may have spent, and what was wrong with it."""
        arguments = parser().parse_args(["run", "-", f"--max-credits={most}"])
        arguments.asks, arguments.here = False, True
        limits = Limits(most, Choice(), None)
        try:
            async with opened_run(self._at, self._ledger, arguments, limits, _nobody_listens) as run:
                (outcome,) = await render_all(run, [story])
        except StorychainError as error:
            return most, error
        return outcome.spent, outcome.error

    def _stands(self, story: Story) -> object:
        """How a story stands, to be held against how it stands later."""
        film = film_path(self._ledger, self._at.settings.out, story.edition, free=False)
        try:
            return story, self._at.plan(story, self._ledger, free=False), self._ledger.film(film)
        except StorychainError as error:
            return str(error)


def _nobody_listens(event: Event) -> None:
    """The page sees what happens by the ledger."""
