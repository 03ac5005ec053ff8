"""The studio's parts in one frozen place, handed to every door. Holds; does nothing."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from storychain.studio.counts import Counts
from storychain.studio.signing import sign

if TYPE_CHECKING:
    from storychain.studio.answers import Address
    from storychain.studio.faults import Faults
    from storychain.studio.floor import Floor
    from storychain.studio.options import Options
    from storychain.studio.records import Job
    from storychain.studio.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Studio:
    """What every door needs."""

    options: Options
    shelf: Shelf
    faults: Faults
    floor: Floor
    counts: Counts = field(default_factory=Counts)
    accepting: asyncio.Lock = field(default_factory=asyncio.Lock)
    lists_without: Counter[str] = field(default_factory=Counter)
    """Lists that did not show a job yet, by job id (`list.lag`)."""

    def address(self, origin: str) -> Address:
        """Signed addresses below `origin` (`http://host:port`), alive until `url_ttl` after the job ended."""

        def of(job: Job, ending: str) -> str:
            until = (job.ended_at or time.time()) + self.options.url_ttl
            return origin + sign(self.shelf.secret, f"/media/{job.id}{ending}", until)

        return of

    def credits_used(self) -> Decimal:
        """Credits debited by all completed jobs of this home."""
        return sum((job.credits for job in self.shelf.jobs()), Decimal(0))

    def credits_pending(self) -> Decimal:
        """Credits that jobs in progress will be debited."""
        return sum((job.price for job in self.shelf.jobs() if job.status == "in-progress"), Decimal(0))
