"""Joining prepared segments into one film: pictures copied, sound encoded once, checked before it gets its name.

Which pictures may be copied is decided in `form`; how a misfit is brought into line is in `conform`.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from storychain.errors import MediaError
from storychain.media.aside import folder_aside, give_name, need_space
from storychain.media.conform import conform
from storychain.media.form import TICKS, common_form
from storychain.media.prepare import Prepared
from storychain.media.probe import probe
from storychain.media.recipes import SOUND_RATE, on_grid, patience
from storychain.media.soundtrack import Soundtrack, soundtrack_of
from storychain.media.tool import run_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from storychain.media.tool import Ffmpeg

_SOUND_BITRATE = 320_000
"""Bits per second that the sound will not exceed, to reckon with."""

_FILM = "film.mp4"


@dataclass(frozen=True, slots=True)
class Clip:
    """A prepared segment and the title of its chapter."""

    prepared: Prepared
    title: str


@dataclass(frozen=True, slots=True)
class FilmFacts:
    """The film as made: exact seconds, frames, clips whose pictures were copied or re-encoded, bytes."""

    seconds: Fraction
    frames: int
    copied: int
    reencoded: int
    size: int


async def assemble(
    ffmpeg: Ffmpeg,
    clips: Sequence[Clip],
    out: Path,
    *,
    title: str,
    note: str,
    sound: Soundtrack | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> FilmFacts:
    """Join `clips` in their order into the MP4 `out`, with a chapter for each; whole or not at all.

    Pictures that agree with most others are copied bit for bit, the rest re-encoded to match. `sound` is used if it
    was made of just these clips, else one is made. `on_progress` gets the seconds of film written. The same clips and
    the same ffmpeg make the same bytes. Raises MediaError.
    """
    if not clips:
        raise MediaError("there is nothing to join", where=str(out), next_step="Render at least one scene first.")
    alike = await _alike(ffmpeg, [clip.prepared for clip in clips])
    seconds = sum((one.probe.seconds for one in alike), Fraction(0))
    with folder_aside(out.parent) as aside, tempfile.TemporaryDirectory(prefix="storychain-") as lists:
        need_space(out.parent, _size_of(alike, seconds))
        await asyncio.to_thread(_lay_out, Path(lists), alike, [clip.title for clip in clips], title, note)
        if sound is None or list(sound.sounds) != [one.sound for one in alike]:
            sound = await soundtrack_of(ffmpeg, alike, aside)
        argv = [*_argv(alike, sound), str(aside / _FILM)]
        await run_ffmpeg(
            ffmpeg, argv, timeout=patience(seconds), cwd=Path(lists), on_progress=on_progress, where=str(out)
        )
        facts = await asyncio.to_thread(_check, aside / _FILM, alike, out)
        await asyncio.to_thread(give_name, aside / _FILM, out)
    reencoded = sum(now is not then.prepared or now.mended is not None for now, then in zip(alike, clips, strict=True))
    return FilmFacts(seconds, facts, len(clips) - reencoded, reencoded, out.stat().st_size)


async def _alike(ffmpeg: Ffmpeg, segments: Sequence[Prepared]) -> list[Prepared]:
    """The segments with every picture in the form of most. One after the other: x264 takes all cores by itself."""
    target = common_form([one.probe.form for one in segments], [one.probe.seconds for one in segments])
    return [await conform(ffmpeg, one, target) for one in segments]


def _size_of(segments: Sequence[Prepared], seconds: Fraction) -> int:
    pictures = sum(one.picture.stat().st_size for one in segments)
    return pictures + int(seconds * _SOUND_BITRATE / 8 * Fraction(11, 10)) + 4_000_000


def _lay_out(folder: Path, segments: Sequence[Prepared], titles: Sequence[str], title: str, note: str) -> None:
    """Write what ffmpeg reads. Links with plain names keep all that people put into paths out of its lists.

    They lie in a temporary folder: where the film goes, there may be no such thing as a link.
    """
    for place, one in enumerate(segments):
        (folder / f"p{place}.mov").symlink_to(one.picture.absolute())
    lengths = [one.probe.seconds for one in segments]
    (folder / "pictures.txt").write_text(_picture_list(lengths), encoding="ascii")
    (folder / "about.txt").write_text(_about(title, note, titles, lengths), encoding="utf-8")


def _picture_list(lengths: Sequence[Fraction]) -> str:
    """List for the concat demuxer; its clock counts microseconds, the exact places are put back by `on_grid`."""
    lines = (f"file p{place}.mov\nduration {float(length):.6f}\n" for place, length in enumerate(lengths))
    return "ffconcat version 1.0\n" + "".join(lines)


def _about(title: str, note: str, titles: Sequence[str], lengths: Sequence[Fraction]) -> str:
    """Title, note and chapters in ffmpeg's metadata format."""
    lines = [";FFMETADATA1", f"title={_plain(title)}", f"comment={_plain(note)}"]
    begin = Fraction(0)
    for name, length in zip(titles, lengths, strict=True):
        end = begin + length
        span = [f"TIMEBASE=1/{TICKS}", f"START={round(begin * TICKS)}", f"END={round(end * TICKS)}"]
        lines += ["[CHAPTER]", *span, f"title={_plain(name)}"]
        begin = end
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """`text` on one line, without control characters, with the format's own signs escaped.

    ffmpeg takes a backslash at a line's end, even an escaped one, for a sign that the line goes on: hence the space.
    """
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    escaped = "".join(f"\\{sign}" if sign in "=;#\\" else sign for sign in line)
    return escaped + " " if escaped.endswith("\\") else escaped


def _argv(segments: Sequence[Prepared], sound: Soundtrack) -> list[str]:
    first = segments[0].probe
    pictures = on_grid(first.tag, first.fps, max(one.probe.reorder for one in segments))
    options = pictures | {"c:a": "copy", "movflags": "+faststart", "movie_timescale": TICKS}
    read = (("concat", "pictures.txt"), ("mov", str(sound.path.absolute())), ("ffmetadata", "about.txt"))
    inputs = [part for form, name in read for part in ("-f", form, "-i", name)]
    maps = ["-map", "0:v:0", "-map", "1:a:0", "-map_metadata", "2", "-map_chapters", "2"]
    written = [part for name, value in options.items() for part in (f"-{name}", str(value))]
    return [*inputs, *maps, *written, "-f", "mp4"]


def _check(film: Path, segments: Sequence[Prepared], out: Path) -> int:
    """Look at the finished film before it gets its name; its number of frames. Raises MediaError."""
    facts = probe(film)
    frames = sum(one.probe.frames for one in segments)
    seconds = sum((one.probe.seconds for one in segments), Fraction(0))
    sound = facts.audio.seconds if facts.audio else Fraction(0)
    if facts.frames != frames or facts.hidden or abs(facts.seconds - seconds) > 1 / facts.fps:
        what = f"the joined film has {facts.frames} frames in {float(facts.seconds):.3f} s"
        raise MediaError(f"{what} instead of {frames} in {float(seconds):.3f} s", where=str(out), next_step=_ADVICE)
    if abs(sound - seconds) > 1 / facts.fps + Fraction(2048, SOUND_RATE):
        what = f"the joined film's sound lasts {float(sound):.3f} s instead of {float(seconds):.3f} s"
        raise MediaError(what, where=str(out), next_step=_ADVICE)
    return facts.frames


_ADVICE = "Nothing was overwritten. Run again; if it stays so, another ffmpeg may help (see `storychain doctor`)."
