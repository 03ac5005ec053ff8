"""Many stories in one run: fair shares, one's trouble never another's, and runs that are to buy less than all."""

import asyncio

from storychain.chain import events as ev
from storychain.chain.benches import Benches
from storychain.chain.choice import Choice
from storychain.chain.slots import Slots
from tests.stage import stage, story_file


def order_of(waiting, *, jobs=1, holding=(), begun=()):
    """In which order scenes get their slots, given as (story, scenes left).

    `holding` have one to begin with, and stories that are `begun` have had one.
    """

    async def play():
        slots, order = Slots(jobs), []

        async def scene(story, left, then=None):
            async with slots.taken(story, left):
                order.append(story)
                if then:
                    await then.wait()

        for story in begun:
            async with slots.taken(story, 10):
                pass
        free = asyncio.Event()
        first = [asyncio.create_task(scene(*one, free)) for one in holding]
        await asyncio.sleep(0)
        tasks = [asyncio.create_task(scene(*one)) for one in waiting]
        await asyncio.sleep(0)
        free.set()
        await asyncio.gather(*first, *tasks)
        return order[len(holding) :]

    return asyncio.run(play())


def test_a_begun_story_comes_before_new_ones():
    assert order_of([("new", 2), ("newer", 2), ("begun", 3)], holding=[("begun", 4)]) == ["begun", "new", "newer"]


def test_of_begun_stories_the_one_nearest_its_end_comes_first():
    waiting = [("new", 1), ("long", 9), ("short", 2), ("third", 5)]
    assert order_of(waiting, holding=[("one", 1)], begun=["long", "short", "third"]) == [
        "short",
        "third",
        "long",
        "new",
    ]


def test_a_story_of_many_chains_leaves_room_for_others():
    waiting = [("many", 9), ("many", 9), ("many", 9), ("other", 9)]
    assert order_of(waiting, jobs=2, holding=[("many", 10), ("many", 10)])[0] == "other"


def test_a_slot_given_to_someone_who_no_longer_wants_it_is_not_lost():
    async def play():
        slots, holds = Slots(1), asyncio.Event()

        async def scene(story, wait):
            async with slots.taken(story, 1):
                await wait.wait()

        forever = asyncio.Event()
        first = asyncio.create_task(scene("first", holds))
        await asyncio.sleep(0)
        second = asyncio.create_task(scene("second", forever))
        third = asyncio.create_task(scene("third", forever))
        await asyncio.sleep(0)
        holds.set()
        await asyncio.wait([first])
        second.cancel()
        third.cancel()
        await asyncio.gather(second, third, return_exceptions=True)
        async with asyncio.timeout(1), slots.taken("fourth", 1):
            pass

    asyncio.run(play())


def test_more_stories_than_may_be_in_hand_are_all_rendered(tmp_path):
    async def play():
        async with stage(tmp_path) as at:
            paths = [story_file(tmp_path, 1, name=f"tale{n}") for n in range(12)]
            outcomes = await at.render_all(*paths, jobs=2, slots=Slots(2))
            assert [one.story.name for one in outcomes] == [path.stem for path in paths]
            assert {one.status for one in outcomes} == {"done"}
            # They all ask for the same: one is paid, and all have it.
            assert at.counts["accepted"] == 1
            asked = dict(at.counts)
            outcomes[3].film.unlink()
            del at.told[:]
            again = await at.render_all(*paths, jobs=2, slots=Slots(2))
            assert [(one.story.name, one.status, one.film) for one in again] == [
                (one.story.name, "done", one.film) for one in outcomes
            ]
            ready = {event.story: event.made for event in at.told if isinstance(event, ev.FilmReady)}
            assert ready == {path.stem: path.stem == "tale3" for path in paths}
            assert outcomes[3].film.exists()
            assert dict(at.counts) == asked

    asyncio.run(play())


def test_what_is_paid_is_finished_and_nothing_is_bought(tmp_path):
    async def play():
        async with stage(tmp_path) as at:
            path = story_file(tmp_path, 3)
            half = await at.render(path, choice=Choice(scenes={"tale": frozenset({"s1"})}))
            assert (half.status, half.error.exit_code, half.film) == ("stopped", 0, None)
            assert [step.record.state for step in half.steps] == ["stored", "none", "none"]
            assert at.counts["accepted"] == 1
            again = await at.render(path, choice=Choice(buys=False))
            assert again.error.what == "not bought, as asked: s2, s3"
            assert any(isinstance(event, ev.StoryLeft) for event in at.told)
            assert at.counts["accepted"] == 1
            assert (await at.render(path)).status == "done"
            assert (await at.render(path, choice=Choice(buys=False))).status == "done"
            assert at.counts["accepted"] == 3

    asyncio.run(play())


def test_after_the_deadline_nothing_is_bought_and_what_is_paid_waits_for_the_next_run(tmp_path):
    async def play():
        async with stage(tmp_path, latency=3.0) as at:
            path = story_file(tmp_path, 2)
            run = at.run()
            stopped = await at.render(path, deadline=run.now() + 1.0)
            assert (stopped.status, stopped.error.exit_code) == ("stopped", 4)
            assert at.counts["accepted"] == 1
            late = await at.render(story_file(tmp_path, 1, name="late", title="Another"), deadline=run.now() - 1)
            assert late.error.exit_code == 4
            assert at.counts["accepted"] == 1
            assert (await at.render(path)).status == "done"
            assert at.counts["accepted"] == 2

    asyncio.run(play())


def test_no_more_films_are_made_at_a_time_than_there_are_benches_and_who_works_ahead_makes_room():
    async def play():
        benches, at_once, most = Benches(2), 0, 0

        async def film():
            nonlocal at_once, most
            async with benches.taken():
                at_once += 1
                most = max(most, at_once)
                await asyncio.sleep(0.01)
                at_once -= 1

        async def ahead():
            async with benches.taken():
                while not benches.crowded:
                    await asyncio.sleep(0.01)

        async with asyncio.timeout(10):
            await asyncio.gather(ahead(), ahead(), *(film() for _ in range(6)))
        assert most == 2
        waiting = [asyncio.create_task(film()) for _ in range(4)]
        await asyncio.sleep(0)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert not benches.crowded
        await asyncio.wait_for(film(), 5)

    asyncio.run(play())
