"""The seam report: what it prints, what it draws, and what a gate makes of it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from storychain.media.looks.limits import LIMITS
from storychain.media.looks.sheet import SEAM
from storychain.review.measured import drift_of, read_measured
from storychain.workspace import Workspace
from tests.stage import BARE, story_file


@pytest.fixture(scope="module")
def rendered(shared_desk):
    """A desk with a rendered story of three scenes on it, and the story's path."""
    path = story_file(shared_desk.folder, 3)
    assert shared_desk.run("run", path, "--yes").returncode == 0
    return shared_desk, path


def test_the_readme_has_the_names_that_a_gate_takes():
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    listed = readme.partition("names are, at seams,")[2].partition(". What it")[0]
    assert re.findall(r"`([^`]+)`", listed) == list(LIMITS)


def test_the_report_names_every_seam_and_draws_it(rendered):
    desk, path = rendered
    told = desk.run("inspect", path, "--out", "drawn")
    assert told.returncode == 0, told.stderr
    assert "3 segments, 2 seams" in told.stdout
    assert "s1 → s2" in told.stdout
    folder = desk.folder / "drawn" / "tale.seams"
    assert sorted(one.name for one in folder.iterdir()) == ["001-s1-s2.png", "002-s2-s3.png", "drift.png"]
    with Image.open(folder / "001-s1-s2.png") as picture:
        assert picture.width > 1000


def test_a_gate_fails_on_what_it_names_and_on_nothing_else(rendered):
    desk, path = rendered
    strict = desk.run("inspect", path, "--json", "--no-pictures", "--fail-on", "motion=0,loudness")
    assert strict.returncode == 3
    assert "motion" in strict.stderr
    (story,) = json.loads(strict.stdout)["stories"]
    seam, _ = story["seams"]
    assert (seam["before"], seam["after"], seam["cut"]) == ("s1", "s2", False)
    assert seam["kind"] in ("tail", "repeated")
    assert [finding["name"] for finding in seam["findings"]] == ["motion"]
    assert seam["picture"] is None
    assert {"brightness_step", "colour_step", "sharpness_ratio", "loudness_step"} <= set(seam["measures"])
    assert not (desk.folder / "films" / "tale.seams").exists()
    lenient = desk.run("inspect", path, "--no-pictures", "--fail-on", "black")
    assert lenient.returncode == 0


def test_a_scene_in_which_nothing_is_new_is_found(plain):
    path = story_file(plain.folder, 3, name="again")
    studio = ("--local", "--scale", "0.125")
    assert plain.run("run", path, *studio, "--fault", "media.same=@2").returncode == 0
    looked = plain.run("inspect", path, "--local", "--fail-on", "repeated")
    assert looked.returncode == 3, looked.stderr
    assert "merged, 96 frames" in looked.stdout
    (told,) = (one for one in looked.stdout.splitlines() if "nothing in it is new" in one)
    assert told == "  s1 → s2: it is the video before it once more, and nothing in it is new"
    assert "show nothing new" not in looked.stdout


def test_the_drift_stands_where_the_film_shows_its_scenes(shared_desk):
    """Behind a title card, and as much earlier as scenes come in over each other."""
    desk, card = shared_desk, {"text": "A Tale", "duration": "2s"}
    film = {**BARE, "title_card": card, "transition": "dissolve", "transition_duration": "1s"}
    path = story_file(desk.folder, 3, name="blended", film=film)
    assert desk.run("run", path, "--yes").returncode == 0
    looked = desk.run("inspect", path, "--json")
    assert looked.returncode == 0, looked.stderr
    lock = json.loads((desk.folder / "films" / "blended.lock.json").read_text())
    begins = [one["begin"] for one in lock["stretches"] if one["kind"] == "scene"]
    (story,) = json.loads(looked.stdout)["stories"]
    assert [one["at"] for one in story["segments"]] == pytest.approx(begins, abs=0.001)
    written = read_measured(Workspace(desk.folder / ".storychain").inspection("pictory", "blended"))
    page = drift_of(written, [(one["scene"], one["key"]) for one in story["segments"]])
    assert page.begins == pytest.approx([*begins, begins[-1] + 4], abs=0.001)
    with Image.open(desk.folder / "films" / "blended.seams" / "drift.png") as opened:
        row = np.asarray(opened.convert("RGB")).astype(int)[110]
    lines = np.flatnonzero(np.abs(row - SEAM).max(1) < 8)
    places = [int(group.mean()) for group in np.split(lines, np.flatnonzero(np.diff(lines) > 4) + 1)]
    left, right, seconds = 200, 2000 - 48, begins[-1] + 4
    assert begins[1] == 4.0  # 2 + 4 s less two dissolves
    assert places == pytest.approx([left + (right - left) * one / seconds for one in begins[1:]], abs=2)


def test_the_drift_leaves_out_what_the_film_leaves_out(plain):
    path = story_file(plain.folder, [{"prompt": f"Part {n} of a song with a refrain."} for n in "12"], name="repeating")
    studio = ("--local", "--scale", "0.125")
    assert plain.run("run", path, *studio, "--fault", "media.repeat=1").returncode == 0
    looked = plain.run("inspect", path, "--local", "--json", "--no-pictures")
    first, second = json.loads(looked.stdout)["stories"][0]["segments"]
    assert (first["at"], first["left_out"], second["at"]) == (0, 0, 4)
    assert second["left_out"] == pytest.approx(12 / 24)
    document = {"segments": [first, second], "seams": []}
    (plain.folder / "measured.json").write_text(json.dumps(document))
    page = drift_of(
        read_measured(plain.folder / "measured.json"), [(one["scene"], one["key"]) for one in (first, second)]
    )
    assert page.begins == pytest.approx([0, 4, 4 + second["measures"]["seconds"] - 0.5])
    assert min(time for time, _ in page.courses[0].curves[1]) >= 4


@pytest.mark.slow
def test_what_is_not_here_is_named(desk):
    path = story_file(desk.folder, 2)
    nothing = desk.run("inspect", path)
    assert nothing.returncode == 3
    assert "no segment of it is here" in nothing.stderr
    assert desk.run("run", path, "--yes").returncode == 0
    longer = story_file(desk.folder, 3)
    told = desk.run("inspect", longer, "--no-pictures")
    assert "not here yet: s3" in told.stdout


def test_a_gate_that_names_nothing_known_is_refused(rendered):
    desk, path = rendered
    told = desk.run("inspect", path, "--fail-on", "brigthness")
    assert told.returncode == 2
    assert "brightness" in told.stderr
    for limit in ("black=-1", "brightness=", "brightness=abc"):
        assert desk.run("inspect", path, "--fail-on", limit).returncode == 2


def test_seams_of_long_names_in_any_script_are_drawn(plain):
    names = ["灯" * 63 + digit for digit in "12"]
    path = story_file(plain.folder, [{"id": name, "prompt": f"Scene {name[-1]}."} for name in names])
    assert plain.run("run", path, "--local", "--scale", "0.125").returncode == 0
    told = plain.run("inspect", path, "--local", "--json")
    assert told.returncode == 0, told.stderr
    (seam,) = json.loads(told.stdout)["stories"][0]["seams"]
    assert (seam["before"], seam["after"]) == tuple(names)
    assert Path(seam["picture"]).exists()
