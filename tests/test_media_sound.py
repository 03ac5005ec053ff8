"""A film's sound: joined to the sample without click or dip, as loud as asked by ffmpeg's own meter, on real files."""

from __future__ import annotations

import asyncio
import math
import os
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from storychain.errors import MediaError
from storychain.media.prepare import prepare
from storychain.media.recipes import samples_of
from storychain.media.sound.loudness import blocks_of, gain_for, gain_of, integrated, loudness_of
from storychain.media.sound.stretch import Cut, Heard, heard_of, starts_of
from storychain.media.soundtrack import Soundtrack, settled, soundtrack, soundtrack_of
from storychain.media.tool import find_ffmpeg
from tests import clips
from tests.sounds import RATE, bend, bursts, decoded, level, metered, noise, pulses, samples, tone, whole, write
from tests.telling import telling

FFMPEG = find_ffmpeg(os.environ)


SEAMS = {
    "another phase": (tone(440), tone(440, phase=2.0)),
    "the opposite phase": (tone(440, phase=0.3), -tone(440, phase=0.3)),
    "as if it went on": (tone(440), tone(440)),
    "another tone": (tone(440, phase=1), tone(660, phase=2)),
    "deep tones": (tone(100, phase=1), tone(70, phase=2)),
    "chords": (
        sum(tone(f, phase=f, level=0.1) for f in (220, 277, 330, 440.5, 1234)),
        sum(tone(f, phase=f, level=0.1) for f in (200, 252, 300, 400.5, 1834)),
    ),
    "noise": (noise(1), noise(2)),
}


@pytest.mark.parametrize("name", SEAMS)
def test_a_hard_join_neither_clicks_nor_dips_nor_takes_time(tmp_path, name):
    first, second = SEAMS[name]
    heard = whole(write(tmp_path / "a.wav", first), write(tmp_path / "b.wav", second))
    got = samples(heard)
    assert len(got) == 2 * RATE
    near = got[RATE - 1000 : RATE + 3000, 0]
    material = max(bend(first), bend(second))
    # A tone that has to turn round within 30 ms cannot do it without bending at all.
    assert bend(near) <= material * (2.0 if name == "the opposite phase" else 1.2) + 4 / 32_768
    if name not in ("noise", "as if it went on", "chords"):
        assert bend(np.concatenate([first, second])[RATE - 10 : RATE + 10]) > 5 * material  # what plain joining does
    usual = (level(first) + level(second)) / 2
    assert level(got[RATE : RATE + 1440, 0]) == pytest.approx(usual, abs=2.5 if name == "the opposite phase" else 1.0)
    for begin in range(RATE - 960, RATE + 2400, 480):
        assert level(got[begin : begin + 480, 0]) > usual - (5 if name == "the opposite phase" else 2.5)


def test_outside_of_seams_every_sample_is_the_segments_own(tmp_path):
    stereo = np.stack([tone(440, 2), noise(3, 2)], axis=1)
    parts = [write(tmp_path / f"{n}.wav", stereo * factor) for n, factor in enumerate((0.5, 0.9, 0.7))]
    got = samples(whole(*parts))
    for n, part in enumerate(parts):
        with wave.open(str(part)) as opened:
            own = np.frombuffer(opened.readframes(2 * RATE), "<i2").reshape(-1, 2) / 32_768
        assert np.array_equal(got[2 * RATE * n + 1440 : 2 * RATE * (n + 1) - 480], own[1440:-480])


def test_the_film_begins_and_ends_softly(tmp_path):
    got = samples(whole(write(tmp_path / "a.wav", np.full(RATE, 0.5))))
    assert abs(got[[0, -1]]).max() < 0.001
    assert got[480:-480].min() == got.max() == pytest.approx(0.5, abs=1e-4)
    assert (np.diff(got[:480, 0]) >= 0).all()
    assert np.array_equal(got, got[::-1])


def test_what_is_missing_at_a_seam_is_filled(tmp_path):
    """Sound tracks that end a packet early and begin an encoder's delay late; but silence that is meant is kept."""
    first, second = tone(440, phase=1), tone(300)
    first[-1100:] = 0
    second[:1024] = 0
    heard = whole(write(tmp_path / "a.wav", first), write(tmp_path / "b.wav", second))
    got = samples(heard)
    assert len(got) == 2 * RATE
    assert bend(got[RATE - 2000 : RATE + 4000, 0]) < 1.2 * bend(tone(440))
    for begin in range(RATE - 2000, RATE + 4000, 480):
        assert level(got[begin : begin + 480, 0]) > level(tone(440)) - 2.5
    first[-9600:] = 0
    quiet = samples(whole(write(tmp_path / "a.wav", first), heard[1].sound))
    assert not quiet[RATE - 9600 : RATE].any()


def test_what_died_away_before_a_seam_does_not_come_back(tmp_path):
    """A slam 60 ms before the track's end, which comes 50 ms too early: its mirror would fall into the gap."""
    first = noise(1, 1, 0.003)
    at = RATE - 2400 - 2900
    first[at:] += noise(2, 1, 0.25)[: RATE - at] * np.exp(-np.arange(RATE - at) / 300)
    first[-2400:] = 0
    got = samples(whole(write(tmp_path / "a.wav", first), write(tmp_path / "b.wav", noise(3, 1, 0.003))))
    quiet = level(first[-3400:-2400])
    for begin in range(RATE - 2400, RATE + 4800, 480):
        assert quiet - 8 < level(got[begin : begin + 480, 0]) < quiet + 8


def test_an_overlap_is_of_equal_power_and_makes_it_shorter(tmp_path):
    first, second = noise(1, 2), noise(2, 2)
    heard = whole(write(tmp_path / "a.wav", first), write(tmp_path / "b.wav", second), overlap=24_000)
    got = samples(heard)
    assert len(got) == 4 * RATE - 24_000 == starts_of(heard)[-1]
    for begin in range(2 * RATE - 30_000, 2 * RATE + 6000, 2400):
        assert level(got[begin : begin + 2400, 0]) == pytest.approx(-20, abs=0.8)
    middle = got[2 * RATE - 12_000 - 1 : 2 * RATE - 12_000 + 1, 0]
    assert middle == pytest.approx((first[-12_001:-11_999] + second[11_999:12_001]) / math.sqrt(2), abs=1e-3)


@pytest.mark.parametrize("fps", ["24000/1001", "30000/1001", "24", "60"])
def test_sixty_stretches_begin_and_end_at_their_exact_times_rounded_down(tmp_path, fps):
    frame = 1 / Fraction(fps)
    sound = write(tmp_path / "a.wav", noise(1))
    cuts = [Cut(sound, Fraction(0), frame * (7 + number % 7)) for number in range(60)]
    heard = heard_of(cuts)
    times = [sum((cut.seconds for cut in cuts[:number]), Fraction(0)) for number in range(61)]
    assert starts_of(heard) == [samples_of(time) for time in times]
    assert len(samples(list(heard))) == samples_of(times[-1])
    assert heard_of(cuts[:23]) == heard[:23]


def test_stretches_with_beginnings_left_out_and_overlaps_are_in_time(tmp_path):
    """Beeps inside the stretches are where exact times say, to one sample."""
    frame = Fraction(1001, 24_000)
    sound, places = write_clicks(tmp_path / "clicks.wav")
    cuts = [Cut(sound, frame * (n % 5), frame * (40 + n % 3), frame * (n % 2 * 8 if n else 0)) for n in range(30)]
    heard = heard_of(cuts)
    got = samples(list(heard))
    expected, begin = [], Fraction(0)
    for number, cut in enumerate(cuts):
        begin -= cut.overlap
        after = cuts[number + 1].overlap if number + 1 < len(cuts) else 0
        for place in places:
            inside = Fraction(place, RATE) - cut.begin
            if cut.overlap + Fraction(1, 25) < inside < cut.seconds - after - Fraction(1, 50):
                expected.append(float((begin + inside) * RATE))
        begin += cut.seconds
    assert len(got) == samples_of(begin)
    loud = np.flatnonzero(got[:, 0] > 0.85)
    assert len(expected) > 100
    for place in expected:
        assert np.abs(loud - place).min() <= 1


def write_clicks(path: Path) -> tuple[Path, list[int]]:
    places = list(range(9000, 2 * RATE, 13_777))
    material = noise(5, 2, 0.01)
    material[places] = 0.9
    return write(path, material), places


def test_a_sample_that_rounding_took_is_made_up_for(tmp_path):
    sound = write(tmp_path / "a.wav", tone(440))
    got = samples([Heard(sound, 0, RATE + 1), Heard(sound, 0, RATE)])
    assert len(got) == 2 * RATE + 1
    assert bend(got[RATE - 100 : RATE + 2000, 0]) < 1.2 * bend(tone(440)) + 4 / 32_768


def test_impossible_stretches_are_refused(tmp_path):
    sound = write(tmp_path / "it's -a 海.wav", tone(440))
    with pytest.raises(MediaError, match="samples 0 to 60000 are wanted of a sound that has 48000"):
        samples([Heard(sound, 0, 60_000)])
    with pytest.raises(MediaError, match="more than half"):
        samples([Heard(sound, 0, RATE), Heard(sound, 0, RATE, 30_000)])
    with pytest.raises(MediaError, match="nothing comes before"):
        samples([Heard(sound, 0, RATE, 10)])
    with pytest.raises(MediaError, match="cannot be read"):
        samples([Heard(tmp_path / "absent.wav", 0, RATE)])
    clips.write_beeps(tmp_path / "mono.wav", 1, Fraction(24), channels=1, rate=44_100)
    with pytest.raises(MediaError, match="not 48 kHz stereo"):
        samples([Heard(tmp_path / "mono.wav", 0, RATE)])


MATERIAL = {
    "tone": tone(1000, 3, level=0.1),
    "noise": noise(1, 3),
    "speech": bursts(1, 6, 0.2),
    "speech and long silence": np.concatenate([bursts(2, 4, 0.3), np.zeros(4 * RATE)]),
    "left alone": np.stack([tone(440, 3), np.zeros(3 * RATE)], axis=1),
    "deep": tone(60, 3),
    "bright": tone(9000, 3, level=0.05),
}


@pytest.mark.parametrize("name", MATERIAL)
def test_loudness_is_what_ffmpegs_meter_tells(tmp_path, name):
    sound = write(tmp_path / "a.wav", MATERIAL[name])
    told = asyncio.run(loudness_of(FFMPEG, sound))
    assert integrated(np.array(told.powers)) == pytest.approx(metered(sound)[0], abs=0.1)


def test_loudness_is_measured_once_and_anew_where_the_sound_changed(tmp_path):
    sound = write(tmp_path / "a.wav", tone(440))
    first = asyncio.run(loudness_of(FFMPEG, sound))
    (kept,) = tmp_path.glob("*.json")
    written = kept.stat().st_mtime_ns
    assert asyncio.run(loudness_of(FFMPEG, sound)) == first
    assert kept.stat().st_mtime_ns == written
    write(sound, tone(440, level=0.25))
    second = asyncio.run(loudness_of(FFMPEG, sound))
    assert integrated(np.array(second.powers)) == pytest.approx(integrated(np.array(first.powers)) - 6.02, abs=0.02)
    kept.write_text("{}")
    assert asyncio.run(loudness_of(FFMPEG, sound)) == second


@pytest.mark.parametrize("overlap", [0, 24_000])
def test_a_films_loudness_follows_from_its_stretches(tmp_path, overlap):
    parts = [
        write(tmp_path / f"{n}.wav", material)
        for n, material in enumerate((bursts(1, 4, 0.3), noise(2, 3, 0.02), np.zeros(2 * RATE), bursts(5, 5, 0.1)))
    ]
    heard = [Heard(one.sound, 4321, one.samples - 9999, one.overlap) for one in whole(*parts, overlap=overlap)]
    told = [asyncio.run(loudness_of(FFMPEG, one.sound)) for one in heard]
    film = write(tmp_path / "film.wav", samples(heard))
    assert integrated(blocks_of(heard, told)) == pytest.approx(metered(film)[0], abs=0.15)


def test_gains_come_in_steps_and_have_an_end():
    assert gain_of(-20.3, -14) == 6.5
    assert gain_of(-8.1, -14) == -6.0
    assert gain_of(-60, -14) == 20.0
    assert gain_of(-math.inf, -14) == 0.0
    assert gain_of(-20, None) is None


LOUDNESS = {
    "quiet speech": lambda number: bursts(number, 4, 0.08),
    "loud speech": lambda number: bursts(number, 4, 0.95),
    "sharp peaks": lambda number: pulses(4, 0.3 + number / 10),
    "noise": lambda number: noise(number, 4, 0.02),
}


@pytest.mark.parametrize("name", telling(LOUDNESS, {"quiet speech", "sharp peaks"}))
def test_a_film_is_as_loud_as_asked_and_no_peak_passes_the_ceiling(tmp_path, name):
    """The limiter takes half of a LU from sharp peaks, which is made up for."""
    heard = whole(*(write(tmp_path / f"{n}.wav", LOUDNESS[name](n)) for n in range(3)))

    async def made() -> Soundtrack:
        return await soundtrack_of(FFMPEG, heard, tmp_path, await gain_for(FFMPEG, heard, -14.0))

    loudness, peak = metered(asyncio.run(made()).path)
    assert loudness == pytest.approx(-14, abs=0.4)
    assert peak <= -1.0


def test_clicks_that_the_encoder_raises_stay_below_the_ceiling(tmp_path):
    """AAC raises these by 1.3 dB, more than the limiter leaves at first."""
    material, random = noise(1, 6, 0.01), np.random.default_rng(3)
    material[random.integers(0, len(material), 2400)] = random.choice([-0.9, 0.9], 2400)
    heard = whole(write(tmp_path / "a.wav", material))
    made = asyncio.run(soundtrack_of(FFMPEG, heard, tmp_path, 13.0))
    assert -2.0 < metered(made.path)[1] <= -1.0
    assert len(decoded(made.path)) == 6 * RATE


def test_gain_and_limiter_move_nothing_in_time(tmp_path):
    sound, _ = write_clicks(tmp_path / "a.wav")
    plain = asyncio.run(soundtrack_of(FFMPEG, whole(sound), tmp_path))
    reference = decoded(plain.path)
    louder = decoded(asyncio.run(soundtrack_of(FFMPEG, whole(sound), tmp_path, 6.0)).path)
    assert len(louder) == len(reference) == 2 * RATE
    together = np.correlate(louder[:, 0], reference[:, 0][1000:-1000], mode="valid")
    assert int(np.argmax(together)) == 1000


def test_silence_gets_no_gain_and_no_sound(tmp_path):
    heard = whole(write(tmp_path / "a.wav", np.zeros(RATE)))

    async def made() -> Soundtrack:
        return await soundtrack_of(FFMPEG, heard, tmp_path, await gain_for(FFMPEG, heard, -14.0))

    sound = asyncio.run(made())
    assert sound.gain == 0.0
    assert not decoded(sound.path).any()


def test_the_bytes_are_the_same_whenever_the_last_stretch_comes(tmp_path):
    """Encoded early with the right gain, with a wrong one, or all at once."""
    parts = [write(tmp_path / f"{n}.wav", bursts(n, 2, 0.1 + n / 5)) for n in range(3)]
    heard = whole(*parts)

    async def early(gain: float) -> tuple[Soundtrack, Soundtrack]:
        folder = tmp_path / f"early {gain}"
        folder.mkdir()
        async with soundtrack(FFMPEG, folder, gain) as making:
            for number, one in enumerate(heard):
                await asyncio.sleep(0.05 * (number == 2))
                await making.add(one)
            first = await making.finished()
        (folder / "again").mkdir()
        return first, await settled(FFMPEG, heard, folder / "again", 6.0, first)

    kept, same = asyncio.run(early(6.0))
    assert kept is same
    wrong, other = asyncio.run(early(3.0))
    assert wrong.path.read_bytes() != other.path.read_bytes()
    (tmp_path / "whole").mkdir()
    at_once = asyncio.run(soundtrack_of(FFMPEG, heard, tmp_path / "whole", 6.0))
    assert kept.path.read_bytes() == other.path.read_bytes() == at_once.path.read_bytes()


def test_whole_segments_are_taken_too_and_keep_their_time(tmp_path):
    segment = clips.make(tmp_path / "a.mp4", fps="24000/1001", seconds=0.6)
    ready = asyncio.run(prepare(FFMPEG, segment, tmp_path / "p"))
    made = asyncio.run(soundtrack_of(FFMPEG, [ready] * 60, tmp_path))
    assert made.heard == heard_of([Cut(ready.sound, Fraction(0), ready.probe.seconds)] * 60)
    length = ready.probe.seconds * 60
    assert len(decoded(made.path)) == samples_of(length)
    expected = [float(n * ready.probe.seconds) + clips.flashes(segment)[0] for n in range(60)]
    assert clips.beeps(made.path) == pytest.approx(expected, abs=0.001)
