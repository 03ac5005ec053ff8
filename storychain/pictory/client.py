"""Pictory's AI Studio as a Provider: one method an endpoint, every body explicit, nothing decided."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

from storychain.pictory.answers import failure_of, job_of, json_of, page_of, quota_of, upload_of, usage_of
from storychain.pictory.download import LARGEST, download, is_page
from storychain.pictory.gate import Holding
from storychain.pictory.refusals import Passing, read_error, submission
from storychain.pictory.transport import (
    AT_ONCE,
    NEVER_SENT,
    NO_ADDRESS,
    TROUBLE,
    Answer,
    Patience,
    TooLate,
    Wire,
    answer_of,
    file_clients,
    patiently,
    told,
)
from storychain.provider import (
    AnswerLost,
    Job,
    JobPage,
    Quota,
    RequestRefused,
    SegmentRequest,
    Submission,
    Transaction,
    TurnedAway,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx

    from storychain.pictory.gate import Gate

_CHUNK = 1 << 20

_EMPTY_PAGES = 50
"""Pages without a job skipped in a row: lists that are filtered after paging have such pages between full ones."""

T = TypeVar("T")


class Pictory:
    """The API at `base_url`, spoken to with `key`. An async context manager; leaving it closes its connections.

    `largest` is the most bytes a downloaded file may have. Requests travel over `transport` where one is given, else
    over the network; `gate` says when each request to the API may be sent. `held` hears why, and for how many seconds,
    requests wait for long.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        name: str = "pictory",
        free: bool = False,
        patience: Patience | None = None,
        largest: int = LARGEST,
        transport: httpx.AsyncBaseTransport | None = None,
        gate: Gate | None = None,
        held: Callable[[str, float], None] | None = None,
    ) -> None:
        self.name = name
        self._largest = largest
        self.free = free
        self._patience = patience or Patience()
        self._holding = Holding(held)
        self._api = Wire(base_url, key, self._patience, transport, gate, self._holding)
        self._files = file_clients(self._patience, transport)
        self._downloads = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.close()
        await self._files.close()

    async def turn(self) -> None:
        """See Provider."""
        await self._api.turn()

    async def submit(self, request: SegmentRequest) -> Submission:
        """POST /v1/aistudio/videos, once. See Provider."""
        content = _encoded(_body(request))
        try:
            answer = await self._api.ask(
                "POST",
                "/v1/aistudio/videos",
                request.in_time,
                content=content,
                headers={"Content-Type": "application/json"},
            )
        except TooLate:
            return TurnedAway("it was not sent: too much time had gone by since it was admitted")
        except NEVER_SENT as error:
            return TurnedAway(f"the API could not be reached: {told(error)}")
        except (*TROUBLE, OSError) as error:
            return AnswerLost(f"the answer was lost: {told(error)}")
        return submission(answer.status, answer.body, answer.wait)

    async def job(self, job_id: str) -> Job:
        """GET /v1/jobs/{id}. Of a free provider's job the credits are none, whatever it says of them."""

        async def ask() -> Job:
            return _job(await self._api.read("GET", f"/v1/jobs/{quote(job_id, safe='')}"), job_id)

        return self._priced(await patiently(self._patience, ask, self._holding))

    def _priced(self, job: Job) -> Job:
        return replace(job, credits=Decimal(0)) if self.free else job

    async def jobs(self, page: str | None = None) -> JobPage:
        """GET /v1/jobs. A page without a job is skipped while there are more: it says nothing about the list."""
        for _ in range(_EMPTY_PAGES):
            got = await self._read("/v1/jobs", page_of, {"nextPageKey": page} if page else {})
            if got.jobs or not got.next_page:
                return replace(got, jobs=tuple(map(self._priced, got.jobs)))
            page = got.next_page
        raise Passing("the job list goes on and on without a job")

    async def clean(self, job_id: str) -> None:
        """DELETE /v1/jobs/{id}/clean."""

        async def ask() -> None:
            answer = await self._api.read("DELETE", f"/v1/jobs/{quote(job_id, safe='')}/clean")
            if not answer.is_success:
                raise read_error(answer.asked, answer.status, answer.body, answer.wait)

        await patiently(self._patience, ask, self._holding)

    async def upload(self, file: Path, content_type: str) -> str:
        """POST /v1/media/generateurl, then PUT the bytes with exactly that Content-Type. See Provider."""
        body = {"fileName": file.name, "contentType": content_type}

        async def ask() -> str:
            answer = await self._api.read("POST", "/v1/media/generateurl", json=body)
            signed, public = answer_of(answer, upload_of)
            await self._put(file, content_type, signed)
            return public

        return await patiently(self._patience, ask, self._holding)

    async def _put(self, file: Path, content_type: str, signed: str) -> None:
        # No redirect is followed: many kinds would turn the PUT into a GET, whose success means nothing.
        headers = {"Content-Type": content_type, "Content-Length": str(file.stat().st_size)}
        try:
            async with (
                asyncio.timeout(self._patience.transfer),
                self._files.one() as files,
                files.stream(
                    "PUT", signed, content=_bytes_of(file), headers=headers, follow_redirects=False
                ) as response,
            ):
                if not response.is_success:
                    raise Passing(f"the upload was answered with {response.status_code}")
        except NO_ADDRESS as error:
            raise Passing("the API gave an address that is none") from error
        except TROUBLE as error:
            raise Passing(f"the upload was cut off: {told(error)}") from error

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
            async with (
                asyncio.timeout(self._patience.whole),
                self._files.one() as files,
                files.stream("GET", url, headers={"Range": "bytes=0-0"}) as response,
            ):
                return response.is_success and not is_page(response)
        except (*TROUBLE, *NO_ADDRESS):
            return False

    async def download(self, url: str, part: Path, on_bytes: Callable[[int, int | None], None]) -> str:
        """See Provider."""
        async with self._downloads, self._files.one() as files:
            return await download(files, url, part, self._patience, on_bytes, largest=self._largest)

    async def _read(self, path: str, read: Callable[[Any], T], params: dict[str, str]) -> T:
        async def ask() -> T:
            return answer_of(await self._api.read("GET", path, params=params), read)

        return await patiently(self._patience, ask, self._holding)


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


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise RequestRefused(
            "the request holds half a character (a lone surrogate), which cannot be sent",
            fields=["prompt"],
            next_step="Nothing was bought. Write the prompt anew and run again.",
        ) from error


def _job(answer: Answer, job_id: str) -> Job:
    """Read a job's answer. A job that is not found may come with any status; its body says so."""
    if answer.is_success:
        return answer_of(answer, lambda said: job_of(said, job_id))
    try:
        job = failure_of(json_of(answer.body), job_id, server_trouble=answer.status >= 500)
    except ValueError:
        job = None
    if job is not None:
        return job
    raise read_error(answer.asked, answer.status, answer.body, answer.wait)


async def _bytes_of(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            yield chunk
