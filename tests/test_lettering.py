"""Words as pictures: what is set where, whatever way a script runs."""

import numpy as np
import pytest
from PIL import Image, features

from storychain.lettering.captions import caption
from storychain.lettering.cards import card, cut
from storychain.lettering.lines import TEXT, THIN, Face, draw_line, length, wrap

needs_raqm = pytest.mark.skipif(not features.check_feature("raqm"), reason="Pillow finds no fribidi here")


def inked(picture):
    """Where the ink is, without the empty rows and columns around it."""
    ink = np.asarray(picture) > 120
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def drawn(text, name):
    face = Face(name, 60)
    picture = Image.new("L", (round(length(text, face)) + 80, 120), 0)
    draw_line(picture, (40, 80), text, face, (255,))
    return inked(picture)


def signs(ink):
    """The shapes from left to right that empty columns part from each other."""
    filled = np.flatnonzero(ink.any(0))
    parts = np.split(filled, np.flatnonzero(np.diff(filled) > 1) + 1)
    return [inked(ink[:, part[0] : part[-1] + 1] * 255) for part in parts]


def alike(one, other):
    height, width = (abs(a - b) for a, b in zip(one.shape, other.shape, strict=True))
    return height <= 1 and width <= 1


@needs_raqm
@pytest.mark.parametrize("name", [THIN, TEXT])
@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd (1)!", "!", "\u05e9"),
        ("\u05e9\u05e0\u05d4 1985, (\u05de\u05d0\u05d4) 3.5% a B!", "!", "\u05e9"),
        ("\u0627\u0628 (2)!", "!", "\u0627"),
        ("Hello \u05e9\u05dc\u05d5\u05dd (1)!", "H", "!"),
    ],
)
def test_a_line_is_set_in_the_order_in_which_it_is_read(name, text, begins, ends):
    found = signs(drawn(text, name))
    assert alike(found[0], drawn(begins, TEXT))
    assert alike(found[-1], drawn(ends, TEXT))


@needs_raqm
def test_every_line_of_a_text_runs_as_the_text_does():
    """The second line begins with a Latin word, and still ends on the left."""
    text = "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd BBC \u05e9\u05dc\u05d5\u05dd!"
    face = Face(TEXT, 60)
    first, second = wrap(text, face, length(text, face) * 0.55, 2)
    assert (first.strip("\u200f"), second.strip("\u200f")) == (text[:9], text[10:])
    assert alike(signs(drawn(second, TEXT))[0], drawn("!", TEXT))
    broken = caption(f"{text[:9]}\n{text[10:]}", (1280, 720)).getchannel("R")
    lower = inked(broken.crop((0, 630, 1280, 720)))
    height, width = signs(lower)[0].shape
    assert height > 4 * width  # the exclamation mark, and not the B


def test_what_runs_to_the_right_is_left_as_it_is():
    assert wrap("Tokyo nights (1)!", Face(THIN, 40), 10_000, 2) == ["Tokyo nights (1)!"]


def test_a_name_that_is_wider_than_a_line_is_broken_behind_its_hyphens():
    face = Face(TEXT, 18)
    name = "the-lighthouse-keeper-lights-her-lantern-and-turns-to-the-stairs"
    assert wrap(name, face, 300, 2) == ["the-lighthouse-keeper-lights-her-", "lantern-and-turns-to-the-stairs"]
    assert wrap("well-known " * 3, face, length("well-known well", face), 5) == ["well-known"] * 3
    assert "".join(wrap("x" * 60, face, 300, 9)) == "x" * 60


def test_lines_of_a_card_stay_lines():
    """Rows of ink, from top to bottom: an empty line is a larger gap."""
    assert wrap("one two\n\nthree", Face(THIN, 40), 10_000, 5) == ["one two", "", "three"]
    own_way = ["Hello", "\u05e9\u05dc\u05d5\u05dd BBC!"]
    assert wrap("\n".join(own_way), Face(THIN, 40), 10_000, 5) == own_way
    picture = np.asarray(card("line one\nline two\n\nline four", "", (1280, 720)).convert("L"))
    rows = np.flatnonzero((picture > 120).any(1))
    gaps = np.diff(rows)[np.diff(rows) > 9]
    assert len(gaps) == 2
    assert gaps[1] > 2 * gaps[0]


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (720, 720), (320, 180)])
def test_a_subtitle_of_every_length_that_a_story_may_have_is_seen_to_its_end(size):
    assert cut("The Lighthouse Keeper", "And then some more words. " * 19, size) == (False, False)
    assert cut("A line\n" * 12, "Words.", size) == (True, False)
