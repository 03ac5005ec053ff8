"""Power lost at any moment of a real run: the process's own writes and syncs recorded, the disk rebuilt from them.

A recorder is preloaded into the process. Whatever it wrote and did not sync is lost, wholly or in parts, and names it
did not sync are lost as well; what is then on the disk has to know of every request that had left.
"""

import asyncio
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from storychain.ledger import mark_beside
from storychain.studio import Options, serve
from tests.power.disk import Disk, lay_out, read_log
from tests.stage import FFMPEG, RENDERS, SCALE, story_file

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the recorder is preloaded, which is Linux's way"),
    pytest.mark.skipif(COMPILER is None, reason="there is no C compiler to build the recorder with"),
]
SCENES = 3
SUBMIT = b"POST /pictoryapis/v1/aistudio/videos "
POLL = re.compile(rb"GET /pictoryapis/v1/jobs/([\w-]+) ")


class Runner:
    """The runner of one story, with the recorder preloaded if a log is asked for."""

    def __init__(self, root=None, log=None, recorder=None):
        recorded = {"LD_PRELOAD": str(recorder), "POWER_ROOT": str(root), "POWER_LOG": str(log)} if log else {}
        environ = {**os.environ, "STORYCHAIN_FFMPEG": str(FFMPEG), **recorded}
        command = [sys.executable, "-m", "tests.crash_runner"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)

    def order(self, workspace, story, base_url):
        told = {"workspace": str(workspace), "story": str(story), "base_url": base_url}
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


class Recording:
    """One undisturbed run of three scenes, act by act, and the studio's home as it was then."""

    def __init__(self, folder):
        self.folder = folder
        recorder = folder / "recorder.so"
        source = Path(__file__).parent / "power" / "recorder.c"
        subprocess.run(
            [COMPILER, "-shared", "-fPIC", "-O1", "-o", recorder, source, "-ldl", "-lpthread"], check=True, timeout=60
        )
        self.root = folder / "desk"
        self.root.mkdir()
        self.home = folder / "studio"
        self.story = story_file(folder, SCENES)
        self._run(recorder)
        self.acts = read_log(folder / "log")
        self.submits = [at for at, act in enumerate(self.acts) if act.kind == "p" and act.data.startswith(SUBMIT)]
        self.jobs = [path.stem for path in sorted((self.home / "jobs").glob("*.json"), key=_accepted_at)]
        self.prompts = [self._prompt_of(at) for at in self.submits]

    def _run(self, recorder):
        runner = Runner(self.root, self.folder / "log", recorder)
        try:
            told, self.base_url = in_studio(self.home, runner, self.root / "workspace", self.story)
            assert told["status"] == "done", told
        finally:
            runner.close()

    def _prompt_of(self, submit):
        """The prompt of a request: in the packet of its head or the next one on the same connection."""
        packets = [act for act in self.acts[submit:] if act.kind == "p" and act.inode == self.acts[submit].inode][:2]
        sent = b"".join(packet.data for packet in packets)
        return json.loads(sent[sent.index(b"\r\n\r\n") + 4 :])["prompt"]

    def disk_at(self, moment):
        disk = Disk(self.root)
        for act in self.acts[:moment]:
            disk.feed(act)
        return disk

    def sent_by(self, moment):
        """How many paid requests had left."""
        return sum(at < moment for at in self.submits)


def in_studio(home, runner, workspace, story, port=0):
    """Run a story in a studio over `home`; what the runner told, and the studio's address."""

    async def play():
        options = Options(home=home, ffmpeg=FFMPEG, scale=SCALE, renders=RENDERS)
        async with serve(options, port=port) as running:
            return await asyncio.to_thread(runner.order, workspace, story, running.base_url), running.base_url

    return asyncio.run(play())


def _accepted_at(path):
    return json.loads(path.read_text())["accepted_at"]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return Recording(tmp_path_factory.mktemp("power"))


def attempts(found, folder):
    """The rows of the ledger on a disk, or none where there is no ledger yet."""
    shutil.rmtree(folder, ignore_errors=True)
    lay_out(found, folder)
    ledger = folder / "workspace" / "ledger.sqlite3"
    if not ledger.exists():
        return []
    with closing(sqlite3.connect(ledger)) as rows:
        assert rows.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not rows.execute("SELECT 1 FROM sqlite_master WHERE name = 'attempts'").fetchone():
            return []
        rows.row_factory = sqlite3.Row
        return rows.execute("SELECT * FROM attempts ORDER BY id").fetchall()


SEEDS = [None, 1, 2, 3]


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_had_left_is_on_the_disk_before_it_leaves(recording, tmp_path, seed):
    assert len(recording.submits) == SCENES
    for moment, prompt in zip(recording.submits, recording.prompts, strict=True):
        rows = attempts(recording.disk_at(moment).found(seed), tmp_path / "found")
        assert [row["state"] for row in rows if row["request"] == prompt] == ["intended"]


@pytest.mark.parametrize("seed", SEEDS)
def test_how_far_the_ledger_had_come_is_on_the_disk_beside_it(recording, tmp_path, seed):
    for number, moment in enumerate(recording.submits, 1):
        found = tmp_path / str(number)
        lay_out(recording.disk_at(moment).found(seed), found)
        assert mark_beside(found / "workspace" / "ledger.sqlite3").read() == number


@pytest.mark.parametrize("seed", SEEDS)
def test_a_job_is_on_the_disk_before_it_is_looked_at(recording, tmp_path, seed):
    looked = {}
    for moment, act in enumerate(recording.acts):
        if act.kind == "p" and (poll := POLL.match(act.data)):
            looked.setdefault(poll[1].decode(), moment)
    assert len(looked) == SCENES
    for job, moment in looked.items():
        rows = attempts(recording.disk_at(moment).found(seed), tmp_path / "found")
        assert [row["state"] for row in rows if row["job_id"] == job] == ["submitted"]


def check_stored(rows, folder):
    """Every segment that counts as stored is there, whole; how many there are."""
    stored = [row for row in rows if row["state"] == "stored"]
    for row in stored:
        content = (folder / "workspace" / "segments" / f"{row['key']}.mp4").read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (row["size"], row["sha256"])
    return len(stored)


def moments(recording, count):
    """Moments spread over a run; its last one among them."""
    last = len(recording.acts)
    return sorted({last - last * place // count for place in range(count)})


def test_a_stored_segment_is_whole(recording, tmp_path):
    most = 0
    for moment in moments(recording, 20):
        for seed in (None, moment):
            rows = attempts(recording.disk_at(moment).found(seed), tmp_path / "found")
            most = max(most, check_stored(rows, tmp_path / "found"))
    assert most == SCENES


def upstream(recording, moment, home):
    """The studio as it was at a moment: the jobs whose requests had left."""
    shutil.copytree(recording.home, home)
    for job in recording.jobs[recording.sent_by(moment) :]:
        (home / "jobs" / f"{job}.json").unlink()


def rerun(recording, runner, moment, seed, folder):
    """Lose power at a moment, and run again on what is left; how it ended, and the jobs there are in all."""
    desk, home = folder / "desk", folder / "studio"
    upstream(recording, moment, home)
    desk.mkdir()
    lay_out(recording.disk_at(moment).found(seed), desk)
    port = urlsplit(recording.base_url).port  # the addresses on record lead there
    told, _ = in_studio(home, runner, desk / "workspace", recording.story, port)
    return told, len(list((home / "jobs").glob("*.json")))


def lose_power(recording, folder, points):
    runner = Runner()
    try:
        for number, (moment, seed) in enumerate(points):
            told, jobs = rerun(recording, runner, moment, seed, folder / str(number))
            assert told["status"] == "done", (moment, seed, told)
            assert jobs == SCENES, (moment, seed)
            shutil.rmtree(folder / str(number))
    finally:
        runner.close()


@pytest.mark.slow
def test_after_the_power_is_back_nothing_is_paid_twice(recording, tmp_path):
    lose_power(recording, tmp_path, [(recording.submits[1] + 1, None)])


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_power_lost_at_any_of_many_moments(recording, tmp_path):
    paid = [at + after for at in recording.submits for after in (0, 1, 2, 3, 5, 8)]
    spread = [*moments(recording, 60), *paid]
    lose_power(recording, tmp_path, [(moment, seed) for moment in spread for seed in (None, moment, -moment - 1)])
