"""What is asked of the ledger: what is known of a key, of a story, of jobs, of credits. Nothing here writes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from storychain.ledger.books import By, Entry, entries
from storychain.ledger.caps import Caps, credits_of, left_under, spent
from storychain.ledger.made import Made
from storychain.ledger.rows import folded, under_way
from storychain.records import NOTHING, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from storychain.ledger.backend import Row

_WAITS = 40
"""Jobs by which it is told how long their like takes: the last ones, since providers change."""

_KEYS_AT_ONCE = 500
"""Keys that are looked up in one statement; databases have limits of their own, at a thousand and more."""


class Questions(Made):
    """The part of a ledger that reads attempts."""

    def record(self, key: str) -> Record:
        """What is known of one key."""
        return self.records([key]).get(key, NOTHING)

    def records(self, keys: Iterable[str]) -> dict[str, Record]:
        """What is known of each key that was ever asked for."""
        tries: dict[str, list[Row]] = {}
        wanted = list(dict.fromkeys(keys))
        with self._database.reading() as rows:
            for first in range(0, len(wanted), _KEYS_AT_ONCE):
                some = wanted[first : first + _KEYS_AT_ONCE]
                places = ", ".join("?" * len(some))
                query = f"SELECT * FROM attempts WHERE key IN ({places}) ORDER BY id"  # noqa: S608 - question marks
                for row in rows.execute(query, some):
                    tries.setdefault(row["key"], []).append(row)
        return {key: folded(of_key) for key, of_key in tries.items()}

    def story_records(self, provider: str, story: str) -> tuple[Record, ...]:
        """Every attempt of a story, oldest first."""
        with self._database.reading() as rows:
            query = "SELECT * FROM attempts WHERE provider = ? AND story = ? ORDER BY id"
            return tuple(folded([row]) for row in rows.execute(query, [provider, story]))

    def stories(self) -> tuple[tuple[str, str], ...]:
        """Every (provider, story) that has attempts, most recent last."""
        with self._database.reading() as rows:
            query = "SELECT provider, story FROM attempts GROUP BY provider, story ORDER BY MAX(id)"
            return tuple((row["provider"], row["story"]) for row in rows.execute(query))

    def version(self) -> int:
        """A number that is another one after any write of any process: cheap enough to be asked each second."""
        return self._database.version()

    def pulse(self) -> dict[tuple[str, str], tuple[int, float]]:
        """Of every (provider, story): a fingerprint of the states of its attempts, which changes when one moves on."""
        query = (
            "SELECT provider, story, SUM(id * LENGTH(state)) AS states, "
            "SUM(COALESCE(ended_at, completed_at, submitted_at, intended_at)) AS moments "
            "FROM attempts GROUP BY provider, story"
        )
        with self._database.reading() as rows:
            found = rows.execute(query).fetchall()
        return {(row["provider"], row["story"]): (int(row["states"]), float(row["moments"])) for row in found}

    def begun(self, provider: str) -> frozenset[str]:
        """Stories with an attempt that is paid, or may be, and not stored yet."""
        query = (
            "SELECT DISTINCT story FROM attempts WHERE provider = ? AND state IN ('intended', 'submitted', 'completed')"
        )
        with self._database.reading() as rows:
            return frozenset(row["story"] for row in rows.execute(query, [provider]))

    def open_questions(self, provider: str, lane: int | None = None) -> tuple[Record, ...]:
        """Attempts whose request may or may not have arrived, newest first; of one lane or of all."""
        query = "SELECT * FROM attempts WHERE provider = ? AND state = 'intended' AND lane = COALESCE(?, lane) "
        with self._database.reading() as rows:
            return tuple(folded([row]) for row in rows.execute(query + "ORDER BY id DESC", [provider, lane]))

    def in_flight(self, provider: str) -> tuple[Record, ...]:
        """Attempts whose job is not known to have ended, newest first."""
        query = "SELECT * FROM attempts WHERE provider = ? AND state = 'submitted' ORDER BY id DESC"
        with self._database.reading() as rows:
            return tuple(folded([row]) for row in rows.execute(query, [provider]))

    def states(self, provider: str) -> dict[str, int]:
        """How many attempts are in each state."""
        query = "SELECT state, COUNT(*) AS attempts FROM attempts WHERE provider = ? GROUP BY state"
        with self._database.reading() as rows:
            return {row["state"]: row["attempts"] for row in rows.execute(query, [provider])}

    def newest_jobs(self, provider: str, count: int) -> tuple[str, ...]:
        """Ids of the jobs known last, newest first."""
        query = "SELECT job_id FROM attempts WHERE provider = ? AND job_id IS NOT NULL ORDER BY id DESC LIMIT ?"
        with self._database.reading() as rows:
            return tuple(row["job_id"] for row in rows.execute(query, [provider, count]))

    def first(self, provider: str) -> Record:
        """The oldest attempt there is."""
        with self._database.reading() as rows:
            found = rows.execute("SELECT * FROM attempts WHERE provider = ? ORDER BY id LIMIT 1", [provider]).fetchall()
        return folded(found) if found else NOTHING

    def books(self, provider: str, since: float, by: By) -> tuple[Entry, ...]:
        """What was spent since then (seconds of the epoch)."""
        return entries(self._database, provider, since, by)

    def today(self) -> str:
        """The day it is (UTC), as the books name days."""
        return time.strftime("%Y-%m-%d", time.gmtime(self._now()))

    def to_clean(self, provider: str) -> tuple[Record, ...]:
        """Stored segments whose job still has its files at the provider, as far as is known; oldest first."""
        query = "SELECT * FROM attempts WHERE provider = ? AND state = 'stored' AND cleaned_at IS NULL ORDER BY id"
        with self._database.reading() as rows:
            return tuple(folded([row]) for row in rows.execute(query, [provider]))

    def owned(self, provider: str, job_ids: Sequence[str]) -> frozenset[str]:
        """Those of the jobs that belong to an attempt."""
        with self._database.reading() as rows:
            query = "SELECT 1 FROM attempts WHERE provider = ? AND job_id = ?"
            return frozenset(job for job in job_ids if rows.execute(query, [provider, job]).fetchone())

    def under_way(self, provider: str) -> int:
        """Jobs that some living run is waiting for, or about to start."""
        with self._database.reading() as rows:
            return under_way(rows, provider, self._now())

    def spent(self, provider: str, *, story: str | None = None, run: str | None = None) -> Decimal:
        """Credits committed, by a story or all, ever or in one run: what the provider took, else what was quoted."""
        with self._database.reading() as rows:
            found = credits_of(spent(rows, provider=provider, story=story, run=run))
        assert found is not None
        return found

    def left(self, provider: str, caps: Caps, *, story: str, run: str) -> Decimal | None:
        """Credits that may still be spent under these caps; None where there is none."""
        with self._database.reading() as rows:
            return left_under(rows, caps, provider=provider, story=story, run=run, now=self._now())

    def usual_wait(self, provider: str, model: str, seconds: int) -> float | None:
        """Median seconds from submit to completion of the last such jobs, or None where there were none."""
        query = (
            "SELECT completed_at - submitted_at AS took FROM attempts WHERE provider = ? AND model = ? "
            "AND seconds = ? AND completed_at IS NOT NULL AND submitted_at IS NOT NULL ORDER BY id DESC LIMIT 21"
        )
        with self._database.reading() as rows:
            took = sorted(row["took"] for row in rows.execute(query, [provider, model, seconds]))
        return float(took[len(took) // 2]) if took else None

    def waits(self, provider: str, model: str, seconds: int) -> list[tuple[float, float]]:
        """How long the last such jobs took: seconds after which each was seen under way for the last time, and ended.

        Of jobs that nobody looked at in between, the first is 0.
        """
        query = (
            "SELECT seen_at - submitted_at AS low, completed_at - submitted_at AS high FROM attempts "
            "WHERE provider = ? AND model = ? AND seconds = ? AND completed_at >= submitted_at ORDER BY id DESC LIMIT ?"
        )
        with self._database.reading() as rows:
            found = rows.execute(query, [provider, model, seconds, _WAITS]).fetchall()
        return [(min(max(0.0, row["low"]), row["high"]), row["high"]) for row in found]
