"""Stories that workers are to render: ordered once, offered as often as it takes, closed with what came of them.

An order carries the consent to spend that was given with it. It is no claim: who may write is said by `claims`.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from storychain.errors import StoryHeld, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.ledger.backend import Backend, Row, Rows

OrderState = Literal["open", "done", "failed", "stopped"]

MOST_BEGUN = 10
"""Workers that may die with one order in hand without having got any further; after that it is closed, for it may be
what kills them."""


@dataclass(frozen=True, slots=True)
class Order:
    """A story to be rendered: its film's name, its text, the run it counts for, and what was agreed to.

    `cap` is the most credits of that run, None where any price was agreed to; `options` what else was asked for, as
    who ordered it wrote it down. `begun` counts workers that had it in hand and did not end it, since it last got any
    further. `seen_at` is when a worker last said that it is at it, seconds of the epoch. `outcome` says what came of
    it, as its worker wrote it down.
    """

    id: int
    provider: str
    story: str
    text: str
    run: str
    cap: Decimal | None
    options: dict[str, Any]
    state: OrderState
    worker: str
    begun: int
    seen_at: float | None
    outcome: dict[str, Any]

    @property
    def agreed(self) -> str:
        """What was agreed to be paid for it, in words."""
        return "at any price" if self.cap is None else f"for up to {self.cap} credits"


class Orders:
    """The orders of a shared ledger."""

    def __init__(self, database: Backend) -> None:
        self._database = database

    def place(
        self, provider: str, story: str, text: str, *, run: str, cap: Decimal | None, options: dict[str, Any]
    ) -> Order:
        """Order a story; an open order of the very same text is joined, and a run's own whatever became of it.

        With `edition` among the options that has to be the same, too. Another that no worker has taken yet is closed:
        who orders a story anew has changed their mind. Raises StoryHeld where a worker has another.
        """

        def differs(row: Row) -> bool:
            return bool((row["text"], json.loads(row["options"]).get("edition")) != (text, options.get("edition")))

        def place(rows: Rows) -> Row:
            query = (
                "SELECT * FROM orders WHERE provider = ? AND story = ? AND (state = 'open' OR run = ?) "
                "ORDER BY CASE WHEN run = ? THEN 0 ELSE 1 END, id LIMIT 1"
            )
            row = rows.execute(query, [provider, story, run, run]).fetchone()
            why = "it was ordered anew, in other words"
            if row is not None and differs(row) and _taken_back(rows, provider, story, why):
                row = None
            if row is None:
                number = rows.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM orders").fetchone()[0]
                rows.execute(
                    "INSERT INTO orders (id, provider, story, text, run, cap, options, ordered_at) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    [number, provider, story, text, run, _written(cap), json.dumps(options), time.time()],
                )
                row = rows.execute("SELECT * FROM orders WHERE id = ?", [number]).fetchone()
            return row  # type: ignore[no-any-return]

        row = self._database.write(place)
        if differs(row):
            raise StoryHeld(
                "a worker is rendering another version of this story",
                where=story,
                next_step="Wait until it is done, then run again.",
            )
        return _order(row)

    def take_back(self, provider: str, story: str, why: str) -> bool:
        """Close a story's open order, if no worker has taken it; whether there was such a one."""
        return self._database.write(lambda rows: _taken_back(rows, provider, story, why))

    def get(self, number: int) -> Order:
        """An order as it stands. Raises UsageError where there is none."""
        with self._database.reading() as rows:
            row = rows.execute("SELECT * FROM orders WHERE id = ?", [number]).fetchone()
        if row is None:
            raise UsageError(f"this ledger has no order {number}")
        return _order(row)

    def open(self) -> Sequence[Order]:
        """The orders that are not closed, oldest first."""
        with self._database.reading() as rows:
            return [_order(row) for row in rows.execute("SELECT * FROM orders WHERE state = 'open' ORDER BY id")]

    def open_for(self, provider: str, story: str) -> Order | None:
        """A story's open order, if there is one."""
        query = "SELECT * FROM orders WHERE provider = ? AND story = ? AND state = 'open' ORDER BY id LIMIT 1"
        with self._database.reading() as rows:
            row = rows.execute(query, [provider, story]).fetchone()
        return None if row is None else _order(row)

    def begin(self, number: int, worker: str) -> Order | None:
        """A worker takes an order up; None where it is closed."""

        def begin(rows: Rows) -> Any:
            query = "UPDATE orders SET worker = ?, seen_at = ?, begun = begun + 1 WHERE id = ? AND state = 'open'"
            if not rows.execute(query, [worker, time.time(), number]).rowcount:
                return None
            return rows.execute("SELECT * FROM orders WHERE id = ?", [number]).fetchone()

        row = self._database.write(begin)
        return None if row is None else _order(row)

    def seen(self, number: int, *, more: int = 0, most: int | None = None) -> None:
        """A worker is at it: one `more` than so far that may die of it, or one fewer (-1).

        Where it got a step further those that died before did not die of what is left: `most` are then counted.
        """
        query = (
            "UPDATE orders SET seen_at = ?, begun = LEAST(GREATEST(begun + ?, 0), ?) WHERE id = ? AND state = 'open'"
        )
        self._put(query, [time.time(), more, MOST_BEGUN + 1 if most is None else most, number])

    def close(self, number: int, state: OrderState, outcome: dict[str, Any]) -> None:
        """Say what came of an order; the first word stands."""
        query = "UPDATE orders SET state = ?, outcome = ?, ended_at = ? WHERE id = ? AND state = 'open'"
        self._put(query, [state, json.dumps(outcome), time.time(), number])

    def _put(self, query: str, values: Sequence[object]) -> None:
        self._database.write(lambda rows: rows.execute(query, values))


def _taken_back(rows: Rows, provider: str, story: str, why: str) -> bool:
    """Close a story's open order that no worker ever took; in one statement, for one may be about to."""
    error = {"kind": StoryHeld.__name__, "what": why, "where": None, "next_step": None}
    query = (
        "UPDATE orders SET state = 'stopped', outcome = ?, ended_at = ? "
        "WHERE provider = ? AND story = ? AND state = 'open' AND worker = ''"
    )
    return rows.execute(query, [json.dumps({"error": error}), time.time(), provider, story]).rowcount > 0


def _written(cap: Decimal | None) -> str | None:
    return None if cap is None else str(cap)


def _order(row: Row) -> Order:
    return Order(
        id=row["id"],
        provider=row["provider"],
        story=row["story"],
        text=row["text"],
        run=row["run"],
        cap=None if row["cap"] is None else Decimal(row["cap"]),
        options=json.loads(row["options"]),
        state=row["state"],
        worker=row["worker"],
        begun=row["begun"],
        seen_at=row["seen_at"],
        outcome=json.loads(row["outcome"]),
    )
