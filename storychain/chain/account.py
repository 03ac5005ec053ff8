"""What the account can still pay for, as the stories of one run see it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from storychain.errors import AccountError

if TYPE_CHECKING:
    from storychain.plan import Quote
    from storychain.provider import Quota


class Purse:
    """The account's credits, asked for once, less what the run's stories have set out to spend.

    A provider that does not tell its quota stops nobody: its own refusal is then the limit.
    """

    def __init__(self) -> None:
        self._left: Decimal | None = None
        self._asked = False
        self._asking = asyncio.Lock()

    async def set_aside(self, story: str, cost: Quote, ask: Callable[[], Awaitable[Quota | None]]) -> None:
        """Reserve a story's credits. Raises AccountError where the account cannot pay for the whole of it."""
        async with self._asking:
            if not self._asked:
                quota = await ask()
                self._left = None if quota is None else quota.limit - quota.used
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
