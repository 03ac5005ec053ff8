"""The ledger's tables in PostgreSQL, for workers on several machines: one writer at a time, and no write in doubt.

Every transaction takes the same advisory lock first, so that what it then reads is what every earlier one left:
admission stays one serial transaction. A connection that breaks before COMMIT was sent has changed nothing, so the
work is done again. Where it breaks during COMMIT, nobody knows; each transaction therefore counts up its writer's own
row, and that row is looked at before anything is repeated.
"""

from __future__ import annotations

import functools
import re
import threading
import uuid
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

from storychain.errors import LedgerUnreachable, StorychainError
from storychain.ledger.backend import PromiseBroken
from storychain.ledger.claims import check_claims
from storychain.ledger.connecting import SERIAL, connected, ended_elsewhere, patiently, psycopg, shown
from storychain.ledger.mark import Mark, SharedMark
from storychain.ledger.schema import MIGRATIONS, SHARED_MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from storychain.ledger.backend import Found, Rows
    from storychain.ledger.connecting import Connection

T = TypeVar("T")

_KEEP_IT = (
    "Run again once the server is well; the ledger knows what was paid, so restore it from a copy rather than begin "
    "a new one."
)


class _Lost(Exception):
    """The connection broke; if COMMIT was on its way it may have been carried out, and `value` is what came of it."""

    def __init__(self, value: object, *, committing: bool) -> None:
        super().__init__()
        self.value = value
        self.committing = committing


class PostgresDatabase:
    """One connection, used by one thread at a time, made anew where it breaks."""

    day = "to_char(to_timestamp(intended_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD')"

    def __init__(self, url: str) -> None:
        """Connect and bring the tables up to date. Raises UsageError, LedgerUnreachable or StorychainError."""
        self._url = url
        self._lock = threading.RLock()
        self._writer = uuid.uuid4().hex
        self._number = 0
        self._connection = connected(url, self._writer)
        self._session = self._connection.info.backend_pid
        with ExitStack() as undo:
            undo.callback(self._connection.close)
            try:
                self._id = _prepared(self._connection)
            except psycopg().Error as error:
                raise self._unusable("opened", error) from error
            undo.pop_all()

    def mark(self, path: Path) -> Mark:
        """After the ledger's own id, which comes along where it is restored, whatever its server is called then."""
        return SharedMark(path.with_name(f"ledger-{self._id}.mark"), self)

    def about(self) -> str:
        """Where it is, and what is to be known of it: a server that does not sync keeps no promise in a power cut."""
        with self.reading() as rows:
            version = rows.execute("SHOW server_version").fetchone()[0].split()[0]
            synced = rows.execute("SHOW fsync").fetchone()[0] == "on"
        unsafe = "" if synced else "; it has fsync off: a power cut may make it forget what was paid"
        return f"{shown(self._url)}, PostgreSQL {version}{unsafe}"

    @contextmanager
    def reading(self) -> Iterator[Rows]:
        """Single statements that only read; each is asked again where the connection breaks."""
        with self._lock:
            yield _Reading(self._again)

    def _again(self, query: str, values: Any) -> Found:
        while True:
            try:
                return _execute(self._connection, query, values)
            except psycopg().Error as error:
                if not self._connection.closed:
                    raise self._unusable("read", error) from error
                self._reconnect(error)

    def version(self) -> int:
        """How many transactions all writers have committed."""
        with self.reading() as rows:
            return int(rows.execute("SELECT COALESCE(SUM(number), 0) FROM writers").fetchone()[0])

    def write(self, work: Callable[[Rows], T]) -> T:
        """One transaction, done once whatever becomes of the connection.

        Raises LedgerUnreachable where the server stays away: the write is then either done or not, and whoever runs
        next reads which. Nothing may be concluded from it but that.
        """
        with self._lock:
            while True:
                self._number += 1
                try:
                    return self._transaction(work)
                except _Lost as lost:
                    if self._is_done(lost):
                        return cast("T", lost.value)

    def afterwards(self, step: Callable[[], None]) -> None:
        """Take the step: each write is on the server's disk when it returns."""
        step()

    def _transaction(self, work: Callable[[Rows], T]) -> T:
        value: T | None = None
        committing = False
        try:
            with self._rolled_back():
                # Each statement is to see what was committed before it: a snapshot taken with the first one would
                # date from before the lock was had.
                self._connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
                self._connection.execute(SERIAL)
                rows = _Writing(self._connection)
                check_claims(rows)
                value = work(rows)
                if self._number == 1:  # whoever wrote two days ago has looked whether it was done long since
                    self._connection.execute("DELETE FROM writers WHERE at < now() - interval '2 days'")
                self._connection.execute(
                    "INSERT INTO writers VALUES (%s, %s, now()) ON CONFLICT (writer) DO UPDATE "
                    "SET number = excluded.number, at = excluded.at",
                    [self._writer, self._number],
                )
                committing = True
                ended = self._connection.execute("COMMIT").statusmessage
            if ended != "COMMIT":
                raise StorychainError("the ledger's transaction was undone by the server", where=shown(self._url))
        except psycopg().IntegrityError as error:
            raise PromiseBroken(str(error)) from error
        except psycopg().Error as error:
            if not self._connection.closed:
                raise self._unusable("written", error) from error
            self._reconnect(error)
            raise _Lost(value, committing=committing) from error
        return value

    @contextmanager
    def _rolled_back(self) -> Iterator[None]:
        with ExitStack() as undo:
            undo.callback(self._roll_back)
            yield
            undo.pop_all()

    def _roll_back(self) -> None:
        with suppress(psycopg().Error):  # a broken connection is rolled back by the server itself
            self._connection.execute("ROLLBACK")

    def _is_done(self, lost: _Lost) -> bool:
        """Whether a transaction whose COMMIT was not answered was carried out.

        Asked under the lock that the transaction itself held, so it has ended either way.
        """
        if not lost.committing:
            return False
        query = "SELECT 1 FROM writers WHERE writer = %s AND number = %s"
        while True:
            try:
                with self._rolled_back():
                    self._connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
                    self._connection.execute(SERIAL)
                    found = self._connection.execute(query, [self._writer, self._number]).fetchone()
                    self._connection.execute("COMMIT")
                return found is not None
            except psycopg().Error as error:
                if not self._connection.closed:
                    raise self._unusable("read", error) from error
                self._reconnect(error)

    def _reconnect(self, error: Exception) -> None:
        """A new connection; the old one's transaction, should its server not know yet, is ended there."""
        gone = self._session
        self._connection.close()

        def connect() -> Connection:
            connection = connected(self._url, self._writer)
            try:
                ended_elsewhere(connection, gone, self._writer)
            except psycopg().Error as trouble:
                connection.close()
                raise LedgerUnreachable(f"the ledger's server went away: {trouble}") from trouble
            return connection

        self._connection = patiently(connect, error)
        self._session = self._connection.info.backend_pid

    def _unusable(self, done: str, error: Exception) -> StorychainError:
        words = " ".join(str(error).split())
        return StorychainError(f"the ledger cannot be {done}: {words}", where=shown(self._url), next_step=_KEEP_IT)

    def close(self) -> None:
        """Let the connection go."""
        with self._lock:
            self._connection.close()


class _Reading:
    def __init__(self, ask: Callable[[str, Any], Found]) -> None:
        self._ask = ask

    def execute(self, query: str, values: Any = None, /) -> Found:
        return self._ask(query, values)


class _Writing:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, query: str, values: Any = None, /) -> Found:
        return _execute(self._connection, query, values)


def _execute(connection: Connection, query: str, values: Any) -> Found:
    if isinstance(values, dict):
        values = {name: _storable(value) for name, value in values.items()}
    elif values is not None:
        values = [_storable(value) for value in values]
    return cast("Found", connection.execute(_with_its_placeholders(query), values))


def _storable(value: object) -> object:
    """Text here holds no NUL, and words of strangers may."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


@functools.cache
def _with_its_placeholders(query: str) -> Any:
    return re.sub(r"\?|:(\w+)", lambda found: f"%({found[1]})s" if found[1] else "%s", query.replace("%", "%%"))


def _prepared(connection: Connection) -> str:
    """Make the tables or bring them up to date, one process after the other; the ledger's id.

    Where they are up to date nothing is waited for, and no right to make tables is needed.
    """
    if connection.execute("SELECT to_regclass('storychain.ledger')").fetchone()[0] is not None:  # type: ignore[index]
        row = connection.execute("SELECT * FROM ledger").fetchone()
        if row is not None and (row[1], row[2]) == (len(MIGRATIONS), len(SHARED_MIGRATIONS)):
            return str(row[0])
    with connection.transaction():
        connection.execute(SERIAL)
        connection.execute("CREATE SCHEMA IF NOT EXISTS storychain")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS ledger (id TEXT NOT NULL, version INTEGER NOT NULL, shared INTEGER NOT NULL)"
        )
        row = connection.execute("SELECT * FROM ledger").fetchone()
        identity, version, shared = (row[0], row[1], row[2]) if row else (uuid.uuid4().hex, 0, 0)
        if row is None:
            connection.execute("INSERT INTO ledger VALUES (%s, 0, 0)", [identity])
        _check_age(version, shared, connection)
        for script in MIGRATIONS[version:]:
            connection.execute(cast("Any", _in_its_words(script)))
        for script in SHARED_MIGRATIONS[shared:]:
            connection.execute(cast("Any", script))
        connection.execute("UPDATE ledger SET version = %s, shared = %s", [len(MIGRATIONS), len(SHARED_MIGRATIONS)])
    return str(identity)


def _check_age(version: int, shared: int, connection: Connection) -> None:
    if version > len(MIGRATIONS) or shared > len(SHARED_MIGRATIONS):
        raise StorychainError(
            f"the ledger was written by a newer storychain (schema {version}.{shared})",
            where=f"database {connection.info.dbname}",
            next_step="Upgrade storychain on this machine; an older one must not touch it.",
        )


_TYPES = {"INTEGER": "BIGINT", "REAL": "DOUBLE PRECISION", "TEXT": 'TEXT COLLATE "C"'}
"""Numbers as wide as SQLite's, and text in the order of its bytes."""


def _in_its_words(script: str) -> str:
    return re.sub(r"\b(INTEGER|REAL|TEXT)\b", lambda found: _TYPES[found[0]], script)
