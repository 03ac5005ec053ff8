"""The SQLite file under the ledger: opening it durably, its schema and the migrations between schema versions.

What the rows mean is `ledger.ledger`'s business. Credits are whole thousandths here, so that sums are exact.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from storychain.errors import StorychainError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BUSY_SECONDS = 30
"""How long a writer waits for another process's transaction; ours take milliseconds."""

_KEEP_IT = (
    "Check that the disk has room and the folder is yours; the ledger knows what was paid, "
    "so restore it from a copy rather than delete it."
)

MIGRATIONS = (
    """
    CREATE TABLE attempts (
        id             INTEGER PRIMARY KEY,
        key            TEXT NOT NULL,
        provider       TEXT NOT NULL,
        story          TEXT NOT NULL,
        scene          TEXT NOT NULL,
        run            TEXT NOT NULL,
        model          TEXT NOT NULL,
        seconds        INTEGER NOT NULL,
        request        TEXT NOT NULL,
        state          TEXT NOT NULL CHECK (state IN ('intended', 'submitted', 'completed', 'stored',
                                                      'failed', 'refused', 'unresolved', 'abandoned')),
        quoted         INTEGER,
        charged        INTEGER,
        watermark      TEXT NOT NULL,
        job_id         TEXT,
        url            TEXT,
        last_frame_url TEXT,
        code           TEXT,
        message        TEXT,
        sha256         TEXT,
        size           INTEGER,
        intended_at    REAL NOT NULL,
        submitted_at   REAL,
        completed_at   REAL,
        stored_at      REAL,
        ended_at       REAL,
        seen_at        REAL NOT NULL
    );
    -- The two promises the database itself keeps: one live attempt a key, one attempt a job.
    CREATE UNIQUE INDEX one_live_attempt_a_key ON attempts (key)
        WHERE state IN ('intended', 'submitted', 'completed', 'stored', 'unresolved');
    CREATE UNIQUE INDEX one_attempt_a_job ON attempts (provider, job_id) WHERE job_id IS NOT NULL;
    CREATE INDEX attempts_of_a_key ON attempts (key, id);
    CREATE INDEX attempts_of_a_story ON attempts (provider, story);
    CREATE INDEX attempts_of_a_run ON attempts (run);
    CREATE INDEX attempts_by_time ON attempts (provider, intended_at);

    CREATE TABLE uploads (
        provider    TEXT NOT NULL,
        sha256      TEXT NOT NULL,
        url         TEXT NOT NULL,
        uploaded_at REAL NOT NULL,
        PRIMARY KEY (provider, sha256)
    );

    CREATE TABLE films (
        path    TEXT PRIMARY KEY,
        story   TEXT NOT NULL,
        recipe  TEXT NOT NULL,
        free    INTEGER NOT NULL,
        sha256  TEXT NOT NULL,
        size    INTEGER NOT NULL,
        seconds REAL NOT NULL,
        made_at REAL NOT NULL
    );
    """,
    """
    ALTER TABLE attempts ADD COLUMN cleaned_at REAL;
    """,
    """
    -- 1 where the provider refused the prompt's words: `request` then has them.
    ALTER TABLE attempts ADD COLUMN objected INTEGER NOT NULL DEFAULT 0;
    """,
    """
    -- How a segment begins against the one before it, as its pictures showed; both by the hash of their files.
    CREATE TABLE seams (
        before     TEXT NOT NULL,
        after      TEXT NOT NULL,
        finder     INTEGER NOT NULL,
        kind       TEXT NOT NULL,
        frames     INTEGER NOT NULL,
        seconds    TEXT NOT NULL,
        confidence REAL NOT NULL,
        found_at   REAL NOT NULL,
        PRIMARY KEY (before, after)
    );
    """,
)
"""Each entry takes the schema one version up; entries are only ever added."""


class Database:
    """One connection, used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            _make_folder(path.parent)
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (sqlite3.Error, OSError) as error:
            raise self._unusable("opened", error) from error
        try:
            self._connection.row_factory = sqlite3.Row
            self._prepare_in_turn()
        except sqlite3.Error as error:
            self._connection.close()
            raise self._unusable("opened", error) from error
        except BaseException:
            self._connection.close()
            raise

    def _prepare_in_turn(self) -> None:
        """Prepare, again while others do: of several who change the journal mode all but one are told 'locked'."""
        ends = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                return self._prepare()
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > ends:
                    raise
                time.sleep(0.02)

    def _prepare(self) -> None:
        # FULL: in WAL mode a commit is on the disk itself before it returns. What guards money needs that. On macOS
        # a disk keeps what it was told to sync in its own cache unless asked the harder way.
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA fullfsync = ON")
        self._connection.execute("PRAGMA foreign_keys = ON")
        if self._is_current():
            return
        self._connection.execute("PRAGMA journal_mode = WAL")
        with self._writing() as rows:
            if self._is_current():
                return
            for script in MIGRATIONS[self._version() :]:
                for statement in _statements(script):
                    rows.execute(statement)
            rows.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _is_current(self) -> bool:
        if (version := self._version()) > len(MIGRATIONS):
            raise StorychainError(
                f"the ledger was written by a newer storychain (schema {version})",
                where=str(self.path),
                next_step="Upgrade storychain; an older one must not touch it.",
            )
        return version == len(MIGRATIONS)

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the only write lock from its first statement; rolled back on any error.

        Raises IntegrityError where a promise of the schema is broken, StorychainError where the file lets us down.
        """
        with self._lock, self._plainly("written"), self._writing() as rows:
            yield rows

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            # A full or broken disk has rolled back already; a second ROLLBACK would hide why.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Single statements that only read."""
        with self._lock, self._plainly("read"):
            yield self._connection

    @contextmanager
    def _plainly(self, done: str) -> Iterator[None]:
        """Say in words what SQLite could not do. Broken promises and mistakes of ours stay what they are."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        except sqlite3.Error as error:
            raise self._unusable(done, error) from error

    def _unusable(self, done: str, error: Exception) -> StorychainError:
        return StorychainError(f"the ledger cannot be {done}: {error}", where=str(self.path), next_step=_KEEP_IT)

    def close(self) -> None:
        """Close the file; every commit is already on disk."""
        with self._lock:
            self._connection.close()


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _make_folder(folder: Path) -> None:
    """Make a folder that is still there after a power cut: a synced file in a forgotten folder is forgotten too."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    above = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(above)
    finally:
        os.close(above)


def _statements(script: str) -> Iterator[str]:
    """Split a script, since sqlite3's own executescript commits on its way."""
    pending = ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
