"""Requests on the wire: clients with every timeout named, reads repeated by count and clock, paid requests never."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, stop_after_delay
from tenacity.wait import wait_random_exponential

from storychain import __version__
from storychain.errors import UsageError
from storychain.pictory.answers import json_of
from storychain.pictory.refusals import Passing, read_error, retry_after

USER_AGENT = f"storychain/{__version__}"
"""Never a library's own: a bot filter in front of the API turns those away."""

TIMEOUT = httpx.Timeout(connect=10, read=45, write=45, pool=45)
"""Seconds without any progress, each."""

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Failures before the first byte of a request left: there was no connection to send it over."""

# httpx logs whole addresses, signatures included.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long (seconds) a read is repeated; waits grow from `first` to `most`, with jitter."""

    attempts: int = 6
    seconds: float = 120.0
    first: float = 0.5
    most: float = 20.0


async def patiently(patience: Patience, ask: Callable[[], Awaitable[T]]) -> T:
    """Await `ask` until it raises no Passing, or patience runs out; then its last error is raised."""
    grow = wait_random_exponential(multiplier=patience.first, max=patience.most)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, Passing) else None
        return asked if asked is not None else grow(state)

    retrying = AsyncRetrying(
        stop=stop_after_attempt(patience.attempts) | stop_after_delay(patience.seconds),
        wait=wait,
        retry=retry_if_exception_type(Passing),
        reraise=True,
    )

    async def attempt() -> T:
        return await ask()

    return await retrying(attempt)


def api_client(base_url: str, key: str) -> httpx.AsyncClient:
    """A client for the API itself. It follows no redirect: a redirected POST would be another POST."""
    try:
        return httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": key, "User-Agent": USER_AGENT, "Accept": "application/json"},
            timeout=TIMEOUT,
        )
    except httpx.InvalidURL as error:
        raise UsageError(f"PICTORY_API_BASE_URL is not an address: {error}") from error


def file_client() -> httpx.AsyncClient:
    """A client for files, which live elsewhere: it carries no key and follows few redirects."""
    return httpx.AsyncClient(
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        timeout=TIMEOUT,
        follow_redirects=True,
        max_redirects=3,
    )


async def send(client: httpx.AsyncClient, method: str, url: str, **options: Any) -> httpx.Response:
    """Send one request that may be repeated; trouble on the way is Passing."""
    try:
        return await client.request(method, url, **options)
    except httpx.InvalidURL as error:
        raise Passing("the API gave an address that is none") from error
    except httpx.HTTPError as error:
        raise Passing(f"the API could not be reached: {told(error)}") from error


def told(error: httpx.HTTPError | httpx.InvalidURL) -> str:
    """Say what went wrong without quoting the address, whose query may be a signature."""
    cause = error.__cause__ or error.__context__
    words = str(cause or error).partition("http")[0].strip()
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def answer_of(response: httpx.Response, read: Callable[[Any], T]) -> T:
    """Read a successful answer with `read`; raise Passing for a broken one, and our own error for a refusal."""
    if not response.is_success:
        wait = retry_after(response.headers, time.time())
        raise read_error(response.status_code, response.content, wait)
    try:
        return read(json_of(response.content))
    except ValueError as error:
        raise Passing(f"the API's answer could not be read: {error}") from error
