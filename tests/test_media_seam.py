"""Seams between made segments: every way in which a later segment can begin, and what must never be cut."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
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
from tests.telling import telling

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


@pytest.mark.parametrize(("kind", "repeated", "damage"), telling(CASES, CASES[::3]))
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


@pytest.mark.parametrize(("kind", "length", "damage"), [("pan", 96, "clean"), ("zoom", 95, "brighter")])
def test_a_video_that_is_sent_back_is_known(shelf, tmp_path, kind, length, damage):
    film = footage(kind)
    found = seam(shelf, tmp_path, film[:96], film[:length], *DAMAGES[damage])
    assert (found.kind, found.frames) == ("merged", length)
    assert found.confidence > 0.9


def test_the_same_file_is_known_by_its_frames_however_little_moves(shelf):
    for kind in ("small thing", "loop", "grain"):
        same = kept(shelf, footage(kind)[:72], "-crf", "18")
        assert (find_seam(same, same).kind, find_seam(same, same).frames) == ("merged", 72)


SIMILAR: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
    "begins one frame later": lambda: (footage("pan")[:96], footage("pan")[1:97]),
    "much shorter": lambda: (footage("pan")[:96], footage("pan")[:70]),
    "its last half second is new": lambda: (
        footage("pan")[:96],
        np.concatenate([footage("pan")[:84], elsewhere()[:12]]),
    ),
    "a loop that closes": lambda: split(footage("loop"), 72, 144),
    "stands still": lambda: split(footage("still"), 72, 144),
    "black": lambda: (black(72), black(72)),
    "grain on what stands still": lambda: split(footage("grain"), 72, 144),
}
"""Pairs of which nearly all is alike, and not a frame is to be left out for it."""


@pytest.mark.parametrize("name", SIMILAR)
def test_what_is_only_like_a_video_sent_back_is_kept(shelf, tmp_path, name):
    before, after = SIMILAR[name]()
    found = seam(shelf, tmp_path, before, after, "-crf", "24")
    assert found.kind != "merged"
    assert found.frames == 0


@pytest.mark.parametrize("repeated", [0, 1, 9, 48])
def test_footage_of_varying_rate(shelf, tmp_path, repeated):
    film = footage("pan")
    one = kept(shelf, film[:80], *VARIABLE)
    found = find_seam(one, segment(tmp_path, "after", later(film, repeated), *VARIABLE))
    assert (found.kind, found.frames) == ("repeated" if repeated else "tail", repeated)


@pytest.mark.parametrize("repeated", telling([0, 1, 40], {1}))
@pytest.mark.parametrize(("fps", "faster"), [(("24", "30"), "fps=30"), (("30", "24"), "fps=24")])
def test_rates_that_differ(shelf, tmp_path, fps, faster, repeated):
    film = footage("pan")
    one = kept(shelf, film[:80], fps=fps[0])
    other = segment(tmp_path, "after", later(film, repeated), "-vf", faster, fps=fps[0])
    new = repeated * int(fps[1]) / int(fps[0])
    found = find_seam(one, other)
    assert found.frames == pytest.approx(new, abs=0.76)
    assert found.kind == ("repeated" if repeated else "tail")


@pytest.mark.parametrize("length", [32, 80])
def test_a_merged_video_of_another_rate(shelf, tmp_path, length):
    film = footage("pan")
    other = segment(tmp_path, "after", film[: length + 40], "-vf", "fps=30")
    found = find_seam(kept(shelf, film[:length]), other)
    assert found.kind == "merged"
    assert found.frames == pytest.approx(length * 30 / 24, abs=1)


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


@cache
def elsewhere() -> np.ndarray:
    return np.array([view(300 - 1.1 * n, 90, seed=2) for n in range(60)])


def through_black() -> tuple[np.ndarray, np.ndarray]:
    down, up = np.ones(80), np.ones(60)
    down[-24:], up[:24] = np.linspace(1, 0, 24), np.linspace(0, 1, 24)
    return faded(footage("pan")[:80], down), faded(footage("pan")[80:140], up)


def black(frames: int) -> np.ndarray:
    return np.full((frames, HEIGHT, WIDTH), 16, np.uint8)


def split(film: np.ndarray, at: int = 80, end: int = 130) -> tuple[np.ndarray, np.ndarray]:
    return film[:at], film[at:end]


def stopping(film: np.ndarray, stands: int) -> np.ndarray:
    """A film that stands still from frame 80 on for a while."""
    return np.concatenate([film[:80], np.repeat(film[79:80], stands, 0), film[80:]])


def slowing() -> np.ndarray:
    """A camera that comes to rest, and moves off again later."""
    ways = np.concatenate([np.full(60, 1.4), np.linspace(1.4, 0, 20), np.zeros(12), np.linspace(0, 1.4, 20)])
    return np.array([view(40 + x, 60) for x in np.cumsum(ways)])


@cache
def clouds() -> np.ndarray:
    """Soft shapes of several sizes, twice as wide as a frame."""
    layers = []
    for seed, size in ((1, 30), (2, 12), (3, 5)):
        noise = np.random.default_rng(seed).normal(0, 40, (HEIGHT // size + 2, 2 * WIDTH // size + 2))
        layer = Image.fromarray(noise.astype(np.float32)).resize((2 * WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        layers.append(np.asarray(layer))
    return np.sum(layers, axis=0)


def lamp(first: int, count: int, phase: int, *, beat: int, drift: float, wide: int, blinks: bool) -> np.ndarray:
    """A lamp that swells or blinks on its beat before clouds that drift, above a sea that stands still."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    sea = 60 + np.random.default_rng(5).normal(0, 10, (HEIGHT, WIDTH))
    glow = np.exp(-(((columns - 230) / wide) ** 2) - ((rows - 60) / wide) ** 2)
    shown = []
    for n in range(first, first + count):
        whole, part = divmod(n * drift, 1)
        sky = clouds()[:, int(whole) :][:, : WIDTH + 1]
        sky = sky[:, :-1] * (1 - part) + sky[:, 1:] * part
        turn = (n + phase) % beat / beat
        light = float(turn < 0.5) if blinks else 0.5 + 0.5 * np.cos(2 * np.pi * turn)
        shown.append(np.where(rows < HEIGHT * 0.65, 60 + 0.6 * sky, sea) + 190 * light * glow)
    return np.clip(shown, 0, 255).astype(np.uint8)


def jumping(phase: int, **looks: float | bool) -> tuple[np.ndarray, np.ndarray]:
    """A lamp whose beat is another from the seam on, while the clouds drift on."""
    return lamp(0, 80, 0, **looks), lamp(80, 60, phase, **looks)


NEVER_CUT: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
    "a cut": lambda: (footage("pan")[:80], elsewhere()),
    "a cut just before": lambda: (np.concatenate([elsewhere()[:40], footage("pan")[40:80]]), footage("pan")[80:120]),
    "a cut one frame before": lambda: (np.concatenate([elsewhere(), footage("pan")[79:80]]), footage("pan")[80:120]),
    "a cut just after": lambda: (footage("pan")[:80], np.concatenate([footage("pan")[80:82], elsewhere()])),
    "nothing moves": lambda: split(footage("still")),
    "grain on what stands still": lambda: split(footage("grain")),
    "a fade through black": through_black,
    "black after a fade": lambda: (through_black()[0], np.concatenate([black(20), footage("pan")[100:130]])),
    "black": lambda: (black(60), black(40)),
    "a loop": lambda: split(footage("loop")),
    "a strobe": lambda: split(flashing(footage("pan"), 2)),
    "flashes over a still": lambda: split(flashing(footage("still"), 9)),
    "a pan back": lambda: (footage("pan")[:80], footage("pan")[79::-1][1:50]),
    "a hand-held camera": lambda: split(footage("shake")),
    "frames in pairs": lambda: split(np.repeat(footage("pan"), 2, 0), 81),
    "frames in pairs, whole": lambda: split(np.repeat(footage("pan"), 2, 0), 80),
    "a pause that goes on": lambda: split(stopping(footage("pan"), 30), 90, 150),
    "an end that stands still": lambda: split(stopping(footage("pan"), 60), 100, 140),
    "a camera that comes to rest": lambda: split(slowing(), 80, 112),
    "a camera nearly at rest": lambda: split(slowing(), 77, 112),
    "a small thing": lambda: split(footage("small thing")),
    "letterbox": lambda: split(footage("letterbox")),
    "a small lamp out of step": lambda: jumping(8, beat=24, drift=0.3, wide=13, blinks=False),
    "a lamp out of step": lambda: jumping(12, beat=24, drift=0.3, wide=35, blinks=False),
    "a quick lamp out of step": lambda: jumping(4, beat=12, drift=0.3, wide=13, blinks=False),
    "a lamp that blinks out of step": lambda: jumping(2, beat=12, drift=0.3, wide=13, blinks=True),
    "a slow lamp that blinks out of step": lambda: jumping(18, beat=36, drift=0.3, wide=13, blinks=True),
    "a lamp that goes on": lambda: jumping(0, beat=12, drift=0.3, wide=35, blinks=False),
}
"""Pairs that go on, or show something else, however much they look like repeating."""

TELLING = {
    "a lamp out of step",
    "a cut one frame before",
    "nothing moves",
    "a fade through black",
    "a loop",
    "a strobe",
    "a pan back",
}


@pytest.mark.parametrize("name", telling(NEVER_CUT, TELLING))
def test_footage_is_never_cut(shelf, tmp_path, name):
    before, after = NEVER_CUT[name]()
    found = seam(shelf, tmp_path, before, after, "-crf", "24")
    assert found.frames == 0
    assert found.kind in {"tail", "unrelated"}


@pytest.mark.parametrize(("repeated", "drift"), [(8, 0.0), (11, 0.0), (3, 0.3), (11, 0.3)])
def test_of_what_swings_on_a_beat_no_more_is_left_out_than_was_repeated(shelf, tmp_path, repeated, drift):
    looks = {"beat": 12, "drift": drift, "wide": 35, "blinks": False}
    found = seam(shelf, tmp_path, lamp(0, 80, 0, **looks), lamp(80 - repeated, 60, 0, **looks), "-crf", "22")
    assert (found.kind, found.frames) == ("repeated", repeated)


def test_what_shows_something_else_is_unrelated(shelf, tmp_path):
    before, after = NEVER_CUT["a cut"]()
    assert seam(shelf, tmp_path, before, after).kind == "unrelated"


def test_what_cannot_be_read_is_an_error_of_ours(tmp_path):
    (tmp_path / "a.mov").write_bytes(b"no video")
    with pytest.raises(MediaError, match="cannot be read"):
        find_seam(tmp_path / "a.mov", tmp_path / "a.mov")
    with pytest.raises(MediaError, match="cannot be read"):
        find_seam(tmp_path / "absent.mov", tmp_path / "a.mov")
