"""Pieces of a film: frames copied bit for bit or drawn anew in their places; layers and fades only where they are."""

import asyncio
import os
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from storychain.media.edit import Clip, edit_of
from storychain.media.pieces import Layer, Look, make
from storychain.media.prepare import prepare
from storychain.media.timeline import Copied, Drawn, Shot, Source, Span, pieces_of
from storychain.media.tool import find_ffmpeg
from storychain.story.finishing import TRANSITIONS
from tests import clips

FFMPEG = find_ffmpeg(os.environ)
SECOND_KEYS = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "12", "-sc_threshold", "0")


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three prepared clips of two seconds, numbered 0 to 47, 100 to 147, 200 to 247, a key frame every half second."""
    folder = tmp_path_factory.mktemp("three")
    made = [clips.make(folder / f"{n}.mp4", seconds=2, first=100 * n, video=SECOND_KEYS) for n in range(3)]
    return [asyncio.run(prepare(FFMPEG, one, folder / f"p{n}")) for n, one in enumerate(made)]


def cut(sources, look=None, **options):
    """The pieces of these clips, as files; options are lists by clip."""
    edited = [Clip(one, "x", **{name: values[n] for name, values in options.items()}) for n, one in enumerate(sources)]
    edit = edit_of(edited, drawn=look is not None)
    grades = tuple((n, one.grade) for n, one in enumerate(edited) if one.grade)
    look = look or Look(edit.frames, grades=grades)
    pieces = pieces_of(edit.shots, [Source(one.probe.keys, one.probe.stops) for one in sources], look.touched)

    async def all_made():
        return [await make(FFMPEG, piece, sources, edit.form, look) for piece in pieces]

    return edit, pieces, asyncio.run(all_made())


def numbers(made):
    return [number for one in made for number in clips.numbers(one.picture)]


@pytest.mark.parametrize("skipped", [1, 5, 12, 13, 30, 40])
def test_a_beginning_is_cut_to_the_frame_and_the_rest_copied(three, skipped):
    zero = Fraction(0)
    _, pieces, made = cut(three[:2], skip=[zero, Fraction(skipped, 24)])
    assert numbers(made) == [*range(48), *range(100 + skipped, 148)]
    drawn = sum(piece.frames for piece in pieces if isinstance(piece, Drawn))
    assert drawn == (-skipped % 12 if skipped <= 36 else 48 - skipped)
    for piece, one in zip(pieces, made, strict=True):
        if isinstance(piece, Copied):
            assert clips.hashes(one.picture) == clips.hashes(three[piece.source].picture)[piece.begin : piece.end]


def test_a_transition_draws_only_the_groups_around_the_seam(three):
    zero, half = Fraction(0), Fraction(1, 3)
    edit, pieces, made = cut(three, blend=[zero, half, half])
    assert edit.frames == 3 * 48 - 2 * 8
    assert [type(piece).__name__ for piece in pieces] == ["Copied", "Drawn", "Copied", "Drawn", "Copied"]
    # Eight frames that are blended, and four to the next key.
    assert sum(piece.frames for piece in pieces if isinstance(piece, Drawn)) == 2 * (8 + 4)
    seen = numbers(made)
    assert len(seen) == edit.frames
    assert seen[:40] == list(range(40))
    assert seen[48:80] == list(range(108, 140))


@pytest.mark.parametrize("blend", [Fraction(1, 3), Fraction(1), Fraction(11, 12)])
def test_transitions_in_one_piece_lose_no_frame(three, blend, tmp_path):
    Image.new("RGBA", (three[0].probe.width, three[0].probe.height), (0, 0, 0, 0)).save(tmp_path / "all.png")
    over = round(blend * 24)
    look = Look(3 * 48 - 2 * over, layers=(Layer(tmp_path / "all.png", Span(0, 3 * 48 - 2 * over)),))
    edit, pieces, made = cut(three, look, blend=[Fraction(0), blend, blend])
    assert [(type(piece), piece.frames) for piece in pieces] == [(Drawn, edit.frames)]
    seen = numbers(made)
    assert len(seen) == edit.frames
    assert seen[: 48 - over] == list(range(48 - over))
    assert seen[48 : 96 - 2 * over] == list(range(100 + over, 148 - over))
    assert seen[96 - over :] == list(range(200 + over, 248))


def test_middle_of_a_transition_is_both(three):
    plain = [float(frame.mean()) for frame in greys(three[0].picture)]
    _, _, made = cut([three[0], three[0]], blend=[Fraction(0), Fraction(1)])
    frames = [frame for one in made for frame in greys(one.picture)]
    a, b = list(greys(three[0].picture))[36], list(greys(three[0].picture))[12]
    mixed = frames[36].astype(float)
    assert abs(mixed - (a.astype(float) + b) / 2).mean() < 4
    assert frames[10].mean() == pytest.approx(plain[10], abs=1)


@pytest.mark.parametrize("name", ["fade", "dissolve"])
def test_a_dissolve_lets_both_pictures_shine_through_each_other(three, name):
    """Not one here and the other there: every pixel is of both."""
    _, _, made = cut(three[:2], blend=[Fraction(0), Fraction(1)], transition=["", TRANSITIONS[name]])
    shown = [frame.astype(float) for one in made for frame in greys(one.picture)][36]
    before, after = (list(greys(three[n].picture))[frame].astype(float) for n, frame in ((0, 36), (1, 12)))
    apart = abs(before - after) > 60
    assert apart.mean() > 0.02
    assert abs(shown - (before + after) / 2)[apart].mean() < 12


def greys(path):
    with av.open(str(path)) as opened:
        for frame in opened.decode(video=0):
            rows = np.frombuffer(frame.planes[0], np.uint8).reshape(frame.height, -1)
            yield rows[:, : frame.width]  # as coded: a conversion would look at what the file says of its range


def red(folder):
    picture = Image.new("RGBA", (160, 90), (0, 0, 0, 0))
    picture.paste((255, 255, 255, 255), (0, 60, 160, 90))
    picture.save(folder / "layer.png")
    return folder / "layer.png"


def test_a_layer_is_seen_in_its_span_and_nowhere_else(three, tmp_path):
    look = Look(96, layers=(Layer(red(tmp_path), Span(20, 31)), Layer(red(tmp_path), Span(60, 61))))
    _, pieces, made = cut(three[:2], look)
    frames = [frame for one in made for frame in greys(one.picture)]
    lit = [n for n, frame in enumerate(frames) if frame[70:].mean() > 230]
    assert [n for n in lit if n not in (12, 36, 60, 84)] == [*range(20, 31)]
    assert 60 in lit
    assert numbers(made) == [*range(48), *range(100, 148)]
    assert sum(piece.frames for piece in pieces if isinstance(piece, Drawn)) < 48


def test_fades_begin_and_end_in_black_and_touch_nothing_else(three):
    _, pieces, made = cut(three[:2], Look(96, fade_in=18, fade_out=6))
    light = [float(frame.mean()) for one in made for frame in greys(one.picture)]
    plain = [float(frame.mean()) for one in three[:2] for frame in greys(one.picture)]
    assert light[0] < 18
    assert light[-1] < light[-2] < light[-4]
    assert np.all(np.diff(light[:12]) > 0)
    assert light[18:90] == pytest.approx(plain[18:90], abs=1.5)
    assert [type(piece).__name__ for piece in pieces] == ["Drawn", "Copied", "Copied", "Drawn"]


def test_a_graded_clip_is_drawn_and_the_others_copied(three):
    brighter = (("lutyuv", (("y", "val+20"),)),)
    _, pieces, made = cut(three[:2], grade=[(), brighter])
    light = [float(frame.mean()) for one in made for frame in greys(one.picture)]
    plain = [float(frame.mean()) for one in three[:2] for frame in greys(one.picture)]
    assert light[:48] == pytest.approx(plain[:48], abs=0.01)
    assert np.mean(light[48:]) > np.mean(plain[48:]) + 10
    assert [type(piece).__name__ for piece in pieces] == ["Copied", "Drawn"]


def test_another_ffmpeg_makes_its_own_pieces(three):
    piece = Drawn(0, (Shot(0, 3, 9),))
    look = Look(6)
    makers = FFMPEG, replace(FFMPEG, version="of tomorrow")
    one, other = (asyncio.run(make(ffmpeg, piece, three, three[0].probe.form, look)) for ffmpeg in makers)
    assert one.picture != other.picture


def test_a_piece_that_is_not_right_is_made_anew(three):
    _, _, made = cut(three[:2], skip=[Fraction(0), Fraction(5, 24)])
    drawn = made[1].picture
    good = drawn.read_bytes()
    drawn.write_bytes(made[0].picture.read_bytes())
    cut(three[:2], skip=[Fraction(0), Fraction(5, 24)])
    assert drawn.read_bytes() == good


def test_a_piece_is_made_once(three):
    zero = Fraction(0)
    _, _, first = cut(three[:2], skip=[zero, Fraction(5, 24)])
    before = [one.picture.stat().st_mtime_ns for one in first]
    _, _, again = cut(three[:2], skip=[zero, Fraction(5, 24)])
    assert [one.picture.stat().st_mtime_ns for one in again] == before
