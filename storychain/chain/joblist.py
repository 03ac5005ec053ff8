"""Which jobs of nobody have appeared on the account's list since a watermark was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.chain.run import on_record

if TYPE_CHECKING:
    from storychain.ledger import Ledger
    from storychain.provider import Job, Provider

_MOST_PAGES = 200


async def appeared_since(provider: Provider, ledger: Ledger, mark: tuple[str, ...]) -> list[Job]:
    """Jobs newer than the watermark that belong to no attempt, newest first."""
    newer: list[Job] = []
    page: str | None = None
    for _ in range(_MOST_PAGES):
        got = await provider.jobs(page)
        for job in got.jobs:
            if job.id in mark:
                return await _unowned(provider, ledger, newer)
            newer.append(job)
        page = got.next_page
        if not page or not got.jobs:
            break
    return await _unowned(provider, ledger, newer)


async def _unowned(provider: Provider, ledger: Ledger, jobs: list[Job]) -> list[Job]:
    owned = await on_record(ledger.owned, provider.name, [job.id for job in jobs])
    once = {job.id: job for job in jobs if job.id not in owned}
    return list(once.values())
