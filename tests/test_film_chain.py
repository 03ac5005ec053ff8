"""The film as the chain makes it: what came back more than once is shown once, on record, and made anew for nothing."""

import asyncio
import json

import av
import numpy as np
import pytest
from PIL import Image

from storychain.chain import events as ev
from storychain.chain.assembling import assemble_all
from storychain.media.room import FfmpegRoom
from storychain.media.tool import find_ffmpeg
from storychain.story import load_story
from tests import clips
from tests.stage import BARE, FFMPEG, frames_of, stage, story_file

SECONDS, RATE = 4, 24
NOWHERE = "http://127.0.0.1:9/pictoryapis"


def rendered(tmp_path, scenes, *, times=1, **options):
    """What came of a story, and the seams in its ledger."""

    async def play():
        async with stage(tmp_path, **options) as at:
            path = story_file(tmp_path, scenes)
            for _ in range(times):
                outcome = await at.render(path)
            with at.ledger._database.reading() as rows:
                seams = [dict(row) for row in rows.execute("SELECT * FROM seams ORDER BY rowid")]
            said = [event.message for event in at.told if isinstance(event, ev.Noticed)]
            return outcome, seams, said

    return asyncio.run(play())


def test_segments_that_go_on_are_shown_whole(tmp_path):
    outcome, seams, said = rendered(tmp_path, 3)
    assert frames_of(outcome.film) == 3 * SECONDS * RATE
    assert all(seam["frames"] <= 1 for seam in seams)  # the studio begins with the very frame it continues
    assert not said


def test_a_video_that_holds_the_one_before_it_is_shown_from_where_it_is_new(tmp_path):
    outcome, seams, said = rendered(tmp_path, 2, faults={"media.merged": "@2"})
    assert frames_of(outcome.film) == 2 * SECONDS * RATE
    assert [(seam["kind"], seam["frames"]) for seam in seams] == [("merged", SECONDS * RATE)]
    assert any("whole video before it" in words for words in said)


def test_a_video_sent_back_as_it_was_is_told_and_leaves_one_frame(tmp_path):
    outcome, seams, said = rendered(tmp_path, 3, faults={"media.same": "@2"})
    assert outcome.status == "done"
    assert [(seam["kind"], seam["frames"]) for seam in seams] == [("merged", SECONDS * RATE), ("tail", 0)]
    assert frames_of(outcome.film) == 2 * SECONDS * RATE + 1
    assert [words for words in said if "nothing in it is new" in words] == [
        "it is the video before it once more, and nothing in it is new; all but its last frame is left out"
    ]


def test_repeated_frames_are_shown_once(tmp_path):
    outcome, seams, said = rendered(tmp_path, 2, faults={"media.repeat": "@2"})
    assert [seam["kind"] for seam in seams] == ["repeated"]
    assert seams[0]["frames"] in (12, 13)  # the studio's segment begins with the frame it continues
    assert frames_of(outcome.film) == 2 * SECONDS * RATE - seams[0]["frames"]
    assert any("repeat what was shown" in words for words in said)


def test_what_lies_beside_a_film_is_made_and_told(tmp_path):
    async def play():
        film = {"formats": ["1:1", "gif"], "fade_out": "0.5s", "title_card": {"text": "A Tale"}}
        scenes = [{"id": "s1", "prompt": "Scene number 1 of a tale by the sea.", "caption": "Once"}]
        async with stage(tmp_path) as at:
            outcome = await at.render(story_file(tmp_path, scenes, film=film))
            (beside,) = [event for event in at.told if isinstance(event, ev.Beside)]
            return outcome, beside

    outcome, beside = asyncio.run(play())
    assert outcome.status == "done"
    assert frames_of(outcome.film) == (SECONDS + 3) * RATE
    names = ["srt", "vtt", "poster.jpg", "sheet.jpg", "1x1.mp4", "gif"]
    assert [path.name for path in beside.paths] == [f"tale.{name}" for name in names]
    assert all(path.stat().st_size > 100 or path.suffix in (".srt", ".vtt") for path in beside.paths)
    lock = json.loads(outcome.film.with_suffix(".lock.json").read_text())
    assert [(one["kind"], one["begin"], one["end"]) for one in lock["stretches"]] == [("card", 0, 3), ("scene", 3, 7)]


def test_what_lay_beside_the_film_before_goes_with_it_but_nothing_of_somebody_elses(tmp_path):
    async def play():
        scenes = [{"id": "s1", "prompt": "Scene number 1 of a tale by the sea.", "caption": "Once"}]
        async with stage(tmp_path) as at:
            asked = {**BARE, "poster": True, "formats": ["hls", "1:1"]}
            film = (await at.render(story_file(tmp_path, scenes, film=asked))).film
            stream = film.with_suffix(".hls")
            assert (stream / "master.m3u8").exists()
            (stream / "notes.txt").write_text("mine")
            film.with_suffix(".notes.srt").write_text("mine")
            del scenes[0]["caption"]
            assert (await at.render(story_file(tmp_path, scenes, film={**BARE, "formats": ["1:1"]}))).status == "done"
            assert [one.name for one in stream.iterdir()] == ["notes.txt"]
            left = sorted(one.name for one in film.parent.iterdir())
            assert left == ["tale.1x1.mp4", "tale.hls", "tale.lock.json", "tale.mp4", "tale.notes.srt"]
            assert at.counts["accepted"] == 1

    asyncio.run(play())


@pytest.mark.parametrize(
    ("own", "film", "seam"),
    [("none", "fade", None), ("fade-black", None, "fadeblack"), (None, "wipe-up", "wipeup")],
)
def test_the_first_scene_follows_the_title_card_by_its_own_transition(tmp_path, own, film, seam):
    async def play():
        scenes = [{"id": "s1", "prompt": "Scene number 1 of a tale by the sea."}]
        if own:
            scenes[0]["transition"] = own
        dressed = {**BARE, "title_card": {"text": "A Tale"}} | ({"transition": film} if film else {})
        async with stage(tmp_path) as at:
            made = (await at.render(story_file(tmp_path, scenes, film=dressed))).film
            return json.loads(made.with_suffix(".lock.json").read_text())["stretches"]

    _, scene = asyncio.run(play())
    assert (scene["transition"] or {}).get("name") == seam
    assert scene["begin"] == (2.5 if seam else 3)


def test_a_clip_that_follows_a_title_card_by_a_transition_is_as_loud_as_one_that_does_not(tmp_path):
    loud = tmp_path / "loud.mp4"
    picture, tone = "testsrc2=s=160x90:r=24:d=4", "sine=f=300:r=48000:d=4,volume=4"
    sources = ("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone)
    clips.ffmpeg(*sources, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", str(loud))

    async def play():
        start = {"video": str(loud), "include": True}
        levels = []
        async with stage(tmp_path) as at:
            for transition in ("none", "fade"):
                dressed = {**BARE, "match": "loudness", "title_card": {"text": "A Tale"}, "transition": transition}
                film = (await at.render(story_file(tmp_path, 1, start=start, film=dressed))).film
                heard = clips.heard(film)[4 * clips.RATE : 6 * clips.RATE]
                levels.append(float(np.sqrt((heard**2).mean())))
        return levels

    alone, blended = asyncio.run(play())
    assert blended == pytest.approx(alone, rel=0.05)
    assert alone < 0.1  # and quieter than it came, by far


@pytest.mark.parametrize(("asked", "told"), [(-14, False), (-5, True)])
def test_a_film_that_cannot_become_as_loud_as_asked_says_so(tmp_path, asked, told):
    async def play():
        async with stage(tmp_path) as at:
            await at.render(story_file(tmp_path, 1, film={**BARE, "loudness": asked}))
            return [event.message for event in at.told if isinstance(event, ev.Noticed) and "LUFS" in event.message]

    said = asyncio.run(play())
    assert len(said) == told
    assert all(f"LUFS, not {asked}" in words for words in said)


def test_what_is_written_over_the_film_is_set_for_each_shape_that_is_cut_out_of_it(tmp_path):
    """A card's words, a burned caption and the watermark: none is cut off, and no frame or sound is lost by it."""
    logo = tmp_path / "logo.png"
    Image.new("RGB", (60, 40), (230, 20, 20)).save(logo)

    async def play():
        scenes = [{"id": "s1", "prompt": "Scene 1.", "caption": "She climbs the long spiral stairs, lantern up."}]
        dressed = {
            **BARE,
            "title_card": {"text": "The Lighthouse Keeper of Norway", "duration": "2s"},
            "transition": "fade",
            "subtitles": "burned",
            "watermark": {"file": str(logo), "corner": "top-left", "opacity": 100},
            "formats": ["9:16"],
        }
        async with stage(tmp_path) as at:
            return (await at.render(story_file(tmp_path, scenes, film=dressed))).film

    film = asyncio.run(play())
    tall = film.with_name("tale.9x16.mp4")
    assert frames_of(tall) == frames_of(film)
    assert clips.heard(tall) == pytest.approx(clips.heard(film))
    with av.open(str(tall)) as opened:
        shown = [frame.to_ndarray(format="rgb24").astype(int) for frame in opened.decode(video=0)]
    height, width, _ = shown[0].shape
    assert width < height
    red = (shown[24][..., 0] > 150) & (shown[24][..., 1] < 90)
    assert red[: height // 6, : width // 2].sum() > width * height / 500
    title = (shown[24].min(axis=2) > 120) & ~red
    caption = (shown[3 * 24].min(axis=2) > 235)[height // 2 :]
    for words, least in ((title, 0.5), (caption, 0.3)):
        across = np.flatnonzero(words.any(axis=0))
        assert width * 0.02 < across[0] < across[-1] < width * 0.98
        assert across[-1] - across[0] > width * least


@pytest.mark.parametrize("lost", ["tale.1x1.mp4", "tale.poster.jpg", "tale.lock.json"])
def test_what_is_missing_beside_a_film_is_made_again_for_nothing(tmp_path, lost):
    async def play():
        path = story_file(tmp_path, 1, film={"formats": ["1:1"], "loudness": "off"})
        async with stage(tmp_path) as at:
            film = (await at.render(path)).film
            data = film.read_bytes()
            written = [event.seconds for event in at.told if isinstance(event, ev.Copying)]
            assert written == sorted(written)
            assert written[-1] == pytest.approx(SECONDS, abs=0.1)
            before = dict(at.counts)
            film.with_name(lost).unlink()
            assert (await at.render(path)).status == "done"
            assert film.with_name(lost).exists()
            assert film.read_bytes() == data
            assert dict(at.counts) == before

    asyncio.run(play())


def test_a_lock_file_never_speaks_of_a_film_that_is_gone(tmp_path):
    async def play():
        async with stage(tmp_path) as at:
            film = (await at.render(story_file(tmp_path, 1))).film
            lock = film.with_suffix(".lock.json")
            before = lock.read_text()
            in_the_way = film.with_name("tale.1x1.mp4")
            asked = story_file(tmp_path, 1, title="Another Tale", film={"formats": ["1:1"], "loudness": "off"})

            def obstruct(event):
                if isinstance(event, ev.FilmReady):
                    in_the_way.mkdir()
                    (in_the_way / "kept").touch()

            assert (await at.render(asked, tell=obstruct)).status == "stopped"
            assert not lock.exists()
            data = film.read_bytes()
            assert (await at.render(asked)).status == "stopped"  # seen now before anything is made
            assert film.read_bytes() == data
            (in_the_way / "kept").unlink()
            in_the_way.rmdir()
            assert (await at.render(asked)).status == "done"
            assert lock.read_text() != before
            assert at.counts["accepted"] == 1

    asyncio.run(play())


def test_what_is_drawn_anew_is_drawn_while_later_scenes_are_made(tmp_path):
    """And the film is the same as if it had been drawn at the end."""

    async def play():
        async with stage(tmp_path, latency=2.0) as at:
            dressed = {"transition": "fade", "title_card": {"text": "Hi"}, "fade_out": "1s"}
            path = story_file(tmp_path, 3, film={**BARE, **dressed})
            ahead = set()

            def tell(event):
                if isinstance(event, ev.Stored) and event.scene == "s3":
                    ahead.update(at.workspace.root.rglob("piece-*.mov"))

            film = (await at.render(path, tell=tell)).film
            before = film.read_bytes()
            film.unlink()
            for one in at.workspace.root.rglob("piece-*.mov"):
                one.unlink()
            again = (await at.render(path)).film
            assert again.read_bytes() == before
            # All of it was of use, and the rest belongs to the end.
            assert ahead
            assert ahead < set(at.workspace.root.rglob("piece-*.mov"))
            assert at.counts["accepted"] == 3

    asyncio.run(play())


def test_what_was_found_is_not_looked_for_again(tmp_path):
    _, seams, said = rendered(tmp_path, 2, times=2, faults={"media.repeat": "@2"})
    assert len(seams) == 1
    assert len(said) == 1


@pytest.mark.parametrize("lost", ["", pytest.param("s2", marks=pytest.mark.slow)])
def test_a_film_is_made_anew_from_what_is_stored(desk, lost):
    path = story_file(desk.folder, 3)
    assert desk.run("run", path, "--yes").returncode == 0
    film = desk.folder / "films" / "tale.mp4"
    before = film.read_bytes()
    film.unlink()
    if lost:
        status = json.loads(desk.run("status", path, "--json").stdout)
        segment = next(one["path"] for one in status["stories"][0]["segments"] if one["scene"] == lost)
        (desk.folder / segment).unlink()
        refused = desk.run("assemble", path, PICTORY_API_BASE_URL=NOWHERE)
        assert refused.returncode == 3
        assert "not every segment is stored: s2" in refused.stderr
        assert not film.exists()
        return
    made = desk.run("assemble", path, PICTORY_API_BASE_URL=NOWHERE, PICTORY_API_KEY=None)
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip() == str(film)
    assert film.read_bytes() == before


def made_twice(tmp_path, *, film=None, room=None, **options):
    """A film of three scenes as a run makes it, while its last segment comes in, and as it is made of stored ones."""

    async def play():
        async with stage(tmp_path, **options) as at:
            path = story_file(tmp_path, 3, film=film or {})
            outcome = await at.render(path, **({"room": room} if room else {}))
            assert outcome.status == "done", outcome
            run = outcome.film.read_bytes()
            outcome.film.unlink()
            (again,) = await assemble_all(at.run(), [load_story(path)])
            return run, again.film.read_bytes()

    return asyncio.run(play())


@pytest.mark.parametrize("repeats", ["1", "@3"])
def test_the_sound_is_right_however_the_last_segment_begins(tmp_path, repeats):
    """It is joined before its pictures are looked at: at first as the ones before it began, else anew."""
    run, assembled = made_twice(tmp_path, faults={"media.repeat": repeats})
    assert run == assembled


class Twice(FfmpegRoom):
    """A cutting room to which every video comes a first time with other bytes, whose pictures turn out useless."""

    __slots__ = ()

    async def prepare(self, segment, folder, *, on_sound=None, **options):
        if on_sound is not None:
            other = clips.make(segment.with_name("other.mp4"), seconds=SECONDS, size=(160, 90))
            await super().prepare(other, folder, on_sound=on_sound)
            await asyncio.sleep(0.5)  # time to join the sound that is not going to be the one
        return await super().prepare(segment, folder, on_sound=on_sound, **options)


def test_the_sound_is_that_of_the_bytes_that_were_kept(tmp_path):
    run, assembled = made_twice(
        tmp_path, room=Twice(find_ffmpeg({"STORYCHAIN_FFMPEG": str(FFMPEG)})), film={"loudness": "off"}
    )
    assert run == assembled
