"""Frames out of prepared pictures, small and by their numbers: what all measuring here is done on.

What lives here: decoding from any frame on, shrinking, and the scale of code values. What may not: any judgement.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import av
import numpy as np
from av.error import FFmpegError

from storychain.errors import MediaError
from storychain.media.form import nearest_usual
from storychain.media.probe import CONFINED
from storychain.media.walk import AGAIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from storychain.media.prepare import Prepared

AREA = 160 * 90
"""Pixels of a small frame, whatever its shape: enough to tell movement from noise, few enough to be quick."""

_FULL_RANGE = 2
_BT601 = (5, 6)
_BT2020 = (9, 10)

Matrix = Literal["bt601", "bt709", "bt2020"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A stretch of a prepared segment as a film shows it.

    Its picture's frames `begin` up to `end` (None: to the last), and the same stretch of its `sound`, a WAV of 48 kHz
    stereo s16 that begins with the picture.
    """

    picture: Path
    sound: Path
    begin: int = 0
    end: int | None = None

    @classmethod
    def of(cls, prepared: Prepared, begin: int = 0, end: int | None = None) -> Shown:
        """A stretch of what `prepare` made."""
        return cls(prepared.picture, prepared.sound, begin, end)


@dataclass(frozen=True, slots=True)
class Coding:
    """How code values stand for light: `bits` each, over the full range or the studio's, by which colour matrix."""

    bits: int
    full_range: bool
    matrix: Matrix


@dataclass(frozen=True, slots=True)
class Facts:
    """What a picture file's header says: its size in pixels, frames a second, how many frames, and their coding."""

    width: int
    height: int
    fps: Fraction
    frames: int
    coding: Coding

    @property
    def small(self) -> tuple[int, int]:
        """Width and height of its small frames: the same shape, about `AREA` pixels."""
        width = max(16, round((AREA * self.width / self.height) ** 0.5))
        return width, max(16, round(AREA / width))


def facts_of(picture: Path) -> Facts:
    """Look at a prepared picture; no frame is decoded. Raises MediaError."""
    with _opened(picture) as opened:
        stream = opened.streams.video[0]
        code = stream.codec_context
        fps = _rate_of(stream)
        # libav gives its numbers for what the stream says; what it leaves open is BT.709 to every player.
        space = int(code.colorspace)
        matrix: Matrix = "bt601" if space in _BT601 else "bt2020" if space in _BT2020 else "bt709"
        full = int(code.color_range) == _FULL_RANGE or (code.pix_fmt or "").startswith("yuvj")
        bits = code.format.components[0].bits if code.format else 8
        return Facts(code.width, code.height, fps, stream.frames, Coding(bits, full, matrix))


def decoded(
    picture: Path, begin: int = 0, end: int | None = None, *, loosely: int = 0
) -> Iterator[tuple[int, VideoFrame]]:
    """Frames `begin` up to `end` of a prepared picture with their numbers, decoded from the key frame before on.

    Frames before `begin` are decoded, and those before number `loosely` come, only as far as others are made from them.
    Raises MediaError where the file cannot be read, or has none of them.
    """
    with _opened(picture) as opened:
        stream = opened.streams.video[0]
        stream.thread_type = "AUTO"
        fps = _rate_of(stream)
        base, zero = stream.time_base, stream.start_time or 0
        assert base is not None
        first = zero + int(begin / fps / base)
        if begin:
            opened.seek(first, stream=stream, backward=True)
        found = False
        for frame in _from(opened, stream, zero + int(max(begin, loosely) / fps / base)):
            number = round((frame.pts - zero) * base * fps) if frame.pts is not None else 0
            if number < begin:
                continue
            if end is not None and number >= end:
                break
            found = True
            yield number, frame
    if not found:
        raise MediaError(f"there is no frame {begin} in this picture", where=str(picture), next_step=AGAIN)


def _from(opened: InputContainer, stream: VideoStream, first: int) -> Iterator[VideoFrame]:
    """Decoded frames; of those shown before `first` only some."""
    for packet in opened.demux(stream):
        early = packet.pts is not None and packet.pts < first
        stream.codec_context.skip_frame = "NONREF" if early else "DEFAULT"
        yield from packet.decode()


def _rate_of(stream: VideoStream) -> Fraction:
    """The usual rate that a constant rate, as the header has it, is meant to be."""
    return nearest_usual(stream.average_rate or Fraction(24))


@contextmanager
def _opened(picture: Path) -> Iterator[InputContainer]:
    """The file, confined; whatever libav says about it becomes an error for a person."""
    try:
        with av.open(str(picture.absolute()), format="mov", options=CONFINED) as opened:
            if not opened.streams.video:
                raise MediaError("there is no picture in this file", where=str(picture), next_step=AGAIN)
            yield opened
    except FFmpegError as error:
        raise MediaError("this picture cannot be read", where=str(picture), next_step=AGAIN) from error


def shrunk(frame: VideoFrame, size: tuple[int, int], *, full_range: bool) -> NDArray[np.uint8]:
    """Planes Y, U and V of a frame averaged down to `size` (width, height), as 3 by height by width code values.

    8 bit code values of the file's own range: more bits are scaled down, the range is left as it is.
    """
    told = "JPEG" if full_range else "MPEG"
    small = frame.reformat(*size, "yuv444p", interpolation="AREA", src_color_range=told, dst_color_range=told)
    return np.asarray(small.to_ndarray(), np.uint8)


def luma(frame: VideoFrame, longest: int, *, full_range: bool) -> NDArray[np.float32]:
    """The luma of a frame in levels, no side longer than `longest` pixels; for what only fine detail tells."""
    scale = min(1.0, longest / max(frame.width, frame.height))
    width, height = (max(16, 2 * round(side * scale / 2)) for side in (frame.width, frame.height))
    return levels(grey(frame, (width, height), full_range=full_range), full_range=full_range)


def grey(frame: VideoFrame, size: tuple[int, int], *, full_range: bool) -> NDArray[np.uint8]:
    """Luma of a frame averaged down to `size` (width, height, both even): 8 bit code values of the file's own range."""
    told = "JPEG" if full_range else "MPEG"
    planes = frame.reformat(*size, "yuv420p", interpolation="AREA", src_color_range=told, dst_color_range=told)
    return np.asarray(planes.to_ndarray(), np.uint8)[: size[1]]


def levels(codes: NDArray[np.uint8], *, full_range: bool) -> NDArray[np.float32]:
    """Luma code values as levels from 0 (black) to 255 (white); beyond where the file goes beyond."""
    wide = codes.astype(np.float32)
    return wide if full_range else np.asarray((wide - 16) * np.float32(255 / 219), np.float32)
