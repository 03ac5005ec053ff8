"""Workers killed, stopped, cut off at random, while answers are lost and the database crashes: nothing paid twice."""

import contextlib
import json
import random
import signal
import threading
import time

import pytest

from tests.cluster import BINARIES, MISSING, opened_cluster
from tests.desk import until
from tests.stage import story_file
from tests.test_workers import opened_crew
from tests.wire_cut import Wire

pytestmark = [
    pytest.mark.skipif(BINARIES is None, reason=MISSING),
    pytest.mark.slow,
    pytest.mark.timeout(1500),
]

SCENES = 5
LEASE = 6.0


def stories(folder, count):
    for number in range(count):
        told = [{"id": f"s{n}", "prompt": f"Tale {number}, scene {n} of {SCENES} by the sea."} for n in range(SCENES)]
        yield story_file(folder, told, name=f"tale-{number:02}")


class Weather:
    """Kills, stops, wakes and cuts off workers, and crashes the database, until it is told that all is done."""

    def __init__(self, crew, cluster, workers, seed, *, crashes):
        self._crew = crew
        self._cluster = cluster
        self._rng = random.Random(seed)
        self._up = {}
        self._wires = {}
        self._count = 0
        self._crashes = crashes
        self.done = threading.Event()
        self.told = {"killed": 0, "stopped": 0, "overslept": 0, "dead wires": 0, "broken wires": 0, "crashed": 0}
        for _ in range(workers):
            self._start()

    def _start(self):
        self._count += 1
        name = f"machine-{self._count}"
        self._wires[name] = Wire(self._crew.url)
        self._up[name] = self._crew.worker(name, STORYCHAIN_URL=self._wires[name].url)

    def blow(self):
        while not self.done.wait(self._rng.uniform(0.5, 2.5)):
            name = self._rng.choice(sorted(self._up))
            match self._rng.random():
                case chance if chance < 0.35:
                    self._up.pop(name).send_signal(signal.SIGKILL)
                    self.told["killed"] += 1
                    self._start()
                case chance if chance < 0.65:
                    seconds = self._rng.choice([0.2, 1.0, 3.0, LEASE + 2.0, LEASE + 6.0])
                    self.told["stopped"] += 1
                    self.told["overslept"] += seconds > LEASE
                    self._up[name].send_signal(signal.SIGSTOP)
                    waking = threading.Timer(seconds, self._up[name].send_signal, [signal.SIGCONT])
                    waking.daemon = True
                    waking.start()
                case chance if chance < 0.8:
                    seconds = self._rng.choice([0.2, 1.0, 3.0, LEASE + 2.0, LEASE + 6.0])
                    self.told["dead wires"] += 1
                    self._wires[name].go_dead(seconds)
                case chance if chance < 0.9:
                    self.told["broken wires"] += 1
                    self._wires[name].break_all()
                case _ if self.told["crashed"] < self._crashes:
                    self._cluster.restart(self._rng.choice(["immediate", "fast"]))
                    self.told["crashed"] += 1
        for wire in self._wires.values():
            wire.close()
        if self.told["crashed"] == 0 and self._crashes:
            pytest.fail("the database was never restarted")


@pytest.mark.parametrize(("workers", "count", "seed"), [(2, 30, 1), (4, 30, 2)])
def test_whatever_becomes_of_workers_and_database_every_segment_is_paid_once(tmp_path, workers, count, seed):
    faults = ["--fault", "submit.lost=0.08", "--fault", "submit.cut=0.03", "--fault", "submit.503=0.05"]
    with contextlib.closing(opened_cluster()) as cluster:
        url = cluster.database()
        environ = {"STORYCHAIN_LEASE": str(LEASE), "STORYCHAIN_JOBS": "6"}
        with opened_crew(tmp_path, url, *faults, "--seed", str(seed), **environ) as crew:
            paths = list(stories(crew.desk.folder, count))
            weather = Weather(crew, cluster, workers, seed, crashes=3)
            blowing = threading.Thread(target=weather.blow)
            blowing.start()
            began = time.monotonic()
            try:
                told = followed(crew, paths)
            finally:
                weather.done.set()
                blowing.join()
            print(
                f"{workers} workers, {time.monotonic() - began:.0f} s, {weather.told}, {crew.studio.counts()['faults']}"
            )
            assert {story["status"] for story in told} == {"done"}
            assert crew.studio.counts()["accepted"] == count * SCENES
            assert weather.told["killed"]
            assert weather.told["overslept"]
            assert weather.told["dead wires"]
            assert weather.told["broken wires"]
            with cluster.connect(url.rpartition("/")[2]) as rows:
                found = rows.execute(
                    "SELECT COUNT(*), COUNT(DISTINCT job_id), COUNT(DISTINCT key) FROM storychain.attempts "
                    "WHERE state = 'stored'"
                ).fetchone()
            assert found == (count * SCENES,) * 3


def followed(crew, paths):
    """Order all stories, and again those that time was up for, until all have ended; what was told of each."""
    for _ in range(10):
        process = crew.desk.start("run", *paths, "--yes", "--json")
        out, err = process.communicate(timeout=1200)
        assert process.returncode in (0, 4), err[-3000:]
        if process.returncode == 0:
            return json.loads(out)["stories"]
    raise AssertionError(err[-3000:])


def test_the_weather_is_felt(tmp_path):
    """Proof that the count would tell: the same segments bought without a shared ledger are paid twice."""
    with contextlib.closing(opened_cluster()) as cluster, opened_crew(tmp_path, cluster.database()) as crew:
        path = story_file(crew.desk.folder, 2)
        assert crew.desk.run("run", path, "--yes", "--here").returncode == 0
        other = crew.place("alone")
        assert other.run("run", path, "--yes", STORYCHAIN_URL=None).returncode == 0
        until(lambda: crew.studio.counts()["accepted"] == 4)
