"""Sounds for tests: made, joined, decoded and measured; loudness by ffmpeg's own meter."""

from __future__ import annotations

import math
import re
import subprocess
import wave
from pathlib import Path

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe

from storychain.media.sound.join import joined, length_of
from storychain.media.sound.stretch import Heard
from tests import clips

RATE = 48_000


def write(path: Path, samples: np.ndarray) -> Path:
    """A prepared sound; mono arrays go to both channels."""
    both = np.repeat(samples[:, None], 2, axis=1) if samples.ndim == 1 else samples
    with wave.open(str(path), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(np.rint(both * 32_767).astype("<i2").tobytes())
    return path


def tone(frequency: float, seconds: float = 1.0, phase: float = 0.0, level: float = 0.5) -> np.ndarray:
    return level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE + phase)


def noise(seed: int, seconds: float = 1.0, level: float = 0.1) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal(round(seconds * RATE)).clip(-4, 4)


def bursts(seed: int, seconds: float, level: float) -> np.ndarray:
    """Something like speech: a buzzing voice, syllable by syllable, over a quiet room."""
    clock = np.arange(round(seconds * RATE)) / RATE
    syllables = np.clip(np.sin(2 * np.pi * 2.3 * clock + seed), 0, 1) ** 2 * (np.sin(0.9 * clock + seed) > -0.4)
    voice = np.tanh(2 * np.sin(2 * np.pi * (120 + 7 * seed) * clock + 3 * np.sin(2 * np.pi * 1.7 * clock)))
    return level * syllables * voice + noise(seed, seconds, 0.002)


def pulses(seconds: float, level: float) -> np.ndarray:
    """A voice with sharp peaks: 110 pulses a second that ring at 700 Hz, syllable by syllable."""
    clock = np.arange(round(seconds * RATE)) / RATE
    since = clock % (1 / 110)
    syllables = np.clip(np.sin(2 * np.pi * 2.3 * clock), 0, 1) ** 2
    return level * syllables * np.exp(-180 * since) * np.sin(2 * np.pi * 700 * since) / 0.5


def whole(*sounds: Path, overlap: int = 0) -> list[Heard]:
    return [Heard(sound, 0, length_of(sound), overlap if place else 0) for place, sound in enumerate(sounds)]


def samples(heard: list[Heard]) -> np.ndarray:
    return np.concatenate(list(joined(heard)))


def bend(sound: np.ndarray) -> float:
    """The sharpest bend: a click is one that the material has not."""
    return float(np.abs(np.diff(sound, 2, axis=0)).max())


def level(sound: np.ndarray) -> float:
    return 10 * math.log10(np.square(sound).mean())


def metered(path: Path) -> tuple[float, float]:
    """Integrated loudness and true peak of a file as ffmpeg's own meter tells them at its end."""
    argv = [get_ffmpeg_exe(), "-nostats", "-i", path, "-map", "0:a", "-af", "ebur128=peak=true", "-f", "null", "-"]
    said = subprocess.run(argv, capture_output=True, check=True, timeout=60).stderr.decode()
    summary = said[said.rindex("Summary:") :]
    loudness, peak = re.search(r"I:\s+(\S+) LUFS", summary), re.search(r"Peak:\s+(\S+) dBFS", summary)
    assert loudness
    assert peak
    return float(loudness[1]), float(peak[1])


def decoded(path: Path) -> np.ndarray:
    raw = clips.ffmpeg("-i", str(path), "-map", "0:a", "-f", "f32le", "-ac", "2", "-")
    return np.frombuffer(raw, "<f4").reshape(-1, 2)
