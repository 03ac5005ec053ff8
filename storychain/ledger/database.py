"""The SQLite file under the ledger: opened durably, its tables brought up to date, one writer at a time.

What the rows mean is `ledger.ledger`'s business.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

from storychain.errors import StorychainError
from storychain.ledger.backend import PromiseBroken
from storychain.ledger.mark import mark_beside
from storychain.ledger.schema import MIGRATIONS
from storychain.ledger.together import here
from storychain.syncing import make_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    from storychain.ledger.backend import Rows
    from storychain.ledger.mark import Mark
    from storychain.ledger.together import Group

T = TypeVar("T")

_BUSY_SECONDS = 30
"""How long a writer waits for another process's transaction; ours take milliseconds."""

_KEEP_IT = (
    "Check that the disk has room and the folder is yours; the ledger knows what was paid, "
    "so restore it from a copy rather than delete it."
)


class Database:
    """One connection, used by one thread at a time."""

    day = "date(intended_at, 'unixepoch')"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._undone: BaseException | None = None
        try:
            make_folder(path.parent)
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (sqlite3.Error, OSError) as error:
            raise self._unusable("opened", error) from error
        with ExitStack() as undo:
            undo.callback(self._connection.close)
            try:
                self._connection.row_factory = sqlite3.Row
                self._prepare_in_turn()
            except sqlite3.Error as error:
                raise self._unusable("opened", error) from error
            undo.pop_all()

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

    def mark(self, path: Path) -> Mark:
        """The mark is called like the file it stands beside."""
        return mark_beside(path)

    def about(self) -> str:
        """Where it is."""
        return str(self.path)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the only write lock from its first statement; rolled back on any error.

        Raises PromiseBroken where the schema forbids it, StorychainError where the file lets us down.
        """
        with self._lock, self._plainly("written"), self._writing() as rows:
            yield rows

    def write(self, work: Callable[[Rows], T]) -> T:
        """Do `work` in one transaction, or as a part of the one that this thread's work is done in together."""
        group = here()
        with self.transaction() if group is None else self._part(group) as rows:
            return work(rows)

    def afterwards(self, step: Callable[[], None]) -> None:
        """Take a step that may be taken only once what was written is on disk."""
        group = here()
        if group is None:
            step()
        else:
            group.afterwards(step)

    @contextmanager
    def _part(self, group: Group) -> Iterator[sqlite3.Connection]:
        """A part of a transaction, undone by itself on any error; the first one begins the transaction."""
        with self._plainly("written"):
            if not group.has(self):
                self._lock.acquire()  # until the transaction's end
                self._undone = None
                group.join(self)
            if self._undone is not None:
                raise self._unusable("written", self._undone)
            with ExitStack() as part:
                part.push(self._undo_part)
                if not self._connection.in_transaction:
                    self._connection.execute("BEGIN IMMEDIATE")
                self._connection.execute("SAVEPOINT part")
                yield self._connection
                self._connection.execute("RELEASE part")

    def _undo_part(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if error is None:
            return
        self._undone = error  # all parts: so a full or broken disk has it
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK TO part")
            self._connection.execute("RELEASE part")
            self._undone = None

    def commit_together(self) -> None:
        """Commit what was written in parts. Raises StorychainError; then none of it was."""
        with ExitStack() as held:
            held.callback(self._lock.release)
            with self._plainly("written"), self._ended():
                if self._undone is not None:
                    raise self._unusable("written", self._undone)
                self._connection.execute("COMMIT")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        with self._ended():
            yield self._connection
            self._connection.execute("COMMIT")

    @contextmanager
    def _ended(self) -> Iterator[None]:
        """Whatever happens within, no transaction is left open."""
        try:
            yield
        finally:
            # Committed it is over. A full or broken disk has rolled back already: a second ROLLBACK would hide why.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Single statements that only read."""
        with self._lock, self._plainly("read"):
            yield self._connection

    def version(self) -> int:
        """What SQLite counts of other connections' commits, and how many rows this one has changed."""
        with self.reading() as rows:
            return int(rows.execute("PRAGMA data_version").fetchone()[0]) + (rows.total_changes << 32)

    @contextmanager
    def _plainly(self, done: str) -> Iterator[None]:
        """Say in words what SQLite could not do. Mistakes of ours stay what they are."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.IntegrityError as error:
            raise PromiseBroken(str(error)) from error
        except sqlite3.Error as error:
            raise self._unusable(done, error) from error

    def _unusable(self, done: str, error: BaseException) -> StorychainError:
        return StorychainError(f"the ledger cannot be {done}: {error}", where=str(self.path), next_step=_KEEP_IT)

    def close(self) -> None:
        """Close the file; every commit is already on disk."""
        with self._lock:
            self._connection.close()


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _statements(script: str) -> Iterator[str]:
    """Split a script, since sqlite3's own executescript commits on its way."""
    pending = ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
