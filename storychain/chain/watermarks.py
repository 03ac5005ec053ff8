"""Where the account's job list stands, written down with each request: what is newer may be its job."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storychain.provider import Provider

MARKED = 20
"""Job ids kept in a watermark. One would do, but a job can be removed from the list before it is read again."""

END = ""
"""Stands last in a watermark that has all there was on the list: whatever is not in it then is newer, wherever it
stands. So a lost job is found on a list that is not newest first, either."""

_FRESH = 2.0
"""Seconds for which a watermark may be used again."""


class Watermarks:
    """The newest jobs of the account, as far as one run knows them.

    An older mark is no less right, since jobs that belong to an attempt never count as new: it only lets a few more of
    somebody else's count, and those are told apart by a person. Of many requests one after the other, each is spared
    a look at the list by that.
    """

    def __init__(self) -> None:
        self._ids: tuple[str, ...] = ()
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def newest(self, provider: Provider) -> tuple[str, ...]:
        """The newest job ids, newest first, read not longer ago than a request takes."""
        async with self._reading:
            if not self.are_fresh():
                began = asyncio.get_running_loop().time()
                self._ids, self._read_at = await _newest(provider), began
            return self._ids

    def are_fresh(self) -> bool:
        """Whether the newest jobs are known without asking for them."""
        return asyncio.get_running_loop().time() - self._read_at <= _FRESH

    def appeared(self, job_id: str) -> None:
        """A job of ours is the newest now."""
        ids = (job_id, *self._ids)
        self._ids = ids if len(ids) <= MARKED else tuple(one for one in ids if one != END)[:MARKED]


async def _newest(provider: Provider) -> tuple[str, ...]:
    """The newest job ids of the account, newest first, and END if there are no others."""
    page = await provider.jobs()
    ids = tuple(job.id for job in page.jobs[:MARKED])
    return ids if page.next_page or len(page.jobs) >= MARKED else (*ids, END)
