"""Whole or absent: files are made aside, synced, and only then given their name.

Knows files and folders alone, nothing of what is in them.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from storychain.errors import DiskTrouble
from storychain.syncing import sync

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = ".making-"
_STALE = 24 * 3600.0
"""Seconds after which a folder left by a killed process is nobody's; no making takes that long."""

_SWEEP_EVERY = 3600.0
_swept: dict[Path, float] = {}
"""When each folder was last looked through for them: where a thousand are made, not once for each."""


@contextmanager
def folder_aside(beside: Path) -> Iterator[Path]:
    """A new hidden folder in the folder `beside` (same disk), gone with all its contents at the end.

    Raises DiskTrouble where nothing can be written.
    """
    with _told(beside):
        beside.mkdir(parents=True, exist_ok=True)
        _sweep(beside)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=beside.absolute()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(beside: Path) -> None:
    now = time.monotonic()
    if now - _swept.get(beside, float("-inf")) < _SWEEP_EVERY:
        return
    _swept[beside] = now
    for left in beside.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another process may sweep as well
            if time.time() - left.stat().st_mtime > _STALE:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all, and its folder where there is none. Raises DiskTrouble.

    Not by a folder aside, which is made only to be deleted: where a thousand files are written that is most of the
    work, and some disks walk past what was just deleted whenever they make a file.
    """
    made = path.parent / f"{_PREFIX}{secrets.token_hex(8)}"
    with _told(path), ExitStack() as undo:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        undo.callback(made.unlink, missing_ok=True)
        made.write_bytes(data)
        give_name(made, path)
        undo.pop_all()


def give_name(made: Path, name: Path) -> None:
    """Sync `made` to the disk and put it in place of `name` in one step, across a power cut too. Raises DiskTrouble."""
    with _told(name):
        sync(made)
        made.replace(name)
        sync(name.parent)


def on_disk(made: Path) -> None:
    """Sync a file that is about to get its name, while it is still looked at. Raises DiskTrouble."""
    with _told(made):
        sync(made)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the system says when it refuses, as an error for a person."""
    try:
        yield
    except OSError as error:
        advice = "Give another folder, or make room and see to its permissions."
        raise DiskTrouble(f"cannot be written: {error.strerror}", where=str(path), next_step=advice) from error


def need_space(folder: Path, size: int) -> None:
    """Raise DiskTrouble if the disk of `folder` has less than `size` bytes free."""
    missing = size - shutil.disk_usage(folder).free
    if missing > 0:
        advice = f"Free at least {missing / 1e6:.0f} MB and run again."
        raise DiskTrouble(
            f"the disk is too full: {missing / 1e6:.0f} MB are missing", where=str(folder), next_step=advice
        )
