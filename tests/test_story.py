"""The story door: what a good file becomes, and what is said of every kind of bad one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from storychain.catalogue import MODELS, Model
from storychain.chain.survey import identity
from storychain.errors import InvalidStory
from storychain.story import Story, load_story

STORIES = sorted(Path(__file__).parents[1].joinpath("stories").glob("*.yaml"))
SCENES = "scenes:\n  - prompt: She lights the lamp.\n"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
MP4 = b"\0\0\0\x18ftypmp42" + b"\0" * 20


def story_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "story.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(folder: Path, text: str | bytes) -> Story:
    return load_story(story_file(folder, text))


def said(folder: Path, text: str | bytes) -> str:
    """Return the message about a bad story, with the folder taken out."""
    with pytest.raises(InvalidStory) as caught:
        load(folder, text)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_stories_shipped_are_valid(path: Path) -> None:
    story = load_story(path)
    assert story.name == path.stem
    assert story.path == path.absolute()
    assert story.budget is not None
    cost = sum((MODELS[story.model].credits(scene.seconds) or Decimal(0)) for scene in story.scenes)
    assert cost <= story.budget


def test_there_are_six_stories_and_they_show_every_way_to_begin_and_join() -> None:
    stories = [load_story(path) for path in STORIES]
    assert len(stories) == 6
    assert {story.start.kind for story in stories if story.start} == {"video", "image", "references"}
    assert {scene.join for story in stories for scene in story.scenes} == {"extend", "last_frame", "cut"}
    assert {story.aspect_ratio for story in stories} >= {"16:9", "9:16"}


def test_the_whole_format(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(MP4)
    story = load(
        tmp_path,
        """\
title: Life of ${who}
model: veo3.1
aspect_ratio: 9:16
duration: 6
style: >-
  Painted,
  warm.
vars: {who: Mara, year: 1984}
budget: 99.5
start: {video: clip.mp4, include: true}
scenes:
  - id: dawn
    prompt: |
      ${who}   wakes
      in ${year}; it costs $$5 or $6.
  - prompt: She climbs.
    duration: "8s"
    join: last_frame
    attempts: 2
""",
    )
    first, second = story.scenes
    assert (story.title, story.model, story.aspect_ratio) == ("Life of Mara", "veo3.1", "9:16")
    assert story.budget == Decimal("99.5")
    assert story.start is not None
    assert (story.start.kind, story.start.include) == ("video", True)
    assert story.start.sources[0].path == (tmp_path / "clip.mp4").resolve()
    assert first.text == "Mara wakes in 1984; it costs $5 or $6."
    assert first.prompt == "Mara wakes in 1984; it costs $5 or $6. Painted, warm."
    assert (first.id, first.seconds, first.join, first.attempts) == ("dawn", 6, "extend", 1)
    assert (second.id, second.seconds, second.join, second.attempts) == ("scene-2", 8, "last_frame", 2)


def test_what_need_not_be_written(tmp_path: Path) -> None:
    story = load(tmp_path, SCENES)
    assert (story.title, story.model, story.aspect_ratio) == ("story", "pixverse5.5", "16:9")
    assert (story.start, story.budget, story.scenes[0].seconds) == (None, None, 5)


def test_a_catalogue_of_ones_own(tmp_path: Path) -> None:
    mine = {"mine": Model("mine", ("2:1",), (3,), None)}
    story = load_story(story_file(tmp_path, "model: mine\n" + SCENES), mine)
    assert (story.aspect_ratio, story.scenes[0].seconds) == ("2:1", 3)


@pytest.mark.parametrize("ratio", ["16:9", "9:16", "1:1", "3:4", "4:3", '"16:9"'])
def test_ratios_are_ratios_with_or_without_quotes(tmp_path: Path, ratio: str) -> None:
    assert load(tmp_path, f"aspect_ratio: {ratio}\n{SCENES}").aspect_ratio == ratio.strip('"')


@pytest.mark.parametrize("word", ["no", "on", "off", "yes", "NO", "1984", "1:30", "0x1F", "007", "1e3", "2026-11-22"])
def test_words_stay_the_words_they_are(tmp_path: Path, word: str) -> None:
    assert load(tmp_path, f"title: {word}\n{SCENES}").title == word


def test_a_story_reads_the_same_with_a_mark_of_utf8_and_with_other_line_ends(tmp_path: Path) -> None:
    text = "title: Grüße 日本\n" + SCENES
    plain = load(tmp_path, text)
    assert load(tmp_path, b"\xef\xbb\xbf" + text.encode()) == plain
    assert load(tmp_path, text.replace("\n", "\r\n")) == plain
    assert load(tmp_path, text.replace("\n", "\r")) == plain


def test_anchors_may_be_used(tmp_path: Path) -> None:
    story = load(
        tmp_path, "style: &look Painted.\nscenes:\n  - prompt: *look\n  - {prompt: 'Then, night.', id: *look }\n"
    )
    assert story.scenes[0].text == "Painted."


def test_ids_of_any_script(tmp_path: Path) -> None:
    story = load(tmp_path, "scenes:\n  - {id: 日の出, prompt: Sunrise}\n  - {id: हिन्दी-1, prompt: Morning}\n")
    assert [scene.id for scene in story.scenes] == ["日の出", "हिन्दी-1"]


def test_every_problem_is_told_at_once_in_order_with_a_caret(tmp_path: Path) -> None:
    message = said(
        tmp_path,
        "model: pixverse5\nvars: {keeper: Mara}\nscenes:\n"
        "  - id: dawn\n    promt: She reaches the lamp room\n"
        "  - id: dawn\n    prompt: 日本 ${keper} climbs\n    duration: 7x\n",
    )
    assert message.splitlines() == [
        (
            "story.yaml:1:8  model: unknown model 'pixverse5' (known: veo3.1, veo3.1_fast, pixverse5.5); "
            "did you mean 'pixverse5.5'?"
        ),
        "    1 | model: pixverse5",
        "      |        ^^^^^^^^^",
        "story.yaml:5:5  scenes[0].promt: unknown key; did you mean 'prompt'?",
        "    5 |     promt: She reaches the lamp room",
        "      |     ^^^^^",
        "story.yaml:6:9  scenes[1].id: the id 'dawn' is taken by scenes[0]; ids are unique",
        "    6 |   - id: dawn",
        "      |         ^^^^",
        "story.yaml:7:16  scenes[1].prompt: unknown variable 'keper'; did you mean 'keeper'?",
        "    7 |     prompt: 日本 ${keper} climbs",
        "      |                  ^^^^^^^^",
        "story.yaml:8:15  scenes[1].duration: expected whole seconds such as 8s, found '7x'",
        "    8 |     duration: 7x",
        "      |               ^^",
        "  5 problems in story.yaml; nothing is sent or spent for it.",
    ]


CASES = {
    "colour: red\n" + SCENES: ["1:1  colour: unknown key; known here: title, model"],
    "variables: {a: b}\n" + SCENES: ["unknown key; did you mean 'vars'?"],
    "title:\n" + SCENES: ["1:1  title: has no value; write one or remove the key"],
    "title: ''\n" + SCENES: ["title: is empty"],
    "title: true\n" + SCENES: ["title: expected text, found 'true'; put it in quotes"],
    "title: [a]\n" + SCENES: ["title: expected text, found a list"],
    'title: "a\\x1b[2J"\n' + SCENES: ["title: holds the control character U+001B"],
    "aspect_ratio: 21:9\n" + SCENES: ["1:15  aspect_ratio: pixverse5.5 makes 16:9, 9:16, 1:1, 3:4, 4:3, not '21:9'"],
    "model: veo3.1\naspect_ratio: 1:1\n" + SCENES: ["veo3.1 makes 16:9, 9:16, not '1:1'"],
    "duration: 8.5s\n" + SCENES: ["1:11  duration: expected one of 5s, 8s, 10s, found '8.5s'"],
    "duration: 8m\n" + SCENES: ["expected one of 5s, 8s, 10s, found '8m'"],
    "duration: 7s\n" + SCENES: ["duration: pixverse5.5 makes 5s, 8s, 10s, not 7s"],
    "duration: [8]\n" + SCENES: ["duration: expected one value, found a list; write it like `8s`"],
    "film: {formats: [{ratio: web}]}\n" + SCENES: ["one value, found a mapping; write it like `9:16 blur`"],
    "budget: -3\n" + SCENES: ["budget: expected 0 to 1,000,000,000 credits, found '-3'"],
    "budget: .inf\n" + SCENES: ["credits, found '.inf'"],
    "budget: 1e999999999999999999999\n" + SCENES: ["credits, found '1e999"],
    f"budget: {'9' * 5000}\n" + SCENES: ["credits, found '9999"],
    "budget: lots\n" + SCENES: ["expected a number of credits, found the text 'lots'"],
    "vars: [a]\n" + SCENES: ["vars: expected a mapping of names to text, found a list"],
    "vars: {a b: c}\n" + SCENES: ["vars['a b']: a variable's name begins with a letter"],
    "vars: {a: 'b ${c}'}\n" + SCENES: ["vars.a: a variable inside a variable is not filled in"],
    "scenes: []\n": ["1:1  scenes: is empty; at least one is needed"],
    "scenes: once\n": ["scenes: expected a list of scenes, found the text 'once'"],
    "title: x\n": ["1:1  scenes: is missing"],
    "scenes:\n  - She climbs.\n": ["2:5  scenes[0]: expected a mapping with a prompt, found the text 'She climbs.'"],
    "scenes:\n  - prompt: Go.\n": ["scenes[0].prompt: is 3 characters long; a prompt has 5 to 5,000"],
    "scenes:\n  - prompt: ''\n": ["scenes[0].prompt: is empty; say what happens"],
    f"scenes:\n  - prompt: {'x' * 5001}\n": ["is 5,001 characters long; a prompt"],
    f"style: {'y' * 3000}\nscenes:\n  - prompt: {'x' * 3000}\n": ["is 6,001 characters long once variables and style"],
    f"scenes:\n  - prompt: {'x' * 30000}\n": ["is 30,000 characters long; at most 10,000"],
    "scenes:\n  - prompt: Costs ${5}, she says\n": ["2:19  scenes[0].prompt: '${5}' is not a variable's name"],
    "scenes:\n  - prompt: Costs ${ , she says\n": ["'${' is never closed; write $${"],
    "vars: {a: b}\nscenes:\n  - prompt: Here is $a now\n": ["3:21  scenes[0].prompt: a variable is written ${a}"],
    "vars: {a: b}\nscenes:\n  - prompt: Here is {{ a }} now\n": ["3:21  scenes[0].prompt: a variable is written ${a}"],
    "scenes:\n  - prompt: Waiting at pier #3 alone\n": ["2:29  scenes[0].prompt: the text ends before '#3 alone'"],
    "scenes:\n  - {prompt: Hello, join: last_frame}\n": ["to begin with a picture use start.image"],
    "scenes:\n  - {prompt: Hello, join: extends}\n": [
        "expected extend, last_frame, cut, found 'extends'; did you mean"
    ],
    "scenes:\n  - {prompt: Hello, attempts: 11}\n": ["attempts: expected a whole number from 1 to 10, found '11'"],
    "scenes:\n  - {prompt: Hello, attempts: 1.5}\n": ["attempts: expected a whole number from 1 to 10, found '1.5'"],
    "scenes:\n  - {prompt: Hello, id: a b}\n": ["id: ' ' cannot be in an id"],
    "scenes:\n  - {prompt: Hello, id: ../x}\n": ["an id does not begin with '.'"],
    f"scenes:\n  - {{prompt: Hello, id: {'x' * 65}}}\n": ["is 65 characters long; an id has at most 64"],
    "scenes:\n  - {prompt: Hello, id: scene-2}\n  - prompt: Again.\n": ["3:5  scenes[1].id: the id 'scene-2' is taken"],
    "scenes:\n  - {prompt: Hello, fallback_prompts: Hello there}\n": [
        "expected a list of one to five prompts, found the"
    ],
    "scenes:\n  - {prompt: Hello, fallback_prompts: []}\n": ["scenes[0].fallback_prompts: is empty"],
    "scenes:\n  - {prompt: Hello, fallback_prompts: [A one, A two, A three, A four, A five, A six]}\n": [
        "scenes[0].fallback_prompts: has more than 5 entries"
    ],
    "scenes:\n  - {prompt: Hello, fallback_prompts: [Hi]}\n": [
        "2:40  scenes[0].fallback_prompts[0]: is 2 characters long"
    ],
    "scenes:\n  - {prompt: Hello, fallback_prompts: [Hello there, 'Hello ${name}']}\n": [
        "scenes[0].fallback_prompts[1]: unknown variable 'name'"
    ],
    "scenes:\n  - {prompt: Hello, fallback_prompts: [{a: b}]}\n": [
        "fallback_prompts[0]: expected text, found a mapping"
    ],
    "scenes:\n  - {prompt: Hello, fallback_prompts: [' Hello']}\n": [
        "fallback_prompts[0]: says the same as the prompt"
    ],
    "scenes:\n  - {prompt: Hello, fallback_prompts: [Hello you, Hello you]}\n": [
        "fallback_prompts[1]: says the same as fallback_prompts[0]"
    ],
    "on_failure: placeholders\n" + SCENES: [
        "1:13  on_failure: expected stop or placeholder, found 'placeholders'; did you mean 'placeholder'?"
    ],
    "scenes:\n  - {prompt: Hello, on_failure: skip}\n": ["scenes[0].on_failure: expected stop or placeholder, found"],
    "start: clip.mp4\n" + SCENES: ["start: expected a mapping with video, image or references, found the text"],
    "start: {}\n" + SCENES: ["start: needs one of video, image, references"],
    "start: {include: true}\n" + SCENES: ["start: needs one of video"],
    "start: {image: http://x/y.png, include: false}\n" + SCENES: ["start.include: goes with video only"],
    "start: {video: http://x/y, include: yes}\n" + SCENES: [
        "start.include: expected true or false, found the text 'yes'"
    ],
    "start: {video: http://x/y, image: http://x/z}\n" + SCENES: ["1:28  start.image: start already has video"],
    "start: {references: []}\n" + SCENES: ["start.references: is empty"],
    "start: {references: [http://a/b, http://a/b, http://a/b, http://a/b]}\n" + SCENES: ["has more than 3 entries"],
    "start: {references: http://a/b}\n" + SCENES: ["expected a list of one to three pictures, found the text"],
    "start: {video: 'ftp://x/y'}\n" + SCENES: ["addresses begin with https:// or http://, not 'ftp:'"],
    "start: {video: 'https://x/a b'}\n" + SCENES: ["the address holds a space"],
    "start: {video: 'https://x/%zz.mp4'}\n" + SCENES: ["'%zz' in the address encodes nothing"],
    "start: {video: 'https://x/a%2'}\n" + SCENES: ["write a percent sign as %25"],
    "start: {video: 'https://x:65536/a'}\n" + SCENES: ["is not a web address: Port out of range"],
    "start: {video: 'https://x/a\\\\b'}\n" + SCENES: ["holds a backslash"],
    "start: {video: 'https://faß.example/a'}\n" + SCENES: ["'faß.example' is no host's name"],
    "start: {video: 'https://a|b/c'}\n" + SCENES: ["'a|b' is no host's name"],
    "start: {video: 'https:///y'}\n" + SCENES: ["the address names no host"],
    "start: {video: 'https://[x/y'}\n" + SCENES: ["is not a web address"],
    "start: {image: http://x/y}\nscenes:\n  - {prompt: Hello, join: cut}\n": ["start would never be used"],
    "title: a\ntitle: b\n" + SCENES: ["2:1  key 'title' is repeated; it is already on line 1"],
    "<<: {title: a}\n" + SCENES: ["1:1  merge keys (<<) are not read"],
    "? [a]\n: b\n" + SCENES: ["a key must be a word"],
    "title: !!python/object:os.system x\n" + SCENES: [
        "1:8  tag 'tag:yaml.org,2002:python/object:os.system' is not read"
    ],
    "title: !foo x\n" + SCENES: ["tag '!foo' is not read"],
    "title: *x\n" + SCENES: ["1:8  alias '*x' names no anchor; text that begins with * needs quotes"],
    "scenes: &s [*s]\n": ["alias '*s' stands inside what it names"],
    "scenes:\n\t- prompt: Hello\n": ["2:1  a tab indents this line; YAML wants spaces", "    2 |     - prompt: Hello"],
    "scenes:\n  - prompt: She says: hello\n": ["2:21  ': ' inside unquoted text; put the text in quotes"],
    "title: a\n  model: b\n": ["2:8  a key is not expected here"],
    "title: 'it's'\n": ["text goes on after the closing '"],
    "title: [Mara] climbs\n": ["text goes on after the closing ]"],
    "title: *bold* words\n": ["text that begins with * or & needs quotes"],
    "title: @home\n": ["text that begins with @ needs quotes"],
    'title: "a\\q"\n': ["a backslash inside double quotes begins an escape; write \\\\ or"],
    'title: "\\UFFFFFFFF"\n': ["this escape names no character"],
    'title: "never closed\nscenes: x\n': ["1:8  what is opened here is never closed"],
    "title: [a\nmodel: b\n": ["the bracket before this is not closed"],
    "%YAML 3.0\n---\n" + SCENES: ["a story needs no YAML directive"],
    SCENES + "---\n" + SCENES: ["3:1  a second document begins here"],
    "": ["story.yaml:1:1  the file holds no story"],
    "# only\n\n# comments\n": ["story.yaml:1:1  the file holds no story"],
    "---\n": ["the file holds no story"],
    "- a\n- b\n": ["1:1  a story is a mapping with scenes: in it; this is a list"],
    "just words\n": ["this is text"],
    "title: a\0b\n": ["1:9  control character U+0000 is not allowed", "a\\x00b"],
    "title: \x1b[31mred\n": ["1:8  control character U+001B", "\\x1b[31m"],
}


@pytest.mark.parametrize(("text", "parts"), CASES.items(), ids=[str(number) for number in range(len(CASES))])
def test_what_is_said_of(tmp_path: Path, text: str, parts: list[str]) -> None:
    message = said(tmp_path, text)
    for part in parts:
        assert part in message
    assert re.match(r"story\.yaml:\d+:\d+  ", message)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", message)


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        (b"# fine\ntitle: caf\xe9\n", "2:11  byte 0xe9 at offset 17 is not UTF-8"),
        ("title: x\n".encode("utf-16"), "1:1  the file is UTF-16 or UTF-32; save it as UTF-8"),
        ("title: x\n".encode("utf-16-le"), "1:2  control character U+0000"),
        (b"#" * (1024 * 1024 + 1), "is larger than 1 MiB"),
    ],
)
def test_bytes_that_are_not_a_story(tmp_path: Path, raw: bytes, part: str) -> None:
    assert part in said(tmp_path, raw)


def test_one_mistake_is_told_once(tmp_path: Path) -> None:
    """A bad value does not bring complaints about what follows from it."""
    message = said(tmp_path, "vars: {keeper: [x]}\nscenes:\n  - prompt: ${keeper} climbs.\n  - 7\n")
    assert message.count("story.yaml:") == 2
    assert "the story has no vars" not in said(tmp_path, "vars: x\nscenes:\n  - prompt: ${keeper} climbs.\n")


def test_long_lines_are_shown_around_the_place(tmp_path: Path) -> None:
    message = said(tmp_path, f"title: {'é日' * 200} ${{x}} {'y' * 300}\n{SCENES}")
    _, shown, caret, *_ = message.splitlines()
    assert len(shown) < 120
    assert "…日" in shown
    assert "${x}" in shown
    before = shown[: shown.index("${x}")]
    assert caret.index("^") == len(before) + before.count("日")


def test_the_query_of_an_address_is_not_repeated(tmp_path: Path) -> None:
    message = said(tmp_path, "start: {video: 'https://x.org/a.mp4?Signature=SECRET', colour: red}\n" + SCENES)
    assert "https://x.org/a.mp4?*" in message
    assert "SECRET" not in message


class TestStartFiles:
    """Start files lie beside the story and are looked at before anything is spent."""

    def start(self, folder: Path, line: str) -> str:
        return f"start: {{{line}}}\n{SCENES}"

    def test_pictures_of_every_kind(self, tmp_path: Path) -> None:
        (tmp_path / "media").mkdir()
        (tmp_path / "media" / "a.PNG").write_bytes(PNG)
        (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"\0" * 20)
        (tmp_path / "c.webp").write_bytes(b"RIFF\0\0\0\0WEBPVP8 ")
        story = load(tmp_path, self.start(tmp_path, "references: [media/a.PNG, ./b.jpg, c.webp]"))
        assert story.start is not None
        assert [source.written for source in story.start.sources] == ["media/a.PNG", "./b.jpg", "c.webp"]
        assert all(source.path and source.path.is_absolute() for source in story.start.sources)

    @pytest.mark.parametrize(
        ("written", "sent"),
        [
            ("http://h/clip-ä.mp4", "http://h/clip-%C3%A4.mp4"),
            ("http://h/a|b[1].png", "http://h/a%7Cb%5B1%5D.png"),
            ("http://h/a.mp4?sig=é&x=%C3%a9", "http://h/a.mp4?sig=%C3%A9&x=%C3%a9"),
            ("http://h/a.mp4#ä#b", "http://h/a.mp4#%C3%A4%23b"),
            ("http://münchen.example:8080/a.mp4", "http://xn--mnchen-3ya.example:8080/a.mp4"),
            ("http://mé:ü@h/a.mp4", "http://m%C3%A9:%C3%BC@h/a.mp4"),
            ("HTTPS://Host_1.example:/A;b=(1)/@x~?a=b:c/d?e", "HTTPS://Host_1.example:/A;b=(1)/@x~?a=b:c/d?e"),
            ("http://[::1]:80/a.mp4", "http://[::1]:80/a.mp4"),
        ],
    )
    def test_an_address_is_sent_as_a_uri_and_known_as_it_is_written(
        self, tmp_path: Path, written: str, sent: str
    ) -> None:
        story = load(tmp_path, self.start(tmp_path, f"video: '{written}'"))
        assert story.start is not None
        (source,) = story.start.sources
        assert (source.url, identity(source)) == (sent, written)

    def test_an_address(self, tmp_path: Path) -> None:
        story = load(tmp_path, self.start(tmp_path, "video: 'https://example.com/clip.mp4?x=1'"))
        assert story.start is not None
        assert (story.start.sources[0].url, story.start.sources[0].path) == ("https://example.com/clip.mp4?x=1", None)

    def test_absolute_paths_may_lie_anywhere(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(PNG)
        (tmp_path / "in").mkdir()
        story = load(tmp_path / "in", self.start(tmp_path, f"image: {tmp_path / 'a.png'}"))
        assert story.start is not None
        assert story.start.sources[0].path == tmp_path / "a.png"

    @pytest.mark.parametrize("way", ["../a.png", "link.png", "folder/a.png"])
    def test_relative_paths_stay_in_the_storys_tree(self, tmp_path: Path, way: str) -> None:
        (tmp_path / "a.png").write_bytes(PNG)
        home = tmp_path / "in"
        home.mkdir()
        (home / "link.png").symlink_to(tmp_path / "a.png")
        (home / "folder").symlink_to(tmp_path)
        assert "lies outside the story's directory; give the absolute path" in said(
            home, self.start(home, f"image: {way}")
        )

    def test_files_that_will_not_do(self, tmp_path: Path) -> None:
        (tmp_path / "harbour.mp4").write_bytes(MP4)
        (tmp_path / "empty.mp4").touch()
        (tmp_path / "page.mp4").write_bytes(b"<!doctype html><html>")
        (tmp_path / "dir.mp4").mkdir()
        os.mkfifo(tmp_path / "pipe.mp4")
        (tmp_path / "round.mp4").symlink_to("round.mp4")
        (tmp_path / "a.png").write_bytes(PNG)
        expected = {
            "harbor.mp4": "there is no such file; did you mean 'harbour.mp4'?",
            "else/x.mp4": "there is no such file; it is looked up beside the story file",
            "empty.mp4": "the file is empty",
            "page.mp4": "is named like a video but its contents are something else",
            "dir.mp4": "is not a file",
            "pipe.mp4": "is a pipe, socket or device",
            "a.png": "is not a video by its name; .mp4, .mov",
            "round.mp4": "",
            "x" * 300: "",
        }
        for written, what in expected.items():
            assert f"1:16  start.video: {what}" in said(tmp_path, self.start(tmp_path, f"video: {written}"))


class TestFiles:
    """What a path may name."""

    def test_a_missing_file_names_its_neighbour(self, tmp_path: Path) -> None:
        (tmp_path / "lighthouse.yaml").write_text(SCENES)
        for name in ("lighthose.yaml", "lighthouse", "lighthouse.yml"):
            with pytest.raises(InvalidStory, match="there is no such file") as caught:
                load_story(tmp_path / name)
            assert "lighthouse.yaml?" in (caught.value.next_step or "")

    def test_what_is_not_a_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "round").symlink_to("round")
        for path in (
            tmp_path,
            tmp_path / "pipe",
            tmp_path / "round",
            Path("/dev/zero"),
            Path("a\0b"),
            Path("x" * 5000),
        ):
            with pytest.raises(InvalidStory):
                load_story(path)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_file_one_may_not_read(self, tmp_path: Path) -> None:
        path = story_file(tmp_path, SCENES)
        path.chmod(0)
        with pytest.raises(InvalidStory, match="cannot be read"):
            load_story(path)

    def test_names_that_would_steer_a_terminal_are_escaped(self, tmp_path: Path) -> None:
        path = tmp_path / "a\x1b[2Jb.yaml"
        path.write_text("- a\n")
        with pytest.raises(InvalidStory) as caught:
            load_story(path)
        assert "\x1b" not in str(caught.value)


def hostile() -> dict[str, str]:
    laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{letter}: &{letter} [{','.join([f'*{before}'] * 9)}]\n"
        for before, letter in zip("abcdefgh", "bcdefghi")  # noqa: B905
    )
    prompts = "scenes:\n - &p {prompt: '" + "${a}" * 2400 + "'}\n" + " - *p\n" * 900 + f"vars: {{a: '{'x' * 4900}'}}\n"
    return {
        "laughs": laughs,
        "deep": "[" * 500_000,
        "deep block": "".join(" " * depth + "a:\n" for depth in range(1000)),
        "deep aliases": "k0: &k0 [x]\n" + "".join(f"k{i}: &k{i} [*k{i - 1}]\n" for i in range(1, 1000)),
        "many": "- a\n" * 260_000,
        "many keys": "".join(f"k{number}: 1\n" for number in range(9_000)),
        "prompts": prompts,
        "long key": "? " + "k" * 1_000_000 + "\n: 1\n",
        "long line": "title: " + "${x} " * 200_000 + "\n",
    }


@pytest.mark.parametrize("name", hostile())
def test_hostile_files_are_refused_quickly(tmp_path: Path, name: str) -> None:
    before = time.process_time()
    message = said(tmp_path, hostile()[name])
    assert time.process_time() - before < 3
    assert len(message) < 60_000


def test_five_hundred_scenes_are_read_quickly(tmp_path: Path) -> None:
    scene = "  - id: s{0}\n    prompt: She walks on, ${{who}}, step {0}.\n    duration: 8s\n    attempts: 2\n"
    text = "vars: {who: Mara}\nscenes:\n" + "".join(scene.format(number) for number in range(500))
    load(tmp_path, SCENES)
    before = time.process_time()
    story = load(tmp_path, text)
    assert time.process_time() - before < 0.5
    assert len(story.scenes) == 500


def test_the_door_is_quick_to_import() -> None:
    code = "import sys, storychain.story as s; s.template('x'); s.schema_text(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert not {"pydantic", "yaml"} & set(loaded.split())


def test_a_misspelt_key_is_not_missing_too(tmp_path: Path) -> None:
    told = said(tmp_path, "scenes:\n  - promt: She climbs.\n  - promt: She rests.\n    durations: 8s\n")
    assert re.findall(r"story.yaml:(\d+):", told) == ["2", "3", "4"]
    assert "missing" not in told
    assert "empty" not in told
