"""Joining: every frame, in time, the same bytes, whole or not at all; on real segments."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from storychain.errors import DiskTrouble, MediaError
from storychain.media.aside import need_space
from storychain.media.edit import Clip
from storychain.media.film import FilmFacts, assemble
from storychain.media.prepare import Prepared, prepare
from storychain.media.probe import probe
from storychain.media.soundtrack import soundtrack, soundtrack_of
from storychain.media.tool import Ffmpeg, find_ffmpeg
from tests import clips
from tests.telling import telling

FFMPEG = find_ffmpeg(os.environ)
FAST = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")


def ready(segment: Path) -> Prepared:
    return asyncio.run(prepare(FFMPEG, segment, segment.with_name(segment.name + " prepared")))


def series(folder: Path, *options: dict[str, Any]) -> list[Path]:
    """Clips whose frames are numbered on from one to the next."""
    made: list[Path] = []
    first = 0
    for place, option in enumerate(options):
        made.append(clips.make(folder / f"{place}.mp4", first=first, **option))
        first += len(clips.numbers(made[-1]))
    return made


def join(segments: Sequence[Path], out: Path, **options: Any) -> FilmFacts:
    chapters = [Clip(ready(segment), segment.stem) for segment in segments]
    about = {"title": "A film", "note": "The pictures are AI-generated."}
    return asyncio.run(assemble(FFMPEG, chapters, out, **about | options))


def sound_samples(film: Path) -> int:
    """Samples of sound as the film's index tells them: what players that trust it play."""
    with av.open(str(film)) as opened:
        track = opened.streams.audio[0]
        assert track.duration is not None
        return int(track.duration * Fraction(track.time_base or 0) * 48_000)


@pytest.mark.parametrize("fps", telling(["25", "24000/1001", "30000/1001", "60"], {"25", "30000/1001"}))
def test_every_frame_is_there_bit_for_bit_and_the_sound_in_time(tmp_path, fps):
    segments = series(tmp_path, *[{"fps": fps, "seconds": seconds} for seconds in (1, 1.5, 1)])
    facts = join(segments, tmp_path / "film.mp4")
    frames = sum(len(clips.numbers(segment)) for segment in segments)
    assert (facts.seconds, facts.frames) == (frames / Fraction(fps), frames)
    assert (facts.copied, facts.reencoded, facts.drawn) == (3, 0, 0)
    assert facts.size == (tmp_path / "film.mp4").stat().st_size
    assert clips.hashes(tmp_path / "film.mp4") == [one for segment in segments for one in clips.hashes(segment)]
    assert clips.numbers(tmp_path / "film.mp4") == list(range(frames))
    assert clips.beeps(tmp_path / "film.mp4") == pytest.approx(clips.flashes(tmp_path / "film.mp4"), abs=0.001)
    assert sound_samples(tmp_path / "film.mp4") == int(facts.seconds * 48_000)


def test_every_frame_has_its_exact_place(tmp_path):
    orders = [("-bf", "0"), ("-bf", "6", "-b-pyramid", "normal"), ("-profile:v", "baseline"), ("-bf", "2")]
    segments = series(tmp_path, *[{"fps": "30000/1001", "seconds": 0.6, "video": (*FAST, *order)} for order in orders])
    facts = join(segments, tmp_path / "film.mp4")
    with av.open(str(tmp_path / "film.mp4")) as opened:
        times = [(packet.pts or 0, packet.dts or 0) for packet in opened.demux(video=0) if packet.size]
    assert sorted(shown for shown, _ in times) == [4004 * place for place in range(facts.frames)]
    assert {later - earlier for (_, earlier), (_, later) in pairwise(times)} == {4004}


ENCODERS = {
    "baseline": (*FAST, "-profile:v", "baseline"),
    "main": (*FAST, "-profile:v", "main", "-bf", "3"),
    "high, many references": ("-c:v", "libx264", "-refs", "8", "-bf", "8", "-pix_fmt", "yuv420p"),
    "another encoder": ("-c:v", "libopenh264", "-b:v", "400k", "-pix_fmt", "yuv420p"),
    "timing in its headers": (*FAST, "-x264-params", "nal-hrd=vbr:vbv-maxrate=500:vbv-bufsize=500:sps-id=3"),
    "slices, several keyframes": (*FAST, "-slices", "3", "-g", "5"),
    "intra": (*FAST, "-g", "1"),
}


def test_h264_of_different_encoders_is_copied_and_exact(tmp_path):
    """Each stream carries its own parameter sets along, so decoders see the right ones."""
    segments = series(tmp_path, *[{"video": video, "seconds": 0.7} for video in ENCODERS.values()])
    random.Random(1).shuffle(segments)
    facts = join(segments, tmp_path / "film.mp4")
    assert (facts.copied, facts.reencoded) == (len(segments), 0)
    alone = [clips.hashes(segment) for segment in segments]
    assert clips.hashes(tmp_path / "film.mp4") == [one for each in alone for one in each]


def test_a_reader_that_jumps_into_a_clip_sees_it_right(tmp_path):
    videos = list(ENCODERS.values())
    segments = series(tmp_path, *[{"video": video, "seconds": 0.5} for video in videos])
    join(segments, tmp_path / "film.mp4")
    for place in range(len(segments)):
        with av.open(str(tmp_path / "film.mp4")) as opened:
            opened.seek(place * 60_000, stream=opened.streams.video[0])
            frame = next(frame for frame in opened.decode(video=0) if (frame.pts or 0) >= place * 60_000)
        with av.open(str(segments[place])) as opened:
            alone = next(opened.decode(video=0))
        assert (frame.to_ndarray() == alone.to_ndarray()).all()


def test_open_groups_of_pictures_join_only_with_their_own(tmp_path):
    """A keyframe that is no clean start does not bring its parameter sets along."""
    opened = (*FAST, "-x264-params", "open-gop=1:bframes=3:keyint=8")
    same = series(tmp_path, {"video": opened}, {"video": opened})
    assert join(same, tmp_path / "same.mp4").reencoded == 0
    assert clips.hashes(tmp_path / "same.mp4") == [one for segment in same for one in clips.hashes(segment)]
    other = clips.make(tmp_path / "x.mp4", video=(*FAST, "-profile:v", "main"))
    facts = join([other, other, same[0]], tmp_path / "mixed.mp4")
    assert (facts.copied, facts.reencoded) == (2, 1)
    assert clips.numbers(tmp_path / "mixed.mp4") == [*range(24), *range(24), *range(24)]


def test_hevc_is_copied_where_all_agree(tmp_path):
    hevc = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
    segments = series(tmp_path, {"video": hevc}, {"video": hevc})
    assert join(segments, tmp_path / "film.mp4").reencoded == 0
    assert clips.hashes(tmp_path / "film.mp4") == [one for segment in segments for one in clips.hashes(segment)]
    assert probe(tmp_path / "film.mp4").codec_tag == "hvc1"


MISFITS: dict[str, dict[str, Any]] = {
    "30 fps": {"fps": "30"},
    "23.976 fps": {"fps": "24000/1001"},
    "larger": {"size": (320, 180)},
    "upright": {"size": (90, 160)},
    "HEVC": {"video": ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p")},
    "4:4:4": {"video": (*FAST[:-1], "yuv444p")},
    "full range": {"video": (*FAST, "-color_range", "pc")},
    "anamorphic": {"video": (*FAST, "-vf", "setsar=4/3")},
    "varying rate": {"video": (*FAST, "-vf", "select='mod(n+1,5)'", "-fps_mode", "vfr")},
}


@pytest.mark.parametrize("name", telling(MISFITS, {"30 fps", "upright", "varying rate"}))
def test_a_misfit_alone_is_reencoded(tmp_path, name):
    segments = series(tmp_path, {}, MISFITS[name] | {"seconds": 2}, {})
    facts = join(segments, tmp_path / "film.mp4")
    assert (facts.copied, facts.reencoded, facts.frames) == (2, 1, 24 + 48 + 24)
    hashes = clips.hashes(tmp_path / "film.mp4")
    assert hashes[:24] == clips.hashes(segments[0])
    assert hashes[-24:] == clips.hashes(segments[2])
    film = probe(tmp_path / "film.mp4")
    assert (film.width, film.height, film.fps, film.constant_rate) == (160, 90, Fraction(24), True)
    assert clips.beeps(tmp_path / "film.mp4") == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.002)
    if name == "HEVC":
        assert clips.numbers(tmp_path / "film.mp4")[24:72] == clips.numbers(segments[1])


FORMS = ["30 fps", "larger", "upright", "4:4:4", "full range", "anamorphic"]


@pytest.mark.parametrize("name", telling(FORMS, {"30 fps", "anamorphic"}))
def test_every_form_can_be_the_one_that_others_follow(tmp_path, name):
    segments = series(tmp_path, MISFITS[name], {}, MISFITS[name])
    facts = join(segments, tmp_path / "film.mp4")
    assert (facts.copied, facts.reencoded) == (2, 1)
    assert clips.hashes(tmp_path / "film.mp4")[: len(clips.hashes(segments[0]))] == clips.hashes(segments[0])


def test_a_misfit_is_reencoded_once(tmp_path):
    segments = series(tmp_path, {}, {"fps": "30"}, {})
    join(segments, tmp_path / "one.mp4")
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "1.mp4 prepared").iterdir()}
    join(segments, tmp_path / "two.mp4")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "1.mp4 prepared").iterdir()} == made
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_sounds_of_all_kinds_share_one_track(tmp_path):
    kinds: list[dict[str, Any]] = [
        {"sound": None},
        {"channels": 1, "rate": 44_100},
        {"sound": ("-c:a", "libmp3lame")},
        {"delay": 0.2, "sound_seconds": 0.6},
        {"sound_seconds": 1.9},
        {},
    ]
    join(series(tmp_path, *kinds), tmp_path / "film.mp4")
    heard = clips.beeps(tmp_path / "film.mp4")
    assert heard == pytest.approx([1.5, 2.5, 3.7, 4.5, 5.5], abs=0.003)
    assert sound_samples(tmp_path / "film.mp4") == 6 * 48_000


def test_many_short_clips_do_not_drift(tmp_path):
    """7 frames at 29.97 are 11,211.2 samples: rounded one by one, 120 clips would be 24 samples short."""
    segment = clips.make(tmp_path / "a.mp4", fps="30000/1001", seconds=0.233)
    one = ready(segment)
    facts = asyncio.run(assemble(FFMPEG, [Clip(one, "x")] * 120, tmp_path / "film.mp4", title="", note=""))
    assert facts.seconds == 120 * 7 * Fraction(1001, 30000)
    assert sound_samples(tmp_path / "film.mp4") == int(facts.seconds * 48_000)
    with av.open(str(tmp_path / "film.mp4")) as opened:
        shown = sorted(packet.pts for packet in opened.demux(video=0) if packet.pts is not None)
    assert shown == [4004 * place for place in range(840)]


def test_five_hundred_clips(tmp_path):
    one = ready(clips.make(tmp_path / "a.mp4", seconds=0.25))
    facts = asyncio.run(assemble(FFMPEG, [Clip(one, "x")] * 500, tmp_path / "film.mp4", title="", note=""))
    assert (facts.frames, facts.seconds) == (3000, Fraction(125))


def test_one_clip_is_a_film(tmp_path):
    segment = clips.make(tmp_path / "a.mp4")
    assert join([segment], tmp_path / "deep" / "er" / "film.mp4").frames == 24
    assert clips.hashes(tmp_path / "deep" / "er" / "film.mp4") == clips.hashes(segment)


def test_the_same_clips_make_the_same_bytes_anywhere(tmp_path):
    films = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        films.append(tmp_path / name / f"{name}.mp4")
        join(series(tmp_path / name, {}, {"fps": "30"}), films[-1])
    assert films[0].read_bytes() == films[1].read_bytes()


def test_names_and_titles_that_bite(tmp_path):
    folder = tmp_path / 'it\'s "the" -deep: sea\nof 海 %d [x]; $(x)'
    folder.mkdir()
    segments = [part.rename(folder / f"-{place} 'ä\n.mp4") for place, part in enumerate(series(tmp_path, {}, {}))]
    titles = ["[CHAPTER]\nSTART=5; #1 = 'a' \\", "夜の海 🌊"]
    chapters = [Clip(ready(segment), title) for segment, title in zip(segments, titles, strict=True)]
    out = folder / "-film's %d.mp4"
    asyncio.run(assemble(FFMPEG, chapters, out, title="Title = \"x\"; 'y' \\ #\0", note="Made by\nmachine"))
    assert clips.numbers(out) == list(range(48))
    with av.open(str(out)) as opened:
        assert opened.metadata["title"] == "Title = \"x\"; 'y' \\ #"
        assert opened.metadata["comment"] == "Made by machine"
        found = [
            (mark["start"] * Fraction(mark["time_base"] or 0), mark["metadata"]["title"]) for mark in opened.chapters()
        ]
    assert found == [(Fraction(0), "[CHAPTER] START=5; #1 = 'a' \\ "), (Fraction(1), "夜の海 🌊")]
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def test_the_index_comes_first_so_that_browsers_start_at_once(tmp_path):
    join(series(tmp_path, {}), tmp_path / "film.mp4")
    data = (tmp_path / "film.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_progress_reaches_the_end(tmp_path):
    told: list[float] = []
    join(series(tmp_path, {}, {}), tmp_path / "film.mp4", on_progress=told.append)
    assert told[-1] == pytest.approx(1.0, abs=0.05)


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".")]


def stand_in(folder: Path, body: str) -> Ffmpeg:
    """A program in ffmpeg's place; `"$real" "$@"` does as asked, `$film` is the file to be written."""
    path = folder / "stand-in"
    path.write_text(f"#!/bin/sh\nreal='{FFMPEG.path}'\nfor film; do :; done\n{body}\n")
    path.chmod(0o755)
    return Ffmpeg(path, "0", "setting", "a test says so")


FAULTS: dict[str, tuple[str, str]] = {
    "fails": ("echo broken >&2; exit 1", "ffmpeg failed"),
    "disk full": ('echo half > "$film"; echo "No space left on device" >&2; exit 228', "disk is full"),
    "half a film, no complaint": (
        '"$real" "$@"; "$real" -v error -i "$film" -t 1 -c copy h.mp4; mv h.mp4 "$film"',
        "instead of 48",
    ),
    "cut off, no complaint": ('"$real" "$@"; head -c 9000 "$film" > h; mv h "$film"', "cut short"),
    "silent loss of sound": (
        '"$real" "$@"; test "$film" = sound.mp4 && exit; "$real" -v error -i "$film" -an h.mp4; mv h.mp4 "$film"',
        "sound lasts",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_leaves_the_old_film_and_nothing_else(tmp_path, name):
    body, message = FAULTS[name]
    chapters = [Clip(ready(segment), "x") for segment in series(tmp_path, {}, {})]
    (tmp_path / "films").mkdir()
    out = tmp_path / "films" / "film.mp4"
    out.write_bytes(b"the film of yesterday")
    with pytest.raises((MediaError, DiskTrouble), match=message):
        asyncio.run(assemble(stand_in(tmp_path, body), chapters, out, title="", note=""))
    assert out.read_bytes() == b"the film of yesterday"
    assert list(out.parent.iterdir()) == [out]


def test_sound_encoded_as_segments_come_in_makes_the_same_film(tmp_path):
    segments = [ready(segment) for segment in series(tmp_path, {"fps": "30000/1001"}, {"fps": "30000/1001"})]
    (tmp_path / "sound").mkdir()

    async def joined(name: str, *, early: bool) -> bytes:
        out = tmp_path / name
        async with soundtrack(FFMPEG, tmp_path / "sound") as making:
            for segment in segments:
                await making.add(segment)
            sound = await making.finished()
        chapters = [Clip(segment, "x") for segment in segments]
        await assemble(FFMPEG, chapters, out, title="", note="", sound=sound if early else None)
        return out.read_bytes()

    assert asyncio.run(joined("early.mp4", early=True)) == asyncio.run(joined("late.mp4", early=False))


def test_a_soundtrack_of_other_segments_is_not_used(tmp_path):
    one, other = (ready(segment) for segment in series(tmp_path, {}, {"fps": "24"}))
    (tmp_path / "sound").mkdir()

    async def joined(name: str, sounds: Sequence[Prepared]) -> bytes:
        sound = await soundtrack_of(FFMPEG, sounds, tmp_path / "sound")
        out = tmp_path / name
        await assemble(FFMPEG, [Clip(one, "x")], out, title="", note="", sound=sound)
        return out.read_bytes()

    assert asyncio.run(joined("a.mp4", [one])) == asyncio.run(joined("b.mp4", [other]))


def test_an_ffmpeg_that_dies_while_it_is_fed_is_told(tmp_path):
    segments = [ready(segment) for segment in series(tmp_path, {}, {})]
    with pytest.raises(MediaError, match="ffmpeg failed"):
        asyncio.run(soundtrack_of(stand_in(tmp_path, "echo killed >&2; exit 9"), segments * 40, tmp_path))


def test_cancelling_midway_leaves_nothing(tmp_path):
    chapters = [Clip(ready(segment), "x") for segment in series(tmp_path, {}, {})]
    note = tmp_path / "begun"
    slow = stand_in(tmp_path, f'"$real" "$@"; touch {note}; exec sleep 600')

    async def cancelled() -> None:
        task = asyncio.create_task(assemble(slow, chapters, tmp_path / "films" / "film.mp4", title="", note=""))
        while not note.exists():
            await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert list((tmp_path / "films").iterdir()) == []


def test_a_full_disk_is_foreseen(tmp_path):
    with pytest.raises(DiskTrouble, match="MB are missing") as raised:
        need_space(tmp_path, 10**18)
    assert "Free at least" in str(raised.value)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    segments = series(tmp_path, {})
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DiskTrouble, match="cannot be written"):
        join(segments, tmp_path / "file" / "film.mp4")
    (tmp_path / "film.mp4").mkdir()
    with pytest.raises(DiskTrouble, match="cannot be written: Is a directory"):
        join(segments, tmp_path / "film.mp4")


def test_nothing_to_join_is_said(tmp_path):
    with pytest.raises(MediaError, match="nothing to join"):
        join([], tmp_path / "film.mp4")
