"""Which jobs of nobody have appeared on the account's list since a watermark was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.chain.run import off_loop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.ledger import Ledger
    from storychain.provider import Job, Provider

_MOST_PAGES = 200


async def appeared_since(provider: Provider, ledger: Ledger, marks: Sequence[tuple[str, ...]]) -> tuple[list[Job], ...]:
    """For each watermark the jobs newer than it that belong to no attempt, newest first. The list is read once."""
    newer, _ = await _read(provider, marks)
    return tuple([await _unowned(provider, ledger, jobs) for jobs in newer])


async def unowned_since_the_first(provider: Provider, ledger: Ledger) -> tuple[list[Job], bool]:
    """The jobs since the ledger's first attempt that belong to none, newest first; and whether that is all of them.

    An account's list may be longer than anybody wants to read.
    """
    first = await off_loop(ledger.first, provider.name)
    (newer,), so_far = await _read(provider, [first.watermark])  # none: the account had no job before it
    return await _unowned(provider, ledger, newer), so_far


async def _read(provider: Provider, marks: Sequence[tuple[str, ...]]) -> tuple[list[list[Job]], bool]:
    """For each mark the jobs before it on the list, and whether all marks or the list's end were met."""
    newer: list[list[Job]] = [[] for _ in marks]
    unmet = set(range(len(marks)))
    page: str | None = None
    for _ in range(_MOST_PAGES):
        got = await provider.jobs(page)
        for job in got.jobs:
            unmet -= {number for number in unmet if job.id in marks[number]}
            for number in unmet:
                newer[number].append(job)
        page = got.next_page
        if not page or not got.jobs or not unmet:
            return newer, True
    return newer, False


async def _unowned(provider: Provider, ledger: Ledger, jobs: list[Job]) -> list[Job]:
    owned = await off_loop(ledger.owned, provider.name, [job.id for job in jobs])
    once = {job.id: job for job in jobs if job.id not in owned}
    return list(once.values())
