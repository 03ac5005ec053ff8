"""Several requests on their way at once: each paid once, and where answers are lost no job given to the wrong scene."""

import asyncio

import pytest

from storychain.chain.events import Postponed
from storychain.chain.lanes import MOST_LANES, Lanes
from storychain.errors import Interrupted, Unresolved, UsageError
from storychain.ledger import Ledger
from storychain.ledger.database import MIGRATIONS
from tests.stage import stage, story_file


class Meeting:
    """The provider, to requests that leave when `count` of them are there; later ones leave at once."""

    def __init__(self, provider, count, *, dies=False):
        self._provider = provider
        self._missing = count
        self._all_here = asyncio.Event()
        self._dies = dies
        self.together = 0
        self._inside = 0

    def __getattr__(self, name):
        return getattr(self._provider, name)

    async def submit(self, request):
        self._missing -= 1
        self._inside += 1
        self.together = max(self.together, self._inside)
        if self._missing <= 0:
            self._all_here.set()
        await asyncio.wait_for(self._all_here.wait(), 20)
        try:
            outcome = await self._provider.submit(request)
        finally:
            self._inside -= 1
        if self._dies and self._missing <= 0:
            raise Died
        return outcome


class Died(BaseException):
    """The process ends before the answer is on record."""


def tales(folder, count):
    """Stories of one scene each, no two of them alike."""
    return [
        story_file(folder, [{"id": "sea", "prompt": f"Tale {n}, alone by the sea."}], name=f"tale-{n}")
        for n in range(count)
    ]


def play(work):
    asyncio.run(work())


async def met(at, paths, count):
    """What came of stories of which `count` requests leave together, in as many lanes."""
    return await at.render_all(*paths, provider=Meeting(at.provider, count), lanes=Lanes(count), jobs=count)


async def prompts_of(at):
    """The words of every job, by its id."""
    return {job["id"]: job["body"]["prompt"] for job in await at.jobs()}


def test_as_many_requests_are_on_their_way_as_there_are_lanes(tmp_path):
    async def work():
        async with stage(tmp_path) as at:
            meeting = Meeting(at.provider, 3)
            outcomes = await at.render_all(*tales(tmp_path, 6), provider=meeting, lanes=Lanes(3), jobs=6)
            assert [outcome.status for outcome in outcomes] == ["done"] * 6
            assert meeting.together == 3
            assert at.counts["accepted"] == at.counts["submits"] == 6

    play(work)


def test_one_lane_is_the_default(tmp_path):
    async def work():
        async with stage(tmp_path) as at:
            meeting = Meeting(at.provider, 1)
            await at.render_all(*tales(tmp_path, 4), provider=meeting)
            assert meeting.together == 1

    play(work)


def test_runs_with_more_and_fewer_lanes_share_a_ledger(tmp_path):
    async def work():
        async with stage(tmp_path) as at:
            paths = tales(tmp_path, 6)
            many = at.render_all(*paths[:4], lanes=Lanes(4), jobs=6)
            few = at.render_all(*paths[2:], jobs=6)
            outcomes = [outcome for some in await asyncio.gather(many, few) for outcome in some]
            assert {outcome.status for outcome in outcomes if outcome.error is None} == {"done"}
            assert at.counts["accepted"] == 6

    play(work)


def test_an_answer_that_is_lost_while_others_are_on_their_way_is_found(tmp_path):
    async def work():
        async with stage(tmp_path, faults={"submit.lost": "@2"}) as at:
            outcomes = await met(at, tales(tmp_path, 3), 3)
            assert [outcome.status for outcome in outcomes] == ["done"] * 3
            assert at.counts["accepted"] == at.counts["submits"] == 3
            words = await prompts_of(at)
            for outcome in outcomes:
                (step,) = outcome.steps
                assert words[step.record.job_id] == step.scene.prompt

    play(work)


def test_requests_that_never_arrived_are_sent_again(tmp_path):
    async def work():
        async with stage(tmp_path, faults={"submit.cut": "@1,2,3"}) as at:
            outcomes = await met(at, tales(tmp_path, 3), 3)
            assert [outcome.status for outcome in outcomes] == ["done"] * 3
            assert at.counts["accepted"] == 3
            looks = [event for event in at.told if isinstance(event, Postponed) and "asking the job list" in event.why]
            assert len({event.story for event in looks}) == 3
            assert at.counts["lists"] < 12, "they are looked for together"

    play(work)


def test_of_jobs_that_may_be_of_several_requests_a_person_says_whose_they_are(tmp_path):
    """Two answers are lost at once, of requests that were taken on: neither is paid again, neither job is guessed."""

    async def work():
        paths = tales(tmp_path, 3)
        async with stage(tmp_path, faults={"submit.lost": "@1,2"}) as at:
            outcomes = await met(at, paths, 3)
            asked = [outcome for outcome in outcomes if outcome.error is not None]
            assert len(asked) == 2
            assert all(isinstance(outcome.error, Unresolved) for outcome in asked)
            words = await prompts_of(at)
            for outcome in asked:
                (step,) = outcome.steps
                mine = next(job for job, prompt in words.items() if prompt == step.scene.prompt)
                assert mine in str(outcome.error)
                at.ledger.adopt(step.record.attempt, mine)
            again = await at.render_all(*paths)
            assert [outcome.status for outcome in again] == ["done"] * 3
            assert at.counts["accepted"] == 3
            assert all(words[step.record.job_id] == step.scene.prompt for one in again for step in one.steps)

    play(work)


def test_a_job_that_one_of_two_lost_requests_left_is_not_guessed_either(tmp_path):
    """One was taken on and the other was not: giving the job to the wrong one would have it paid twice."""

    async def work():
        async with stage(tmp_path, faults={"submit.lost": "@1", "submit.cut": "@2"}) as at:
            outcomes = await met(at, tales(tmp_path, 2), 2)
            assert all(isinstance(outcome.error, Unresolved) for outcome in outcomes)
            assert at.counts["accepted"] == 1

    play(work)


def test_what_a_dead_run_left_in_its_lanes_is_found_by_a_run_with_one(tmp_path):
    async def work():
        paths = tales(tmp_path, 3)
        async with stage(tmp_path) as at:
            with pytest.raises(Died):
                await at.render_all(paths[0], provider=Meeting(at.provider, 1, dies=True), lanes=Lanes(4))
            (left,) = at.ledger.open_questions("pictory")
            outcomes = await at.render_all(*paths[1:])
            assert [outcome.status for outcome in outcomes] == ["done"] * 2
            assert at.ledger.record(left.key).state == "submitted", "it was found before anything was sent"
            (outcome,) = await at.render_all(paths[0])
            assert outcome.status == "done"
            assert at.counts["accepted"] == 3

    play(work)


@pytest.mark.parametrize("lanes", [1, 4])
def test_interrupted_while_some_are_on_their_way_all_are_on_record(tmp_path, lanes):
    async def work():
        paths = tales(tmp_path, 4)
        async with stage(tmp_path, faults={"submit.slow": 1.0}) as at:
            running = asyncio.create_task(at.render_all(*paths, lanes=Lanes(lanes), jobs=4))
            while at.counts["accepted"] < lanes:
                await asyncio.sleep(0.01)
            assert [len(at.ledger.open_questions("pictory", lane)) for lane in range(lanes)] == [1] * lanes
            running.cancel()
            with pytest.raises((asyncio.CancelledError, Interrupted)):
                await running
            assert not at.ledger.open_questions("pictory")
            assert len(at.ledger.in_flight("pictory")) == lanes
        async with stage(tmp_path) as at:
            outcomes = await at.render_all(*paths)
            assert [outcome.status for outcome in outcomes] == ["done"] * 4
            assert at.counts["submits"] == 4 - lanes

    play(work)


def test_a_preview_goes_on_though_its_ledger_has_forgotten_something(desk):
    """Put back from a copy: what was paid since is forgotten, which is no matter of what is free."""
    folder = desk.folder / ".storychain"
    paths = tales(desk.folder, 3)
    assert desk.run("run", paths[0], "--yes").returncode == 0
    kept = {path.name: path.read_bytes() for path in folder.glob("ledger.sqlite3*")}
    assert desk.run("run", paths[1], "--yes").returncode == 0
    for path in folder.glob("ledger.sqlite3*"):
        path.unlink()
    for name, data in kept.items():
        (folder / name).write_bytes(data)
    done = desk.run("run", paths[2], "--local")
    assert done.returncode == 0, done.stderr


def test_more_lanes_than_anybody_passes_are_refused(tmp_path):
    with pytest.raises(UsageError, match="16 submit lanes at most"):
        Lanes(MOST_LANES + 1)


def test_a_ledger_from_before_there_were_lanes_has_everything_in_the_first(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    ledger = Ledger(path)
    with ledger._database.transaction() as rows:
        rows.execute("ALTER TABLE attempts DROP COLUMN lane")
        rows.execute("ALTER TABLE choices DROP COLUMN written")
        version = next(number for number, script in enumerate(MIGRATIONS) if "COLUMN lane" in script)
        rows.execute(f"PRAGMA user_version = {version}")
    ledger.close()
    again = Ledger(path)
    assert again.open_questions("pictory", 0) == ()
    again.close()
