"""What is made on top of a film and beside it, read back: text to the letter, pictures to the pixel, real ffmpeg."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Callable, Coroutine
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw

from storychain.errors import DiskTrouble, MediaError
from storychain.lettering.captions import columns_for
from storychain.media.edit import Clip
from storychain.media.film import assemble
from storychain.media.outputs.cueing import Caption, Cue, cues, width
from storychain.media.outputs.masters import Master, make_master, size_in
from storychain.media.outputs.names import beside
from storychain.media.outputs.overlays import caption_png, card_png, readable, watermark_png
from storychain.media.outputs.poster import poster
from storychain.media.outputs.sheet import contact_sheet
from storychain.media.outputs.stills import Scene, opened_film
from storychain.media.outputs.streaming import stream
from storychain.media.outputs.subtitles import soft_track, srt_text, vtt_text, write_subtitles
from storychain.media.prepare import prepare
from storychain.media.probe import probe
from storychain.media.tool import find_ffmpeg
from tests import clips

FFMPEG = find_ffmpeg(os.environ)
NAME = "-it's 100%d “so”; [1] #é.v2.mp4"
LONG = (
    "She climbs the spiral stairs, lantern swinging. The wind rises outside; rain drives against the glass. Far out, "
    "a small boat changes its course, because the great lamp has turned on at last, and the light sweeps across the "
    "water again and again until the morning comes and everything is calm over the bay."
)
SIZES = ((640, 360), (360, 640), (360, 360))


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def captions(*told: tuple[float, float, str]) -> list[Caption]:
    return [Caption(Fraction(begin), Fraction(end), text) for begin, end, text in told]


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """A joined film of two scenes, 3 s, with chapters, metadata and captions, under a name that is hard on programs."""
    folder = tmp_path_factory.mktemp("film")

    async def join() -> None:
        made = []
        for number in range(2):
            segment = clips.make(folder / f"{number}.mp4", seconds=1.5, first=36 * number, size=(320, 180))
            made.append(Clip(await prepare(FFMPEG, segment, folder / f"p{number}"), f"Scene {number}"))
        await assemble(FFMPEG, made, folder / "film.mp4", title="The Film", note="made up")

    run(join())
    (folder / "c.srt").write_text(
        srt_text(cues(captions((0.25, 1, "A < B & <i>C</i>"), (1.5, 2.5, "Größe")))), encoding="utf-8"
    )
    track = soft_track(folder / "c.srt", 1, "deu")
    whole = ("-map", "0:v", "-map", "0:a", *track.written, "-c:v", "copy", "-c:a", "copy")
    clips.ffmpeg("-f", "mov", "-i", str(folder / "film.mp4"), *track.read, *whole, str(folder / NAME))
    return folder / NAME


def painted(path: Path, *, size: str = "320x180", seconds: int = 1, more: tuple[str, ...] = ()) -> Path:
    """A silent film of three stripes: red at the left quarter, green in the middle, blue at the right quarter."""
    stripes = "drawbox=0:0:iw/4:ih:0xC02020:fill,drawbox=iw*3/4:0:iw/4:ih:0x2020C0:fill"
    graph = f"color=0x20A020:s={size}:r=24:d={seconds},format=gbrp,{stripes},scale=out_color_matrix=bt709"
    coded = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "10", "-pix_fmt", "yuv420p", "-colorspace", "bt709")
    clips.ffmpeg("-f", "lavfi", "-i", graph, *coded, *more, str(path.absolute()))
    return path


def first_frame(path: Path) -> np.ndarray:
    with opened_film(path) as opened:
        return np.asarray(opened.at_key(0).picture()).astype(int)


def tracks(path: Path) -> list[str]:
    with av.open(str(path)) as opened:
        return [stream.type for stream in opened.streams if stream.type != "data"]


def left_behind(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".making-")]


# --- captions as text


def test_a_caption_that_fits_is_one_cue_of_one_line_or_two():
    assert cues(captions((1, 3, "Hello."))) == (Cue(Fraction(1), Fraction(3), ("Hello.",)),)
    (two,) = cues(captions((0, 4, "The keeper lights her lantern, then turns to the stairs.")))
    assert two.lines == ("The keeper lights her lantern,", "then turns to the stairs.")


def test_a_long_caption_is_cut_and_its_time_shared_by_length():
    made = cues(captions((2, 10, LONG)))
    assert " ".join(line for cue in made for line in cue.lines) == LONG
    assert len(made) == 4
    assert all(len(cue.lines) <= 2 and max(map(width, cue.lines)) <= 42 for cue in made)
    assert (made[0].begin, made[-1].end) == (2, 10)
    assert all(one.end == other.begin for one, other in pairwise(made))
    spoken = [sum(map(width, cue.lines)) for cue in made]
    seconds = [cue.end - cue.begin for cue in made]
    for letters, length in zip(spoken, seconds, strict=True):
        assert float(length) == pytest.approx(8 * letters / sum(spoken), rel=0.05)


def test_cuts_come_after_sentences_where_that_can_be():
    text = "One sentence that is about sixty letters long and then it ends. Another one of about the same length it is."
    made = cues(captions((0, 8, text)))
    assert [cue.lines[-1][-5:] for cue in made] == ["ends.", "t is."]


@pytest.mark.parametrize(
    "text", ["灯台守は嵐の海を見つめている。「船が来る」と彼女は言った。" * 3, "x" * 300, "http://" + "a/b" * 60]
)
def test_what_has_no_spaces_is_broken_all_the_same(text):
    made = cues(captions((0, 9, text)))
    lines = [line for cue in made for line in cue.lines]
    assert "".join(lines) == text
    assert max(map(width, lines)) <= 44
    assert not any(line[0] in "。」、" or line[-1] == "「" for line in lines)


def test_captions_never_stand_over_one_another():
    made = cues(
        captions((4, 9, "Third."), (0, 5, "First."), (0, 5, "Same time."), (8.5, 20, "Last.")), until=Fraction(12)
    )
    assert [cue.lines[0] for cue in made] == ["First.", "Same time.", "Third.", "Last."]
    assert all(one.end <= other.begin for one, other in pairwise(made))
    assert all(cue.end > cue.begin for cue in made)
    assert made[-1].end == 12


def test_what_has_no_words_or_no_time_is_left_out():
    assert cues(captions((0, 1, " \n\x00 "), (3, 3, "Never."), (30, 40, "Later.")), until=Fraction(20)) == ()
    assert srt_text([Cue(Fraction(1), Fraction(10001, 10000), ("Too short.",))]) == ""
    assert vtt_text([]) == "WEBVTT\n"


def test_srt_to_the_letter():
    told = captions((0.0005, 1.25, "First\tline\u2028here"), (3661.5, 3662, "a --> b <i>x</i> {\\an8} 1 < 2 &lt; \\N"))
    assert srt_text(cues(told)) == (
        "1\n00:00:00,001 --> 00:00:01,250\nFirst line here\n\n"
        "2\n01:01:01,500 --> 01:01:02,000\na → b <\u2060i>x<\u2060/i> {\u2060\\an8} 1 < 2 &\u2060lt; \\\u2060N\n"
    )


def test_vtt_to_the_letter():
    told = captions((0, 1.5, "a --> b & <b>"), (1.5, 2, "1984"))
    assert vtt_text(cues(told)) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\na --&gt; b &amp; &lt;b&gt;\n\n00:00:01.500 --> 00:00:02.000\n1984\n"
    )


def test_text_from_right_to_left_is_marked_as_such_on_every_line():
    told = cues(captions((0, 4, "العاصفة فوق البحر، والحارسة تشعل الفانوس الكبير! PixVerse")))
    lines = srt_text(told).splitlines()[2:]
    assert len(lines) == 2
    assert all(line[0] == line[-1] == "\u200f" for line in lines)
    assert "\u200f" not in srt_text(cues(captions((0, 4, "A word: البحر"))))


def test_both_files_are_written_beside_the_film(tmp_path):
    told = cues(captions((0, 1, "Grüße 🌊")))
    srt, vtt = beside(tmp_path / NAME, "srt"), beside(tmp_path / NAME, "vtt")
    run(write_subtitles(told, srt, vtt))
    assert srt.read_bytes() == srt_text(told).encode()
    assert vtt.read_bytes() == vtt_text(told).encode()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([srt.name, vtt.name])


def test_the_track_in_the_film_holds_the_words_and_the_language(film):
    with av.open(str(film)) as opened:
        track = opened.streams.subtitles[0]
        told = [(packet.pts, bytes(packet)[2:].decode()) for packet in opened.demux(track) if packet.size > 2]
        assert (track.codec_context.name, track.language) == ("mov_text", "deu")
        assert [(float(pts * track.time_base), text) for pts, text in told] == [
            (0.25, "A < B & <\u2060i>C<\u2060/i>"),
            (1.5, "Größe"),
        ]
    assert probe(film).seconds == 3


# --- pictures over the film


def alpha(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        assert opened.mode == "RGBA"
        return np.asarray(opened.getchannel("A")).astype(int)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("text", ["Größe — Ветер — Άνεμος 😀", LONG, "One.\nTwo."])
def test_captions_lie_in_the_lower_part_and_inside_the_safe_area(tmp_path, size, text):
    out = tmp_path / "caption.png"
    run(caption_png(text, size, out))
    with Image.open(out) as opened:
        seen = np.asarray(opened).astype(int)
    assert seen.shape == (size[1], size[0], 4)
    white = (seen[..., 3] > 250) & (seen[..., :3].min(-1) > 200)
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    assert rows[0] > size[1] * 0.35
    assert rows[-1] < size[1] * (0.95 if size[0] >= size[1] else 0.85)
    assert columns[0] > size[0] * 0.05
    assert columns[-1] < size[0] * 0.95
    assert abs(columns[0] + columns[-1] - size[0]) < size[0] * 0.03
    dark = (seen[..., 3] > 150) & (seen[..., :3].max(-1) < 60)
    assert dark.any(), "white words have a dark outline"
    assert not seen[: size[1] // 4, :, 3].any(), "the rest is clear"


def test_the_lines_of_a_cue_stay_as_they_are_where_they_fit(tmp_path):
    for size in SIZES:
        (cue,) = cues(captions((0, 4, "The storm breaks over the sea and all.")), columns=columns_for(size))
        out = tmp_path / "caption.png"
        run(caption_png("\n".join(cue.lines), size, out))
        inked = (alpha(out) > 250).any(1)
        bands = int((np.diff(inked.astype(int)) == 1).sum())
        assert bands <= 2 * len(cue.lines) + 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("title", "subtitle"), [("The Größe", "Ветер моря"), (LONG, LONG), ("Fin", "")])
def test_cards_are_dark_and_hold_their_words(tmp_path, size, title, subtitle):
    out = tmp_path / "card.png"
    run(card_png(title, subtitle, size, out))
    with Image.open(out) as opened:
        assert (opened.mode, opened.size) == ("RGB", size)
        light = np.asarray(opened.convert("L")).astype(int)
    rows, columns = np.flatnonzero((light > 100).any(1)), np.flatnonzero((light > 100).any(0))
    assert size[1] * 0.06 < rows[0] < size[1] / 2 < rows[-1] + 4 < size[1] * 0.95
    assert size[0] * 0.05 < columns[0] < columns[-1] < size[0] * 0.95
    assert np.median(light) < 40


def test_letters_no_font_has_are_an_error_that_says_so(tmp_path):
    strange = "\U0010fffe" * 20
    assert not readable(strange)
    assert readable("Grüße")
    for work in (
        caption_png(strange, (320, 180), tmp_path / "x.png"),
        card_png(strange, "", (320, 180), tmp_path / "x.png"),
    ):
        with pytest.raises(MediaError, match="no font on this machine can draw"):
            run(work)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("corner", ["top-left", "top-right", "bottom-left", "bottom-right"])
def test_a_watermark_lies_in_its_corner(tmp_path, corner):
    logo = Image.new("RGBA", (200, 100), (0, 0, 0, 0))
    ImageDraw.Draw(logo).rectangle((0, 0, 199, 99), (250, 120, 10, 200))
    logo.save(tmp_path / "l.png")
    run(watermark_png(tmp_path / "l.png", (640, 360), tmp_path / "w.png", corner=corner, width=0.2, opacity=0.5))
    with Image.open(tmp_path / "w.png") as opened:
        seen = np.asarray(opened).astype(int)
    box = opened.getchannel("A").getbbox()
    assert (box[2] - box[0], box[3] - box[1]) == (128, 64)
    assert (box[0] < 320) == corner.endswith("left")
    assert (box[1] < 180) == corner.startswith("top")
    middle = seen[(box[1] + box[3]) // 2, (box[0] + box[2]) // 2]
    assert np.abs(middle - (250, 120, 10, 100)).max() <= 2


def test_a_watermark_may_be_a_turned_jpeg_or_have_a_palette(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown turned by a quarter
    Image.new("CMYK", (300, 100), (0, 0, 0, 0)).save(tmp_path / "l.jpg", exif=turned)
    Image.new("P", (100, 300)).save(tmp_path / "l.webp")
    for name in ("l.jpg", "l.webp"):
        out = tmp_path / "w.png"
        run(watermark_png(tmp_path / name, (320, 180), out, corner="top-left", width=0.9, opacity=1))
        rows = np.flatnonzero(alpha(out).any(1))
        assert len(rows) == 72, "upright, and no taller than two fifths of the film"


@pytest.mark.parametrize("content", [b"<svg/>", b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0 cut short"])
def test_what_is_no_picture_is_told(tmp_path, content):
    (tmp_path / "l.png").write_bytes(content)
    out = tmp_path / "w" / "w.png"
    with pytest.raises(MediaError, match="not a PNG, JPEG or WebP"):
        run(watermark_png(tmp_path / "l.png", (320, 180), out, corner="top-left", width=0.1, opacity=1))
    with pytest.raises(MediaError, match="cannot be read: No such file"):
        run(watermark_png(tmp_path / "none.png", (320, 180), out, corner="top-left", width=0.1, opacity=1))
    assert not out.exists()


# --- stills


def number_in(path: Path) -> int:
    with Image.open(path) as opened:
        return clips._number(np.asarray(opened.convert("L")))


def test_a_poster_at_a_moment_is_the_frame_shown_then(film, tmp_path):
    for moment, number in ((0, 0), (Fraction(1, 2), 12), (Fraction(21, 10), 50), (99, 71)):
        shown = run(poster(film, tmp_path / "p.png", at=Fraction(moment)))
        assert number_in(tmp_path / "p.png") == number
        assert shown == Fraction(number, 24)
    with Image.open(tmp_path / "p.png") as opened:
        assert (opened.format, opened.size) == ("PNG", (320, 180))


def test_a_poster_is_neither_black_nor_blurred_nor_where_it_should_not_be(tmp_path):
    """Four seconds, each from a key frame on: black, blurred, a pattern, a pattern with less in it."""
    parts = (
        "[0:v]split=4[a][b][c][d]",
        "[a]lutyuv=y=16:u=128:v=128[k]",
        "[b]gblur=12[l]",
        "[d]lutyuv=y=val*3/4+20[m]",
    )
    graph = ";".join((*parts, "[k][l][c][m]concat=n=4"))
    source = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=24:d=1", "-filter_complex", graph)
    path = tmp_path / "f.mp4"
    clips.ffmpeg(*source, "-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-pix_fmt", "yuv420p", str(path))
    out = beside(path, "poster")
    assert 2 <= run(poster(path, out)) < 3
    assert 3 <= run(poster(path, out, avoid=[(Fraction(2), Fraction(3))])) < 4
    with Image.open(out) as opened:
        assert (out.name, opened.format, opened.size) == ("f.poster.jpg", "JPEG", (320, 180))


def test_a_film_with_one_key_frame_has_a_poster_too(tmp_path):
    path = clips.make(tmp_path / "f.mp4", seconds=2, options=("-g", "999"))
    assert run(poster(path, tmp_path / "p.jpg")) > 0


@pytest.mark.parametrize(("matrix", "told"), [("bt709", "bt709"), ("bt601", "smpte170m")])
def test_stills_have_the_films_colours(tmp_path, matrix, told):
    graph = f"color=0xC82828:s=128x72:d=0.2,format=gbrp,scale=out_color_matrix={matrix}"
    coded = ("-c:v", "libx264", "-crf", "5", "-pix_fmt", "yuv420p", "-colorspace", told)
    clips.ffmpeg("-f", "lavfi", "-i", graph, *coded, str(tmp_path / "f.mp4"))
    assert np.abs(first_frame(tmp_path / "f.mp4")[36, 64] - (200, 40, 40)).max() <= 4


def test_stills_have_square_pixels(tmp_path):
    path = painted(tmp_path / "f.mp4", more=("-vf", "setsar=3/2"))
    run(poster(path, tmp_path / "p.png", at=Fraction(0)))
    with Image.open(tmp_path / "p.png") as opened:
        assert opened.size == (480, 180)


def test_a_contact_sheet_shows_each_scene_once(tmp_path):
    """Three scenes of one colour each, in their order, by their place on the sheet."""
    colours = ("0xC02020", "0x20A020", "0x2020C0")
    inputs = [part for each in colours for part in ("-f", "lavfi", "-i", f"color={each}:s=320x180:r=24:d=1")]
    coded = ("-filter_complex", "concat=n=3", "-c:v", "libx264", "-g", "24", "-pix_fmt", "yuv420p")
    clips.ffmpeg(*inputs, *coded, str(tmp_path / "f.mp4"))
    scenes = [Scene(f"Scène {n} Ветер 😀 " + "long " * 40 * n, Fraction(n), Fraction(n + 1)) for n in range(3)]
    run(contact_sheet(tmp_path / "f.mp4", tmp_path / "s.png", scenes, title="-It's 100% Größe"))
    with Image.open(tmp_path / "s.png") as opened:
        seen = np.asarray(opened.convert("RGB")).astype(int)
    centres = []
    for channel in range(3):
        strong = (seen[..., channel] > 110) & (np.delete(seen, channel, -1).max(-1) < 60)
        rows, columns = np.nonzero(strong)
        assert len(rows) > 30_000
        centres.append((rows.mean(), columns.mean()))
    ordered = sorted(centres, key=lambda at: (round(at[0] / 150), at[1]))
    assert ordered == centres
    assert np.median(seen) < 40, "on a dark ground"


def test_a_sheet_of_many_scenes_stays_a_page(film, tmp_path):
    scenes = [Scene("", Fraction(n, 27), Fraction(n + 1, 27)) for n in range(80)]
    run(contact_sheet(film, tmp_path / "s.jpg", scenes, title="Many"))
    with Image.open(tmp_path / "s.jpg") as opened:
        assert 1 < opened.width / opened.height < 2.4
        assert opened.width <= 1700
    upright = clips.make(tmp_path / "u.mp4", size=(90, 160))
    run(contact_sheet(upright, tmp_path / "u.jpg", [Scene("One", Fraction(0), Fraction(1))]))
    with pytest.raises(ValueError, match="no scenes"):
        run(contact_sheet(upright, tmp_path / "u.jpg", []))


def test_a_scene_without_key_frames_of_its_own_is_shown_by_a_frame_of_its_own(tmp_path):
    path = clips.make(tmp_path / "f.mp4", seconds=3, options=("-g", "999"), size=(320, 180))
    run(contact_sheet(path, tmp_path / "s.png", [Scene("", Fraction(2), Fraction(3))]))
    with Image.open(tmp_path / "s.png") as opened:
        cell = np.asarray(opened.convert("L"))[56:-56, 56:-56]
    height = cell.shape[1] * 9 // 16
    assert 48 <= clips._number(cell[:height]) < 72


def test_what_is_no_film_leaves_nothing(tmp_path):
    (tmp_path / "f.mp4").write_bytes(b"<html>")
    scenes = [Scene("", Fraction(0), Fraction(1))]
    works: list[Callable[[], Coroutine[Any, Any, Any]]] = [
        lambda: poster(tmp_path / "f.mp4", tmp_path / "p.jpg"),
        lambda: contact_sheet(tmp_path / "f.mp4", tmp_path / "s.jpg", scenes),
        *(
            lambda kind=kind: make_master(FFMPEG, tmp_path / "f.mp4", beside(tmp_path / "f.mp4", kind), Master(kind))
            for kind in ("9:16", "web", "gif", "webp", "hls")
        ),
    ]
    for work in works:
        with pytest.raises(MediaError):
            run(work())
    assert [path.name for path in tmp_path.iterdir()] == ["f.mp4"]


# --- masters


def test_outputs_are_named_after_the_film(tmp_path):
    kinds = ("poster", "sheet", "9:16", "web", "gif", "webp", "srt", "vtt", "hls")
    assert [beside(Path("films/my.film.mp4"), kind).name for kind in kinds] == [
        f"my.film.{ending}"
        for ending in ("poster.jpg", "sheet.jpg", "9x16.mp4", "web.mp4", "gif", "webp", "srt", "vtt", "hls")
    ]
    assert beside(Path("films/my.film.mp4"), "hls").parent == Path("films")


@pytest.mark.parametrize(
    ("film_size", "ratio", "size"),
    [
        ((1280, 720), "9/16", (720, 1280)),
        ((1280, 720), "1", (720, 720)),
        ((1280, 720), "4/5", (720, 900)),
        ((1280, 720), "21/9", (1280, 548)),
        ((720, 1280), "16/9", (1280, 720)),
        ((720, 720), "16/9", (1280, 720)),
        ((720, 720), "9/16", (720, 1280)),
        ((960, 720), "3/4", (720, 960)),
    ],
)
def test_other_shapes_are_as_large_as_the_film(tmp_path, film_size, ratio, size):
    wide, high = film_size
    path = clips.make(tmp_path / "f.mp4", size=(wide // 8, high // 8), seconds=0.2, sound=None)
    made = size_in(Fraction(ratio), probe(path))
    assert max(abs(8 * side - wanted) for side, wanted in zip(made, size, strict=True)) <= 16
    assert all(side % 2 == 0 for side in made)


def told_chapters(opened):
    """Their titles and seconds: older versions of ffmpeg count them in milliseconds."""
    told = opened.chapters()
    return [(one["metadata"]["title"], one["start"] * one["time_base"], one["end"] * one["time_base"]) for one in told]


def test_a_crop_keeps_the_middle_and_everything_else_of_the_film(film):
    out = beside(film, "9:16")
    seen: list[float] = []
    run(make_master(FFMPEG, film, out, Master("9:16"), on_progress=seen.append))
    facts = probe(out)
    assert (facts.width, facts.height, facts.frames, facts.seconds) == (180, 320, 72, 3)
    assert (facts.pixel_format, facts.sample_aspect_ratio) == ("yuv420p", 1)
    assert seen[-1] == pytest.approx(3, abs=0.1)
    assert tracks(out) == ["video", "audio", "subtitle"]
    with av.open(str(film)) as before, av.open(str(out)) as after:
        assert after.metadata["title"] == "The Film"
        assert told_chapters(after) == told_chapters(before)
        packets = [[bytes(one) for one in opened.demux(audio=0)] for opened in (before, after)]
        assert packets[0] == packets[1], "sound is copied"
    assert clips.beeps(out) == pytest.approx(clips.flashes(out), abs=0.001)


def test_a_crop_of_stripes_is_the_middle_one(tmp_path):
    path, out = painted(tmp_path / "f.mp4"), tmp_path / "o.mp4"
    run(make_master(FFMPEG, path, out, Master("9:16")))
    seen = first_frame(out)
    assert seen.shape == (320, 180, 3)
    assert np.abs(seen - (32, 160, 32)).mean() < 4
    assert tracks(out) == ["video"]


def test_a_blurred_fill_shows_the_whole_picture_and_no_bars(tmp_path):
    path, out = painted(tmp_path / "f.mp4"), tmp_path / "o.mp4"
    run(make_master(FFMPEG, path, out, Master("9:16", "blur")))
    seen = first_frame(out)
    assert seen.shape == (320, 180, 3)
    top = (320 - 102) // 2
    front = seen[top + 4 : top + 96]
    for columns, colour in (
        (slice(4, 40), (192, 32, 32)),
        (slice(50, 130), (32, 160, 32)),
        (slice(140, 176), (32, 32, 192)),
    ):
        assert np.abs(front[:, columns] - colour).mean() < 8
    for ground in (seen[: top - 4], seen[top + 106 :]):
        assert ground.max(-1).min() > 50, "nothing of it is black"
        assert ground[..., 1].mean() > ground[..., 0].mean() + 20, "it is the picture's middle"
        assert ground.mean() < front.mean(), "and darker, so that the picture stands out"


def test_a_blurred_fill_beside_an_upright_picture(tmp_path):
    path, out = painted(tmp_path / "f.mp4", size="180x320"), tmp_path / "o.mp4"
    run(make_master(FFMPEG, path, out, Master("16:9", "blur")))
    seen = first_frame(out)
    assert seen.shape == (180, 320, 3)
    middle = seen[20:160, 110 + 4 : 210 - 4]
    assert np.abs(middle[:, :18] - (192, 32, 32)).mean() < 10
    assert np.abs(middle[:, -18:] - (32, 32, 192)).mean() < 10
    assert seen[:, :100].max(-1).min() > 50


ODD = {
    "stretched pixels": ("-vf", "setsar=3/2"),
    "full range": ("-vf", "scale=out_range=full:out_color_matrix=bt709", "-color_range", "pc"),
    "ten bits": ("-pix_fmt", "yuv420p10le"),
    "all its colours": ("-pix_fmt", "yuv444p"),
    "hevc": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-crf", "10"),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("fit", ["crop", "blur"])
def test_films_of_other_forms_become_ordinary_ones_in_their_own_colours(tmp_path, odd, fit):
    path, out = painted(tmp_path / "f.mp4", more=(*ODD[odd], "-frames:v", "8")), tmp_path / "o.mp4"
    run(make_master(FFMPEG, path, out, Master("1:1", fit)))
    facts, seen = probe(out), first_frame(out)
    assert (facts.pixel_format, facts.full_range, facts.sample_aspect_ratio, facts.codec) == (
        "yuv420p",
        False,
        1,
        "h264",
    )
    assert (facts.width, facts.height, facts.frames) == (180, 180, 8)
    assert np.abs(seen[85:95, 85:95] - (32, 160, 32)).max() < 8
    edge = seen[85:95, 4:10]
    # A square out of the middle of 16:9 has the stripes at its edges; of 8:3 it has not.
    red = fit == "blur" or odd != "stretched pixels"
    assert np.abs(edge - ((192, 32, 32) if red else (32, 160, 32))).max() < 20


def test_a_film_of_that_shape_is_copied_as_it_is(film, tmp_path):
    out = tmp_path / "o.mp4"
    run(make_master(FFMPEG, film, out, Master("16:9", "blur")))
    assert out.read_bytes() == film.read_bytes()


def test_a_web_copy_is_small_and_plays_anywhere(tmp_path):
    path = painted(tmp_path / "f.mp4", size="1920x1080", more=("-frames:v", "6"))
    run(make_master(FFMPEG, path, tmp_path / "o.mp4", Master("web")))
    facts = probe(tmp_path / "o.mp4")
    assert (facts.width, facts.height, facts.frames, facts.codec) == (1280, 720, 6, "h264")
    data = (tmp_path / "o.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "its index comes first"


def test_a_web_copy_is_not_enlarged_and_keeps_the_film(film, tmp_path):
    out = tmp_path / "o.mp4"
    run(make_master(FFMPEG, film, out, Master("web")))
    facts = probe(out)
    assert (facts.width, facts.height, facts.frames) == (320, 180, 72)
    assert tracks(out) == ["video", "audio", "subtitle"]
    assert clips.beeps(out) == pytest.approx(clips.flashes(out), abs=0.001)
    with av.open(str(out)) as opened:
        assert len(opened.chapters()) == 2


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_a_teaser_moves_and_is_small(film, tmp_path, kind):
    out = tmp_path / f"-100%d.{kind}"
    scenes = [Scene("", Fraction(0), Fraction(1)), Scene("", Fraction(2), Fraction(3))]
    run(make_master(FFMPEG, film, out, Master(kind), scenes=scenes))
    shown, seconds = [], 0
    with Image.open(out) as opened:
        assert (opened.format, opened.size) == (kind.upper(), (320, 180))
        assert opened.info["loop"] == 0
        for number in range(opened.n_frames):
            opened.seek(number)
            opened.load()
            seconds += opened.info["duration"] / 1000
            shown.append(clips._number(np.asarray(opened.convert("L"))))
    assert seconds == pytest.approx(2, abs=0.1)
    assert shown == sorted(shown)
    assert shown[0] < 24
    assert shown[-1] >= 48
    assert not {number for number in shown if 24 < number < 48}


@pytest.mark.parametrize("kind", ["1:1", "gif", "webp", "hls"])
def test_the_same_film_makes_the_same_bytes(film, tmp_path, kind):
    digests = set()
    for number in range(2):
        out = beside(tmp_path / f"{number}.mp4", kind)
        run(make_master(FFMPEG, film, out, Master(kind, "blur")))
        files = sorted(out.iterdir()) if out.is_dir() else [out]
        digests.add(tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in files))
    assert len(digests) == 1


# --- the stream


def test_a_stream_is_the_films_own_packets(film, tmp_path):
    out = beside(tmp_path / NAME, "hls")
    run(make_master(FFMPEG, film, out, Master("hls")))
    master = (out / "master.m3u8").read_text()
    assert "RESOLUTION=320x180,FRAME-RATE=24.000" in master
    assert re.search(r'CODECS="avc1\.[0-9a-f]{6},mp4a\.40\.2",SUBTITLES="captions"\nfilm\.m3u8\n', master)
    assert re.search(r"BANDWIDTH=(\d+),AVERAGE-BANDWIDTH=(\d+)", master)
    (tmp_path / "plain").symlink_to(out)  # a playlist's place is an address to its readers: # and % mean something
    assert clips.numbers(tmp_path / "plain" / "film.m3u8") == list(range(72))
    assert clips.hashes(tmp_path / "plain" / "film.m3u8") == clips.hashes(film)
    with Image.open(out / "poster.jpg") as opened:
        assert opened.size == (320, 180)
    assert left_behind(tmp_path) == []


def test_a_streams_captions_are_timed_against_its_pictures(film, tmp_path):
    run(stream(FFMPEG, film, tmp_path / "f.hls"))
    with av.open(str(tmp_path / "f.hls" / "film0000.ts")) as opened:
        start = opened.streams.video[0].start_time
    assert (tmp_path / "f.hls" / "captions.vtt").read_text("utf-8") == (
        f"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{start}\n\n"
        "00:00:00.250 --> 00:00:01.000\nA &lt; B &amp; &lt;\u2060i&gt;C&lt;\u2060/i&gt;\n\n"
        "00:00:01.500 --> 00:00:02.500\nGröße\n"
    )
    assert 'LANGUAGE="deu"' in (tmp_path / "f.hls" / "master.m3u8").read_text()
    assert "#EXTINF:3.000000,\ncaptions.vtt\n" in (tmp_path / "f.hls" / "captions.m3u8").read_text()


def test_a_stream_of_hevc_without_sound(tmp_path):
    hevc = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-x265-params", "log-level=none")
    path = clips.make(tmp_path / "f.mp4", video=hevc, sound=None, size=(320, 180))
    run(stream(FFMPEG, path, tmp_path / "f.hls"))
    assert clips.hashes(tmp_path / "f.hls" / "film.m3u8") == clips.hashes(path)
    master = (tmp_path / "f.hls" / "master.m3u8").read_text()
    assert re.search(r'CODECS="hvc1\.1\.6\.L\d+(\.[0-9a-f]+)*"\n', master)
    assert "SUBTITLES" not in master


def test_a_new_stream_takes_the_place_of_an_old_one_as_a_whole(film, tmp_path):
    out = tmp_path / "f.hls"
    out.mkdir()
    (out / "film9999.ts").write_bytes(b"old")
    (out / "master.m3u8").write_text("old")
    run(stream(FFMPEG, film, out))
    assert not (out / "film9999.ts").exists()
    assert (out / "master.m3u8").read_text().startswith("#EXTM3U")
    assert [path.name for path in tmp_path.iterdir()] == ["f.hls"]


def test_what_is_somebody_elses_stays(film, tmp_path):
    out = tmp_path / "f.hls"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(MediaError, match="in the way"):
        run(stream(FFMPEG, film, out))
    assert (out / "notes.txt").read_text() == "mine"
    (tmp_path / "g.hls").symlink_to(out)
    with pytest.raises(MediaError, match="in the way"):
        run(stream(FFMPEG, film, tmp_path / "g.hls"))
    assert left_behind(tmp_path) == []


# --- whole or not at all


@pytest.mark.parametrize("kind", ["9:16", "web", "gif", "webp", "hls"])
def test_cancelled_masters_leave_what_was_there(film, tmp_path, kind):
    out = beside(tmp_path / "f.mp4", kind)
    if kind == "hls":
        out.mkdir()
        (out / "master.m3u8").write_text("older")
    else:
        out.write_text("older")

    async def cancelled() -> None:
        making = asyncio.create_task(make_master(FFMPEG, film, out, Master(kind)))
        while not left_behind(tmp_path):
            await asyncio.sleep(0)
        making.cancel()
        await making

    with pytest.raises(asyncio.CancelledError):
        run(cancelled())
    assert (out / "master.m3u8" if kind == "hls" else out).read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_a_folder_that_cannot_be_written_is_told(film, tmp_path):
    (tmp_path / "file").write_text("")
    for kind in ("poster", "1:1", "gif", "hls"):
        out = tmp_path / "file" / "o"
        work = (
            poster(film, out)
            if kind == "poster"
            else make_master(FFMPEG, film, out.with_suffix(f".{kind}"), Master(kind))
        )
        with pytest.raises(DiskTrouble):
            run(work)
