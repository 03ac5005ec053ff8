"""How pictures and sound are cut, snapped and encoded, as pieces of ffmpeg graphs. Nothing is run here."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from storychain.media.form import TICKS, Form, fit

if TYPE_CHECKING:
    from ffmpeg.nodes import FilterableStream

SOUND_RATE = 48_000
"""Samples per second of every sound we make; stereo, 16 bits."""

_MATRIX_TAGS = {"bt709": "bt709", "bt601": "smpte170m", "smpte240m": "smpte240m", "bt2020": "bt2020nc"}
_EXACT = "bicubic+accurate_rnd+full_chroma_int"
"""How pictures are scaled: in haste, greys that only change their matrix would get a tint."""

_TRANSFER_TAGS = {"pq": "smpte2084", "hlg": "arib-std-b67"}

PLAIN = {"fflags": "+bitexact", "flags": "+bitexact"}
"""Output options that leave out dates and versions: the same input makes the same bytes."""


def samples_of(seconds: Fraction) -> int:
    """Whole samples that fit into `seconds`."""
    return int(seconds * SOUND_RATE)


def patience(seconds: Fraction) -> float:
    """How many seconds ffmpeg may take over `seconds` of video: slow machines are fine, standing still is not."""
    return 120 + 60 * float(seconds)


def from_zero(tag: str) -> dict[str, str | int]:
    """Output options for a segment's pictures copied packet by packet, the first of them shown at zero."""
    return _copied(tag, "setts=pts=PTS-STARTPTS:dts=DTS-STARTPTS")


def on_grid(tag: str, fps: Fraction, reorder: int) -> dict[str, str | int]:
    """Output options for joined pictures (times in ticks) copied packet by packet onto the exact grid of `fps`.

    Files round times to their own time base and the join rounds to microseconds; here each frame gets its own place
    back. Decoding times follow from counting, `reorder` frames ahead, so they never collide at a seam.
    """
    tick = TICKS / fps
    return _copied(tag, f"setts=pts=round(PTS/{tick})*{tick}:dts=(N-{reorder})*{tick}:duration={tick}")


def _copied(tag: str, times: str) -> dict[str, str | int]:
    return {"c:v": "copy", "bsf:v": times, "tag:v": tag, "video_track_timescale": TICKS, **PLAIN}


def told(pictures: FilterableStream, matrix: str) -> FilterableStream:
    """Decoded pictures, said to be of the colour `matrix` (as in `Form`).

    Where their file says nothing, ffmpeg takes BT.601 and turns them into what the encoder is told; players take
    BT.709, and so does `probe`.
    """
    return pictures.filter("setparams", colorspace=_MATRIX_TAGS[matrix])


def colours(target: Form) -> dict[str, str]:
    """Options of the filter `scale` for pictures coded like those of `target`."""
    return {"out_color_matrix": target.matrix, "out_range": "full" if target.full_range else "limited"}


def reshaped(pictures: FilterableStream, form: Form, target: Form) -> FilterableStream:
    """Pictures of `form` (upright) brought to `target`: whole, undistorted, on black, its rate and its colours."""
    width, height = fit(form, target)
    return (
        told(pictures, form.matrix)
        .filter("fps", fps=str(target.fps), start_time=0)
        .filter("scale", width, height, flags=_EXACT, **colours(target))
        .filter("pad", target.width, target.height, "(ow-iw)/2", "(oh-ih)/2", color="black")
        .filter("setsar", str(target.sample_aspect_ratio))
        .filter("format", target.pixel_format)
        # The last frame stands for what rounding took away; the number of frames then caps it.
        .filter("tpad", stop_mode="clone", stop=4)
    )


def encoded(target: Form, frames: int) -> dict[str, str | int]:
    """Output options for exactly `frames` re-encoded pictures of form `target`."""
    return {
        "c:v": "libx264",
        "preset": "veryfast",
        "crf": 17,
        "g": round(2 * target.fps),
        "threads": 4,  # x264's bytes depend on it, and must not on the machine
        "frames:v": frames,
        "video_track_timescale": TICKS,
        "tag:v": "avc1",
        **_colour_tags(target),
        **PLAIN,
    }


def _colour_tags(target: Form) -> dict[str, str]:
    tags = {"color_range": "pc" if target.full_range else "tv", "colorspace": _MATRIX_TAGS[target.matrix]}
    return tags | ({"color_trc": _TRANSFER_TAGS[target.transfer]} if target.transfer in _TRANSFER_TAGS else {})


def cut_sound(sound: FilterableStream, samples: int, *, skip: int = 0) -> FilterableStream:
    """Sound as exactly `samples` of 48 kHz stereo from `skip` on, late beginning and gaps filled, ends as they are."""
    return (
        sound.filter("aresample", SOUND_RATE, **{"async": 1, "first_pts": 0})
        .filter("aformat", sample_fmts="s16", channel_layouts="stereo")
        .filter("apad")
        .filter("atrim", start_sample=skip, end_sample=skip + samples)
        .filter("asetpts", "N/SR/TB")
    )
