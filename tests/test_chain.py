"""The chain against the studio, over real sockets: what is paid, what is kept, what the film is."""

import asyncio
import hashlib
import time
from dataclasses import replace
from decimal import Decimal

import pytest

from storychain.chain import events as ev
from storychain.chain.events import Postponed
from storychain.chain.run import Pace
from storychain.chain.slots import Slots
from storychain.errors import (
    AccountError,
    CapReached,
    GenerationFailed,
    MediaError,
    OutOfTime,
    ProviderUnreachable,
    StoryHeld,
    Unresolved,
)
from storychain.ledger import Caps, Purchase
from storychain.locks import lock_now
from storychain.pictory import Pictory
from storychain.plan import Action, Facts, plan
from storychain.provider import AnswerLost, Job, SegmentRequest
from storychain.story import load_story
from tests.stage import PRICE, frames_of, seconds_of, stage, story_file
from tests.stranger import KEY, raw, said, stranger
from tests.telling import telling


async def _rendered(tmp_path, scenes=3, *, faults=None, top=None, **changes):
    """Render a story once in a studio with faults; the outcome, the studio's counts and what was told."""
    async with stage(tmp_path, faults=faults or {}) as at:
        outcome = await at.render(story_file(tmp_path, scenes, **(top or {})), **changes)
        return outcome, dict(at.counts), at.told


def rendered(tmp_path, *arguments, **options):
    return asyncio.run(_rendered(tmp_path, *arguments, **options))


class Wrapped:
    """The provider, of which some is changed."""

    def __init__(self, provider):
        self._provider = provider

    def __getattr__(self, name):
        return getattr(self._provider, name)


class StrangerToo(Wrapped):
    """The provider, with somebody else submitting on the same account right after us."""

    async def submit(self, request):
        outcome = await self._provider.submit(request)
        await self._provider.submit(replace(request, prompt="A job of somebody else's."))
        return outcome


class StrangerInstead(Wrapped):
    """The provider, with a job of somebody else's that ends just when the answer to our first request is lost."""

    async def submit(self, request):
        outcome = await self._provider.submit(request)
        if isinstance(outcome, AnswerLost):
            other = replace(request, prompt="A job of somebody else's.", seconds=8)
            theirs = await self._provider.submit(other)
            while (await self._provider.job(theirs.job_id)).state == "in_progress":
                await asyncio.sleep(0.05)
        return outcome


class Forgetful(Wrapped):
    """The provider, which for a while knows nothing of a job when it is asked for it alone."""

    def __init__(self, provider, seconds):
        super().__init__(provider)
        self._until = time.monotonic() + seconds

    async def job(self, job_id):
        known = await self._provider.job(job_id)
        return known if time.monotonic() > self._until else Job(job_id, "not_found")


def test_a_job_that_is_unknown_for_a_while_is_not_lost(tmp_path):
    async def play():
        async with stage(tmp_path) as at:
            pace = Pace(poll=0.05, settle=2.0)
            outcome = await at.render(story_file(tmp_path, 1), provider=Forgetful(at.provider, 1.0), pace=pace)
            assert outcome.status == "done", outcome.error
            other = story_file(tmp_path, [{"id": "s1", "prompt": "Another scene."}], name="other")
            lost = await at.render(other, provider=Forgetful(at.provider, 60.0), pace=replace(pace, settle=0.5))
            assert isinstance(lost.error, Unresolved)
            (job_id,) = [record.job_id for record in at.ledger.story_records("pictory", "other")]
            assert f"`storychain adopt {other} s1 {job_id}` has it if it is known again" in lost.error.what
            assert at.counts["accepted"] == 2

    asyncio.run(play())


def test_a_job_that_tells_another_length_and_price_is_not_taken_for_ours(tmp_path):
    async def play():
        async with stage(tmp_path, faults={"submit.cut": "@1"}) as at:
            outcome = await at.render(story_file(tmp_path, 1), provider=StrangerInstead(at.provider))
            assert isinstance(outcome.error, Unresolved), outcome.error
            assert at.counts["accepted"] == 1
            (job,) = await at.jobs()
            assert f"job {job['id']}, which tells another length and price (8 s, 80 credits)" in outcome.error.what

    asyncio.run(play())


def test_a_story_becomes_a_film_and_each_scene_is_paid_once(tmp_path):
    outcome, counts, _ = rendered(tmp_path)
    assert outcome.status == "done"
    assert outcome.error is None
    assert counts["accepted"] == 3
    assert counts["credits_debited"] == 3 * PRICE
    assert outcome.spent == outcome.planned == 3 * PRICE
    assert frames_of(outcome.film) == 3 * 4 * 24
    assert seconds_of(outcome.film) == pytest.approx(12.0, abs=0.03)


def test_everything_the_api_has_defaults_for_is_said(tmp_path):
    _, counts, _ = rendered(tmp_path, 1)
    assert counts["defaults_used"] == {}
    assert counts["dropped_fields"] == {}


def test_a_finished_story_is_rendered_again_without_a_word_to_anybody(tmp_path):
    async def play():
        path = story_file(tmp_path)
        async with stage(tmp_path) as at:
            first = await at.render(path)
            before, made = dict(at.counts), first.film.stat().st_mtime_ns
            again = await at.render(path)
            assert dict(at.counts) == before
            assert again.status == "done"
            assert again.film.stat().st_mtime_ns == made
            assert again.spent == 0

    asyncio.run(play())


def test_a_film_that_was_removed_is_joined_again_for_nothing(tmp_path):
    async def play():
        path = story_file(tmp_path)
        async with stage(tmp_path) as at:
            first = await at.render(path)
            data = first.film.read_bytes()
            first.film.unlink()
            before = dict(at.counts)
            again = await at.render(path)
            assert again.film.read_bytes() == data
            assert dict(at.counts) == before

    asyncio.run(play())


def test_an_edited_scene_is_bought_with_all_that_follow_it_and_nothing_else(tmp_path):
    async def play():
        async with stage(tmp_path) as at:
            await at.render(story_file(tmp_path))
            scenes = [{"id": f"s{n}", "prompt": f"Scene number {n} of a tale by the sea."} for n in (1, 2, 3)]
            scenes[1]["prompt"] = "Something else happens, quite suddenly."
            again = await at.render(story_file(tmp_path, scenes))
            assert again.status == "done"
            assert at.counts["accepted"] == 3 + 2
            assert again.spent == 2 * PRICE

    asyncio.run(play())


def test_two_stories_with_the_same_opening_pay_it_once(tmp_path):
    async def play():
        opening = [{"prompt": "A door opens on an empty beach."}, {"prompt": "Somebody walks to the water."}]
        one = story_file(tmp_path, [*opening, {"prompt": "She swims out, laughing."}], name="one")
        two = story_file(tmp_path, [*opening, {"prompt": "He turns back to the house."}], name="two")
        async with stage(tmp_path) as at:
            outcomes = await at.render_all(one, two)
            assert [outcome.status for outcome in outcomes] == ["done", "done"]
            assert at.counts["accepted"] == 4
            assert sum(outcome.spent for outcome in outcomes) == 4 * PRICE

    asyncio.run(play())


def test_chains_of_one_story_render_side_by_side(tmp_path):
    async def play():
        scenes = [
            {"id": "a1", "prompt": "A kite over the dunes."},
            {"id": "b1", "prompt": "A lamp in a window.", "join": "cut"},
        ]
        async with stage(tmp_path, latency=1.5) as at:
            outcome = await at.render(story_file(tmp_path, scenes))
            assert outcome.status == "done"
            assert at.counts["accepted"] == 2
            order = [type(event).__name__ for event in at.told if isinstance(event, ev.Submitted | ev.Completed)]
            assert order[:2] == ["Submitted", "Submitted"]

    asyncio.run(play())


def test_jobs_at_once_are_bounded(tmp_path):
    async def play():
        scenes = [{"prompt": f"A still life, number {n}.", "join": "cut"} for n in range(4)]
        async with stage(tmp_path) as at:
            outcome = await at.render(story_file(tmp_path, scenes), jobs=1, slots=Slots(1))
            under_way, most = 0, 0
            for event in at.told:
                under_way += isinstance(event, ev.Submitted) - isinstance(event, ev.Completed)
                most = max(most, under_way)
            assert outcome.status == "done"
            assert most == 1

    asyncio.run(play())


def test_the_next_scene_generates_while_its_parent_downloads(tmp_path):
    _, _, told = rendered(tmp_path, 2, faults={"download.slow": "@1"})
    stored = next(n for n, event in enumerate(told) if isinstance(event, ev.Stored) and event.scene == "s1")
    submitted = next(n for n, event in enumerate(told) if isinstance(event, ev.Submitted) and event.scene == "s2")
    assert submitted < stored


def test_a_job_whose_run_has_died_does_not_stand_in_the_way_for_ever(tmp_path):
    async def play():
        one, two = story_file(tmp_path, 1, name="one"), story_file(tmp_path, [{"prompt": "Another tale."}], name="two")
        async with stage(tmp_path, latency=0.5) as at:
            dying = asyncio.create_task(at.render(one))
            while not any(isinstance(event, ev.Submitted) for event in at.told):
                await asyncio.sleep(0.02)
            dying.cancel()
            await asyncio.wait([dying])
            outcome = await at.render(two, jobs=1)
            assert outcome.status == "done"
            assert (await at.render(one)).status == "done"
            assert at.counts["accepted"] == 2

    asyncio.run(play())


def test_a_free_preview_costs_nothing_however_often_its_jobs_are_read(tmp_path):
    path = story_file(tmp_path, 1)

    async def play():
        async with (
            stage(tmp_path) as at,
            Pictory(at.running.base_url, "pictai_test", name="studio", free=True) as free,
        ):
            for _ in range(2):
                outcome = await at.render(path, provider=free)
                assert (outcome.status, outcome.steps[0].record.credits) == ("done", 0)
                at.workspace.segment(outcome.steps[0].key).unlink()  # the job is then read again for its address

    asyncio.run(play())


# What goes wrong on the wire


@pytest.mark.parametrize(
    "fault", telling(["submit.lost", "submit.garbled", "submit.500_accepted"], {"submit.lost", "submit.500_accepted"})
)
def test_a_lost_answer_is_found_in_the_job_list_and_not_paid_again(tmp_path, fault):
    outcome, counts, told = rendered(tmp_path, faults={fault: "@2"})
    assert outcome.status == "done"
    assert counts["accepted"] == 3
    assert counts["credits_debited"] == 3 * PRICE
    assert [event.job_id is not None for event in told if isinstance(event, ev.Reconciled)] == [True]


def test_a_lost_answer_is_found_although_the_list_lags(tmp_path):
    outcome, counts, _ = rendered(tmp_path, faults={"submit.lost": "@1", "list.lag": "@1"})
    assert outcome.status == "done"
    assert counts["accepted"] == 3


def test_a_request_whose_sender_was_killed_may_still_be_taken_on(tmp_path):
    """It left just before, and the provider takes as long over it as it takes until a client gives a request up."""
    path = story_file(tmp_path, [{"id": "one", "prompt": "A harbour at dawn."}])

    async def play():
        async with stage(tmp_path) as at:
            story = load_story(path)
            (step,) = plan(story, Facts(at.provider.name))
            asked = Purchase(
                key=step.key,
                provider=at.provider.name,
                story="tale",
                scene="one",
                run="of the killed",
                model=story.model,
                seconds=step.scene.seconds,
                prompt=step.scene.prompt,
                price=step.price,
                watermark=(),
            )
            at.ledger.admit(asked, Caps(), 4)
            pace = Pace(poll=0.05, job_timeout=30, settle=0.4, silence=1.2)
            rendering = asyncio.create_task(at.render(path, pace=pace))
            await asyncio.sleep(0.8)
            await at.provider.submit(SegmentRequest(step.scene.prompt, story.model, "16:9", step.scene.seconds))
            assert (await rendering).status == "done"
            assert at.counts["accepted"] == 1

    asyncio.run(play())


NOT_ACCEPTED = ["submit.cut", "submit.429", "submit.429_retry_after", "submit.503", "submit.500_refused"]


@pytest.mark.parametrize("fault", telling(NOT_ACCEPTED, NOT_ACCEPTED[::2]))
def test_a_request_that_was_not_accepted_is_sent_again(tmp_path, fault):
    outcome, counts, _ = rendered(tmp_path, 2, faults={fault: "@1"})
    assert outcome.status == "done"
    assert counts["accepted"] == 2
    assert counts["submits"] == 3


BAD_READS = ["poll.500", "poll.429", "poll.garbled", "poll.cut", "list.500"]


@pytest.mark.parametrize("fault", telling(BAD_READS, {"poll.garbled", "list.500"}))
def test_reads_are_repeated(tmp_path, fault):
    outcome, counts, _ = rendered(tmp_path, 2, faults={fault: "@1"})
    assert outcome.status == "done"
    assert counts["accepted"] == 2


def at_lists(numbers):
    return "@" + ",".join(map(str, numbers))


@pytest.mark.parametrize("fault", ["submit.lost", "submit.500_refused"])
def test_a_look_at_the_list_that_fails_while_a_lost_answer_settles_is_only_that(tmp_path, fault):
    """The first list is that before the request; the next two looks fail as often as a read is repeated."""
    outcome, counts, told = rendered(tmp_path, 1, faults={fault: "@1", "list.500": at_lists(range(2, 12))})
    assert outcome.status == "done", outcome.error
    assert counts["accepted"] == 1
    assert any("500" in event.why for event in told if isinstance(event, Postponed))


def test_where_the_last_look_at_the_list_fails_nothing_is_sent_again(tmp_path):
    outcome, counts, _ = rendered(tmp_path, 1, faults={"submit.500_refused": "@1", "list.500": at_lists(range(5, 99))})
    assert isinstance(outcome.error, OutOfTime)
    assert outcome.steps[0].record.state == "intended"
    assert counts["submits"] == 1


BAD_DOWNLOADS = ["download.cut", "download.html", "download.truncated", "download.403"]


@pytest.mark.parametrize("fault", telling(BAD_DOWNLOADS, {"download.cut", "download.html"}))
def test_a_bad_download_is_fetched_again_and_not_bought_again(tmp_path, fault):
    outcome, counts, _ = rendered(tmp_path, 2, faults={fault: "@1"})
    assert outcome.status == "done"
    assert counts["accepted"] == 2
    assert frames_of(outcome.film) == 2 * 4 * 24


def test_a_file_that_is_always_broken_stays_on_record_and_is_fetched_by_the_next_run(tmp_path):
    async def play():
        path = story_file(tmp_path, 1)
        async with stage(tmp_path, faults={"download.truncated": 1.0}) as at:
            outcome = await at.render(path)
            assert isinstance(outcome.error, OutOfTime)
            assert outcome.steps[0].record.state == "completed"
        async with stage(tmp_path) as at:
            again = await at.render(path)
            assert again.status == "done"
            assert at.counts["accepted"] == 0

    asyncio.run(play())


class Damaging(Wrapped):
    """The provider, of whose videos all are damaged in the same way."""

    async def download(self, url, part, on_bytes):
        await self._provider.download(url, part, on_bytes)
        part.write_bytes(damaged(part.read_bytes(), 9000))
        return hashlib.sha256(part.read_bytes()).hexdigest()


def test_a_segment_that_is_damaged_where_it_lies_is_mended_and_that_is_told(tmp_path):
    async def play():
        async with stage(tmp_path) as at:
            outcome = await at.render(story_file(tmp_path, 2), provider=Damaging(at.provider))
            assert outcome.status == "done", outcome.error
            assert at.counts["accepted"] == 2
            assert frames_of(outcome.film) == 2 * 4 * 24
            told = [event.message for event in at.told if isinstance(event, ev.Noticed)]
            assert sum("the provider's own file is damaged" in message for message in told) == 2

    asyncio.run(play())


class Addressless(Wrapped):
    """The provider, whose jobs end without saying where their video is."""

    async def job(self, job_id):
        return replace(await self._provider.job(job_id), url=None)


def test_a_job_that_ends_without_an_address_is_waited_for_and_said_to_be_so(tmp_path):
    async def play():
        path, pace = story_file(tmp_path, 1), Pace(poll=0.05, job_timeout=2.0, settle=0.4, silence=0.0)
        async with stage(tmp_path) as at:
            outcome = await at.render(path, provider=Addressless(at.provider), pace=pace)
            assert isinstance(outcome.error, OutOfTime)
            assert "has ended, but names no address of its video" in outcome.error.what
            assert (await at.render(path)).status == "done"
            assert at.counts["accepted"] == 1

    asyncio.run(play())


def test_a_submit_that_is_sent_elsewhere_is_reported_and_not_sent_again_and_again(tmp_path):
    def answer(asked):
        if asked.line.startswith("POST"):
            return raw(308, Location="{origin}/v2/aistudio/videos")
        return said({"items": []} if "/jobs" in asked.line else {"aiCredits": {"used": 0, "limit": 100}})

    async def play():
        async with stage(tmp_path) as at, stranger(answer) as server, Pictory(server.origin, KEY) as provider:
            pace = Pace(poll=0.05, settle=0.2, silence=0.2)
            outcome = await at.render(story_file(tmp_path, 1), provider=provider, pace=pace)
            assert isinstance(outcome.error, ProviderUnreachable)
            assert "308" in outcome.error.what
            assert "Check PICTORY_API_BASE_URL" in outcome.error.next_step
            assert len([asked for asked in server.asked if asked.line.startswith("POST")]) == 1
            (record,) = at.ledger.story_records("pictory", "tale")
            assert record.state == "refused"

    asyncio.run(play())


def damaged(video, place):
    """A video with some bytes of its pictures gone: it still decodes, but is not what it was."""
    begins = video.index(b"mdat") + 4 + place
    return video[:begins] + bytes(60) + video[begins + 60 :]


def opened_by(tmp_path, *answers):
    """A story whose film opens with a video from an address that answers like this; its outcome and what was sent."""

    async def play():
        async with stage(tmp_path) as at, stranger(*answers) as server:
            # A local studio knows no strangers' addresses; only the film fetches this one.
            path = story_file(tmp_path, 1, start={"video": f"{server.origin}/sea.mp4", "include": True})
            return await at.render(path), at.workspace.source(f"{server.origin}/sea.mp4"), at.counts

    return asyncio.run(play())


@pytest.fixture(scope="module")
def sea(tmp_path_factory):
    """A four-second video."""
    folder = tmp_path_factory.mktemp("sea")
    outcome, _, _ = rendered(folder, 1)
    return outcome.film.read_bytes()


def test_an_opening_that_comes_broken_another_way_each_time_is_not_taken(tmp_path, sea):
    broken = [raw(200, damaged(sea, 9000 + 700 * n)) for n in range(6)]
    outcome, source, _ = opened_by(tmp_path, *broken)
    assert isinstance(outcome.error, MediaError)
    assert not source.exists()


def test_an_opening_that_is_broken_where_it_lies_is_taken_as_it_is(tmp_path, sea):
    outcome, _, _ = opened_by(tmp_path, raw(200, damaged(sea, 9000)))
    assert outcome.status == "done"
    assert frames_of(outcome.film) == 2 * 4 * 24


def test_odd_segments_make_a_film_of_the_right_length(tmp_path):
    faults = {"media.fps30": "@2", "media.silent": "@3"}
    outcome, _, _ = rendered(tmp_path, faults=faults)
    assert outcome.status == "done"
    assert seconds_of(outcome.film) == pytest.approx(12.0, abs=0.05)


def test_a_segment_of_the_wrong_length_is_kept_and_said(tmp_path):
    outcome, _, told = rendered(tmp_path, 2, faults={"media.short": "@1"})
    assert outcome.status == "done"
    assert any("3.0 s where 4 s" in event.message for event in told if isinstance(event, ev.Noticed))


# Failures of the provider's own


def test_a_failed_job_stops_the_story_and_says_why(tmp_path):
    outcome, counts, _ = rendered(tmp_path, faults={"job.failed": "@2"})
    assert outcome.status == "failed"
    assert isinstance(outcome.error, GenerationFailed)
    assert "s2" in str(outcome.error)
    assert counts["accepted"] == 2
    assert outcome.film is None


def test_attempts_allow_as_many_paid_tries(tmp_path):
    scenes = [{"id": "hard", "prompt": "Something that is hard to make.", "attempts": 3}]
    outcome, counts, told = rendered(tmp_path, scenes, faults={"job.failed": 1.0})
    assert outcome.status == "failed"
    assert counts["accepted"] == 3
    assert [event.again for event in told if isinstance(event, ev.SceneFailed)] == [True, True, False]


def test_a_scene_that_was_given_up_is_not_paid_again_unless_asked(tmp_path):
    async def play():
        path = story_file(tmp_path, 2)
        async with stage(tmp_path, faults={"job.failed": "@1"}) as at:
            await at.render(path)
            again = await at.render(path)
            assert isinstance(again.error, GenerationFailed)
            assert "--retry-failed" in str(again.error)
            assert at.counts["accepted"] == 1
            asked = await at.render(path, retry_failed=True)
            assert asked.status == "done"
            assert at.counts["accepted"] == 3

    asyncio.run(play())


def test_a_failed_chain_buys_nothing_more_in_its_siblings(tmp_path):
    async def play():
        scenes = [
            {"id": "a", "prompt": "The first chain's only scene."},
            {"id": "b1", "prompt": "The second chain begins.", "join": "cut"},
            {"id": "b2", "prompt": "The second chain goes on."},
            {"id": "b3", "prompt": "The second chain ends."},
        ]
        path = story_file(tmp_path, scenes)
        async with stage(tmp_path, faults={"job.failed": "@1"}) as at:
            outcome = await at.render(path)
            assert isinstance(outcome.error, GenerationFailed)
            paid = at.counts["accepted"]
            assert paid < 4
            states = {step.scene.id: step.record.state for step in outcome.steps}
            assert "submitted" not in states.values()
            await at.render(path)
            assert at.counts["accepted"] == paid

    asyncio.run(play())


# Caps, locks and questions


def test_no_cap_is_passed_by_one_credit(tmp_path):
    async def play():
        path = story_file(tmp_path)
        async with stage(tmp_path) as at:
            outcome = await at.render(path, caps=Caps(run=3 * PRICE - 1))
            assert isinstance(outcome.error, CapReached)
            assert at.counts["credits_debited"] == 2 * PRICE
            rest = await at.render(path, caps=Caps(run=PRICE))
            assert rest.status == "done"

    asyncio.run(play())


@pytest.mark.parametrize("span", telling(["day", "month"], {"month"}))
def test_day_and_month_caps_count_all_runs(tmp_path, span):
    async def play():
        async with stage(tmp_path) as at:
            caps = Caps(**{span: 3 * PRICE})
            await at.render(story_file(tmp_path, 2, name="one"), caps=caps)
            scenes = [{"prompt": "Another story begins."}, {"prompt": "And goes on a while."}]
            outcome = await at.render(story_file(tmp_path, scenes, name="two"), caps=caps)
            assert isinstance(outcome.error, CapReached)
            assert at.counts["accepted"] == 3

    asyncio.run(play())


def test_a_budget_that_cannot_pay_for_the_whole_story_pays_for_none_of_it(tmp_path):
    outcome, counts, _ = rendered(tmp_path, top={"budget": 100})
    assert isinstance(outcome.error, CapReached)
    assert counts["submits"] == 0


def test_a_request_in_doubt_is_not_counted_twice_against_the_budget(tmp_path):
    """A run died while its answer was on its way; the story's budget is just enough for the story."""

    async def play():
        path = story_file(tmp_path, 2, budget=80)
        async with stage(tmp_path, faults={"submit.slow": "@1"}, credits_limit=80) as at:
            dying = asyncio.create_task(at.render(path, provider=Dying(at.provider)))
            await asyncio.wait([dying])
            assert isinstance(dying.exception(), Died)
            assert at.ledger.open_questions("pictory")
            outcome = await at.render(path)
            assert outcome.status == "done"
            assert at.counts["accepted"] == 2

    asyncio.run(play())


class Died(BaseException):
    """What ends a run at once."""


class Dying(StrangerToo):
    """The provider, to somebody who dies before its answer is read."""

    async def submit(self, request):
        await self._provider.submit(request)
        raise Died


def test_a_story_held_by_another_run_is_left_alone(tmp_path):
    async def play():
        path = story_file(tmp_path)
        async with stage(tmp_path) as at:
            with lock_now(at.workspace.story_lock(path, "tale")):
                outcome = await at.render(path)
            assert isinstance(outcome.error, StoryHeld)
            assert at.counts["submits"] == 0

    asyncio.run(play())


def test_a_job_that_takes_too_long_is_picked_up_by_the_next_run(tmp_path):
    async def play():
        path = story_file(tmp_path, 1)
        async with stage(tmp_path, latency=2.0) as at:
            slow = at.run()
            pace = type(slow.pace)(poll=0.05, job_timeout=0.2, settle=0.1, silence=0.0)
            outcome = await at.render(path, pace=pace)
            assert isinstance(outcome.error, OutOfTime)
            again = await at.render(path)
            assert again.status == "done"
            assert at.counts["accepted"] == 1

    asyncio.run(play())


def test_two_jobs_that_could_be_the_lost_one_stop_the_story_and_name_them(tmp_path):
    """Somebody else uses the account at the very moment our answer is lost."""

    async def play():
        path = story_file(tmp_path, 1)
        async with stage(tmp_path, faults={"submit.lost": "@1"}) as at:
            outcome = await at.render(path, provider=StrangerToo(at.provider))
            assert isinstance(outcome.error, Unresolved)
            assert at.counts["accepted"] == 2
            message = str(outcome.error)
            assert "adopt" in message
            assert "--may-pay-twice" in message
            again = await at.render(path)
            assert isinstance(again.error, Unresolved)
            assert at.counts["accepted"] == 2

    asyncio.run(play())


def test_a_refused_key_is_an_account_error_and_leaves_nothing_open(tmp_path):
    async def play():
        async with stage(tmp_path, key="pictai_other") as at:
            outcome = await at.render(story_file(tmp_path, 1))
            assert isinstance(outcome.error, AccountError)
            assert at.ledger.open_questions("pictory") == ()

    asyncio.run(play())


def test_credits_that_run_out_midway_leave_what_is_paid(tmp_path):
    """The account could pay for the story when it was asked; somebody else was quicker."""

    async def play():
        path = story_file(tmp_path)
        async with stage(tmp_path, credits_limit=4 * PRICE) as at:
            outcome = await at.render(path, provider=StrangerToo(at.provider))
            assert isinstance(outcome.error, AccountError)
            assert [step.action for step in outcome.steps] == [Action.REUSE, Action.REUSE, Action.SUBMIT]
        async with stage(tmp_path) as at:
            assert (await at.render(path)).status == "done"
            assert at.counts["accepted"] == 1

    asyncio.run(play())


def test_an_account_that_cannot_pay_for_the_whole_story_pays_for_none_of_it(tmp_path):
    async def play():
        async with stage(tmp_path, credits_limit=3 * PRICE - 1) as at:
            outcome = await at.render(story_file(tmp_path))
            assert isinstance(outcome.error, AccountError)
            assert at.counts["submits"] == 0

    asyncio.run(play())


def test_stories_side_by_side_do_not_count_on_the_same_credits(tmp_path):
    async def play():
        one = story_file(tmp_path, 2, name="one")
        two = story_file(tmp_path, [{"prompt": "Another tale begins."}, {"prompt": "And ends."}], name="two")
        async with stage(tmp_path, credits_limit=3 * PRICE) as at:
            outcomes = await at.render_all(one, two)
            assert sorted(outcome.status for outcome in outcomes) == ["done", "stopped"]
            assert at.counts["accepted"] == 2

    asyncio.run(play())


# Ways to begin


def test_a_scene_joined_by_last_frame_begins_from_a_picture(tmp_path):
    scenes = [
        {"prompt": "A boat at its mooring, at dusk."},
        {"prompt": "Much later, the tide is out.", "join": "last_frame"},
    ]

    async def play():
        async with stage(tmp_path) as at:
            outcome = await at.render(story_file(tmp_path, scenes))
            assert outcome.status == "done"
            assert at.counts["uploads"] == 0
            bodies = [job["body"] for job in await at.jobs()]
            assert sum("firstFrameImageUrl" in body for body in bodies) == 1
            assert not any("extendVideoUrl" in body for body in bodies)

    asyncio.run(play())


def test_without_a_last_frame_from_the_provider_ours_is_uploaded(tmp_path):
    scenes = [
        {"prompt": "A boat at its mooring, at dusk."},
        {"prompt": "Much later, the tide is out.", "join": "last_frame"},
    ]
    outcome, counts, _ = rendered(tmp_path, scenes, faults={"media.no_last_frame": 1.0})
    assert outcome.status == "done"
    assert counts["uploads"] == 1


def test_an_expired_parent_is_uploaded_from_our_copy(tmp_path):
    async def play():
        scenes = [{"prompt": "A boat leaves the harbour."}, {"prompt": "It passes the breakwater."}]
        async with stage(tmp_path) as at:
            await at.render(story_file(tmp_path, scenes[:1]))
            await at.provider.clean((await at.jobs())[0]["id"])
            outcome = await at.render(story_file(tmp_path, scenes))
            assert outcome.status == "done"
            assert at.counts["uploads"] == 1
            assert at.counts["accepted"] == 2

    asyncio.run(play())


def test_stored_bytes_that_vanish_are_downloaded_again_and_not_bought_again(tmp_path):
    async def play():
        path = story_file(tmp_path, 2)
        async with stage(tmp_path) as at:
            first = await at.render(path)
            at.workspace.segment(first.steps[0].key).unlink()
            first.film.unlink()
            again = await at.render(path)
            assert again.status == "done"
            assert at.counts["accepted"] == 2
            assert again.spent == Decimal(0)

    asyncio.run(play())


def test_a_segment_whose_job_is_gone_is_had_again_where_its_file_is_put_back(tmp_path):
    async def play():
        path = story_file(tmp_path, 2)
        async with stage(tmp_path) as at:
            first = await at.render(path)
            for job in await at.jobs():
                await at.provider.clean(job["id"])
            segment = at.workspace.segment(first.steps[0].key)
            kept = segment.rename(tmp_path / "kept.mp4")
            first.film.unlink()
            gone = await at.render(path)
            assert isinstance(gone.error, Unresolved)
            assert segment.name in gone.error.what
            assert (await at.render(path)).steps[0].action is Action.UNRESOLVED
            kept.rename(segment)
            again = await at.render(path)
            assert again.status == "done", again.error
            assert (again.steps[0].action, at.counts["accepted"], again.spent) == (Action.REUSE, 2, Decimal(0))

    asyncio.run(play())


def test_another_file_of_the_same_size_is_not_taken_for_a_segment_whose_job_is_gone(tmp_path):
    async def play():
        path = story_file(tmp_path, 1)
        async with stage(tmp_path) as at:
            first = await at.render(path)
            await at.provider.clean((await at.jobs())[0]["id"])
            segment = at.workspace.segment(first.steps[0].key)
            data = bytearray(segment.read_bytes())
            segment.unlink()
            first.film.unlink()
            assert isinstance((await at.render(path)).error, Unresolved)
            data[-1] ^= 255
            segment.write_bytes(data)
            assert isinstance((await at.render(path)).error, Unresolved)
            assert (isinstance((await at.render(path)).error, Unresolved), at.counts["accepted"]) == (True, 1)

    asyncio.run(play())


def test_a_job_cleaned_before_its_download_is_never_bought_again_by_itself(tmp_path):
    async def play():
        path = story_file(tmp_path, 1)
        async with stage(tmp_path, faults={"download.truncated": 1.0}) as at:
            await at.render(path)
            await at.provider.clean((await at.jobs())[0]["id"])
        async with stage(tmp_path) as at:
            outcome = await at.render(path)
            assert isinstance(outcome.error, Unresolved)
            again = await at.render(path)
            assert isinstance(again.error, Unresolved)
            assert at.counts["submits"] == 0

    asyncio.run(play())
