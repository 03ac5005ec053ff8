"""Stories, refusals, failures, interruptions and retries from seeds: the real chain and ledger, a small provider."""

import asyncio
import hashlib
import random
import uuid
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from storychain.chain.run import Pace, Run
from storychain.chain.story import render
from storychain.errors import GenerationFailed
from storychain.ledger import Ledger
from storychain.media.prepare import Prepared
from storychain.plan import Action
from storychain.provider import Accepted, Job, JobPage, Quota, RequestRefused
from storychain.story.model import Scene, Story
from storychain.workspace import Workspace
from tests.plain_room import PROBE, PlainRoom

PRICE = Decimal(40)


@dataclass
class Whim:
    """A provider whose mind about words is made up, and whose luck is not."""

    rng: random.Random
    name: str = "pictory"
    free: bool = False
    asked: list = field(default_factory=list)
    """Every accepted request with how its job ends, in order."""
    barred: list = field(default_factory=list)
    ended: set = field(default_factory=set)

    def mind(self, prompt):
        return random.Random(prompt).choices(("fine", "moderated", "barred"), (5, 3, 2))[0]

    async def submit(self, request):
        await asyncio.sleep(0)
        mind = self.mind(request.prompt)
        if mind == "barred":
            self.barred.append(request.prompt)
            raise RequestRefused("the API refused the request (400): [POLICY] no", about_words=True)
        end = "moderated" if mind == "moderated" else self.rng.choices(("fine", "broken"), (4, 1))[0]
        self.asked.append((request, end))
        return Accepted(f"job-{len(self.asked)}")

    async def job(self, job_id):
        await asyncio.sleep(0)
        _, end = self.asked[int(job_id.removeprefix("job-")) - 1]
        if job_id not in self.ended and self.rng.random() < 0.3:
            return Job(job_id, "in_progress")
        self.ended.add(job_id)
        if end == "fine":
            return Job(job_id, "completed", url=f"https://x/{job_id}", last_frame_url=f"https://x/{job_id}.png")
        code = "CONTENT_MODERATED" if end == "moderated" else "INTERNAL_ERROR"
        return Job(job_id, "failed", code=code, message="no video")

    async def jobs(self, page=None):
        return JobPage(tuple(Job(f"job-{n}", "in_progress") for n in range(len(self.asked), 0, -1)), None)

    async def quota(self):
        return Quota(Decimal(0), Decimal(10**6))

    async def alive(self, url):
        return True

    async def download(self, url, part, on_bytes):
        await asyncio.sleep(0)
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(url.encode())
        return hashlib.sha256(url.encode()).hexdigest()


class Room(PlainRoom):
    """A cutting room in which a video is its address and a film a list of them."""

    async def prepare(self, segment, folder, *, strict=True, matroska=False, on_sound=None):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "picture").write_bytes(segment.read_bytes())
        return Prepared(folder, folder / "picture", folder / "picture", PROBE)

    async def add(self, heard):
        await asyncio.sleep(0)

    async def poster(self, avoid):
        return Path("poster.jpg")

    async def sheet(self, title, scenes):
        return Path("sheet.jpg")

    async def assemble(self, clips, out, *, title, note, dress, sound, on_progress):
        return self.joined(clips, out, "\n".join(f"{one.title} {one.prepared.picture.read_text()}" for one in clips))


async def paint(card, video):
    assert card.size == (160, 90) or card.size is None
    video.write_text(f"card:{card.words}")


def tale(rng, folder, seed):
    scenes = []
    for place in range(rng.randint(1, 6)):
        words = [f"Words {seed} {place} {n}" for n in range(rng.choice((1, 1, 2, 3)))]
        join = rng.choice(("extend", "extend", "extend", "last_frame", "cut")) if place else "extend"
        reaction = rng.choice(("placeholder", "placeholder", "placeholder", "stop"))
        scenes.append(
            Scene(f"s{place}", words[0], words[0], 4, join, rng.randint(1, 3), tuple(words[1:]), on_failure=reaction)
        )
    return Story("tale", folder / "tale.yaml", "Tale", "veo3.1_fast", "16:9", tuple(scenes), None, None)


class Play:
    """One seed's story and the runs over it."""

    def __init__(self, seed, folder):
        self.rng = random.Random(seed)
        self.provider = Whim(self.rng)
        self.workspace = Workspace(folder / "workspace")
        self.story = tale(self.rng, folder, seed)
        self.retries = 0

    async def run(self, ledger, *, retry=False, dies_after=None):
        self.retries += retry
        run = Run(
            id=uuid.uuid4().hex,
            provider=self.provider,
            ledger=ledger,
            workspace=self.workspace,
            room=Room(),
            out=self.workspace.root / "films",
            tell=lambda event: None,
            pace=Pace(poll=0.0, job_timeout=20.0, settle=0.0, silence=0.0),
            paint=paint,
            retry_failed=retry,
        )
        work = asyncio.create_task(render(run, self.story))
        for _ in range(dies_after or 0):
            await asyncio.sleep(0.0005)
        if dies_after:
            work.cancel()
        (done,) = await asyncio.gather(work, return_exceptions=True)
        if isinstance(done, BaseException) and not isinstance(done, asyncio.CancelledError):
            raise done
        return done

    # What has to hold

    def check_money(self, ledger):
        records = ledger.story_records("pictory", "tale")
        assert sorted(record.job_id for record in records if record.job_id) == sorted(
            f"job-{n}" for n in range(1, len(self.provider.asked) + 1)
        )
        scenes = {scene.id: scene for scene in self.story.scenes}
        for key in {record.key for record in records}:
            tries = [record for record in records if record.key == key]
            paid = [record for record in tries if record.job_id]
            scene = scenes[tries[0].scene]
            assert len(paid) <= scene.attempts + self.retries
            assert sum(record.state != "failed" for record in paid) <= 1
            assert {record.prompt for record in tries} <= set(scene.prompts)
            barred = [record.prompt for record in tries if record.objected and record.state == "refused"]
            assert len(barred) <= len(set(barred)) + self.retries
        assert ledger.spent("pictory", story="tale") == PRICE * len(self.provider.asked)

    def check_film(self, outcome):
        last = None
        for step, line in zip(outcome.steps, outcome.film.read_text().split("\n"), strict=True):
            if step.scene.join == "cut":
                last = None
            if step.action is Action.PLACEHOLDER:
                assert line == f"{step.scene.id} (placeholder) card:{step.scene.text}"
                continue
            title, url = line.split(" ")
            assert (title, step.action) == (step.scene.id, Action.REUSE)
            request, end = self.provider.asked[int(url.rpartition("-")[2]) - 1]
            assert (end, request.prompt in step.scene.prompts) == ("fine", True)
            framed = step.scene.join == "last_frame"
            assert request.extend_video_url == (None if framed else last)
            assert request.first_frame_image_url == (f"{last}.png" if framed and last else None)
            last = url


async def play(seed, folder):
    """Interrupt a story now and then, retry it now and then, and see that it ends as it should."""
    one = Play(seed, folder)
    with closing(Ledger(one.workspace.ledger)) as ledger:
        for _ in range(one.rng.choice((0, 0, 1, 3))):
            await one.run(ledger, dies_after=one.rng.randint(1, 40), retry=one.rng.random() < 0.2)
        outcome = await one.run(ledger)
        one.check_money(ledger)
        for _ in range(one.rng.choice((0, 1, 2))):
            outcome = await one.run(ledger, retry=True)
            one.check_money(ledger)
        if outcome.error is None:
            one.check_film(outcome)
        else:
            assert isinstance(outcome.error, GenerationFailed), outcome.error
            assert any(step.action is Action.FAILED for step in outcome.steps)
        asked, barred = len(one.provider.asked), len(one.provider.barred)
        again = await one.run(ledger)
        assert (len(one.provider.asked), len(one.provider.barred)) == (asked, barred)
        assert (again.status, again.film) == (outcome.status, outcome.film)
        return outcome.status, len(outcome.warnings), asked


def played(seeds, folder):
    ends = []
    for seed in seeds:
        home = folder / str(seed)
        home.mkdir()
        ends.append(asyncio.run(asyncio.wait_for(play(seed, home), 60)))
    return ends


def test_whatever_is_refused_the_story_ends_as_it_says(tmp_path):
    ends = played(range(8), tmp_path)
    assert {status for status, _, _ in ends} == {"done", "failed"}
    assert any(warnings for _, warnings, _ in ends)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 1400, 100))
def test_whatever_is_refused_the_story_ends_as_it_says_many_times(tmp_path, first):
    ends = played(range(first, first + 100), tmp_path)
    assert sum(bool(warnings) for _, warnings, _ in ends) > 20
