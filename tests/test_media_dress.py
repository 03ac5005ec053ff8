"""Films that are more than their clips in a row: cut beginnings, transitions, captions, marks, fades, in one join."""

import asyncio
import os
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from storychain.media.dressing import Dress, Mark, Spoken
from storychain.media.edit import Clip
from storychain.media.film import assemble
from storychain.media.outputs.cueing import Caption
from storychain.media.prepare import prepare
from storychain.media.sound.mix import Music
from storychain.media.tool import find_ffmpeg
from tests import clips

FFMPEG = find_ffmpeg(os.environ)
HALF_SECOND_KEYS = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "12", "-sc_threshold", "0")
ZERO = Fraction(0)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three prepared clips of two seconds, numbered 0 to 47, 100 to 147, 200 to 247, with a flash and beep a second."""
    folder = tmp_path_factory.mktemp("three")
    made = [clips.make(folder / f"{n}.mp4", seconds=2, first=100 * n, video=HALF_SECOND_KEYS) for n in range(3)]
    return [asyncio.run(prepare(FFMPEG, one, folder / f"p{n}")) for n, one in enumerate(made)]


def film(made, out, dress=None, **options):
    """Join clips; options are lists by clip."""
    edited = [
        Clip(one, f"clip {n}", **{name: values[n] for name, values in options.items()}) for n, one in enumerate(made)
    ]
    return asyncio.run(assemble(FFMPEG, edited, out, title="T", note="N", dress=dress or Dress()))


@pytest.mark.parametrize("skipped", [1, 17, 24])
def test_a_cut_beginning_takes_its_sound_along(three, tmp_path, skipped):
    facts = film(three, tmp_path / "film.mp4", skip=[ZERO, Fraction(skipped, 24), ZERO])
    assert clips.numbers(tmp_path / "film.mp4") == [*range(48), *range(100 + skipped, 148), *range(200, 248)]
    beeps = clips.beeps(tmp_path / "film.mp4")
    flashes = clips.flashes(tmp_path / "film.mp4")
    assert len(flashes) == (6 if skipped < 12 else 5)
    assert beeps == pytest.approx(flashes, abs=0.001)
    assert facts.drawn == -skipped % 12
    assert (facts.copied, facts.reencoded) == ((2, 1) if skipped % 12 else (3, 0))


def test_transitions_shorten_picture_and_sound_alike(three, tmp_path):
    third = Fraction(1, 3)
    facts = film(three, tmp_path / "film.mp4", blend=[ZERO, third, third])
    assert facts.frames == 3 * 48 - 2 * 8
    seen = clips.numbers(tmp_path / "film.mp4")
    assert seen[:40] == list(range(40))
    assert seen[48:80] == list(range(108, 140))
    assert seen[88:] == list(range(208, 248))
    assert clips.beeps(tmp_path / "film.mp4") == pytest.approx(clips.flashes(tmp_path / "film.mp4"), abs=0.001)
    with av.open(str(tmp_path / "film.mp4")) as opened:
        track = opened.streams.audio[0]
        assert float(track.duration * track.time_base) == pytest.approx(float(facts.seconds), abs=0.001)


def test_chapters_begin_where_their_clips_are_seen(three, tmp_path):
    film(three, tmp_path / "film.mp4", blend=[ZERO, Fraction(1, 2), ZERO], skip=[ZERO, ZERO, Fraction(1, 4)])
    with av.open(str(tmp_path / "film.mp4")) as opened:
        begins = [float(chapter["start"] * chapter["time_base"]) for chapter in opened.chapters()]
    assert begins == pytest.approx([0, 1.5, 3.5], abs=0.001)


def test_a_film_without_chapters_has_none(three, tmp_path):
    film(three[:2], tmp_path / "film.mp4", Dress(chapters=False))
    with av.open(str(tmp_path / "film.mp4")) as opened:
        assert not opened.chapters()


def greys(path):
    with av.open(str(path)) as opened:
        return [frame.to_ndarray(format="gray") for frame in opened.decode(video=0)]


def test_everything_at_once(three, tmp_path):
    Image.new("RGBA", (40, 40), (255, 255, 255, 255)).save(tmp_path / "logo.png")
    clips.write_beeps(tmp_path / "tune.wav", 3, Fraction(24), channels=2, rate=48000)
    dress = Dress(
        captions=(Caption(Fraction(1), Fraction(2), "Once, by the sea"),),
        subtitles="burned",
        mark=Mark(tmp_path / "logo.png", "top-right", 0.1, 1.0),
        fade_in=Fraction(1, 4),
        fade_out=Fraction(1, 2),
        music=Music(tmp_path / "tune.wav", volume=-6.0),
        voices=(Spoken(tmp_path / "tune.wav", Fraction(2)),),
        loudness=-14.0,
    )
    facts = film(three, tmp_path / "film.mp4", dress, blend=[ZERO, Fraction(1, 4), ZERO])
    frames = greys(tmp_path / "film.mp4")
    assert len(frames) == facts.frames == 3 * 48 - 6
    assert facts.drawn == facts.frames
    assert frames[0].mean() < 20
    assert frames[-1].mean() < 25
    assert frames[60].mean() > 60


def test_soft_captions_are_a_track_and_draw_nothing(three, tmp_path):
    dress = Dress(captions=(Caption(Fraction(1), Fraction(2), "Once"), Caption(Fraction(3), Fraction(4), "Twice")))
    facts = film(three, tmp_path / "film.mp4", dress)
    assert facts.drawn == 0
    with av.open(str(tmp_path / "film.mp4")) as opened:
        track = opened.streams.subtitles[0]
        assert track.metadata["language"] == "eng"
        words = [bytes(packet) for packet in opened.demux(track) if packet.size > 2]
    assert [word[2:].decode() for word in words] == ["Once", "Twice"]
    assert clips.numbers(tmp_path / "film.mp4") == [*range(48), *range(100, 148), *range(200, 248)]


def test_the_same_film_is_the_same_bytes(three, tmp_path):
    dress = Dress(fade_in=Fraction(1, 4), loudness=-14.0, captions=(Caption(Fraction(1), Fraction(2), "Once"),))
    for name in ("one.mp4", "two.mp4"):
        film(three, tmp_path / name, dress, blend=[ZERO, Fraction(1, 4), ZERO])
        for piece in three[0].folder.parent.glob("*/piece-*"):
            piece.unlink()
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_progress_of_drawing_and_joining_rises_to_the_end(three, tmp_path):
    told = []
    edited = [Clip(one, "x", blend=Fraction(1, 4) if n else ZERO) for n, one in enumerate(three)]
    for piece in three[0].folder.parent.glob("*/piece-*"):
        piece.unlink()
    asyncio.run(assemble(FFMPEG, edited, tmp_path / "f.mp4", title="", note="", on_progress=told.append))
    assert told == sorted(told)
    assert np.isclose(told[-1], 1.0, atol=0.05)
    assert told[0] < 0.9
