"""HTTP clients to lend: one for each request that is under way, each with a connection of its own.

A client with many connections looks at all of them for each request, and asks the system about every idle one: with a
thousand jobs that is a good part of all the work there is.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=1, keepalive_expiry=3.0)
"""A client lent to one request at a time needs one connection. It is kept for less than the five seconds after which
many servers close them: over a connection that is just being closed a paid request would leave nobody knows whether."""


class Clients:
    """Clients made by `make` as they are needed; the one that came back last, whose connection is fresh, goes first."""

    def __init__(self, make: Callable[[], httpx.AsyncClient]) -> None:
        self._make = make
        self._idle = [make()]  # at once, so that settings nobody can use are known before anything is asked

    @asynccontextmanager
    async def one(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client for one request, until its answer is read or given up."""
        client = self._idle.pop() if self._idle else self._make()
        try:
            yield client
        finally:
            self._idle.append(client)

    async def close(self) -> None:
        """Close the connections; nothing may be under way any more."""
        while self._idle:
            await self._idle.pop().aclose()
