"""Single pictures out of files: the last frame of a video, an image. The one door to PyAV and to foreign images."""

from __future__ import annotations

import secrets
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from storychain.errors import MediaError
from storychain.studio.animatic.look import World

_MAX_PIXELS = 64_000_000
_CONFINED = {"protocol_whitelist": "file", "max_pixels": str(_MAX_PIXELS)}
"""Options for whatever reads a stranger's video: it leads nowhere, and its pictures have an end."""

_UNTOLD = 2
"""The colour matrix of a video that does not tell it."""

_FORMATS = ("PNG", "JPEG", "WEBP")
_TAG = "comment"


@dataclass(frozen=True, slots=True)
class Still:
    """One picture as planar 4:2:0 (Y, U, V one after the other), and the world it belongs to if it is one of ours."""

    width: int
    height: int
    planes: bytes
    world: World | None = None


def last_of_video(path: Path, width: int, height: int) -> Still:
    """The last frame of a video, covering `width` x `height`; raises MediaError for what is none."""
    frame, tag = _last_frame(path)
    world = World.read(tag)
    if (frame.width, frame.height) == (width, height) and _like_ours(frame):
        return Still(width, height, _planes(frame), world)
    return _covering(_image_of(frame), width, height, world)


def _like_ours(frame: VideoFrame) -> bool:
    """Whether code values stand for the same colours as in what is made here; what is not told is BT.709 to players."""
    told = frame.colorspace in (int(Colorspace.ITU709), _UNTOLD) and frame.color_range != int(ColorRange.JPEG)
    return frame.format.name == "yuv420p" and told


def image(path: Path, width: int, height: int) -> Still:
    """An image file, covering `width` x `height`; raises MediaError for what is none."""
    picture = open_image(path)
    return _covering(picture, width, height, World.read(str(picture.info.get(_TAG, ""))))


def has_sound(video: Path) -> bool:
    """Whether a video that could be read has a sound track."""
    with av.open(video, format=_demuxer(video), options=_CONFINED) as container:
        return bool(container.streams.audio)


def open_image(path: Path) -> Image.Image:
    """An image file, upright and in RGB; raises MediaError for what is none, or too large."""
    try:
        with warnings.catch_warnings(), Image.open(path, formats=_FORMATS) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                raise MediaError("is too large an image")
            info = dict(opened.info)
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except Image.DecompressionBombError as error:
        raise MediaError("is too large an image") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise MediaError("is not an image that can be read") from error
    picture.info = info
    return picture


def develop(video: Path, last_frame: Path, thumbnail: Path, preview: Path) -> None:
    """Make what is missing of a segment's last frame (PNG), thumbnail (JPG, 320 pixels at most) and preview (JPG).

    They are made when they are first asked for: most segments are continued as videos and never looked at as pictures.
    """
    if not last_frame.exists():
        frame, tag = _last_frame(video)
        note = PngImagePlugin.PngInfo()
        note.add_text(_TAG, tag)
        _put(_image_of(frame), last_frame, "PNG", pnginfo=note, compress_level=1)
    if not (thumbnail.exists() and preview.exists()):
        middle = _frame_near_middle(video)
        _put(middle, preview, "JPEG", quality=88)
        middle.thumbnail((320, 320))
        _put(middle, thumbnail, "JPEG", quality=85)


def _put(picture: Image.Image, path: Path, kind: str, **options: Any) -> None:
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    picture.save(aside, kind, **options)
    aside.replace(path)


def _last_frame(path: Path) -> tuple[VideoFrame, str]:
    try:
        with av.open(path, format=_demuxer(path), options=_CONFINED) as container:
            stream = container.streams.video[0]
            frames = _tail(container, stream) or list(container.decode(stream))[-1:]
            tag = str(container.metadata.get(_TAG, ""))
    except (av.error.FFmpegError, IndexError, OSError, ValueError) as error:
        raise MediaError("is not a video that can be read") from error
    if not frames:
        raise MediaError("is a video without pictures")
    return frames[-1], tag


def _tail(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> list[VideoFrame]:
    """The last frame, decoded from the last key frame on; empty if it cannot be reached that way."""
    if not stream.duration:
        return []
    container.seek((stream.start_time or 0) + stream.duration - 1, stream=stream, backward=True)
    last: list[VideoFrame] = []
    for frame in container.decode(stream):
        last = [frame]
    return last


def _frame_near_middle(path: Path) -> Image.Image:
    with av.open(path, format="mov") as container:
        stream = container.streams.video[0]
        container.seek((stream.duration or 0) // 2, stream=stream, backward=True)
        return _image_of(next(container.decode(stream)))


def _demuxer(path: Path) -> str:
    """By the file's first bytes: a playlist or a script that calls itself a video must not be followed."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free"}:
        return "mov"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    raise ValueError("neither MP4 nor WebM")


def _covering(picture: Image.Image, width: int, height: int, world: World | None) -> Still:
    fitted = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    from_image: Any = VideoFrame.from_image  # the package's annotation is incomplete
    frame: VideoFrame = from_image(fitted).reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
    )
    return Still(width, height, _planes(frame), world)


def _image_of(frame: Any) -> Image.Image:
    picture: Image.Image = frame.to_image()
    return picture


def _planes(frame: VideoFrame) -> bytes:
    return bytes(frame.to_ndarray().tobytes())
