"""The high-water mark: a file beside the ledger that remembers how far it had come.

A ledger put back from yesterday's copy does not know what was paid since. The mark does: it is written after each
intention and before its request leaves, and is not part of the database. Where several machines share a ledger each
has a mark of what it bought itself; what one of them notices it tells the others through the ledger.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from storychain.errors import StorychainError
from storychain.ledger.folder import make_folder

if TYPE_CHECKING:
    from pathlib import Path

    from storychain.ledger.backend import Backend


class Mark:
    """The highest attempt that may have been paid, as a number in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int:
        """The mark; zero where there is none or it cannot be read as a number."""
        try:
            return int(self._path.read_text("ascii"))
        except (OSError, ValueError):
            return 0

    def rise(self, attempt: int) -> None:
        """Raise the mark to `attempt`; never lowers it. Raises StorychainError where it cannot be written."""
        if attempt > self.read():
            self.put(attempt)

    def put(self, attempt: int) -> None:
        """Set the mark, whole and synced."""
        aside = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex}")
        try:
            make_folder(self._path.parent)
            with aside.open("w", encoding="ascii") as file:
                file.write(f"{attempt}\n")
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self._path)
        except OSError as error:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            advice = "Nothing was sent. Free some space, or mend the folder's permissions, and run again."
            raise StorychainError(
                f"cannot be written: {error.strerror}", where=str(self._path), next_step=advice
            ) from error


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

    def rise(self, attempt: int) -> None:
        """Raise this machine's mark to `attempt`, which is on record: nobody else's is asked for that."""
        if attempt > super().read():
            super().put(attempt)

    def put(self, attempt: int) -> None:
        """Set the mark; what other machines miss they say again."""
        super().put(attempt)
        self._database.write(lambda rows: rows.execute("DELETE FROM missed"))
