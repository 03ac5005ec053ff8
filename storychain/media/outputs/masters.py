"""The film once more: in another shape, by crop or on a blurred ground; small for the web; as a teaser or a stream.

Sound, chapters, captions and metadata come along. What a teaser or a stream is, is told in `teaser` and `streaming`.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import ffmpeg as build

from storychain.errors import MediaError
from storychain.media.aside import folder_aside, give_name, need_space
from storychain.media.outputs.streaming import stream
from storychain.media.outputs.teaser import teaser
from storychain.media.outputs.threads import to_its_end
from storychain.media.pieces import looking
from storychain.media.probe import Probe, probe
from storychain.media.recipes import colours, encoded, patience, told
from storychain.media.tool import run_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ffmpeg.nodes import FilterableStream

    from storychain.media.form import Form
    from storychain.media.outputs.stills import Scene
    from storychain.media.pieces import Look
    from storychain.media.tool import Ffmpeg

Fit = Literal["crop", "blur"]

_WIDEST = Fraction(16, 9)
"""How much longer than its shorter side a film's longer side may at least become, whatever shape it comes from."""

_SAME_SHAPE = Fraction(1, 100)
"""Difference between two shapes that is nothing but rounding to even pixels."""

_WEB_SHORT, _WEB_LONG = 720, 1280
_WEB: dict[str, str | int] = {"crf": 26, "preset": "fast"}

_SMALL = 12
"""By what the ground is scaled down before it is blurred: what is so soft needs no more pixels."""

_SHAPED_BITS, _WEB_BITS = Fraction(1), Fraction(1, 3)
"""Most bits of a frame for each of its pixels, to reckon with."""

_SOUND_BITRATE = 320_000


@dataclass(frozen=True, slots=True)
class Master:
    """One more film: `kind` is an aspect ratio such as `9:16`, or one of web, gif, webp, hls.

    `fit` says how a shape is filled: the middle cut out of the picture, or the whole of it on a blurred ground.
    """

    kind: str
    fit: Fit = "crop"


async def make_master(
    ffmpeg: Ffmpeg,
    film: Path,
    out: Path,
    master: Master,
    *,
    scenes: Sequence[Scene] = (),
    on_progress: Callable[[float], None] | None = None,
) -> None:
    """Make one master of a film, whole or not at all; a teaser shows of each of the `scenes` a little.

    `on_progress` gets seconds of the master written so far. The same film and the same ffmpeg make the same bytes.
    Raises MediaError, DiskTrouble.
    """
    if master.kind in ("gif", "webp"):
        await teaser(ffmpeg, film, out, scenes, on_progress=on_progress)
    elif master.kind == "hls":
        await stream(ffmpeg, film, out, on_progress=on_progress)
    elif master.kind == "web":
        await web_copy(ffmpeg, film, out, on_progress=on_progress)
    else:
        await reshaped_film(ffmpeg, film, out, ratio_of(master.kind), master.fit, on_progress=on_progress)


def ratio_of(kind: str) -> Fraction:
    """Width by height of an aspect ratio as it is written, such as 9:16. Raises ValueError."""
    wide, _, high = kind.partition(":")
    if not (wide.isdecimal() and high.isdecimal() and int(wide) and int(high)):
        raise ValueError(f"{kind!r} is no aspect ratio")
    return Fraction(int(wide), int(high))


async def reshaped_film(
    ffmpeg: Ffmpeg,
    film: Path,
    out: Path,
    ratio: Fraction,
    fit: Fit,
    *,
    look: Look | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> None:
    """Write the film in another shape as an MP4, its sound copied; one that has it already is copied as it is.

    With a `look` for that shape, that is laid over it. 2 to 4 s for 8 s of 720p. Raises MediaError, DiskTrouble.
    """
    facts = await to_its_end(lambda: probe(film))
    if look is None and has_shape(facts, ratio):
        await _copied(film, out)
        return
    size = size_in(ratio, facts)
    whole = _input(film)
    picture = (_on_blurred if fit == "blur" else _cropped)(told(whole["v:0"], facts.matrix), facts, ratio, size)
    target = _target(facts, size)
    if look is not None:
        picture = picture.filter("setsar", "1").filter("format", target.pixel_format)
        picture = looking(picture.filter("setpts", f"N/({target.fps}*TB)"), look, target)
    options = encoded(target, facts.frames) | {"c:a": "copy"}
    need_space(out.parent, _reckoned(facts, size, _SHAPED_BITS))
    await _written(ffmpeg, out, whole, picture, target, facts, options, on_progress)


async def web_copy(
    ffmpeg: Ffmpeg, film: Path, out: Path, *, on_progress: Callable[[float], None] | None = None
) -> None:
    """Write the film small, as an MP4 that plays anywhere: at most 720p, its index in front, its sound copied.

    Encoded once more, the sound would be a little worse and its peaks higher, for a few percent of the file.

    Raises MediaError, DiskTrouble.
    """
    facts = await to_its_end(lambda: probe(film))
    width, height = _square(facts)
    scale = min(Fraction(1), Fraction(_WEB_SHORT, min(width, height)), Fraction(_WEB_LONG, max(width, height)))
    size = (_even(width * scale), _even(height * scale))
    target = _target(facts, size)
    options = encoded(target, facts.frames) | _WEB | {"c:a": "copy"}
    need_space(out.parent, _reckoned(facts, size, _WEB_BITS))
    whole = _input(film)
    picture = _scaled(told(whole["v:0"], facts.matrix), size, facts)
    await _written(ffmpeg, out, whole, picture, target, facts, options, on_progress)


def size_in(ratio: Fraction, facts: Probe) -> tuple[int, int]:
    """Width and height of a film in another shape: as large as its own sides allow, even."""
    sides = _square(facts)
    short = min(sides)
    long = max(*sides, int(short * _WIDEST))
    wide = min(Fraction(long), short * ratio) if ratio >= 1 else min(Fraction(short), long * ratio)
    return _even(wide), _even(wide / ratio)


def has_shape(facts: Probe, ratio: Fraction) -> bool:
    """Whether a film has a shape already."""
    return abs(_shape(facts) / ratio - 1) < _SAME_SHAPE


def kept_in(ratio: Fraction, size: tuple[int, int], sample_aspect_ratio: Fraction) -> tuple[int, int]:
    """Width and height of what is kept of a picture of that size where its middle is cut out in another shape."""
    shape = ratio / sample_aspect_ratio
    width = min(Fraction(size[0]), size[1] * shape)
    return _even(width), min(size[1], _even(width / shape))


def _even(length: Fraction) -> int:
    return max(2, round(length / 2) * 2)


def _square(facts: Probe) -> tuple[int, int]:
    """Width and height in square pixels."""
    return round(facts.width * facts.sample_aspect_ratio), facts.height


def _shape(facts: Probe) -> Fraction:
    return facts.width * facts.sample_aspect_ratio / facts.height


def _target(facts: Probe, size: tuple[int, int]) -> Form:
    """What is written: H.264 that plays anywhere, in the film's own colours."""
    return replace(
        facts.form.as_target(),
        width=size[0],
        height=size[1],
        sample_aspect_ratio=Fraction(1),
        pixel_format="yuv420p",
        full_range=False,
    )


def _input(film: Path) -> FilterableStream:
    return build.input(str(film.absolute()), f="mov")


def _scaled(picture: FilterableStream, size: tuple[int, int], facts: Probe, flags: str = "bicubic") -> FilterableStream:
    return picture.filter("scale", *size, flags=flags, **colours(_target(facts, size)))


def _cropped(picture: FilterableStream, facts: Probe, ratio: Fraction, size: tuple[int, int]) -> FilterableStream:
    """The middle of the picture, in the wanted shape."""
    kept = kept_in(ratio, (facts.width, facts.height), facts.sample_aspect_ratio)
    return _scaled(picture.filter("crop", *kept), size, facts)


def _on_blurred(picture: FilterableStream, facts: Probe, ratio: Fraction, size: tuple[int, int]) -> FilterableStream:
    """The whole picture, before itself, enlarged until it fills the shape, blurred and darkened."""
    parts = picture.filter_multi_output("split", 2)
    small = (_even(Fraction(size[0], _SMALL)), _even(Fraction(size[1], _SMALL)))
    ground = _scaled(_cropped(parts[0], facts, ratio, small), small, facts)
    ground = ground.filter("gblur", sigma=max(2.0, min(small) / 14), steps=2)
    # Studio range: black is 16, so what is darkened is what lies above it.
    ground = ground.filter("format", "yuv420p").filter("lutyuv", y="16+(val-16)*0.7")
    ground = _scaled(ground, size, facts)
    shape = _shape(facts)
    whole = (size[0], _even(size[0] / shape)) if shape > ratio else (_even(size[1] * shape), size[1])
    front = _scaled(parts[1], whole, facts).filter("format", "yuv420p")
    place = [(outer - inner) // 4 * 2 for outer, inner in zip(size, whole, strict=True)]
    return build.filter([ground, front], "overlay", x=place[0], y=place[1], format="yuv420")


async def _written(
    ffmpeg: Ffmpeg,
    out: Path,
    whole: FilterableStream,
    picture: FilterableStream,
    target: Form,
    facts: Probe,
    options: dict[str, str | int],
    on_progress: Callable[[float], None] | None,
) -> None:
    """Encode the picture beside all else of the `whole` film, look at what came of it, and give it its name."""
    picture = picture.filter("setsar", "1").filter("format", target.pixel_format)
    # A graph has no words for what may be missing, such as captions.
    kept = {"map": "0:s?", "c:s": "copy", "map_metadata": 0, "map_chapters": 0, "movflags": "+faststart", "f": "mp4"}
    streams = [picture, *([whole["a:0"]] if facts.audio else [])]
    argv = build.output(*streams, "master.mp4", **options, **kept).get_args()
    with folder_aside(out.parent) as aside:
        await run_ffmpeg(
            ffmpeg, argv, timeout=patience(facts.seconds), cwd=aside, on_progress=on_progress, where=str(out)
        )
        made = await to_its_end(lambda: probe(aside / "master.mp4"))
        if made.frames != facts.frames or made.form != target or bool(made.audio) != bool(facts.audio):
            what = f"this master has {made.frames} frames of {made.form}, not {facts.frames} of {target}"
            raise MediaError(what, where=str(out), next_step="Run again; another ffmpeg may help.")
        await to_its_end(lambda: give_name(aside / "master.mp4", out))


def _reckoned(facts: Probe, size: tuple[int, int], bits: Fraction) -> int:
    return int((facts.frames * size[0] * size[1] * bits + facts.seconds * _SOUND_BITRATE) / 8) + 4_000_000


async def _copied(film: Path, out: Path) -> None:
    need_space(out.parent, film.stat().st_size)
    with folder_aside(out.parent) as aside:
        await to_its_end(lambda: shutil.copyfile(film, aside / "master.mp4"))
        await to_its_end(lambda: give_name(aside / "master.mp4", out))
