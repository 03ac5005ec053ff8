"""Bringing a file home: streamed, resumed after a cut, its size held against what was announced, hashed on the way."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import httpx

from storychain.errors import MediaError
from storychain.pictory.refusals import Passing, retry_after
from storychain.pictory.transport import NO_ADDRESS, TROUBLE, Patience, patiently, told
from storychain.printable import without_query
from storychain.provider import AddressGone
from storychain.syncing import make_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LARGEST = 8 << 30
"""Bytes; far above any segment, far below a disk filled by a mistake."""

_WRITTEN_AT_ONCE = 256 << 10
"""Bytes that are handed to a thread to be written: handing them over piece by piece takes longer than writing them."""


class _Clock:
    """Ends a download that takes too long in all, or that drips: a byte now and then is no progress."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._ends = time.monotonic() + patience.transfer
        self._span_began = time.monotonic()
        self._span_bytes = 0

    def tick(self, size: int) -> None:
        """Count `size` bytes that have arrived. Raises Passing where they are too few for the time they took."""
        now = time.monotonic()
        self._span_bytes += size
        passed = now - self._span_began
        if now > self._ends or (passed > self._patience.silence and self._span_bytes < self._patience.floor * passed):
            raise Passing(f"the download is too slow: {self._span_bytes} bytes in the last {passed:.0f} s")
        if passed > self._patience.silence:
            self._span_began, self._span_bytes = now, 0


@dataclass(slots=True)
class _Arrival:
    """What has arrived so far, and how to recognise the same file when asking for the rest.

    `size` bytes are written of the `come` bytes that have come. The file at `part` is made, or emptied, with the first
    of them, in the thread that writes: a disk may take longer for that than for the bytes.
    """

    part: Path
    largest: int
    on_bytes: Callable[[int, int | None], None]
    validator: str | None = None
    total: int | None = None
    encoded: bool = False
    size: int = 0
    come: int = 0
    file: BinaryIO | None = None
    closed: bool = False
    waiting: list[bytes] = field(default_factory=list)
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def restart(self) -> None:
        if self.file is not None:
            self.file.seek(0)
            self.file.truncate()
        self.size, self.digest, self.total, self.validator = 0, hashlib.sha256(), None, None
        self.encoded, self.come, self.waiting = False, 0, []

    def take(self, piece: bytes) -> None:
        """Take a piece that is to be written, with those that come after it."""
        self.waiting.append(piece)
        self.come += len(piece)

    def write(self) -> None:
        """Write what waits; nothing any more where nobody waits for it: the file may be another's by then."""
        pieces, self.waiting = self.waiting, []
        if not pieces:
            return
        file = self.file or self._made()
        if self.closed:
            file.close()
            return
        for piece in pieces:
            file.write(piece)
            self.digest.update(piece)
            self.size += len(piece)

    def _made(self) -> BinaryIO:
        try:
            file = self.part.open("ab")
        except FileNotFoundError:
            make_folder(self.part.parent)
            file = self.part.open("ab")
        self.file = file
        if not self.closed:  # looked at only now: a disk that hangs may have taken long to open it
            file.truncate(0)
        return file

    def close(self) -> None:
        """Hand the last bytes to the system. Raises OSError."""
        self.closed = True
        if self.file is not None:
            self.file.close()


async def download(
    client: httpx.AsyncClient,
    url: str,
    part: Path,
    patience: Patience,
    on_bytes: Callable[[int, int | None], None],
    *,
    largest: int = LARGEST,
) -> str:
    """Fetch `url` into `part` and return the sha256 in hex.

    Raises AddressGone (expired, removed, not an address), MediaError (more than `largest` bytes), ProviderUnreachable
    (no patience left), OSError (disk).
    """
    with closing(_Arrival(part, largest, on_bytes)) as arrival:
        await patiently(patience, lambda: _fetch_rest(client, url, arrival, patience))
    return arrival.digest.hexdigest()


async def _fetch_rest(client: httpx.AsyncClient, url: str, arrival: _Arrival, patience: Patience) -> None:
    try:
        async with (
            asyncio.timeout(patience.whole) as until_it_begins,
            client.stream("GET", url, headers=_asking_for_the_rest(arrival)) as response,
        ):
            until_it_begins.reschedule(None)
            _begin(response, arrival, url)
            await _take_in(response, arrival, url, _Clock(patience))
    except (*NO_ADDRESS, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
        raise AddressGone(
            f"the address cannot be followed ({type(error).__name__})", where=without_query(url)
        ) from error
    except TROUBLE as error:
        raise Passing(f"the download was cut off after {arrival.size} bytes: {told(error)}") from error
    if arrival.total is not None and arrival.size != arrival.total:
        size, total = arrival.size, arrival.total
        if size > total:
            arrival.restart()
        raise Passing(f"the download ended after {size} of {total} bytes")
    if not arrival.size:
        raise Passing("the download was empty")


def _asking_for_the_rest(arrival: _Arrival) -> dict[str, str]:
    if not arrival.size or arrival.encoded:
        return {}
    headers = {"Range": f"bytes={arrival.size}-"}
    if arrival.validator:
        headers["If-Range"] = arrival.validator
    return headers


async def _take_in(response: httpx.Response, arrival: _Arrival, url: str, clock: _Clock) -> None:
    """Write what comes, some pieces at once: what a cut leaves behind need not be sent again.

    The clock is looked at between pieces; cancelling them while they are written would let the count go wrong.
    """
    try:
        async for piece in response.aiter_bytes():
            arrival.take(piece)
            arrival.on_bytes(arrival.come, arrival.total)
            _check_size(arrival.come, arrival, url)
            if arrival.come - arrival.size >= _WRITTEN_AT_ONCE:
                await asyncio.to_thread(arrival.write)
            if arrival.come != arrival.total:
                clock.tick(len(piece))
    except (*TROUBLE, Passing):
        await asyncio.to_thread(arrival.write)
        raise
    await asyncio.to_thread(arrival.write)


def _check_size(size: int, arrival: _Arrival, url: str) -> None:
    if size > arrival.largest:
        raise MediaError(f"the file is larger than {arrival.largest / 1e6:,.0f} MB", where=without_query(url))


def _begin(response: httpx.Response, arrival: _Arrival, url: str) -> None:
    """Check what is being sent, and whether it continues what has arrived."""
    status = response.status_code
    if status in (400, 401, 403, 404, 410):
        raise AddressGone(f"the address no longer gives its file ({status})", where=without_query(url))
    span = _span(response)
    if status == 416 or (status == 206 and not _continues(span, arrival)):
        arrival.restart()
        raise Passing("the rest of the file could not be had; starting anew")
    if status not in (200, 206):
        raise Passing(f"the download was answered with {status}", retry_after(response.headers, time.time()))
    if is_page(response):
        raise Passing("a page came instead of the file")
    if status == 200:
        arrival.restart()
    arrival.encoded = response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")
    arrival.total = None if arrival.encoded else (span and span[1]) or _announced(response, arrival.size)
    _check_size(arrival.total or 0, arrival, url)
    told_now = _strong(response.headers.get("etag")) or response.headers.get("last-modified")
    arrival.validator = told_now or arrival.validator


def is_page(response: httpx.Response) -> bool:
    """Whether words came where a file should be: servers say 'expired' with 200, too."""
    return bool(response.headers.get("content-type", "").lower().startswith(("text/html", "application/json")))


def _announced(response: httpx.Response, before: int) -> int | None:
    length = response.headers.get("content-length", "")
    return before + int(length) if re.fullmatch(r"\d{1,18}", length) else None


def _span(response: httpx.Response) -> tuple[int, int | None] | None:
    """Where a partial answer begins, and the size of the whole file where it is told."""
    if response.status_code != 206:
        return None
    found = re.match(r"bytes (\d{1,18})-\d{1,18}/(?:(\d{1,18})|\*)", response.headers.get("content-range", ""))
    return (int(found[1]), int(found[2]) if found[2] else None) if found else None


def _continues(span: tuple[int, int | None] | None, arrival: _Arrival) -> bool:
    """Whether a partial answer is the rest of what has arrived: it begins there, and the file is as large as before."""
    if span is None or arrival.encoded or span[0] != arrival.size:
        return False
    return None in (span[1], arrival.total) or span[1] == arrival.total


def _strong(etag: str | None) -> str | None:
    """Only a strong validator may be used to ask for the rest of a file (RFC 9110, 13.1.5)."""
    return None if etag is None or etag.startswith("W/") else etag
