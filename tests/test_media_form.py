"""Decisions about form: rates, fitting and what a film of different clips becomes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storychain.media.form import TICKS, USUAL_RATES, Form, common_form, fit, nearest_usual, rate_of

HD = Form(
    "h264", 1280, 720, Fraction(24), "yuv420p", Fraction(1), full_range=False, matrix="bt709", transfer="ordinary"
)
HEVC = replace(HD, codec="hevc", parameters=b"x", pixel_format="yuv420p10le")
SECONDS = Fraction(8)


@given(st.sampled_from(USUAL_RATES), st.integers(12, 400), st.sampled_from([1000, 12288, 15360, 90_000, TICKS]))
def test_a_rate_is_found_through_rounding(rate, frames, base):
    found = rate_of([round(frame / rate * base) for frame in range(frames)], Fraction(1, base), Fraction(1, base))
    assert found is not None
    assert abs(frames / found - frames / rate) <= Fraction(2, base) + Fraction(1, TICKS)
    if base > 10_000 or frames > 200:
        assert found == rate


@given(st.sampled_from(USUAL_RATES), st.integers(5, 100), st.data())
def test_a_missing_frame_is_no_constant_rate(rate, frames, data):
    gone = data.draw(st.integers(1, frames - 2))
    marks = [frame for frame in range(frames) if frame != gone]
    assert rate_of(marks, 1 / rate, Fraction(1, 90_000)) is None


def test_all_usual_rates_have_whole_ticks():
    assert all((TICKS / rate).denominator == 1 for rate in USUAL_RATES)
    assert nearest_usual(Fraction("29.9")) == Fraction(30000, 1001)
    assert nearest_usual(Fraction(200)) == 120


@pytest.mark.parametrize(
    ("size", "ratio", "fitted"),
    [
        ((1280, 720), "1", (1280, 720)),
        ((640, 360), "1", (1280, 720)),
        ((720, 1280), "1", (404, 720)),
        ((1000, 1000), "1", (720, 720)),
        ((2560, 1080), "1", (1280, 540)),
        ((720, 576), "64/45", (1280, 720)),
        ((8000, 2), "1", (1280, 2)),
    ],
)
def test_pictures_are_fitted_whole_and_undistorted(size, ratio, fitted):
    form = replace(HD, width=size[0], height=size[1], sample_aspect_ratio=Fraction(ratio))
    assert fit(form, HD) == fitted


def test_most_clips_decide_then_the_least_work_then_the_first():
    other = replace(HD, fps=Fraction(30))
    assert common_form([HD, other, HD], [SECONDS] * 3) == HD
    assert common_form([other, HD], [SECONDS, 2 * SECONDS]) == HD
    assert common_form([other, HD], [SECONDS, SECONDS]) == other
    assert common_form([other], [SECONDS]) == other


def test_other_codecs_are_copied_when_all_agree_and_become_h264_otherwise():
    assert common_form([HEVC, HEVC], [SECONDS] * 2) == HEVC
    target = common_form([HEVC, HEVC, HD], [SECONDS] * 3)
    assert (target.codec, target.pixel_format, target.parameters) == ("h264", "yuv420p", b"")
    assert common_form([HEVC, replace(HEVC, parameters=b"y")], [SECONDS] * 2).codec == "h264"
