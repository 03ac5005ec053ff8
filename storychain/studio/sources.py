"""Where a job's source files come from: the studio's own disk, or a web address. Fetches; does not decode."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx

from storychain.studio.signing import refusal

if TYPE_CHECKING:
    from storychain.studio.shelf import Shelf

MAX_BYTES = 512 * 1024 * 1024
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)


class SourceRefused(Exception):
    """A source that cannot be used; `code` and the message are what the failed job tells."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.code = "INVALID_MEDIA_URL"


async def fetch(shelf: Shelf, field: str, url: str, into: Path) -> Path:
    """A file with the bytes of `url`: one of ours as it lies on disk, another's downloaded to `into`."""
    own = _own(shelf, field, url)
    return own or await _download(field, url, into)


def _own(shelf: Shelf, field: str, url: str) -> Path | None:
    """Our own file. The port is not looked at: an address outlives the run that gave it."""
    parts = urlsplit(url)
    folder, _, name = unquote(parts.path).strip("/").partition("/")
    if parts.hostname not in _LOOPBACK or folder not in {"media", "uploads"}:
        return None
    path = shelf.media / name if folder == "media" else shelf.uploads / name.partition("/")[0]
    known = _is_ours(shelf, folder, name)
    if not known:
        return None
    reason = refusal(shelf.secret, parts.path, dict(parse_qsl(parts.query)), time.time()) if folder == "media" else None
    if reason:
        raise SourceRefused(field, "the address has expired" if reason == "ExpiredToken" else f"403 {reason}")
    if not path.is_file():
        raise SourceRefused(field, "the file is gone" if folder == "media" else "nothing was uploaded there")
    return path


def _is_ours(shelf: Shelf, folder: str, name: str) -> bool:
    if folder == "uploads":
        return shelf.upload(name.partition("/")[0]) is not None
    return "/" not in name and shelf.job(name[:36]) is not None


async def _download(field: str, url: str, into: Path) -> Path:
    headers = {"User-Agent": "storychain-studio"}
    try:
        async with (
            httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=True, max_redirects=5, headers=headers) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise SourceRefused(field, f"could not be fetched ({answer.status_code})")
            await _save(field, answer, into)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceRefused(field, f"could not be reached ({type(error).__name__})") from error
    return into


async def _save(field: str, answer: httpx.Response, into: Path) -> None:
    size = 0
    with into.open("wb") as file:
        async for piece in answer.aiter_bytes():
            size += len(piece)
            if size > MAX_BYTES:
                raise SourceRefused(field, f"is larger than {MAX_BYTES // 1024 // 1024} MiB")
            file.write(piece)
