"""One schedule: a whole history from a seed, from the first run to the day nothing is left to do.

Runs start, overlap, die and are interrupted while the weather does its worst; then the weather calms down, and within
a few runs every story has to be done or a person has to be needed for a reason the provider's own books confirm.
"""

import asyncio
import random
import shutil
from collections import defaultdict
from contextvars import Context
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from storychain.chain.survey import identity
from storychain.ledger import Caps
from storychain.workspace import Workspace
from tests.world import invariants, person
from tests.world.account import Account
from tests.world.disk import Disk
from tests.world.loop import Stalled, virtual_loop
from tests.world.process import Process, Program, seed_libraries
from tests.world.tales import cast
from tests.world.weather import weather

SESSIONS = 3
"""Times somebody runs the program while the weather is bad, at most."""

CALM_SESSIONS = 8
"""Times the program is run afterwards; each must get further or the schedule has failed."""


@dataclass
class Report:
    """What a schedule came to."""

    seed: int
    violations: list = field(default_factory=list)
    faults: int = 0
    kills: int = 0
    interrupts: int = 0
    posts: int = 0
    runs: int = 0
    done: int = 0
    questions: int = 0
    story: list = field(default_factory=list)


class World:
    """Everything around the program, in one seed's hands."""

    def __init__(self, seed, folder, loop, program, *, telling=False):
        self.rng = random.Random(seed)
        seed_libraries(seed)
        self.loop = loop
        self.program = program
        self.telling = telling
        self.report = Report(seed)
        self.kills = 0
        self.folder = folder
        self.workspace = Workspace(folder / "workspace")
        self.out = folder / "films"
        self.disk = Disk(self.workspace.root, self.rng)
        self.weather = weather(self.rng)
        self.account = Account(self.rng, self.weather)
        # Chance of its own for what came later, so that the schedules of odd seeds stay what they were.
        self.endings = random.Random(f"endings {seed}") if seed % 2 == 0 else None
        # Every third seed has runs with several lanes; the others' schedules stay what they were, too.
        self.lane_counts = random.Random(f"lanes {seed}") if seed % 3 == 0 else None
        # What the account's list tells of its jobs.
        self.lists_tell = {1: "names", 2: "all", 5: "what was", 6: "all"}.get(seed % 8, "states")
        self.most_lanes = 1
        self.rejected = defaultdict(set)  # jobs by what they were asked for: a ledger may forget them
        self.cast = cast(self.rng, folder, self.endings)
        self.account.files |= self.cast.public
        self.epoch = 1_790_000_000 + self.rng.randrange(86400 * 3)
        self.ends_of_outages = 0.0
        self.processes = []
        self.bought_again = {}
        self.restored = False
        self.unlocked = 0.0
        self._uploads = 0
        self._strangers_at = 0.0
        self.tell(f"seed {seed}: {self.weather.told()}")

    # Time and chance

    @property
    def now(self):
        """Seconds of the epoch, by the one true clock."""
        return self.epoch + self.loop.time()

    def fails(self, name):
        if self.rng.random() < getattr(self.weather, name):
            self.fault(name)
            return True
        return False

    def fault(self, name):
        self.report.faults += 1
        self.tell(f"  fault: {name}")

    def disk_trouble(self, error):
        if self.fails("disk"):
            raise error

    def later(self, seconds, work):
        self.loop.call_later(seconds, work, context=Context())

    def is_out(self):
        return self.now < self.ends_of_outages

    def pass_strangers(self, often=1):
        """Strangers use the account now and then, whenever anybody does."""
        if self.rng.random() < self.weather.strangers * often:
            self.account.stranger(self.now)
            self.tell("  a stranger's job appears")

    # What the wire asks of it

    def posted(self, process, body):
        """A paid request leaves: what must be true at this moment is looked at."""
        self.report.posts += 1
        invariants.at_a_post(self, process, body)

    def submit(self, process, body):
        """The account's decision about a request: status and body."""
        url = body.get("extendVideoUrl") or body.get("firstFrameImageUrl")
        begins = None
        if url:
            path, _, signature = url.removeprefix("https://files.test").partition("?sig=")
            begins = self.account.file(path, signature, self.now)
            if begins is None:
                field_ = "extendVideoUrl" if "extendVideoUrl" in body else "firstFrameImageUrl"
                return 400, {"code": "INVALID_REQUEST_BODY", "fields": [{"name": field_, "errors": "not reachable"}]}
        if not self.account.can_pay(body):
            return 402, {"message": "not enough credits"}
        job = self.account.accept(body, self.now, process, begins=begins)
        self.tell(f"  accepted: {job.id} for {body['prompt']!r}{' (will fail)' if job.fails else ''}")
        return 200, {"success": True, "data": {"jobId": job.id}}

    def upload_address(self):
        self._uploads += 1
        return {
            "signedUrl": f"https://files.test/u/{self._uploads}?put=1",
            "url": f"https://files.test/u/{self._uploads}",
        }

    def start_of(self, story):
        """What identifies a story's start files."""
        return tuple(identity(source) for source in story.start.sources) if story.start else ()

    def lanes(self):
        """How many lanes the next run uses."""
        count = self.lane_counts.choice((1, 2, 4, 8)) if self.lane_counts else 1
        self.most_lanes = max(self.most_lanes, count)
        return count

    # Findings

    def violated(self, name, words):
        self.report.violations.append(f"{name}: {words}")
        self.tell(f"  VIOLATED {name}: {words}")

    def escaped(self, process, error):
        """Something that is no word to a person left the chain."""
        self.violated("words", f"p{process.number} ended with {type(error).__name__}: {error}")

    def tell(self, words):
        if self.telling:
            self.report.story.append(f"{self.loop.time():10.2f} {words}")

    @property
    def ledger_path(self):
        return self.workspace.ledger


class History:
    """Carries a world from its first run to its last."""

    def __init__(self, world):
        self.world = world
        self.rng = world.rng
        price = Decimal(40) if world.cast.stories[0].model == "veo3.1_fast" else Decimal(8)
        self.price = price
        rng = self.rng
        self.day = price * rng.randint(1, 6) if rng.random() < 0.15 else None
        self.month = price * rng.randint(2, 8) if rng.random() < 0.1 else None
        self.run_cap = price * rng.randint(1, 5) if rng.random() < 0.2 else None
        if rng.random() < 0.1:
            world.account.limit = price * rng.randint(0, 5)

    async def unfold(self):
        """All of it."""
        world, rng = self.world, self.rng
        copy = {}
        for _ in range(rng.randint(1, SESSIONS)):
            if rng.random() < 0.5:
                copy = world.disk.copy_ledger()
            await self._session()
            if copy and world.fails("restored"):
                world.disk.put_back(copy)
                world.restored = True
                await asyncio.sleep(60.0)  # by hand: no request of a dead run is still on its way by then
            if rng.random() < world.weather.power:
                world.fault("power")
                world.disk.lose_power()
            if world.fails("rot"):
                world.disk.rot()
            self._person()
            await self._pause()
        await self._afterwards()

    async def _pause(self):
        await asyncio.sleep(self.rng.choice((0.1, 5.0, 60.0, 1200.0, 4000.0)))

    async def _session(self):
        world, rng = self.world, self.rng
        if rng.random() < world.weather.outages:
            begins = rng.uniform(0, 200)
            length = rng.uniform(20, 300)
            world.later(begins, lambda: setattr(world, "ends_of_outages", world.now + length))
        running = []
        for _ in range(rng.choice((1, 1, 2, 2))):
            some = rng.sample(world.cast.stories, rng.randint(1, len(world.cast.stories)))
            running.append(self._process(some))
            running[-1].start()
            if rng.random() < 0.5:
                await asyncio.sleep(rng.uniform(0, 60))
        for process in running:
            await process.ended
        self._look_after(running)

    def _process(self, stories, *, calm=False):
        world, rng = self.world, self.rng
        dies = interrupted = 0
        if not calm and rng.random() < world.weather.deaths:
            dies = rng.randint(1, rng.choice((20, 80, 250)))
        if not calm and rng.random() < world.weather.interrupts:
            interrupted = rng.randint(2, 120)
            world.report.interrupts += 1
        offset = rng.choice((0.0, -5.0, 40.0, 3600.0, -7200.0, 86400.0, -90000.0)) if world.weather.clocks else 0.0
        caps = Caps(run=None if calm else self.run_cap, day=self.day, month=self.month)
        process = Process(
            world,
            len(world.processes) + 1,
            stories,
            caps=caps,
            jobs=rng.choice((1, 2, 4, 4)),
            dies_at=dies,
            interrupted_at=interrupted,
            offset=offset,
        )
        world.processes.append(process)
        world.report.runs += 1
        return process

    def _look_after(self, processes):
        """What must be true after runs."""
        invariants.after_runs(self.world, processes)

    def _look_at_the_end(self, process):
        """What must be true when nothing is left to do."""
        invariants.at_the_end(self.world, process, self)

    def _person(self, *, surely=False):
        """Somebody reads what is asked of them, looks into the account, and says what is true."""
        if surely or self.rng.random() < 0.5:
            self.world.report.questions += person.answer_questions(self.world)

    async def _afterwards(self):
        """Calm weather: what can be done is done."""
        world = self.world
        world.tell("the weather is calm now")
        world.weather.calm()
        world.ends_of_outages = 0.0
        process, idle = None, 0
        for _ in range(CALM_SESSIONS):
            posts = world.report.posts
            self._person(surely=True)
            process = self._process(list(world.cast.stories), calm=True)
            process.start()
            await process.ended
            self._look_after([process])
            if all(outcome.status == "done" for outcome in process.outcomes):
                break
            idle = idle + 1 if world.report.posts == posts else 0
            if idle >= 3:
                break
            await asyncio.sleep(90000.0 if self.day else 400.0)
        self._look_at_the_end(process)
        world.report.done = sum(outcome.status == "done" for outcome in process.outcomes)


def play(seed, folder, program=None, *, telling=False, history=History):
    """Play one schedule, of a kind of history, in an empty folder; its report."""
    folder = Path(folder) / f"seed-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with virtual_loop() as loop:
            world = World(seed, folder, loop, program or Program(), telling=telling)
            try:
                loop.run_until_complete(history(world).unfold())
            except Stalled as stalled:
                world.violated("ends", str(stalled))
            for complaint in loop.complaints:
                world.violated("silence", complaint)
            _end(world)
            world.report.kills = world.kills
            return world.report
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end(world):
    """Let go of whatever a stalled schedule left behind."""
    for process in world.processes:
        if not process.ended.done():
            process.dead = True
            process.bury()
