"""What the ledger asks of a database, whichever it is: rows to look at, and transactions that are wholly done or not.

SQL here is what SQLite and PostgreSQL both understand, with `?` or `:name` where values go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

    from storychain.ledger.mark import Mark

T = TypeVar("T")

Values = Sequence[object] | Mapping[str, object]


class PromiseBroken(Exception):
    """A write that the schema forbids: a second live attempt of a key, a second attempt of a job."""


class Row(Protocol):
    """One row; its columns are had by name or by place."""

    def __getitem__(self, column: Any, /) -> Any: ...


class Found(Protocol):
    """What a statement found, or how many rows it changed."""

    @property
    def rowcount(self) -> int:
        """How many rows were found or changed."""

    def fetchone(self) -> Any:
        """The first row not had yet, or None."""

    def fetchall(self) -> Any:
        """The rows not had yet."""

    def __iter__(self) -> Iterator[Any]: ...


class Rows(Protocol):
    """Where statements are carried out."""

    def execute(self, query: str, values: Any = ..., /) -> Found:
        """Carry out one statement."""


class Backend(Protocol):
    """A database with the ledger's tables in it."""

    day: str
    """The day (UTC, such as 2026-11-01) of an attempt's `intended_at`, as an expression."""

    def mark(self, path: Path) -> Mark:
        """The high-water mark that lies where `path` is: the same for as long as it is the same ledger."""

    def about(self) -> str:
        """Where it is, for a person, without passwords."""

    def reading(self) -> AbstractContextManager[Rows]:
        """Single statements that only read."""

    def version(self) -> int:
        """A number that is another one after any commit, whoever's."""

    def write(self, work: Callable[[Rows], T]) -> T:
        """One transaction, serial among all writers, that is on disk when this returns; undone where `work` raises.

        `work` may be called again where it is sure that nothing of its first call has remained. Raises PromiseBroken,
        and StorychainError where the database lets us down.
        """

    def afterwards(self, step: Callable[[], None]) -> None:
        """Take a step that may be taken only once what was written is on disk; that may be at once."""

    def close(self) -> None:
        """Let the database go; every commit is already on disk."""
