"""The ledger: every attempt, its job id, its credits. It records and admits; it decides nothing else.

Each method is one transaction that is on disk when the method returns. Methods block for milliseconds: the chain
calls them off its loop.
"""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from storychain.errors import StorychainError
from storychain.ledger.caps import Caps, check_caps, credits_of, thousandths
from storychain.ledger.database import Database
from storychain.records import NOTHING, Record, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from decimal import Decimal
    from pathlib import Path

    from storychain.provider import Job

STILL_SEEN = 900.0
"""Seconds after which a job nobody has looked at no longer counts as one of the jobs at once: its run is dead."""

_LIVE = "('intended', 'submitted', 'completed', 'stored', 'unresolved')"


@dataclass(frozen=True, slots=True)
class Purchase:
    """A segment somebody wants to buy. `request` is what was asked, for people to read; it holds no addresses."""

    key: str
    provider: str
    story: str
    scene: str
    run: str
    model: str
    seconds: int
    prompt: str
    price: Decimal | None
    watermark: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Admitted:
    """The intention is on disk; the request may leave."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Full:
    """As many jobs are under way as are allowed at once."""

    under_way: int


@dataclass(frozen=True, slots=True)
class FilmRecord:
    """A finished film: the recipe it was made by, and the bytes that were written."""

    path: str
    recipe: str
    free: bool
    size: int
    seconds: float


class Ledger:
    """Every attempt ever made in a workspace."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._database = Database(path)
        self._now = now

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    # Reading

    def record(self, key: str) -> Record:
        """What is known of one key."""
        return self.records([key]).get(key, NOTHING)

    def records(self, keys: Iterable[str]) -> dict[str, Record]:
        """What is known of each key that was ever asked for."""
        found: dict[str, Record] = {}
        with self._database.reading() as rows:
            for key in keys:
                tries = rows.execute("SELECT * FROM attempts WHERE key = ? ORDER BY id", [key]).fetchall()
                if tries:
                    found[key] = _record(tries)
        return found

    def story_records(self, provider: str, story: str) -> tuple[Record, ...]:
        """Every attempt of a story, oldest first."""
        with self._database.reading() as rows:
            query = "SELECT * FROM attempts WHERE provider = ? AND story = ? ORDER BY id"
            return tuple(_record([row]) for row in rows.execute(query, [provider, story]))

    def stories(self) -> tuple[tuple[str, str], ...]:
        """Every (provider, story) that has attempts, most recent last."""
        with self._database.reading() as rows:
            query = "SELECT provider, story FROM attempts GROUP BY provider, story ORDER BY MAX(id)"
            return tuple((row["provider"], row["story"]) for row in rows.execute(query))

    def open_questions(self, provider: str) -> tuple[Record, ...]:
        """Attempts whose request may or may not have arrived, newest first."""
        return self._in_state(provider, "intended")

    def in_flight(self, provider: str) -> tuple[Record, ...]:
        """Attempts whose job is not known to have ended, newest first."""
        return self._in_state(provider, "submitted")

    def _in_state(self, provider: str, state: State) -> tuple[Record, ...]:
        with self._database.reading() as rows:
            query = "SELECT * FROM attempts WHERE provider = ? AND state = ? ORDER BY id DESC"
            return tuple(_record([row]) for row in rows.execute(query, [provider, state]))

    def owned(self, provider: str, job_ids: Sequence[str]) -> frozenset[str]:
        """Those of the jobs that belong to an attempt."""
        with self._database.reading() as rows:
            query = "SELECT 1 FROM attempts WHERE provider = ? AND job_id = ?"
            return frozenset(job for job in job_ids if rows.execute(query, [provider, job]).fetchone())

    def under_way(self, provider: str) -> int:
        """Jobs that some living run is waiting for, or about to start."""
        with self._database.reading() as rows:
            return _under_way(rows, provider, self._now())

    def spent(self, provider: str, *, story: str, run: str | None = None) -> Decimal:
        """Credits committed by a story, ever or in one run: what the provider took, else what was quoted."""
        query = (
            "SELECT COALESCE(SUM(COALESCE(charged, quoted, 0)), 0) FROM attempts "
            "WHERE provider = ? AND state != 'refused' AND story = ? AND run = COALESCE(?, run)"
        )
        with self._database.reading() as rows:
            found = credits_of(rows.execute(query, [provider, story, run]).fetchone()[0])
        assert found is not None
        return found

    def usual_wait(self, provider: str, model: str, seconds: int) -> float | None:
        """Median seconds from submit to completion of the last such jobs, or None where there were none."""
        query = (
            "SELECT completed_at - submitted_at AS took FROM attempts WHERE provider = ? AND model = ? "
            "AND seconds = ? AND completed_at IS NOT NULL AND submitted_at IS NOT NULL ORDER BY id DESC LIMIT 21"
        )
        with self._database.reading() as rows:
            took = sorted(row["took"] for row in rows.execute(query, [provider, model, seconds]))
        return float(took[len(took) // 2]) if took else None

    # An attempt's life

    def admit(self, purchase: Purchase, caps: Caps, jobs_at_once: int) -> Admitted | Full:
        """Record the intention to buy, if caps and the number of jobs at once allow it. Raises CapReached."""
        now = self._now()
        with self._database.transaction() as rows:
            if rows.execute(f"SELECT 1 FROM attempts WHERE key = ? AND state IN {_LIVE}", [purchase.key]).fetchone():  # noqa: S608
                raise StorychainError(
                    "somebody else has just bought this segment",
                    where=f"{purchase.story}: {purchase.scene}",
                    next_step="Run again; it will be used.",
                )
            under_way = _under_way(rows, purchase.provider, now)
            if under_way >= jobs_at_once:
                return Full(under_way)
            check_caps(
                rows,
                caps,
                provider=purchase.provider,
                story=purchase.story,
                run=purchase.run,
                price=purchase.price,
                now=now,
            )
            return Admitted(_insert(rows, purchase, now))

    def submitted(self, attempt: int, job_id: str) -> None:
        """The provider took the request under this job id."""
        now = self._now()
        self._move(attempt, ("intended", "unresolved"), "submitted", job_id=job_id, submitted_at=now, message=None)

    def refused(self, attempt: int, message: str) -> None:
        """The provider never took the request: nothing was bought."""
        self._move(attempt, ("intended",), "refused", message=message, ended_at=self._now())

    def seen(self, attempt: int) -> None:
        """Somebody is still looking at this attempt."""
        with self._database.transaction() as rows:
            rows.execute("UPDATE attempts SET seen_at = ? WHERE id = ?", [self._now(), attempt])

    def completed(self, attempt: int, job: Job) -> None:
        """The job has ended well; its address is good for a while. Also records a fresh address for a later look."""
        now = self._now()
        with self._database.transaction() as rows:
            moved = rows.execute(
                "UPDATE attempts SET url = ?, last_frame_url = ?, charged = COALESCE(?, charged), "
                "completed_at = COALESCE(completed_at, ?), seen_at = ?, message = NULL, "
                "state = CASE state WHEN 'stored' THEN 'stored' ELSE 'completed' END "
                "WHERE id = ? AND job_id IS NOT NULL AND state IN ('submitted', 'unresolved', 'completed', 'stored')",
                [
                    job.url,
                    job.last_frame_url,
                    None if job.credits is None else thousandths(job.credits),
                    now,
                    now,
                    attempt,
                ],
            ).rowcount
        if not moved:
            raise _moved_on(attempt, "completed")

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
            message=_told(job),
            charged=None if job.credits is None else thousandths(job.credits),
            ended_at=self._now(),
        )

    def unresolved(self, attempt: int, message: str) -> None:
        """Only a person can say what became of this attempt."""
        self._move(attempt, ("intended", "submitted", "completed", "stored"), "unresolved", message=message)

    def adopt(self, attempt: int, job_id: str) -> None:
        """A person says which job this attempt is."""
        self._move(attempt, ("intended", "unresolved"), "submitted", job_id=job_id, message=None)

    def abandon(self, attempt: int) -> None:
        """A person says to buy this attempt's segment again, knowing that it may cost twice."""
        live = ("intended", "submitted", "completed", "stored", "unresolved")
        self._move(attempt, live, "abandoned", ended_at=self._now())

    def _move(self, attempt: int, from_states: Sequence[str], state: str, **values: object) -> None:
        now = self._now()
        columns = {"state": state, "seen_at": now, **values}
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        allowed = ", ".join(f"'{name}'" for name in from_states)
        try:
            with self._database.transaction() as rows:
                moved = rows.execute(
                    f"UPDATE attempts SET {assignments} WHERE id = :id AND state IN ({allowed})",  # noqa: S608
                    {**columns, "id": attempt},
                ).rowcount
        except sqlite3.IntegrityError as error:
            raise StorychainError(
                f"job {values.get('job_id')} already belongs to another scene",
                next_step="`storychain status` shows which job is whose.",
            ) from error
        if not moved:
            raise _moved_on(attempt, state)

    # Uploads and films

    def uploaded(self, provider: str, sha256: str) -> str | None:
        """The public address of bytes that were uploaded before, if they were."""
        with self._database.reading() as rows:
            query = "SELECT url FROM uploads WHERE provider = ? AND sha256 = ?"
            row = rows.execute(query, [provider, sha256]).fetchone()
        return None if row is None else str(row["url"])

    def remember_upload(self, provider: str, sha256: str, url: str) -> None:
        """Keep the public address of uploaded bytes."""
        with self._database.transaction() as rows:
            rows.execute(
                "INSERT INTO uploads VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET url = excluded.url",
                [provider, sha256, url, self._now()],
            )

    def film(self, path: Path) -> FilmRecord | None:
        """The record of the film at `path`."""
        with self._database.reading() as rows:
            row = rows.execute("SELECT * FROM films WHERE path = ?", [str(path)]).fetchone()
        if row is None:
            return None
        return FilmRecord(row["path"], row["recipe"], bool(row["free"]), row["size"], row["seconds"])

    def remember_film(self, film: FilmRecord, story: str, sha256: str) -> None:
        """Keep what a film was made of."""
        with self._database.transaction() as rows:
            rows.execute(
                "INSERT OR REPLACE INTO films VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [film.path, story, film.recipe, film.free, sha256, film.size, film.seconds, self._now()],
            )


def _moved_on(attempt: int, state: str) -> StorychainError:
    return StorychainError(
        f"attempt {attempt} cannot become {state}: somebody else has moved it on",
        next_step="Run again; the ledger's present state will be used.",
    )


def _under_way(rows: sqlite3.Connection, provider: str, now: float) -> int:
    query = "SELECT COUNT(*) FROM attempts WHERE provider = ? AND state IN ('intended', 'submitted') AND seen_at > ?"
    return int(rows.execute(query, [provider, now - STILL_SEEN]).fetchone()[0])


def _insert(rows: sqlite3.Connection, purchase: Purchase, now: float) -> int:
    cursor = rows.execute(
        "INSERT INTO attempts (key, provider, story, scene, run, model, seconds, request, state, quoted, watermark, "
        "intended_at, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'intended', ?, ?, ?, ?)",
        [
            purchase.key,
            purchase.provider,
            purchase.story,
            purchase.scene,
            purchase.run,
            purchase.model,
            purchase.seconds,
            purchase.prompt,
            None if purchase.price is None else thousandths(purchase.price),
            json.dumps(purchase.watermark),
            now,
            now,
        ],
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _told(job: Job) -> str:
    said = " ".join(part for part in (job.code and f"[{job.code}]", job.message) if part)
    return said or "the provider gave no reason"


def _record(tries: Sequence[sqlite3.Row]) -> Record:
    """Fold the attempts of one key, oldest first, into what is known of it."""
    latest = tries[-1]
    charged = latest["charged"]
    record = Record(
        state=latest["state"],
        attempt=latest["id"],
        key=latest["key"],
        story=latest["story"],
        scene=latest["scene"],
        job_id=latest["job_id"],
        watermark=tuple(json.loads(latest["watermark"])),
        url=latest["url"],
        last_frame_url=latest["last_frame_url"],
        seconds=latest["seconds"],
        credits=credits_of(latest["quoted"] if charged is None else charged),
        sha256=latest["sha256"],
        size=latest["size"],
        failures=sum(1 for row in tries if row["state"] == "failed"),
        message=latest["message"],
        intended_at=latest["intended_at"],
        submitted_at=latest["submitted_at"],
        completed_at=latest["completed_at"],
    )
    if record.state == "refused" and record.failures:
        # A refused request after failed tries: what matters of this key is why it failed.
        failed = next(row for row in reversed(tries) if row["state"] == "failed")
        return replace(record, state="failed", message=failed["message"])
    return record
