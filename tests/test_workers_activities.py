"""What a worker does for Temporal, without a server: signs of life, and how it ends; the ledger is a real one."""

import asyncio
from contextlib import closing
from dataclasses import replace

import pytest

pytest.importorskip("temporalio")

from temporalio.activity import ActivityCancellationDetails
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from storychain.ledger import Ledger
from storychain.workers.engine import Hands
from storychain.workers.temporal import Asked
from storychain.workers.temporal.engine import Activities

ASKED = Asked("tale", "title: A Tale\n", max_credits=51.2)


class Bench:
    """Activities over a real ledger, work that is ended by the test, and an activity's surroundings."""

    def __init__(self, ledger):
        self.orders = ledger.orders
        self.stop = asyncio.Event()
        self.began, self.end = asyncio.Event(), asyncio.Event()
        self.done, self.left = True, False
        self.hands = Hands(self.work)
        self.activities = Activities(ledger.orders, self.hands, self.stop, 7.0)
        self.surroundings = ActivityEnvironment()
        self.beats = 0
        self.surroundings.on_heartbeat = self.beat

    def beat(self, *_):
        self.beats += 1

    async def work(self, number):
        self.began.set()
        try:
            await self.end.wait()
        except asyncio.CancelledError:
            self.left = True
            raise
        if self.done:
            self.orders.close(number, "done", {"film": "tale.mp4", "spent": "51.2", "worker": "here"})
        return self.done

    async def order(self, asked=ASKED):
        return await self.surroundings.run(self.activities.order, asked)

    async def rendering(self):
        """The activity, under way."""
        number = await self.order()
        running = asyncio.create_task(self.surroundings.run(self.activities.render, number))
        await self.began.wait()
        return running


@pytest.fixture
def playing(tmp_path, database):
    def play(scene):
        async def played():
            with closing(Ledger(tmp_path / "ledger.sqlite3", url=database)) as ledger:
                await scene(Bench(ledger))

        asyncio.run(played())

    return play


def test_a_rendering_gives_signs_of_life_and_says_what_came_of_it(playing):
    async def scene(bench):
        running = await bench.rendering()
        await asyncio.sleep(0)
        bench.end.set()
        told = await running
        assert bench.beats >= 1
        assert (told.story, told.status, told.film, told.worker) == ("tale", "done", "tale.mp4", "here")
        assert told.spent == 51.2

    playing(scene)


def test_a_workflow_orders_a_story_once_however_often_it_asks(playing):
    async def scene(bench):
        first = await bench.order()
        assert await bench.order() == first
        bench.orders.close(first, "done", {})
        assert await bench.order() == first, "though it is closed by now"
        order = bench.orders.get(first)
        assert (str(order.cap), order.options["retry_failed"]) == ("51.2", False)
        bench.surroundings.info = replace(bench.surroundings.info, workflow_run_id="another")
        second = await bench.order()
        assert second != first
        bench.orders.begin(second, "machine-1")
        with pytest.raises(ApplicationError) as held:
            await bench.order(Asked("tale", "title: Another\n"))
        assert (held.value.type, held.value.non_retryable) == ("StoryHeld", True)

    playing(scene)


def test_a_cancelled_rendering_is_left_before_the_activity_ends(playing):
    async def scene(bench):
        running = await bench.rendering()
        bench.surroundings.cancel(ActivityCancellationDetails(cancel_requested=True))
        with pytest.raises(asyncio.CancelledError):
            await running
        assert bench.left

    playing(scene)


def test_a_worker_that_ends_hands_its_stories_to_others(playing):
    async def scene(bench):
        running = await bench.rendering()
        bench.stop.set()
        bench.hands.leave()
        with pytest.raises(ApplicationError) as ended:
            await running
        assert (ended.value.type, ended.value.non_retryable, bench.left) == ("WorkerEnds", False, True)
        with pytest.raises(ApplicationError):
            await bench.surroundings.run(bench.activities.render, 1)

    playing(scene)


def test_what_is_held_elsewhere_is_tried_again_after_a_lease(playing):
    async def scene(bench):
        bench.done = False
        running = await bench.rendering()
        bench.end.set()
        with pytest.raises(ApplicationError) as held:
            await running
        assert held.value.next_retry_delay.total_seconds() == 7.0
        assert not held.value.non_retryable

    playing(scene)


def test_a_cancelled_order_is_closed_and_the_first_word_stands(playing):
    async def scene(bench):
        number = await bench.order()
        await bench.surroundings.run(bench.activities.withdraw, number)
        order = bench.orders.get(number)
        assert (order.state, order.outcome["error"]["kind"]) == ("stopped", "Interrupted")
        await bench.surroundings.run(bench.activities.withdraw, number)
        assert not bench.orders.open()

    playing(scene)


def test_what_breaks_a_worker_is_kept_for_who_serves(playing):
    async def scene(bench):
        async def broken(number):
            raise ZeroDivisionError

        bench.activities = Activities(bench.orders, hands := Hands(broken), bench.stop, 7.0)
        with pytest.raises(ApplicationError) as ended:
            await bench.surroundings.run(bench.activities.render, await bench.order())
        assert ended.value.type == "WorkerEnds"
        assert isinstance(hands.trouble, ZeroDivisionError)
        assert hands.troubled.is_set()

    playing(scene)
