"""Joining clips into one film: pictures copied where they can be, sound encoded once, checked before it gets its name.

Which frames are shown is decided in `edit`, which of them are drawn anew in `timeline`; how in `pieces` and `conform`.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from storychain.errors import MediaError
from storychain.media.aside import folder_aside, give_name, need_space, on_disk
from storychain.media.conform import conform
from storychain.media.dressing import PLAIN, Dress, look_of, sound_of, track_of, written
from storychain.media.edit import Clip, Edit, edit_of, heard_in
from storychain.media.form import TICKS
from storychain.media.outputs.subtitles import SoftTrack, soft_track
from storychain.media.pieces import Look, Made, make
from storychain.media.probe import probe
from storychain.media.recipes import SOUND_RATE, on_grid, patience
from storychain.media.timeline import Drawn, Piece, Source, pieces_of
from storychain.media.together import abreast, beside
from storychain.media.tool import run_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from storychain.media.prepare import Prepared
    from storychain.media.soundtrack import Soundtrack
    from storychain.media.tool import Ffmpeg

_SOUND_BITRATE = 320_000
"""Bits per second that the sound will not exceed, to reckon with."""

_FILM = "film.mp4"


@dataclass(frozen=True, slots=True)
class FilmFacts:
    """The film as made: its edit, clips whose pictures are all copied or some re-encoded, frames drawn anew, bytes.

    `loudness` is what its sound came to, in LUFS, where it was to come to any.
    """

    edit: Edit
    copied: int
    reencoded: int
    drawn: int
    size: int
    loudness: float | None = None

    @property
    def seconds(self) -> Fraction:
        """The film's exact length."""
        return self.edit.seconds

    @property
    def frames(self) -> int:
        """The film's length in frames."""
        return self.edit.frames


async def assemble(
    ffmpeg: Ffmpeg,
    clips: Sequence[Clip],
    out: Path,
    *,
    title: str,
    note: str,
    dress: Dress = PLAIN,
    sound: Soundtrack | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> FilmFacts:
    """Join `clips` in their order into the MP4 `out`, with a chapter for each; whole or not at all.

    Pictures that agree with most others are copied bit for bit, the rest re-encoded to match; a cut within a segment, a
    transition, or what `dress` lays over them has the pictures around it drawn anew and no more. `sound` is used if it
    was made just so of these clips, else one is made.
    `on_progress` gets the share that is done, 0 to 1. The same clips and the same ffmpeg make the same bytes. Raises
    MediaError.
    """
    if not clips:
        raise MediaError("there is nothing to join", where=str(out), next_step="Render at least one scene first.")
    edit = edit_of(clips, drawn=dress.draws)
    # One after the other: x264 takes all cores by itself.
    alike = [await conform(ffmpeg, clip.prepared, edit.form) for clip in clips]
    with folder_aside(out.parent) as aside, tempfile.TemporaryDirectory(prefix="storychain-") as lists:
        look = await look_of(dress, edit, Path(lists))
        sounds = heard_in(edit, clips, [one.sound for one in alike])
        async with beside(sound_of(ffmpeg, dress, sounds, aside, sound)) as sounding:
            made, drawn = await _pieces(ffmpeg, edit, alike, clips, look, on_progress)
            need_space(out.parent, _size_of(made, edit.seconds))
            chapters = [clip.title for clip in clips] if dress.chapters else []
            await asyncio.to_thread(_lay_out, Path(lists), edit, made, chapters, title, note)
            sound = await sounding
        track = await _track(dress, edit, Path(lists))
        argv = [*_argv(alike[0], edit, made, sound, track), str(aside / _FILM)]
        share = _joining(edit.seconds, on_progress, drawn=bool(drawn))
        await run_ffmpeg(
            ffmpeg, argv, timeout=patience(edit.seconds), cwd=Path(lists), on_progress=share, where=str(out)
        )
        syncing = asyncio.create_task(asyncio.to_thread(on_disk, aside / _FILM))
        try:
            await asyncio.to_thread(_check, aside / _FILM, edit, out)
        finally:
            await syncing
        await asyncio.to_thread(give_name, aside / _FILM, out)
    anew = {number for number, one in enumerate(alike) if one is not clips[number].prepared or one.mended} | set(drawn)
    counts = (len(clips) - len(anew), len(anew), sum(drawn.values()))
    return FilmFacts(edit, *counts, out.stat().st_size, sound.loudness)


async def draw_ahead(ffmpeg: Ffmpeg, clips: Sequence[Clip], dress: Dress, wanted: Callable[[], bool]) -> None:
    """Make what a film that begins with `clips` has to draw, as far as more clips leave it as it is.

    Nothing is returned: `assemble` finds the pieces where it would put them. Where the rest turns out different (the
    last clips decide the form), they are made in vain. Stops between two when they are not `wanted` any more. Raises
    MediaError.
    """
    edit = edit_of(clips, drawn=dress.draws)
    alike: list[Prepared] = []
    for clip in clips:
        if not wanted():
            return
        alike.append(await conform(ffmpeg, clip.prepared, edit.form))
    with tempfile.TemporaryDirectory(prefix="storychain-") as layers:
        seen = _graded(await look_of(replace(dress, fade_out=Fraction(0)), edit, Path(layers)), edit, clips)
        for piece in _split(edit, alike, seen)[:-1]:
            if wanted():
                await make(ffmpeg, piece, alike, edit.form, seen)


async def _track(dress: Dress, edit: Edit, folder: Path) -> SoftTrack | None:
    text = track_of(dress, edit)
    return soft_track(await written(text, folder / "captions.srt"), _INPUTS, dress.language) if text else None


_DRAWING = 0.9
"""Share of the work that drawing is, where there is any."""


async def _pieces(
    ffmpeg: Ffmpeg,
    edit: Edit,
    alike: Sequence[Prepared],
    clips: Sequence[Clip],
    look: Look | None,
    on_progress: Callable[[float], None] | None,
) -> tuple[list[Made], dict[int, int]]:
    """The film's pieces as files; and of the clips that had to be drawn at places, how many frames were.

    Two are made at once: decoding, drawing and x264 of few frames wait for each other, and do not fill two cores.
    """
    seen = _graded(look, edit, clips)
    pieces = _split(edit, alike, seen)
    whole = sum(piece.frames for piece in pieces if isinstance(piece, Drawn))
    made: dict[int, Made] = {}
    done: dict[int, float] = {}

    async def one(numbered: tuple[int, Piece]) -> None:
        place, piece = numbered

        def drawing(seconds: float) -> None:
            """Progress of drawing this piece as the share of all work that is done then."""
            done[place] = min(float(piece.frames), seconds * float(edit.form.fps))
            if on_progress is not None:
                on_progress(sum(done.values()) / whole * _DRAWING)

        told = drawing if isinstance(piece, Drawn) else None
        made[place] = await make(ffmpeg, piece, alike, edit.form, seen, told)

    await abreast(one, enumerate(pieces), 2)
    drawn: dict[int, int] = {}
    for shot in (shot for piece in pieces if isinstance(piece, Drawn) for shot in piece.shots):
        drawn[shot.source] = drawn.get(shot.source, 0) + shot.frames - shot.blend
    return [made[place] for place in range(len(pieces))], drawn


def _graded(look: Look | None, edit: Edit, clips: Sequence[Clip]) -> Look:
    """The look, or a plain one, with the clips' grades."""
    grades = tuple((number, clip.grade) for number, clip in enumerate(clips) if clip.grade)
    return replace(look or Look(edit.frames), grades=grades)


def _split(edit: Edit, alike: Sequence[Prepared], look: Look) -> tuple[Piece, ...]:
    return pieces_of(edit.shots, [Source(one.probe.keys, one.probe.stops) for one in alike], look.touched)


def _joining(
    seconds: Fraction, on_progress: Callable[[float], None] | None, *, drawn: bool
) -> Callable[[float], None] | None:
    if on_progress is None:
        return None
    before = _DRAWING if drawn else 0.0
    return lambda written: on_progress(min(1.0, before + (1 - before) * written / float(seconds)))


def _size_of(pieces: Sequence[Made], seconds: Fraction) -> int:
    pictures = sum(piece.picture.stat().st_size for piece in pieces)
    return pictures + int(seconds * _SOUND_BITRATE / 8 * Fraction(11, 10)) + 4_000_000


def _lay_out(folder: Path, edit: Edit, pieces: Sequence[Made], titles: Sequence[str], title: str, note: str) -> None:
    """Write what ffmpeg reads. Links with plain names keep all that people put into paths out of its lists.

    They lie in a temporary folder: where the film goes, there may be no such thing as a link.
    """
    for place, piece in enumerate(pieces):
        (folder / f"p{place}.mov").symlink_to(piece.picture.absolute())
    lengths = [piece.frames / edit.form.fps for piece in pieces]
    (folder / "pictures.txt").write_text(_picture_list(lengths), encoding="ascii")
    (folder / "about.txt").write_text(_about(title, note, titles, edit), encoding="utf-8")


def _picture_list(lengths: Sequence[Fraction]) -> str:
    """List for the concat demuxer; its clock counts microseconds, the exact places are put back by `on_grid`."""
    lines = (f"file p{place}.mov\nduration {float(length):.6f}\n" for place, length in enumerate(lengths))
    return "ffconcat version 1.0\n" + "".join(lines)


def _about(title: str, note: str, titles: Sequence[str], edit: Edit) -> str:
    """Title, note and chapters in ffmpeg's metadata format."""
    lines = [";FFMETADATA1", f"title={_plain(title)}", f"comment={_plain(note)}"]
    for number, name in enumerate(titles):
        begin, end = edit.at(number), edit.at(number + 1)
        span = [f"TIMEBASE=1/{TICKS}", f"START={round(begin * TICKS)}", f"END={round(end * TICKS)}"]
        lines += ["[CHAPTER]", *span, f"title={_plain(name)}"]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """`text` on one line, without control characters, with the format's own signs escaped.

    ffmpeg takes a backslash at a line's end, even an escaped one, for a sign that the line goes on: hence the space.
    """
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    escaped = "".join(f"\\{sign}" if sign in "=;#\\" else sign for sign in line)
    return escaped + " " if escaped.endswith("\\") else escaped


_INPUTS = 3
"""Of every film: the pictures, the sound, the words about it."""


def _argv(first: Prepared, edit: Edit, pieces: Sequence[Made], sound: Soundtrack, track: SoftTrack | None) -> list[str]:
    pictures = on_grid(first.probe.tag, edit.form.fps, max(piece.reorder for piece in pieces))
    options = pictures | {"c:a": "copy", "movflags": "+faststart", "movie_timescale": TICKS}
    read = (("concat", "pictures.txt"), ("mov", str(sound.path.absolute())), ("ffmetadata", "about.txt"))
    inputs = [part for form, name in read for part in ("-f", form, "-i", name)]
    captions = (track.read, track.written) if track else ((), ())
    maps = ["-map", "0:v:0", "-map", "1:a:0", "-map_metadata", "2", "-map_chapters", "2"]
    options_ = [part for name, value in options.items() for part in (f"-{name}", str(value))]
    return [*inputs, *captions[0], *maps, *captions[1], *options_, "-f", "mp4"]


def _check(film: Path, edit: Edit, out: Path) -> None:
    """Look at the finished film before it gets its name. Raises MediaError."""
    facts, frames, seconds = probe(film), edit.frames, edit.seconds
    sound = facts.audio.seconds if facts.audio else Fraction(0)
    if facts.frames != frames or facts.hidden or abs(facts.seconds - seconds) > 1 / facts.fps:
        what = f"the joined film has {facts.frames} frames in {float(facts.seconds):.3f} s"
        raise MediaError(f"{what} instead of {frames} in {float(seconds):.3f} s", where=str(out), next_step=_ADVICE)
    if abs(sound - seconds) > 1 / facts.fps + Fraction(2048, SOUND_RATE):
        what = f"the joined film's sound lasts {float(sound):.3f} s instead of {float(seconds):.3f} s"
        raise MediaError(what, where=str(out), next_step=_ADVICE)


_ADVICE = "Nothing was overwritten. Run again; if it stays so, another ffmpeg may help (see `storychain doctor`)."
