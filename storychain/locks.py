"""Locks between processes that die with their process: `flock` on files that are never removed.

A lock file left behind means nothing; only a living process can hold one. Two holders within one process exclude
each other too, since each opens the file anew.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

_LOOK_AGAIN, _SELDOM = 0.05, 0.1
"""Seconds between two tries for a lock somebody else holds, at first and later on."""

_LET_IN = 1.2 * _SELDOM
"""Seconds for which a lock is left alone between two tasks of a process while another process wants it."""

_A_MOMENT = 0.5
"""Seconds for which a lock is waited for that is held while a few bytes are written."""

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


class Held(Exception):
    """Somebody else holds the lock."""


def _take(path: Path) -> int | None:
    """Lock the file at `path` and return its descriptor, or None where it is held."""
    try:
        descriptor = os.open(path, _FLAGS, 0o644)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, _FLAGS, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def lock_briefly(descriptor: int, *, shared: bool) -> None:
    """Lock an open file until it is closed, for a moment in which a few bytes are read or written.

    Who holds it for seconds is a process that is stopped: it has written, or will, and others go on without the lock
    rather than not at all.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    ends = time.monotonic() + _A_MOMENT
    while True:
        try:
            return fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > ends:
                return None
            time.sleep(0.002)


@contextmanager
def lock_now(path: Path) -> Iterator[None]:
    """Hold the lock, or raise Held at once."""
    descriptor = _take(path)
    if descriptor is None:
        raise Held
    try:
        yield
    finally:
        os.close(descriptor)


@asynccontextmanager
async def lock(path: Path) -> AsyncIterator[None]:
    """Hold the lock, waiting for as long as others do. They cannot outlive their process, so the wait ends."""
    descriptor = _take(path)
    if descriptor is None:
        descriptor = await _waited_for(path)
    try:
        yield
    finally:
        os.close(descriptor)


async def _waited_for(path: Path) -> int:
    """Lock the file at `path` once whoever holds it lets go; meanwhile a lock beside it says that it is wanted."""
    wait, sign = _LOOK_AGAIN, os.open(_sign(path), _FLAGS, 0o644)
    try:
        while True:
            with suppress(BlockingIOError):  # somebody looks just now whether there is a sign
                fcntl.flock(sign, fcntl.LOCK_SH | fcntl.LOCK_NB)
            await asyncio.sleep(wait)
            if (descriptor := _take(path)) is not None:
                return descriptor
            wait = min(_SELDOM, 1.5 * wait)
    finally:
        os.close(sign)


def _is_wanted(path: Path) -> bool:
    descriptor = _take(_sign(path))
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def _sign(path: Path) -> Path:
    return path.with_name(f"{path.name}.wanted")


@dataclass(slots=True)
class _Line:
    """Tasks that want one lock; `handed_on` says that one of them had it just before."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    length: int = 0
    handed_on: bool = False


class Queue:
    """Tasks of a process that wait for locks: each lock is theirs in the order in which they came.

    Only the first looks for the lock, so that a thousand who wait cost no more than one, and who lets go is followed at
    once. Other processes that want it are let in between.
    """

    def __init__(self) -> None:
        self._lines: dict[Path, _Line] = {}

    @asynccontextmanager
    async def lock(self, path: Path) -> AsyncIterator[None]:
        """Hold the lock, waiting for as long as others do."""
        line = self._lines.setdefault(path, _Line())
        line.length += 1
        try:
            async with line.turn:
                if line.handed_on and _is_wanted(path):
                    await asyncio.sleep(_LET_IN)
                line.handed_on = True
                async with lock(path):
                    yield
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[path]
