"""Real processes on real disks: runs started together, killed at any moment, and out of room."""

import itertools
import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.desk import Studio
from tests.stage import FFMPEG, frames_of, story_file

FRAMES = 4 * 24
"""Of one scene."""


class Pair:
    """Two runners in processes of their own, given their orders at the same time, and a studio."""

    def __init__(self, folder):
        self.folder = folder
        home = folder / "studio"
        home.mkdir()
        self.studio = Studio(home)
        self._runners = [_runner() for _ in range(2)]
        self._threads = ThreadPoolExecutor(2)
        self._rounds = itertools.count()

    def round(self, *stories):
        """Let both run, in a new workspace; what each told, the jobs paid meanwhile, and the workspace."""
        workspace = self.folder / f"round-{next(self._rounds)}"
        before = self.studio.counts()["accepted"]
        told = list(self._threads.map(self._order, self._runners, stories, [workspace] * 2))
        return told, self.studio.counts()["accepted"] - before, workspace

    def _order(self, runner, story, workspace):
        order = {"workspace": str(workspace), "story": str(story), "base_url": self.studio.base_url}
        runner.stdin.write(json.dumps(order) + "\n")
        runner.stdin.flush()
        return json.loads(runner.stdout.readline())["status"]

    def close(self):
        for runner in self._runners:
            runner.stdin.close()
            runner.wait(timeout=60)
            runner.stdout.close()
        self._threads.shutdown()
        self.studio.close()


def _runner():
    command = [sys.executable, "-m", "tests.crash_runner"]
    environ = {**os.environ, "STORYCHAIN_FFMPEG": str(FFMPEG)}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    pair = Pair(tmp_path_factory.mktemp("pair"))
    yield pair
    pair.close()


def run_the_same(pair, rounds):
    story = story_file(pair.folder, 1)
    for _ in range(rounds):
        told, paid, workspace = pair.round(story, story)
        assert paid == 1
        assert "done" in told
        assert all(status == "done" or "another run is rendering this story" in status for status in told), told
        assert frames_of(workspace / "films" / "tale.mp4") == FRAMES


def test_of_two_runs_started_together_one_pays(pair):
    run_the_same(pair, 3)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_of_two_runs_started_together_one_pays_fifty_times(pair):
    run_the_same(pair, 50)


def _sharing(pair):
    opening = [{"id": f"s{n}", "prompt": f"Scene number {n} of a tale by the sea."} for n in (1, 2)]
    endings = ("The lamp is lit.", "The lamp stays dark.")
    return [
        story_file(pair.folder, [*opening, {"id": "end", "prompt": ending}], name=f"shared-{number}")
        for number, ending in enumerate(endings)
    ]


def share_an_opening(pair, rounds):
    stories = _sharing(pair)
    for _ in range(rounds):
        told, paid, workspace = pair.round(*stories)
        assert told == ["done", "done"]
        assert paid == 4
        assert [frames_of(workspace / "films" / f"{story.stem}.mp4") for story in stories] == [3 * FRAMES] * 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_stories_started_together_pay_their_opening_once(pair):
    share_an_opening(pair, 20)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_random_moments_until_it_is_done(desk, seed):
    """Each time the process is killed at another moment of its life; none of them costs anything."""
    scenes, luck = 8, random.Random(seed)
    story_file(desk.folder, scenes)
    for _ in range(30):
        process = desk.start("run", "tale.yaml", "--yes")
        deadline = time.monotonic() + luck.uniform(0.4, 3.0)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        if process.returncode == 0:
            break
    done = desk.run("run", "tale.yaml", "--yes")
    assert done.returncode == 0, done.stderr
    assert desk.studio.counts()["accepted"] == scenes
    assert frames_of(desk.folder / "films" / "tale.mp4") == scenes * FRAMES


# A full disk


@contextmanager
def small_disk(folder):
    """A disk of its own at `folder`; yields a function that sets its size in bytes."""
    folder.mkdir()

    def mount(*options):
        return subprocess.run(["mount", *options, folder], check=False, capture_output=True, text=True, timeout=20)

    made = mount("-t", "tmpfs", "-o", "size=64k", "tmpfs")
    if made.returncode:
        pytest.skip(f"a small disk cannot be made here: {made.stderr.strip()}")
    try:
        yield lambda size: mount("-o", f"remount,size={size}").check_returncode()
    finally:
        subprocess.run(["umount", folder], check=True, timeout=20)


ROOM = [16 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20, 3 << 19, 2 << 20, 3 << 20, 5 << 20]
"""Bytes of a disk that is full in the ledger, the first download, its preparation, a later one, the film."""

WORDS = ("disk is full", "disk is too full", "No space left on device", "database or disk is full", "disk I/O error")


def _run(desk, disk):
    return desk.run("run", "tale.yaml", "--yes", "--workspace", disk / "workspace", "--out", disk / "films")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a disk in memory is mounted as Linux does it")
def test_a_disk_that_fills_up_is_told_and_costs_nothing(desk, tmp_path):
    story_file(desk.folder, 3)
    codes = []
    with small_disk(tmp_path / "disk") as resize:
        for size in ROOM:
            resize(size)
            done = _run(desk, tmp_path / "disk")
            codes.append(done.returncode)
            assert "Traceback" not in done.stderr
            assert "a bug" not in done.stderr
            assert done.returncode == 0 or any(words in done.stderr for words in WORDS), (size, done.stderr)
            assert desk.studio.counts()["accepted"] <= 3
        resize(64 << 20)
        done = _run(desk, tmp_path / "disk")
        assert done.returncode == 0, done.stderr
        assert frames_of(tmp_path / "disk" / "films" / "tale.mp4") == 3 * FRAMES
    assert desk.studio.counts()["accepted"] == 3
    assert set(codes) <= {0, 1}
    assert codes.count(1) >= 5


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a disk in memory is mounted as Linux does it")
@pytest.mark.parametrize("size", ROOM)
def test_a_disk_of_any_size_that_fills_up_is_told(desk, tmp_path, size):
    """As above, from nothing for each size: the disk is full in another place."""
    story_file(desk.folder, 3)
    with small_disk(tmp_path / "disk") as resize:
        resize(size)
        done = _run(desk, tmp_path / "disk")
        assert done.returncode == 1, done.stderr
        assert any(words in done.stderr for words in WORDS), done.stderr
        assert "Traceback" not in done.stderr
        assert "a bug" not in done.stderr
        resize(64 << 20)
        assert _run(desk, tmp_path / "disk").returncode == 0
    assert desk.studio.counts()["accepted"] == 3
