"""Single pictures out of a film, quickly: at key frames, or a little after them; and which of them tells most.

What is made of them is decided elsewhere. Films only: constant rate, upright, closed groups of pictures.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from math import log1p
from typing import TYPE_CHECKING

import av
import numpy as np
from av.error import FFmpegError
from PIL import Image

from storychain.errors import MediaError
from storychain.media.probe import CONFINED
from storychain.media.walk import AGAIN, picture_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_AHEAD = 12
"""Frames that are decoded past a key frame at most, to come nearer to a moment; each costs 2 to 4 ms of 720p."""

_MATRICES = {5: "ITU601", 6: "ITU601", 7: "SMPTE240M", 9: "BT2020", 10: "BT2020"}
"""Colour matrices by libav's number; all others are BT.709, as in `probe`."""

_FULL = 2
_JUDGED = 320
"""Pixels along the longer side of what is judged."""

_CELL = 10


@dataclass(frozen=True, slots=True)
class Scene:
    """A stretch of a film, from `begin` up to `end` in seconds, and what it is called."""

    title: str
    begin: Fraction
    end: Fraction


@dataclass(frozen=True, slots=True)
class Still:
    """A decoded frame of a film, and the second at which it is shown."""

    seconds: Fraction
    frame: VideoFrame
    shape: Fraction

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in square pixels."""
        return max(1, round(self.frame.width * self.shape)), self.frame.height

    def picture(self, size: tuple[int, int] | None = None) -> Image.Image:
        """As Pillow has it (RGB), in square pixels or at a `size`."""
        width, height = size or self.size
        matrix = _MATRICES.get(int(self.frame.colorspace), "ITU709")
        frame = self.frame.reformat(width, height, "rgb24", src_colorspace=matrix, interpolation="LANCZOS")
        return Image.fromarray(np.asarray(frame.to_ndarray(), np.uint8))

    @property
    def worth(self) -> float:
        """How telling it is, 0 upwards: detail all over it counts, sharp, neither dark nor pale.

        Black, plain and blurred pictures, words on a plain ground and two pictures that blend into each other get
        less than an ordinary frame of the same film.
        """
        scale = _JUDGED / max(self.frame.width, self.frame.height)
        width, height = (max(_CELL, round(side * scale) // _CELL * _CELL) for side in self.size)
        small = self.frame.reformat(width, height, "gray", interpolation="AREA").to_ndarray().astype(np.float32)
        edges = np.abs(4 * small[1:-1, 1:-1] - small[:-2, 1:-1] - small[2:, 1:-1] - small[1:-1, :-2] - small[1:-1, 2:])
        cells = small.reshape(height // _CELL, _CELL, width // _CELL, _CELL).std((1, 3))
        light, spread = float(small.mean()), float(small.std())
        exposed = min(1.0, max(0.0, (light - 16) / 48)) * min(1.0, max(0.0, (250 - light) / 40))
        busy = 0.1 + float((cells > 3).mean())
        return exposed * busy * min(1.0, spread / 36) * log1p(float(edges.mean()))


class Film:
    """An opened film. `keys` are the seconds of its key frames, `seconds` its length."""

    def __init__(self, opened: InputContainer, path: Path) -> None:
        self._opened = opened
        self._picture: VideoStream = picture_of(opened, path)
        self._picture.thread_type = "AUTO"
        self._path = path
        self._base = self._picture.time_base or Fraction(1, 1)
        self._zero = self._picture.start_time or 0
        decoded = [entry.timestamp for entry in self._picture.index_entries if entry.is_keyframe] or [0]
        # The index tells when they are decoded; all are shown later than that by as much as the first of them.
        self._marks = [mark - decoded[0] + self._zero for mark in decoded]
        self.keys = tuple((mark - self._zero) * self._base for mark in self._marks)
        self.seconds = (self._picture.duration or 0) * self._base
        self._shape = Fraction(self._picture.sample_aspect_ratio or 0) or Fraction(1)

    def at_key(self, number: int) -> Still:
        """The key frame of that number. Nothing but it is decoded."""
        self._opened.seek(self._marks[number], stream=self._picture)
        for packet in self._opened.demux(self._picture):
            if packet.is_keyframe and packet.pts is not None:
                code = self._picture.codec_context
                for frame in (*code.decode(packet), *code.decode(None)):
                    return self._still(frame, packet.pts)
        raise self._missing()

    def near(self, seconds: Fraction) -> Still:
        """A frame at or before a moment: as near to it as a few frames from the last key frame lead."""
        found = None
        for still in islice(self._from(seconds, hurry=True), _AHEAD):
            if found is not None and still.seconds > seconds:
                break
            found = still
        if found is None:
            raise self._missing()
        return found

    def exactly(self, seconds: Fraction) -> Still:
        """The frame that is shown at a moment; the last one at any after its end."""
        found = None
        for still in self._from(seconds):
            if found is not None and still.seconds > seconds:
                break
            found = still
        if found is None:
            raise self._missing()
        return found

    def _from(self, seconds: Fraction, *, hurry: bool = False) -> Iterator[Still]:
        """Frames in their order from the last key frame at or before a moment on; in a hurry those others build on."""
        self._picture.codec_context.skip_frame = "NONREF" if hurry else "DEFAULT"
        number = max((number for number, key in enumerate(self.keys) if key <= seconds), default=0)
        self._opened.seek(self._marks[number], stream=self._picture)
        for frame in self._opened.decode(self._picture):
            if frame.pts is not None:
                yield self._still(frame, frame.pts)

    def _still(self, frame: VideoFrame, mark: int) -> Still:
        return Still((mark - self._zero) * self._base, frame, self._shape)

    def _missing(self) -> MediaError:
        return MediaError("no picture can be read here", where=str(self._path), next_step=AGAIN)


@contextmanager
def opened_film(path: Path) -> Iterator[Film]:
    """A film, confined. Raises MediaError where it cannot be read, now or later."""
    try:
        with av.open(str(path.absolute()), format="mov", options=CONFINED) as opened:
            yield Film(opened, path)
    except (FFmpegError, OSError) as error:
        raise MediaError("this film cannot be read", where=str(path), next_step=AGAIN) from error
