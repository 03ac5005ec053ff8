"""What one run works with: its provider, ledger, workspace and limits, handed through the chain as one value."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from storychain.catalogue import MODELS, Catalogue
from storychain.chain.account import Purse
from storychain.chain.benches import Benches
from storychain.chain.card import Painter, nobody_paints
from storychain.chain.choice import Choice
from storychain.chain.clerk import Clerk
from storychain.chain.events import Event
from storychain.chain.holding import FileLocks, Locks
from storychain.chain.lanes import Lanes
from storychain.chain.lookout import Lookout
from storychain.chain.slots import Slots
from storychain.chain.watermarks import Watermarks
from storychain.errors import OutOfTime
from storychain.ledger import Caps, Ledger
from storychain.provider import Provider
from storychain.store import Store
from storychain.workspace import Workspace

if TYPE_CHECKING:
    from storychain.hooks import Hooks
    from storychain.media.room import CuttingRoom

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between two looks at a job, until a job is left for the next run, and for a lost answer to settle.

    `send_within` is how old an intention may be when its request leaves. Where the ledger is shared, others give an
    intention of a worker that is gone that time as well before they look what became of it. `silence` is how long a
    request may be without an answer before it is given up: the provider may take one on until then, whoever sent it.
    """

    poll: float = 10.0
    job_timeout: float = 3600.0
    settle: float = 30.0
    send_within: float = 10.0
    silence: float = 45.0


_AT_THE_DOOR = 4
"""Stories that are looked at at a time before they begin: as many as keep the threads busy."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run over any number of stories.

    `id` marks its attempts in the ledger, so that its cap can be kept; `slots` are the jobs it may have under way,
    `lookout` looks at them, `marks` knows which are newest, and `choice` is what it may buy. Stories come in by the
    `entrance`. After `deadline` (seconds of the epoch) it buys nothing and waits for nothing. `hooks` has the addresses
    at which the provider calls when jobs end, `benches` are the places where films are made, `clerk` works on the
    ledger, `certificate` the PEM files, chain and key, that films are signed with.
    """

    id: str
    provider: Provider
    ledger: Ledger
    workspace: Workspace
    room: CuttingRoom
    out: Path
    tell: Callable[[Event], None]
    catalogue: Catalogue = field(default_factory=lambda: MODELS)
    caps: Caps = field(default_factory=Caps)
    pace: Pace = field(default_factory=Pace)
    jobs: int = 4
    purse: Purse = field(default_factory=Purse)
    locks: Locks = field(default_factory=FileLocks)
    store: Store | None = None
    lookout: Lookout = field(default_factory=Lookout)
    marks: Watermarks = field(default_factory=Watermarks)
    slots: Slots = field(default_factory=lambda: Slots(4))
    lanes: Lanes = field(default_factory=Lanes)
    entrance: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_THE_DOOR))
    hooks: Hooks | None = None
    benches: Benches = field(default_factory=Benches)
    clerk: Clerk = field(default_factory=Clerk)
    choice: Choice = field(default_factory=Choice)
    deadline: float | None = None
    retry_failed: bool = False
    paint: Painter = nobody_paints
    certificate: tuple[Path, Path] | None = None
    now: Callable[[], float] = time.time

    async def on_record(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do work on the ledger off the loop; what it writes is on disk when this returns."""
        return await self.clerk.do(False, work, *args, **kwargs)

    async def first_on_record(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for the steps of a payment, which wait for no more than what is in hand of all the others.

        Where hundreds of jobs end together, payments would else queue up for seconds, and their jobs begin as much
        later.
        """
        return await self.clerk.do(True, work, *args, **kwargs)

    def check_time(self) -> None:
        """Raise OutOfTime once the deadline has passed, by the clock on the wall: machines sleep and summers begin."""
        if self.deadline is not None and self.now() >= self.deadline:
            raise OutOfTime("the deadline has passed", next_step="What is paid is on record: run again to go on.")


async def off_loop(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do blocking work (files, reckoning) in a thread."""
    return await asyncio.to_thread(work, *args, **kwargs)
