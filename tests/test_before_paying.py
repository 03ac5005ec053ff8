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


def test_check_plan_and_run_tell_how_much_of_a_narration_is_lost_at_the_films_end(plain, capsys):
    clips.write_beeps(plain.folder / "12.wav", 12, Fraction(24), channels=2, rate=48000)
    said = {"prompt": "Words.", "narration_file": "12.wav"}
    card = {**BARE, "end_card": {"text": "End", "duration": "15s"}}
    faded = {"transition": "dissolve", "transition_duration": "1s"}
    told = {
        "short": ([said, {"prompt": "The sea."}], BARE, "runs into the next one, and about 4.3 s of it are lost"),
        "faded": (
            [said, {"prompt": "The sea."}],
            BARE | faded,
            "runs into the next one, and about 5.3 s of it are lost",
        ),
        "last": ([{"prompt": "The sea."}, said], BARE, "ends with the film, and about 8.3 s of it are lost"),
        "card": ([{"prompt": "The sea."}, said], card, "goes on over the end card"),
    }
    whole = "its narration takes about 12.0 s, and the scene lasts 4 s; it "
    for name, (scenes, film, words) in told.items():
        path = story_file(plain.folder, scenes, film=film, name=name)
        end = " at the film's end" if "lost" in words else ""
        assert main(["plan", str(path), "--local", "--json"]) == 0
        (story,) = json.loads(capsys.readouterr().out)["stories"]
        assert [one.partition(": ")[2] for one in story["warnings"]] == [whole + words + end]
        assert main(["check", str(path)]) == 0
        assert whole + words + end in capsys.readouterr().err
    done = plain.run("run", plain.folder / "short.yaml", "--local", "--scale", "0.125")
    assert done.returncode == 0, done.stderr
    assert whole + told["short"][2] + " at the film's end" in done.stderr


SHORTENED = "the transition into scene s2, scene s3 takes 2 s, not 3 s: at most half of either of the two that it joins"


def test_check_plan_and_run_tell_which_transitions_are_shorter_than_asked_for(here, plain, capsys):
    film = {**BARE, "transition": "dissolve", "transition_duration": "3s"}
    card = {"title_card": {"text": "A Tale", "duration": "1s"}, "end_card": {"text": "End", "duration": "6s"}}
    story_file(here, 3, film={**film, **card}, name="long")
    story_file(here, 2, film={**film, "transition_duration": "0.01s"}, name="short")
    story_file(here, 2, film={**film, "transition_duration": "2s"}, name="fits")
    assert main(["plan", "long.yaml", "short.yaml", "fits.yaml", "--local", "--json"]) == 0
    long, short, fits = (story["warnings"] for story in json.loads(capsys.readouterr().out)["stories"])
    assert long == [
        "the transition into scene s1 takes 0.5 s, not 3 s: at most half of either of the two that it joins",
        SHORTENED.replace("scene s3", "scene s3, the end card"),
    ]
    assert short == [
        "there is no transition of 0.01 s into scene s2 but a hard cut: it comes to less than a frame",
    ]
    assert fits == []
    assert main(["check", "short.yaml"]) == 0
    assert short[0] in capsys.readouterr().err
    path = story_file(plain.folder, 3, film=film, name="cut")
    done = plain.run("run", path, "--local", "--scale", "0.125")
    assert done.returncode == 0, done.stderr
    before, _, after = done.stderr.partition("submitted")
    assert SHORTENED in before
    assert SHORTENED not in after


def test_check_plan_and_run_tell_which_fades_are_shorter_than_asked_for(plain, capsys):
    faded = {"transition": "dissolve", "transition_duration": "1s", "fade_in": "30s", "fade_out": "3.5s"}
    path = story_file(plain.folder, 2, film=BARE | faded, name="fades")
    words = "the film's fade in takes 3.5 s, not 30 s: at most half of the film"
    assert main(["plan", str(path), "--local", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stories"][0]["warnings"] == [words]
    assert main(["check", str(path)]) == 0
    assert words in capsys.readouterr().err
    done = plain.run("run", path, "--local", "--scale", "0.125")
    assert done.returncode == 0, done.stderr
    before, _, after = done.stderr.partition("submitted")
    assert words in before
    assert words not in after


def test_a_transition_that_only_a_segment_makes_shorter_is_told_with_the_film(plain):
    clips.make(plain.folder / "short.mp4", seconds=1)
    film = {**BARE, "transition": "dissolve", "transition_duration": "1s"}
    path = story_file(plain.folder, 2, film=film, start={"video": "short.mp4", "include": True}, name="opened")
    done = plain.run("run", path, "--local", "--scale", "0.125")
    assert done.returncode == 0, done.stderr
    before, _, after = done.stderr.partition("submitted")
    assert "the transition into" not in before
    assert "the transition into scene s1 takes 0.5 s, not 1 s" in after
    assert "scene s2" not in after


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


STRANGE = "\U00013000\U00013001\U00013002"
"""Hieroglyphs: letters that no usual font has."""


def test_a_plan_and_a_run_tell_which_words_will_not_be_seen(here, plain, capsys):
    long = {"text": "One\ntwo", "subtitle": "Words without an end. " * 22}
    film = {**BARE, "subtitles": "burned", "title_card": {"text": f"Tokyo nights {STRANGE[0]}"}, "end_card": long}
    scene = {"prompt": "A scene.", "caption": f"Once upon a time {STRANGE[1]}"}
    told = [
        f"film.title_card: no font on this machine has {STRANGE[0]}; it is shown without",
        f"scene scene-1: no font on this machine has {STRANGE[1]}; it is shown without",
    ]
    cut = "film.end_card.text: there is too much of it for a card; its end is left out"
    story_file(here, [scene], film=film)
    assert main(["plan", "tale.yaml", "--local", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stories"][0]["warnings"] == told
    many = {**film, "end_card": {"text": "\n".join("abcdefghijk"), "subtitle": "Words."}}
    path = story_file(plain.folder, [scene], film=many, name="many")
    done = plain.run("run", path, "--local", "--scale", "0.125")
    assert done.returncode == 0, done.stderr
    before, _, _ = done.stderr.partition("submitted")
    assert all(words in before for words in (*told, cut))


def test_a_subtitle_that_cannot_be_drawn_is_refused_before_anything_is_bought(plain):
    film = {**BARE, "title_card": {"text": "Hello world", "subtitle": STRANGE}}
    path = story_file(plain.folder, 1, film=film, name="strange")
    done = plain.run("run", path, "--local")
    assert done.returncode == 3
    assert "strange, film.title_card.subtitle: no font on this machine has enough of its letters" in done.stderr
    assert "submitted" not in done.stderr
