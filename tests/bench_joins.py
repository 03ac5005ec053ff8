"""Ways of joining the same segments, ours and others', each measured alone; and how exact what came of it is.

Run by `bench_film` in a process for each, so that memory and processor time are of that way alone:
    python tests/bench_joins.py inputs FOLDER           makes and prepares the segments
    python tests/bench_joins.py join WAY FOLDER FILM    joins, and tells what it took
    python tests/bench_joins.py read WAY FILM           tells what the film is like
Each prints one JSON object. Starting Python, importing and what is done once when a segment arrives are not counted.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from difflib import SequenceMatcher
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from storychain.media.dressing import Dress
from storychain.media.edit import Clip
from storychain.media.film import assemble
from storychain.media.prepare import Prepared, prepare
from storychain.media.tool import Ffmpeg, find_ffmpeg
from tests import clips
from tests.bench_inputs import FPS, FRAMES, GOP_SECONDS, SECONDS, SIZE, segment

ODD, ODD_SIZE, ODD_FPS = 2, (1920, 1080), 30
SKIPPED, BLEND, OFTEN = 7, Fraction(1, 2), 12
"""Frames cut from a head, seconds of a transition, and how often five segments make sixty."""

_OUR_SOUND = ("-c:a", "aac", "-aac_coder", "fast", "-q:a", "2")
"""As storychain encodes, so that ways by hand have neither more nor less to do; so are the pictures."""

_BLENDED = -1
"""In place of the number of a frame that is of two segments."""

Way = Callable[[Ffmpeg, Path, Path], None]


def segments(folder: Path) -> list[Path]:
    return [segment(folder, place) for place in range(5)]


def odd(folder: Path) -> Path:
    return segment(folder, ODD, size=ODD_SIZE, fps=ODD_FPS)


def _our_picture(preset: str = "veryfast") -> tuple[str, ...]:
    return ("-c:v", "libx264", "-preset", preset, "-crf", "17", "-g", str(2 * FPS), "-pix_fmt", "yuv420p")


def by_hand(ffmpeg: Ffmpeg, *argv: str) -> None:
    subprocess.run([ffmpeg.path, "-nostdin", "-y", "-hide_banner", "-loglevel", "error", *argv], check=True)


def bytes_copied(_: Ffmpeg, folder: Path, film: Path) -> None:
    with film.open("wb") as out:
        subprocess.run(["cat", *segments(folder)], stdout=out, check=True)


def concat_copy(ffmpeg: Ffmpeg, folder: Path, film: Path) -> None:
    listed = film.with_suffix(".txt")
    listed.write_text("".join(f"file '{path}'\n" for path in segments(folder)))
    by_hand(ffmpeg, "-f", "concat", "-safe", "0", "-i", str(listed), "-c", "copy", "-movflags", "+faststart", str(film))


def exact_by_hand(ffmpeg: Ffmpeg, folder: Path, film: Path) -> None:
    """Pictures copied; sound decoded, cut to its picture and encoded once: what ours does, in two plain calls."""
    sound, listed = film.with_suffix(".m4a"), film.with_suffix(".txt")
    graph = ";".join(_cut(place) for place in range(5)) + ";" + "".join(f"[a{place}]" for place in range(5))
    by_hand(
        ffmpeg,
        *_read(folder),
        "-filter_complex",
        f"{graph}concat=n=5:v=0:a=1[a]",
        "-map",
        "[a]",
        *_OUR_SOUND,
        str(sound),
    )
    listed.write_text("".join(f"file '{path}'\nduration {SECONDS}\n" for path in segments(folder)))
    pictures = ("-f", "concat", "-safe", "0", "-i", str(listed))
    maps = ("-map", "0:v", "-map", "1:a", "-c", "copy", "-video_track_timescale", "120000", "-movflags", "+faststart")
    # Without -copyts the pictures come a packet of sound late: the list begins where its sound's priming does.
    by_hand(ffmpeg, "-copyts", *pictures, "-i", str(sound), *maps, str(film))


def checked_by_hand(ffmpeg: Ffmpeg, folder: Path, film: Path) -> None:
    """What has to be done once the last bytes are here: the segment decoded, to know that it is whole, and the join."""
    _decoded(ffmpeg, segments(folder)[-1], "-xerror", "-err_detect", "explode")
    exact_by_hand(ffmpeg, folder, film)


def transitions_read(ffmpeg: Ffmpeg, folder: Path, film: Path) -> None:
    """The least that five transitions cost: what they touch decoded from key to key frame, nothing drawn, the join."""
    for before, after in pairwise([*segments(folder), segment(folder, 5)]):
        _decoded(ffmpeg, before, "-ss", str(SECONDS - GOP_SECONDS))
        _decoded(ffmpeg, after, "-t", str(GOP_SECONDS))
    exact_by_hand(ffmpeg, folder, film)


def _decoded(ffmpeg: Ffmpeg, path: Path, *how: str) -> None:
    by_hand(ffmpeg, *how, "-i", str(path), "-map", "0:v", "-f", "null", "-")


def reencoded(ffmpeg: Ffmpeg, folder: Path, film: Path, preset: str = "veryfast") -> None:
    """The same graph of sounds, and all pictures decoded and encoded."""
    graph = ";".join(_cut(place) for place in range(5))
    joined = "".join(f"[{place}:v][a{place}]" for place in range(5)) + "concat=n=5:v=1:a=1[v][a]"
    maps = ("-map", "[v]", "-map", "[a]", *_our_picture(preset), *_OUR_SOUND, "-movflags", "+faststart")
    by_hand(ffmpeg, *_read(folder), "-filter_complex", f"{graph};{joined}", *maps, str(film))


def reencoded_plainly(ffmpeg: Ffmpeg, folder: Path, film: Path) -> None:
    """As x264 and ffmpeg do where nobody names a preset."""
    reencoded(ffmpeg, folder, film, "medium")


def odd_alone(ffmpeg: Ffmpeg, folder: Path, film: Path) -> None:
    """One segment brought into the others' form."""
    filters = f"fps={FPS}:start_time=0,scale={SIZE[0]}:{SIZE[1]}:flags=bicubic,setsar=1"
    made = (*_our_picture(), "-frames:v", str(FRAMES), *_OUR_SOUND)
    by_hand(ffmpeg, "-i", str(odd(folder)), "-vf", filters, *made, str(film))


def _read(folder: Path) -> list[str]:
    return [part for path in segments(folder) for part in ("-i", str(path))]


def _cut(place: int) -> str:
    even = "aresample=48000:async=1:first_pts=0,aformat=sample_fmts=fltp:channel_layouts=stereo"
    return f"[{place}:a]{even},apad,atrim=end={SECONDS},asetpts=N/SR/TB[a{place}]"


def mkvmerge(_: Ffmpeg, folder: Path, film: Path) -> None:
    first, *others = map(str, segments(folder))
    command = ["mkvmerge", "--quiet", "-o", str(film), first, *(part for path in others for part in ("+", path))]
    code = subprocess.run(command, check=False).returncode
    assert code in (0, 1), f"mkvmerge ended with {code}"  # 1: done, with warnings


def moviepy(ffmpeg: Ffmpeg, folder: Path, film: Path) -> None:
    """As its documentation shows it, with the preset that ours has: its own default takes longer."""
    os.environ["FFMPEG_BINARY"] = str(ffmpeg.path)
    began = _spent()
    from moviepy import VideoFileClip, concatenate_videoclips

    _leave_out(began)
    parts = [VideoFileClip(str(path)) for path in segments(folder)]
    whole = concatenate_videoclips(parts, method="chain")
    whole.write_videofile(str(film), codec="libx264", audio_codec="aac", preset="veryfast", logger=None)
    for part in (whole, *parts):
        part.close()


def ours(clips_: Callable[[list[Prepared], Prepared], list[Clip]], dress: Dress | None = None) -> Way:
    """`assemble` of what was prepared, in folders in which nothing was drawn or measured before."""

    def way(ffmpeg: Ffmpeg, folder: Path, film: Path) -> None:
        began = _spent()
        fresh = film.with_suffix(".prepared")
        # Links, so that no fresh bytes wait to be written when the film is synced.
        shutil.copytree(folder / "prepared", fresh, copy_function=os.link)
        ready = [asyncio.run(prepare(ffmpeg, path, fresh / path.stem)) for path in _all(folder)]
        chosen = clips_(ready[:-1], ready[-1])
        _leave_out(began)
        asyncio.run(assemble(ffmpeg, chosen, film, title="A film", note="Made to be measured.", dress=dress or Dress()))

    return way


def _all(folder: Path) -> list[Path]:
    return [*segments(folder), segment(folder, 5), odd(folder)]


def _whole(ready: list[Prepared]) -> list[Clip]:
    return [Clip(one, f"Scene {number}") for number, one in enumerate(ready)]


def plain_clips(ready: list[Prepared], _: Prepared) -> list[Clip]:
    return _whole(ready[:5])


def odd_clips(ready: list[Prepared], odd_one: Prepared) -> list[Clip]:
    return _whole([*ready[:ODD], odd_one, *ready[ODD + 1 : 5]])


def blended_clips(ready: list[Prepared], _: Prepared) -> list[Clip]:
    return [replace(clip, blend=BLEND if number else Fraction(0)) for number, clip in enumerate(_whole(ready))]


def skipping_clips(ready: list[Prepared], _: Prepared) -> list[Clip]:
    cut = Fraction(SKIPPED, FPS)
    return [replace(clip, skip=cut if number % 2 else Fraction(0)) for number, clip in enumerate(_whole(ready[:5]))]


def many_clips(ready: list[Prepared], _: Prepared) -> list[Clip]:
    return _whole(ready[:5] * OFTEN)


WAYS: dict[str, Way] = {
    "cat": bytes_copied,
    "concat": concat_copy,
    "hand": exact_by_hand,
    "checked": checked_by_hand,
    "touched": transitions_read,
    "mkvmerge": mkvmerge,
    "moviepy": moviepy,
    "reencoded": reencoded,
    "reencoded plainly": reencoded_plainly,
    "odd alone": odd_alone,
    "ours": ours(plain_clips),
    "ours loud": ours(plain_clips, Dress(loudness=-14)),
    "ours odd": ours(odd_clips),
    "ours blended": ours(blended_clips),
    "ours skipping": ours(skipping_clips),
    "ours many": ours(many_clips),
}


def expected(way: str) -> list[int]:
    """The numbers of a film's frames, in order; blended ones cannot be read."""
    heads = [SKIPPED * (place % 2) if way == "ours skipping" else 0 for place in range(5)]
    numbers = [place * FRAMES + frame for place in range(5) for frame in range(heads[place], FRAMES)]
    if way == "odd alone":
        return list(range(ODD * FRAMES, (ODD + 1) * FRAMES))
    if way == "ours many":
        return numbers * OFTEN
    if way == "ours blended":
        over = round(BLEND * FPS)
        numbers = list(range(FRAMES - over))
        for place in range(1, 6):
            end = FRAMES - (over if place < 5 else 0)
            numbers += [_BLENDED] * over + [place * FRAMES + frame for frame in range(over, end)]
    return numbers


def read_back(way: str, film: Path) -> dict[str, Any]:
    """Length, frames, how many of them are lost or doubled, and how far beeps are from their flashes at the worst."""
    numbers, flashes = _seen(film)
    wanted = expected(way)
    if len(numbers) == len(wanted):
        numbers = [_BLENDED if want == _BLENDED else got for got, want in zip(numbers, wanted, strict=True)]
    lost, added = _differences(wanted, numbers)
    beeps = clips.beeps(film)
    off = max((abs(min((beep - flash for beep in beeps), key=abs)) for flash in flashes), default=None)
    with av.open(str(film)) as opened:
        seconds = (opened.duration or 0) / av.time_base
    return {
        "seconds": seconds,
        "frames": len(numbers),
        "lost": lost,
        "added": added,
        "off": None if off is None or len(beeps) != len(flashes) else off,
    }


def _differences(wanted: list[int], got: list[int]) -> tuple[int, int]:
    """How many are missing, and how many are there that should not be."""
    if wanted == got:
        return 0, 0
    steps = SequenceMatcher(None, wanted, got, autojunk=False).get_opcodes()
    changes = [(end - begin, last - first) for kind, begin, end, first, last in steps if kind != "equal"]
    return sum(lost for lost, _ in changes), sum(added for _, added in changes)


def _seen(film: Path) -> tuple[list[int], list[float]]:
    """Numbers of all frames, and seconds of the flashes: as `clips` reads them, in one go and on all cores."""
    numbers, flashes = [], []
    with av.open(str(film)) as opened:
        opened.streams.video[0].thread_type = "AUTO"
        for frame in opened.decode(video=0):
            plane = frame.planes[0]
            luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
            numbers.append(clips._number(luma))
            if luma[frame.height * 5 // 8 :: 4, ::4].mean() > 215:
                flashes.append(float(frame.time or 0))
    return numbers, flashes


_left_out = np.zeros(3)


def _spent() -> np.ndarray:
    """Seconds by the clock, of our own processor time and of our children's."""
    mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return np.array([time.perf_counter(), mine.ru_utime + mine.ru_stime, theirs.ru_utime + theirs.ru_stime])


def _leave_out(began: np.ndarray) -> None:
    _left_out[:] += _spent() - began


def measured(way: str, folder: Path, film: Path) -> dict[str, float]:
    """Join, and tell seconds and MB."""
    ffmpeg = find_ffmpeg(os.environ)
    began = _spent()
    WAYS[way](ffmpeg, folder, film)
    wall, own, children = _spent() - began - _left_out
    unit = 1e6 if sys.platform == "darwin" else 1e6 / 1024
    most = {
        kind: resource.getrusage(kind).ru_maxrss / unit for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    }
    return {"wall": wall, "own": own, "children": children} | dict(
        zip(("memory", "largest"), most.values(), strict=True)
    )


def make_inputs(folder: Path) -> dict[str, Any]:
    ffmpeg = find_ffmpeg(os.environ)
    for path in _all(folder):
        asyncio.run(prepare(ffmpeg, path, folder / "prepared" / path.stem))
    return {"ffmpeg": ffmpeg.version, "bytes": sum(path.stat().st_size for path in segments(folder))}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["inputs", where]:
            print(json.dumps(make_inputs(Path(where))))
        case ["join", name, where, out]:
            print(json.dumps(measured(name, Path(where), Path(out))))
        case ["read", name, out]:
            print(json.dumps(read_back(name, Path(out))))
        case _:
            sys.exit(__doc__)
