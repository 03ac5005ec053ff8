"""A few frames of a prepared picture, small and grey: enough to tell what goes on where two segments meet.

What lives here: decoding no more than is asked for, and shrinking. What may not: any judgement.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

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
    from numpy.typing import NDArray

_AREA = 160 * 90
"""Pixels of a frame, about; small enough to be quick, large enough to tell a step from standing still."""

_GRID = 8
"""Both sides are multiples of it: frames are halved twice, and cut into blocks."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture file says of itself: frames a second, how many frames, and the size to look at them in."""

    fps: Fraction
    frames: int
    size: tuple[int, int]

    @property
    def seconds(self) -> Fraction:
        """Its length."""
        return self.frames / self.fps


def header(picture: Path) -> Header:
    """Look at a prepared picture without decoding it. Raises MediaError."""
    with _opened(picture) as opened:
        stream = opened.streams.video[0]
        aspect = stream.codec_context.width / stream.codec_context.height
        width = max(2, round((_AREA * aspect) ** 0.5 / _GRID)) * _GRID
        height = max(2, round((_AREA / aspect) ** 0.5 / _GRID)) * _GRID
        return Header(nearest_usual(stream.average_rate or Fraction(24)), stream.frames, (width, height))


def glance(picture: Path, begin: int, end: int, *, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Frames `begin` up to `end` of a prepared picture as n by height by width bytes; those that there are.

    Frames before `begin` are decoded only as far as others are made from them. Raises MediaError, also where there is
    none.
    """
    shown: dict[int, NDArray[np.uint8]] = {}
    with _opened(picture) as opened:
        stream = opened.streams.video[0]
        stream.thread_type = "AUTO"
        fps, base = nearest_usual(stream.average_rate or Fraction(24)), stream.time_base or Fraction(1)
        zero = stream.start_time or 0
        first = zero + round(begin / fps / base)
        opened.seek(max(zero, first), stream=stream, backward=True)
        for packet in opened.demux(stream):
            early = packet.pts is not None and packet.pts < first
            stream.codec_context.skip_frame = "NONREF" if early else "DEFAULT"
            for frame in packet.decode():
                number = round(((frame.pts or 0) - zero) * base * fps)
                if begin <= number < end:
                    small = frame.reformat(*size, "gray", interpolation="AREA")
                    shown[number] = np.asarray(small.to_ndarray(), np.uint8)
            if end - 1 in shown:
                break
    if not shown:
        raise MediaError(
            "there are no frames in this picture where they should be", where=str(picture), next_step=AGAIN
        )
    return np.array([shown[number] for number in sorted(shown)], np.uint8).reshape(-1, size[1], size[0])


@contextmanager
def _opened(picture: Path) -> Iterator[InputContainer]:
    """The file, confined; whatever libav says about it becomes an error for a person."""
    try:
        with av.open(str(picture.absolute()), format="mov", options=CONFINED) as opened:
            if not opened.streams.video:
                raise MediaError("there is no picture in this file", where=str(picture), next_step=AGAIN)
            yield opened
    except (FFmpegError, OSError) as error:
        raise MediaError("this picture cannot be read", where=str(picture), next_step=AGAIN) from error
