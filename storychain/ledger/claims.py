"""Locks that hold across machines: each claim is known by its epoch, and who has lost one writes nothing more.

A claim is a session-level advisory lock on a connection of its own, so it ends with its process or its machine; the
server ends a session it has not heard of for `lease` seconds, so it also ends where a process was stopped or cut off.
Whoever claims next raises the epoch. A worker that wakes up later still believes in its claim: so each transaction of
the ledger looks whether the epochs of what is held are still those, and is undone where they are not.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storychain.errors import LedgerUnreachable, StorychainError, StoryHeld
from storychain.ledger.connecting import SERIAL, connected, patiently, psycopg, shown

if TYPE_CHECKING:
    from storychain.ledger.backend import Rows
    from storychain.ledger.connecting import Connection

LEASE = 30.0
"""Seconds without a sign of life after which what a process holds is let go."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What is held, and the how-manieth claim of it this is."""

    name: str
    epoch: int


HOLDING: ContextVar[tuple[Claim, ...]] = ContextVar("HOLDING", default=())
"""What the work at hand relies on; the ledger's writes look at it. Tasks and threads have it from who began them."""


@contextmanager
def relying_on(claim: Claim) -> Iterator[None]:
    """Let the ledger's writes in this block fail once the claim is lost."""
    token = HOLDING.set((*HOLDING.get(), claim))
    try:
        yield
    finally:
        HOLDING.reset(token)


@contextmanager
def regardless() -> Iterator[None]:
    """For what is true whoever holds the story now, and what nobody else knows: the outcome of a request we sent."""
    token = HOLDING.set(())
    try:
        yield
    finally:
        HOLDING.reset(token)


def check_claims(rows: Rows) -> None:
    """Raise StoryHeld unless everything held is still ours. Within a transaction that is serial with claiming."""
    held = HOLDING.get()
    if not held:
        return
    found = rows.execute("SELECT name, epoch FROM claims WHERE name = ANY(?)", [[claim.name for claim in held]])
    epochs = {row["name"]: row["epoch"] for row in found}
    if lost := next((claim for claim in held if epochs.get(claim.name) != claim.epoch), None):
        raise StoryHeld(
            f"this worker was not heard of for too long, and another one has taken over ({lost.name})",
            next_step="It goes on there; nothing was written or sent from here since.",
        )


class Claims:
    """What this process holds, kept alive by a thread; used by one thread at a time."""

    def __init__(self, url: str, lease: float = LEASE) -> None:
        """Connect. Raises LedgerUnreachable."""
        self._url = url
        self._lease = lease
        self._name = f"claims-{uuid.uuid4().hex}"
        self._lock = threading.RLock()
        self._held: dict[str, Claim] = {}
        self._to_be_had_anew: set[str] = set()
        self._connection = self._connect()
        self._closed = threading.Event()
        self._pulse = threading.Thread(target=self._live, name="storychain-claims", daemon=True)
        self._pulse.start()

    def _connect(self) -> Connection:
        connection = connected(self._url, self._name)
        try:
            connection.execute("SELECT set_config('idle_session_timeout', %s, false)", [f"{self._lease:.3f}s"])
        except psycopg().Error as error:
            connection.close()
            raise LedgerUnreachable(f"the ledger's server went away: {error}", where=shown(self._url)) from error
        return connection

    def take(self, name: str) -> Claim | None:
        """Claim `name`, or None where somebody holds it. Raises LedgerUnreachable or StorychainError."""
        with self._lock:
            if name in self._held:
                return None
            while True:
                try:
                    claim = self._taken(name)
                except psycopg().Error as error:
                    self._mend(error)
                else:
                    if claim is not None:
                        self._held[name] = claim
                    return claim

    def _taken(self, name: str) -> Claim | None:
        rows = self._connection
        if not _one(rows, "SELECT pg_try_advisory_lock(%s)", _number(name)):
            return None
        # After the server's own restart all locks are free, and their holders alive: they come first.
        returning = (
            "SELECT EXISTS (SELECT 1 FROM claims WHERE name = %s AND holder NOT IN ('', %s) "
            "AND now() - pg_postmaster_start_time() < make_interval(secs => %s))"
        )
        if _one(rows, returning, name, self._name, self._lease):
            _one(rows, "SELECT pg_advisory_unlock(%s)", _number(name))
            return None
        with rows.transaction():
            rows.execute(SERIAL)
            epoch = _one(
                rows,
                "INSERT INTO claims VALUES (%s, 1, %s, now()) ON CONFLICT (name) DO UPDATE "
                "SET epoch = claims.epoch + 1, holder = excluded.holder, at = excluded.at RETURNING epoch",
                name,
                self._name,
            )
        return Claim(name, int(epoch))

    def release(self, claim: Claim) -> None:
        """Let go. Where the server is away it has let go by itself."""
        with self._lock:
            if self._held.get(claim.name) != claim:
                return
            del self._held[claim.name]
            again = claim.name in self._to_be_had_anew
            self._to_be_had_anew.discard(claim.name)
            with suppress(psycopg().Error):
                values = [claim.name, claim.epoch, self._name]
                self._connection.execute(
                    "UPDATE claims SET holder = '' WHERE name = %s AND epoch = %s AND holder = %s", values
                )
                if not again:
                    _one(self._connection, "SELECT pg_advisory_unlock(%s)", _number(claim.name))

    def _live(self) -> None:
        """Be heard of, and have again what a broken connection has let go and nobody else has claimed."""
        while not self._closed.wait(self._lease / 6):
            with self._lock, suppress(LedgerUnreachable, StorychainError):
                try:
                    self._connection.execute("SELECT 1")
                    self._have_anew()
                except psycopg().Error as error:
                    self._mend(error)

    def _mend(self, error: Exception) -> None:
        """A new connection where the old one broke, and on it what was held. Raises StorychainError otherwise."""
        if not self._connection.closed:
            words = " ".join(str(error).split())
            raise StorychainError(
                f"the story cannot be claimed: {words}", where=shown(self._url), next_step="Run again."
            ) from error
        self._connection = patiently(self._connect, error, self._closed)
        self._to_be_had_anew = set(self._held)
        with suppress(psycopg().Error):
            self._have_anew()

    def _have_anew(self) -> None:
        for name in tuple(self._to_be_had_anew):
            epoch = _one(self._connection, "SELECT epoch FROM claims WHERE name = %s", name)
            if epoch != self._held[name].epoch:
                self._to_be_had_anew.discard(name)  # lost; the next write will say so
            elif _one(self._connection, "SELECT pg_try_advisory_lock(%s)", _number(name)):
                self._to_be_had_anew.discard(name)

    def close(self) -> None:
        """Let everything go."""
        self._closed.set()
        with self._lock:
            for claim in tuple(self._held.values()):
                self.release(claim)
            self._connection.close()
        self._pulse.join(5)


def _one(rows: Connection, query: str, *values: object) -> Any:
    found = rows.execute(query, values).fetchone()
    return None if found is None else found[0]


def _number(name: str) -> int:
    """The lock's number. Two names with the same one would wait for each other; there are 2⁶⁴."""
    return int.from_bytes(hashlib.sha256(f"storychain {name}".encode()).digest()[:8], "big", signed=True)
