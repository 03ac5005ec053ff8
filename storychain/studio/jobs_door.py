"""The doors of jobs: poll, list, clean; and of the account: quota, usage."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from storychain.studio.answers import JOB_NOT_FOUND, bare_item, job_answer, list_item, mute_item, number, transaction
from storychain.studio.records import ENDED, Job
from storychain.studio.submitting import GARBLED, bad_body, server_error
from storychain.studio.wire import Cut

if TYPE_CHECKING:
    from starlette.requests import Request

    from storychain.studio.studio import Studio

_LAG = 2
_DIGITS = 4
"""Of a year or month."""


def origin(request: Request) -> str:
    """`http://host:port` as the client called it: result addresses must work from where it stands."""
    return f"{request.url.scheme}://{request.url.netloc}"


async def poll(studio: Studio, request: Request) -> Response:
    """One job's state."""
    job_id = request.path_params["job_id"]
    studio.counts.plain["polls"] += 1
    studio.counts.polls_by_job[job_id] += 1
    fault = _poll_fault(studio)
    if fault:
        return fault
    job = studio.shelf.job(job_id)
    if job is None:
        return JSONResponse(JOB_NOT_FOUND, status_code=404)
    return JSONResponse(job_answer(job, studio.floor.progress(job), studio.address(origin(request))))


async def list_jobs(studio: Studio, request: Request) -> Response:
    """A page of jobs, newest first."""
    studio.counts.plain["lists"] += 1
    due = studio.faults.occasion("list")
    if studio.faults.fire(due, "list.500"):
        return server_error()
    try:
        before = _read_key(request.query_params.get("nextPageKey"))
    except ValueError:
        return bad_body([{"name": "nextPageKey", "errors": "is not a page key of ours"}])
    jobs = [job for job in studio.shelf.jobs() if _place(job) < before and not _lags(studio, job)]
    page = jobs[: studio.options.page_size]
    address = studio.address(origin(request))
    if studio.faults.fire(due, "list.mute"):
        items = [mute_item(job) for job in page]
    elif studio.faults.fire(due, "list.stale"):
        items = [bare_item(replace(job, status="in-progress")) for job in page]
    elif studio.faults.fire(due, "list.bare"):
        items = [bare_item(job) for job in page]
    else:
        items = [list_item(job, studio.floor.progress(job), address) for job in page]
    return JSONResponse({"items": items, "nextPageKey": _key(page[-1]) if len(jobs) > len(page) else None})


async def clean(studio: Studio, request: Request) -> Response:
    """Remove an ended job's files; may be repeated."""
    studio.counts.plain["cleans"] += 1
    job = studio.shelf.job(request.path_params["job_id"])
    if job is None:
        return JSONResponse(JOB_NOT_FOUND, status_code=404)
    if job.status not in ENDED:
        return JSONResponse({"code": "JOB_IN_PROGRESS", "message": "Only ended jobs can be cleaned."}, status_code=409)
    await studio.shelf.change(job, status="cleaned")
    studio.shelf.media_of(job.id).remove()
    return JSONResponse({"success": True})


async def quota(studio: Studio, request: Request) -> Response:  # noqa: ARG001
    """What the account has used and may use."""
    studio.counts.plain["quotas"] += 1
    credits_ = {"used": number(studio.credits_used()), "limit": number(studio.options.credits_limit)}
    return JSONResponse({"videoMinutes": {"used": 0, "limit": 600}, "aiCredits": credits_})


async def usage(studio: Studio, request: Request) -> Response:
    """The account's debits, newest first, of one year or month if asked for."""
    studio.counts.plain["usages"] += 1
    wanted = {name: request.query_params[name] for name in ("year", "month") if name in request.query_params}
    wrong = [name for name, value in wanted.items() if not (value.isdecimal() and len(value) <= _DIGITS)]
    if wrong:
        return bad_body([{"name": name, "errors": f"must be a number of {_DIGITS} digits at most"} for name in wrong])
    debits = [job for job in studio.shelf.jobs() if job.credits and _within(job, wanted)]
    debits.sort(key=lambda job: -(job.ended_at or 0))
    return JSONResponse([transaction(job) for job in debits])


def _poll_fault(studio: Studio) -> Response | None:
    due, fire = studio.faults.occasion("poll"), studio.faults.fire
    if fire(due, "poll.cut"):
        return Cut()
    if fire(due, "poll.500"):
        return server_error()
    if fire(due, "poll.429"):
        return JSONResponse({"message": "Too Many Requests"}, status_code=429)
    return Response(GARBLED, media_type="application/json") if fire(due, "poll.garbled") else None


def _lags(studio: Studio, job: Job) -> bool:
    """Whether this list must not show the job yet."""
    if "list.lag" not in job.faults or studio.lists_without[job.id] >= _LAG:
        return False
    studio.lists_without[job.id] += 1
    return studio.faults.fire(job.faults, "list.lag")


def _within(job: Job, wanted: dict[str, str]) -> bool:
    when = datetime.fromtimestamp(job.ended_at or 0, UTC)
    return all(getattr(when, name) == int(value) for name, value in wanted.items())


def _place(job: Job) -> tuple[float, str]:
    """Where a job stands in the list: the later, the nearer to its head."""
    return job.accepted_at, job.id


def _key(job: Job) -> str:
    return base64.b64encode(json.dumps({"before": _place(job)}).encode()).decode()


def _read_key(key: str | None) -> tuple[float, str]:
    if not key:
        return float("inf"), ""
    try:
        moment, job_id = json.loads(base64.b64decode(key, validate=True))["before"]
        return float(moment), str(job_id)
    except (binascii.Error, KeyError, TypeError, RecursionError) as error:
        raise ValueError(key) from error
