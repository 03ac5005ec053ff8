"""Which jobs of nobody have appeared on the account's list since a watermark was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.chain.run import off_loop
from storychain.chain.watermarks import END

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.ledger import Ledger
    from storychain.provider import Job, Provider

_MOST_PAGES = 200


async def appeared_since(
    provider: Provider, ledger: Ledger, marks: Sequence[tuple[str, ...]], *, gaps: bool = False
) -> tuple[list[Job], ...]:
    """For each watermark the jobs newer than it that belong to no attempt, newest first. The list is read once.

    With `gaps` there may have been other jobs between those of a mark.
    """
    newer, _ = await _read(provider, [_Since(mark, gaps) for mark in marks])
    return tuple([await _unowned(provider, ledger, jobs) for jobs in newer])


async def unowned_since_the_first(provider: Provider, ledger: Ledger) -> tuple[list[Job], bool]:
    """The jobs since the ledger's first attempt that belong to none, newest first; and whether that is all of them.

    An account's list may be longer than anybody wants to read.
    """
    first = await off_loop(ledger.first, provider.name)
    (newer,), so_far = await _read(provider, [_Since(first.watermark)])  # none: the account had no job before it
    return await _unowned(provider, ledger, newer), so_far


class _Since:
    """The jobs that have appeared on the list since a watermark was read."""

    def __init__(self, mark: Sequence[str], gaps: bool = False) -> None:
        self._mark = frozenset(mark)
        self._whole = END in mark
        self._gaps = gaps
        self._left = set(mark) - {END}
        self._appeared: list[Job] = []
        self._perhaps: list[Job] = []
        self._met = self._passed = False

    def take(self, jobs: Sequence[Job]) -> None:
        """Take the next page of the list."""
        self._passed = self._met
        for job in jobs:
            if job.id not in self._mark:
                self._perhaps.append(job)
                continue
            # There was nothing between the jobs of a mark when it was read: what stands there has appeared since.
            if not (self._gaps and self._met):
                self._appeared += self._perhaps
            self._perhaps = []
            self._left.discard(job.id)
            self._met, self._passed = True, False

    @property
    def is_done(self) -> bool:
        """Whether nothing that appeared can be on a further page."""
        return self._met and not self._whole and (self._gaps or self._passed or not self._left)

    @property
    def appeared(self) -> list[Job]:
        """The jobs that have appeared, as far as the list was read."""
        return self._appeared + self._perhaps if self._whole or not self._met else self._appeared


async def _read(provider: Provider, since: Sequence[_Since]) -> tuple[list[list[Job]], bool]:
    """For each mark the jobs that have appeared since, and whether that is all of them."""
    page: str | None = None
    for _ in range(_MOST_PAGES):
        got = await provider.jobs(page)
        for one in since:
            one.take(got.jobs)
        page = got.next_page
        if not page or not got.jobs or all(one.is_done for one in since):
            return [one.appeared for one in since], True
    return [one.appeared for one in since], False


async def _unowned(provider: Provider, ledger: Ledger, jobs: list[Job]) -> list[Job]:
    owned = await off_loop(ledger.owned, provider.name, [job.id for job in jobs])
    once = {job.id: job for job in jobs if job.id not in owned}
    return list(once.values())
