"""The log file: a line of JSON an event, appended whole, shared by any number of runs, reopened when it was rotated."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from storychain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A pipe nobody reads is refused at once, not waited for.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK


def check_log_file(path: Path) -> None:
    """Raise UsageError for a log file that cannot be opened; none is made."""
    if path.exists():
        LogFile(path, print).close()
    elif not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise _unwritable(path, "its folder is not there or not ours to write in")


class LogFile:
    """Appends lines to a file.

    Each line is one write to a file opened for appending, which the system puts behind whatever is there: lines of
    overlapping runs never tear each other. Not on NFS, which has no such promise.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        """Open the file, made if there is none. Raises UsageError where that cannot be done."""
        self._path = path
        self._warn = warn
        self._warned = False
        try:
            self._descriptor = os.open(path, _FLAGS, 0o644)
        except OSError as error:
            raise _unwritable(path, _why(error)) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def append(self, line: str) -> None:
        """Append one line, its end included. What goes wrong is warned of once and never raised."""
        try:
            self._follow()
            self._write(line.encode())
        except OSError as error:
            if not self._warned:
                self._warned = True
                self._warn(f"the log file {self._path} cannot be written any more: {_why(error)}; the run goes on")

    def _follow(self) -> None:
        """Open the file anew if another lies under its name, or none: it was rotated."""
        ours = os.fstat(self._descriptor)
        try:
            there = self._path.stat()
        except FileNotFoundError:
            there = None
        if there is None or (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            opened = os.open(self._path, _FLAGS, 0o644)
            os.close(self._descriptor)
            self._descriptor = opened

    def _write(self, line: bytes) -> None:
        written = os.write(self._descriptor, line)
        if written == len(line):
            return
        # The disk is full. Half a line would spoil the next one of whoever writes it, so it is taken back, unless
        # somebody else has written behind it after all.
        now = os.fstat(self._descriptor)
        if stat.S_ISREG(now.st_mode) and now.st_size == os.lseek(self._descriptor, 0, os.SEEK_CUR):
            os.ftruncate(self._descriptor, now.st_size - written)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _unwritable(path: Path, why: str) -> UsageError:
    return UsageError(
        f"the log file cannot be written: {why}",
        where=str(path),
        next_step="Make its folder, or let --log-file name another. Nothing was bought.",
    )


def _why(error: OSError) -> str:
    if error.errno == errno.ENXIO:
        return "it is a pipe that nobody reads, or a socket"
    return error.strerror or str(error)
