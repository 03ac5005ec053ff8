"""The shared place: paid segments and finished films where every machine can have them. The one door to fsspec.

What is in it is named by what it is and the hash of its bytes, so nothing there is ever replaced by something else,
and what comes from there is known to be whole.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from storychain.errors import StoreTrouble, UsageError
from storychain.printable import without_query

_CHUNK = 1 << 20


class Store:
    """A folder or bucket, by its address: `file:///mnt/x`, `s3://bucket/prefix`, or whatever fsspec knows."""

    def __init__(self, url: str) -> None:
        """Open it. Raises UsageError where what it needs is not installed or the address is none."""
        try:
            fsspec = importlib.import_module("fsspec")
            self._files, self._root = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise UsageError(
                f"the store needs a package: {error}", next_step="Install it: pip install 'storychain[store]'"
            ) from error
        except ValueError as error:
            raise UsageError(f"STORYCHAIN_STORE: no such kind of place: {error}") from error
        self._url = url.rstrip("/")
        self._local = urlsplit(url).scheme in ("", "file", "local")

    @property
    def folder(self) -> Path | None:
        """The folder it is, where it is one."""
        return Path(self._root) if self._local else None

    def address(self, name: str) -> str:
        """The address of what is called `name` in it."""
        return f"{without_query(self._url)}/{name}"

    def has(self, name: str) -> bool:
        """Whether there is something of that name. Raises StoreTrouble."""
        try:
            return bool(self._files.exists(self._path(name)))
        except _troubles() as error:
            raise self._trouble("looked at", error) from error

    def put(self, file: Path, name: str) -> None:
        """Put a file there, whole or not at all; what is there already stays. Raises StoreTrouble."""
        if self.has(name):
            return
        final = self._path(name)
        try:
            if not self._local:
                self._files.put_file(str(file), final)  # an object is there when it is whole
                return
            folder = os.path.dirname(final)  # noqa: PTH120 - the file system's own path
            aside = f"{folder}/.{uuid.uuid4().hex}.part"  # without the name, which may be as long as disks allow
            self._files.makedirs(folder, exist_ok=True)
            self._files.put_file(str(file), aside)
            _synced(Path(aside))
            Path(aside).replace(final)
        except _troubles() as error:
            raise self._trouble("written", error) from error

    def fetch(self, name: str, sha256: str, to: Path) -> bool:
        """Bring what is called `name` into the file `to`; False where it is not there or not those bytes.

        Raises StoreTrouble where the place cannot be reached, DiskTrouble's OSError where `to` cannot be written.
        """
        if not self.has(name):
            return False
        to.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with to.open("wb") as file:
            for chunk in self._chunks(name):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() == sha256:
            return True
        to.unlink()
        return False

    def _chunks(self, name: str) -> Any:
        try:
            with self._files.open(self._path(name), "rb") as there:
                while chunk := there.read(_CHUNK):
                    yield chunk
        except _troubles() as error:
            raise self._trouble("read", error) from error

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _trouble(self, done: str, error: BaseException) -> StoreTrouble:
        return StoreTrouble(
            f"the shared place cannot be {done}: {type(error).__name__}: {error}",
            where=without_query(self._url),
            next_step="Is it there, and are its credentials? Nothing is lost: run again then.",
        )


def segment_name(key: str, sha256: str) -> str:
    """What a segment is called there."""
    return f"segments/{key}-{sha256}.mp4"


def film_name(name: str, sha256: str) -> str:
    """What a film is called there."""
    return f"films/{sha256}/{name}"


def _synced(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _troubles() -> tuple[type[BaseException], ...]:
    """What goes wrong with places: the system's errors, and those that clients of buckets have of their own."""
    found: list[type[BaseException]] = [OSError, TimeoutError]
    with suppress(ImportError):
        found.append(importlib.import_module("botocore.exceptions").BotoCoreError)
    return tuple(found)
