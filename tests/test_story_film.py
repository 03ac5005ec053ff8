"""What people write under `film:`: final values with defaults, and mistakes told at their places, all at once."""

from fractions import Fraction
from pathlib import Path

import pytest

from storychain.errors import InvalidStory
from storychain.plan import Facts, keys
from storychain.story import load_story

SCENES = """\
scenes:
  - prompt: A boat leaves.
  - prompt: A boat returns.
"""


def read(folder: Path, film: str, scenes: str = SCENES):
    (folder / "theme.mp3").write_bytes(b"ID3....")
    (folder / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n....")
    path = folder / "story.yaml"
    path.write_text(f"vars: {{who: Mara}}\n{film}{scenes}")
    return load_story(path)


def said(folder: Path, film: str, scenes: str = SCENES) -> str:
    with pytest.raises(InvalidStory) as caught:
        read(folder, film, scenes)
    return str(caught.value)


def test_without_a_word_a_film_is_finished_plainly(tmp_path):
    film = read(tmp_path, "").film
    assert (film.transition, film.music, film.watermark, film.formats) == (None, None, None, ())
    assert (film.loudness, film.poster, film.contact_sheet, film.chapters, film.subtitles) == (
        -14.0,
        True,
        True,
        True,
        "soft",
    )


def test_all_of_it_is_read(tmp_path):
    film = read(
        tmp_path,
        """\
film:
  transition: dissolve
  transition_duration: 0.25s
  title_card: {text: "For ${who}", duration: 2s}
  music: {file: theme.mp3, volume: -18, duck: false, fade: 1}
  narrator: {voice: de, speed: 140}
  subtitles: burned
  language: deu
  loudness: off
  fade_in: .5s
  watermark: {file: logo.png, corner: top-left, width: 10, opacity: 50}
  match: both
  formats: [9:16 blur, 1:1, web]
  poster: false
""".replace(".5s", "0.5s"),
    ).film
    assert (film.transition.kind, film.transition.seconds) == ("fade", Fraction(1, 4))
    assert (film.title_card.text, film.title_card.seconds) == ("For Mara", 2)
    assert (film.music.file, film.music.volume, film.music.duck, film.music.fade) == (
        tmp_path / "theme.mp3",
        -18,
        False,
        1,
    )
    assert (film.narrator.speaker, film.narrator.voice, film.narrator.speed) == ("espeak-ng", "de", 140)
    assert (film.subtitles, film.language, film.loudness, film.fade_in) == ("burned", "deu", None, Fraction(1, 2))
    assert (film.watermark.corner, film.watermark.width, film.watermark.opacity) == ("top-left", 0.1, 0.5)
    assert (film.match_color, film.match_loudness, film.poster) == (True, True, False)
    assert [(one.kind, one.fit) for one in film.formats] == [("9:16", "blur"), ("1:1", "crop"), ("web", "crop")]


def test_a_scene_may_differ_from_the_film(tmp_path):
    scenes = """\
handover: retake
scenes:
  - prompt: A boat leaves.
  - {prompt: A boat returns., transition: fade-black, caption: "${who} is back", handover: report}
  - {prompt: The end of it., transition: none, narration: "And so ${who} stayed."}
"""
    story = read(tmp_path, "film: {transition: dissolve}\n", scenes)
    assert [scene.transition and scene.transition.kind for scene in story.scenes] == ["fade", "fadeblack", None]
    assert [scene.handover for scene in story.scenes] == ["retake", "report", "retake"]
    assert story.scenes[1].caption == "Mara is back"
    assert story.scenes[2].narration == "And so Mara stayed."


def test_how_a_film_is_finished_makes_no_segment_new(tmp_path):
    plain = keys(read(tmp_path, ""), Facts("pictory"))
    film = "film: {transition: fade, subtitles: burned, music: {file: theme.mp3}}\n"
    scenes = SCENES.replace("leaves.", "leaves.\n    caption: Away\n    narration: Away.\n    handover: retake")
    assert keys(read(tmp_path, film, scenes), Facts("pictory")) == plain


def test_numbers_may_have_their_units(tmp_path):
    film = """film:
  music: {file: theme.mp3, volume: -18 dB}
  watermark: {file: logo.png, width: 10%, opacity: 50 %}
  loudness: -16 LUFS
"""
    film = read(tmp_path, film).film
    assert (film.music.volume, film.watermark.width, film.watermark.opacity, film.loudness) == (-18, 0.1, 0.5, -16)


MISTAKES = {
    "film: {transition: disolve}": ("dissolve",),
    "film: {transitions: fade}": ("unknown key", "transition"),
    "film: {music: {fil: theme.mp3}}": ("unknown key", "file"),
    "film: {music: {volume: -3}}": ("needs a file",),
    "film: {music: {file: https://example.com/a.mp3}}": ("download",),
    "film: {music: {file: logo.png}}": ("not a sound file",),
    "film: {music: theme.mp3}": ("{file: ",),
    "film: {title_card: {subtitle: x}}": ("needs a text",),
    "film: {fade_out: 1m}": ("seconds such as",),
    "film: {loudness: 3}": ("-40 to -5",),
    "film: {loudness: loud}": ("or off",),
    "film: {formats: [16:10]}": ("16:9",),
    "film: {formats: [web crop]}": ("after an aspect ratio",),
    "film: {formats: [1:1, 1:1 blur]}": ("already",),
    "film: {formats: 1:1}": ("a list",),
    "film: {language: english}": ("three letters",),
    "film: {watermark: {file: logo.png, opacity: 0}}": ("1 to 100",),
    "film: {poster: maybe}": ("true or false",),
    "film: dissolve": ("a mapping",),
    "handover: retry": ("retake",),
}


@pytest.mark.parametrize("written", MISTAKES)
def test_mistakes_are_told_with_the_way_out(tmp_path, written):
    told = said(tmp_path, f"{written}\n")
    assert "story.yaml:2:" in told
    for words in MISTAKES[written]:
        assert words in told


def test_a_scene_is_narrated_once(tmp_path):
    scenes = "scenes:\n  - {prompt: A boat leaves., narration: Away., narration_file: theme.mp3}\n"
    assert "keep one of them" in said(tmp_path, "", scenes)


def test_the_lines_of_cards_are_kept_and_those_of_captions_are_not(tmp_path):
    card = '{text: "One  two\\n${who}\\n\\n\\n\\nfour\\n", subtitle: "a\\tb\\nc"}'
    scenes = SCENES.replace("leaves.", 'leaves.\n    caption: "Away\\nand away"')
    story = read(tmp_path, f"film:\n  title_card: {card}\n", scenes)
    assert (story.film.title_card.text, story.film.title_card.subtitle) == ("One two\nMara\n\nfour", "a b\nc")
    assert story.scenes[0].caption == "Away and away"
