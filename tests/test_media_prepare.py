"""Probing and preparing: what is whole is made ready, what is not is refused, all on real files."""

from __future__ import annotations

import asyncio
import os
import random
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from storychain.errors import MediaError
from storychain.media.glance import glance, header, kept_beside
from storychain.media.prepare import Prepared, last_frame, prepare
from storychain.media.probe import probe
from storychain.media.tool import find_ffmpeg
from tests import clips

FFMPEG = find_ffmpeg(os.environ)


def ready(segment: Path, folder: Path, **options: Any) -> Prepared:
    return asyncio.run(prepare(FFMPEG, segment, folder, **options))


def samples(path: Path) -> int:
    with wave.open(str(path)) as opened:
        assert (opened.getframerate(), opened.getnchannels(), opened.getsampwidth()) == (48_000, 2, 2)
        return int(opened.getnframes())


@pytest.mark.parametrize("fps", ["24", "25", "30", "24000/1001", "30000/1001", "60"])
def test_a_probe_counts_frames_and_finds_the_rate(tmp_path, fps):
    found = probe(clips.make(tmp_path / "a.mp4", fps=fps, seconds=1.5))
    frames = round(Fraction(3, 2) * Fraction(fps))
    assert (found.frames, found.fps, found.seconds) == (frames, Fraction(fps), frames / Fraction(fps))
    assert (found.width, found.height, found.codec, found.flaw) == (160, 90, "h264", None)
    assert found.audio is not None
    assert (found.audio.codec, found.audio.rate, found.audio.channels) == ("aac", 48_000, 2)


def test_rates_survive_coarse_time_bases(tmp_path):
    coarse = clips.make(tmp_path / "a.mp4", fps="24000/1001", seconds=2, options=("-video_track_timescale", "1000"))
    assert probe(coarse).fps == Fraction(24000, 1001)
    made = ready(coarse, tmp_path / "p")
    assert (made.probe.fps, made.probe.frames, made.mended) == (Fraction(24000, 1001), 48, None)
    assert ready(coarse, tmp_path / "p") == made


@pytest.mark.parametrize(
    "video",
    [("-c:v", "libx264", "-bf", "0"), ("-c:v", "libx264", "-bf", "5", "-g", "7"), ("-c:v", "libx265", "-bf", "3")],
)
def test_pictures_are_copied_bit_for_bit(tmp_path, video):
    segment = clips.make(tmp_path / "a.mp4", video=(*video, "-pix_fmt", "yuv420p"))
    made = ready(segment, tmp_path / "p")
    assert made.mended is None
    assert clips.hashes(made.picture) == clips.hashes(segment)
    assert made.probe.codec_tag == {"h264": "avc1", "hevc": "hvc1"}[made.probe.codec]
    assert samples(made.sound) == 48_000


AUDIO: dict[str, dict[str, Any]] = {
    "mono": {"channels": 1},
    "44.1 kHz": {"rate": 44_100},
    "32 kHz mono": {"rate": 32_000, "channels": 1},
    "mp3": {"sound": ("-c:a", "libmp3lame")},
    "opus": {"sound": ("-c:a", "libopus")},
    "pcm": {"sound": ("-c:a", "pcm_s16le"), "name": "a.mov"},
    "shorter": {"sound_seconds": 1.7},
    "longer": {"sound_seconds": 2.9},
    "late": {"delay": 0.25, "late": 0.25},
    "29.97 fps": {"fps": "30000/1001"},
}


@pytest.mark.parametrize("name", AUDIO)
def test_the_sound_is_as_long_as_the_picture_and_in_time(tmp_path, name):
    options = dict(AUDIO[name])
    late = options.pop("late", 0.0)
    segment = clips.make(tmp_path / options.pop("name", "a.mp4"), seconds=2, **options)
    made = ready(segment, tmp_path / "p")
    assert samples(made.sound) == int(made.probe.seconds * 48_000)
    flashes = [flash + late for flash in clips.flashes(made.picture)]
    # MP3 and Opus smear a beginning by up to two milliseconds.
    allowed = 0.003 if name in {"mp3", "opus"} else 0.001
    assert clips.beeps(made.sound) == pytest.approx(flashes, abs=allowed)


def test_a_late_picture_keeps_its_sound_in_time(tmp_path):
    clips.make(tmp_path / "v.mp4", sound=None, seconds=2)
    clips.make(tmp_path / "s.mp4", seconds=3)
    late = ("-itsoffset", "0.5", "-i", "v.mp4", "-i", "s.mp4", "-map", "0:v", "-map", "1:a", "-c", "copy", "late.mp4")
    clips.ffmpeg(*late, cwd=tmp_path)
    made = ready(tmp_path / "late.mp4", tmp_path / "p")
    assert (made.probe.frames, made.probe.start) == (48, Fraction(0))
    # The file's second 0.5 is the picture's 0.0.
    assert clips.beeps(made.sound) == pytest.approx([0.0, 1.0], abs=0.001)


LATE = {"varying": 0.5, "without an edit list": 2 / 24 - 1024 / 48_000, "turned": 0.5}
"""How late a picture that has to be mended begins after its sound. Without an edit list it is late by what its decoding
runs ahead, and the sound by what its coder put before it."""


@pytest.mark.parametrize("name", LATE)
def test_a_late_picture_that_is_mended_keeps_its_sound_and_its_end(tmp_path, name):
    late = LATE[name]
    uneven = () if name == "turned" else ("-vf", "select='not(between(n,10,14))'", "-fps_mode", "vfr")
    h264 = ("-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p", *uneven)
    clips.make(tmp_path / "v.mp4", sound=None, seconds=2, video=h264)
    clips.make(tmp_path / "s.mp4", seconds=3)
    offset = ("-use_editlist", "0") if name == "without an edit list" else ()
    before = (*(() if offset else ("-itsoffset", "0.5")), *(("-display_rotation", "180") if name == "turned" else ()))
    both = ("-i", "v.mp4", "-i", "s.mp4", "-map", "0:v", "-map", "1:a", "-c", "copy", *offset, "late.mp4")
    clips.ffmpeg(*before, *both, cwd=tmp_path)
    made = ready(tmp_path / "late.mp4", tmp_path / "p")
    assert made.mended is not None
    assert made.probe.frames == 48
    if name != "turned":
        assert clips.numbers(made.picture) == [*range(10), *[9] * 5, *range(15, 48)]
    assert clips.beeps(made.sound) == pytest.approx([beep - late for beep in (0.5, 1.5)], abs=0.001)


def test_of_several_sounds_the_default_one_is_heard(tmp_path):
    clips.make(tmp_path / "a.mp4", seconds=2)
    both = ("-i", "a.mp4", "-f", "lavfi", "-i", "sine=f=1000:d=2", "-map", "0:v", "-map", "1:a", "-map", "0:a")
    chosen = ("-c:v", "copy", "-c:a", "aac", "-disposition:a:0", "0", "-disposition:a:1", "default")
    clips.ffmpeg(*both, *chosen, "both.mp4", cwd=tmp_path)
    made = ready(tmp_path / "both.mp4", tmp_path / "p")
    assert clips.beeps(made.sound) == pytest.approx([0.5, 1.5], abs=0.001)


def test_the_sound_is_told_while_the_pictures_are_still_decoded(tmp_path):
    told: list[tuple[Prepared, int]] = []
    segment = clips.make(tmp_path / "a.mp4", seconds=4, size=(1280, 720))
    made = asyncio.run(
        prepare(FFMPEG, segment, tmp_path / "p", on_sound=lambda one: told.append((one, samples(one.sound))))
    )
    ((foreseen, length),) = told
    assert (foreseen.sound, foreseen.sound_sha256, length) == (made.sound, made.sound_sha256, samples(made.sound))
    assert (foreseen.probe.form, foreseen.probe.frames) == (made.probe.form, made.probe.frames)
    assert (foreseen.probe.seconds, foreseen.sha256) == (made.probe.seconds, "")


def test_silence_where_there_is_no_sound(tmp_path):
    made = ready(clips.make(tmp_path / "a.mp4", sound=None), tmp_path / "p")
    assert samples(made.sound) == 48_000
    assert not clips.heard(made.sound).any()
    assert made.probe.audio is None


def test_both_ends_are_left_as_they_came(tmp_path):
    steady = ("-f", "lavfi", "-i", "testsrc=s=160x90:r=24:d=1", "-f", "lavfi", "-i", "aevalsrc=0.5:d=1:s=48000")
    clips.ffmpeg(*steady, "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le", str(tmp_path / "a.mov"))
    heard = clips.heard(ready(tmp_path / "a.mov", tmp_path / "p").sound)
    assert heard.min() == heard.max() == pytest.approx(0.5 / 2**0.5, abs=1e-3)  # mono spread over two speakers


def test_the_same_file_is_prepared_once(tmp_path):
    segment = clips.make(tmp_path / "a.mp4")
    first = ready(segment, tmp_path / "p")
    written = first.picture.stat().st_mtime_ns
    assert ready(segment, tmp_path / "p") == first
    assert first.picture.stat().st_mtime_ns == written
    clips.make(segment, seconds=2)
    assert ready(segment, tmp_path / "p").probe.frames == 48


def test_spoiled_leftovers_are_made_anew(tmp_path):
    segment = clips.make(tmp_path / "a.mp4")
    made = ready(segment, tmp_path / "p")
    made.sound.write_bytes(made.sound.read_bytes()[:1000])
    assert samples(ready(segment, tmp_path / "p").sound) == 48_000
    (tmp_path / "p" / "prepared.json").write_text("[]")
    assert ready(segment, tmp_path / "p").probe == made.probe
    made.picture.unlink()
    assert ready(segment, tmp_path / "p").probe == made.probe


def test_names_that_bite(tmp_path):
    folder = tmp_path / 'it\'s "the" -deep: sea\nof 海 %d [x]; $(x)'
    folder.mkdir()
    segment = clips.make(tmp_path / "plain.mp4").rename(folder / "-i ' 海.mp4")
    made = ready(segment, folder / "-p: 'x'")
    assert clips.numbers(made.picture) == list(range(24))
    asyncio.run(last_frame(FFMPEG, segment, folder / "-%03d.png"))
    assert (folder / "-%03d.png").exists()


def damaged(path: Path, change: Callable[[bytearray], bytes | bytearray]) -> Path:
    data = bytearray(path.read_bytes())
    path.write_bytes(change(data))
    return path


def flip(data: bytearray) -> bytearray:
    """Flip bits in the middle of the pictures."""
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    for at in range(middle, middle + 400, 7):
        data[at] ^= 0x55
    return data


def blank(data: bytearray) -> bytearray:
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 2048] = bytes(2048)
    return data


def lose(data: bytearray) -> bytearray:
    """Zero most of the pictures."""
    begin = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 4
    data[begin : begin + (len(data) - begin) * 2 // 3] = bytes((len(data) - begin) * 2 // 3)
    return data


FAST = ("-movflags", "+faststart")
DAMAGE: dict[str, tuple[tuple[str, ...], Callable[[bytearray], bytes | bytearray], str]] = {
    "cut short": ((), lambda data: data[: len(data) // 2], "cut short"),
    "cut short, index first": (FAST, lambda data: data[: len(data) * 3 // 4], "cut short"),
    "one byte missing": (FAST, lambda data: data[:-1], "cut short"),
    "fragment cut": (("-movflags", "+frag_keyframe+empty_moov"), lambda data: data[:-300], "cut short"),
    "flipped bits": (FAST, flip, "is damaged: ffmpeg failed"),
    "zero block": (FAST, blank, "is damaged: ffmpeg failed"),
    "web page": ((), lambda data: b"<!DOCTYPE html><title>Expired</title>", "a web page"),
    "error as JSON": ((), lambda data: b'\n{"success": false}', "a JSON document"),
    "playlist": ((), lambda data: b"ffconcat version 1.0\nfile a.mp4.bak\n", "a playlist"),
    "HLS": ((), lambda data: b"#EXTM3U\n#EXTINF:1,\na.mp4.bak\n", "a playlist"),
    "empty": ((), lambda data: b"", "empty"),
    "noise": ((), lambda data: random.Random(1).randbytes(5000), "not an MP4"),
    "text": ((), lambda data: b"Just ftypmoov text " * 40, "not an MP4"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_not_whole_is_refused(tmp_path, name):
    options, change, message = DAMAGE[name]
    fine = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "3", "-pix_fmt", "yuv420p")
    segment = damaged(clips.make(tmp_path / "a.mp4", video=fine, options=options), change)
    with pytest.raises(MediaError, match=message) as raised:
        ready(segment, tmp_path / "p")
    assert str(segment) in str(raised.value)
    assert not [left for left in (tmp_path / "p").rglob("*") if left.exists()]


def test_what_decodes_with_complaints_may_be_accepted_on_request(tmp_path):
    fine = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "3", "-pix_fmt", "yuv420p")
    segment = damaged(clips.make(tmp_path / "a.mp4", video=fine, options=FAST), flip)
    made = ready(segment, tmp_path / "p", strict=False)
    assert (made.probe.frames, made.mended) == (24, "it is damaged")
    assert len(clips.numbers(made.picture)) == 24


def test_of_what_has_lost_pictures_those_before_stand_in_for_them(tmp_path):
    fine = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "3", "-pix_fmt", "yuv420p", "-bf", "0")
    segment = damaged(clips.make(tmp_path / "a.mp4", video=fine, options=FAST), lose)
    with pytest.raises(MediaError, match="is damaged"):
        ready(segment, tmp_path / "p")
    made = ready(segment, tmp_path / "p", strict=False)
    assert (made.probe.frames, made.mended) == (24, "it is damaged")
    assert clips.numbers(made.picture)[:3] == [0, 1, 2]


def test_a_missing_file_is_an_error_of_ours(tmp_path):
    with pytest.raises(MediaError, match="cannot be read: No such file"):
        ready(tmp_path / "absent.mp4", tmp_path / "p")


def test_sound_alone_is_no_video(tmp_path):
    clips.ffmpeg("-f", "lavfi", "-i", "sine=d=1", str(tmp_path / "a.mp4"))
    with pytest.raises(MediaError, match="no picture"):
        probe(tmp_path / "a.mp4")


def test_a_varying_rate_is_evened_out(tmp_path):
    skipping = ("-vf", "select='not(between(n,10,14))'", "-fps_mode", "vfr")
    h264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", *skipping)
    segment = clips.make(tmp_path / "a.mp4", seconds=2, video=h264)
    assert probe(segment).flaw == "its frame rate varies"
    made = ready(segment, tmp_path / "p")
    assert (made.mended, made.probe.fps, made.probe.frames) == ("its frame rate varies", Fraction(24), 48)
    assert clips.numbers(made.picture) == [*range(10), *[9] * 5, *range(15, 48)]
    assert clips.beeps(made.sound) == pytest.approx([0.5, 1.5], abs=0.001)


def test_a_turned_picture_is_set_upright(tmp_path):
    clips.make(tmp_path / "a.mp4")
    clips.ffmpeg("-display_rotation", "90", "-i", "a.mp4", "-c", "copy", "turned.mp4", cwd=tmp_path)
    foreseen: list[Prepared] = []
    made = ready(tmp_path / "turned.mp4", tmp_path / "p", on_sound=foreseen.append)
    assert (made.probe.width, made.probe.height, made.probe.rotation) == (90, 160, 0)
    assert made.mended == "it is rotated"
    assert not foreseen  # what mending makes of it is seen when it is done


def test_hidden_frames_stay_hidden(tmp_path):
    clips.make(tmp_path / "a.mp4", seconds=2, video=("-c:v", "libx264", "-g", "24", "-pix_fmt", "yuv420p"))
    clips.ffmpeg("-ss", "0.45", "-i", "a.mp4", "-c", "copy", "cut.mp4", cwd=tmp_path)
    made = ready(tmp_path / "cut.mp4", tmp_path / "p")
    assert made.mended == "it has hidden frames"
    assert clips.numbers(made.picture) == clips.numbers(tmp_path / "cut.mp4")
    assert made.probe.hidden == 0


def test_webm_is_let_in_on_request_alone(tmp_path):
    vp9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-pix_fmt", "yuv420p")
    segment = clips.make(tmp_path / "a.webm", video=vp9, sound=("-c:a", "libopus"))
    with pytest.raises(MediaError, match="WebM"):
        ready(segment, tmp_path / "p")
    made = ready(segment, tmp_path / "p", matroska=True)
    assert (made.probe.codec, made.mended) == ("h264", "its codec is vp9")
    assert clips.numbers(made.picture) == list(range(24))


@pytest.mark.parametrize("options", [{}, {"fps": "30", "seconds": 3}, {"seconds": 0.05}, {"fps": "8"}])
def test_the_last_frame_is_the_last(tmp_path, options):
    segment = clips.make(tmp_path / "a.mp4", first=1000, **options)
    asyncio.run(last_frame(FFMPEG, segment, tmp_path / "last.png"))
    with av.open(str(tmp_path / "last.png")) as opened:
        shown = next(opened.decode(video=0))
    assert (shown.width, shown.height) == (160, 90)
    assert clips.numbers(tmp_path / "last.png") == clips.numbers(segment)[-1:]


@pytest.mark.parametrize(
    ("video", "fps"),
    [
        ((), "24"),
        (("-color_range", "pc"), "30"),
        (("-vf", "select='mod(n+1,5)'", "-fps_mode", "vfr"), "24"),  # mended
    ],
)
def test_what_is_kept_to_glance_at_is_what_decoding_shows(tmp_path, video, fps):
    coding = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "12", "-pix_fmt", "yuv420p", *video)
    segment = clips.make(tmp_path / "a.mp4", seconds=2, fps=fps, video=coding, size=(320, 180))
    picture = ready(segment, tmp_path / "prepared").picture
    facts = header(picture)
    kept = glance(picture, 7, facts.frames + 9, size=facts.size)
    assert kept_beside(picture).stat().st_size == facts.frames * kept[0].size
    kept_beside(picture).unlink()
    shown = glance(picture, 7, facts.frames + 9, size=facts.size)
    assert kept.shape == shown.shape == (facts.frames - 7, facts.size[1], facts.size[0])
    assert np.abs(kept.astype(int) - shown).mean() < 2
    assert int(kept.max()) == pytest.approx(255, abs=4)  # white, whatever the file calls it


def test_frames_kept_of_another_length_are_not_used(tmp_path):
    picture = ready(clips.make(tmp_path / "a.mp4", seconds=1), tmp_path / "prepared").picture
    whole = glance(picture, 20, 24, size=header(picture).size)
    kept = kept_beside(picture)
    kept.write_bytes(kept.read_bytes()[:-100])
    assert np.abs(glance(picture, 20, 24, size=header(picture).size).astype(int) - whole).mean() < 2
