"""Who is at home: locks that die with their process. Knows nothing of jobs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; waits for whoever holds it."""
    handle = _open(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class Tenant:
    """One studio's sign that it lives: a lock file of its own in `folder`, held until `leave` or the process's end."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = uuid.uuid4().hex
        self._folder = folder
        self._handle: int | None = _open(self._sign(self.name))
        fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def lives(self, name: str) -> bool:
        """Whether the studio of that name is still at home."""
        sign = self._sign(name)
        if not sign.exists():
            return False
        handle = _open(sign)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        sign.unlink(missing_ok=True)
        return False

    def leave(self) -> None:
        """Take the sign down."""
        if self._handle is not None:
            self._sign(self.name).unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None

    def _sign(self, name: str) -> Path:
        return self._folder / f"{name}.lock"


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
