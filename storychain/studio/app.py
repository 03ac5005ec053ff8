"""The studio's routes, and the guard in front of the API's. Knows which door is where, and nothing of what they do."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from storychain.studio import console, delivery, jobs_door, submitting

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from storychain.studio.studio import Studio

Door = Callable[["Studio", Request], Awaitable[Response]]
PREFIX = "/pictoryapis"

_API: tuple[tuple[str, str, Door], ...] = (
    ("POST", "/v1/aistudio/videos", submitting.submit),
    ("GET", "/v1/jobs", jobs_door.list_jobs),
    ("GET", "/v1/jobs/{job_id}", jobs_door.poll),
    ("DELETE", "/v1/jobs/{job_id}/clean", jobs_door.clean),
    ("POST", "/v1/media/generateurl", delivery.upload_address),
    ("GET", "/v1/quota", jobs_door.quota),
    ("GET", "/v1/aicredits/usage", jobs_door.usage),
)
_OPEN: tuple[tuple[str, str, Door], ...] = (
    ("GET", "/media/{name}", delivery.media),
    ("PUT", "/uploads/{upload_id}/{name}", delivery.take_upload),
    ("GET", "/uploads/{upload_id}/{name}", delivery.uploaded),
    ("GET", "/studio/counts", console.counts),
    ("GET", "/studio/jobs", console.jobs),
    ("POST", "/studio/faults", console.set_faults),
)


_KEY = re.compile(r"pictai_\S+")
"""The raw key, without a scheme before it."""

_DEFAULT_AGENTS = (
    *("python-urllib", "python-requests", "python-httpx", "python/"),  # the last is aiohttp's
    *("go-http-client", "curl/", "node-fetch"),
)
"""How clients call themselves that nobody has given a name; the filter lets none of them through."""


def application(studio: Studio) -> ASGIApp:
    """The studio as an ASGI application; the API's doors at both prefixes."""
    guarded = [
        Route(prefix + path, _endpoint(studio, door, guard=True), methods=[method])
        for prefix in (PREFIX, "")
        for method, path, door in _API
    ]
    free = [Route(path, _endpoint(studio, door, guard=False), methods=[method]) for method, path, door in _OPEN]
    doors = Starlette(routes=guarded + free)

    async def called(scope: Scope, receive: Receive, send: Send) -> None:
        """A target may come as a whole address, as to a proxy (RFC 9112, 3.2.2)."""
        if scope["type"] == "http" and "://" in scope["path"]:
            scope = {**scope, "path": urlsplit(scope["path"]).path or "/"}
        await doors(scope, receive, send)

    return called


def _endpoint(studio: Studio, door: Door, *, guard: bool) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        turned_away = _turned_away(studio, request) if guard else None
        return turned_away or await door(studio, request)

    return endpoint


def _turned_away(studio: Studio, request: Request) -> Response | None:
    """The bot filter and the key, in the order in which they stand before the API."""
    agent = request.headers.get("user-agent", "").lower()
    if not agent or agent.startswith(_DEFAULT_AGENTS):
        studio.counts.refused["403"] += 1
        return PlainTextResponse("error code: 1010", status_code=403)
    key = request.headers.get("authorization", "")
    wrong = studio.options.key is not None and key != studio.options.key
    if not _KEY.fullmatch(key) or wrong:
        studio.counts.refused["401"] += 1
        return JSONResponse({"message": "Unauthorized"}, status_code=401)
    return None
