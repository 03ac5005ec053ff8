"""The account as the stories of one run see it: what it can still pay for, and whether its books say what ours say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from storychain.chain.events import BooksDiffer
from storychain.errors import AccountError, StorychainError
from storychain.provider import RequestRefused

if TYPE_CHECKING:
    from storychain.chain.run import Run
    from storychain.plan import Quote
    from storychain.provider import Quota

_PATIENCE = 2.0
"""Seconds that looking at the account once more may take at the end of a run: films that are done wait for it."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Both books at one moment: the account's, and what the ledger has committed in all.

    `quiet` says that nothing was under way or in doubt, so that the two can be held against each other.
    """

    account: Quota
    ledger: Decimal
    quiet: bool


class Purse:
    """The account's credits, asked for once, less what the run's stories have set out to spend.

    A provider that does not tell its quota stops nobody: its own refusal is then the limit.
    """

    def __init__(self) -> None:
        self.begun: Balance | None = None
        """The books before the run's first request; None where none was sent or the account told nothing."""
        self.closed: AccountError | None = None
        """What the account said when it would not pay; nothing more is sent to it then."""
        self._left: Decimal | None = None
        self._asked = False
        self._asking = asyncio.Lock()

    async def set_aside(self, story: str, cost: Quote, ask: Callable[[], Awaitable[Balance | None]]) -> None:
        """Reserve a story's credits. Raises AccountError where the account cannot pay for the whole of it."""
        async with self._asking:
            if not self._asked:
                self.begun = await ask()
                self._left = None if self.begun is None else self.begun.account.limit - self.begun.account.used
                self._asked = True
        if self._left is None:
            return
        if cost.credits > self._left:
            raise AccountError(
                f"the rest of the story costs {cost.credits} credits, and the account has {self._left} left for it",
                where=story,
                next_step="Nothing was bought for it. Add credits to the account, or shorten the story.",
            )
        self._left -= cost.credits

    def spare(self, credits_: Decimal) -> bool:
        """Reserve so many credits more, if the account has them beyond what the stories need."""
        if self._left is None:
            return True
        if credits_ > self._left:
            return False
        self._left -= credits_
        return True


async def balance(run: Run) -> Balance:
    """Read both books. Raises what reading the account raises."""
    before = await asyncio.to_thread(_committed, run)
    quota = await run.provider.quota()
    after = await asyncio.to_thread(_committed, run)
    return Balance(quota, after[0], before == after and after[1])


def _committed(run: Run) -> tuple[Decimal, bool]:
    ledger, name = run.ledger, run.provider.name
    return ledger.spent(name), not ledger.in_flight(name) and not ledger.open_questions(name)


async def compare_books(run: Run) -> None:
    """After a run that bought: tell if the account took more or less during it than the ledger wrote down.

    Looked at only where nothing was under way before and after, and quietly left out where the account does not answer:
    `storychain credits` compares at any time.
    """
    begun = run.purse.begun
    if begun is None or not begun.quiet:
        return
    try:
        async with asyncio.timeout(_PATIENCE):
            ended = await balance(run)
    except (StorychainError, RequestRefused, TimeoutError, OSError):
        return
    taken, written = ended.account.used - begun.account.used, ended.ledger - begun.ledger
    if ended.quiet and taken != written:
        run.tell(BooksDiffer(taken, written))
