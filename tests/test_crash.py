"""Killing the runner before and after every outside act of a three-scene run: never a second payment, the same film."""

import json
import subprocess
import sys

import pytest

from tests.desk import Studio
from tests.stage import story_file
from tests.telling import REST

PER_SCENE = ["admit", "submit", "submitted", "job", "completed", "download", "stored"]
ACTS = [(act, occurrence) for act in PER_SCENE for occurrence in (1, 2, 3)]
ACTS += [(act, occurrence) for act in ("seam", "remember_seam", "in_flight") for occurrence in (1, 2)]
ACTS += [("quota", 1), ("jobs", 1), ("remember_film", 1), ("story_records", 1)]
DEATHS = [(act, occurrence, after) for act, occurrence in ACTS for after in (False, True)]
QUICK = {(act, 2, True) for act in ("submit", "submitted", "completed", "stored")}
QUICK |= {("submit", 1, False), ("remember_seam", 1, False)}


def death(act, occurrence, after):
    """A death as a test; the telling ones are among the quick tests."""
    marks = () if (act, occurrence, after) in QUICK else REST
    return pytest.param(act, occurrence, after, id=f"{act}-{occurrence}-{'after' if after else 'before'}", marks=marks)


class Theatre:
    """One studio and one runner for all the killing."""

    def __init__(self, folder):
        self.folder = folder
        home = folder / "studio"
        home.mkdir()
        self.studio = Studio(home)
        self.story = story_file(folder, 3)
        command = [sys.executable, "-m", "tests.crash_runner"]
        self.runner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.reference = None

    def order(self, workspace, **death):
        order = {
            "workspace": str(workspace),
            "story": str(self.story),
            "base_url": self.studio.base_url,
            **death,
        }
        order["story"] = str(order["story"])
        self.runner.stdin.write(json.dumps(order) + "\n")
        self.runner.stdin.flush()
        return json.loads(self.runner.stdout.readline())

    def accepted(self):
        return self.studio.counts()["accepted"]

    def film(self, workspace):
        return (workspace / "films" / "tale.mp4").read_bytes()

    def close(self):
        self.runner.stdin.close()
        self.runner.wait(timeout=30)
        self.runner.stdout.close()
        self.studio.close()


@pytest.fixture(scope="module")
def theatre(tmp_path_factory):
    theatre = Theatre(tmp_path_factory.mktemp("theatre"))
    whole = theatre.folder / "whole"
    told = theatre.order(whole)
    assert told["status"] == "done", told
    theatre.reference = theatre.film(whole)
    theatre.acts = told["acts"]
    yield theatre
    theatre.close()


def test_every_outside_act_is_on_the_list(theatre):
    silent = {"usual_wait", "waits", "seen"}
    assert set(theatre.acts) - silent == {act for act, _ in ACTS}
    for act, occurrence in ACTS:
        assert theatre.acts[act] >= occurrence


@pytest.mark.parametrize(("act", "occurrence", "after"), [death(*one) for one in DEATHS])
def test_killed_at_any_act_nothing_is_paid_twice_and_the_film_is_the_same(theatre, tmp_path, act, occurrence, after):
    paid = theatre.accepted()
    died = theatre.order(tmp_path, act=act, occurrence=occurrence, after=after)
    assert died["killed"]
    assert not (tmp_path / "films" / "tale.mp4").exists() or act in ("remember_film", "story_records")
    again = theatre.order(tmp_path)
    assert again.get("status") == "done", again
    assert theatre.accepted() - paid == 3
    assert theatre.film(tmp_path) == theatre.reference


BESIDE = [(act, occurrence, True) for act in ("submit", "submitted", "completed", "stored") for occurrence in (2, 3, 4)]


@pytest.mark.parametrize(("act", "occurrence", "after"), [death(*one) for one in BESIDE])
def test_killed_with_takes_side_by_side_each_is_paid_once(theatre, tmp_path, act, occurrence, after):
    scenes = [{"id": f"s{n}", "prompt": f"Scene number {n} of a tale by the sea."} for n in (1, 2, 3)]
    scenes[1]["takes"] = 3
    (tmp_path / "story").mkdir()
    story = story_file(tmp_path / "story", scenes)
    paid = theatre.accepted()
    assert theatre.order(tmp_path, story=story, act=act, occurrence=occurrence, after=after)["killed"]
    again = theatre.order(tmp_path, story=story)
    assert again.get("status") == "done", again
    assert theatre.accepted() - paid == 5
    assert theatre.film(tmp_path) == theatre.reference


def test_killed_again_and_again_it_still_arrives(theatre, tmp_path):
    paid = theatre.accepted()
    for act in ("submit", "submitted", "completed", "download", "stored", "submit", "download"):
        theatre.order(tmp_path, act=act, occurrence=1, after=True)
    assert theatre.order(tmp_path)["status"] == "done"
    assert theatre.accepted() - paid == 3
    assert theatre.film(tmp_path) == theatre.reference
