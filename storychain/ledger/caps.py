"""Admission: may this segment be bought now? Asked inside the transaction that records the intention.

Credits count from the moment they are intended, at the quote until the provider names its price. A failed job counts
too unless the provider said what it took: whether failures are billed is not documented.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

from storychain.errors import CapReached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storychain.ledger.backend import Rows

_SUM = (
    "SELECT CAST(COALESCE(SUM(COALESCE(charged, quoted, 0)), 0) AS BIGINT) FROM attempts "
    "WHERE provider = :provider AND state != 'refused'"
)


@dataclass(frozen=True, slots=True)
class Caps:
    """Most credits that may be spent: in this run, by this story ever, today and this month (UTC)."""

    run: Decimal | None = None
    story: Decimal | None = None
    day: Decimal | None = None
    month: Decimal | None = None


def thousandths(credits_: Decimal) -> int:
    """Credits as whole thousandths, rounded up: what is spent is never made smaller. Less than nothing is nothing."""
    return max(0, int((credits_ * 1000).to_integral_value(ROUND_CEILING)))


def credits_of(amount: int | None) -> Decimal | None:
    """Whole thousandths as credits, without needless zeros."""
    return None if amount is None else (Decimal(amount) / 1000).normalize() + 0


def check_caps(
    rows: Rows, caps: Caps, *, provider: str, story: str, run: str, price: Decimal | None, now: float
) -> None:
    """Raise CapReached if `price` more credits would pass any cap."""
    for name, cap, spent in _standing(rows, caps, provider=provider, story=story, run=run, now=now):
        _check(name, cap, spent, price, story)


def left_under(rows: Rows, caps: Caps, *, provider: str, story: str, run: str, now: float) -> Decimal | None:
    """Credits that may still be spent under all caps; None where there is none."""
    standing = _standing(rows, caps, provider=provider, story=story, run=run, now=now)
    return min((cap - Decimal(spent) / 1000 for _, cap, spent in standing), default=None)


def _standing(
    rows: Rows, caps: Caps, *, provider: str, story: str, run: str, now: float
) -> Iterator[tuple[str, Decimal, int]]:
    """Each cap there is: its name, its credits, and the thousandths that are spent of it."""
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    spans: tuple[tuple[str, Decimal | None, dict[str, object]], ...] = (
        ("this run's cap", caps.run, {"run": run}),
        ("the story's budget", caps.story, {"story": story}),
        ("the day's cap", caps.day, {"since": midnight.timestamp()}),
        ("the month's cap", caps.month, {"since": midnight.replace(day=1).timestamp()}),
    )
    for name, cap, of in spans:
        if cap is not None:
            yield name, cap, spent(rows, provider=provider, **of)


_CONDITIONS = {"story": "story = :story", "run": "run = :run", "since": "intended_at >= :since"}


def spent(rows: Rows, *, provider: str, **of: object) -> int:
    """Thousandths committed, of a `story`, in a `run`, `since` a moment (seconds of the epoch), or all there ever were.

    Only what is asked for is in the statement: a database finds the rows of one story, and adds up no others.
    """
    asked = {name: value for name, value in of.items() if value is not None}
    query = " AND ".join([_SUM, *(_CONDITIONS[name] for name in asked)])
    return int(rows.execute(query, {"provider": provider, **asked}).fetchone()[0])


def _check(name: str, cap: Decimal, spent: int, price: Decimal | None, story: str) -> None:
    if price is None:
        raise CapReached(
            f"{name} of {cap} credits cannot be kept: this model's price is not known",
            where=story,
            next_step="Give the model a credits_per_second in storychain.toml.",
        )
    # The cap is rounded down: rounded up it would let pass what is larger than it.
    if spent + thousandths(price) > int((cap * 1000).to_integral_value(ROUND_FLOOR)):
        unit = "credit" if cap == 1 else "credits"
        raise CapReached(
            f"{name} is {cap} {unit}: {credits_of(spent)} are spent or promised, and the next scene costs {price}",
            where=story,
            next_step="Raise the cap and run again; what is paid is kept.",
        )
