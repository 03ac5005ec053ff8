"""The ledger: every attempt, its job id, its credits. It records and admits; it decides nothing else.

Each method is one transaction that is on disk when the method returns. Methods block for milliseconds: the chain
calls them off its loop.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from storychain.errors import Unresolved
from storychain.ledger.backend import PromiseBroken
from storychain.ledger.caps import Caps, check_caps, thousandths
from storychain.ledger.claims import LEASE, Claims
from storychain.ledger.database import Database
from storychain.ledger.decisions import Decisions
from storychain.ledger.orders import Orders
from storychain.ledger.questions import Questions
from storychain.ledger.rows import check_free, insert, moved_on, of_attempt, one_owner, told, under_way
from storychain.ledger.words import Admitted, Full, Purchase
from storychain.provider import about_words
from storychain.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from storychain.ledger.backend import Backend, Rows, Values
    from storychain.provider import Job


class Ledger(Questions):
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

    def lost_attempts(self) -> int:
        """How many attempts the ledger has forgotten: more than none only where it was put back from a copy."""
        return max(0, self._mark.read() - self._last_attempt())

    def accept_loss(self) -> None:
        """A person says that what the ledger has forgotten is dealt with."""
        self._mark.put(self._last_attempt())

    def _last_attempt(self) -> int:
        with self._database.reading() as rows:
            return int(rows.execute("SELECT COALESCE(MAX(id), 0) FROM attempts").fetchone()[0])

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
            self._database.afterwards(partial(self._mark.rise, admission.attempt))
        return admission

    def submitted(self, attempt: int, job_id: str) -> Record:
        """The provider took the request under this job id; what is known of the key now."""
        now = self._now()
        values = {"job_id": job_id, "submitted_at": now, "seen_at": now, "message": None}
        return self._move(attempt, ("intended", "unresolved"), "submitted", **values)

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

    def completed(self, attempt: int, job: Job, under_way_at: float | None = None) -> Record:
        """The job has ended well; its address is good for a while. Also records a fresh address for a later look.

        `under_way_at` is when it was last seen under way, in seconds of the epoch. What is known of the key now.
        """
        now = self._now()
        return self._moved(
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
            attempt,
            "completed",
        )

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

    def _move(self, attempt: int, from_states: Sequence[str], state: str, **values: object) -> Record:
        columns = {"state": state, **values}
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        allowed = ", ".join(f"'{name}'" for name in from_states)
        query = f"UPDATE attempts SET {assignments} WHERE id = :id AND state IN ({allowed})"  # noqa: S608 - from above
        with one_owner(values.get("job_id")):
            return self._moved(query, {**columns, "id": attempt}, attempt, state)

    def _moved(self, query: str, values: Values, attempt: int, state: str) -> Record:
        """Change one attempt; what is known of its key then. Raises MovedOn where it is not as the query wants it."""

        def move(rows: Rows) -> Record | None:
            return of_attempt(rows, attempt) if rows.execute(query, values).rowcount else None

        known = self._database.write(move)
        if known is None:
            raise moved_on(attempt, state)
        return known


def _cluster(url: str) -> Backend:
    from storychain.ledger.postgres import PostgresDatabase  # noqa: PLC0415 - only where it is installed

    return PostgresDatabase(url)
