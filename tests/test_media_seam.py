"""Seams on a grid of made footage: speeds, damage by coding, and all ways in which a segment can begin."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from storychain.media.seam import HEIGHT, WIDTH, find_seam, grey_frames
from tests import clips


@cache
def footage(frames: int, *, speed: float, seed: int = 1) -> np.ndarray:
    """A landscape of soft shapes that the camera passes, with two things moving in it."""
    rng = np.random.default_rng(seed)
    waves = rng.uniform(0.02, 0.25, (14, 2)) * rng.choice([-1, 1], (14, 2))
    heights, phases = rng.uniform(4, 22, 14), rng.uniform(0, 6.28, 14)
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    shown = []
    for n in range(frames):
        across = x + speed * n
        frame = 120 + sum(
            h * np.sin(a * across + b * y + p) for (a, b), h, p in zip(waves, heights, phases, strict=True)
        )
        for k in range(2):
            away = (x - (20 + 40 * k + 1.7 * speed * n) % WIDTH) ** 2 + (
                y - 27 - 15 * np.sin(0.05 * speed * n + k)
            ) ** 2
            frame = np.where(away < 60, 220 - 180 * k, frame)
        shown.append(frame)
    return np.array(np.clip(shown, 0, 255), np.uint8)


def worn(frames: np.ndarray, damage: str) -> np.ndarray:
    """What coding anew, or a grading, does to pictures."""
    rng = np.random.default_rng(7)
    pictures = frames.astype(float)
    if damage == "noise":
        pictures += rng.normal(0, 4, pictures.shape)
    if damage == "blur":
        pictures = (pictures + np.roll(pictures, 1, 1) + np.roll(pictures, 1, 2) + np.roll(pictures, -1, 2)) / 4
    if damage == "bright":
        pictures = pictures * 0.85 + 25
    return np.array(np.clip(pictures, 0, 255), np.uint8)


DAMAGES = ["none", "noise", "blur", "bright"]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("speed", [0.7, 1.5, 4.0])
@pytest.mark.parametrize("overlap", [2, 3, 8, 24, 48])
def test_repeated_frames_are_counted(overlap, speed, damage):
    film = footage(96 + 72, speed=speed)
    found = find_seam(film[:96], worn(film[96 - overlap :], damage))
    assert (found.kind, found.frames) == ("repeated", overlap)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("speed", [0.2, 0.7, 1.5, 4.0])
@pytest.mark.parametrize("overlap", [0, 1])
def test_what_goes_straight_on_is_never_cut(overlap, speed, damage):
    film = footage(96 + 72, speed=speed)
    found = find_seam(film[:96], worn(film[96 - overlap :], damage))
    assert (found.kind, found.frames) == ("tail", 0)


@pytest.mark.parametrize("damage", DAMAGES)
def test_still_footage_is_never_cut(damage):
    film = np.repeat(footage(1, speed=0), 168, 0)
    assert find_seam(film[:96], worn(film[96:], damage)).kind in {"tail", "frozen"}
    assert find_seam(film[:96], worn(film[96:], damage)).frames == 0


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("speed", [0.7, 1.5, 4.0])
def test_a_merged_video_is_known(speed, damage):
    film = footage(96 + 72, speed=speed)
    found = find_seam(film[:96], worn(film, damage))
    assert (found.kind, found.frames) == ("merged", 96)


@pytest.mark.parametrize("still", [4, 12, 30])
@pytest.mark.parametrize("speed", [0.7, 1.5, 4.0])
def test_a_frozen_head_is_counted(speed, still):
    film = footage(96 + 72, speed=speed)
    after = np.concatenate([np.repeat(film[95:96], still, 0), film[96:]])
    found = find_seam(film[:96], after)
    assert found.kind == "frozen"
    assert found.frames == still


@pytest.mark.parametrize("seed", range(2, 8))
def test_other_footage_is_unrelated(seed):
    found = find_seam(footage(96, speed=1.5), footage(72, speed=1.5, seed=seed))
    assert (found.kind, found.frames) == ("unrelated", 0)


def test_frames_of_a_video_are_read_small_and_grey(tmp_path):
    frames = grey_frames(clips.make(tmp_path / "a.mp4", seconds=1, sound=None))
    assert frames.shape == (24, HEIGHT, WIDTH)
    assert frames.dtype == np.uint8
