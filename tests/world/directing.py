"""Somebody directs: takes side by side, scenes on hold, scenes taken again, takes picked, approved and rejected.

Of the same words there may be many segments then, each by a key of its own. So what must be true is told by keys here,
and by what each was made to continue.
"""

from collections import defaultdict
from dataclasses import replace

from storychain.catalogue import MODELS
from storychain.chain.choice import WaitsForApproval
from storychain.chain.survey import survey
from storychain.errors import AccountError, CapReached, GenerationFailed
from storychain.plan import Action, plan
from storychain.takes import picked, retaken, takes_of
from tests.world import invariants
from tests.world.account import frame
from tests.world.invariants import ours, rows
from tests.world.schedule import History


class Directing(History):
    """Between runs a director looks at what is there and changes their mind."""

    def __init__(self, world):
        super().__init__(world)
        # Those have their own schedules; here each job has to be told from every other by the ledger alone.
        world.weather.strangers = world.weather.restored = 0.0
        world.weather.retention = None
        rng = self.rng
        world.cast.stories = [
            replace(story, scenes=tuple(_directed(rng, scene) for scene in story.scenes))
            for story in world.cast.stories
        ]

    async def _pause(self):
        self._direct()
        await super()._pause()

    def _person(self, *, surely=False):
        super()._person(surely=surely)
        if surely:  # the weather is calm, and so is the director: whatever is there is good
            self._approve_all()

    # The director

    def _direct(self):
        world, rng = self.world, self.rng
        if not world.ledger_path.exists():
            return
        ledger = world.program.ledger(world.ledger_path, lambda: world.now)
        for story in world.cast.stories:
            for _ in range(rng.choice((0, 1, 1, 2))):
                self._decide(ledger, story)
        ledger.close()

    def _decide(self, ledger, story):
        world, rng = self.world, self.rng
        facts, steps = self._planned(ledger, story)
        attempts = ledger.story_records("pictory", story.name)
        scene = rng.choice(story.scenes)
        step = next(step for step in steps if step.scene.id == scene.id)
        deed = rng.choice(("retake", "retake", "pick", "pick", "approve", "reject"))
        world.tell(f"the director: {deed} {story.name}:{scene.id}")
        if deed == "retake":
            words = rng.choice((None, f"{scene.prompt}, again and again"))
            chosen = retaken(story, facts, attempts, scene.id, prompt=words, keep_after=rng.random() < 0.4)
            ledger.decisions.choose("pictory", story.edition, chosen)
        elif deed == "pick":
            takes = takes_of(steps, attempts, ())[steps.index(step)].takes
            take = rng.choice(takes)
            if take.record.state != "none":
                chosen = picked(story, facts, attempts, scene.id, take.record)
                ledger.decisions.choose("pictory", story.edition, chosen)
        elif step.record.state != "none":
            verdict = {"approve": "approved", "reject": "rejected"}[deed]
            ledger.decisions.remark("pictory", story.name, scene.id, step.key, verdict=verdict)

    def _approve_all(self):
        world = self.world
        if not world.ledger_path.exists():
            return
        ledger = world.program.ledger(world.ledger_path, lambda: world.now)
        for story in world.cast.stories:
            facts, steps = self._planned(ledger, story)
            for step in steps:
                if step.record.state != "none" and facts.verdicts.get(step.key) != "approved":
                    told = {"verdict": "approved"}
                    ledger.decisions.remark("pictory", story.name, step.scene.id, step.key, **told)
        ledger.close()

    def _planned(self, ledger, story):
        told = {"provider": "pictory", "free": False, "workspace": self.world.workspace, "catalogue": MODELS}
        facts = survey(story, ledger=ledger, **told)
        return facts, plan(story, facts)

    # What must be true

    def _look_after(self, processes):
        world = self.world
        attempts = rows(world, "SELECT * FROM attempts")
        jobs = {job.id: job for job in ours(world)}
        whole, again, tries = defaultdict(list), defaultdict(int), defaultdict(int)
        for row in attempts:
            job = jobs.get(row["job_id"])
            if job is not None:
                tries[row["key"]] += 1
                if not job.fails:
                    whole[row["key"]].append(job.id)
            again[row["key"]] += row["state"] == "abandoned" or row["code"] == "REJECTED"
        for key, paid in whole.items():
            if len(paid) > 1 + again[key]:
                world.violated("once", f"{key} was paid {len(paid)} times: {paid}")
        invariants.caps_of_runs(world, processes)
        for process in processes:
            for outcome in process.outcomes:
                if not isinstance(outcome.error, WaitsForApproval):
                    invariants.outcome_agrees(world, process, outcome)

    def _look_at_the_end(self, process):
        world = self.world
        invariants.money_at_the_end(world, self)
        by_key = defaultdict(list)
        jobs = {job.id: job for job in ours(world)}
        attempts = rows(world, "SELECT * FROM attempts")
        for row in attempts:
            if row["job_id"] in jobs:
                by_key[row["key"]].append(jobs[row["job_id"]])
        for row in attempts:
            job = jobs.get(row["job_id"])
            if job is not None and row["parent"]:
                sources = {one.video for one in by_key[row["parent"]]}
                if job.begins not in sources | {frame(video) for video in sources}:
                    world.violated("continues", f"{row['scene']} ({row['key']}) begins from {job.begins!r:.60}")
        for outcome in process.outcomes:
            if outcome.status == "done":
                expected = [{job.video for job in by_key[step.key]} for step in outcome.steps]
                if any(step.action is not Action.REUSE for step in outcome.steps):
                    world.violated("film", f"{outcome.story.name} is done without all of its segments")
                invariants.film_of(world, outcome, expected)
            else:
                self._stopped(outcome)

    def _stopped(self, outcome):
        """What stops a directed story in calm weather: failures and limits; which ones the plain schedules look at."""
        fair = isinstance(outcome.error, CapReached | AccountError | GenerationFailed)
        if isinstance(outcome.error, WaitsForApproval):
            fair = self.day is not None  # a scene a day: the days were over before all was looked at
        if not fair:
            words = f"{outcome.story.name} is {outcome.status}: {type(outcome.error).__name__} {outcome.error}"
            self.world.violated("arrives", words)


def _directed(rng, scene):
    if rng.random() < 0.3:
        scene = replace(scene, takes=rng.choice((2, 3)))
    return replace(scene, hold=rng.random() < 0.2)
