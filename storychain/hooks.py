"""The receiver of the provider's calls that a job has ended. A call is a hint to look now, and nothing more.

What a call carries is never read, so a forged one can at most make us look a little sooner. Each attempt has an address
of its own, which ends in a token that only this workspace can make; calls of any other address are answered with 404.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from storychain.serving import listening, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from starlette.requests import Request

_KEY_BYTES = 32


class Hooks:
    """Addresses of attempts under a public base address, and which job each call is about.

    `hint` is told the job's id. The key lies in the workspace, so that the next run knows the calls of this one's jobs.
    """

    def __init__(self, base_url: str, key: bytes, hint: Callable[[str], None]) -> None:
        self.base_url = base_url.rstrip("/")
        self._key = key
        self._hint = hint
        self._jobs: dict[str, str] = {}

    def address(self, provider: str, attempt: int) -> str:
        """Where the provider is asked to call when an attempt's job ends."""
        return f"{self.base_url}/{self._token(provider, attempt)}"

    @contextlib.contextmanager
    def expected(self, provider: str, attempt: int, job_id: str) -> Iterator[None]:
        """Calls of this attempt's address are about this job, meanwhile."""
        token = self._token(provider, attempt)
        self._jobs[token] = job_id
        try:
            yield
        finally:
            self._jobs.pop(token, None)

    def called(self, token: str) -> bool:
        """Somebody called the address with this token; whether it is one of ours."""
        job_id = self._jobs.get(token)
        if job_id is not None:
            self._hint(job_id)
        return job_id is not None

    def _token(self, provider: str, attempt: int) -> str:
        return hmac.new(self._key, f"{provider}:{attempt}".encode(), hashlib.sha256).hexdigest()[:32]


def key_of(path: Path) -> bytes:
    """The workspace's key for tokens, made when there is none; for its owner's eyes only. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        aside = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, secrets.token_bytes(_KEY_BYTES))
            os.fsync(descriptor)
            # A link and no rename: of several who begin at once, all use the key of the first.
            os.link(aside, path)
        finally:
            os.close(descriptor)
            aside.unlink()
    return path.read_bytes()


@contextlib.asynccontextmanager
async def receiving(hooks: Hooks, host: str, port: int) -> AsyncIterator[int]:
    """Answer calls in the running event loop, at any path that ends in a token; yields the port.

    Raises UsageError where it cannot listen there.
    """
    advice = "Another run may do so; choose another place with --webhook-listen."
    listener = listening(host, port, who="the receiver of webhooks", next_step=advice)
    async with served(_application(hooks), listener, "webhooks", limit_concurrency=64, timeout_keep_alive=5):
        yield int(listener.getsockname()[1])


def _application(hooks: Hooks) -> Starlette:
    async def called(request: Request) -> Response:
        token = str(request.path_params["path"]).rpartition("/")[2]
        return Response(status_code=204 if hooks.called(token) else 404)

    return Starlette(routes=[Route("/{path:path}", called, methods=["GET", "POST", "PUT"])])
