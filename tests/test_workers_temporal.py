"""Temporal brings the orders: a workflow a story, rendered once and paid once whatever becomes of workers.

Most of this is played against a real Temporal server and a real PostgreSQL, with workers in processes of their own.
"""

import asyncio
import json
import signal
import uuid

import pytest

pytest.importorskip("temporalio")

from temporalio.worker import Replayer

from storychain.workers.temporal import RenderStory, workflow_id
from tests.cluster import BINARIES
from tests.cluster import MISSING as NO_POSTGRES
from tests.stage import story_file
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
def crew(tmp_path, database, server, queue):
    told = {"STORYCHAIN_ENGINE": "temporal", "TEMPORAL_ADDRESS": server.address}
    told |= {"TEMPORAL_NAMESPACE": NAMESPACE, "TEMPORAL_TASK_QUEUE": queue}
    with opened_crew(tmp_path, database, **told) as crew:
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
