"""Steps between clips evened out: measured before and after, on the film itself."""

import asyncio
import os
from fractions import Fraction

import av
import numpy as np
import pytest

from storychain.media.dressing import PLAIN, Dress
from storychain.media.edit import Clip
from storychain.media.evening import same_colours, same_loudness
from storychain.media.film import assemble
from storychain.media.outputs.cueing import Caption
from storychain.media.prepare import prepare
from storychain.media.tool import find_ffmpeg
from tests import clips

FFMPEG = find_ffmpeg(os.environ)
COLOURED = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "12")


def scene(folder, name, *, begin, light=0, blue=0, volume=0.3):
    """Two seconds of a moving test picture from a moment on, some levels lighter or bluer, with a tone."""
    picture = f"testsrc2=s=320x180:r=24:d=12,gblur=sigma=2,trim={begin}:{begin + 2},setpts=PTS-STARTPTS"
    graded = f"{picture},format=yuv420p,lutyuv=y='val*0.8+20+{light}':u='val+{blue}'"
    tone = f"sine=f=440:r=48000:d=2,volume={volume}"
    path = folder / f"{name}.mp4"
    sources = ("-f", "lavfi", "-i", graded, "-f", "lavfi", "-i", tone)
    clips.ffmpeg(*sources, *COLOURED, "-c:a", "aac", "-ac", "2", str(path))
    return asyncio.run(prepare(FFMPEG, path, folder / name))


def film(made, out, dress=PLAIN):
    asyncio.run(assemble(FFMPEG, made, out, title="", note="", dress=dress))
    with av.open(str(out)) as opened:
        frames = [frame.reformat(80, 46, "yuv420p").to_ndarray().astype(float) for frame in opened.decode(video=0)]
    return np.array([[frame[:46].mean(), frame[46:57].mean()] for frame in frames])


def test_colours_meet_at_the_seam(tmp_path):
    plain = [Clip(scene(tmp_path, "a", begin=0), "a"), Clip(scene(tmp_path, "b", begin=2, light=4, blue=5), "b")]
    before = film(plain, tmp_path / "before.mp4")
    graded = asyncio.run(same_colours(FFMPEG, plain, [False, True]))
    after = film(graded, tmp_path / "after.mp4")
    assert (before[48] - before[47])[0] > 3
    assert abs((after[48] - after[47])[0]) < 0.7
    assert abs((after[48] - after[47])[1]) < abs((before[48] - before[47])[1]) - 2
    assert not graded[0].grade
    captioned = Dress(captions=(Caption(Fraction(3), Fraction(4), "Home"),), subtitles="burned")
    both = film(graded, tmp_path / "both.mp4", captioned)
    assert both[48:60] == pytest.approx(after[48:60], abs=1.5)  # drawn twice by an encoder of whatever version


def test_a_scene_that_is_meant_to_differ_is_left_alone(tmp_path):
    plain = [Clip(scene(tmp_path, "a", begin=0), "a"), Clip(scene(tmp_path, "b", begin=2, light=4), "b")]
    assert [clip.grade for clip in asyncio.run(same_colours(FFMPEG, plain, [False, False]))] == [(), ()]


def test_scenes_become_equally_loud(tmp_path):
    volumes = (0.3, 0.15, 0.3)
    plain = [Clip(scene(tmp_path, f"s{n}", begin=n, volume=one), "x") for n, one in enumerate(volumes)]
    evened = asyncio.run(same_loudness(FFMPEG, plain))
    assert [clip.gain for clip in evened] == [0.0, pytest.approx(6.0, abs=0.5), 0.0]
    film(evened, tmp_path / "film.mp4")
    sound = clips.heard(tmp_path / "film.mp4")
    level = [np.sqrt((sound[n * 96000 + 20000 : n * 96000 + 80000] ** 2).mean()) for n in range(3)]
    assert level[1] == pytest.approx(level[0], rel=0.07)
