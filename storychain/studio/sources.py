"""Where a job's source files come from: the studio's own disk, or a web address. Fetches; does not decode."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import httpx

from storychain.studio.pictures import media_file
from storychain.studio.signing import refusal

if TYPE_CHECKING:
    from storychain.studio.shelf import Shelf

MAX_BYTES = 512 * 1024 * 1024
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_LAST_PORT = 65_535
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)


class SourceRefused(Exception):
    """A source that cannot be used; `code` and the message are what the failed job tells."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.code = "INVALID_MEDIA_URL"


async def fetch(shelf: Shelf, field: str, url: str, into: Path) -> Path:
    """A file with the bytes of `url`: one of ours as it lies on disk, another's downloaded to `into`."""
    parts = urlsplit(url)
    folder, _, name = unquote(parts.path).strip("/").partition("/")
    # The port is not looked at: an address of ours outlives the run that gave it.
    if parts.hostname in _LOOPBACK and folder == "media" and shelf.job(name[:36]):
        return await _own_media(shelf, field, parts, name)
    if parts.hostname in _LOOPBACK and folder == "uploads" and (upload := shelf.upload(name.partition("/")[0])):
        return _there(field, shelf.upload_bytes(upload), "nothing was uploaded there")
    return await _download(field, url, into)


async def _own_media(shelf: Shelf, field: str, parts: SplitResult, name: str) -> Path:
    reason = refusal(shelf.secret, parts.path, dict(parse_qsl(parts.query)), time.time())
    if reason:
        raise SourceRefused(field, "the address has expired" if reason == "ExpiredToken" else f"403 {reason}")
    return _there(field, await media_file(shelf, name), "the file is gone")


def _there(field: str, path: Path | None, otherwise: str) -> Path:
    if path is None or not path.is_file():
        raise SourceRefused(field, otherwise)
    return path


async def _download(field: str, url: str, into: Path) -> Path:
    headers = {"User-Agent": "storychain-studio"}
    try:
        async with (
            httpx.AsyncClient(
                timeout=_TIMEOUT,
                follow_redirects=True,
                max_redirects=5,
                headers=headers,
                event_hooks={"request": [_check_port]},
            ) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise SourceRefused(field, f"could not be fetched ({answer.status_code})")
            await _save(field, answer, into)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceRefused(field, f"could not be reached ({type(error).__name__})") from error
    return into


async def _check_port(request: httpx.Request) -> None:
    """Refuse, wherever a redirect leads, ports that sockets know only as a programming error."""
    if (request.url.port or 0) > _LAST_PORT:
        raise httpx.InvalidURL("no such port")


async def _save(field: str, answer: httpx.Response, into: Path) -> None:
    size = 0
    with into.open("wb") as file:
        async for piece in answer.aiter_bytes():
            size += len(piece)
            if size > MAX_BYTES:
                raise SourceRefused(field, f"is larger than {MAX_BYTES // 1024 // 1024} MiB")
            file.write(piece)
