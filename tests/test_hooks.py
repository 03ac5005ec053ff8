"""Webhooks: a call makes a job be looked at at once; forged, repeated and early calls do no harm."""

import asyncio
import os
import socket
import stat

import httpx
import pytest

from storychain.chain import events as ev
from storychain.chain.run import Pace
from storychain.errors import UsageError
from storychain.hooks import Hooks, key_of, receiving
from storychain.serving import listening
from tests.stage import stage, story_file

SLOW = Pace(poll=30.0, job_timeout=60, settle=0.4)


@pytest.fixture
def key(tmp_path):
    return key_of(tmp_path / "workspace" / "hook.key")


def test_a_job_is_found_the_moment_the_provider_calls(tmp_path, key):
    """Looked at every 30 s, two scenes in a row would take a minute."""

    async def play():
        async with stage(tmp_path, latency=1.0) as at:
            run = at.run(pace=SLOW)
            async with asyncio.timeout(25):
                hooks = Hooks("http://nowhere.invalid", key, run.lookout.hint)
                async with receiving(hooks, "127.0.0.1", 0) as port:
                    hooks.base_url = f"http://127.0.0.1:{port}/calls"
                    changes = {"pace": SLOW, "lookout": run.lookout, "hooks": hooks}
                    outcome = await at.render(story_file(tmp_path, 2), **changes)
            assert outcome.status == "done"
            assert at.counts["webhooks"] == 2
            assert at.counts["polls"] <= 4

    asyncio.run(play())


async def post(client, url, **options):
    return (await client.post(url, **options)).status_code


def test_forged_and_repeated_calls_do_no_harm(tmp_path, key):
    async def play():
        async with stage(tmp_path, latency=4.0) as at, httpx.AsyncClient() as client:
            run = at.run()
            hooks = Hooks("http://nowhere.invalid", key, run.lookout.hint)
            async with receiving(hooks, "127.0.0.1", 0) as port:
                origin = f"http://127.0.0.1:{port}"
                changes = {"pace": Pace(poll=10.0, job_timeout=60, settle=0.4), "lookout": run.lookout, "hooks": hooks}
                rendering = asyncio.create_task(at.render(story_file(tmp_path, 1), **changes))
                while not at.told or not any(isinstance(event, ev.Followed) for event in at.told):
                    await asyncio.sleep(0.05)
                await asyncio.sleep(0.2)
                (job,) = await at.jobs()
                token = job["body"]["webhook"].rpartition("/")[2]
                assert await post(client, f"{origin}/{'0' * 32}", json={"status": "completed"}) == 404
                assert await post(client, f"{origin}/calls/{token[::-1]}") == 404
                before = at.counts["polls"]
                codes = {await post(client, f"{origin}/calls/{token}", content=b"x" * 100_000) for _ in range(50)}
                assert codes == {204}
                # Fifty calls are at most a few looks, and what they say is believed by nobody.
                assert at.counts["polls"] - before <= 3
                outcome = await rendering
                assert outcome.status == "done"
                assert at.counts["accepted"] == 1
                assert await post(client, f"{origin}/{token}") == 404

    asyncio.run(play())


def test_the_key_is_the_workspaces_own_and_for_its_owner_only(tmp_path):
    path = tmp_path / "workspace" / "hook.key"
    first = key_of(path)
    assert key_of(path) == first
    assert len(first) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["hook.key"]
    assert key_of(tmp_path / "other" / "hook.key") != first
    one, other = (Hooks("https://x.example", key, print).address("pictory", 7) for key in (first, os.urandom(32)))
    assert one != other
    assert one == Hooks("https://x.example/", first, print).address("pictory", 7)


def test_a_run_whose_place_to_listen_is_taken_goes_on_without(desk):
    path = story_file(desk.folder, 1)
    taken = desk.studio.origin.rpartition(":")[2]
    done = desk.run("run", path, "--yes", "--webhook-url", "https://calls.example", "--webhook-listen", taken)
    assert done.returncode == 0, done.stderr
    assert "the receiver of webhooks cannot listen on 127.0.0.1" in done.stderr
    assert desk.studio.counts()["webhooks_failed"] == 0


def test_of_two_that_take_one_place_at_the_same_moment_the_second_is_told():
    with listening("127.0.0.1", 0, who="the first", next_step="") as first:
        port = first.getsockname()[1]
        with pytest.raises(UsageError, match=f"the second cannot listen on 127.0.0.1:{port}"):
            listening("127.0.0.1", port, who="the second", next_step="").close()
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", 0))  # and does not listen yet
        with (
            listening("127.0.0.1", stranger.getsockname()[1], who="the second", next_step=""),
            pytest.raises(OSError, match="in use"),
        ):
            stranger.listen()


def test_a_run_receives_calls_at_its_address(desk):
    path = story_file(desk.folder, 1)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = {"STORYCHAIN_WEBHOOK_URL": f"http://127.0.0.1:{port}/x", "STORYCHAIN_WEBHOOK_LISTEN": str(port)}
    done = desk.run("run", path, "--yes", "--poll", "5", **address)
    assert done.returncode == 0, done.stderr
    assert desk.studio.counts()["webhooks"] == 1
