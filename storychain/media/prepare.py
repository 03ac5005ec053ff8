"""Making one segment ready to be joined, once, when it arrives: its picture apart, its sound of exactly that length.

What can be mended on one segment alone is mended here (a varying rate, rotation, hidden frames, odd codecs); making
different segments alike belongs to the film.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import os
import wave
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import ffmpeg as build

from storychain.errors import MediaError
from storychain.media.aside import folder_aside, give_name, need_space
from storychain.media.glance import keeping, kept_beside, small_size
from storychain.media.probe import MOST_PIXELS, Probe, Sound, probe
from storychain.media.recipes import (
    PLAIN,
    SOUND_RATE,
    cut_sound,
    encoded,
    from_zero,
    patience,
    reshaped,
    samples_of,
    told,
)
from storychain.media.together import beside
from storychain.media.tool import FfmpegFailed, run_ffmpeg
from storychain.media.walk import AGAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ffmpeg.nodes import FilterableStream, OutputStream

    from storychain.media.form import Form
    from storychain.media.tool import Ffmpeg

_RECIPE = 6
"""Counts up when prepared files are made differently: those made before are then made anew."""

_THREADS = max(1, (os.cpu_count() or 1) // 2)
"""That decode: what is done with the sound meanwhile wants cores too, and two do not decode twice as fast as one."""

_PICTURE, _SOUND, _RECORD = "picture.mov", "sound.wav", "prepared.json"
_SMALL = kept_beside(Path(_PICTURE)).name

_Identity = dict[str, int | str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A segment ready to be joined.

    `picture` has the pictures alone (constant rate, upright, from zero; beside it lies what `glance` reads), `sound` is
    a WAV of exactly that length (48 kHz stereo, silent where there was none, its ends as they came: the soundtrack
    joins them). `probe` describes `picture`, with the segment's own `audio`; `mended` says why the picture had to be
    re-encoded, or is None where it was copied.
    """

    folder: Path
    picture: Path
    sound: Path
    probe: Probe
    mended: str | None = None
    sha256: str = ""
    """Of `picture`."""
    sound_sha256: str = ""


class Preparing(TypedDict, total=False):
    """How to go about it.

    `strict=False` accepts what decodes with complaints, and mends it: for bytes that a second download has shown to be
    the provider's own. `matroska` lets WebM and MKV in. `on_sound` is told, long before the pictures are decoded, what
    is going to be returned if nothing is wrong with them: all of it but `sound` is still to come. It is not told where
    they have to be mended.
    """

    strict: bool
    matroska: bool
    on_sound: Callable[[Prepared], None] | None


async def prepare(ffmpeg: Ffmpeg, segment: Path, folder: Path, **how: Unpack[Preparing]) -> Prepared:
    """Check `segment` by decoding all of it, and write its picture and sound into `folder`; 0.6 s for 8 s of 720p.

    A folder that already holds just this file's, byte for byte as it was written, is used as it is. Raises MediaError
    if the file is not whole.
    """
    strict, on_sound = how.get("strict", True), how.get("on_sound")
    source = _identity(ffmpeg, segment)
    done = await asyncio.to_thread(_recall, folder, source)
    if done is not None:
        return done
    facts = await asyncio.to_thread(probe, segment, matroska=how.get("matroska", False))
    with folder_aside(folder) as aside:
        small = _frames(facts) * math.prod(small_size(facts.width, facts.height))
        need_space(folder, segment.stat().st_size * 2 + samples_of(facts.seconds) * 4 + small)
        try:
            sound = await _made(ffmpeg, segment, facts, folder, aside, on_sound)
        except _Damaged:
            if strict:
                raise
            # What can be decoded of it is encoded anew: nothing that reads it later stumbles over the damage.
            facts = replace(facts, damaged=True)
            sound = await _made(ffmpeg, segment, facts, folder, aside, None)
        return await asyncio.to_thread(_keep, aside, folder, facts, source, sound)


class _Damaged(MediaError):
    """ffmpeg complained of what it decoded."""


async def _made(
    ffmpeg: Ffmpeg,
    segment: Path,
    facts: Probe,
    folder: Path,
    aside: Path,
    on_sound: Callable[[Prepared], None] | None,
) -> str:
    """Decode pictures and sound side by side into `aside`; the sound's hash. Its name it has already."""
    async with beside(_decode(ffmpeg, segment, facts, _argv(segment, facts, _pictures), aside)) as decoding:
        await _decode(ffmpeg, segment, facts, _argv(segment, facts, _sound), aside)
        sound = await asyncio.to_thread(_keep_sound, aside, folder, facts)
        if on_sound is not None and facts.flaw is None:
            on_sound(_prepared(folder, facts, None, "", sound))
        await decoding
    return sound


async def _decode(ffmpeg: Ffmpeg, segment: Path, facts: Probe, argv: Sequence[str], aside: Path) -> None:
    try:
        await run_ffmpeg(ffmpeg, argv, timeout=patience(facts.seconds), cwd=aside, where=str(segment))
    except FfmpegFailed as error:
        raise _Damaged(f"this video is damaged: {error.what}", where=str(segment), next_step=AGAIN) from error


async def last_frame(ffmpeg: Ffmpeg, video: Path, png: Path) -> None:
    """Write the very last picture of `video` as a PNG of its full size. Raises MediaError."""
    facts = await asyncio.to_thread(probe, video, matroska=True)
    begin = max(0.0, float(facts.start + facts.seconds) - 1.0)
    source = build.input(str(video.absolute()), f=facts.demuxer, ss=f"{begin:.6f}", max_pixels=MOST_PIXELS)
    last = told(source[str(facts.picture_index)], facts.matrix).filter("reverse").output("last.png", **{"frames:v": 1})
    with folder_aside(png.parent) as aside:
        await run_ffmpeg(ffmpeg, last.get_args(), timeout=patience(facts.seconds), cwd=aside, where=str(video))
        await asyncio.to_thread(give_name, aside / "last.png", png)


def _argv(segment: Path, facts: Probe, made: Callable[[FilterableStream, Probe], list[OutputStream]]) -> list[str]:
    """One pass over the file's pictures or its sound: all of it decoded and written."""
    strict = not facts.damaged
    options = {"max_pixels": MOST_PIXELS, "threads": _THREADS} | ({"err_detect": "explode"} if strict else {})
    source = build.input(str(segment.absolute()), f=facts.demuxer, **options)
    merged = build.merge_outputs(*made(source, facts))
    return ["-y", *(str(arg) for arg in (merged.global_args("-xerror") if strict else merged).get_args())]


def _pictures(source: FilterableStream, facts: Probe) -> list[OutputStream]:
    stream = source[str(facts.picture_index)]
    if facts.flaw is None:
        # The packets are copied, but all of them are decoded as well: only that finds damage inside them.
        small = keeping(stream, small_size(facts.width, facts.height), _SMALL, facts.frames)
        return [small, stream.output(_PICTURE, **from_zero(facts.tag))]
    target, frames = _mended_form(facts), _frames(facts)
    # The sound begins with the picture, too (`_sound`): of one that begins late nothing may be put before it.
    begun = stream.filter("setpts", f"PTS-{float(facts.start):.9f}/TB")
    shown = reshaped(begun, _upright(facts), target).split()
    small = keeping(shown[0], small_size(target.width, target.height), _SMALL, frames)
    return [small, shown[1].output(_PICTURE, **encoded(target, frames))]


def _sound(source: FilterableStream, facts: Probe) -> list[OutputStream]:
    """The sound, cut to the picture's length: apart, since it is done ten times sooner."""
    if facts.sound_index is None:
        stream, skip = build.input(f"anullsrc=r={SOUND_RATE}:cl=stereo", f="lavfi"), 0
    else:
        stream, skip = source[str(facts.sound_index)], samples_of(facts.start)
    cut = cut_sound(stream, samples_of(_seconds(facts)), skip=skip)
    return [cut.output(_SOUND, **{"c:a": "pcm_s16le"}, **PLAIN)]


def _seconds(facts: Probe) -> Fraction:
    """Length of the picture once it is prepared."""
    return facts.seconds if facts.flaw is None else _frames(facts) / facts.fps


def _frames(facts: Probe) -> int:
    return facts.frames if facts.flaw is None else max(1, round(facts.seconds * facts.fps))


def _upright(facts: Probe) -> Form:
    """The form in which ffmpeg hands the pictures over: it turns them by itself."""
    form = facts.form
    if facts.rotation % 180 == 0:
        return form
    ratio = 1 / form.sample_aspect_ratio
    return replace(form, width=form.height, height=form.width, sample_aspect_ratio=ratio)


def _mended_form(facts: Probe) -> Form:
    """What a flawed picture becomes: its own form, upright, with even sides and square pixels."""
    form = _upright(facts).as_target()
    width = round(form.width * form.sample_aspect_ratio / 2) * 2
    return replace(form, width=width, height=round(form.height / 2) * 2, sample_aspect_ratio=Fraction(1))


def _identity(ffmpeg: Ffmpeg, segment: Path) -> _Identity:
    """By what files are known to be made of this segment, by this ffmpeg: another one makes other bytes."""
    try:
        status = segment.stat()
    except OSError as error:
        raise MediaError(f"cannot be read: {error.strerror}", where=str(segment)) from error
    return {"recipe": _RECIPE, "ffmpeg": ffmpeg.version, "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _keep_sound(aside: Path, folder: Path, facts: Probe) -> str:
    """Check the sound and give it its name; its hash. Without a record it counts for nothing yet."""
    expected = _seconds(facts)
    _as_long_as(_samples(aside / _SOUND) / Fraction(SOUND_RATE), samples_of(expected) / Fraction(SOUND_RATE), folder)
    sha256 = _sha256(aside / _SOUND)
    (folder / _RECORD).unlink(missing_ok=True)
    give_name(aside / _SOUND, folder / _SOUND)
    return sha256


def _keep(aside: Path, folder: Path, facts: Probe, source: _Identity, sound_sha256: str) -> Prepared:
    """Check what was made and give it its names, the record last: without it the rest counts for nothing."""
    tick = facts.tick if facts.flaw is None else None
    made = probe(aside / _PICTURE, tick=tick)
    _as_long_as(made.seconds, _seconds(facts), folder)
    sound = None if facts.audio is None else asdict(facts.audio) | {"seconds": str(facts.audio.seconds)}
    bytes_ = {name: _sha256(aside / name) for name in (_PICTURE, _SMALL)}
    hashes = bytes_ | {_SOUND: sound_sha256}
    record = {"source": source, "sha256": hashes, "tick": str(made.tick), "sound": sound, "mended": facts.flaw}
    (aside / _RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for name in (*bytes_, _RECORD):
        give_name(aside / name, folder / name)
    return _prepared(folder, replace(made, audio=facts.audio), facts.flaw, bytes_[_PICTURE], sound_sha256)


def _as_long_as(read: Fraction, expected: Fraction, folder: Path) -> None:
    if read != expected:
        what = f"only {float(read):.3f} s of {float(expected):.3f} s could be read"
        raise MediaError(what, where=str(folder), next_step="Download the segment again.")


def _recall(folder: Path, source: _Identity) -> Prepared | None:
    """What an earlier run prepared from the same file, or None."""
    try:
        record: dict[str, Any] = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        if record["source"] != source or any(_sha256(folder / name) != told for name, told in record["sha256"].items()):
            return None
        made = probe(folder / _PICTURE, tick=Fraction(record["tick"]))
        if _samples(folder / _SOUND) != samples_of(made.seconds):
            return None
        sound = record["sound"] and Sound(**record["sound"] | {"seconds": Fraction(record["sound"]["seconds"])})
        hashes = record["sha256"]
        return _prepared(folder, replace(made, audio=sound), record["mended"], hashes[_PICTURE], hashes[_SOUND])
    except (OSError, ValueError, KeyError, TypeError, MediaError, wave.Error, EOFError):
        return None  # whatever is wrong with it, it is made anew


def _prepared(folder: Path, facts: Probe, mended: str | None, sha256: str, sound_sha256: str) -> Prepared:
    return Prepared(folder, folder / _PICTURE, folder / _SOUND, facts, mended, sha256, sound_sha256)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _samples(sound: Path) -> int:
    with wave.open(str(sound), "rb") as opened:
        return opened.getnframes()
