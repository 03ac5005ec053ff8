"""What the account can pay: asked before the first request of a story, and compared afterwards."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

from storychain.chain.events import Noticed
from storychain.errors import AccountError, ProviderUnreachable
from storychain.provider import Quota, RequestRefused

if TYPE_CHECKING:
    from storychain.chain.run import Run
    from storychain.plan import Quote


class Purse:
    """The account's credits as one run sees them: what is left, less what its stories have set out to spend.

    A provider that does not tell its quota stops nobody: its own refusal is then the limit.
    """

    def __init__(self) -> None:
        self._left: Decimal | None = None
        self._asked = False
        self._asking = asyncio.Lock()

    async def set_aside(self, run: Run, story: str, cost: Quote) -> None:
        """Reserve a story's credits. Raises AccountError where the account cannot pay for the whole of it."""
        if run.provider.free or not cost.submits:
            return
        async with self._asking:
            if not self._asked:
                quota = await _quota(run, story)
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


async def _quota(run: Run, story: str) -> Quota | None:
    try:
        return await run.provider.quota()
    except (ProviderUnreachable, RequestRefused) as error:
        run.tell(Noticed(story, "", f"the account's quota could not be read: {error.what}"))
        return None
