"""The shared place: paid segments and finished films where every machine can have them. The one door to fsspec.

What is in it is named by what it is and the hash of its bytes, so nothing there is ever replaced by something else,
and what comes from there is known to be whole. It may be at the other end of a network: nobody waits for it without
end, and what hangs there holds up no process that is to stop.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import os
import re
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlsplit

from storychain.errors import StoreTrouble, UsageError
from storychain.printable import printable, without_query
from storychain.syncing import make_folder, sync

T = TypeVar("T")

_CHUNK = 1 << 20

_SILENCE = 60.0
"""Seconds without any progress after which the place is given up, whatever it is."""

_MEANWHILE = 6_000_000
"""Bytes of a file on its way there for which it gets that time once more."""

_REST = 120.0
"""Seconds for which a place that did not answer is not asked again by those who can do without it."""

_AT_ONCE = 8
"""Files on their way there or back at a time."""

_WHO = re.compile(r"(?<=://)[^/]*@")
_FOLDERS = ("file", "local")
_BUCKETS = ("s3", "s3a")
_CLIENT = {"connect_timeout": 5, "read_timeout": 20, "retries": {"total_max_attempts": 2}}
"""Of the client of buckets: seconds, and tries of a request. Its own ones come to minutes where nobody answers."""

_PARTS = {"chunksize": 5 << 20, "max_concurrency": 2}
"""How files go into buckets: in parts that a slow line carries before the client takes the other side for silent."""


class Store:
    """A folder or bucket, by its address: `file:///mnt/x`, `s3://bucket/prefix`, or whatever fsspec knows."""

    def __init__(self, url: str, *, silence: float = _SILENCE) -> None:
        """Take its address; it is opened when it is first asked something.

        Raises UsageError where what it needs is not installed or the address is none.
        """
        self._url = url.rstrip("/")
        self._kind = urlsplit(url).scheme
        self._local = self._kind in _FOLDERS
        self._silence = silence
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._opening = threading.Lock()
        self._opened: Any = None
        self._root = _checked(url, self._kind)
        self._silent_at = float("-inf")
        self._told = False

    @property
    def folder(self) -> Path | None:
        """The folder it is, where it is one."""
        return Path(self._root) if self._local else None

    def address(self, name: str) -> str:
        """The address of what is called `name` in it."""
        return f"{shown(self._url)}/{name}"

    def is_news(self) -> bool:
        """Whether its trouble has yet to be told: it is told once, until the place answers again."""
        news, self._told = not self._told, True
        return news

    async def look(self) -> bool:
        """Whether anything is there yet; nothing is changed. Raises StoreTrouble where it cannot be used."""
        return await self._in_time(lambda _: self._look(), self._silence, anyway=True)

    async def put(self, file: Path, name: str, *, anyway: bool = False) -> None:
        """Put a file there, whole or not at all; what is there already stays.

        Raises StoreTrouble; at once where the place did not answer a while ago, unless it is to be asked `anyway`.
        """
        allowed = self._silence * (1 + file.stat().st_size / _MEANWHILE)
        await self._in_time(lambda _: self._put(file, name), allowed, anyway=anyway)

    async def fetch(self, name: str, sha256: str, to: Path) -> bool:
        """Bring what is called `name` into the file `to`; False where it is not there or not those bytes.

        Raises StoreTrouble where the place cannot be reached or did not answer a while ago, DiskTrouble's OSError where
        `to` cannot be written.
        """
        aside = to.with_name(f".{uuid.uuid4().hex}.part")  # what comes too late is nobody's, and in nobody's way
        had = await self._in_time(partial(self._fetch, name, sha256, aside), self._silence, anyway=False)
        if had:
            await asyncio.to_thread(aside.replace, to)
        return had

    async def _in_time(self, work: Callable[[_Work[Any]], T], allowed: float, *, anyway: bool) -> T:
        """Have work done while it gets on; what does not is given up, and goes on or not in a thread of its own."""
        async with self._places:
            if not anyway and time.monotonic() - self._silent_at < _REST:
                raise self._trouble("reached", TimeoutError("it did not answer a while ago"))
            begun: _Work[T] = _Work(work)
            try:
                while (left := begun.moved_at + allowed - time.monotonic()) > 0 and not begun.came.done():
                    await asyncio.wait([begun.came], timeout=left)
                if not begun.came.done():
                    self._silent_at = time.monotonic()
                    raise self._trouble("reached", TimeoutError(f"no answer within {allowed:.0f} s"))
                came = await begun.came
            finally:
                begun.give_up()
        self._silent_at, self._told = float("-inf"), False
        return came

    def _look(self) -> bool:
        there = self._has("")
        try:
            if there and self._local and not os.access(self._root, os.W_OK):
                raise PermissionError("this user may not write there")
            if not there and self._kind in _BUCKETS and not self._files.exists(self._root.partition("/")[0]):
                raise FileNotFoundError("there is no such bucket")
        except _troubles() as error:
            raise self._trouble("written", error) from error
        return there

    def _has(self, name: str) -> bool:
        try:
            return bool(self._files.exists(self._path(name)))
        except _troubles() as error:
            raise self._trouble("looked at", error) from error

    def _put(self, file: Path, name: str) -> None:
        if self._has(name):
            return
        final = self._path(name)
        try:
            if not self._local:
                # An object is there when it is whole.
                self._files.put_file(str(file), final, **(_PARTS if self._kind in _BUCKETS else {}))
                return
            folder = os.path.dirname(final)  # noqa: PTH120 - the file system's own path
            aside = f"{folder}/.{uuid.uuid4().hex}.part"  # without the name, which may be as long as disks allow
            self._files.makedirs(folder, exist_ok=True)
            self._files.put_file(str(file), aside)
            sync(Path(aside))
            Path(aside).replace(final)
        except _troubles() as error:
            raise self._trouble("written", error) from error

    def _fetch(self, name: str, sha256: str, to: Path, work: _Work[Any]) -> bool:
        if not self._has(name):
            return False
        digest = hashlib.sha256()
        make_folder(to.parent)
        with ExitStack() as undoing:
            undoing.callback(to.unlink, missing_ok=True)
            with to.open("wb") as file:
                for chunk in self._chunks(name):
                    work.moves()
                    digest.update(chunk)
                    file.write(chunk)
            if digest.hexdigest() == sha256:
                undoing.pop_all()
                return True
        return False

    def _chunks(self, name: str) -> Any:
        try:
            with self._files.open(self._path(name), "rb", block_size=_CHUNK) as there:
                while chunk := there.read(_CHUNK):
                    yield chunk
        except _troubles() as error:
            raise self._trouble("read", error) from error

    @property
    def _files(self) -> Any:
        """The file system. Opening some of them is a connection already."""
        with self._opening:
            if self._opened is None:
                fsspec = importlib.import_module("fsspec")
                try:
                    self._opened, self._root = fsspec.core.url_to_fs(self._url, **_client_options(fsspec, self._kind))
                except _troubles() as error:
                    raise self._trouble("opened", error) from error
                if self._kind in _BUCKETS:
                    self._opened.retries = 1  # above those of the client
            return self._opened

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else self._root

    def _trouble(self, done: str, error: BaseException) -> StoreTrouble:
        if isinstance(error, _silences()):
            self._silent_at = time.monotonic()
        return StoreTrouble(
            f"the shared place cannot be {done}: {type(error).__name__}: {self._discreet(str(error))}",
            where=shown(self._url),
            next_step="Is it there, and are its credentials? Nothing is lost: run again then.",
        )

    def _discreet(self, words: str) -> str:
        """What a client says, without what of the address is nobody's business."""
        _, mark, query = self._url.partition("?")
        secret = f"{mark}{query}"
        for form in (secret, quote(secret, safe=""), quote(secret)):
            words = words.replace(form, "") if form else words
        return printable(words)


class _Work(Generic[T]):
    """Work in a thread that nobody waits for when the process is to end: what hangs there cannot be called back."""

    def __init__(self, work: Callable[[_Work[Any]], T]) -> None:
        self.moved_at = time.monotonic()
        self.came: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._work = work
        self._given_up = threading.Event()
        threading.Thread(target=self._do, name="storychain-store", daemon=True).start()

    def give_up(self) -> None:
        """Wait for it no more; it stops where it next moves."""
        self._given_up.set()
        self.came.cancel()

    def moves(self) -> None:
        """A sign of life of the work itself. Raises StoreTrouble where nobody waits for it any more."""
        if self._given_up.is_set():
            raise StoreTrouble("nobody waits for it any more")
        self.moved_at = time.monotonic()

    def _do(self) -> None:
        with self:
            self._hand_over(partial(self.came.set_result, self._work(self)))

    def __enter__(self) -> None:
        """Begin the work, whose errors are those of whoever waits for it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None:
            self._hand_over(partial(self.came.set_exception, error))
        return True

    def _hand_over(self, said: Callable[[], None]) -> None:
        def say() -> None:
            if not self.came.done():
                said()

        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.came.get_loop().call_soon_threadsafe(say)


def shown(url: str) -> str:
    """The address of a place as people may see it: without a query, and without who opens it."""
    return _WHO.sub("", without_query(url))


def segment_name(key: str, sha256: str) -> str:
    """What a segment is called there."""
    return f"segments/{key}-{sha256}.mp4"


def film_name(name: str, sha256: str) -> str:
    """What a film is called there."""
    return f"films/{sha256}/{name}"


def _checked(url: str, kind: str) -> str:
    """The path of a folder; of others it is known once they are open. Raises UsageError where nothing can open it."""
    place = shown(url)
    try:
        fsspec = importlib.import_module("fsspec")
        fsspec.get_filesystem_class(kind)
    except ImportError as error:
        ours = kind in (*_BUCKETS, *_FOLDERS)
        hint = "Install it: pip install 'storychain[store]'" if ours else f"{error}. Or use file:///… or s3://…"
        raise UsageError(f"the store {place} needs a package that is not installed", next_step=hint) from error
    except ValueError as error:
        raise UsageError(f"the store {place} is no such kind of place: {error}") from error
    return str(fsspec.core.url_to_fs(url)[1]) if kind in _FOLDERS else ""


def _client_options(fsspec: Any, kind: str) -> dict[str, Any]:
    """What the client of a place is told beyond what a person has set for it, which counts before ours."""
    if kind not in _BUCKETS:
        return {}
    set_ = [fsspec.config.conf.get(name, {}).get("config_kwargs", {}) for name in _BUCKETS]
    return {"config_kwargs": _CLIENT | {name: value for one in set_ for name, value in dict(one).items()}}


def _troubles() -> tuple[type[BaseException], ...]:
    """What goes wrong with places: the system's errors, and those that clients of places have of their own."""
    return (OSError, EOFError, ValueError, *_named("ftplib", "Error"), *_named("botocore.exceptions", "BotoCoreError"))


def _silences() -> tuple[type[BaseException], ...]:
    """Those of them that say that nobody answers there."""
    names = ("ConnectionError", "HTTPClientError")
    return (TimeoutError, *(one for name in names for one in _named("botocore.exceptions", name)))


def _named(module: str, name: str) -> tuple[type[BaseException], ...]:
    with suppress(ImportError):
        return (getattr(importlib.import_module(module), name),)
    return ()
