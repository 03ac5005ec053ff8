"""Making a film's pieces: runs of pictures copied out of a source, and what has to be drawn anew.

Which they are is decided in `timeline`. Pieces are kept beside what they were made of, under a name that says how, so
that a film that is made again with other music draws nothing again.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import ffmpeg as build

from storychain.errors import MediaError
from storychain.media.aside import folder_aside, give_name, need_space
from storychain.media.probe import Probe, probe
from storychain.media.recipes import colours, encoded, from_zero, patience, told
from storychain.media.timeline import Copied, Drawn, Piece, Shot, Span
from storychain.media.tool import SETTING, run_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ffmpeg.nodes import FilterableStream

    from storychain.media.form import Form
    from storychain.media.prepare import Prepared
    from storychain.media.tool import Ffmpeg

_OVERLAID = {
    "yuv420p": "yuv420",
    "yuv420p10le": "yuv420p10",
    "yuv422p": "yuv422",
    "yuv422p10le": "yuv422p10",
    "yuv444p": "yuv444",
}
"""What the filter `overlay` calls the formats it works in without converting the film."""

_RECIPE = 5
"""Counts up when pieces are made differently: those made before are then made anew."""

_BYTES_PER_PIXEL = Fraction(1, 8)
"""Most bytes of a drawn frame for each of its pixels, to reckon with."""

_SHORT = 5
"""Seconds up to which a piece is drawn `_QUICKLY`."""

_QUICKLY: dict[str, str | int] = {
    "preset": "superfast",
    "bf": 0,
    "weightp": 0,
    "partitions": "i8x8",
    "sc_threshold": 0,
}
"""x264's quicker preset, without B-frames: 30 % less time than `veryfast`, and nearer to the original at the same CRF
(47.3 against 45.6 dB on real footage), for more bytes, which do not count where pieces are short. Weights and small
blocks would take 3 % of the time and bring nothing that SSIM or VMAF sees. Key frames come on their beat alone: so
coded, x264 also calls a frame that comes just after one a key, where decoding cannot begin."""

Filter = tuple[str, tuple[tuple[str, str], ...]]
"""An ffmpeg filter: its name, and its options by name."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A picture of the film's size with transparency, laid over a span of its frames."""

    picture: Path
    span: Span


@dataclass(frozen=True, slots=True)
class Look:
    """What changes frames of the film beyond the shots themselves.

    `layers` lie over one another in their order; `fade_in` and `fade_out` count frames from and to black at the ends of
    the film, which has `frames`. `grades` are filters that a source's pictures go through, by its number.
    """

    frames: int
    layers: tuple[Layer, ...] = ()
    fade_in: int = 0
    fade_out: int = 0
    grades: tuple[tuple[int, tuple[Filter, ...]], ...] = ()

    @property
    def touched(self) -> tuple[Span, ...]:
        """The frames that layers and fades change."""
        fades = (Span(0, self.fade_in), Span(self.frames - self.fade_out, self.frames))
        return (*(fade for fade in fades if fade.end > fade.begin), *(layer.span for layer in self.layers))


@dataclass(frozen=True, slots=True)
class Made:
    """A piece as a file: its pictures from zero, how many, and by how many decoding runs ahead of showing."""

    picture: Path
    frames: int
    reorder: int


async def make(
    ffmpeg: Ffmpeg,
    piece: Piece,
    sources: Sequence[Prepared],
    target: Form,
    look: Look,
    on_progress: Callable[[float], None] | None = None,
) -> Made:
    """The file of a piece; `sources` are all in the form `target`. Raises MediaError."""
    if isinstance(piece, Copied):
        return await _copied(ffmpeg, piece, sources[piece.source])
    return await _drawn(ffmpeg, piece, sources, target, look, on_progress)


async def _copied(ffmpeg: Ffmpeg, piece: Copied, source: Prepared) -> Made:
    if (piece.begin, piece.end) == (0, source.probe.frames):
        return Made(source.picture, piece.frames, source.probe.reorder)
    options = from_zero(source.probe.tag)
    # Packets come in decoding order; before a clean key frame there are just the frames shown before it.
    kept = f"noise=drop=lt(n\\,{piece.begin})+gte(n\\,{piece.end})"
    options["bsf:v"] = f"{kept},{options['bsf:v']}"
    stream = build.input(str(source.picture.absolute()), f="mov")["v:0"]
    made = source.folder / f"piece-{_mark(ffmpeg, piece, [source.picture])}.mov"
    size = source.picture.stat().st_size
    return await _written(ffmpeg, stream.output("piece.mov", **options).get_args(), made, piece.frames, size)


async def _drawn(
    ffmpeg: Ffmpeg,
    piece: Drawn,
    sources: Sequence[Prepared],
    target: Form,
    look: Look,
    on_progress: Callable[[float], None] | None,
) -> Made:
    span = Span(piece.at, piece.at + piece.frames)
    look = _within(look, span)
    used = [sources[shot.source].picture for shot in piece.shots]
    pictures = [layer.picture for layer in look.layers]
    stream = _graph(piece, sources, target, look)
    how = (piece, target, [layer.span for layer in look.layers], replace(look, layers=()))
    made = sources[piece.shots[0].source].folder / f"piece-{_mark(ffmpeg, how, used, pictures)}.mov"
    size = int(target.width * target.height * piece.frames * _BYTES_PER_PIXEL)
    options = encoded(target, piece.frames)
    if piece.frames <= _SHORT * target.fps:
        options |= _QUICKLY
    argv = stream.output("piece.mov", **options).get_args()
    return await _written(ffmpeg, argv, made, piece.frames, size, target, on_progress)


def _within(look: Look, span: Span) -> Look:
    """As much of a look as concerns a span; the rest must not count in the piece's name."""
    layers = tuple(
        Layer(one.picture, Span(max(one.span.begin, span.begin), min(one.span.end, span.end)))
        for one in look.layers
        if one.span.begin < span.end and one.span.end > span.begin
    )
    fade_in = look.fade_in if span.begin < look.fade_in else 0
    fade_out = look.fade_out if span.end > look.frames - look.fade_out else 0
    return replace(
        look, layers=layers, fade_in=fade_in, fade_out=fade_out, frames=look.frames if fade_out else span.end
    )


def _graph(piece: Drawn, sources: Sequence[Prepared], target: Form, look: Look) -> FilterableStream:
    """The piece's pictures, shown at the film's own times until the last step, so that spans need no translation."""
    grades = dict(look.grades)
    stream, frames = None, 0
    for shot in piece.shots:
        stretch = _stretch(shot, sources[shot.source], target, grades.get(shot.source, ()))
        if stream is None:
            stream, frames = stretch, shot.frames
            continue
        offset = float((frames - shot.blend) / target.fps)
        length = float(shot.blend / target.fps)
        options = {"transition": shot.transition, "duration": f"{length:.9f}", "offset": f"{offset:.9f}"}
        # Older ones (5.1) leave out a moment after each: the next blend would begin a frame too early.
        stream = build.filter([stream, stretch], "xfade", **options).filter("setpts", f"N/({target.fps}*TB)")
        frames += shot.frames - shot.blend
    assert stream is not None
    stream = looking(stream.filter("setpts", f"(N+{piece.at})/({target.fps}*TB)"), look, target)
    return stream.filter("format", target.pixel_format).filter("setpts", f"N/({target.fps}*TB)")


def looking(stream: FilterableStream, look: Look, target: Form) -> FilterableStream:
    """Pictures in the form `target`, shown at the film's own times, with the layers and fades of a look."""
    for layer in look.layers:
        stream = _laid_over(stream, layer, target)
    for kind, begin, count in (("in", 0, look.fade_in), ("out", look.frames - look.fade_out, look.fade_out)):
        if count:
            times = {"st": f"{float(begin / target.fps):.9f}", "d": f"{float(count / target.fps):.9f}"}
            stream = stream.filter("fade", t=kind, **times)
    return stream


def _stretch(shot: Shot, source: Prepared, target: Form, grade: Sequence[Filter]) -> FilterableStream:
    """A shot's own frames from zero, decoded from the last key frame before them on."""
    key = max((key for key in source.probe.keys if key <= shot.begin), default=0)
    # Without exactness it begins with the key frame before; with it, the one before that would be decoded as well.
    at = f"{float((key + Fraction(1, 2)) / target.fps):.6f}"
    where: dict[str, Any] = {"noaccurate_seek": None, "ss": at} if key else {}
    # Nor is what follows read: whatever its frames refer to comes before them in the file.
    where["t"] = f"{float((shot.end - key + 2) / target.fps):.6f}"
    stream = build.input(str(source.picture.absolute()), f="mov", **where)["v:0"]
    stream = told(stream, target.matrix).filter("trim", start_frame=shot.begin - key, end_frame=shot.end - key)
    stream = stream.filter("setpts", f"N/({target.fps}*TB)").filter("fps", fps=str(target.fps), start_time=0)
    for name, options in grade:
        stream = stream.filter(name, **dict(options))
    return stream.filter("format", target.pixel_format)


def _laid_over(stream: FilterableStream, layer: Layer, target: Form) -> FilterableStream:
    picture = build.input(str(layer.picture.absolute()), f="png_pipe")["v:0"]
    # Overlaying would bring it to the film's kind of pictures by another matrix than the film's, or both to RGB.
    picture = picture.filter("scale", **colours(target))
    within = _OVERLAID.get(target.pixel_format, "auto")
    if within != "auto":
        picture = picture.filter("format", target.pixel_format.replace("yuv", "yuva"))
    begin, end = ((place - Fraction(1, 2)) / target.fps for place in (layer.span.begin, layer.span.end))
    shown = f"between(t,{float(begin):.6f},{float(end):.6f})"
    return build.filter([stream, picture], "overlay", x=0, y=0, format=within, enable=shown)


def _mark(ffmpeg: Ffmpeg, how: object, used: Sequence[Path], pictures: Sequence[Path] = ()) -> str:
    """A name for a piece: how and by what it was made, and of which files: sources by their time of making, layers by
    content.
    """
    times = [path.stat().st_mtime_ns for path in used]
    seen = [hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures]
    return hashlib.sha256(repr((_RECIPE, ffmpeg.version, how, times, seen)).encode()).hexdigest()[:16]


async def _written(
    ffmpeg: Ffmpeg,
    argv: Sequence[str],
    made: Path,
    frames: int,
    size: int,
    target: Form | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Made:
    """Make the file unless it is there and right."""
    facts = await asyncio.to_thread(probe, made) if made.exists() else None
    if facts is None or not _is_right(facts, frames, target):
        need_space(made.parent, size)
        with folder_aside(made.parent) as aside:
            limit = patience(Fraction(frames, 8))
            await run_ffmpeg(ffmpeg, argv, timeout=limit, cwd=aside, on_progress=on_progress, where=str(made))
            facts = await asyncio.to_thread(probe, aside / "piece.mov")
            if not _is_right(facts, frames, target):
                what = f"ffmpeg {ffmpeg.version} made a piece of the film wrong: {facts.frames} frames of {frames}"
                advice = f"Set {SETTING} to another one (`storychain doctor` shows the one in use) and run again."
                raise MediaError(what, where=str(made), next_step=advice)
            await asyncio.to_thread(give_name, aside / "piece.mov", made)
    return Made(made, frames, facts.reorder)


def _is_right(facts: Probe, frames: int, target: Form | None) -> bool:
    """Whether a piece is what it was to be; where it was copied, its form is that of its source."""
    return facts.frames == frames and not facts.hidden and facts.begins_clean and target in (None, facts.form)
