"""Music and narration: in their places to the sample, out of each other's way, and refused where they are no sound."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storychain.errors import MediaError
from storychain.media.sound.mix import Music, Voice, mix
from storychain.media.sound.stretch import Heard
from storychain.media.soundtrack import Soundtrack, soundtrack_of
from storychain.media.tool import find_ffmpeg
from tests import clips
from tests.sounds import RATE, bursts, decoded, level, metered, noise, tone, whole, write
from tests.telling import telling

FFMPEG = find_ffmpeg(os.environ)


def mixed(heard: list[Heard], folder: Path, **options: Any) -> Soundtrack:
    folder.mkdir(exist_ok=True)
    return asyncio.run(mix(FFMPEG, heard, folder, **options))


def silent(folder: Path, seconds: float) -> list[Heard]:
    return whole(write(folder / "silent.wav", np.zeros(round(seconds * RATE))))


def strength(sound: np.ndarray, frequency: float, begin: float, end: float) -> float:
    """Level in dB of one tone between two seconds."""
    part = sound[round(begin * RATE) : round(end * RATE), 0]
    turn = np.exp(-2j * np.pi * frequency * np.arange(len(part)) / RATE)
    return float(20 * np.log10(abs((part * turn * np.hanning(len(part))).mean()) + 1e-9))


def test_with_nothing_to_mix_it_is_the_soundtrack_itself(tmp_path):
    heard = whole(write(tmp_path / "a.wav", bursts(1, 2, 0.3)), write(tmp_path / "b.wav", noise(1, 2)), overlap=9000)
    (tmp_path / "plain").mkdir()
    plain = asyncio.run(soundtrack_of(FFMPEG, heard, tmp_path / "plain"))
    made = mixed(heard, tmp_path / "mixed")
    assert made.path.read_bytes() == plain.path.read_bytes()
    assert (made.heard, made.sounds, made.gain) == (plain.heard, plain.sounds, None)
    assert [left.name for left in (tmp_path / "mixed").iterdir()] == [made.path.name]


FORMATS = {
    "mp3": (),
    "flac": ("-ar", "44100"),
    "ogg": ("-ac", "1", "-c:a", "libvorbis"),
    "m4a": (),
    "wav": ("-c:a", "pcm_s24le", "-ar", "96000"),
    "opus": (),
}


@pytest.mark.parametrize("name", telling(FORMATS, {"mp3", "ogg", "wav"}))
def test_music_of_any_format_lasts_as_long_as_the_film(tmp_path, name):
    """2.3 s of it under 7.3 s: its loops come in without a dip."""
    file = tmp_path / f"-it's %d 100% 海 [x].{name}"
    dull = np.convolve(noise(1, 2.3, 0.2), np.hanning(11) / np.linalg.norm(np.hanning(11)) / 2, "same")
    clips.ffmpeg("-i", str(write(tmp_path / "m.wav", dull)), *FORMATS[name], str(file))
    made = mixed(silent(tmp_path, 7.3), tmp_path / "out", music=Music(file, volume=0, fade_in=0, fade_out=0))
    sound = decoded(made.path)
    assert len(sound) == round(7.3 * RATE)
    steady = level(sound[RATE : 2 * RATE])
    assert steady == pytest.approx(-20, abs=1.5)
    for begin in np.arange(0.1, 7.1, 0.1):
        assert level(sound[round(begin * RATE) : round((begin + 0.1) * RATE)]) == pytest.approx(steady, abs=1.5)


@pytest.mark.parametrize("seconds", [0.7, 2.0, 2.3, 4.1, 4.61])
def test_music_fits_films_of_every_length(tmp_path, seconds):
    music = Music(write(tmp_path / "m.wav", noise(1, 2.3)))
    assert len(decoded(mixed(silent(tmp_path, seconds), tmp_path / "out", music=music).path)) == round(seconds * RATE)


def test_music_fades_and_has_its_volume(tmp_path):
    file = write(tmp_path / "m.wav", tone(1000, 8, level=0.5))
    music = Music(file, volume=-20, fade_in=1, fade_out=3)
    sound = decoded(mixed(silent(tmp_path, 8), tmp_path / "out", music=music).path)
    assert level(sound[2 * RATE : 4 * RATE]) == pytest.approx(level(tone(1000)) - 20, abs=0.2)
    steps = [level(sound[round(at * RATE) : round((at + 0.1) * RATE)]) for at in (0, 0.4, 0.9, 4.8, 6, 7, 7.8)]
    assert steps[0] < steps[1] - 6 < steps[2] - 6
    assert steps[3] - 1 > steps[4] > steps[5] + 3 > steps[6] + 12


def test_music_makes_way_for_narration_and_comes_back(tmp_path):
    music = Music(write(tmp_path / "m.wav", tone(5000, 12, level=0.3)), volume=-6, fade_in=0, fade_out=0)
    voice = Voice(write(tmp_path / "v.wav", np.tile(tone(150, 0.5), 6)), 4 * RATE)
    sound = decoded(mixed(silent(tmp_path, 12), tmp_path / "out", music=music, voices=[voice]).path)
    before, under, after = (strength(sound, 5000, *span) for span in ((1, 3.5), (4.5, 6.8), (9.5, 11.5)))
    assert -16 < under - before < -8
    assert after == pytest.approx(before, abs=0.5)


@pytest.mark.parametrize("duck", [False, True])
def test_music_makes_way_for_the_scenes_if_asked(tmp_path, duck):
    scenes = np.concatenate([np.zeros(3 * RATE), tone(300, 3, level=0.4), np.zeros(3 * RATE)])
    music = Music(write(tmp_path / "m.wav", tone(5000, 9, level=0.3)), fade_in=0, fade_out=0, duck=duck)
    sound = decoded(mixed(whole(write(tmp_path / "a.wav", scenes)), tmp_path / "out", music=music).path)
    lower = strength(sound, 5000, 4, 5.8) - strength(sound, 5000, 1, 2.8)
    assert -18 < lower < -8 if duck else lower == pytest.approx(0, abs=0.3)
    assert strength(sound, 300, 4, 5.8) == pytest.approx(20 * np.log10(0.4 / 2 / 2), abs=0.3)


def test_music_does_not_go_down_for_a_whole_film_of_soft_noises(tmp_path):
    music = Music(write(tmp_path / "m.wav", tone(5000, 9, level=0.3)), fade_in=0, fade_out=0, duck=True)
    scenes = write(tmp_path / "a.wav", tone(300, 9, level=0.03))
    heeded = decoded(mixed(whole(scenes), tmp_path / "out", music=music).path)
    alone = decoded(mixed(silent(tmp_path, 9), tmp_path / "alone", music=music).path)
    assert strength(heeded, 5000, 2, 8) == pytest.approx(strength(alone, 5000, 2, 8), abs=3)


@pytest.mark.parametrize(("scene", "least", "most"), [(0.02, 5.5, 6.5), (0.25, 9, 24)])
def test_the_scenes_are_lowered_under_narration_the_more_the_louder_they_are(tmp_path, scene, least, most):
    heard = whole(write(tmp_path / "a.wav", tone(3000, 12, level=scene)))
    voice = Voice(write(tmp_path / "v.wav", np.tile(tone(150, 0.5), 6)), 4 * RATE)
    sound = decoded(mixed(heard, tmp_path / "out", voices=[voice]).path)
    before, under, after = (strength(sound, 3000, *span) for span in ((1, 3.5), (4.2, 6.8), (8, 11)))
    assert least < before - under < most
    assert after == pytest.approx(before, abs=0.3)


def test_narrations_are_where_they_were_put_to_the_sample(tmp_path):
    said = noise(7, 0.4, 0.2)
    places = [0, 31_013, 3 * RATE + 1, 5 * RATE - 7]
    voices = [Voice(write(tmp_path / "v.wav", said), place) for place in places]
    music = Music(write(tmp_path / "m.wav", tone(200, 6, level=0.05)))
    sound = decoded(mixed(silent(tmp_path, 6), tmp_path / "out", voices=voices, music=music, target=-14.0).path)
    for place in places:
        near = np.pad(sound[:, 0], 3000)[place : place + len(said) + 6000]
        assert int(np.argmax(np.correlate(near, said[1000:3000], mode="valid"))) == 4000


def test_narrations_are_equally_loud_however_they_came(tmp_path):
    """A loud one, a quiet one, and one as programs write them: mono, 22050 Hz."""
    said = bursts(3, 2, 0.9)
    loud, quiet = write(tmp_path / "l.wav", said), write(tmp_path / "q.wav", said / 10)
    clips.ffmpeg("-i", str(quiet), "-ac", "1", "-ar", "22050", str(tmp_path / "mono.wav"))
    places = [(loud, 0), (quiet, 3), (tmp_path / "mono.wav", 6)]
    voices = [Voice(path, second * RATE) for path, second in places]
    sound = decoded(mixed(silent(tmp_path, 9), tmp_path / "out", voices=voices).path)
    levels = [level(sound[second * RATE : (second + 2) * RATE]) for _, second in places]
    assert max(levels) - min(levels) < 0.7
    lower = [Voice(loud, 0), Voice(loud, 3 * RATE, gain=-6)]
    sound = decoded(mixed(silent(tmp_path, 6), tmp_path / "out", voices=lower).path)
    assert level(sound[3 * RATE : 5 * RATE]) - level(sound[: 2 * RATE]) == pytest.approx(-6, abs=0.3)


def test_the_whole_is_as_loud_as_asked_and_the_same_bytes_each_time(tmp_path):
    parts = [write(tmp_path / f"{n}.wav", bursts(n, 4, 0.2)) for n in range(2)]
    music = Music(write(tmp_path / "m.wav", noise(1, 3, 0.2)))
    voices = [Voice(write(tmp_path / "v.wav", bursts(9, 2, 0.5)), 2 * RATE)]
    first = mixed(whole(*parts), tmp_path / "a", music=music, voices=voices, target=-14.0)
    loudness, peak = metered(first.path)
    assert loudness == pytest.approx(-14, abs=0.5)
    assert peak <= -1.0
    again = mixed(whole(*parts), tmp_path / "b", music=music, voices=voices, target=-14.0)
    assert again.path.read_bytes() == first.path.read_bytes()


def test_a_narration_past_the_end_is_cut_softly_and_one_after_it_refused(tmp_path):
    voice = write(tmp_path / "v.wav", tone(300, 2))
    sound = decoded(mixed(silent(tmp_path, 2), tmp_path / "out", voices=[Voice(voice, RATE)]).path)
    assert len(sound) == 2 * RATE
    assert abs(sound[-3:]).max() < 0.02
    with pytest.raises(MediaError, match=r"begin at 2.000 s of a film of 2.000 s"):
        mixed(silent(tmp_path, 2), tmp_path / "out", voices=[Voice(voice, 2 * RATE)])


NOT_MUSIC: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "this file is empty"),
    "HLS": (b"#EXTM3U\n#EXTINF:1,\nm.wav\n", "is a playlist"),
    "concat": (b"ffconcat version 1.0\nfile m.wav\n", "is a playlist"),
    "PLS": (b"[playlist]\nFile1=m.wav\n", "is a playlist"),
    "text": (b"The quick brown fox jumps over the lazy dog. " * 200, "not a sound that can be read"),
    "web page": (b"<!DOCTYPE html><html><title>Not found</title></html>" * 20, "not a sound that can be read"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(3000), "not a sound that can be read"),
    "noise": (np.random.default_rng(0).bytes(20_000), "sound"),
}


@pytest.mark.parametrize("name", NOT_MUSIC)
def test_what_is_no_music_is_refused(tmp_path, name):
    content, message = NOT_MUSIC[name]
    write(tmp_path / "m.wav", tone(440))
    file = tmp_path / "music.mp3"
    file.write_bytes(content)
    with pytest.raises(MediaError, match=message) as raised:
        mixed(silent(tmp_path, 1), tmp_path / "out", music=Music(file))
    assert str(file) in str(raised.value)
    assert not list((tmp_path / "out").iterdir())


def test_a_video_without_sound_too_short_music_and_none_at_all_are_refused(tmp_path):
    clips.make(tmp_path / "mute.mp4", sound=None)
    with pytest.raises(MediaError, match="there is no sound in this file"):
        mixed(silent(tmp_path, 1), tmp_path / "out", music=Music(tmp_path / "mute.mp4"))
    empty = write(tmp_path / "e.wav", np.zeros(0))
    with pytest.raises(MediaError, match="there is no sound in this file"):
        mixed(silent(tmp_path, 1), tmp_path / "out", music=Music(empty))
    with pytest.raises(MediaError, match="too short to be played again"):
        mixed(silent(tmp_path, 1), tmp_path / "out", music=Music(write(tmp_path / "s.wav", tone(440, 0.1))))
    with pytest.raises(MediaError, match="cannot be read: No such file"):
        mixed(silent(tmp_path, 1), tmp_path / "out", music=Music(tmp_path / "absent.mp3"))


def test_a_films_own_sound_may_be_music(tmp_path):
    clips.make(tmp_path / "film.mp4", seconds=2)
    music = Music(tmp_path / "film.mp4", volume=0, fade_in=0, fade_out=0)
    made = mixed(silent(tmp_path, 2), tmp_path / "out", music=music)
    assert clips.beeps(made.path) == pytest.approx([0.5, 1.5], abs=0.001)
