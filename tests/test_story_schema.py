"""The schema editors read and the story `new` writes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from storychain.plan import Facts, plan, quote
from storychain.story import SCHEMA_FILE, load_story, schema, schema_text, template

STORIES = sorted(Path(__file__).parents[1].joinpath("stories").glob("*.yaml"))


ROOMS = {
    "scenes": "WrittenScene",
    "start": "WrittenStart",
    "film": "WrittenFilm",
    "film.title_card": "WrittenCard",
    "film.music": "WrittenMusic",
    "film.narrator": "WrittenNarrator",
    "film.watermark": "WrittenWatermark",
}
"""Mappings of the format by their place, and their definitions."""


def fields() -> dict[str, dict[str, Any]]:
    """Return every field's schema by name, those of scenes and start with their mapping's name before."""
    made = schema()
    below = {room: made["definitions"][name]["properties"] for room, name in ROOMS.items()}
    return made["properties"] | {f"{room}.{name}": one for room, inner in below.items() for name, one in inner.items()}


def every(part: Any) -> list[dict[str, Any]]:
    """Return every mapping within a part of a schema."""
    if isinstance(part, list):
        return [found for item in part for found in every(item)]
    return [part, *(found for value in part.values() for found in every(value))] if isinstance(part, dict) else []


def test_the_packaged_copy_is_the_computed_schema() -> None:
    assert json.loads(schema_text()) == schema()


def test_it_is_draft_07() -> None:
    made = schema()
    assert made["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert made["required"] == ["scenes"]
    assert made["additionalProperties"] is False
    for part in every(made):
        assert not {"$defs", "prefixItems", "dependentSchemas"} & set(part)
        assert "$ref" not in part or len(part) == 1
        if "$ref" in part:
            assert part["$ref"].removeprefix("#/definitions/") in made["definitions"]


def test_every_field_has_a_description_and_an_example() -> None:
    assert len(fields()) == 62
    for name, field in fields().items():
        assert len(field["description"]) > 20, name
        assert field["examples"], name


def story_with(name: str, example: Any) -> str:
    """Return a story, as JSON (which is YAML too), with the example in its place."""
    scenes: list[dict[str, Any]] = [{"prompt": "It begins."}, {"prompt": "It goes on."}]
    story: dict[str, Any] = {"vars": {"keeper": "Mara"}, "scenes": scenes}
    room, _, key = name.rpartition(".")
    if room == "scenes":
        scenes[1][key] = example
    elif room == "start":
        story["start"] = {"video": "https://example.com/a.mp4", key: example} if key == "include" else {key: example}
    elif room.startswith("film."):
        needed = {"title_card": {"text": "Words"}, "music": {"file": "media/theme.mp3"}}
        needed["watermark"] = {"file": "media/logo.png"}
        inner = room.removeprefix("film.")
        story["film"] = {inner: {**needed.get(inner, {}), key: example}}
    elif room:
        story[room] = {key: example}
    else:
        story[key] = example
    return json.dumps(story)


@pytest.mark.parametrize("name", fields())
def test_the_examples_are_good_stories(tmp_path: Path, name: str) -> None:
    media = shutil.copytree(STORIES[0].parent / "media", tmp_path / "media")
    (media / "theme.mp3").write_bytes(b"ID3 looked at by its first bytes")
    (media / "dawn.wav").write_bytes(b"RIFF....WAVE")
    (media / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n....")
    for example in fields()[name]["examples"]:
        text = story_with(name, example)
        path = tmp_path / "story.yaml"
        path.write_text(text)
        load_story(path)


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_stories_point_editors_to_the_packaged_schema(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert found
    assert json.loads((path.parent / found[1]).read_text()) == schema()


NAMES = ["lighthouse", "my-first_story", "Größe 日本", "it's", '"quoted"', "a: b", "-x", "$a", "${a}", "%"]


@pytest.mark.parametrize("name", NAMES)
def test_the_template_is_a_good_story(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.yaml"
    path.write_text(template(name))
    (tmp_path / SCHEMA_FILE).write_text(schema_text())
    story = load_story(path)
    assert (story.name, len(story.scenes)) == (name, 3)
    assert template(name).startswith(f"# yaml-language-server: $schema={SCHEMA_FILE}\n")


def test_the_templates_title_comes_from_its_name(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(template("the_last-train"))
    assert load_story(path).title == "The last train"


def test_the_template_names_a_cap_that_its_story_stays_under(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(template("x"))
    most = quote(plan(load_story(path), Facts("pictory"))).most
    (named,) = re.findall(r"--max-credits (\d+)", template("x"))
    assert most <= int(named)


@pytest.mark.parametrize("lines", [["video"], ["video", "include"], ["image"], ["references"]], ids="-".join)
def test_the_hints_of_the_template_work(tmp_path: Path, lines: list[str]) -> None:
    """Whoever takes away "# " before these lines gets a story that is valid, once the files are there."""
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"\0" * 20)
    for picture in ("picture.jpg", "ada.jpg"):
        (tmp_path / picture).write_bytes(b"\xff\xd8\xff" + b"\0" * 20)
    text = template("x")
    assert 'take away "# " before start and before one of video, image and references' in text
    for name in ("start", *lines):
        text, found = re.subn(rf"^# ( *{name}:)", r"\1", text, flags=re.MULTILINE)
        assert found == 1
    path = tmp_path / "x.yaml"
    path.write_text(text)
    start = load_story(path).start
    assert start is not None
    assert (start.kind, start.include) == (lines[0], "include" in lines)
