"""A film for other programs: timelines that say just what the film shows, the lock file, content credentials."""

import asyncio
import csv
import datetime
import hashlib
import io
import itertools
import json
import os
import subprocess
import sys
import time
from decimal import Decimal
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import c2pa
import pytest

from storychain.cli import main
from storychain.errors import MediaError, UsageError
from storychain.export.arranging import Part, arranged
from storychain.export.edl import edl_texts
from storychain.export.fcpxml import fcpxml_text
from storychain.export.lock import (
    Stretch,
    lock_document,
    lock_path,
    lock_text,
    read_lock,
    stretches_of,
    write_lock,
)
from storychain.export.otio import otio_text
from storychain.export.provenance import Ingredient, carries_c2pa, sign_film
from storychain.export.takes import COLUMNS, csv_text
from storychain.export.timeline import Item, Media, Seam, Take, Timeline, timecode
from storychain.ledger import Admitted, Caps, Ledger, Purchase
from storychain.media.edit import Edit
from storychain.media.form import Form
from storychain.media.timeline import Shot, begins
from storychain.plan import Facts, keys
from storychain.provider import Job
from storychain.story import load_story
from storychain.workspace import Workspace, sha256_of
from tests.clips import hashes, make
from tests.stage import BARE, frames_of, stage, story_file

FILM = Fraction(24_000, 1001)
ODD = """a 'quoted" 100% Größe & <b>"""

needs_otio = pytest.mark.skipif(find_spec("opentimelineio") is None, reason="opentimelineio has no wheel here")
if find_spec("opentimelineio"):
    import opentimelineio as otio


def media(name="one", frames=192, fps=FILM, **told):
    return Media(
        Path(f"/films/{ODD}/{name}.mp4"), fps, frames, 1280, 720, **{"channels": 2, "sample_rate": 48_000, **told}
    )


def item(name, frames=192, file=None, **told):
    key = f"{name}-key-{name}"
    take = Take(
        key, media=file or media(name, frames + told.get("first", 0)), job_id=f"job-{name}", prompt=f"All of {name}."
    )
    return Item(name, "scene", frames, take, **told)


def film(*items, fps=FILM, title=ODD):
    return Timeline("tale", title, fps, 1280, 720, items)


def blended():
    """Three scenes: the second leaves 26 frames out and dissolves in over 13, the third is not there yet."""
    seam = Seam("repeated", 26, 0.93)
    other = Take("other", 2, media=media("other", 96), prompt="Otherwise.", credits=Decimal("12.8"))
    third = Item("third", "scene", 192, Take("third", prompt="To come."), missing="never bought")
    second = item("second", 166, first=26, blend=13, transition="fade", seam=seam, others=(other,))
    return film(item("first"), second, third)


# The timeline


@pytest.mark.parametrize("blend", [0, 1, 12, 13])
def test_items_on_a_track_follow_without_a_hole_and_show_what_the_film_shows(blend):
    shots = [Shot(0, 0, 192), Shot(1, 26, 192, blend), Shot(2, 0, 100, blend)]
    told = film(item("a"), item("b", 166, first=26, blend=blend), item("c", 100, blend=blend))
    assert told.begins == begins(shots)
    placed = list(told.placed())
    assert [one.end for one in placed[:-1]] == [one.begin for one in placed[1:]]
    assert (placed[0].begin, placed[-1].end) == (0, told.frames)
    for one, place in zip(placed, told.begins, strict=False):
        assert one.first - one.item.first == one.begin - place == one.lead
        assert one.lead + one.trail == one.item.blend


@pytest.mark.parametrize(
    ("fps", "frame", "written"),
    [
        (Fraction(24), 24 * 3661 + 5, "01:01:01:05"),
        (FILM, 24 * 60, "00:01:00:00"),
        (Fraction(30_000, 1001), 1800, "00:01:00:00"),
        (Fraction(25), 25 * 59 + 24, "00:00:59:24"),
        (Fraction(30), 30 * 86_400 + 1, "00:00:00:01"),
        (Fraction(60), 59, "00:00:00:59"),
    ],
)
def test_timecode_counts_frames_and_drops_none(fps, frame, written):
    assert timecode(frame, fps) == written


@pytest.mark.parametrize("fps", [Fraction(12), Fraction(120), Fraction(120_000, 1001)])
@pytest.mark.parametrize("write", [edl_texts, fcpxml_text])
def test_rates_without_timecode_are_refused_with_what_to_do(fps, write):
    with pytest.raises(UsageError, match="otio or --to csv"):
        write(film(item("a"), fps=fps))


# OpenTimelineIO


@needs_otio
def test_otio_reads_back_as_the_film():
    told = blended()
    read = otio.adapters.read_from_string(otio_text(told), "otio_json")
    assert read.name == ODD
    pictures, sound = read.tracks
    assert (pictures.kind, sound.kind) == ("Video", "Audio")
    assert pictures.duration() == sound.duration() == otio.opentime.RationalTime(told.frames, float(FILM))
    first, dissolve, second, gap = pictures
    assert dissolve.transition_type == "SMPTE_Dissolve"
    assert (dissolve.in_offset.value, dissolve.out_offset.value) == (6, 7)
    assert (second.source_range.start_time.value, second.source_range.duration.value) == (32, 160)
    assert second.source_range.duration.rate == float(FILM)
    assert second.available_range().duration.value == 192
    assert isinstance(gap, otio.schema.Gap)
    assert gap.metadata["storychain"]["missing"] == "never bought"
    assert unquote(urlsplit(first.media_reference.target_url).path) == f"/films/{ODD}/first.mp4"
    assert first.media_reference.target_url.isascii()
    (marker,) = second.markers
    assert (marker.name, marker.marked_range.start_time.value) == ("seam: repeated, 26 frames, 93% sure", 32)


@needs_otio
def test_otio_carries_every_take_as_a_media_reference():
    second = otio.adapters.read_from_string(otio_text(blended()), "otio_json").tracks[0][2]
    references = second.media_references()
    assert set(references) == {"DEFAULT_MEDIA", "take 2"}
    assert second.active_media_reference_key == "DEFAULT_MEDIA"
    assert second.media_reference.metadata["storychain"]["prompt"] == "All of second."
    other = references["take 2"]
    assert other.metadata["storychain"]["credits"] == 12.8
    assert other.available_range.duration.value == 96


@needs_otio
def test_a_silent_clip_is_a_gap_on_the_sound_track_alone():
    told = film(item("a"), item("b", file=media("b", channels=0)))
    pictures, sound = otio.adapters.read_from_string(otio_text(told), "otio_json").tracks
    assert [type(one).__name__ for one in pictures] == ["Clip", "Clip"]
    assert [type(one).__name__ for one in sound] == ["Clip", "Gap"]
    assert pictures.duration() == sound.duration()


# FCPXML

INSIDE = {
    "fcpxml": ["resources", "library"],
    "asset": ["media-rep", "metadata"],
    "sequence": ["note", "spine", "metadata"],
    "asset-clip": ["note", "conform-rate", "adjust-conform", "marks", "metadata"],
    "gap": ["note", "marks", "metadata"],
    "transition": ["filter-video", "filter-audio"],
}
"""In which order the DTD has an element's children; `marks` are markers of any kind."""


def seconds(written):
    assert written.endswith("s")
    return Fraction(written[:-1])


def written_xml(told):
    text = fcpxml_text(told)
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n<fcpxml version="1.9">')
    root = ElementTree.fromstring(text.encode())
    known = {one.get("id") for one in root.find("resources")}
    assert len(known) == len(root.find("resources"))
    for element in root.iter():
        assert element.get("ref", "r1") in known
        assert element.get("format", "r1") in known
        order = [INSIDE[element.tag].index(_mark(one.tag)) for one in element] if element.tag in INSIDE else []
        assert order == sorted(order), element.tag
    return root


def _mark(tag):
    return "marks" if tag in ("marker", "chapter-marker") else tag


@pytest.mark.parametrize("fps", [FILM, Fraction(24), Fraction(25), Fraction(30_000, 1001), Fraction(30), Fraction(60)])
def test_fcpxml_times_are_exact_frames_without_a_hole(fps):
    told = film(*(item(f"s{n}", frames, media(f"s{n}", 240, fps)) for n, frames in enumerate((192, 7, 239))), fps=fps)
    root = written_xml(told)
    frame = seconds(root.find("resources/format").get("frameDuration"))
    assert frame == 1 / fps
    end = Fraction(0)
    for clip in root.iter("asset-clip"):
        assert seconds(clip.get("offset")) == end
        end += seconds(clip.get("duration"))
        for name in ("offset", "start", "duration"):
            assert (seconds(clip.get(name)) / frame).denominator == 1
    assert end == seconds(root.find(".//sequence").get("duration")) == told.frames / fps
    assert root.find("resources/asset").get("duration") in {
        f"{240 * fps.denominator}/{fps.numerator}s",
        f"{240 / fps}s",
    }


def test_fcpxml_has_chapters_notes_seams_gaps_and_takes():
    root = written_xml(blended())
    spine = root.find(".//spine")
    assert [one.tag for one in spine] == ["asset-clip", "transition", "asset-clip", "gap"]
    first, dissolve, second, gap = spine
    assert [one.get("value") for one in root.iter("chapter-marker")] == ["first", "second", "third"]
    assert second.find("note").text == "All of second."
    assert second.find("marker").get("value") == "seam: repeated, 26 frames, 93% sure"
    assert gap.find("marker").get("value") == "missing: never bought"
    cut = seconds(second.get("offset"))
    assert seconds(dissolve.get("offset")) == cut - 6 / FILM
    assert seconds(dissolve.get("duration")) == 13 / FILM
    # A dissolve needs pictures beyond the cut on both sides, and has them.
    assert seconds(second.get("start")) >= 6 / FILM
    assert seconds(first.get("start")) + seconds(first.get("duration")) + 7 / FILM <= 192 / FILM
    assert [one.get("name") for one in root.findall(".//event/asset-clip")] == ["second take 2"]
    sources = [unquote(urlsplit(one.get("src")).path) for one in root.iter("media-rep")]
    assert sources == [f"/films/{ODD}/{name}.mp4" for name in ("first", "second", "other")]


def test_fcpxml_says_of_a_clip_that_its_rate_and_size_are_others():
    odd = Media(Path("/a.mp4"), Fraction(25), 200, 1920, 1080)
    root = written_xml(film(item("a"), item("b", odd.frames_at(FILM), odd)))
    clip = root.findall(".//asset-clip")[1]
    assert clip.find("conform-rate").attrib == {"scaleEnabled": "0", "srcFrameRate": "25"}
    assert clip.find("adjust-conform").get("type") == "fit"
    assert seconds(clip.get("duration")) == 192 / FILM
    asset = root.findall("resources/asset")[1]
    assert asset.get("hasAudio") is None
    assert asset.get("duration") == "8s"


def test_fcpxml_holds_no_sign_that_xml_cannot():
    told = Item("a", "scene", 192, Take("k", media=media(), prompt="one\x00\x1b[31m\ud800\uffff two\nthree"))
    root = written_xml(film(told, title="\x07 title"))
    assert root.find(".//note").text == "one[31m two\nthree"
    assert root.find(".//project").get("name") == " title"


# Edit decision lists


def events(text):
    """The event lines of a list, split: number, reel, channels, kind with its length, and four times."""
    for line in text.splitlines():
        if line[:3].isdigit():
            number, reel, channels, kind, *rest = line.split()
            yield number, reel, channels, " ".join([kind, *rest[:-4]]), *rest[-4:]


def test_an_edl_dissolves_skips_and_leaves_black_where_the_film_does():
    (text,) = edl_texts(blended())
    assert text.isascii()
    assert text.startswith("TITLE: a 'quoted\" 100% Grosse & <b>\nFCM: NON-DROP FRAME\n\n001  ")
    assert list(events(text)) == [
        ("001", "FIRSTKEY", "AA/V", "C", "00:00:00:00", "00:00:07:11", "01:00:00:00", "01:00:07:11"),
        ("002", "FIRSTKEY", "AA/V", "C", "00:00:07:11", "00:00:07:11", "01:00:07:11", "01:00:07:11"),
        ("002", "SECONDKE", "AA/V", "D 013", "00:00:01:02", "00:00:08:00", "01:00:07:11", "01:00:14:09"),
        ("003", "BL", "V", "C", "00:00:00:00", "00:00:08:00", "01:00:14:09", "01:00:22:09"),
    ]
    comments = [line for line in text.splitlines() if line.startswith("*")]
    assert comments[:5] == [
        "* FROM CLIP NAME: first.mp4",
        f"* SOURCE FILE: {media('first').uri}",
        f"* FROM FILE: {media('first').uri}",
        "* COMMENT: SCENE first TAKE 1",
        "* COMMENT: JOB job-first",
    ]
    assert "* TO CLIP NAME: second.mp4" in comments
    assert "* LOC: 01:00:07:11 YELLOW  SEAM repeated, 26 frames, 93% sure" in comments
    assert comments[-1] == "* LOC: 01:00:14:09 RED     MISSING: never bought"


def test_each_event_of_an_edl_names_its_file_as_readers_of_both_kinds_look_for_it():
    """Of a dissolve, the file that it goes to: that of the clip which these readers make of the event."""
    (text,) = edl_texts(blended())
    named = [line.partition(": ")[2] for line in text.splitlines() if line.startswith("* FROM FILE: ")]
    assert named == [line.partition(": ")[2] for line in text.splitlines() if line.startswith("* SOURCE FILE: ")]
    assert named == [media("first").uri, media("second").uri]


def test_edl_lines_stand_in_the_columns_that_programs_cut_them_by():
    (text,) = edl_texts(blended())
    for line in text.splitlines():
        if line[:3].isdigit():
            assert (line[3:5], line[13:14], line[19:20]) == ("  ", " ", " ")
            assert line[20] in "CD"
            assert len(line) == 29 + 4 * 11 + 3
            assert line[29:].count(":") == 12


def test_reels_are_one_to_a_file_and_eight_characters():
    alike = [Take(f"abcdefgh{n:04}", media=media(str(n))) for n in range(40)]
    same = Take("x", media=media("x"))
    items = [Item(f"s{n}", "scene", 192, take) for n, take in enumerate([*alike, same, same])]
    (text,) = edl_texts(film(*items))
    reels = [reel for _, reel, *_ in events(text)]
    assert len(set(reels)) == 41
    assert all(len(reel) <= 8 and reel.isalnum() for reel in reels)
    assert reels[-1] == reels[-2]


def test_more_events_than_numbers_become_several_lists_that_follow_on():
    told = film(*(item(f"s{n}", 24, media(f"s{n}", 24)) for n in range(2100)), title="Long")
    texts = edl_texts(told)
    assert [text.splitlines()[0] for text in texts] == [f"TITLE: Long ({n} of 3)" for n in (1, 2, 3)]
    assert [len(list(events(text))) for text in texts] == [999, 999, 102]
    assert [next(events(text))[0] for text in texts] == ["001"] * 3
    for before, after in itertools.pairwise([event for text in texts for event in events(text)]):
        assert before[-1] == after[-2]


# CSV


def rows_of(text):
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_csv_has_a_row_for_every_take():
    rows = rows_of(csv_text(blended(), [("gone", Take("left", 1, "failed", message="refused"))]))
    assert [tuple(row) for row in rows] == [COLUMNS] * 5
    assert [(row["position"], row["scene"], row["take"], row["shown"]) for row in rows] == [
        ("1", "first", "1", "yes"),
        ("2", "second", "1", "yes"),
        ("2", "second", "2", "no"),
        ("3", "third", "1", "no"),
        ("", "gone", "1", "no"),
    ]
    second = rows[1]
    assert (second["begin_frame"], second["end_frame"], second["first_source_frame"]) == ("179", "345", "26")
    assert second["begin_seconds"] == f"{179 * 1001 / 24000:.6f}"
    assert (second["seam"], second["seam_frames"], second["seam_confidence"]) == ("repeated", "26", "0.93")
    assert second["rate"] == "23.976"
    assert second["file"] == f"/films/{ODD}/second.mp4"
    assert rows[2]["credits"] == "12.8"
    assert (rows[3]["remark"], rows[4]["remark"]) == ("never bought", "refused")


@pytest.mark.parametrize("words", ["=1+1", "+49 30", "-x", "@cmd", "\tx"])
def test_nothing_in_the_csv_is_calculated(words):
    take = Take("k", media=media(), prompt=words, message=words, job_id=words)
    (row,) = rows_of(csv_text(film(Item(words, "scene", 192, take))))
    for column in ("scene", "prompt", "remark", "job_id"):
        assert row[column] == f"'{words}"


# Arranging


def part(name, key=None, *, kind="scene", frames=192, seconds=8):
    file = media(name, frames) if frames else None
    return Part(name, kind, Take(key or name, media=file), Fraction(seconds), missing="" if file else "never bought")


def lock_of(tmp_path, *stretches, fps=FILM):
    told = {"ffmpeg": "7.1", "storychain": "0.1.0", "recipe": "r" * 64, "story": "tale", "title": ODD}
    document = lock_document(stretches, fps=fps, film="tale.mp4", film_sha256="f" * 64, film_size=9, **told)
    return read_lock(write_lock(tmp_path / "tale.mp4", document))


def arrange(parts, lock, card=lambda _: None):
    return arranged(parts, lock, name="tale", title="T", fps=Fraction(24), size=(1280, 720), card=card)


def seen(told):
    return [(one.name, one.first, one.frames, one.blend, bool(one.media)) for one in told.items]


def test_without_a_lock_segments_are_whole_and_what_is_not_there_is_a_gap():
    told = arrange([part("a"), part("b", frames=0, seconds=5)], None)
    assert told.fps == 24
    assert seen(told) == [("a", 0, 192, 0, True), ("b", 0, 120, 0, False)]


def test_the_lock_gives_trims_transitions_and_cards(tmp_path):
    lock = lock_of(
        tmp_path,
        Stretch("card", "title", 0, 72, key="c", file="cards/c.mp4"),
        Stretch("scene", "a", 72, 264, key="a"),
        Stretch("scene", "b", 252, 418, 26, key="b", blend=12, transition="wipeleft", seam=Seam("repeated", 26, 0.9)),
    )
    title = media("title", 72)
    told = arrange([part("a"), part("b")], lock, lambda one: title if one.file == "cards/c.mp4" else None)
    assert told.fps == FILM
    assert seen(told) == [("title", 0, 72, 0, True), ("a", 0, 192, 0, True), ("b", 26, 166, 12, True)]
    assert told.frames == lock.frames == 418
    assert told.items[2].seam == Seam("repeated", 26, 0.9)
    assert told.recipe == "r" * 64
    assert seen(arrange([part("a"), part("b")], lock))[0] == ("title", 0, 72, 0, False)


def test_of_a_film_that_was_changed_since_only_what_is_the_same_is_taken(tmp_path):
    lock = lock_of(
        tmp_path,
        Stretch("scene", "a", 0, 192, key="a"),
        Stretch("scene", "b", 180, 346, 26, key="b", blend=12, transition="fade"),
        Stretch("scene", "c", 346, 530, 8, key="c"),
    )
    changed = arrange([part("a", "new"), part("b"), part("c")], lock)
    assert seen(changed) == [("a", 0, 192, 0, True), ("b", 26, 166, 0, True), ("c", 8, 184, 0, True)]
    assert changed.recipe == ""
    missing = arrange([part("a", frames=0), part("b"), part("c")], lock)
    assert seen(missing)[1] == ("b", 26, 166, 0, True)
    shorter = arrange([part("a"), part("b", frames=100), part("c")], lock)
    assert seen(shorter)[1] == ("b", 0, 100, 0, True)


def test_a_gap_takes_no_more_time_than_the_film_gave_it(tmp_path):
    lock = lock_of(
        tmp_path,
        Stretch("card", "title", 0, 72, key="c"),
        Stretch("scene", "a", 60, 252, key="a", blend=12, transition="fade"),
        Stretch("scene", "b", 240, 432, key="b", blend=12, transition="fade"),
        Stretch("scene", "c", 420, 600, 12, key="c", blend=12, transition="fade"),
        Stretch("card", "end", 588, 660, key="c", blend=12, transition="fade"),
    )
    told = arrange([part("a"), part("b", frames=0, seconds=5), part("c")], lock)
    assert told.frames == lock.frames == 660
    assert told.begins == [0, 60, 252, 420, 600, 660]
    assert seen(told)[1:4] == [("a", 0, 192, 0, True), ("b", 0, 168, 0, False), ("c", 12, 180, 0, True)]
    assert {one.missing for one in told.items} == {"", "never bought", "its file is not here"}
    shorter = arrange([part("a"), part("b"), part("c")], lock, lambda _: media("card", 71))
    assert [bool(one.media) for one in shorter.items] == [False, True, True, True, False]


def test_a_placeholder_is_the_card_that_the_film_shows(tmp_path):
    lock = lock_of(tmp_path, Stretch("scene", "a", 0, 192, key="a"), Stretch("placeholder", "b", 192, 384, key="card"))
    parts = [part("a"), part("b", kind="placeholder", frames=0)]
    told = arrange(parts, lock, lambda _: media("card"))
    assert seen(told)[1] == ("b", 0, 192, 0, True)
    assert seen(arrange(parts, lock))[1] == ("b", 0, 192, 0, False)
    assert "placeholder" in fcpxml_text(told)


# The lock file


def stretches():
    return (
        Stretch("opening", "opening", 0, 100, key="o", sha256="0" * 64),
        Stretch(
            "scene",
            "größe",
            100,
            292,
            key="a" * 32,
            file=f"segments/{'a' * 32}.mp4",
            sha256="1" * 64,
            job_id="job-1",
            prompt=ODD,
            model="veo3.1",
            credits=Decimal("12.8"),
        ),
        Stretch(
            "scene", "b", 280, 446, 26, key="b", credits=Decimal(0), seam=Seam("tail"), blend=12, transition="fade"
        ),
    )


def document(told=None, **changes):
    values = {
        "story": "tale",
        "title": ODD,
        "fps": FILM,
        "film": "tale.mp4",
        "film_sha256": "f" * 64,
        "film_size": 12_345,
        "recipe": "r" * 64,
        "ffmpeg": "7.1",
        "storychain": "0.1.0",
    }
    return lock_document(told or stretches(), **{**values, **changes})


def test_a_lock_file_says_of_every_second_where_it_came_from(tmp_path):
    path = write_lock(tmp_path / "tale.mp4", document())
    assert path == tmp_path / "tale.lock.json"
    assert [one.name for one in tmp_path.iterdir()] == ["tale.lock.json"]
    told = json.loads(path.read_text("utf-8"))
    assert told["film"] == {
        "file": "tale.mp4",
        "sha256": "f" * 64,
        "size": 12_345,
        "rate": "24000/1001",
        "frames": 446,
        "seconds": round(446 * 1001 / 24000, 6),
    }
    assert told["made_by"] == {"storychain": "0.1.0", "ffmpeg": "7.1", "recipe": "r" * 64}
    assert told["credits"] == 12.8
    scene = told["stretches"][1]
    assert (scene["scene"], scene["prompt"], scene["job_id"], scene["credits"]) == ("größe", ODD, "job-1", 12.8)
    assert (scene["begin"], scene["end"]) == (round(100 * 1001 / 24000, 6), round(292 * 1001 / 24000, 6))
    last = told["stretches"][2]
    assert (last["source"]["begin_frame"], last["source"]["end_frame"]) == (26, 192)
    assert last["seam"] == {"kind": "tail", "frames": 0, "confidence": None}
    assert last["transition"] == {"name": "fade", "frames": 12}
    assert last["placeholder"] is False


def test_a_lock_file_reads_back_and_equal_films_have_equal_ones(tmp_path):
    lock = read_lock(write_lock(tmp_path / "tale.mp4", document()))
    assert lock.stretches == stretches()
    assert (lock.fps, lock.frames, lock.film_size, lock.story) == (FILM, 446, 12_345, "tale")
    assert lock_text(document()) == lock_text(document())


def test_a_lock_file_can_be_read_by_people_and_steers_no_terminal(tmp_path):
    (told,) = [Stretch("scene", "größe", 0, 9, key="k", prompt="a\x9b2J \u202eb \ud800 \x1b[1m")]
    path = write_lock(tmp_path / "a.mp4", document([told]))
    text = path.read_text("utf-8")
    assert '"größe"' in text
    assert not set(text) & set("\x9b\u202e\x1b")
    assert json.loads(text)["stretches"][0]["prompt"] == told.prompt


def test_a_segment_that_is_seen_twice_was_paid_once():
    twice = [Stretch("scene", f"s{n}", 10 * n, 10 * n + 10, key="k", credits=Decimal(40)) for n in range(2)]
    assert document(twice)["credits"] == 40
    assert document([*twice, Stretch("scene", "u", 20, 30, key="u")])["credits"] is None


@pytest.mark.parametrize(
    "told",
    [
        [Stretch("scene", "a", 1, 10)],
        [Stretch("scene", "a", 0, 10), Stretch("scene", "b", 11, 20)],
        [Stretch("scene", "a", 0, 10), Stretch("scene", "b", 9, 20)],
        [Stretch("scene", "a", 0, 0)],
        [Stretch("scene", "a", 0, 10, -1)],
    ],
)
def test_a_lock_file_with_a_hole_is_not_written(told):
    with pytest.raises(ValueError, match="follow on"):
        document(told)


def test_stretches_get_their_frames_from_the_edit():
    form = Form("h264", 160, 90, FILM, "yuv420p", Fraction(1), False, "bt709", "ordinary")
    shots = (Shot(0, 0, 192), Shot(1, 26, 192, 12, "fade"), Shot(2, 0, 48, 0, "fade"))
    edit = Edit(form, shots, tuple(begins(shots)))
    told = stretches_of(edit, [Stretch("scene", name, key=name) for name in "abc"])
    assert [(one.begin, one.end, one.source_begin, one.source_end, one.blend, one.transition) for one in told] == [
        (0, 192, 0, 192, 0, ""),
        (180, 346, 26, 192, 12, "fade"),
        (346, 394, 0, 48, 0, ""),
    ]
    assert document(told)["film"]["frames"] == edit.frames


def _damaged():
    whole = lock_text(document())
    yield (
        "",
        "[]",
        "null",
        "{",
        whole[: len(whole) // 2],
        "[" * 100_000,
        whole.replace('"begin_frame": 100', '"begin_frame": 99'),
    )
    yield whole.replace('"24000/1001"', '"24/0"'), whole.replace('"frames": 446', '"frames": 447')
    yield whole.replace('"format": 1', '"format": 2'), whole.replace('"kind": "opening"', '"kind": "ending"')
    yield whole.replace('"begin_frame": 26', '"begin_frame": -26'), whole.replace('"credits": 0', '"credits": NaN')
    yield whole.replace('"take": 1', f'"take": {"9" * 5000}'), "\x00\xff", whole.replace('"key": "o"', '"key": 7')


@pytest.mark.parametrize(
    "text", [text for texts in _damaged() for text in texts], ids=lambda text: text[:12].strip() or "-"
)
def test_a_damaged_lock_file_is_none(tmp_path, text):
    path = tmp_path / "tale.lock.json"
    path.write_text(text, "utf-8")
    assert read_lock(path) is None


def test_no_lock_file_is_none_and_a_later_one_with_more_in_it_is_read(tmp_path):
    assert read_lock(tmp_path / "none.lock.json") is None
    assert read_lock(tmp_path) is None
    later = document()
    later["weather"] = later["stretches"][0]["mood"] = "fine"
    assert read_lock(write_lock(tmp_path / "a.mp4", later)).stretches == stretches()


def test_a_preview_has_a_lock_file_of_its_own():
    assert lock_path(Path("films/my.tale.mp4")) == Path("films/my.tale.lock.json")
    assert lock_path(Path("films/tale.preview.mp4")) == Path("films/tale.preview.lock.json")


# The command


@pytest.fixture(scope="module")
def carded(plain):
    """A desk with a film between two cards, a placeholder in it, each coming in over the one before."""
    held = {"join": "cut", "on_failure": "placeholder"}
    scenes = [{"id": f"s{n}", "prompt": f"Scene number {n}.", **held} for n in "123"]
    told = {**BARE, "transition": "fade", "title_card": {"text": "T"}, "end_card": {"text": "E"}}
    path = story_file(plain.folder, scenes, film=told)
    done = plain.run("run", path, "--local", "--scale", "0.125", "--fault", "job.failed=@2")
    assert done.returncode == 0, done.stderr
    return plain, path


@needs_otio
def test_cards_and_placeholders_are_clips_and_the_timeline_is_the_film_to_the_frame(carded):
    desk, path = carded
    for to in ("otio", "fcpxml", "edl", "csv"):
        told = desk.run("export", path, "--local", "--to", to, "--json")
        document = json.loads(told.stdout)
        assert (document["missing"], document["clips"], told.stderr) == ([], 5, "")
        assert document["frames"] == frames_of(desk.folder / "films" / "tale.mp4")
    lock = read_lock(desk.folder / "films" / "tale.lock.json")
    rows = rows_of((desk.folder / "films" / "tale.csv").read_text("utf-8"))
    rows = [row for row in rows if row["shown"] == "yes"]
    assert sorted(row["kind"] for row in rows) == ["card", "card", "placeholder", "scene", "scene"]
    assert [(int(row["begin_frame"]), int(row["end_frame"])) for row in rows] == [
        (one.begin, one.end) for one in lock.stretches
    ]
    assert [row["transition"] for row in rows] == ["", "fade", "fade", "fade", "fade"]
    assert all(Path(row["file"]).is_file() and row["key"] for row in rows)
    track = otio.adapters.read_from_file(str(desk.folder / "films" / "tale.otio")).tracks[0]
    assert [type(one).__name__ for one in track] == ["Clip", *["Transition", "Clip"] * 4]


def test_a_dash_is_stdout_and_no_file(carded):
    desk, path = carded
    export = ("export", path, "--local", "--to", "csv", "--out")
    assert desk.run(*export, "tale.csv").returncode == 0
    piped = desk.run(*export, "-")
    assert (piped.returncode, piped.stdout) == (0, (desk.folder / "tale.csv").read_text("utf-8"))
    assert not (desk.folder / "-").exists()
    assert desk.run(*export, "-", "--json").returncode == 2


@needs_otio
def test_takes_have_the_numbers_by_which_they_are_picked(plain):
    """The first take of the first scene is another story's, which shares it and bought it."""
    scenes = [{"id": f"s{n}", "prompt": f"The {n}th scene of many.", "join": "cut"} for n in (1, 2)]
    other, path = story_file(plain.folder, scenes[:1], name="other"), story_file(plain.folder, scenes, name="many")
    for asked in (["run", other, "--scale", "0.125"], ["retake", path, "s1", "--yes"]):
        assert plain.run(*asked, "--local").returncode == 0
    films = plain.folder / "films"
    for shown in (2, 1):
        told = json.loads(plain.run("takes", path, "--local", "--json").stdout)["scenes"]
        jobs = {(one["scene"], take["take"]): (take["job_id"], take["shown"]) for one in told for take in one["takes"]}
        assert [number for number in jobs if jobs[number][1]] == [("s1", shown), ("s2", 1)]
        lock = read_lock(films / "many.lock.json")
        assert [(one.take, one.job_id) for one in lock.stretches] == [
            (shown, jobs["s1", shown][0]),
            (1, jobs["s2", 1][0]),
        ]
        for to in ("csv", "edl", "otio"):
            assert plain.run("export", path, "--local", "--to", to).returncode == 0
        rows = rows_of((films / "many.csv").read_text("utf-8"))
        exported = {(row["scene"], int(row["take"])): (row["job_id"], row["shown"] == "yes") for row in rows}
        assert exported == jobs
        assert f"* COMMENT: SCENE s1 TAKE {shown}\n* COMMENT: JOB {jobs['s1', shown][0]}" in (
            films / "many.edl"
        ).read_text("ascii")
        clip = otio.adapters.read_from_file(str(films / "many.otio")).tracks[0][0]
        assert set(clip.media_references()) == {"DEFAULT_MEDIA", f"take {3 - shown}"}
        assert clip.media_reference.name == f"s1 take {shown}"
        assert plain.run("pick", path, "s1", 1, "--local").returncode == 0
        assert plain.run("assemble", path, "--local").returncode == 0


@pytest.fixture
def tale(tmp_path, monkeypatch):
    """A story of three scenes in a folder with an odd name, the first two of them stored, at 23.976."""
    folder = tmp_path / "50% 'Größe'"
    folder.mkdir()
    monkeypatch.chdir(folder)
    story = load_story(story_file(folder, 3, title=ODD))
    buy(story, 0)
    buy(story, 1)
    return story


def buy(story, place, *, seconds=1, take="1", start=()):
    """Put a scene's segment on record and on disk, as a run would have."""
    workspace = Workspace(Path(".storychain"))
    key, scene = keys(story, Facts("pictory", start=start))[place], story.scenes[place]
    file = workspace.segment(key)
    file.parent.mkdir(parents=True, exist_ok=True)
    make(file, seconds=seconds, fps="24000/1001")
    ledger = Ledger(workspace.ledger)
    price = Decimal(40)
    bought = ledger.admit(
        Purchase(key, "pictory", story.name, scene.id, "run", story.model, scene.seconds, scene.prompt, price, ()),
        Caps(),
        9,
    )
    assert isinstance(bought, Admitted)
    job = Job(f"job-{take}-{place}", "completed", url="https://x/y.mp4")
    ledger.submitted(bought.attempt, job.id)
    ledger.completed(bought.attempt, job)
    ledger.stored(bought.attempt, sha256_of(file), file.stat().st_size)
    ledger.close()
    return file.resolve()


@needs_otio
def test_export_writes_beside_the_film_and_says_what_is_missing(tale, capsys):
    for to in ("otio", "fcpxml", "edl", "csv"):
        assert main(["export", "tale.yaml", "--to", to]) == 0
        out, err = capsys.readouterr()
        assert Path(out.strip()) == Path(f"films/tale.{to}").resolve()
        assert err == "storychain: s3 is a gap: never bought\n"
    track = otio.adapters.read_from_file("films/tale.otio").tracks[0]
    assert [type(one).__name__ for one in track] == ["Clip", "Clip", "Gap"]
    assert track.duration().value == 24 + 24 + 96
    path = Path(unquote(urlsplit(track[1].media_reference.target_url).path))
    assert path == Workspace(Path(".storychain")).segment(keys(tale, Facts("pictory"))[1]).resolve()
    rows = rows_of(Path("films/tale.csv").read_text("utf-8"))
    assert [row["state"] for row in rows] == ["stored", "stored", "planned"]
    assert [row["job_id"] for row in rows] == ["job-1-0", "job-1-1", ""]
    assert rows[1]["sha256"] == sha256_of(path)


@needs_otio
def test_export_has_the_takes_that_a_scene_had_before(tale, capsys):
    scenes = [{"id": f"s{n}", "prompt": f"Scene number {n} of another tale."} for n in (1, 2)]
    changed = load_story(story_file(Path.cwd(), scenes, title=ODD))
    buy(changed, 0, take="2")
    assert main(["export", "tale.yaml", "--to", "csv", "--out", "out/sheet.csv"]) == 0
    rows = rows_of(Path("out/sheet.csv").read_text("utf-8"))
    told = [(row["scene"], row["take"], row["shown"], row["job_id"]) for row in rows]
    assert told == [
        ("s1", "2", "yes", "job-2-0"),
        ("s1", "1", "no", "job-1-0"),
        ("s2", "2", "no", ""),
        ("s2", "1", "no", "job-1-1"),
    ]
    assert main(["export", "tale.yaml", "--to", "otio"]) == 0
    first = otio.adapters.read_from_file("films/tale.otio").tracks[0][0]
    assert len(first.media_references()) == 2
    assert rows[0]["prompt"] == "Scene number 1 of another tale."
    assert rows[1]["prompt"] == "Scene number 1 of a tale by the sea."


def test_export_shows_segments_as_the_films_lock_file_says(tale):
    buy(tale, 2)
    named = zip(tale.scenes, keys(tale, Facts("pictory")), strict=True)
    shots = (Shot(0, 0, 24), Shot(1, 6, 24), Shot(2, 0, 24, 8, "fade"))
    form = Form("h264", 160, 90, FILM, "yuv420p", Fraction(1), False, "bt709", "ordinary")
    edit = Edit(form, shots, tuple(begins(shots)))
    told = stretches_of(edit, [Stretch("scene", scene.id, key=key) for scene, key in named])
    write_lock(Path("films/tale.mp4"), document(told))
    assert main(["export", "tale.yaml", "--to", "edl"]) == 0
    times = [event[4:] for event in events(Path("films/tale.edl").read_text("ascii"))]
    assert times[1] == ("00:00:00:06", "00:00:00:16", "01:00:01:00", "01:00:01:10")
    assert times[3] == ("00:00:00:00", "00:00:01:00", "01:00:01:10", "01:00:02:10")


def test_the_opening_is_the_first_clip_and_has_a_key_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opening = make(tmp_path / "start 'ü'.mp4", fps="25", size=(320, 180))
    story = load_story(story_file(tmp_path, 2, start={"video": opening.name, "include": True}))
    for place in range(2):
        buy(story, place, start=(f"sha256:{sha256_of(opening)}",))
    assert main(["export", "tale.yaml", "--to", "csv"]) == 0
    rows = rows_of(Path("films/tale.csv").read_text("utf-8"))
    assert [(row["scene"], row["kind"], row["shown"], row["begin_frame"]) for row in rows] == [
        ("opening", "opening", "yes", "0"),
        ("s1", "scene", "yes", "24"),
        ("s2", "scene", "yes", "48"),
    ]
    assert (rows[0]["rate"], rows[0]["file_rate"], rows[0]["file_frames"]) == ("23.976", "25", "25")
    assert (rows[0]["file"], rows[0]["sha256"]) == (str(opening), sha256_of(opening))
    name = hashlib.sha256(f"sha256:{sha256_of(opening)}".encode()).hexdigest()[:32]
    assert rows[0]["key"] == name == Workspace(Path(".storychain")).prepared(name).name


def test_what_failed_is_a_gap_with_its_reason_or_a_placeholder(tale, capsys):
    scenes = [{"id": f"s{n}", "prompt": f"Scene number {n} of a tale by the sea."} for n in (1, 2, 3)]
    key, scene = keys(tale, Facts("pictory"))[2], tale.scenes[2]
    ledger = Ledger(Workspace(Path(".storychain")).ledger)
    wanted = Purchase(key, "pictory", "tale", "s3", "run", tale.model, 4, scene.prompt, Decimal(40), ())
    bought = ledger.admit(wanted, Caps(), 9)
    ledger.submitted(bought.attempt, "job-3")
    ledger.failed(bought.attempt, Job("job-3", "failed", message="=the model broke"))
    ledger.close()
    for reaction, kind in (("stop", "scene"), ("placeholder", "placeholder")):
        story_file(Path.cwd(), [*scenes[:2], {**scenes[2], "on_failure": reaction}], title=ODD)
        assert main(["export", "tale.yaml", "--to", "csv"]) == 0
        assert "the model broke" in capsys.readouterr().err
        row = rows_of(Path("films/tale.csv").read_text("utf-8"))[2]
        assert (row["scene"], row["kind"], row["shown"]) == ("s3", kind, "no")


def test_export_leaves_out_a_file_that_cannot_be_read(tale, capsys):
    file = Workspace(Path(".storychain")).segment(keys(tale, Facts("pictory"))[1])
    file.write_bytes(b"<html>" + bytes(file.stat().st_size - 6))
    assert main(["export", "tale.yaml", "--to", "edl", "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert [one["scene"] for one in told["missing"]] == ["s2", "s3"]
    assert told["missing"][0]["reason"] == "its file cannot be read"
    assert (told["rate"], told["clips"]) == ("24000/1001", 1)
    assert "web page" in err


@needs_otio
def test_a_lock_file_leads_to_no_file_outside_the_workspace(tale, tmp_path):
    outside = make(tmp_path / "secret.mp4")
    first, second, _ = keys(tale, Facts("pictory"))
    named = [("s1", first), ("s2", second), ("s3", keys(tale, Facts("pictory"))[2])]
    for leading in (str(outside), "../../secret.mp4"):
        told = [Stretch("card", "title", 0, 24, file=leading)]
        told += [Stretch("scene", name, 24 * n, 24 * n + 24, key=key) for n, (name, key) in enumerate(named, 1)]
        write_lock(Path("films/tale.mp4"), document(told))
        for to in ("otio", "csv", "edl"):
            assert main(["export", "tale.yaml", "--to", to]) == 0
            assert "secret" not in Path(f"films/tale.{to}").read_text("utf-8")


@needs_otio
@pytest.mark.parametrize("to", ["otio", "fcpxml", "edl", "csv"])
def test_an_export_replaces_an_earlier_one_and_no_other_file(tale, capsys, to):
    there = {"towns.csv": "town,words\n", "films/tale.mp4": "A film.", "films/tale.lock.json": "{}"}
    Path("films").mkdir()
    for name, words in there.items():
        Path(name).write_text(words, "utf-8")
    before = {name: Path(name).read_bytes() for name in ("tale.yaml", *there)}
    for name in before:
        assert main(["export", "tale.yaml", "--to", to, "--out", name]) == 2
        assert f"{name}: a file is there, and it is no {to} that was exported before" in capsys.readouterr().err
    assert {name: Path(name).read_bytes() for name in before} == before
    Path("empty").touch()
    for name in ("cut.x", "cut.x", "empty"):
        assert main(["export", "tale.yaml", "--to", to, "--out", name]) == 0


def test_a_folder_that_cannot_be_written_is_a_mistake_of_the_command_line(tale, capsys):
    for name in ("tale.yaml/cut.csv", "/proc/cut.csv"):
        assert main(["export", "tale.yaml", "--to", "csv", "--out", name]) == 2
        said = capsys.readouterr().err
        assert f"{Path(name).parent}: cannot be written" in said
        assert "Let --out name a file in a folder that is there" in said


def test_nothing_to_export_is_an_error_with_a_way_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    story_file(tmp_path, 1)
    assert main(["export", "tale.yaml", "--to", "csv"]) == 2
    assert "no segment is here" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["tale.yaml"]


def test_without_opentimelineio_the_way_to_get_it_is_told(tale):
    lacking = Path("lacking")
    lacking.mkdir()
    (lacking / "opentimelineio.py").write_text("raise ImportError('not here')\n")
    command = [sys.executable, "-m", "storychain", "export", "tale.yaml", "--to"]
    environ = {**os.environ, "PYTHONPATH": str(lacking.resolve())}
    done = subprocess.run([*command, "otio"], env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'storychain[otio]'" in done.stderr
    assert not Path("films/tale.otio").exists()


@needs_otio
def test_five_hundred_scenes_take_a_moment():
    others = (Take("other", 2, media=media("other")),)
    told = film(*(item(f"s{n}", 168, first=24, blend=12 if n else 0, others=others) for n in range(500)))
    before = time.process_time()
    for write in (otio_text, fcpxml_text, edl_texts, csv_text):
        assert write(told)
    assert time.process_time() - before < 3


# Content credentials


def certificate(name, key, issuer, issuing, *, root, ends=1):
    """A PEM certificate for `key`, signed by `issuing`; valid until `ends` days from now."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes as digests
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def called(cn):
        who = ((NameOID.ORGANIZATION_NAME, "Tests"), (NameOID.COMMON_NAME, cn))
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in who])

    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(not root, False, False, False, False, root, root, False, False)
    made = (
        x509.CertificateBuilder(called(issuer), called(name), key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=ends))
        .add_extension(x509.BasicConstraints(root, None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuing.public_key()), critical=False)
    )
    if not root:
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        made = made.add_extension(usages, critical=True)
    return made.sign(issuing, digests.SHA256()).public_bytes(serialization.Encoding.PEM)


def secret(key, form="PKCS8"):
    """A private key as PEM; `TraditionalOpenSSL` is the older way of writing it."""
    from cryptography.hazmat.primitives import serialization

    way = getattr(serialization.PrivateFormat, form)
    return key.private_bytes(serialization.Encoding.PEM, way, serialization.NoEncryption())


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    """A folder with a signer's chain and key, the root they come from, and two that may not sign."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    folder = tmp_path_factory.mktemp("identity")
    above, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("Root", above, "Root", above, root=True)
    (folder / "root.pem").write_bytes(root)
    (folder / "chain.pem").write_bytes(certificate("Signer", own, "Root", above, root=False) + root)
    (folder / "key.pem").write_bytes(secret(own))
    (folder / "expired.pem").write_bytes(certificate("Signer", own, "Root", above, root=False, ends=-1) + root)
    (folder / "authority.pem").write_bytes(certificate("Root", own, "Root", own, root=True))
    others = {
        "older": (own, "TraditionalOpenSSL"),
        "p384": (ec.generate_private_key(ec.SECP384R1()), "PKCS8"),
        "rsa": (rsa.generate_private_key(65537, 2048), "TraditionalOpenSSL"),
        "ed25519": (ed25519.Ed25519PrivateKey.generate(), "PKCS8"),
        "unknown": (ec.generate_private_key(ec.SECP256K1()), "PKCS8"),
    }
    for name, (key, form) in others.items():
        (folder / f"{name}.pem").write_bytes(certificate(name, key, "Root", above, root=False) + root)
        (folder / f"{name}.key").write_bytes(secret(key, form))
    return folder


def signed(identity, path, *ingredients, title=ODD):
    sign_film(path, ingredients, identity / "chain.pem", identity / "key.pem", title)
    return path


def credentials(identity, path):
    trust = {"trust": {"user_anchors": (identity / "root.pem").read_text()}}
    with c2pa.Context.from_dict(trust) as context, c2pa.Reader(path, context=context) as reader:
        assert reader.get_validation_state() == "Trusted"
        return reader.get_active_manifest()


def test_a_signed_film_names_its_segments_and_that_a_model_made_them(tmp_path, identity):
    with_marks, without = signed(identity, make(tmp_path / "a.mp4")), make(tmp_path / "b 'ü%.mp4")
    joined = make(tmp_path / "film.mp4", seconds=2, options=("-movflags", "+faststart"))
    before = hashes(joined)
    assert [carries_c2pa(path) for path in (with_marks, without, joined)] == [True, False, False]
    signed(identity, joined, Ingredient(with_marks, "s1"), Ingredient(without, "s2 'ü"))
    assert carries_c2pa(joined)
    assert hashes(joined) == before
    manifest = credentials(identity, joined)
    assert manifest["title"] == ODD
    assert [(one["title"], one["relationship"]) for one in manifest["ingredients"]] == [
        ("s1", "componentOf"),
        ("s2 'ü", "componentOf"),
    ]
    assert ["active_manifest" in one for one in manifest["ingredients"]] == [True, False]
    actions = next(one["data"]["actions"] for one in manifest["assertions"] if "actions" in one["label"])
    assert [one["action"] for one in actions] == ["c2pa.created", "c2pa.placed"]
    assert actions[0]["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert len(actions[1]["parameters"]["ingredients"]) == 2
    assert not list(tmp_path.glob(".making-*"))


@pytest.mark.parametrize("kind", ["older", "p384", "rsa", "ed25519"])
def test_films_are_signed_with_every_usual_kind_of_key(tmp_path, identity, kind):
    path = make(tmp_path / "film.mp4", sound=None)
    sign_film(path, [], identity / f"{kind}.pem", identity / f"{kind}.key", "x")
    assert credentials(identity, path)["signature_info"]["common_name"] == kind


def test_a_film_with_footage_of_ones_own_is_called_a_composite(tmp_path, identity):
    webm = make(tmp_path / "own.webm", video=("-c:v", "libvpx"), sound=None)
    path = signed(identity, make(tmp_path / "film.mp4"), Ingredient(webm, "opening", generated=False))
    manifest = credentials(identity, path)
    assert [one["title"] for one in manifest["ingredients"]] == ["opening"]
    assert "compositeWithTrainedAlgorithmicMedia" in json.dumps(manifest["assertions"])


@pytest.mark.parametrize(
    ("cert", "key", "says"),
    [
        ("root.pem", "key.pem", "this is not the key of"),
        ("key.pem", "key.pem", "no PEM certificate chain"),
        ("chain.pem", "chain.pem", "this private key cannot be used"),
        ("chain.pem", "none.pem", "cannot be read"),
        (".", "key.pem", "cannot be read"),
        ("unknown.pem", "unknown.key", "no signatures of this kind"),
        ("expired.pem", "key.pem", "cannot be signed"),
        ("authority.pem", "key.pem", "cannot be signed"),
    ],
)
def test_what_cannot_sign_leaves_the_film_as_it_was(tmp_path, identity, cert, key, says):
    path = make(tmp_path / "film.mp4", sound=None)
    before = path.read_bytes()
    with pytest.raises((UsageError, MediaError), match=says):
        sign_film(path, [], identity / cert, identity / key, "x")
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["film.mp4"]


def test_a_film_that_is_none_is_not_signed(tmp_path, identity):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"\x00\x00\x00\x08ftyp" + bytes(100))
    with pytest.raises(MediaError, match="cannot be signed"):
        signed(identity, path)


def box(kind, content, *, wide=False):
    if wide:
        return (1).to_bytes(4, "big") + kind + (len(content) + 16).to_bytes(8, "big") + content
    return (len(content) + 8).to_bytes(4, "big") + kind + content


MARK = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


@pytest.mark.parametrize(
    ("content", "carries"),
    [
        (box(b"ftyp", b"isom") + box(b"uuid", MARK + b"manifest"), True),
        (box(b"ftyp", b"isom") + box(b"mdat", bytes(99), wide=True) + box(b"uuid", MARK, wide=True), True),
        (box(b"ftyp", b"isom") + (0).to_bytes(4, "big") + b"uuid" + MARK, True),
        (box(b"ftyp", b"isom") + box(b"uuid", bytes(16)), False),
        (box(b"ftyp", b"isom") + box(b"mdat", box(b"uuid", MARK)), False),
        (box(b"ftyp", b"isom") + (0).to_bytes(4, "big") + b"mdat" + box(b"uuid", MARK), False),
        ((3).to_bytes(4, "big") + b"uuid" + MARK, True),
        (b"\x00\x00\x00\x01uuid", False),
        (b"", False),
        (b"\x00" * 7, False),
    ],
)
def test_credentials_are_found_by_their_box(tmp_path, content, carries):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    assert carries_c2pa(path) is carries


def test_what_is_not_there_carries_no_credentials(tmp_path):
    assert not carries_c2pa(tmp_path / "none.mp4")
    assert not carries_c2pa(tmp_path)


def test_a_run_with_a_certificate_signs_its_film_and_locks_the_signed_bytes(tmp_path, identity):
    async def play():
        async with stage(tmp_path) as at:
            pair = (identity / "chain.pem", identity / "key.pem")
            path = story_file(tmp_path, 2)
            outcome = await at.render(path, certificate=pair)
            again = await at.render(path, certificate=pair)
            assert (outcome.status, again.status, at.counts["accepted"]) == ("done", "done", 2)
            return outcome.film

    film = asyncio.run(play())
    assert [one["title"] for one in credentials(identity, film)["ingredients"]] == ["tale/s1", "tale/s2"]
    lock = json.loads(film.with_suffix(".lock.json").read_text())
    assert lock["film"]["sha256"] == hashlib.sha256(film.read_bytes()).hexdigest()
    assert [one["scene"] for one in lock["stretches"]] == ["s1", "s2"]
    assert lock["credits"] == 80
