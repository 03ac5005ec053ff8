"""Files that two stories would both call theirs: refused before anything is spent, and never replaced or removed."""

import pytest

from tests.stage import story_file

ONE = [{"id": "s1", "prompt": "A harbour at dawn."}]
OTHER = [{"id": "s1", "prompt": "A lighthouse by night."}]
SQUARE = {"formats": ["1:1"]}


@pytest.mark.parametrize(
    ("name", "film"), [("tale.1x1", SQUARE), ("tale.preview", {}), ("tale.preview.1x1", SQUARE)], ids=str
)
def test_a_copy_that_would_be_called_as_another_film_is_told_before_anything_is_spent(desk, name, film):
    tale = story_file(desk.folder, ONE, name="tale", film=film)
    other = story_file(desk.folder, OTHER, name=name)
    for command in ("check", "plan", "run"):
        done = desk.run(command, "tale.yaml", f"{name}.yaml", *(["--yes"] if command == "run" else []))
        assert done.returncode == 2
        assert f"{name}.mp4 would be the film of {other}, and lie beside the film of {tale}" in done.stderr
    assert desk.studio.counts()["submits"] == 0


def bought(desk, *words, credits_="160"):
    return desk.run("run", *words, "--max-credits", credits_)


def test_no_copy_replaces_a_film_of_another_run(desk):
    story_file(desk.folder, ONE, name="tale", film=SQUARE)
    story_file(desk.folder, OTHER, name="tale.1x1")
    film = desk.folder / "films" / "tale.1x1.mp4"
    assert bought(desk, "tale.1x1.yaml").returncode == 0
    before = film.read_bytes()
    done = bought(desk, "tale.yaml")
    assert done.returncode == 2
    assert "tale.1x1.mp4 is the film of the story tale.1x1" in done.stderr
    assert film.read_bytes() == before
    assert desk.studio.counts()["accepted"] == 1


def test_no_film_replaces_a_copy_of_another_run(desk):
    story_file(desk.folder, ONE, name="tale", film=SQUARE)
    story_file(desk.folder, OTHER, name="tale.1x1")
    assert bought(desk, "tale.yaml").returncode == 0
    done = bought(desk, "tale.1x1.yaml")
    assert done.returncode == 2
    assert "tale.1x1.mp4 is a copy of the film of the story tale" in done.stderr
    assert desk.studio.counts()["accepted"] == 1


def test_a_preview_replaces_no_paid_film_of_another_story(desk):
    story_file(desk.folder, ONE, name="tale")
    story_file(desk.folder, OTHER, name="tale.preview")
    for name in ("tale.yaml", "tale.preview.yaml"):
        assert bought(desk, name).returncode == 0
    film = desk.folder / "films" / "tale.preview.mp4"
    before = film.read_bytes()
    done = desk.run("run", "tale.yaml", "--local")
    assert done.returncode == 2
    assert "tale.preview.mp4 is the film of the story tale.preview" in done.stderr
    assert film.read_bytes() == before


def test_another_models_film_replaces_no_other_story(desk):
    story_file(desk.folder, ONE, name="tale")
    story_file(desk.folder, OTHER, name="tale.pixverse5.5")
    assert bought(desk, "tale.pixverse5.5.yaml").returncode == 0
    done = bought(desk, "tale.yaml", "--model", "pixverse5.5", credits_="400")
    assert done.returncode == 2
    assert "tale.pixverse5.5.mp4 is the film of the story tale.pixverse5.5" in done.stderr
    assert desk.studio.counts()["accepted"] == 1


def test_what_has_become_another_storys_film_is_not_cleared_away(desk):
    path = story_file(desk.folder, ONE, name="tale", film=SQUARE)
    assert bought(desk, "tale.yaml").returncode == 0
    film = desk.folder / "films" / "tale.1x1.mp4"
    film.unlink()  # as somebody may who wants the name for another story
    story_file(desk.folder, OTHER, name="tale.1x1")
    assert bought(desk, "tale.1x1.yaml").returncode == 0
    path.unlink()
    story_file(desk.folder, ONE, name="tale", film={"title_card": {"text": "Once"}})
    done = bought(desk, "tale.yaml")
    assert done.returncode == 0, done.stderr
    assert film.exists()
