"""Requests on the wire: clients with every timeout named, reads repeated by count and clock, paid requests never."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, stop_after_delay
from tenacity.wait import wait_random_exponential

from storychain import __version__
from storychain.errors import UsageError
from storychain.pictory.answers import json_of
from storychain.pictory.clients import LIMITS, Clients
from storychain.pictory.gate import Gate, Holding
from storychain.pictory.refusals import Passing, read_error, retry_after
from storychain.printable import printable

USER_AGENT = f"storychain/{__version__}"
"""Never a library's own: a bot filter in front of the API turns those away."""

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Failures before the first byte of a request left: there was no connection to send it over."""

TROUBLE = (httpx.HTTPError, ssl.SSLError, TimeoutError)
"""All that can happen on the way. A broken TLS record comes as it is, our own clock as TimeoutError."""


class TooLate(Exception):
    """A request was not sent, since too much time had gone by until its turn came."""


NO_ADDRESS = (httpx.InvalidURL, UnicodeError)
"""What comes of addresses that are none; a host's name that cannot be is told by the codec of such names."""

LARGEST_ANSWER = 16 << 20
"""Bytes of an API answer; far above any page of jobs, far below what would fill the memory."""

AT_ONCE = 32
"""Requests under way at a time to the API, and as many files. Others wait for their turn before any clock of theirs
begins: where a thousand jobs end together, none is given up because its download had to wait for the others'."""

_NEAR = dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]"))
"""This machine itself, where studios are: no proxy leads there, whatever the environment says of others."""

_CONNECT_SECONDS = 10.0

# httpx logs whole addresses, signatures included; httpcore logs where redirects lead.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long (seconds) a read is repeated; waits grow from `first` to `most`, with jitter.

    Of a single request: `silence` is the longest time without any progress, `whole` the time for the whole answer of
    the API, `transfer` for a file on its way (a download that runs out of it is resumed). A download that brings fewer
    than `floor` bytes a second, over any span of `silence`, is given up and resumed as well.
    """

    attempts: int = 6
    seconds: float = 120.0
    first: float = 0.5
    most: float = 20.0
    silence: float = 45.0
    whole: float = 120.0
    transfer: float = 1800.0
    floor: float = 1000.0

    @property
    def timeout(self) -> httpx.Timeout:
        """The same for one request, as httpx wants to be told."""
        return httpx.Timeout(self.silence, connect=min(_CONNECT_SECONDS, self.silence))


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read to its end; `asked` is the method and the address, without its query."""

    asked: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status says that all is well."""
        return 200 <= self.status < 300

    @property
    def wait(self) -> float | None:
        """Seconds the provider wants us to wait, if it said so."""
        return retry_after(self.headers, time.time())


class Wire:
    """The API itself. It follows no redirect: a redirected POST would be another POST."""

    def __init__(
        self,
        base_url: str,
        key: str,
        patience: Patience,
        transport: httpx.AsyncBaseTransport | None = None,
        gate: Gate | None = None,
        holding: Holding | None = None,
    ) -> None:
        self._patience = patience
        self._holding = holding or Holding(None)
        self._gate = gate or Gate()
        self._turns = 0
        self._places = asyncio.Semaphore(AT_ONCE)
        self._key = key.encode("utf-8", "replace")
        headers = {"Authorization": key, "User-Agent": USER_AGENT, "Accept": "application/json"}
        # The clients are told the base only to refuse one that is none. Whole addresses are put together here: a client
        # would take base and path apart for every request.
        self._clients = _clients(patience, transport, base_url=base_url, headers=headers)
        self._base = base_url.rstrip("/")

    async def close(self) -> None:
        """Close the connections."""
        await self._clients.close()

    async def turn(self) -> None:
        """Wait for the turn of the next request that has to be in time."""
        await self._passed()
        self._turns += 1

    async def _passed(self) -> None:
        await self._gate.passed(partial(self._holding.waits, "requests are held back after answers of 429"))

    async def ask(self, method: str, path: str, in_time: Callable[[], bool] | None = None, **options: Any) -> Answer:
        """Send one request, once, when its turn has come, and read its answer to the end. Raises TROUBLE.

        Raises TooLate where its turn has come and it is not `in_time` any more: it is then not sent. A request that has
        to be in time is held up by no others that hang.
        """
        async with nullcontext() if in_time is not None else self._places:
            return await self._ask(method, path, in_time, options)

    async def _ask(self, method: str, path: str, in_time: Callable[[], bool] | None, options: dict[str, Any]) -> Answer:
        if in_time is not None and self._turns:
            self._turns -= 1
        else:
            await self._passed()
        if in_time is not None and not in_time():
            raise TooLate
        answer = await self._asked(method, path, **options)
        if answer.status == 429:
            await self._gate.slow_down(answer.wait)
        elif answer.is_success:
            await self._gate.went_well()
        return answer

    async def _asked(self, method: str, path: str, **options: Any) -> Answer:
        address = self._base + path
        async with (
            asyncio.timeout(self._patience.whole),
            self._clients.one() as client,
            client.stream(method, address, **options) as response,
        ):
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    raise httpx.DecodingError("an answer beyond all sizes", request=response.request)
            return Answer(f"{method} {address}", response.status_code, response.headers, self._without_key(bytes(body)))

    async def read(self, method: str, path: str, **options: Any) -> Answer:
        """Send one request that may be repeated; trouble on the way is Passing."""
        try:
            return await self.ask(method, path, **options)
        except (*TROUBLE, *NO_ADDRESS) as error:
            raise Passing(f"the API could not be reached: {told(error)}") from error

    def _without_key(self, body: bytes) -> bytes:
        """Gateways quote the Authorization header in their complaints; ours are shown and kept."""
        return body.replace(self._key, b"(the key)") if len(self._key) >= 8 else body


async def patiently(patience: Patience, ask: Callable[[], Awaitable[T]], holding: Holding | None = None) -> T:
    """Await `ask` until it raises no Passing, or patience runs out; then its last error is raised.

    `holding` hears of the waits between.
    """
    grow = wait_random_exponential(multiplier=patience.first, max=patience.most)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, Passing) else None
        return asked if asked is not None else grow(state)

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if holding is not None and isinstance(error, Passing):
            holding.waits(error.what, state.upcoming_sleep)

    retrying = AsyncRetrying(
        stop=stop_after_attempt(patience.attempts) | stop_after_delay(patience.seconds),
        wait=wait,
        retry=retry_if_exception_type(Passing),
        before_sleep=tell,
        reraise=True,
    )

    async def attempt() -> T:
        return await ask()

    return await retrying(attempt)


def file_clients(patience: Patience, transport: httpx.AsyncBaseTransport | None = None) -> Clients:
    """Clients for files, which live elsewhere: they carry no key and follow few redirects."""
    return _clients(
        patience,
        transport,
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        follow_redirects=True,
        max_redirects=3,
        event_hooks={"request": [_check_port]},
    )


def _clients(patience: Patience, transport: httpx.AsyncBaseTransport | None, **options: Any) -> Clients:
    def make() -> httpx.AsyncClient:
        return httpx.AsyncClient(
            timeout=patience.timeout,
            limits=LIMITS,
            verify=_certificates(),
            transport=transport,
            mounts=_NEAR,
            **options,
        )

    try:
        return Clients(make)
    except (httpx.InvalidURL, ValueError, ImportError) as error:
        raise UsageError(
            f"the API cannot be spoken to: {told(error)}",
            next_step="Check PICTORY_API_BASE_URL and the proxy variables (HTTPS_PROXY, ALL_PROXY).",
        ) from error


async def _check_port(request: httpx.Request) -> None:
    """Refuse, on every hop of a redirect, ports that sockets know only as a programming error."""
    if not 0 <= (request.url.port or 0) <= 65535:
        raise httpx.InvalidURL("no such port")


@cache
def _certificates() -> ssl.SSLContext:
    """The trusted certificates, read once: that takes longer than all else about a client."""
    return httpx.create_ssl_context()


def told(error: Exception) -> str:
    """Say what went wrong without quoting the address, whose query may be a signature."""
    cause = error.__cause__ or error.__context__
    words = printable(str(cause or error).partition("http")[0], 200)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def answer_of(answer: Answer, read: Callable[[Any], T]) -> T:
    """Read a successful answer with `read`; raise Passing for a broken one, and our own error for a refusal."""
    if not answer.is_success:
        raise read_error(answer.asked, answer.status, answer.body, answer.wait)
    try:
        return read(json_of(answer.body))
    except ValueError as error:
        raise Passing(f"the API's answer could not be read: {_why(error)}") from error


def _why(error: ValueError) -> str:
    return printable(str(error).partition("\n")[0], 200)
