"""Whatever a file holds, the door answers with a story or with places: never with a traceback."""

from __future__ import annotations

import json
import re
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storychain.catalogue import MODELS
from storychain.errors import InvalidStory
from storychain.story import Story, load_story
from tests.fuzz import TRIED

STORIES = sorted(Path(__file__).parents[1].joinpath("stories").glob("*.yaml"))
PLACED = re.compile(r"\S*story\.yaml:[1-9]\d*:[1-9]\d*  \S")


def loaded(raw: bytes) -> Story | None:
    """Return the story in `raw`, or None after seeing that the refusal is fit for a person."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "story.yaml"
        path.write_bytes(raw)
        try:
            return load_story(path)
        except InvalidStory as invalid:
            message = str(invalid)
    assert PLACED.match(message), message
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", message)
    return None


@TRIED
@given(st.binary(max_size=300))
def test_any_bytes(raw: bytes) -> None:
    loaded(raw)


@TRIED
@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    loaded(text.encode("utf-8", "surrogatepass"))


PIECES = (
    "scenes: title: vars: start: prompt: id: model: join: - ? : , { } [ ] & * ! !! | > ' \" # --- ... %YAML << ~ null "
    "true 16:9 8s $ ${ ${x} $$ &a *a a 日 é"
)
YAMLISH = st.sampled_from([*PIECES.split(), "\n", "\n  ", "\n    ", "\t", "\x85", "\u2028", "\ufeff", "\0", "\x1b"])


@TRIED
@given(st.lists(YAMLISH, max_size=40).map(" ".join))
def test_anything_that_looks_like_yaml(text: str) -> None:
    loaded(text.encode())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["title", "model", "aspect_ratio", "duration", "style", "vars", "budget", "start", "scenes"]
SCENE_KEYS = ["id", "prompt", "duration", "join", "attempts"]
START_KEYS = ["video", "image", "references", "include"]


def holder(keys: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(keys) | st.text(max_size=8), VALUES, max_size=6)


@TRIED
@given(holder(KEYS), holder(START_KEYS) | VALUES, st.lists(holder(SCENE_KEYS) | VALUES, max_size=4) | VALUES)
def test_any_values_in_any_places(top: dict[str, Any], start: Any, scenes: Any) -> None:
    loaded(json.dumps({**top, "start": start, "scenes": scenes}).encode())


@TRIED
@given(st.data())
def test_a_good_story_with_pieces_changed(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(STORIES)).read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 30)))
        text = text[:start] + data.draw(YAMLISH | st.text(max_size=5)) + text[end:]
    loaded(text.encode("utf-8", "surrogatepass"))


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="$"), min_size=5, max_size=40
)
NAMES = st.text(st.characters(categories=["L", "N"], codec="utf-8"), min_size=1, max_size=20)


def as_json(written: dict[str, Any], indent: int | None = None) -> bytes:
    """Return a story as JSON, which is YAML too."""
    return json.dumps(written, ensure_ascii=False, indent=indent).encode()


@st.composite
def stories(draw: st.DrawFn) -> dict[str, Any]:
    """Return a good story as people might write it."""
    model = draw(st.sampled_from(list(MODELS.values())))
    seconds = st.sampled_from(model.durations)
    durations = seconds | seconds.map(str) | seconds.map("{}s".format)
    ids = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    joins = st.sampled_from(["extend", "last_frame", "cut"])
    return {
        "title": draw(WORDS),
        "model": model.name,
        "aspect_ratio": draw(st.sampled_from(model.aspect_ratios)),
        "budget": draw(st.integers(0, 10_000)),
        "scenes": [
            {
                "id": name,
                "prompt": draw(st.lists(WORDS, min_size=1, max_size=5).map(" ".join)),
                "duration": draw(durations),
                "join": draw(joins) if number else "extend",
                "attempts": draw(st.integers(1, 10)),
            }
            for number, name in enumerate(ids)
        ],
    }


@TRIED
@given(stories(), st.sampled_from([None, 1, 4]))
def test_good_stories_come_back_as_they_were_written(written: dict[str, Any], indent: int | None) -> None:
    story = loaded(as_json(written, indent))
    assert story is not None
    assert (story.title, story.model) == (written["title"], written["model"])
    assert story.aspect_ratio == written["aspect_ratio"]
    assert story.budget == Decimal(written["budget"])
    for scene, original in zip(story.scenes, written["scenes"], strict=True):
        assert (scene.id, scene.prompt, scene.text) == (original["id"], original["prompt"], original["prompt"])
        assert (scene.join, scene.attempts) == (original["join"], original["attempts"])
        assert scene.seconds == int(str(original["duration"]).rstrip("s"))


@TRIED
@given(stories(), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(written: dict[str, Any], random: Any) -> None:
    keys = list(written)
    random.shuffle(keys)
    shuffled = loaded(as_json({key: written[key] for key in keys}))
    plain = loaded(as_json(written))
    assert shuffled is not None
    assert plain is not None
    assert (shuffled.title, shuffled.scenes) == (plain.title, plain.scenes)
