"""The object store's side: videos and pictures by signed address, uploads in and out. Answers as such stores do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from storychain.studio.asks import BodyRefused, read_upload
from storychain.studio.jobs_door import origin
from storychain.studio.pictures import media_file
from storychain.studio.signing import refusal, sign
from storychain.studio.submitting import bad_body, json_body, not_json, says_json, server_error
from storychain.studio.wire import HalfSent, Slowly

if TYPE_CHECKING:
    from starlette.requests import Request

    from storychain.studio.records import Upload
    from storychain.studio.studio import Studio

_DAY = 86400
_MAX_UPLOAD = 1024 * 1024 * 1024
_TYPES = {".mp4": "video/mp4", ".png": "image/png", ".jpg": "image/jpeg"}


async def media(studio: Studio, request: Request) -> Response:
    """A job's file, whole or in ranges."""
    name = request.path_params["name"]
    reason = refusal(studio.shelf.secret, f"/media/{name}", dict(request.query_params), time.time())
    if reason:
        return _store_error(403, reason)
    path = await media_file(studio.shelf, name)
    if path is None:
        return _store_error(404, "NoSuchKey")
    file = _File(studio, path, _TYPES.get(path.suffix, "application/octet-stream"))
    if path.suffix != ".mp4":
        studio.counts.plain["pictures"] += 1
        return file
    if request.method == "HEAD":
        return file
    studio.counts.plain["downloads"] += 1
    return _download_fault(studio, path, file) or file


async def upload_address(studio: Studio, request: Request) -> Response:
    """A signed address to PUT a file to, and the public one it will have."""
    studio.counts.plain["upload_urls"] += 1
    if not says_json(request):
        return not_json()
    try:
        body = read_upload(await json_body(request))
    except BodyRefused as refused:
        return bad_body(refused.fields)
    upload = studio.shelf.open_upload(_safe(body.file_name), body.content_type)
    path = f"/uploads/{upload.id}/{upload.file_name}"
    signed = sign(studio.shelf.secret, path, time.time() + _DAY, extra=upload.content_type)
    data = {"signedUrl": origin(request) + signed, "url": origin(request) + path, "key": path.lstrip("/")}
    return JSONResponse({"success": True, "data": data})


async def take_upload(studio: Studio, request: Request) -> Response:
    """Take the bytes of an upload, if they come with exactly the announced type and in time."""
    upload = _upload(studio, request)
    if upload is None:
        return _store_error(404, "NoSuchKey")
    query, content_type = dict(request.query_params), request.headers.get("content-type", "")
    reason = refusal(studio.shelf.secret, request.url.path, query, time.time(), extra=content_type)
    if reason:
        return _store_error(403, reason)
    studio.counts.plain["uploads"] += 1
    if studio.faults.fire(studio.faults.occasion("upload"), "upload.500"):
        return server_error()
    return await _store(request, studio.shelf.upload_bytes(upload))


async def uploaded(studio: Studio, request: Request) -> Response:
    """The bytes of an upload, for anybody."""
    upload = _upload(studio, request)
    if upload is None or not studio.shelf.upload_bytes(upload).is_file():
        return _store_error(404, "NoSuchKey")
    return FileResponse(studio.shelf.upload_bytes(upload), media_type=upload.content_type)


class _File(FileResponse):
    """A file whose sent bytes are counted."""

    def __init__(self, studio: Studio, path: Path, media_type: str) -> None:
        super().__init__(path, media_type=media_type)
        self._counts = studio.counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            self._counts.plain["bytes"] += len(message.get("body", b""))
            await send(message)

        await super().__call__(scope, receive, counted)


def _download_fault(studio: Studio, path: Path, file: Response) -> Response | None:
    due, fire = studio.faults.occasion("download"), studio.faults.fire
    if fire(due, "download.403"):
        return _store_error(403, "ExpiredToken")
    if fire(due, "download.html"):
        return HTMLResponse("<!doctype html><title>Please wait</title><p>We are checking your browser.</p>")
    if fire(due, "download.truncated"):
        whole = path.read_bytes()
        return Response(whole[: len(whole) // 2], media_type="video/mp4")
    if fire(due, "download.cut"):
        return HalfSent(file)
    return Slowly(file, studio.options.slow) if fire(due, "download.slow") else None


async def _store(request: Request, path: Path) -> Response:
    aside, size = path.with_suffix(".part"), 0
    with aside.open("wb") as file:
        async for piece in request.stream():
            size += len(piece)
            if size > _MAX_UPLOAD:
                return _store_error(400, "EntityTooLarge")
            file.write(piece)
    aside.replace(path)
    return Response(status_code=200)


def _upload(studio: Studio, request: Request) -> Upload | None:
    upload = studio.shelf.upload(request.path_params["upload_id"])
    return upload if upload and upload.file_name == request.path_params["name"] else None


def _safe(name: str) -> str:
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in name)
    return kept.lstrip(".") or "file"


def _store_error(status: int, code: str) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return Response(body, status_code=status, media_type="application/xml")
