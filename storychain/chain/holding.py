"""What one worker holds while it works on it: by files between the processes of a machine, by claims between machines.

Where the ledger is shared both are held: what lies on this disk is guarded as ever, and the claim says which machine
may write and buy.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from storychain.ledger import relying_on
from storychain.locks import Held, Queue, lock, lock_now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from storychain.ledger import Claim, Claims, Ledger
    from storychain.locks import Lock

_LOOK_AGAIN, _SELDOM = 0.05, 0.5
"""Seconds between two tries for a claim somebody else has, at first and later on."""


class Locks(Protocol):
    """How things are held; `name` is what other machines call what `wanted` stands for."""

    shared: bool
    """Whether other machines may hold them, and what is held may be lost."""

    def now(self, wanted: Lock, name: str | None = None) -> AbstractAsyncContextManager[None]:
        """Hold it, or raise Held at once."""

    def wait(self, wanted: Lock, name: str | None = None) -> AbstractAsyncContextManager[None]:
        """Hold it, waiting for as long as others do."""


class FileLocks:
    """Files that are locked, for one machine."""

    shared = False

    def __init__(self) -> None:
        self._queue = Queue()

    @asynccontextmanager
    async def now(self, wanted: Lock, name: str | None = None) -> AsyncIterator[None]:  # noqa: ARG002 - see Locks
        """See Locks."""
        with lock_now(wanted):
            yield

    @asynccontextmanager
    async def wait(self, wanted: Lock, name: str | None = None) -> AsyncIterator[None]:  # noqa: ARG002 - see Locks
        """See Locks."""
        async with self._queue.lock(wanted):
            yield


class SharedLocks:
    """Files, and claims in the shared ledger. What is written under a lost claim raises StoryHeld."""

    shared = True

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    @asynccontextmanager
    async def now(self, wanted: Lock, name: str | None = None) -> AsyncIterator[None]:
        """See Locks."""
        with lock_now(wanted):
            claim = await self._taken(name or wanted.name)
            if claim is None:
                raise Held
            async with self._holding(claim):
                yield

    @asynccontextmanager
    async def wait(self, wanted: Lock, name: str | None = None) -> AsyncIterator[None]:
        """See Locks."""
        async with lock(wanted):
            wait = _LOOK_AGAIN
            while (claim := await self._taken(name or wanted.name)) is None:
                await asyncio.sleep(wait)
                wait = min(_SELDOM, 1.5 * wait)
            async with self._holding(claim):
                yield

    @asynccontextmanager
    async def _holding(self, claim: Claim) -> AsyncIterator[None]:
        try:
            with relying_on(claim):
                yield
        finally:
            await asyncio.shield(asyncio.to_thread(self._claims.release, claim))

    async def _taken(self, name: str) -> Claim | None:
        """Take a claim; whoever is cancelled meanwhile leaves none behind."""
        taking = asyncio.ensure_future(asyncio.to_thread(self._claims.take, name))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            await asyncio.wait([taking])
            if not taking.cancelled() and taking.exception() is None and (claim := taking.result()):
                await asyncio.to_thread(self._claims.release, claim)
            raise


def locks_of(ledger: Ledger) -> Locks:
    """The locks that go with a ledger."""
    claims = ledger.claims
    return FileLocks() if claims is None else SharedLocks(claims)
