"""Connections to PostgreSQL: opened so that a commit is on disk, and told of without their passwords."""

from __future__ import annotations

import importlib
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import urlsplit

from storychain.errors import LedgerUnreachable, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    import psycopg as _psycopg

    Connection: TypeAlias = "_psycopg.Connection[Row]"

SHARED = 0x53544F52
"""First half of the names of our advisory locks, so that other programs in the same database have others."""

SERIAL = f"SELECT pg_advisory_xact_lock({SHARED}, 0)"
"""Held to the end of each transaction that writes; its end is seen by whoever gets it next."""

PATIENCE = 60.0
"""Seconds a server that went away is waited for: a restart takes a few, a failover less than this."""

_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0

_OLDEST = 140000
"""It ends sessions that say nothing for too long, and so lets go of what stopped workers hold."""

_CONNECT_SECONDS = 10
_BUSY_SECONDS = 30
"""How long a writer waits for another one's transaction; ours take milliseconds."""

_IDLE_SECONDS = 10
"""After which the server ends a transaction whose process says nothing: it may have been stopped, and all wait."""

_KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}

_SETTINGS = f"""
    SET search_path = storychain;
    SET client_min_messages = warning;
    SET default_transaction_isolation = 'read committed';
    SET lock_timeout = '{_BUSY_SECONDS}s';
    SET idle_in_transaction_session_timeout = '{_IDLE_SECONDS}s';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
"""
"""What guards money is on disk when a commit returns, however the server is set; stricter settings stay."""


class Row:
    """A row whose columns are had by name or by place."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: dict[str, int], values: Sequence[Any]) -> None:
        self._names = names
        self._values = values

    def __getitem__(self, column: str | int) -> Any:
        return self._values[self._names[column] if isinstance(column, str) else column]


def psycopg() -> Any:
    """The driver. Raises UsageError where it is not installed."""
    try:
        return importlib.import_module("psycopg")
    except ImportError as error:
        raise UsageError(
            "a ledger in PostgreSQL needs its driver", next_step="Install it: pip install 'storychain[cluster]'"
        ) from error


def connected(url: str, name: str) -> Connection:
    """A connection that calls itself storychain-`name`. Raises UsageError or LedgerUnreachable."""
    driver = psycopg()
    try:
        connection = driver.connect(
            url,
            autocommit=True,
            row_factory=_rows,
            # Statements prepared at the server are lost where a pooler hands us another session.
            prepare_threshold=None,
            connect_timeout=_CONNECT_SECONDS,
            application_name=f"storychain-{name}",
            **_KEEPALIVES,
        )
    except driver.ProgrammingError as error:
        # Its words would repeat parts of the address, and a mistyped one has its password anywhere.
        raise UsageError(
            "the ledger's address is none that PostgreSQL understands",
            next_step="It is to look like postgresql://user:password@host:5432/database, special characters as %40.",
        ) from error
    except driver.Error as error:
        raise LedgerUnreachable(
            f"the ledger cannot be reached: {' '.join(str(error).split())}",
            where=shown(url),
            next_step="Is the server up, and do its database and user exist? Nothing was sent; run again then.",
        ) from error
    if connection.info.server_version < _OLDEST:
        connection.close()
        raise UsageError("the ledger's server is too old: PostgreSQL 14 or newer is needed", where=shown(url))
    try:
        connection.execute(_SETTINGS)
    except driver.Error as error:
        connection.close()
        raise LedgerUnreachable(f"the ledger's server went away: {error}", where=shown(url)) from error
    return cast("Connection", connection)


@asynccontextmanager
async def queue_connection(url: str) -> AsyncIterator[Any]:
    """A connection for a queue in the ledger's database, in a schema of its own.

    It comes with an advisory lock held, under which the queue's tables may be made. Raises LedgerUnreachable, also
    where it breaks while it is used.
    """
    driver = psycopg()
    try:
        async with await driver.AsyncConnection.connect(
            url,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=_CONNECT_SECONDS,
            application_name="storychain-queue",
            **_KEEPALIVES,
        ) as connection:
            await connection.execute(f"SELECT pg_advisory_lock({SHARED}, 1)")
            await connection.execute("SET client_min_messages = warning")
            await connection.execute("CREATE SCHEMA IF NOT EXISTS storychain_queue")
            await connection.execute("SET search_path = storychain_queue")
            yield connection
    except driver.Error as error:
        words = " ".join(str(error).split())
        raise LedgerUnreachable(f"the queue's server went away: {words}", where=shown(url)) from error


def _rows(cursor: Any) -> Callable[[Sequence[Any]], Row]:
    names = {column.name: place for place, column in enumerate(cursor.description or ())}
    return lambda values: Row(names, values)


def patiently(
    connect: Callable[[], Connection], error: Exception, given_up: threading.Event | None = None
) -> Connection:
    """Connect again and again after `error`, until the server is back. Raises LedgerUnreachable."""
    stop = given_up or threading.Event()
    ends, wait = time.monotonic() + PATIENCE, _FIRST_WAIT
    while True:
        try:
            return connect()
        except LedgerUnreachable as trouble:
            if stop.wait(wait) or time.monotonic() > ends:
                raise LedgerUnreachable(
                    f"the ledger's server went away and did not come back within {PATIENCE:.0f} s: {trouble.what}",
                    next_step="What is paid is on record, or is found in the account's job list: run again to go on.",
                ) from error
            wait = min(_LONGEST_WAIT, 2 * wait)


def ended_elsewhere(connection: Connection, pid: int, name: str) -> None:
    """End the session that was ours before this one, if its server has not noticed that it is gone."""
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid = %s AND application_name = %s AND pid != pg_backend_pid()"
    )
    connection.execute(query, [pid, f"storychain-{name}"])


def shown(url: str) -> str:
    """The address for a person's eyes: no password, and nothing after the database's name."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "PostgreSQL"
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{parts.hostname or ''}{port}{parts.path}"
