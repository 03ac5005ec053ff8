"""Tiny test videos whose frames carry their numbers, with a flash and a beep each second; and how to read them back.

A frame's number is written in its top fifth as 12 black and white blocks, most significant first. Half way through
each second of a clip one frame is white below, and a beep begins with it.
"""

from __future__ import annotations

import subprocess
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe

BITS = 12
RATE = 48_000


def ffmpeg(*argv: str, stdin: bytes | None = None, cwd: Path | None = None) -> bytes:
    """Run the wheel's ffmpeg; its stdout."""
    command = [get_ffmpeg_exe(), "-y", "-hide_banner", "-loglevel", "error", *argv]
    return subprocess.run(command, input=stdin, capture_output=True, check=True, timeout=60, cwd=cwd).stdout


def make(
    path: Path,
    *,
    seconds: float = 1.0,
    fps: str = "24",
    size: tuple[int, int] = (160, 90),
    first: int = 0,
    video: tuple[str, ...] = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"),
    sound: tuple[str, ...] | None = ("-c:a", "aac", "-b:a", "128k"),
    channels: int = 2,
    rate: int = RATE,
    sound_seconds: float | None = None,
    delay: float = 0.0,
    options: tuple[str, ...] = (),
) -> Path:
    """Write a clip of numbered frames, counted from `first`; `delay` is of its sound, in seconds."""
    frames = round(Fraction(seconds) * Fraction(fps))
    raw = b"".join(picture(first + n, flash=is_flash(n, Fraction(fps)), size=size).tobytes() for n in range(frames))
    pictures = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{size[0]}x{size[1]}", "-r", fps, "-i", "pipe:0"]
    if sound is None:
        ffmpeg(*pictures, *video, *options, str(path.absolute()), stdin=raw)
        return path
    beeps = path.with_name(path.name + ".wav")
    write_beeps(beeps, sound_seconds or seconds, Fraction(fps), channels=channels, rate=rate)
    hearing = [*(["-itsoffset", str(delay)] if delay else []), "-i", str(beeps.absolute())]
    ffmpeg(*pictures, *hearing, "-map", "0:v", "-map", "1:a", *video, *sound, *options, str(path.absolute()), stdin=raw)
    beeps.unlink()
    return path


def is_flash(n: int, fps: Fraction) -> bool:
    return n in {flash_frame(second, fps) for second in (int(n / fps) - 1, int(n / fps), int(n / fps) + 1)}


def flash_frame(second: int, fps: Fraction) -> int:
    return round((second + Fraction(1, 2)) * fps)


def picture(number: int, *, flash: bool, size: tuple[int, int]) -> np.ndarray:
    """One grey frame, an array of height by width bytes."""
    width, height = size
    frame = np.empty((height, width), np.uint8)
    frame[:] = (np.arange(width)[None, :] + np.arange(height)[:, None] + 5 * number) % 128 + 32
    if flash:
        frame[height // 2 :] = 255
    for bit in range(BITS):
        block = slice(bit * width // BITS, (bit + 1) * width // BITS)
        frame[: height // 5, block] = 235 if number >> (BITS - 1 - bit) & 1 else 16
    return frame


def write_beeps(path: Path, seconds: float, fps: Fraction, *, channels: int, rate: int) -> None:
    """A WAV with a beep of 1 kHz over 50 ms at each flash."""
    samples = np.zeros(round(seconds * rate), np.int16)
    for second in range(int(seconds) + 1):
        begin = round(flash_frame(second, fps) / fps * rate)
        if begin < len(samples):
            tone = 24_000 * np.cos(2 * np.pi * 1000 * np.arange(round(0.05 * rate)) / rate)
            samples[begin : begin + len(tone)] = tone[: len(samples) - begin].astype(np.int16)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.repeat(samples[:, None], channels, 1).tobytes())


def numbers(path: Path) -> list[int]:
    """The numbers of all frames of a video, as shown."""
    return [_number(frame) for _, frame in _greys(path)]


def flashes(path: Path) -> list[float]:
    """Seconds at which flashes are shown."""
    return [time for time, frame in _greys(path) if frame[frame.shape[0] * 5 // 8 :].mean() > 225]


def _greys(path: Path):
    with av.open(str(path)) as opened:
        for frame in opened.decode(video=0):
            yield float(frame.time or 0), frame.to_ndarray(format="gray")


def _number(frame: np.ndarray) -> int:
    height, width = frame.shape
    number = 0
    for bit in range(BITS):
        middle = (2 * bit + 1) * width // (2 * BITS)
        number = number << 1 | int(frame[height // 20 : height // 7, middle - 2 : middle + 3].mean() > 128)
    return number


def heard(path: Path) -> np.ndarray:
    """The sound as float samples of 48 kHz mono, as players hear it."""
    raw = ffmpeg("-i", str(path.absolute()), "-map", "0:a", "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-")
    return np.frombuffer(raw, np.int16) / 32_768


def beeps(path: Path) -> list[float]:
    """Seconds at which beeps begin."""
    loud = np.flatnonzero(np.abs(heard(path)) > 0.3)
    return [float(at) / RATE for at, gap in zip(loud, np.diff(loud, prepend=-RATE), strict=True) if gap > RATE // 5]


def hashes(path: Path) -> list[str]:
    """One hash for each decoded frame."""
    lines = ffmpeg("-i", str(path.absolute()), "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-")
    return [line.rsplit(",", 1)[1].strip() for line in lines.decode().splitlines() if not line.startswith("#")]
