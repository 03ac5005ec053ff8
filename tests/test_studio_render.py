"""The stand-in segments themselves: length, size, seams, sound, words. Real ffmpeg on small pictures."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from storychain.lettering.lines import TEXT, Face, draw_line, drawable, length, wrap
from storychain.studio.animatic.card import _fitted
from storychain.studio.animatic.look import World, look_for
from storychain.studio.animatic.render import render
from storychain.studio.animatic.shot import Shot, Source, size_of
from storychain.studio.animatic.stills import develop
from storychain.studio.records import Media
from tests.studio_client import FFMPEG, in_loop


async def _rendered(folder: Path, prompt: str, *, ratio: str = "16:9", seconds: int = 4, **more: object) -> Media:
    folder.mkdir(parents=True)
    width, height = size_of(ratio, 0.25)
    media = Media(*(folder / name for name in ("segment.mp4", "last.png", "thumbnail.jpg", "preview.jpg")))
    shot = Shot(prompt=prompt, model="pixverse5.5", seconds=seconds, width=width, height=height, **more)  # type: ignore[arg-type]
    await render(shot, media.video, ffmpeg=FFMPEG, scratch=folder, on_frame=lambda _: None)
    develop(*media.files())
    return media


def _frames(path: Path) -> list[np.ndarray]:
    with av.open(path) as container:
        return [frame.to_ndarray(format="yuv420p").astype(np.float64) for frame in container.decode(video=0)]


def _sound(path: Path) -> np.ndarray:
    with av.open(path) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def _psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((first - second) ** 2))))


@pytest.mark.parametrize("ratio", ["16:9", "9:16", "1:1", "4:3", "3:4"])
def test_every_ratio_is_exact_in_length_and_size(tmp_path, ratio):
    @in_loop
    async def make():
        media = await _rendered(tmp_path / "a", "A caravan of camels walks the dunes.", ratio=ratio)
        with av.open(media.video) as container:
            picture, sound = container.streams.video[0], container.streams.audio[0]
            wide, high = map(int, ratio.split(":"))
            assert abs(picture.width / picture.height - wide / high) < 0.02
            assert (picture.codec_context.name, picture.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert (sound.codec_context.name, sound.rate, sound.channels) == ("aac", 48000, 2)
            assert picture.frames == 96
            assert picture.average_rate == 24
        assert len(_frames(media.video)) == 96
        with Image.open(media.last_frame) as last:
            assert last.size == size_of(ratio, 0.25)

    make()


@in_loop
async def test_a_segment_begins_with_the_last_frame_of_what_it_extends_and_moves_on(tmp_path):
    first = await _rendered(tmp_path / "a", "Dawn over the sea, a boat leaves the harbour.")
    second = await _rendered(tmp_path / "b", "Night falls on the city.", extends=Source("extendVideoUrl", first.video))
    third = await _rendered(
        tmp_path / "c", "Snow in the pines.", first_image=Source("firstFrameImageUrl", second.last_frame)
    )
    pictures = [_frames(media.video) for media in (first, second, third)]
    assert _psnr(pictures[1][0], pictures[0][-1]) > 40
    assert _psnr(pictures[2][0], pictures[1][-1]) > 38  # by way of an RGB image
    assert _psnr(pictures[1][24], pictures[0][-1]) < 25
    assert _psnr(pictures[1][1], pictures[0][-1]) > _psnr(pictures[1][12], pictures[0][-1])


@in_loop
async def test_a_world_goes_on_through_a_chain(tmp_path):
    first = await _rendered(tmp_path / "a", "Hills in the morning, a road.")
    second = await _rendered(tmp_path / "b", "Hills in the morning, a road.", extends=Source("v", first.video))
    before, after = _frames(first.video)[-1], _frames(second.video)[22]
    assert _psnr(before, after) > 22, "the land before and after the dissolve is the same land"


@in_loop
async def test_the_same_request_gives_the_same_bytes(tmp_path):
    digests = set()
    for name in ("a", "b"):
        media = await _rendered(tmp_path / name, "A storm breaks over the lighthouse.")
        digests.add(tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in (media.video, media.last_frame)))
    assert len(digests) == 1


@in_loop
async def test_the_sound_neither_clicks_nor_stops(tmp_path):
    media = await _rendered(tmp_path / "a", "A quiet meadow in spring.")
    sound = _sound(media.video)
    assert abs(sound.shape[1] - 4 * 48000) <= 2048
    assert 0.003 < np.sqrt(np.mean(sound**2)) < 0.3
    assert np.abs(sound).max() < 0.9
    assert np.abs(np.diff(sound[:, 1024:-2048], axis=1)).max() < 0.06


@in_loop
async def test_references_are_seen(tmp_path):
    red = tmp_path / "red.png"
    Image.new("RGB", (300, 200), (230, 20, 20)).save(red)
    plain = await _rendered(tmp_path / "a", "A quiet meadow in spring.")
    with_print = await _rendered(tmp_path / "b", "A quiet meadow in spring.", references=(Source("r", red),))
    corner = slice(0, 80), slice(220, 320)
    assert _psnr(_frames(plain.video)[48][corner], _frames(with_print.video)[48][corner]) < 20


@pytest.mark.parametrize("told", ["bt709", "smpte170m"])
def test_what_extends_a_video_begins_in_its_colours_whatever_they_are_coded_by(tmp_path, told):
    width, height = size_of("16:9", 0.25)
    source, matrix = tmp_path / "green.mp4", "bt601" if told == "smpte170m" else told
    green = f"color=c=0x00ff00:s={width}x{height}:r=24:d=1,scale=out_color_matrix={matrix},format=yuv420p"
    coded = ["-c:v", "libx264", "-preset", "ultrafast", "-colorspace", told, str(source)]
    subprocess.run([FFMPEG, "-v", "error", "-f", "lavfi", "-i", green, *coded], check=True)

    @in_loop
    async def make():
        media = await _rendered(tmp_path / "a", "It goes on.", extends=Source("extendVideoUrl", source))
        with av.open(media.video) as container:
            first = next(container.decode(video=0)).to_ndarray(format="rgb24")
        assert first[..., 1].mean() > 245
        assert first[..., [0, 2]].mean() < 12

    make()


def test_lines_fit_and_are_cut_with_an_ellipsis():
    face = Face(TEXT, 22)
    lines = wrap("word " * 400, face, 300, 3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert all(length(line, face) <= 300 for line in lines)
    assert len(wrap("x" * 5000, face, 300, 4)) == 4
    assert wrap("   ", face, 300, 4) == []
    assert len(wrap("灯台守は嵐の海を見つめている。" * 4, face, 300, 9)) > 1


@pytest.mark.parametrize("text", ["Grüße aus Łódź", "Ветер моря", "العاصفة فوق البحر", "Ἀνατολή", "100 € · ½ — “so”"])
def test_words_of_many_scripts_are_drawn_and_not_as_boxes(text):
    face = Face(TEXT, 24)
    drawn, boxes = Image.new("RGBA", (400, 40)), Image.new("RGBA", (400, 40))
    draw_line(drawn, (4, 30), text, face, (255, 255, 255, 255))
    draw_line(boxes, (4, 30), "\U0010fffe" * len(text), face, (255, 255, 255, 255))
    assert drawn.getbbox()
    assert drawn.tobytes() != boxes.tobytes()
    assert length(text, face) > 20


def test_a_long_prompt_is_cut_after_a_whole_sentence():
    sentence = "She climbs the stairs with a lantern in her hand and looks out over the sea. "
    face, lines = _fitted((sentence * 9).strip(), 1.0, 800)
    assert len(lines) <= 4
    assert lines[-1].endswith("sea. …")
    assert face.size >= 22


def test_letters_that_no_font_has_are_left_out_and_never_boxes():
    face = Face(TEXT, 24)
    assert drawable("A boat \U0010fffe leaves.", face) == "A boat  leaves."
    assert drawable("\U0010fffe" * 20, face) == ""


@pytest.mark.parametrize(
    ("prompt", "mood", "terrain"),
    [
        ("The storm breaks over the sea.", "storm", "sea"),
        ("The storm has passed; daylight on the sea.", "dawn", "sea"),
        ("Neon streets at night.", "night", "city"),
        ("Snow between the pines of the forest.", "snow", "forest"),
        ("Dunes at noon under a bright sky.", "day", "desert"),
        ("Coffee in the kitchen, warm lamplight.", "lamp", "room"),
    ],
)
def test_words_become_light_and_land(prompt, mood, terrain):
    look = look_for(prompt, World(7))
    assert (look.mood, look.terrain) == (mood, terrain)


def test_a_world_is_found_again_in_its_tag():
    world = World(123456789, 192, "sea", lighthouse=True)
    assert World.read(f"x {world.tag()} y") == world
    assert World.read("anything else") is None
