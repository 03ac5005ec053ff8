"""The high-water mark: a file beside the ledger that remembers how far it had come.

A ledger put back from yesterday's copy does not know what was paid since. The mark does: it is written after each
intention and before its request leaves, and is not part of the database. Where several machines share a ledger each
has a mark of what it bought itself; what one of them notices it tells the others through the ledger.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from storychain.errors import StorychainError
from storychain.locks import lock_briefly
from storychain.syncing import make_folder, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from storychain.ledger.backend import Backend

_WIDTH = 20
"""Characters of a number; all are as wide, so that a number is written in place of the one before."""

_sync_bytes = getattr(os, "fdatasync", os.fsync)
"""Not all systems tell a file's bytes from what is known about it."""


class Mark:
    """The highest attempt that may have been paid, as a number in a file.

    The number is overwritten where it is: that needs no room on the disk and is quicker than a new file, and a disk
    writes a few bytes wholly or not at all. Other processes do the same, so the file is locked meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int:
        """The mark; zero where there is none or it cannot be read as a number."""
        try:
            with _opened(self._path, os.O_RDONLY) as file:
                return _number(file)
        except OSError:
            return 0

    def rise(self, attempt: int) -> None:
        """Raise the mark to `attempt`, which is on record; never lowers it.

        Raises StorychainError where it cannot be written.
        """
        self._write(attempt, lower=False)

    def put(self, attempt: int) -> None:
        """Set the mark."""
        self._write(attempt, lower=True)

    def _write(self, attempt: int, *, lower: bool) -> None:
        try:
            make_folder(self._path.parent)
            is_new = not self._path.exists()
            with _opened(self._path, os.O_RDWR | os.O_CREAT) as file:
                if lower or attempt > _number(file):
                    os.pwrite(file, f"{attempt:<{_WIDTH}}\n".encode("ascii"), 0)
                    _sync_bytes(file)
            if is_new:
                sync(self._path.parent)
        except OSError as error:
            advice = "Nothing was sent. Free some space, or mend the folder's permissions, and run again."
            raise StorychainError(
                f"cannot be written: {error.strerror}", where=str(self._path), next_step=advice
            ) from error


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        lock_briefly(file, shared=flags == os.O_RDONLY)
        yield file
    finally:
        os.close(file)


def _number(file: int) -> int:
    try:
        return int(os.pread(file, _WIDTH + 1, 0))
    except ValueError:
        return 0


def mark_beside(path: Path) -> Mark:
    """The mark of the SQLite ledger at `path`, whether that is there or gone: it is called like the file."""
    return Mark(path.with_name(f"{path.stem}.mark"))


class SharedMark(Mark):
    """A mark beside a ledger that other machines have too: once one of them misses something, all know."""

    def __init__(self, path: Path, database: Backend) -> None:
        super().__init__(path)
        self._database = database

    def read(self) -> int:
        """The highest mark of this machine and of any that has missed attempts."""
        own = super().read()
        query = (
            "SELECT (SELECT COALESCE(MAX(id), 0) FROM attempts) AS last, "
            "(SELECT COALESCE(MAX(mark), 0) FROM missed) AS missed"
        )
        with self._database.reading() as rows:
            row = rows.execute(query).fetchone()
        if own > max(row["last"], row["missed"]):
            self._database.write(lambda rows: rows.execute("INSERT INTO missed VALUES (?)", [own]))
        return max(own, int(row["missed"]))

    def put(self, attempt: int) -> None:
        """Set the mark; what other machines miss they say again."""
        super().put(attempt)
        self._database.write(lambda rows: rows.execute("DELETE FROM missed"))
