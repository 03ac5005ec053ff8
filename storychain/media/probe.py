"""What is in a video file, found by walking its packets (PyAV); nothing is decoded but one frame.

Damage inside packets is not seen here: that takes a decoding of the whole (`prepare`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError

from storychain.errors import MediaError
from storychain.media import container
from storychain.media.form import Form, rate_of
from storychain.media.walk import AGAIN, Walk, length_of, picture_of, rotation_of, sound_of, walk

if TYPE_CHECKING:
    from pathlib import Path

    from av.container import InputContainer

_COPIED_CODECS = {"h264": "avc1", "hevc": "hvc1"}
"""Codecs whose packets we copy, and the tag under which every player knows them."""

_MATRICES = {5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
"""Colour matrices, by libav's number, that differ from BT.709, which players take where a file says nothing."""

_TRANSFERS = {16: "pq", 18: "hlg"}
"""Transfer curves, by libav's number, that look wrong next to the ordinary ones."""

_JPEG_RANGE = 2

MOST_PIXELS = 8192 * 8192
"""Of one picture; a header may promise a thousand times as many, and memory is set aside before they are missed."""

CONFINED = {"protocol_whitelist": "file", "max_pixels": str(MOST_PIXELS)}
"""Options for whatever reads a stranger's video: it leads nowhere, and its pictures have an end."""


@dataclass(frozen=True, slots=True)
class Sound:
    """The first sound track: codec name, samples per second, channels, and its length in seconds."""

    codec: str
    rate: int
    channels: int
    seconds: Fraction


@dataclass(frozen=True, slots=True)
class Probe:
    """A video file's first picture track and sound.

    `seconds` is the length of the picture; `frames` are those shown, and `hidden` those that an edit list hides.
    `start` is how many seconds after the file's beginning the picture begins. `reorder` is by how many frames
    decoding runs ahead of showing. `keys` are the numbers of the frames at which decoding can begin, `stops` those
    before which a copy of the packets can end (the last is its length). `rotation` is in degrees, counter-clockwise.
    `tick` is the time base in seconds, to which times are rounded. `demuxer` is libav's name of the container.
    """

    demuxer: str
    width: int
    height: int
    frames: int
    fps: Fraction
    constant_rate: bool
    tick: Fraction
    seconds: Fraction
    codec: str
    codec_tag: str
    extradata: bytes
    pixel_format: str
    full_range: bool
    matrix: str
    transfer: str
    sample_aspect_ratio: Fraction
    rotation: int
    start: Fraction
    hidden: int
    reorder: int
    keys: tuple[int, ...]
    stops: tuple[int, ...]
    fragmented: bool
    begins_clean: bool
    keys_clean: bool
    picture_index: int
    sound_index: int | None
    audio: Sound | None
    damaged: bool = False
    """Whether decoding has found damage, which the packets do not tell."""

    @property
    def form(self) -> Form:
        """What must agree before pictures may be copied together."""
        return Form(
            self.codec,
            self.width,
            self.height,
            self.fps,
            self.pixel_format,
            self.sample_aspect_ratio,
            self.full_range,
            self.matrix,
            self.transfer,
            b"" if self.codec == "h264" and self.keys_clean else self.extradata,
        )

    @property
    def flaw(self) -> str | None:
        """Why the picture cannot be copied into any film, whatever the others are, or None."""
        flaws = {
            "it is damaged": self.damaged,
            f"its codec is {self.codec}": self.codec not in _COPIED_CODECS,
            "its frame rate varies": not self.constant_rate,
            "it is rotated": self.rotation != 0,
            "it has hidden frames": self.hidden > 0,
            "it does not begin with a clean keyframe": not self.begins_clean,
        }
        return next((flaw for flaw, present in flaws.items() if present), None)

    @property
    def tag(self) -> str:
        """The tag for its packets in files of ours."""
        return _COPIED_CODECS.get(self.codec, self.codec_tag)


def probe(path: Path, *, matroska: bool = False, tick: Fraction | None = None) -> Probe:
    """Look at an MP4 or MOV file (with `matroska`, WebM and MKV as well).

    `tick` says that times were once rounded to so many seconds, if the file's own time base is finer. Takes about
    50 ms for 8 s of 720p. Raises MediaError: not a video, another thing under a video's name, cut short.
    """
    outer = container.examine(path, matroska=matroska)
    try:
        # An absolute path cannot be taken for an address, and a named format cannot be taken for a playlist.
        with av.open(str(path.absolute()), format=outer.demuxer, options=CONFINED) as opened:
            return _gather(opened, path, walk(opened, path), outer, tick)
    except FFmpegError as error:
        raise MediaError("this is not a video that can be read", where=str(path), next_step=AGAIN) from error


def _gather(opened: InputContainer, path: Path, walked: Walk, outer: container.Outer, tick: Fraction | None) -> Probe:
    picture = picture_of(opened, path)
    code = picture.codec_context
    if not 0 < code.width * code.height <= MOST_PIXELS:
        what = f"its pictures are said to be {code.width} by {code.height} pixels"
        raise MediaError(what, where=str(path), next_step=AGAIN)
    tick = max(tick or Fraction(0), picture.time_base or Fraction(0))
    rate = rate_of(walked.marks, walked.base, tick)
    fps, seconds = length_of(walked, rate, picture)
    sound = sound_of(opened)
    beginning = Fraction(opened.start_time or 0, av.time_base)
    return Probe(
        demuxer=outer.demuxer,
        width=code.width,
        height=code.height,
        frames=len(walked.marks),
        fps=fps,
        constant_rate=rate is not None or len(walked.marks) == 1,
        tick=tick,
        seconds=seconds,
        codec=code.codec.canonical_name,
        codec_tag=code.codec_tag,
        extradata=bytes(code.extradata or b""),
        pixel_format=(code.pix_fmt or "unknown").replace("yuvj", "yuv"),  # the j says full range, told apart below
        full_range=code.color_range == _JPEG_RANGE or (code.pix_fmt or "").startswith("yuvj"),
        matrix=_MATRICES.get(int(code.colorspace), "bt709"),
        transfer=_TRANSFERS.get(int(code.color_trc), "ordinary"),
        sample_aspect_ratio=Fraction(picture.sample_aspect_ratio or 0) or Fraction(1),
        rotation=rotation_of(opened, picture),
        start=max(Fraction(0), walked.marks[0] * walked.base - beginning),
        hidden=walked.hidden,
        reorder=walked.reorder,
        keys=walked.keys,
        stops=walked.stops,
        fragmented=outer.fragmented,
        begins_clean=walked.begins_clean,
        keys_clean=walked.keys_clean,
        picture_index=picture.index,
        sound_index=None if sound is None else sound.index,
        audio=None
        if sound is None
        else Sound(
            sound.codec_context.name, sound.codec_context.rate, sound.codec_context.channels, walked.sound_seconds
        ),
    )
