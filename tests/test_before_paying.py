"""What is wrong with what a film needs besides its segments is told before anything is paid."""

import json
from fractions import Fraction

import pytest

from storychain.cli import main
from tests import clips
from tests.stage import BARE, story_file


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to run commands in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_plan_warns_of_narration_that_is_longer_than_its_scene(here, capsys):
    for seconds in (3, 6):
        clips.write_beeps(here / f"{seconds}.wav", seconds, Fraction(24), channels=2, rate=48000)
    (here / "none.wav").write_bytes((here / "3.wav").read_bytes()[:12])
    said = [{"narration_file": "3.wav"}, {"narration_file": "6.wav"}, {"narration_file": "none.wav"}]
    said.append({"narration": "Much more than anybody can say within four seconds, " * 3})
    story_file(here, [{"prompt": f"Scene {number}.", **words} for number, words in enumerate(said)])
    assert main(["plan", "tale.yaml", "--local", "--json"]) == 0
    (story,) = json.loads(capsys.readouterr().out)["stories"]
    too_long, unusable, guessed = story["warnings"]
    assert too_long == (
        "scene scene-2: its narration takes about 6.0 s, and the scene lasts 4 s; it runs into the next one"
    )
    assert unusable.startswith("scene scene-3: its narration cannot be used: ")
    assert guessed.startswith("scene scene-4: its narration takes about ")
    assert main(["plan", "tale.yaml", "--local"]) == 0
    assert too_long in capsys.readouterr().out


def test_what_is_in_the_way_beside_a_film_is_told_before_its_segments_are_bought(plain):
    told = {**BARE, "formats": ["hls", "1:1"], "subtitles": "soft"}
    path = story_file(plain.folder, [{"prompt": "A scene.", "caption": "Once."}], film=told)
    films = plain.folder / "films"
    for name in ("tale.lock.json", "tale.srt", "tale.1x1.mp4", "tale.hls"):
        (films / name / "mine").mkdir(parents=True)
        done = plain.run("run", path, "--local")
        assert (done.returncode, done.stdout) == (2, "")
        assert f"no film can be put there: {name} is " in done.stderr
        assert "submitted" not in done.stderr
        (films / name / "mine").rmdir()
        (films / name).rmdir()
    assert plain.run("run", path, "--local", "--scale", "0.125").returncode == 0
    (plain.folder / "afile").touch()
    done = plain.run("assemble", path, "--local", "--out", "afile")
    assert done.returncode == 2
    assert "no film can be put there: it is a file\n  Let --out name a folder" in done.stderr


def test_one_scene_is_no_scenes(here, capsys):
    story_file(here, 1)
    assert main(["check", "tale.yaml"]) == main(["plan", "tale.yaml", "--local"]) == main(["status", "tale.yaml"]) == 0
    said = "".join(capsys.readouterr())
    assert "fine, 1 scene, 4 s" in said
    assert "16:9 · 1 scene, 4 s" in said
    assert "0 of 1 segment here" in said
