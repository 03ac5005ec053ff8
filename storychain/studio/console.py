"""The studio's own doors, for tests and rehearsals: counts, jobs as they were asked for, setting faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from storychain.errors import UsageError
from storychain.studio.answers import number
from storychain.studio.asks import BodyRefused
from storychain.studio.submitting import bad_body, json_body

if TYPE_CHECKING:
    from starlette.requests import Request

    from storychain.studio.studio import Studio


def counts_of(studio: Studio) -> dict[str, Any]:
    """Every count, with the credits debited so far and the faults that fired."""
    fired = {name: times for name, times in studio.faults.fired.items() if times}
    debited = number(studio.credits_used())
    return studio.counts.as_json() | {"credits_debited": debited, "faults": fired}


async def counts(studio: Studio, request: Request) -> Response:  # noqa: ARG001
    """The counts."""
    return JSONResponse(counts_of(studio))


async def jobs(studio: Studio, request: Request) -> Response:  # noqa: ARG001
    """Every job as it is on disk, newest first, with its whole request body."""
    return JSONResponse([job.to_json() for job in studio.shelf.jobs()])


async def set_faults(studio: Studio, request: Request) -> Response:
    """Replace the faults by those of the body, `{"submit.lost": "@1"}`."""
    try:
        body = await json_body(request)
        studio.faults.set(dict(body))
    except BodyRefused as refused:
        return bad_body(refused.fields)
    except (UsageError, TypeError, ValueError) as error:
        return bad_body([{"name": "faults", "errors": str(error)}])
    return JSONResponse({"success": True})
