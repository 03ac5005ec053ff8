"""Temporal brings the orders: a workflow a story, rendered once and paid once whatever becomes of workers.

Most of this is played against a real Temporal server and a real PostgreSQL, with workers in processes of their own.
"""

import asyncio
import json
import os
import signal
import uuid
from contextlib import closing

import pytest

pytest.importorskip("temporalio")

from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.service import RPCError
from temporalio.worker import Replayer, Worker

from storychain.errors import StoryHeld
from storychain.ledger import Ledger
from storychain.workers.temporal import Asked, RenderStory, render_story, workflow_id
from tests.cluster import BINARIES
from tests.cluster import MISSING as NO_POSTGRES
from tests.desk import until
from tests.evening import Evening
from tests.stage import FFMPEG, story_file
from tests.telling import REST
from tests.temporal_server import ADDRESS, BINARY, MISSING, NAMESPACE, Server
from tests.test_workers import opened_crew

pytestmark = [
    pytest.mark.skipif(BINARIES is None, reason=NO_POSTGRES),
    pytest.mark.skipif(ADDRESS is None and BINARY is None, reason=MISSING),
]


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def queue():
    return f"tests-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def crew(request, tmp_path, database, server, queue):
    """Told in a test's parameters, the studio's options."""
    told = {"STORYCHAIN_ENGINE": "temporal", "TEMPORAL_ADDRESS": server.address}
    told |= {"TEMPORAL_NAMESPACE": NAMESPACE, "TEMPORAL_TASK_QUEUE": queue}
    with opened_crew(tmp_path, database, *getattr(request, "param", ()), **told) as crew:
        yield crew


@pytest.fixture
def name():
    """A name that no other story of this server has."""
    return f"tale-{uuid.uuid4().hex[:8]}"


def asking(server, ask):
    """What `ask` says, given a client."""

    async def asked():
        return await ask(await server.connected())

    return asyncio.run(asked())


def test_a_story_is_ordered_through_temporal_and_told_as_if_here(crew, server, name):
    worker = crew.worker("machine-1")
    path = story_file(crew.desk.folder, 2, name=name)
    done = crew.desk.run("run", path, "--max-credits", "80", "--json")
    assert done.returncode == 0, done.stderr
    (story,) = json.loads(done.stdout)["stories"]
    assert (story["status"], story["credits"]) == ("done", {"planned": 80, "spent": 80})
    assert story["film"] == str(crew.folder / "machine-1" / "films" / f"{name}.mp4")
    assert crew.studio.counts()["accepted"] == 2

    async def look(client):
        handle = client.get_workflow_handle_for(RenderStory.run, workflow_id(name))
        told = await handle.result()
        await Replayer(workflows=[RenderStory]).replay_workflow(await handle.fetch_history())
        return told

    told = asking(server, look)
    assert (told.story, told.status, told.film, told.spent) == (name, "done", story["film"], 80)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=20) == 0


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=REST),
        pytest.param(signal.SIGSTOP, marks=REST),
    ],
)
def test_a_worker_that_goes_away_leaves_its_story_to_another(crew, name, how):
    path = story_file(crew.desk.folder, 4, name=name)
    first = crew.worker("machine-1")
    following = crew.desk.start("run", path, "--yes")
    until(lambda: crew.studio.counts()["accepted"] >= 2)
    first.send_signal(how)
    second = crew.worker("machine-2")
    out, err = following.communicate(timeout=90)
    assert following.returncode == 0, err + crew.said("machine-2")
    assert out == f"{crew.folder / 'machine-2' / 'films' / f'{name}.mp4'}\n"
    assert crew.studio.counts()["accepted"] == 4
    if how == signal.SIGSTOP:
        first.send_signal(signal.SIGCONT)
        second.send_signal(signal.SIGTERM)
        assert second.wait(timeout=40) == 0
        again = crew.desk.run("run", path, "--yes")
        assert (again.returncode, "machine-1" in again.stdout) == (0, True), again.stderr + crew.said("machine-1")
        assert crew.studio.counts()["accepted"] == 4, "its segments were had from their jobs"


def text_of(crew, scenes, name, **top):
    path = story_file(crew.desk.folder, scenes, name=name, **top)
    return path.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.rest
def test_a_program_asks_for_a_story_and_follows_it_again(crew, server, queue, name):
    text = text_of(crew, 2, name)

    async def ask(client):
        asked = Asked(name, text, max_credits=80)
        first = asyncio.create_task(render_story(client, asked, task_queue=queue))
        await asyncio.sleep(0.5)
        with pytest.raises(StoryHeld):
            await render_story(client, Asked(name, text + "# other\n", max_credits=80), task_queue=queue)
        await asyncio.to_thread(crew.worker, "machine-1")
        return await render_story(client, asked, task_queue=queue), await first

    told, first = asking(server, ask)
    assert told == first
    assert (told.status, told.spent, told.error) == ("done", 80, None)
    assert crew.studio.counts()["accepted"] == 2


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        ({}, "CapReached", "credits"),
        pytest.param({"text": "title: [", "max_credits": None}, "InvalidStory", "title", marks=REST),
        pytest.param({"story": "../tale"}, "UsageError", "cannot be a story's name", marks=REST),
        pytest.param({"order": 4711}, "UsageError", "no order 4711", marks=REST),
    ],
)
def test_what_cannot_be_rendered_fails_its_workflow_with_the_reason(crew, server, queue, name, changes, kind, says):
    """Among it what nobody has agreed to pay for."""
    crew.worker("machine-1")
    asked = Asked(**{"story": name, "text": text_of(crew, 1, name), **changes})

    async def ask(client):
        with pytest.raises(WorkflowFailureError) as failed:
            await render_story(client, asked, task_queue=queue)
        return failed.value.cause

    error = asking(server, ask)
    while not isinstance(error, ApplicationError):
        error = error.cause
    assert error.type == kind
    assert says in error.message
    assert crew.studio.counts()["accepted"] == 0


@pytest.mark.slow
@pytest.mark.rest
def test_a_story_is_part_of_somebodys_own_workflow(crew, server, queue, name):
    crew.worker("machine-1")
    asked = Asked(name, text_of(crew, 1, name), max_credits=None)

    async def ask(client):
        own = f"{queue}-own"
        async with Worker(client, task_queue=own, workflows=[Evening]):
            return await client.execute_workflow(Evening.run, args=[asked, queue], id=f"evening-{name}", task_queue=own)

    told = asking(server, ask)
    assert (told.story, told.status, told.spent) == (name, "done", 40)


@pytest.mark.parametrize("crew", [["--latency", "3"]], ids=["slow jobs"], indirect=True)
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("at once", marks=REST),
        "bought",
        pytest.param("killed", marks=REST),
        pytest.param("nobody", marks=REST),
    ],
)
def test_a_cancelled_story_is_left_at_a_safe_point_and_its_order_closed(crew, server, queue, name, moment):
    """At once; with a segment bought, by a worker that is there or gone; with nobody there to hear of it until then.

    A worker hears of it within four seconds, two signs of life; the story takes three times as long.
    """
    worker = None if moment == "nobody" else crew.worker("machine-1")
    path = story_file(crew.desk.folder, 4, name=name)
    following = crew.desk.start("run", path, "--yes")

    async def cancel(client):
        handle = client.get_workflow_handle(workflow_id(name))
        while True:
            try:
                await handle.describe()
                break
            except RPCError:
                await asyncio.sleep(0.05)
        while moment in ("bought", "killed") and crew.studio.counts()["accepted"] == 0:
            await asyncio.sleep(0.05)
        if moment == "killed":
            worker.kill()
        await handle.cancel()
        if moment in ("nobody", "killed"):
            await asyncio.to_thread(crew.worker, "machine-2")
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        return failed.value.cause, (await handle.describe()).status

    cause, status = asking(server, cancel)
    assert isinstance(cause, CancelledError)
    assert status == WorkflowExecutionStatus.CANCELED
    _, err = following.communicate(timeout=60)
    assert following.returncode == 130, err
    assert "it was cancelled in Temporal" in err
    before = crew.studio.counts()["accepted"]
    assert before < 4
    again = crew.desk.run("run", path, "--yes")
    assert again.returncode == 0, again.stderr
    assert crew.studio.counts()["accepted"] == 4, "what was paid before was picked up"


@pytest.mark.slow
@pytest.mark.rest
def test_orders_that_temporal_was_never_told_of_are_found_in_the_ledger(crew, tmp_path, database, name):
    """They were ordered while it was away."""
    path = story_file(crew.desk.folder, 1, name=name)
    options = {"retry_failed": False, "buys": True, "scenes": None, "deadline": None}
    with closing(Ledger(tmp_path / "ledger.sqlite3", url=database)) as ledger:
        order = ledger.orders.place("pictory", name, path.read_text(), run="r", cap=None, options=options)
        crew.worker("machine-1")
        until(lambda: ledger.orders.get(order.id).state == "done")
    assert crew.studio.counts()["accepted"] == 1


@pytest.mark.slow
@pytest.mark.rest
def test_while_temporal_is_away_orders_stand_and_workers_wait_for_it(crew, name):
    path = story_file(crew.desk.folder, 1, name=name)
    away = {"TEMPORAL_ADDRESS": "127.0.0.1:1"}
    following = crew.desk.start("run", path, "--yes", **away)
    crew.worker("machine-1", **away)
    until(lambda: "Temporal at 127.0.0.1:1 does not answer" in crew.said("machine-1"), seconds=60)
    assert "trying again" in crew.said("machine-1")
    crew.worker("machine-2")
    _, err = following.communicate(timeout=60)
    assert following.returncode == 0, err
    assert "the workers find the orders by themselves" in err


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--namespace", "nobodys"], 2, "Namespace nobodys is not found"),
        pytest.param(["--address", "http://localhost:7233"], 2, "--address is not the address of a server", marks=REST),
        pytest.param(["--engine", "celery"], 2, "invalid choice", marks=REST),
    ],
)
def test_a_worker_that_is_told_wrong_ends_with_what_to_look_at(crew, options, code, says):
    said = crew.desk.run("worker", *options)
    assert said.returncode == code, said.stderr
    assert says in said.stderr


@pytest.mark.slow
@pytest.mark.rest
def test_doctor_tells_where_temporal_is_and_whether_it_answers(crew, server, queue):
    where = f"Temporal at {server.address}, namespace {NAMESPACE}, task queue {queue}"
    assert f"workers     {where}\n" in crew.desk.run("doctor").stdout
    away = crew.desk.run("doctor", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert away.returncode == 4
    assert "workers     Temporal at 127.0.0.1:1 does not answer: " in away.stdout


@pytest.mark.slow
@pytest.mark.rest
def test_without_the_sdk_the_way_to_get_it_is_told(crew):
    (crew.folder / "temporalio.py").write_text("raise ImportError('not here')\n")
    said = crew.desk.run("worker", PYTHONPATH=os.pathsep.join([str(crew.folder), os.environ.get("PYTHONPATH", "")]))
    assert said.returncode == 2
    assert "pip install 'storychain[temporal]'" in said.stderr


@pytest.mark.slow
@pytest.mark.rest
@pytest.mark.skipif(ADDRESS is not None, reason="a server that is there already is not ours to stop")
def test_a_temporal_that_goes_away_and_forgets_everything_stops_no_story(tmp_path, database, name):
    with closing(Server()) as server:
        told = {"STORYCHAIN_ENGINE": "temporal", "TEMPORAL_ADDRESS": server.address}
        with opened_crew(tmp_path, database, **told) as crew:
            crew.worker("machine-1")
            path = story_file(crew.desk.folder, 4, name=name)
            following = crew.desk.start("run", path, "--yes")
            until(lambda: crew.studio.counts()["accepted"] >= 1)
            server.close()
            _, err = following.communicate(timeout=60)
            assert following.returncode == 0, err
            ordered = crew.desk.start("run", story_file(crew.desk.folder, 1, name=f"{name}-b"), "--yes")
            assert "cannot" not in crew.said("machine-1")
            server.start()
            _, err = ordered.communicate(timeout=100)
            assert ordered.returncode == 0, err + crew.said("machine-1")
            assert crew.studio.counts()["accepted"] == 4


@pytest.mark.slow
@pytest.mark.rest
def test_what_is_said_of_temporal_reaches_no_program_that_we_start(crew, name):
    """Its key may be among it."""
    ffmpeg, seen = crew.folder / "ffmpeg", crew.folder / "seen"
    ffmpeg.write_text(f'#!/bin/sh\nenv >> {seen}\nexec {FFMPEG} "$@"\n')
    ffmpeg.chmod(0o755)
    crew.worker("machine-1", STORYCHAIN_FFMPEG=str(ffmpeg))
    done = crew.desk.run("run", story_file(crew.desk.folder, 1, name=name), "--yes", STORYCHAIN_FFMPEG=str(ffmpeg))
    assert done.returncode == 0, done.stderr
    told = seen.read_text()
    assert "PATH=" in told
    assert "TEMPORAL_" not in told
