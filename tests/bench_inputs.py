"""Segments to measure with: 8 s of moving, noisy pictures and sound, whose frames and flashes can be read back.

They are made by ffmpeg, H.264 with B-frames and a key frame every 2 s, and AAC, some 4 Mbit/s in all; numbers, flashes
and beeps are where `clips` has them, so that its reading applies.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from tests import clips

FPS = 24
SECONDS = 8
FRAMES = FPS * SECONDS
GOP_SECONDS = 2
SIZE = (1280, 720)

_BED = "anoisesrc=c=pink:a=0.1:d=8:r=48000:s={place},tremolo=f=0.5[n];sine=f={pitch}:r=48000:d=8[s];[n][s]amix"
"""What is heard under the beeps, well below what counts as one."""

_DRAWN = (
    "[0:v]drawbox=y=ih/2:h=ih/2:t=fill:color=white:enable='eq(mod(n\\,{fps})\\,{half})'[p];"
    "[1:v]scale={width}:{top}:flags=neighbor,format=yuv420p[b];[p][b]overlay,format=yuv420p[v];"
    "[2:a][3:a]amix=normalize=0[a]"
)


def segment(folder: Path, place: int, *, size: tuple[int, int] = SIZE, fps: int = FPS) -> Path:
    """The segment of a place in the film, made unless it is in the folder already.

    Its frames are numbered for a film of 24 frames a second, at whatever rate they come: brought to that rate, the
    numbers are those of the others.
    """
    path = folder / f"segment {place} {size[1]} {fps}.mp4"
    if path.exists():
        return path
    width, height = size
    shown = range(fps * SECONDS)
    numbers = np.array([place * FRAMES + round(Fraction(n * FPS, fps)) for n in shown])
    bits = numbers[:, None] >> np.arange(clips.BITS - 1, -1, -1) & 1
    beeps = folder / f"beeps {place}.wav"
    clips.write_beeps(beeps, SECONDS, Fraction(fps), channels=2, rate=clips.RATE)
    pictures = f"testsrc2=s={width}x{height}:r={fps}:d={SECONDS},hue=h={30 * place},noise=alls=6:allf=t"
    graph = _DRAWN.format(fps=fps, half=fps // 2, width=width, top=height // 5)
    aside = path.with_suffix(".part")
    clips.ffmpeg(
        *("-f", "lavfi", "-i", pictures),
        *("-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{clips.BITS}x1", "-r", str(fps), "-i", "pipe:0"),
        *("-i", str(beeps), "-f", "lavfi", "-i", _BED.format(place=place, pitch=110 * (place + 1))),
        *("-filter_complex", graph, "-map", "[v]", "-map", "[a]", "-frames:v", str(len(shown)), "-t", str(SECONDS)),
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "22", "-bf", "3", "-g", str(GOP_SECONDS * fps)),
        *("-keyint_min", str(GOP_SECONDS * fps), "-sc_threshold", "0", "-c:a", "aac", "-b:a", "160k"),
        *("-f", "mp4", str(aside)),
        stdin=np.where(bits, 235, 16).astype(np.uint8).tobytes(),
    )
    beeps.unlink()
    return aside.rename(path)
