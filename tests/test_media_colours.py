"""Colours of films that do not say how they are coded: players take BT.709, and so does all that is made of them."""

import asyncio
import os
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from storychain.media.dressing import Dress, Mark
from storychain.media.edit import Clip
from storychain.media.film import assemble
from storychain.media.outputs.masters import Master, make_master
from storychain.media.prepare import last_frame, prepare
from storychain.media.probe import probe
from storychain.media.tool import find_ffmpeg
from tests import clips

FFMPEG = find_ffmpeg(os.environ)
GREEN = (116, 86, 55)
"""Luma and chroma of the colour that clips have throughout: far enough from grey that another matrix shows."""

CODINGS = {
    "untold": (),
    "bt709": ("-vf", "setparams=colorspace=bt709"),
    "bt601": ("-vf", "setparams=colorspace=smpte170m"),
}
MATRICES = {"untold": (0.2126, 0.0722), "bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114)}


def clip(path, coding, *, size=(160, 90), fps=24, more=()):
    """One second in green, without sound."""
    width, height = size
    planes = [np.full((height >> 1 * bool(n), width >> 1 * bool(n)), value, np.uint8) for n, value in enumerate(GREEN)]
    frame = b"".join(plane.tobytes() for plane in planes)
    read = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", str(fps), "-i", "pipe:0")
    coded = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "5", *CODINGS[coding], *more)
    clips.ffmpeg(*read, *coded, str(path), stdin=frame * fps)
    return path


def codes(path):
    """Of each frame the luma and chroma in its middle, as they are coded."""
    with av.open(str(path)) as opened:
        frames = [frame.to_ndarray() for frame in opened.decode(video=0)]
        height = opened.streams.video[0].height
    found = []
    for frame in frames:
        planes = frame.reshape(-1)
        width = frame.shape[1]
        sizes = [(height, width), (height // 2, width // 2), (height // 2, width // 2)]
        middle, begin = [], 0
        for down, across in sizes:
            plane = planes[begin : begin + down * across].reshape(down, across)
            middle.append(float(plane[down // 2 - 4 : down // 2 + 4, across // 2 - 4 : across // 2 + 4].mean()))
            begin += down * across
        found.append(middle)
    return np.array(found)


def as_seen(coding):
    """What players show of the green, by the matrix of the coding."""
    red_share, blue_share = MATRICES[coding]
    luma, blue, red = (GREEN[0] - 16) / 219, (GREEN[1] - 128) / 112, (GREEN[2] - 128) / 112
    shown = [luma + red * (1 - red_share), 0, luma + blue * (1 - blue_share)]
    shown[1] = (luma - red_share * shown[0] - blue_share * shown[2]) / (1 - red_share - blue_share)
    return np.clip(np.array(shown) * 255, 0, 255)  # as RGB, 8 bits


def prepared(path, tmp_path):
    return asyncio.run(prepare(FFMPEG, path, tmp_path / f"prepared-{path.stem}"))


@pytest.mark.parametrize("coding", CODINGS)
def test_a_segment_of_another_size_and_rate_keeps_its_colours(tmp_path, coding):
    made = [clip(tmp_path / f"{n}.mp4", coding, more=("-g", "24")) for n in range(2)]
    made.append(clip(tmp_path / "odd.mp4", coding, size=(320, 180), fps=30))
    shown = [Clip(prepared(path, tmp_path), path.stem) for path in made]
    facts = asyncio.run(assemble(FFMPEG, shown, tmp_path / "film.mp4", title="T", note="N", dress=Dress()))
    assert (facts.copied, facts.reencoded) == (2, 1)
    assert np.abs(codes(tmp_path / "film.mp4") - GREEN).max() <= 1.5


@pytest.mark.parametrize("coding", CODINGS)
def test_a_segment_that_has_to_be_mended_keeps_its_colours(tmp_path, coding):
    path = clip(tmp_path / "odd.mp4", coding, size=(160, 90), fps=23)
    made = prepared(path, tmp_path)
    assert made.mended
    assert np.abs(codes(made.picture) - GREEN).max() <= 1.5


def test_segments_of_another_coding_come_to_look_alike(tmp_path):
    made = [clip(tmp_path / f"{n}.mp4", "untold") for n in range(2)]
    made.append(clip(tmp_path / "odd.mp4", "bt601"))
    shown = [Clip(prepared(path, tmp_path), path.stem) for path in made]
    asyncio.run(assemble(FFMPEG, shown, tmp_path / "film.mp4", title="T", note="N", dress=Dress()))
    with av.open(str(tmp_path / "film.mp4")) as opened:
        last = list(opened.decode(video=0))[-1]
        seen = np.asarray(last.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray())[40, 80]
    assert np.abs(seen - as_seen("bt601")).max() <= 4


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("master", [Master("1:1"), Master("9:16", "blur"), Master("web")], ids=["crop", "blur", "web"])
def test_other_masters_keep_the_colours(tmp_path, coding, master):
    path = clip(tmp_path / "film.mp4", coding, size=(320, 180))
    asyncio.run(make_master(FFMPEG, path, tmp_path / "master.mp4", master))
    assert np.abs(codes(tmp_path / "master.mp4") - GREEN).max() <= 1.5
    assert probe(tmp_path / "master.mp4").matrix == probe(path).matrix


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_teasers_show_the_colours_that_players_show(tmp_path, coding, kind):
    path = clip(tmp_path / "film.mp4", coding, size=(320, 180))
    asyncio.run(make_master(FFMPEG, path, tmp_path / f"teaser.{kind}", Master(kind)))
    with Image.open(tmp_path / f"teaser.{kind}") as opened:
        seen = np.asarray(opened.convert("RGB"))[40:60, 40:60].reshape(-1, 3).mean(0)
    assert np.abs(seen - as_seen(coding)).max() <= 8


@pytest.mark.parametrize("coding", CODINGS)
def test_what_is_laid_over_a_film_has_its_own_colours(tmp_path, coding):
    path = clip(tmp_path / "0.mp4", coding, size=(320, 180))
    Image.new("RGB", (200, 200), (200, 40, 40)).save(tmp_path / "mark.png")
    mark = Mark(tmp_path / "mark.png", "top-left", 0.3, 1.0)
    shown = [Clip(prepared(path, tmp_path), "one")]
    asyncio.run(assemble(FFMPEG, shown, tmp_path / "film.mp4", title="T", note="N", dress=Dress(mark=mark)))
    assert np.abs(codes(tmp_path / "film.mp4") - GREEN).max() <= 1.5
    with av.open(str(tmp_path / "film.mp4")) as opened:
        frame = next(opened.decode(video=0))
        space = "ITU601" if coding == "bt601" else "ITU709"
        seen = np.asarray(frame.reformat(format="rgb24", src_colorspace=space).to_ndarray())[20:40, 20:40]
    assert np.abs(seen.reshape(-1, 3).mean(0) - (200, 40, 40)).max() <= 4


@pytest.mark.parametrize("coding", CODINGS)
def test_a_transition_and_fades_keep_the_colours(tmp_path, coding):
    made = [clip(tmp_path / f"{n}.mp4", coding) for n in range(2)]
    shown = [
        Clip(prepared(path, tmp_path), path.stem, blend=Fraction(n, 2), transition="dissolve")
        for n, path in enumerate(made)
    ]
    asyncio.run(assemble(FFMPEG, shown, tmp_path / "film.mp4", title="T", note="N", dress=Dress()))
    assert np.abs(codes(tmp_path / "film.mp4") - GREEN).max() <= 1.5


@pytest.mark.parametrize("coding", CODINGS)
def test_the_picture_that_a_scene_begins_with_has_the_colours_that_players_show(tmp_path, coding):
    path = clip(tmp_path / "0.mp4", coding)
    asyncio.run(last_frame(FFMPEG, path, tmp_path / "last.png"))
    with Image.open(tmp_path / "last.png") as opened:
        seen = np.asarray(opened.convert("RGB"))[45, 80]
    assert np.abs(seen - as_seen(coding)).max() <= 3
