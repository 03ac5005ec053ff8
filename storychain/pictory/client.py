"""Pictory's AI Studio as a Provider: one method an endpoint, every body explicit, nothing decided."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

import httpx

from storychain.pictory.answers import job_of, json_of, page_of, quota_of, upload_of, usage_of
from storychain.pictory.download import download
from storychain.pictory.refusals import Passing, read_error, retry_after, submission
from storychain.pictory.transport import NEVER_SENT, Patience, answer_of, api_client, file_client, patiently, send, told
from storychain.provider import AnswerLost, Job, JobPage, Quota, SegmentRequest, Submission, Transaction, TurnedAway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_CHUNK = 1 << 20

T = TypeVar("T")


class Pictory:
    """The API at `base_url`, spoken to with `key`. An async context manager; leaving it closes its connections."""

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        name: str = "pictory",
        free: bool = False,
        patience: Patience | None = None,
    ) -> None:
        self.name = name
        self.free = free
        self._patience = patience or Patience()
        self._api = api_client(base_url, key)
        self._files = file_client()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.aclose()
        await self._files.aclose()

    async def submit(self, request: SegmentRequest) -> Submission:
        """POST /v1/aistudio/videos, once. See Provider."""
        try:
            response = await self._api.post("/v1/aistudio/videos", json=_body(request))
        except NEVER_SENT as error:
            return TurnedAway(f"the API could not be reached: {told(error)}")
        except httpx.HTTPError as error:
            return AnswerLost(f"the answer was lost: {told(error)}")
        return submission(response.status_code, response.content, retry_after(response.headers, time.time()))

    async def job(self, job_id: str) -> Job:
        """GET /v1/jobs/{id}."""

        async def ask() -> Job:
            response = await send(self._api, "GET", f"/v1/jobs/{quote(job_id, safe='')}")
            return _job(response, job_id)

        return await patiently(self._patience, ask)

    async def jobs(self, page: str | None = None) -> JobPage:
        """GET /v1/jobs."""
        return await self._read("/v1/jobs", page_of, {"nextPageKey": page} if page else {})

    async def clean(self, job_id: str) -> None:
        """DELETE /v1/jobs/{id}/clean."""

        async def ask() -> None:
            response = await send(self._api, "DELETE", f"/v1/jobs/{quote(job_id, safe='')}/clean")
            if not response.is_success:
                wait = retry_after(response.headers, time.time())
                raise read_error(response.status_code, response.content, wait)

        await patiently(self._patience, ask)

    async def upload(self, file: Path, content_type: str) -> str:
        """POST /v1/media/generateurl, then PUT the bytes with exactly that Content-Type. See Provider."""
        body = {"fileName": file.name, "contentType": content_type}

        async def ask() -> str:
            response = await send(self._api, "POST", "/v1/media/generateurl", json=body)
            signed, public = answer_of(response, upload_of)
            headers = {"Content-Type": content_type, "Content-Length": str(file.stat().st_size)}
            put = await send(self._files, "PUT", signed, content=_bytes_of(file), headers=headers)
            if not put.is_success:
                raise Passing(f"the upload was answered with {put.status_code}")
            return public

        return await patiently(self._patience, ask)

    async def quota(self) -> Quota:
        """GET /v1/quota."""
        return await self._read("/v1/quota", quota_of, {})

    async def usage(self, year: int | None = None, month: int | None = None) -> tuple[Transaction, ...]:
        """GET /v1/aicredits/usage."""
        asked = {"year": year, "month": month}
        return await self._read(
            "/v1/aicredits/usage", usage_of, {name: str(value) for name, value in asked.items() if value is not None}
        )

    async def alive(self, url: str) -> bool:
        """Whether `url` still gives its file. A signature covers the method, so this is a GET of one byte."""
        try:
            async with self._files.stream("GET", url, headers={"Range": "bytes=0-0"}) as response:
                return response.is_success
        except (httpx.HTTPError, httpx.InvalidURL):
            return False

    async def download(self, url: str, part: Path, on_bytes: Callable[[int, int | None], None]) -> str:
        """See Provider."""
        return await download(self._files, url, part, self._patience, on_bytes)

    async def _read(self, path: str, read: Callable[[Any], T], params: dict[str, str]) -> T:
        async def ask() -> T:
            return answer_of(await send(self._api, "GET", path, params=params), read)

        return await patiently(self._patience, ask)


def _body(request: SegmentRequest) -> dict[str, Any]:
    """The documented fields, each explicit: the server drops what it does not know and fills in what is missing."""
    body: dict[str, Any] = {
        "prompt": request.prompt,
        "model": request.model,
        "aspectRatio": request.aspect_ratio,
        "duration": f"{request.seconds}s",
    }
    if request.extend_video_url:
        body["extendVideoUrl"] = request.extend_video_url
    if request.first_frame_image_url:
        body["firstFrameImageUrl"] = request.first_frame_image_url
    if request.reference_image_urls:
        body["referenceImageUrls"] = list(request.reference_image_urls)
    if request.webhook:
        body["webhook"] = request.webhook
    return body


def _job(response: httpx.Response, job_id: str) -> Job:
    """Read a job's answer. A job that is not found may come with any status; its body says so."""
    if response.is_success:
        return answer_of(response, lambda answer: job_of(answer, job_id))
    try:
        job = job_of(json_of(response.content), job_id)
    except ValueError:
        job = None
    if job is not None and job.state in ("not_found", "failed"):
        return job
    raise read_error(response.status_code, response.content, retry_after(response.headers, time.time()))


async def _bytes_of(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            yield chunk
