"""Locks between processes that die with their process: whole files, or many by number in one. No file is removed.

A lock file left behind means nothing; only a living process can hold one. Two holders within one process exclude
each other too.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import struct
import threading
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
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


@dataclass(frozen=True, slots=True)
class Numbered:
    """One of the locks that share a file, for what there are thousands of: each with a number of its own."""

    file: Path
    name: str

    @property
    def number(self) -> int:
        """Where in the file it is: the system locks bytes of it, of which none needs to be there."""
        return int.from_bytes(hashlib.sha256(self.name.encode("utf-8", "surrogateescape")).digest()[:7], "big")


Lock: TypeAlias = "Path | Numbered"


def _take(lock: Lock) -> Callable[[], None] | None:
    """Take a lock and return what lets go of it, or None where it is held."""
    return _take_number(lock) if isinstance(lock, Numbered) else _take_file(lock)


def _opened(path: Path) -> int:
    try:
        return os.open(path, _FLAGS, 0o644)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, _FLAGS, 0o644)


def _take_file(path: Path) -> Callable[[], None] | None:
    """Each holder opens the file anew: so they exclude each other in a process, too."""
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return partial(os.close, descriptor)


@dataclass(slots=True)
class _Shared:
    """A file of numbered locks, opened once in a process, and those of them that the process holds.

    Closed when none is held.
    """

    descriptor: int
    numbers: set[int] = field(default_factory=set)


_shared: dict[tuple[int, int], _Shared] = {}
"""By device and inode, so that a file is the same by whatever path it is found."""

_sharing = threading.Lock()


def _take_number(lock: Numbered) -> Callable[[], None] | None:
    with _sharing:
        place, shared = _shared_file(lock.file)
        try:
            if lock.number in shared.numbers:
                return None
            _set(shared.descriptor, lock.number, fcntl.F_WRLCK)
            shared.numbers.add(lock.number)
        except (BlockingIOError, PermissionError):  # systems call it the one or the other
            return None
        finally:
            _close_unused(place, shared)
    return partial(_let_go, place, shared, lock.number)


def _set(descriptor: int, number: int, kind: int) -> None:
    """Lock a byte of a file, or unlock it; raises where another process has it.

    Linux knows locks of an open file. Elsewhere they are the process's, which loses all of them when anything in it
    opens the file once more and closes that.
    """
    own = getattr(fcntl, "F_OFD_SETLK", None)
    if own is not None:
        try:
            fcntl.fcntl(descriptor, own, struct.pack("hhqqi0q", kind, os.SEEK_SET, number, 1, 0))
        except OSError as error:
            if error.errno != errno.EINVAL:  # so a system says that calls itself Linux and does not know them
                raise
        else:
            return
    flags = fcntl.LOCK_UN if kind == fcntl.F_UNLCK else fcntl.LOCK_EX | fcntl.LOCK_NB
    fcntl.lockf(descriptor, flags, 1, number)


def _shared_file(path: Path) -> tuple[tuple[int, int], _Shared]:
    with suppress(FileNotFoundError):
        known = _place(path.stat())
        if known in _shared:
            return known, _shared[known]
    descriptor = _opened(path)
    place = _place(os.fstat(descriptor))
    return place, _shared.setdefault(place, _Shared(descriptor))


def _place(file: os.stat_result) -> tuple[int, int]:
    return file.st_dev, file.st_ino


def _let_go(place: tuple[int, int], shared: _Shared, number: int) -> None:
    with _sharing:
        _set(shared.descriptor, number, fcntl.F_UNLCK)
        shared.numbers.remove(number)
        _close_unused(place, shared)


def _close_unused(place: tuple[int, int], shared: _Shared) -> None:
    if not shared.numbers:
        del _shared[place]
        os.close(shared.descriptor)


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
def lock_now(lock: Lock) -> Iterator[None]:
    """Hold the lock, or raise Held at once."""
    let_go = _take(lock)
    if let_go is None:
        raise Held
    try:
        yield
    finally:
        let_go()


@asynccontextmanager
async def lock(wanted: Lock) -> AsyncIterator[None]:
    """Hold the lock, waiting for as long as others do. They cannot outlive their process, so the wait ends."""
    let_go = _take(wanted)
    if let_go is None:
        let_go = await _waited_for(wanted)
    try:
        yield
    finally:
        let_go()


async def _waited_for(wanted: Lock) -> Callable[[], None]:
    """Take a lock once whoever holds it lets go; meanwhile a lock beside it says that it is wanted."""
    wait, sign = _LOOK_AGAIN, os.open(_sign(wanted), _FLAGS, 0o644)
    try:
        while True:
            with suppress(BlockingIOError):  # somebody looks just now whether there is a sign
                fcntl.flock(sign, fcntl.LOCK_SH | fcntl.LOCK_NB)
            await asyncio.sleep(wait)
            if (let_go := _take(wanted)) is not None:
                return let_go
            wait = min(_SELDOM, 1.5 * wait)
    finally:
        os.close(sign)


def _is_wanted(wanted: Lock) -> bool:
    let_go = _take(_sign(wanted))
    if let_go is None:
        return True
    let_go()
    return False


def _sign(wanted: Lock) -> Path:
    file = wanted.file if isinstance(wanted, Numbered) else wanted
    return file.with_name(f"{wanted.name}.wanted")


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
        self._lines: dict[Lock, _Line] = {}

    @asynccontextmanager
    async def lock(self, wanted: Lock) -> AsyncIterator[None]:
        """Hold the lock, waiting for as long as others do."""
        line = self._lines.setdefault(wanted, _Line())
        line.length += 1
        try:
            async with line.turn:
                if line.handed_on and _is_wanted(wanted):
                    await asyncio.sleep(_LET_IN)
                line.handed_on = True
                async with lock(wanted):
                    yield
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[wanted]
