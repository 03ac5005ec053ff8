"""The door of `POST /v1/aistudio/videos`: checks, accepts, answers, and the faults on the way."""

from __future__ import annotations

import asyncio
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from storychain.studio.asks import Ask, BodyRefused, read_ask
from storychain.studio.records import Job
from storychain.studio.wire import Cut

if TYPE_CHECKING:
    from starlette.requests import Request

    from storychain.studio.studio import Studio

GARBLED = b'{"success":true,"data":{"jobId":"'


async def submit(studio: Studio, request: Request) -> Response:
    """Accept a job, or refuse it; an accepted job is on disk before the answer leaves."""
    studio.counts.plain["submits"] += 1
    due = studio.faults.occasion("submit")
    answer = _fault_before(studio, due) or await _accept_or_refuse(studio, request, due)
    if answer.status_code >= 400 and not isinstance(answer, Cut):
        studio.counts.refused[str(answer.status_code)] += 1
    return answer


def bad_body(fields: list[dict[str, str]]) -> Response:
    """The documented 400."""
    content = {"code": "INVALID_REQUEST_BODY", "message": "Invalid request body.", "fields": fields}
    return JSONResponse(content, status_code=400)


async def json_body(request: Request) -> Any:
    """The request's JSON; raises BodyRefused for anything else."""
    try:
        return await request.json()
    except (ValueError, RecursionError):  # also numbers and nesting beyond what can be read
        raise BodyRefused([{"name": "body", "errors": "must be valid JSON"}]) from None


def says_json(request: Request) -> bool:
    """Whether the request calls its body JSON."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def not_json() -> Response:
    """What a body of another type is answered."""
    return JSONResponse({"message": "Unsupported Media Type: send application/json"}, status_code=415)


async def _accept_or_refuse(studio: Studio, request: Request, due: frozenset[str]) -> Response:
    if not says_json(request):
        return not_json()
    try:
        body = await json_body(request)
        ask = read_ask(body, studio.options.models)
    except BodyRefused as refused:
        return bad_body(refused.fields)
    async with studio.accepting:  # two submits side by side must not both take the last credits
        refusal = _no_room(studio, ask)
        if refusal:
            return refusal
        job = await _accept(studio, ask, body)
    return await _fault_after(studio, due) or JSONResponse({"success": True, "data": {"jobId": job.id}})


async def _accept(studio: Studio, ask: Ask, body: dict[str, Any]) -> Job:
    job = Job(
        id=str(uuid.uuid4()),
        studio=studio.shelf.studio,
        body=body,
        model=ask.model.name,
        aspect_ratio=ask.aspect_ratio,
        seconds=ask.seconds,
        price=_price(ask),
        accepted_at=studio.shelf.moment(),
        faults=studio.faults.for_job(),
    )
    await studio.shelf.keep(job)
    studio.counts.plain["accepted"] += 1
    studio.counts.defaults_used.update(ask.defaults_used)
    studio.counts.dropped_fields.update(ask.dropped)
    studio.floor.take(job)
    return job


def _price(ask: Ask) -> Decimal:
    return ask.model.credits(ask.seconds) or Decimal(0)


def _no_room(studio: Studio, ask: Ask) -> Response | None:
    running = sum(job.status == "in-progress" for job in studio.shelf.jobs())
    if studio.options.jobs_at_once is not None and running >= studio.options.jobs_at_once:
        return JSONResponse({"message": "Too many jobs in progress"}, status_code=429)
    if studio.credits_used() + studio.credits_pending() + _price(ask) > studio.options.credits_limit:
        content = {
            "code": "INSUFFICIENT_CREDITS",
            "message": "Your plan has not enough AI credits left for this video.",
        }
        return JSONResponse(content, status_code=402)
    return None


def _fault_before(studio: Studio, due: frozenset[str]) -> Response | None:
    fire = studio.faults.fire
    if fire(due, "submit.cut"):
        return Cut()
    if fire(due, "submit.429"):
        return JSONResponse({"message": "Too Many Requests"}, status_code=429)
    if fire(due, "submit.429_retry_after"):
        return JSONResponse({"message": "Too Many Requests"}, status_code=429, headers={"Retry-After": "1"})
    if fire(due, "submit.503"):
        return JSONResponse({"message": "Service Unavailable"}, status_code=503)
    if fire(due, "submit.400_words"):
        content = {"code": "CONTENT_POLICY_VIOLATION", "message": "The prompt violates the content policy."}
        return JSONResponse(content, status_code=400)
    return server_error() if fire(due, "submit.500_refused") else None


async def _fault_after(studio: Studio, due: frozenset[str]) -> Response | None:
    fire = studio.faults.fire
    if fire(due, "submit.slow"):
        await asyncio.sleep(studio.options.slow)
    if fire(due, "submit.lost"):
        return Cut()
    if fire(due, "submit.garbled"):
        return Response(GARBLED, media_type="application/json")
    return server_error() if fire(due, "submit.500_accepted") else None


def server_error() -> Response:
    """The documented 500: retry after a brief delay."""
    return JSONResponse({"message": "Internal server error"}, status_code=500)
