"""Locks between processes that die with their process: `flock` on files that are never removed.

A lock file left behind means nothing; only a living process can hold one. Two holders within one process exclude
each other too, since each opens the file anew.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

_LOOK_AGAIN, _SELDOM = 0.05, 0.25
"""Seconds between two tries for a lock somebody else holds, at first and later on."""

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
    wait = _LOOK_AGAIN
    while (descriptor := _take(path)) is None:
        await asyncio.sleep(wait)
        wait = min(_SELDOM, 1.5 * wait)
    try:
        yield
    finally:
        os.close(descriptor)
