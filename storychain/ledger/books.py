"""What was spent, added up from the ledger: by story, by model or by day (UTC)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from storychain.ledger.caps import credits_of

if TYPE_CHECKING:
    from storychain.ledger.backend import Backend

By = Literal["story", "model", "day"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the books, in credits.

    `paid` is what the provider said it took; `promised` was quoted for requests whose price it has not told yet;
    `failed` is the part of both that went into tries that failed or were given up. `segments` counts requests.
    """

    name: str
    segments: int
    paid: Decimal
    promised: Decimal
    failed: Decimal

    @property
    def total(self) -> Decimal:
        """Paid and promised."""
        return self.paid + self.promised


def entries(database: Backend, provider: str, since: float, by: By) -> tuple[Entry, ...]:
    """The books from `since` (seconds of the epoch) on, largest first, days in order."""
    group = database.day if by == "day" else by
    query = (
        f"SELECT {group} AS name, COUNT(*) AS segments, "  # noqa: S608 - one of three words of ours
        "CAST(SUM(COALESCE(charged, 0)) AS BIGINT) AS paid, "
        "CAST(SUM(CASE WHEN charged IS NULL THEN COALESCE(quoted, 0) ELSE 0 END) AS BIGINT) AS promised, "
        "CAST(SUM(CASE WHEN state IN ('failed', 'abandoned') THEN COALESCE(charged, quoted, 0) ELSE 0 END) AS BIGINT) "
        "AS failed FROM attempts WHERE provider = ? AND state != 'refused' AND intended_at >= ? GROUP BY 1 ORDER BY "
    )
    order = "1" if by == "day" else "SUM(COALESCE(charged, quoted, 0)) DESC, 1"
    with database.reading() as rows:
        found = rows.execute(query + order, [provider, since]).fetchall()
    return tuple(
        Entry(str(row["name"]), row["segments"], *(_credits(row[name]) for name in ("paid", "promised", "failed")))
        for row in found
    )


def _credits(amount: int) -> Decimal:
    found = credits_of(amount)
    assert found is not None
    return found
