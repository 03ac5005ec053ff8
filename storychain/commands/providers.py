"""Which provider a run talks to, and at what pace: the API, or with --local a studio of its own behind the same client.

A provider is opened when it is first asked something, so a run that finds everything done opens none.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from storychain.chain.events import HeldBack
from storychain.chain.run import Pace
from storychain.commands.desk import FREE, PAID, Desk
from storychain.pictory import Gate, Patience, Pictory

if TYPE_CHECKING:
    from storychain.chain.events import Event
    from storychain.media.tool import Ffmpeg
    from storychain.provider import Provider

_LOCAL_POLL = 0.1
_LOCAL_SETTLE = 1.0
_SENDS_A_LEASE = 3
"""What was admitted is sent long before anybody could think that its worker is gone."""

_LOCAL_KEY = "pictai_local_studio"


@asynccontextmanager
async def provider(
    at: Desk, arguments: argparse.Namespace, ffmpeg: Ffmpeg, tell: Callable[[Event], None]
) -> AsyncIterator[Provider]:
    """The provider of a run, closed with all it opened at the end; told is where it makes requests wait."""

    def held(why: str, wait: float) -> None:
        tell(HeldBack(why, wait))

    async with AsyncExitStack() as stack:

        async def paid() -> Pictory:
            settings = at.settings
            gate = Gate(at.workspace.gate(PAID), settings.requests_per_minute)
            patience = Patience(silence=settings.silence)
            client = Pictory(
                settings.base_url, settings.api_key or "", name=PAID, gate=gate, patience=patience, held=held
            )
            return await stack.enter_async_context(client)

        async def free() -> Pictory:
            from storychain.commands.serving import studio_options  # noqa: PLC0415 - a server is slow to import
            from storychain.studio import serve  # noqa: PLC0415

            options = studio_options(arguments, at.workspace.studio, ffmpeg, at.settings.catalogue)
            running = await stack.enter_async_context(serve(options))
            patience = Patience(first=0.05, most=1.0)
            client = Pictory(running.base_url, _LOCAL_KEY, name=FREE, free=True, patience=patience)
            return await stack.enter_async_context(client)

        local = arguments.local
        yield cast("Provider", _OnDemand(FREE if local else PAID, free=local, opening=free if local else paid))


class _OnDemand:
    """A provider that is opened by the first call to any of its methods."""

    def __init__(self, name: str, *, free: bool, opening: Callable[[], Awaitable[Pictory]]) -> None:
        self.name = name
        self.free = free
        self._opening = opening
        self._opened: Pictory | None = None
        self._lock = asyncio.Lock()

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any) -> Any:
            async with self._lock:
                if self._opened is None:
                    self._opened = await self._opening()
            return await getattr(self._opened, method)(*arguments)

        return call


def pace(at: Desk, arguments: argparse.Namespace) -> Pace:
    """How often to look: by the settings, or as fast as a studio next door deserves."""
    settings = at.settings
    if arguments.local:
        poll = _LOCAL_POLL if arguments.poll is None else settings.poll
        return Pace(poll=poll, job_timeout=settings.job_timeout, settle=_LOCAL_SETTLE, silence=_LOCAL_SETTLE)
    return Pace(
        poll=settings.poll,
        job_timeout=settings.job_timeout,
        settle=settings.settle,
        silence=settings.silence,
        send_within=settings.lease / _SENDS_A_LEASE,
    )
