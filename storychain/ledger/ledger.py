"""The ledger: every attempt, its job id, its credits. It records and admits; it decides nothing else.

Each method is one transaction that is on disk when the method returns. Methods block for milliseconds: the chain
calls them off its loop.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from storychain.errors import Unresolved
from storychain.ledger.backend import PromiseBroken
from storychain.ledger.books import By, Entry, entries
from storychain.ledger.caps import Caps, check_caps, credits_of, left_under, thousandths
from storychain.ledger.claims import LEASE, Claims
from storychain.ledger.database import Database
from storychain.ledger.decisions import Decisions
from storychain.ledger.made import Made
from storychain.ledger.orders import Orders
from storychain.ledger.rows import check_free, folded, insert, moved_on, one_owner, told, under_way
from storychain.ledger.words import Admitted, Full, Purchase
from storychain.provider import about_words
from storychain.records import NOTHING, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from decimal import Decimal
    from pathlib import Path

    from storychain.ledger.backend import Backend, Row, Rows
    from storychain.provider import Job


_WAITS = 40
"""Jobs by which it is told how long their like takes: the last ones, since providers change."""

_KEYS_AT_ONCE = 500
"""Keys that are looked up in one statement; databases have limits of their own, at a thousand and more."""


class Ledger(Made):
    """Every attempt ever made in a workspace."""

    def __init__(
        self, path: Path, now: Callable[[], float] = time.time, url: str | None = None, lease: float = LEASE
    ) -> None:
        """Open the SQLite file at `path`, or the PostgreSQL database at `url`; the mark lies where `path` is.

        `lease` is how many seconds a process that shares the ledger keeps its claims without a sign of life.
        """
        super().__init__(Database(path) if url is None else _cluster(url), now)
        self._mark = self._database.mark(path)
        self._claiming: Callable[[], Claims] | None = None if url is None else lambda: Claims(url, lease)
        self._claims: Claims | None = None

    def about(self) -> str:
        """Where it is, for a person."""
        return self._database.about()

    def check_writable(self) -> None:
        """Raise StorychainError where it can be read and not written, by a transaction that changes nothing.

        It has to be one that writes: a file that is only read lets others begin and end.
        """
        self._database.write(lambda rows: rows.execute("UPDATE attempts SET state = state WHERE id < 0"))

    @property
    def claims(self) -> Claims | None:
        """What this process holds against other machines; None where there are none to hold it against."""
        if self._claims is None and self._claiming is not None:
            self._claims = self._claiming()
        return self._claims

    @property
    def decisions(self) -> Decisions:
        """What people have chosen and said."""
        return Decisions(self._database, self._now)

    @property
    def orders(self) -> Orders:
        """Stories that workers are to render; of a shared ledger only."""
        return Orders(self._database)

    def close(self) -> None:
        """Close the database, and let go of what is claimed."""
        if self._claims is not None:
            self._claims.close()
        self._database.close()

    # Reading

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

    def lost_attempts(self) -> int:
        """How many attempts the ledger has forgotten: more than none only where it was put back from a copy."""
        return max(0, self._mark.read() - self._last_attempt())

    def accept_loss(self) -> None:
        """A person says that what the ledger has forgotten is dealt with."""
        self._mark.put(self._last_attempt())

    def _last_attempt(self) -> int:
        with self._database.reading() as rows:
            return int(rows.execute("SELECT COALESCE(MAX(id), 0) FROM attempts").fetchone()[0])

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
        query = (
            "SELECT CAST(COALESCE(SUM(COALESCE(charged, quoted, 0)), 0) AS BIGINT) FROM attempts "
            "WHERE provider = ? AND state != 'refused' AND story = COALESCE(?, story) AND run = COALESCE(?, run)"
        )
        with self._database.reading() as rows:
            found = credits_of(rows.execute(query, [provider, story, run]).fetchone()[0])
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

    # An attempt's life

    def admit(self, purchase: Purchase, caps: Caps, jobs_at_once: int) -> Admitted | Full:
        """Record the intention to buy, if caps and the number of jobs at once allow it. Raises CapReached."""
        now = self._now()
        about = {"provider": purchase.provider, "story": purchase.story, "run": purchase.run}

        def admit(rows: Rows) -> Admitted | Full:
            check_free(rows, purchase)
            if (others := under_way(rows, purchase.provider, now)) >= jobs_at_once:
                return Full(others)
            check_caps(rows, caps, **about, price=purchase.price, now=now)
            return Admitted(insert(rows, purchase, now))

        admission = self._database.write(admit)
        if isinstance(admission, Admitted) and purchase.price != 0:
            self._mark.rise(admission.attempt)
        return admission

    def submitted(self, attempt: int, job_id: str) -> None:
        """The provider took the request under this job id."""
        now = self._now()
        values = {"job_id": job_id, "submitted_at": now, "seen_at": now, "message": None}
        self._move(attempt, ("intended", "unresolved"), "submitted", **values)

    def arrived_after_all(self, attempt: int, job_id: str) -> None:
        """A request that others took for lost was taken on late: its attempt is good again.

        Raises Unresolved where the segment has been bought again meanwhile: the job is then paid for nothing.
        """
        now = self._now()

        def record(rows: Rows) -> bool:
            if rows.execute("SELECT 1 FROM attempts WHERE job_id = ?", [job_id]).fetchone():
                return True  # whoever looked for it has found it
            changes = "state = 'submitted', job_id = ?, submitted_at = ?, seen_at = ?, ended_at = NULL, message = NULL"
            query = f"UPDATE attempts SET {changes} WHERE id = ? AND state = 'refused'"  # noqa: S608 - from above
            return rows.execute(query, [job_id, now, now, attempt]).rowcount > 0

        try:
            known = self._database.write(record)
        except PromiseBroken:
            known = False
        if not known:
            raise Unresolved(
                f"job {job_id} belongs to no scene: its request arrived so late that the segment was bought again",
                next_step="It may have been paid in vain; ask for its credits back, or remove it at the provider.",
            )

    def refused(self, attempt: int, message: str, objected: bool = False) -> None:
        """The provider never took the request: nothing was bought. `objected` says that it was for its words."""
        self._move(attempt, ("intended",), "refused", message=message, objected=int(objected), ended_at=self._now())

    def seen(self, attempt: int) -> None:
        """Somebody is still looking at this attempt."""
        self._put("UPDATE attempts SET seen_at = ? WHERE id = ?", [self._now(), attempt])

    def completed(self, attempt: int, job: Job, under_way_at: float | None = None) -> None:
        """The job has ended well; its address is good for a while. Also records a fresh address for a later look.

        `under_way_at` is when it was last seen under way, in seconds of the epoch.
        """
        now = self._now()
        moved = self._put(
            "UPDATE attempts SET url = ?, last_frame_url = ?, charged = COALESCE(?, charged), "
            "completed_at = COALESCE(completed_at, ?), seen_at = COALESCE(?, submitted_at, seen_at), "
            "message = NULL, "
            "state = CASE state WHEN 'stored' THEN 'stored' ELSE 'completed' END "
            "WHERE id = ? AND job_id IS NOT NULL AND state IN ('submitted', 'unresolved', 'completed', 'stored')",
            [
                job.url,
                job.last_frame_url,
                None if job.credits is None else thousandths(job.credits),
                now,
                under_way_at,
                attempt,
            ],
        )
        if not moved:
            raise moved_on(attempt, "completed")

    def stored(self, attempt: int, sha256: str, size: int) -> None:
        """The segment's bytes are verified, synced and in place."""
        now = self._now()
        self._move(attempt, ("completed", "stored"), "stored", sha256=sha256, size=size, stored_at=now, ended_at=now)

    def failed(self, attempt: int, job: Job) -> None:
        """The job has ended badly."""
        self._move(
            attempt,
            ("submitted",),
            "failed",
            code=job.code,
            message=told(job),
            objected=int(about_words(job.code, job.message)),
            charged=None if job.credits is None else thousandths(job.credits),
            ended_at=self._now(),
        )

    def rejected(self, attempt: int, message: str) -> None:
        """The job has ended well and its video is here, but it is no use: a try of the scene that failed, and paid."""
        self._move(attempt, ("stored",), "failed", code="REJECTED", message=message, ended_at=self._now())

    def unresolved(self, attempt: int, message: str) -> None:
        """Only a person can say what became of this attempt."""
        self._move(attempt, ("intended", "submitted", "completed", "stored"), "unresolved", message=message)

    def adopt(self, attempt: int, job_id: str) -> None:
        """A person says which job this attempt is."""
        changes = {"job_id": job_id, "message": None, "sha256": None, "size": None}
        self._move(attempt, ("intended", "unresolved"), "submitted", **changes)

    def take_over(self, purchase: Purchase, job_id: str) -> None:
        """A person says which job made a scene that this ledger knows no attempt of."""
        now = self._now()

        def take(rows: Rows) -> None:
            check_free(rows, purchase)
            values = [job_id, insert(rows, purchase, now)]
            rows.execute("UPDATE attempts SET state = 'submitted', job_id = ? WHERE id = ?", values)

        with one_owner(job_id):
            self._database.write(take)

    def cleaned(self, attempt: int) -> None:
        """The job's files are removed at the provider; our copy is the only one."""
        self._put("UPDATE attempts SET cleaned_at = ? WHERE id = ?", [self._now(), attempt])

    def abandon(self, attempt: int) -> None:
        """A person says to buy this attempt's segment again, knowing that it may cost twice."""
        live = ("intended", "submitted", "completed", "stored", "unresolved")
        self._move(attempt, live, "abandoned", ended_at=self._now())

    def _move(self, attempt: int, from_states: Sequence[str], state: str, **values: object) -> None:
        columns = {"state": state, **values}
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        allowed = ", ".join(f"'{name}'" for name in from_states)
        with one_owner(values.get("job_id")):
            moved = self._put(
                f"UPDATE attempts SET {assignments} WHERE id = :id AND state IN ({allowed})",  # noqa: S608
                {**columns, "id": attempt},
            )
        if not moved:
            raise moved_on(attempt, state)


def _cluster(url: str) -> Backend:
    from storychain.ledger.postgres import PostgresDatabase  # noqa: PLC0415 - only where it is installed

    return PostgresDatabase(url)
