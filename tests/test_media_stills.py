"""Stills as videos: the picture, for just so many frames, in the form of the film."""

import asyncio
import os
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from storychain.media.form import Form
from storychain.media.probe import probe
from storychain.media.stills import still
from storychain.media.tool import find_ffmpeg

FFMPEG = find_ffmpeg(os.environ)
FORM = Form("h264", 160, 90, Fraction(30000, 1001), "yuv420p", Fraction(1), False, "bt709", "ordinary")


def test_a_still_stands_in_the_films_form(tmp_path):
    picture = np.zeros((180, 320, 3), np.uint8)
    picture[:, 160:] = (200, 40, 40)
    Image.fromarray(picture).save(tmp_path / "a % b'.png")
    asyncio.run(still(FFMPEG, tmp_path / "a % b'.png", FORM, 45, tmp_path / "still.mov"))
    facts = probe(tmp_path / "still.mov")
    assert (facts.frames, facts.fps) == (45, FORM.fps)
    assert replace(facts.form, parameters=b"") == FORM
    with av.open(str(tmp_path / "still.mov")) as opened:
        frames = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]
    for frame in (frames[0], frames[-1]):
        assert frame[:, :70].mean() < 8
        assert abs(frame[:, 90:].reshape(-1, 3).mean(0) - (200, 40, 40)).max() < 8
    assert {path.name for path in tmp_path.iterdir()} == {"a % b'.png", "still.mov"}
