"""Waiting for jobs: looked at when an answer is likely, many with one request, and never more often than allowed."""

import asyncio
import itertools
import random

import pytest

from storychain.chain.expecting import schedule
from storychain.chain.lookout import Lookout, Watched
from storychain.chain.run import Pace
from storychain.chain.slots import Slots
from storychain.provider import Job, JobPage, RequestRefused
from tests.stage import PRICE, stage, story_file
from tests.world.loop import virtual_loop


def played(draw, *, floor, jobs=200, known=40):
    """Mean seconds from a job's end to its being found, and looks a job, once such jobs are known; `draw` is how long
    one takes."""
    spans, delays, looks = [], [], []
    for _ in range(jobs + known):
        end, plan = draw(), schedule(spans[-40:], floor)
        seen, age, count = 0.0, plan.first(0.0), 1
        while age < end:
            following = plan.after(age)
            assert following - age >= floor - 1e-9
            seen, age, count = age, following, count + 1
        spans.append((seen, age))
        delays.append(age - end)
        looks.append(count)
    return sum(delays[known:]) / jobs, sum(looks[known:]) / jobs


def fixed(draw, *, every=15.0, jobs=1000):
    """The same of looking every 15 seconds."""
    ends = [draw() for _ in range(jobs)]
    found = [next(age for age in itertools.count(every, every) if age >= end) for end in ends]
    return sum(age - end for age, end in zip(found, ends, strict=True)) / jobs, sum(found) / every / jobs


@pytest.mark.parametrize(
    ("mean", "spread", "floor", "better"),
    [(20, 0, 10, 3), (77, 0, 10, 3), (75, 3, 10, 1.5), (75, 3, 3, 2.5), (160, 15, 10, 1)],
)
def test_jobs_like_those_before_are_found_sooner_with_no_more_requests(mean, spread, floor, better):
    seeded = random.Random(7)
    delay, looks = played(lambda: max(1.0, seeded.gauss(mean, spread)), floor=floor)
    usual, requests = fixed(lambda: max(1.0, seeded.gauss(mean, spread)))
    assert looks <= requests
    assert delay <= usual / better


def test_jobs_that_take_longer_than_they_used_to_are_still_found():
    lengths = itertools.chain([20.0] * 60, itertools.repeat(200.0))
    delay, looks = played(lambda: next(lengths), floor=10, jobs=60, known=100)
    assert delay < 10
    assert looks < 4


def test_of_an_unknown_kind_jobs_are_looked_at_evenly():
    plan = schedule([(0.0, 20.0)], 10)
    assert (plan.first(0.0), plan.after(10.0), plan.first(35.0)) == (10.0, 20.0, 35.0)


def test_jobs_that_were_found_the_next_night_say_nothing_of_how_long_they_took():
    assert schedule([(20.0, 86_400.0), (0.0, 3_600.0), (0.0, 50_000.0)], 10).ages == ()
    known = [(70.0, 80.0), (75.0, 85.0), (60.0, 90.0)]
    assert schedule([*known, (0.0, 86_400.0)], 10) == schedule(known, 10)


def test_wrong_experience_leaves_no_job_unwatched():
    """As after a clock that was an hour ahead for a while: every job seems to have taken an hour and some seconds."""
    plan = schedule([(3_700.0, 3_715.0)] * 9, 15)
    assert plan.ages
    looks = [plan.first(0.0)]
    while looks[-1] < 3_700:
        looks.append(plan.after(looks[-1]))
    assert max(later - earlier for earlier, later in itertools.pairwise([0.0, *looks])) <= 8 * 15
    assert plan.likely(0.0) <= 8 * 15  # and so the list of many


@pytest.mark.parametrize("scenes", [1, 6])
def test_jobs_are_looked_at_before_they_are_given_up(tmp_path, scenes):
    """With looks rarer than the time a job is given, one look comes at the end of it."""

    async def play():
        async with stage(tmp_path, latency=0.5) as at:
            cuts = [{"id": f"s{n}", "prompt": f"Cut number {n} of the tale.", "join": "cut"} for n in range(scenes)]
            run = {"jobs": scenes, "slots": Slots(scenes), "pace": Pace(poll=30.0, job_timeout=1.5, settle=0.4)}
            assert (await at.render(story_file(tmp_path, cuts), **run)).status == "done"

    asyncio.run(play())


def test_one_look_at_the_list_is_enough_for_many_jobs(tmp_path):
    """Twelve jobs, each looked at no more often than every second: no more looks than that, and yet found sooner."""

    async def play():
        async with stage(tmp_path, latency=2.0) as at:
            scenes = [{"id": f"s{n}", "prompt": f"Cut number {n} of the tale.", "join": "cut"} for n in range(1, 13)]
            path = story_file(tmp_path, scenes)
            run = {"jobs": 12, "slots": Slots(12), "pace": Pace(poll=1.0, job_timeout=60, settle=0.4)}
            before = dict(at.counts)
            outcome = await at.render(path, **run)
            assert outcome.status == "done"
            polls, lists = (at.counts[name] - before[name] for name in ("polls", "lists"))
            waits = at.ledger.waits(at.provider.name, "veo3.1_fast", 4)
            assert len(waits) == 12
            assert all(low < high for low, high in waits)
            assert any(low > 0 for low, _ in waits)
            # Before each request to buy, one more look at the list is taken; and a job that has ended is asked for.
            assert polls + lists - 2 * 12 <= sum(high for _, high in waits)
            # Looked at alone, none would be found less than a second after it was last seen under way.
            assert sorted(high - low for low, high in waits)[6] < 0.9

    asyncio.run(play())


@pytest.mark.parametrize(("faults", "asked"), [({}, range(9)), ({"list.bare": 1}, range(12, 24))], ids=["all", "bare"])
def test_jobs_of_which_the_list_tells_all_are_not_asked_for_one_by_one(tmp_path, faults, asked):
    """Where it tells no more than that they have ended, they are; either way what they cost is on record."""

    async def play():
        async with stage(tmp_path, latency=2.0, faults=faults) as at:
            scenes = [{"id": f"s{n}", "prompt": f"Cut number {n} of the tale.", "join": "cut"} for n in range(1, 13)]
            run = {"jobs": 12, "slots": Slots(12), "pace": Pace(poll=1.0, job_timeout=60, settle=0.4)}
            assert (await at.render(story_file(tmp_path, scenes), **run)).status == "done"
            assert at.ledger.spent(at.provider.name) == 12 * PRICE
            return at.counts["polls"]

    # A few, too few at a moment for the list to be worth a look, are asked for by themselves: more where all is slow.
    assert asyncio.run(play()) in asked


@pytest.mark.parametrize("fault", ["list.mute", "list.stale"])
def test_jobs_are_found_whatever_the_list_fails_to_tell(tmp_path, fault):
    """Of an account whose list is of no use, jobs are found as soon as by themselves, and not asked for more often."""

    async def play():
        async with stage(tmp_path, latency=2.0, faults={fault: 1}) as at:
            scenes = [{"id": f"s{n}", "prompt": f"Cut number {n} of the tale.", "join": "cut"} for n in range(1, 7)]
            path = story_file(tmp_path, scenes)
            run = {"jobs": 6, "slots": Slots(6), "pace": Pace(poll=0.5, job_timeout=30, settle=0.4)}
            began = asyncio.get_running_loop().time()
            assert (await at.render(path, **run)).status == "done"
            assert asyncio.get_running_loop().time() - began < 15
            assert at.counts["polls"] <= 6 * 8

    asyncio.run(play())


class Quiet:
    """A provider whose jobs go on for ever; remembers when each was looked at by itself."""

    def __init__(self):
        self.looks = []

    async def jobs(self, page=None):
        return JobPage(tuple(Job(f"j{n}", "in_progress") for n in range(6)), None)

    async def job(self, job_id):
        self.looks.append((asyncio.get_running_loop().time(), job_id))
        return Job(job_id, "in_progress")


def test_of_many_the_one_that_is_said_to_have_ended_is_not_left_until_the_list_is_due():
    """Said again just after a look, the next look is a tenth of the floor later, whatever else happens meanwhile."""

    async def play():
        lookout, quiet, plan = Lookout(), Quiet(), schedule([], 10.0)

        async def follow(n):
            watched = Watched(f"j{n}", 0.0, 0.0, plan)
            while True:
                await lookout.look(quiet, watched, until=60.0)

        followers = [asyncio.create_task(follow(n)) for n in range(4)]
        await asyncio.sleep(0.1)
        lookout.hint("j2")
        await asyncio.sleep(0.2)
        lookout.hint("j2")
        await asyncio.sleep(0.2)
        followers.append(asyncio.create_task(follow(4)))
        await asyncio.sleep(1.0)
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
        return quiet.looks

    with virtual_loop() as loop:
        assert loop.run_until_complete(play()) == [(0.1, "j2"), (1.1, "j2")]


class Long:
    """An account with a long list, newest first, ten jobs a page; its jobs take `takes` seconds.

    A page is had by the number of the jobs before it, or by the last of them, if that is still there. Others use the
    account as well, and may take their jobs off its list.
    """

    def __init__(self, keys, takes=20.0, *, mute=(), absent=()):
        self.keys = keys
        self.mute = mute
        self.absent = absent
        self.takes = takes
        self.began = {}
        self.order = []
        self.pages = 0
        self.looks = 0

    def begin(self, job_id):
        self.began[job_id] = asyncio.get_running_loop().time()
        self.order.insert(0, job_id)

    async def jobs(self, page=None):
        self.pages += 1
        await asyncio.sleep(0.01)
        if self.keys == "named" and page is not None and page not in self.order:
            raise RequestRefused("no such page")
        first = 0 if page is None else int(page) if self.keys == "counted" else self.order.index(page) + 1
        ids = self.order[first : first + 10]
        more = len(self.order) > first + 10
        following = (str(first + 10) if self.keys == "counted" else ids[-1]) if more else None
        return JobPage(tuple(self._told(job_id) for job_id in ids if job_id not in self.absent), following)

    def _told(self, job_id):
        return Job(job_id, "untold") if job_id in self.mute else self._job(job_id)

    async def job(self, job_id):
        self.looks += 1
        return self._job(job_id)

    def _job(self, job_id):
        age = asyncio.get_running_loop().time() - self.began[job_id]
        if age < self.takes:
            return Job(job_id, "in_progress")
        return Job(job_id, "completed", url="https://x/v", last_frame_url="https://x/f", seconds=8, credits=PRICE)


async def found_late(lookout, account, job_id, plan):
    """Begin a job and wait for it; how long after its end it was found."""
    loop = asyncio.get_running_loop()
    account.begin(job_id)
    watched = Watched(job_id, loop.time(), loop.time(), plan)
    while (await lookout.look(account, watched)).state != "completed":
        pass
    return loop.time() - account.began[job_id] - account.takes


@pytest.mark.parametrize("keys", ["counted", "named"])
@pytest.mark.parametrize("others", ["none", "begin", "go"])
def test_of_a_long_list_only_the_pages_are_read_on_which_jobs_may_have_ended(keys, others):
    """Two hundred jobs within four seconds, so that no page has all that end at a time, and all are found at once."""

    async def play():
        lookout, account = Lookout(), Long(keys)
        plan = schedule([(19.9, 20.1)] * 9, 3.0)

        async def follow(n):
            await asyncio.sleep(0.02 * n)
            return await found_late(lookout, account, f"j{n}", plan)

        async def busy():
            for n in range(300 if others == "begin" else 0):
                account.begin(f"other-{n}")
                await asyncio.sleep(0.1)
            while others == "go":
                await asyncio.sleep(0.5)
                gone = [job_id for job_id in account.order if job_id.startswith("old")][:3]
                account.order = [job_id for job_id in account.order if job_id not in gone]

        for n in range(60):
            account.begin(f"old-{n}")
        neighbours = asyncio.create_task(busy())
        late = await asyncio.gather(*(follow(n) for n in range(200)))
        neighbours.cancel()
        return account, late

    with virtual_loop() as loop:
        account, late = loop.run_until_complete(play())
    assert len(late) == 200
    assert max(late) < 1.5
    assert account.looks < 20
    assert account.pages < 90  # from the top on, each look would read twenty, and there are some twenty-five of them


@pytest.mark.parametrize("how", ["mute", "absent"])
def test_a_job_that_the_list_does_not_tell_of_holds_up_no_other(how):
    """The first to end is one, on a long list; the others are found in time, and not asked for one by one."""

    async def play():
        lookout, account = Lookout(), Long("counted", **{how: {"j0"}})
        plan = schedule([(19.9, 20.1)] * 9, 3.0)

        async def follow(n):
            await asyncio.sleep(0.05 * n)
            return await found_late(lookout, account, f"j{n}", plan)

        for n in range(500):
            account.begin(f"old-{n}")
        return account, await asyncio.gather(*(follow(n) for n in range(60)))

    with virtual_loop() as loop:
        account, late = loop.run_until_complete(play())
    assert len(late) == 60
    assert max(late) < 3.0
    assert sum(late) / 60 < 0.7
    assert account.looks < 8
    assert account.pages < 50


@pytest.mark.parametrize("keys", ["counted", "named"])
def test_where_the_list_has_moved_up_what_is_wanted_is_found_all_the_same(keys):
    """Newer jobs are taken off the list, so that those looked for are on an earlier page than before."""

    async def play():
        lookout, account, plan = Lookout(), Long(keys), schedule([(17.0, 25.0)] * 9, 3.0)
        following = [asyncio.create_task(found_late(lookout, account, f"j{n}", plan)) for n in range(30)]
        await asyncio.sleep(1.0)
        for n in range(40):
            account.begin(f"newer-{n}")
        await asyncio.sleep(18.5)
        assert account.pages == 7 + 3  # all of the list once, then only where they are
        account.order = [job_id for job_id in account.order if not job_id.startswith("newer")]
        return account, await asyncio.gather(*following)

    with virtual_loop() as loop:
        account, late = loop.run_until_complete(play())
    assert len(late) == 30
    assert max(late) < 1.5
    assert account.looks < 5


def test_a_job_that_no_list_shows_is_found_all_the_same(tmp_path):
    async def play():
        async with stage(tmp_path, latency=1.0, page_size=2) as at:
            scenes = [{"id": f"s{n}", "prompt": f"Cut number {n} of the tale.", "join": "cut"} for n in range(1, 9)]
            path = story_file(tmp_path, scenes)
            run = {"jobs": 8, "slots": Slots(8), "pace": Pace(poll=0.5, job_timeout=30, settle=0.4)}
            assert (await at.render(path, **run)).status == "done"

    asyncio.run(play())
