"""Seams between made segments: every way in which a later segment can begin, and what must never be cut."""

from __future__ import annotations

import asyncio
import hashlib
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from storychain.errors import MediaError
from storychain.media.prepare import prepare
from storychain.media.seam import Seam, find_seam
from storychain.media.tool import find_ffmpeg
from tests import clips

FFMPEG = find_ffmpeg(os.environ)
WIDTH, HEIGHT = 320, 180

DAMAGES: dict[str, tuple[str, ...]] = {
    "clean": ("-crf", "20"),
    "crf 30": ("-crf", "30"),
    "scaled": ("-crf", "22", "-vf", "scale=iw*0.95:-2:flags=bicubic"),
    "brighter": ("-crf", "22", "-vf", "lutyuv=y=val+3"),
}
"""What a provider may do to frames that it sends back."""

VARIABLE = ("-vf", "select='not(eq(mod(n,7),3))'", "-fps_mode", "vfr")


def segment(
    folder: Path, name: str, frames: np.ndarray, *options: str, fps: str = "24", codec: tuple[str, ...] = ()
) -> Path:
    """Grey frames (n by height by width) as a prepared picture; one -vf goes after another.

    Where the rate varies it is `prepare` that evens it out; else it would only copy.
    """
    filters = [options[at + 1] for at, option in enumerate(options) if option == "-vf"]
    rest = [part for at, part in enumerate(options) if part != "-vf" and (at == 0 or options[at - 1] != "-vf")]
    joined = ["-vf", ",".join(filters)] if filters else []
    height, width = frames.shape[1:]
    raw = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{width}x{height}", "-r", fps, "-i", "pipe:0"]
    coder = [*(codec or ("-c:v", "libx264", "-preset", "superfast")), "-pix_fmt", "yuv420p"]
    made = folder / f"{name}.mov"
    clips.ffmpeg(*raw, *joined, *coder, *rest, str(made), stdin=np.ascontiguousarray(frames).tobytes())
    return asyncio.run(prepare(FFMPEG, made, folder / name)).picture if "vfr" in rest else made


KEPT: dict[str, Path] = {}


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where prepared segments that several tests begin with are kept."""
    return tmp_path_factory.mktemp("before")


def kept(shelf: Path, frames: np.ndarray, *options: str, fps: str = "24") -> Path:
    """A segment, made only once."""
    name = hashlib.sha256(repr((frames.shape, options, fps)).encode() + frames.tobytes()).hexdigest()[:16]
    if name not in KEPT:
        KEPT[name] = segment(shelf, name, frames, *options, fps=fps)
    return KEPT[name]


def seam(shelf: Path, folder: Path, before: np.ndarray, after: np.ndarray, *damage: str, fps: str = "24") -> Seam:
    """The seam found between two stretches of frames, encoded and prepared as segments are."""
    return find_seam(kept(shelf, before, "-crf", "18", fps=fps), segment(folder, "after", after, *damage, fps=fps))


@cache
def landscape(seed: int = 1) -> Image.Image:
    """Shapes and fine texture, larger than a frame, to move a camera over."""
    rng = np.random.default_rng(seed)
    wide, high = 900, 480
    image = Image.new("L", (wide, high), 120)
    draw = ImageDraw.Draw(image)
    for _ in range(140):
        x, y, size = rng.integers(0, wide), rng.integers(0, high), rng.uniform(5, 70)
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((x, y, x + size * rng.uniform(0.4, 1.5), y + size), fill=int(rng.integers(30, 225)))
    texture = Image.fromarray(rng.normal(0, 6, (high // 2, wide // 2)).astype(np.float32)).resize((wide, high))
    return Image.fromarray(
        np.clip(np.asarray(image.filter(ImageFilter.GaussianBlur(1)), float) + texture, 0, 255).astype(np.uint8)
    )


def view(x: float, y: float, zoom: float = 1.0, seed: int = 1) -> np.ndarray:
    whole = landscape(seed)
    return np.asarray(
        whole.transform((WIDTH, HEIGHT), Image.Transform.AFFINE, (zoom, 0, x, 0, zoom, y), Image.Resampling.BICUBIC)
    )


@cache
def footage(kind: str, frames: int = 168) -> np.ndarray:
    """Frames of one kind of movement."""
    return np.array([frame(kind, n).astype(np.uint8) for n in range(frames)])


@cache
def walk() -> np.ndarray:
    """Where a hand holds a camera, in pixels, frame by frame."""
    return np.cumsum(np.random.default_rng(3).normal(0, 1.2, (200, 2)), axis=0)


def frame(kind: str, n: int) -> np.ndarray:
    turn = 2 * np.pi * n / 24
    camera = {
        "pan": (40 + 1.3 * n, 60 + 0.3 * n),
        "slow pan": (40 + 0.5 * n, 60),
        "fast pan": (20 + 3.2 * n, 60),
        "zoom": (60 + 0.4 * n, 40 + 0.2 * n, 1.6 - 0.003 * n),
        "shake": (200 + walk()[n, 0], 120 + walk()[n, 1]),
        "loop": (150 + 30 * np.sin(turn), 100 + 20 * np.cos(turn)),
        "letterbox": (40 + 1.1 * n, 60),
    }
    shown = view(*camera.get(kind, (60, 60)))
    if kind == "grain":
        return np.clip(shown + np.random.default_rng(n).normal(0, 6, shown.shape), 0, 255)
    if kind == "letterbox":
        shown = shown.copy()
        shown[:24] = shown[-24:] = 16
    if kind == "small thing":
        rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
        return np.where(np.hypot(columns - 20 - 1.5 * n, rows - 90 - 30 * np.sin(n / 20)) < 5, 235, shown)
    return shown


def later(film: np.ndarray, repeated: int, *, at: int = 80, more: int = 30) -> np.ndarray:
    """What follows frame `at` of a film, with so many frames before it once more."""
    return film[at - repeated : at + more]


CASES = [
    (kind, repeated, damage)
    for number, kind in enumerate(["pan", "slow pan", "fast pan", "zoom"])
    for turn, repeated in enumerate([0, 1, 2, 11, 48])
    if (number + turn) % 2 or repeated < 2
    for damage in [list(DAMAGES)[(number + turn) % len(DAMAGES)]]
]


@pytest.mark.parametrize(("kind", "repeated", "damage"), CASES)
def test_repeated_frames_are_counted(shelf, tmp_path, kind, repeated, damage):
    film = footage(kind)
    found = seam(shelf, tmp_path, film[:80], later(film, repeated), *DAMAGES[damage])
    assert (found.kind, found.frames) == ("repeated" if repeated else "tail", repeated)
    assert found.confidence > 0.5


@pytest.mark.parametrize("damage", ["clean", "brighter"])
@pytest.mark.parametrize("kind", ["pan", "zoom"])
def test_a_frozen_head_is_counted(shelf, tmp_path, kind, damage):
    film = footage(kind)
    frozen = np.concatenate([np.repeat(film[79:80], 24, 0), film[80:110]])
    found = seam(shelf, tmp_path, film[:80], frozen, *DAMAGES[damage])
    assert (found.kind, found.frames) == ("frozen", 24)


def test_a_frozen_stretch_after_repeated_frames_goes_as_well(shelf, tmp_path):
    film = footage("pan")
    found = seam(shelf, tmp_path, film[:80], np.concatenate([film[70:80], np.repeat(film[79:80], 14, 0), film[80:110]]))
    assert (found.kind, found.frames) == ("repeated", 24)


@pytest.mark.parametrize(("length", "damage"), [(80, "clean"), (80, "crf 30"), (30, "brighter"), (9, "clean")])
def test_a_merged_video_is_known(shelf, tmp_path, length, damage):
    film = footage("pan")
    found = seam(shelf, tmp_path, film[:length], film[: length + 40], *DAMAGES[damage])
    assert (found.kind, found.frames) == ("merged", length)


@pytest.mark.parametrize("repeated", [0, 1, 2, 9, 48])
def test_footage_of_varying_rate(shelf, tmp_path, repeated):
    film = footage("pan")
    one = kept(shelf, film[:80], *VARIABLE)
    found = find_seam(one, segment(tmp_path, "after", later(film, repeated), *VARIABLE))
    assert (found.kind, found.frames) == ("repeated" if repeated else "tail", repeated)


@pytest.mark.parametrize("repeated", [0, 1, 8, 40])
@pytest.mark.parametrize(("fps", "faster"), [(("24", "30"), "fps=30"), (("30", "24"), "fps=24")])
def test_rates_that_differ(shelf, tmp_path, fps, faster, repeated):
    film = footage("pan")
    one = kept(shelf, film[:80], fps=fps[0])
    other = segment(tmp_path, "after", later(film, repeated), "-vf", faster, fps=fps[0])
    new = repeated * int(fps[1]) / int(fps[0])
    found = find_seam(one, other)
    assert found.frames == pytest.approx(new, abs=0.76)
    assert found.kind == ("repeated" if repeated else "tail")


def test_hevc_of_another_size(shelf, tmp_path):
    film = footage("pan")
    one = kept(shelf, film[:80])
    coder = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none")
    other = segment(tmp_path, "after", later(film, 6), "-vf", "scale=256:144", codec=coder)
    assert find_seam(one, other).frames == 6


@pytest.mark.parametrize(("length", "repeated"), [(2, 1), (5, 0), (12, 3), (12, 0), (12, 1)])
def test_very_short_segments(shelf, tmp_path, length, repeated):
    film = footage("pan")[:60]
    found = seam(shelf, tmp_path, film[20 - length : 20], film[20 - repeated : 26])
    assert found.frames in ({0, repeated} if length < 6 else {repeated})


def faded(film: np.ndarray, light: np.ndarray) -> np.ndarray:
    return np.clip(16 + (film.astype(float) - 16) * light[:, None, None], 0, 255).astype(np.uint8)


def flashing(film: np.ndarray, every: int) -> np.ndarray:
    lit = film.copy()
    lit[::every, HEIGHT // 3 :] = 235
    return lit


def never_cut() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pairs that go on, or show something else; whatever they look like."""
    pan, still, shake = footage("pan"), footage("still"), footage("shake")
    other = np.array([view(300 - 1.1 * n, 90, seed=2) for n in range(60)])
    black = np.full_like(pan[:60], 16)
    down, up = np.linspace(1, 0, 24), np.linspace(0, 1, 24)
    end, fade_in = np.ones(80), np.ones(60)
    end[-24:], fade_in[:24] = down, up
    doubled = np.repeat(pan, 2, 0)
    pause = np.concatenate([pan[:80], np.repeat(pan[79:80], 30, 0), pan[80:]])
    moved_on = np.concatenate([pan[:80], np.repeat(pan[79:80], 60, 0)])
    return {
        "a cut": (pan[:80], other),
        "a cut just before": (np.concatenate([other[:40], pan[40:80]]), pan[80:120]),
        "a cut one frame before": (np.concatenate([other, pan[79:80]]), pan[80:120]),
        "a cut just after": (pan[:80], np.concatenate([pan[80:82], other])),
        "nothing moves": (still[:80], still[:40]),
        "grain on what stands still": (footage("grain")[:80], footage("grain")[80:130]),
        "a fade through black": (faded(pan[:80], end), faded(pan[80:140], fade_in)),
        "black after a fade": (faded(pan[:80], end), np.concatenate([black[:20], pan[100:130]])),
        "black": (black, black[:40]),
        "a loop": (footage("loop")[:80], footage("loop")[80:140]),
        "a strobe": (flashing(pan, 2)[:80], flashing(pan, 2)[80:140]),
        "flashes over a still": (flashing(still, 9)[:80], flashing(still, 9)[80:140]),
        "a pan back": (pan[:80], pan[79::-1][1:50]),
        "a hand-held camera": (shake[:80], shake[80:130]),
        "frames in pairs": (doubled[:81], doubled[81:140]),
        "frames in pairs, whole": (doubled[:80], doubled[80:140]),
        "a pause that goes on": (pause[:90], pause[90:150]),
        "an end that stands still": (moved_on[:100], moved_on[100:140]),
        "a small thing": (footage("small thing")[:80], footage("small thing")[80:130]),
        "letterbox": (footage("letterbox")[:80], footage("letterbox")[80:130]),
    }


@pytest.mark.parametrize("name", list(never_cut()))
def test_real_footage_is_never_cut(shelf, tmp_path, name):
    before, after = never_cut()[name]
    found = seam(shelf, tmp_path, before, after, "-crf", "24")
    assert found.frames == 0
    assert found.kind in {"tail", "unrelated"}


def test_what_shows_something_else_is_unrelated(shelf, tmp_path):
    before, after = never_cut()["a cut"]
    assert seam(shelf, tmp_path, before, after).kind == "unrelated"


def test_what_cannot_be_read_is_an_error_of_ours(tmp_path):
    (tmp_path / "a.mov").write_bytes(b"no video")
    with pytest.raises(MediaError, match="cannot be read"):
        find_seam(tmp_path / "a.mov", tmp_path / "a.mov")
    with pytest.raises(MediaError, match="cannot be read"):
        find_seam(tmp_path / "absent.mov", tmp_path / "a.mov")
