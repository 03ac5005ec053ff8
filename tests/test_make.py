"""The Makefile's films: what make believes of them is what storychain says of them, and no date."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stage import story_file

MAKEFILE = Path(__file__).parent.parent / "Makefile"
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


@pytest.fixture
def made(desk):
    """Runs make at a desk, where storychain is already installed."""
    folder, installed = desk.folder, desk.folder / ".venv" / "bin"
    installed.mkdir(parents=True)
    shutil.copy(MAKEFILE, folder)
    for name in ("pyproject.toml", ".constraints.txt", ".venv/bin/python"):
        (folder / name).touch()
    program = installed / "storychain"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m storychain "$@"\n')
    program.chmod(0o755)
    (folder / ".venv" / ".storychain-ready").touch()
    (folder / "stories").mkdir()

    def make(*words):
        command = ["make", *words]
        environ = desk.environ()
        return subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False
        )

    return make


@needs_make
def test_a_preview_is_followed_by_the_film_and_a_film_by_nothing(desk, made):
    story_file(desk.folder / "stories", 1)
    assert made("stories", "RENDER=--local --scale 0.125").returncode == 0
    film = desk.folder / "films" / "tale.mp4"
    assert film.exists()
    for _ in range(2):
        done = made("stories", "RENDER=--max-credits 40")
        assert (done.returncode, done.stdout) == (0, f"{film}\n"), done.stderr
    ended_badly = "RUN=sh -c 'date > films/tale.mp4; exit 1'"
    assert made("films/tale.mp4", ended_badly).returncode != 0
    assert film.exists()
    assert desk.studio.counts()["accepted"] == 1


@needs_make
def test_a_story_that_is_left_without_a_film_leaves_no_file_and_goes_on(desk, made):
    scenes = [{"id": "s1", "prompt": "A lamp is lit.", "hold": True}, {"id": "s2", "prompt": "The lamp goes out."}]
    story_file(desk.folder / "stories", scenes)
    film = desk.folder / "films" / "tale.mp4"
    assert made("films/tale.mp4", "RENDER=--yes").returncode == 0
    assert not film.exists()
    film.parent.mkdir(exist_ok=True)
    film.touch()  # as an earlier make may have left it
    assert desk.run("approve", "stories/tale.yaml", "s1").returncode == 0
    assert made("films/tale.mp4", "RENDER=--yes").returncode == 0
    assert film.stat().st_size > 0
    assert desk.studio.counts()["accepted"] == 2


@needs_make
def test_stories_with_spaces_in_their_names_are_rendered_too(desk, made):
    for name, words in (("tale", "A lamp is lit."), ("the old lamp", "An old lamp is lit."), ("it's $1", "A coin.")):
        story_file(desk.folder / "stories", [{"prompt": words}], name=name)
    assert made("stories", "RENDER=--max-credits 40").returncode == 0
    films = {film.stem for film in (desk.folder / "films").glob("*.mp4")}
    assert films == {"tale", "the old lamp", "it's $1"}
    assert desk.studio.counts()["accepted"] == 3
    (desk.folder / "stories" / "no story.yaml").write_text("nothing: here")
    assert made("stories", "RENDER=--max-credits 40").returncode != 0
    assert desk.studio.counts()["accepted"] == 3
