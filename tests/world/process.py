"""One run of the program: the real chain, ledger and client in a process that can die at any outside act."""

import asyncio
import contextvars
import functools
import random

from storychain.chain.batch import render_all
from storychain.chain.clerk import Clerk
from storychain.chain.lanes import Lanes
from storychain.chain.run import Pace, Run
from storychain.chain.slots import Slots
from storychain.errors import StorychainError
from storychain.ledger import Caps, Ledger
from storychain.pictory import Patience, Pictory
from storychain.workspace import settle
from tests.world.disk import failing_writes, full
from tests.world.loop import PROCESS, close_for_good
from tests.world.room import Room
from tests.world.wire import Wire

PACE = Pace(poll=15.0, job_timeout=240.0, settle=30.0)
"""As by default, but for the patience with slow jobs: a shorter one shows the same in fewer looks."""
PATIENCE = Patience(attempts=6, seconds=120.0)


class Process:
    """A process, alive from `start` until `ended` is done.

    `dies_at` and `interrupted_at` count its outside acts; `offset` is how wrong its machine's clock goes, in seconds.
    """

    def __init__(self, world, number, stories, *, caps=None, jobs=4, dies_at=0, interrupted_at=0, offset=0.0):
        self.world = world
        self.number = number
        self.stories = stories
        self.caps = caps or Caps()
        self.jobs = jobs
        self.lanes = Lanes(world.lanes())
        self.dies_at = dies_at
        self.interrupted_at = interrupted_at
        self.offset = offset
        self.deadline = None
        self.id = f"run-{number}"
        self.acts = 0
        self.dead = False
        self.tasks = []
        self.ledger = None
        self.outcomes = ()
        self.error = None
        self.interrupted = False
        self.ended = world.loop.create_future()
        self._work = None

    # Its life

    def start(self):
        """Begin, in a context of its own."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, self)
        self.tell(f"starts with {', '.join(story.name for story in self.stories)}")
        self.world.loop.create_task(self._main(), context=context)

    async def _main(self):
        try:
            self.ledger = self.world.program.ledger(self.world.ledger_path, self.now)
        except StorychainError as error:
            self.error = error
            return self._end("cannot begin")
        self.world.disk.opened(self.connection)
        patience = self.world.program.patience or PATIENCE
        provider = Pictory("https://api.test", "pictai_simulated", patience=patience, transport=Wire(self.world, self))
        async with provider:
            await self._render(self.world.program.provider(provider))
        self.ledger.close()
        return self._end("ends")

    async def _render(self, provider):
        self._work = asyncio.create_task(render_all(self._run(provider), self.stories))
        try:
            self.outcomes = await self._work
        except asyncio.CancelledError:
            self.interrupted = True
            if not self.interrupted_at:
                self.world.violated("calm", f"p{self.number} was cancelled by nobody")
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            self.world.escaped(self, error)
        # As the running of a program ends: whatever it left behind is cancelled and awaited.
        here = asyncio.current_task()
        left = [task for task in self.tasks if task is not here and not task.done()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _run(self, provider):
        world = self.world
        return Run(
            id=self.id,
            provider=provider,
            ledger=self.ledger,
            workspace=world.workspace,
            room=Room(self),
            out=world.out,
            tell=self._heard,
            caps=self.caps,
            pace=world.program.pace or PACE,
            jobs=self.jobs,
            slots=Slots(self.jobs),
            lanes=self.lanes,
            deadline=self.deadline,
            now=self.now,
        )

    def _end(self, word):
        self.tell(word)
        self.ended.set_result(None)

    def die(self):
        """Be killed: nothing of this process runs again."""
        self.dead = True
        self.world.kills += 1
        self.tell("is killed")
        self.world.loop.dying.append(self)

    def bury(self):
        """Let go of everything as the system does for a dead process."""
        if self.ledger is not None:
            self.ledger.close()
        context = contextvars.copy_context()
        context.run(PROCESS.set, self)
        for task in self.tasks:
            context.run(close_for_good, task)
        self.tasks.clear()
        if not self.ended.done():
            self.ended.set_result(None)

    # Its acts

    def act(self, name):
        """Count an outside act; false if the process dies of it."""
        if self.dead:
            return False
        self.acts += 1
        if self.world.telling:
            self.tell(name)
        if self.acts == self.dies_at:
            self.die()
            return False
        if self.acts == self.interrupted_at and self._work is not None:
            self.tell("is interrupted")
            self._work.cancel()
        return True

    async def reach(self, name):
        """An outside act within the loop; a process that dies of it never returns."""
        if not self.act(name):
            await self.world.loop.create_future()

    def carry_out(self, func):
        """Do a thread's work, on a disk that may be full."""
        plain, arguments = _plain(func)
        owner = getattr(plain, "__self__", None)
        reads = getattr(plain, "__name__", "") in ("_look", "outcome_of")
        if isinstance(owner, Clerk) and self.ended.done():
            return func()  # those who waited are gone, and so is the ledger
        if (isinstance(owner, Clerk) or owner is self.ledger or reads) and self.world.fails("disk"):
            with failing_writes(self.connection):
                return func()
        if plain is settle:
            self.world.disk_trouble(full())
            func()
            self.world.disk.settled(arguments[1])
            return None
        if getattr(plain, "__name__", "") == "add":
            self.world.disk_trouble(full())
        return func()

    def name_of(self, func):
        """What a thread is to do, in a word."""
        if not self.world.telling:
            return "work"
        plain, _ = _plain(func)
        owner = getattr(plain, "__self__", None)
        if isinstance(owner, Clerk):
            errands = [_plain(errand.work)[0] for errand in (*owner._urgent, *owner._others)]
            return "on record: " + ", ".join(getattr(work, "__qualname__", str(work)) for work in errands)
        return getattr(plain, "__qualname__", str(plain))

    def moment(self):
        """Seconds a thread's work takes."""
        return self.world.rng.uniform(0.0005, 0.02)

    @property
    def connection(self):
        """The ledger's own connection."""
        return self.ledger._database._connection

    def now(self):
        """The time by this machine's clock, seconds of the epoch."""
        return self.world.now + self.offset

    def _heard(self, event):
        if self.world.telling:
            self.tell(f"    {event}"[:300])

    def tell(self, words):
        self.world.tell(f"p{self.number} {words}")


def _plain(func):
    """The function a thread is to call, and its arguments, from under asyncio's wrapping."""
    if isinstance(func, functools.partial) and func.args:
        inner, *arguments = func.args
        return inner, arguments
    return func, []


class Program:
    """What is run: the real parts. Broken variants replace one of them."""

    patience = None
    pace = None

    def ledger(self, path, now):
        return Ledger(path, now)

    def provider(self, provider):
        return provider


def seed_libraries(seed):
    """The libraries' own jitter, repeatable."""
    random.seed(seed)
