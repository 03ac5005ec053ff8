"""Several pieces of work on the ledger as one transaction: a disk takes as long to sync one write as fifty.

Each piece is done or undone by itself, as it would be alone; none is told how it fared before all are on disk.
"""

from __future__ import annotations

import threading
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

T = TypeVar("T")

_HERE = threading.local()
"""What is being done together in this thread, if anything is."""


class Joint(Protocol):
    """A database whose writes can wait to be committed together."""

    def commit_together(self) -> None:
        """Put on disk what was written; raises where that cannot be done, and undoes it."""


@dataclass(slots=True)
class Outcome(Generic[T]):
    """What came of a piece of work: its value, or the error that it raised or that undid it."""

    value: T | None = None
    error: BaseException | None = None

    def __enter__(self) -> Outcome[T]:
        """Within, what is raised becomes the outcome's error: it concerns whoever waits for it, and nobody else."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        self.error = self.error or error
        return True


class Group:
    """Work that is done together: who has written, and what is to happen once that is on disk."""

    def __init__(self) -> None:
        self._joined: list[Joint] = []
        self._afterwards: list[tuple[Outcome[Any], Callable[[], None]]] = []
        self._at_work: Outcome[Any] = Outcome()

    def has(self, database: Joint) -> bool:
        """Whether a database has written here already."""
        return database in self._joined

    def join(self, database: Joint) -> None:
        """Commit this database too, in the end."""
        self._joined.append(database)

    def afterwards(self, step: Callable[[], None]) -> None:
        """Take this step once all is on disk, for the piece of work in hand: it fails where the step does."""
        self._afterwards.append((self._at_work, step))

    def do(self, work: Callable[[], T]) -> Outcome[T]:
        """Do one piece of it."""
        self._at_work = outcome = Outcome[T]()
        with outcome:
            outcome.value = work()
        return outcome

    def end(self) -> BaseException | None:
        """Commit. The error that undid it all, if one did."""
        ended = Outcome[None]()
        for database in self._joined:
            with ended:
                database.commit_together()
        if ended.error is None:
            # The last first: raising the mark to the highest attempt is all that the others want.
            for outcome, step in reversed(self._afterwards):
                with outcome:
                    step()
        return ended.error


def here() -> Group | None:
    """What is being done together in this thread."""
    group: Group | None = getattr(_HERE, "group", None)
    return group


def together(works: Iterable[Callable[[], T]]) -> list[Outcome[T]]:
    """Do all the works, one after the other; what each wrote is on disk when this returns.

    Where it cannot be put there, or the database has undone it, that is the error of all of them: each may have read
    what others had written. A database may also prefer to commit each write by itself.
    """
    group = _HERE.group = Group()
    undone: BaseException | None = None
    outcomes: list[Outcome[T]] = []
    try:
        outcomes.extend(group.do(work) for work in works)
    finally:  # whatever becomes of it, no database is left in the middle of a transaction
        _HERE.group = None
        undone = group.end()
    for outcome in outcomes if undone is not None else ():
        outcome.error = outcome.error or copy(undone)  # each story says where it was hit
    return outcomes
