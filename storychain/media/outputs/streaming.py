"""A folder to stream the film from (HLS): its packets copied into segments, playlists, captions and a poster.

Nothing is encoded again. Players are given `master.m3u8`.
"""

from __future__ import annotations

import re
from contextlib import ExitStack, suppress
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError

from storychain.errors import DiskTrouble, MediaError
from storychain.media.aside import folder_aside, give_name, need_space
from storychain.media.outputs.cueing import Cue
from storychain.media.outputs.poster import poster
from storychain.media.outputs.subtitles import vtt_text
from storychain.media.outputs.threads import to_its_end
from storychain.media.probe import CONFINED, Probe, probe
from storychain.media.recipes import PLAIN, patience
from storychain.media.tool import run_ffmpeg
from storychain.media.walk import AGAIN
from storychain.syncing import sync

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from storychain.media.tool import Ffmpeg

MASTER = "master.m3u8"
"""The playlist that players are given."""

_FILM, _CAPTIONS, _CUES, _POSTER = "film.m3u8", "captions.m3u8", "captions.vtt", "poster.jpg"
_FIRST = "film0000"
_SECONDS = 6
"""Usual length of a segment; each ends at a key frame, so some are longer and some shorter."""

_OURS = re.compile(r"film\d{4,}\.(ts|m4s)|film\.mp4|(master|film|captions)\.m3u8|captions\.vtt|poster\.jpg")
"""Every file that is ever in such a folder: one that holds another is somebody's, and stays."""

_CLOCK = 90_000
"""Ticks a second of what MPEG calls a time."""


async def stream(ffmpeg: Ffmpeg, film: Path, out: Path, *, on_progress: Callable[[float], None] | None = None) -> None:
    """Write the folder `out`, whole or not at all; an older one of ours makes way for it.

    Segments are MPEG-TS, of HEVC fragments of MP4. If this process is killed just between the two, neither folder is
    there. About 0.4 s for 40 s. Raises MediaError, also where something of somebody else's is in the way; DiskTrouble.
    """
    check_free(out)
    facts = await to_its_end(lambda: probe(film))
    need_space(out.parent, film.stat().st_size * 11 // 10 + 4_000_000)
    with folder_aside(out.parent) as aside:
        made = aside / "made"
        made.mkdir()
        argv = _argv(film, facts)
        await run_ffmpeg(
            ffmpeg, argv, timeout=patience(facts.seconds), cwd=made, on_progress=on_progress, where=str(out)
        )
        await poster(film, made / _POSTER)
        await to_its_end(lambda: _finish(film, facts, made, out))
        await to_its_end(lambda: _give_folder(made, out, aside))


def remove_stream(out: Path) -> None:
    """Remove such a folder, but not what somebody else has put into it."""
    if out.is_dir() and not out.is_symlink():
        for one in out.iterdir():
            if _OURS.fullmatch(one.name):
                one.unlink()
        if not any(out.iterdir()):
            out.rmdir()


def _argv(film: Path, facts: Probe) -> list[str]:
    kind = {"hls_segment_filename": f"{_FIRST[:4]}%04d.ts"}
    if facts.codec != "h264":
        kind = {
            "hls_segment_type": "fmp4",
            "hls_fmp4_init_filename": "film.mp4",
            "hls_segment_filename": "film%04d.m4s",
            "tag:v": facts.tag,
        }
    options = {"c": "copy", "hls_time": _SECONDS, "hls_playlist_type": "vod", "hls_flags": "independent_segments"}
    written = [part for name, value in (options | kind | PLAIN).items() for part in (f"-{name}", str(value))]
    maps = ["-map", "0:v:0", "-map", "0:a:0?", "-map_metadata", "-1", "-map_chapters", "-1"]
    return ["-f", "mov", "-i", str(film.absolute()), *maps, *written, "-f", "hls", _FILM]


def _finish(film: Path, facts: Probe, made: Path, out: Path) -> None:
    """Look at the segments, and write what leads to them. Raises MediaError."""
    segments = _segments(made / _FILM)
    seconds = sum(length for _, length in segments)
    if abs(seconds - facts.seconds) > Fraction(1, 10):
        what = f"the stream's segments last {float(seconds):.3f} s instead of {float(facts.seconds):.3f} s"
        raise MediaError(what, where=str(out), next_step="Run again; another ffmpeg may help.")
    language, cues = _captions(film)
    if cues:
        start = _start(made, facts)
        head, _, rest = vtt_text(cues).partition("\n")
        mapped = f"{head}\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{start}\n{rest}"
        (made / _CUES).write_text(mapped, encoding="utf-8", newline="\n")
        (made / _CAPTIONS).write_text(_captions_list(facts.seconds), encoding="ascii")
    master = _master(facts, made, segments, language if cues else None)
    (made / MASTER).write_text(master, encoding="utf-8", newline="\n")


def _segments(playlist: Path) -> list[tuple[str, Fraction]]:
    """File names and seconds of the segments in a playlist."""
    found = re.findall(r"#EXTINF:([0-9.]+),[^\n]*\n([^#\n]+)\n", playlist.read_text("utf-8"))
    return [(name, Fraction(length)) for length, name in found]


def _captions(film: Path) -> tuple[str, list[Cue]]:
    """Language and cues of the film's first track of captions, as its packets hold them; no cues where it has none."""
    try:
        with av.open(str(film.absolute()), format="mov", options=CONFINED) as opened:
            if not opened.streams.subtitles:
                return "und", []
            track = opened.streams.subtitles[0]
            base = track.time_base or Fraction(1, 1000)
            cues = []
            for packet in opened.demux(track):
                # Two bytes say how long the text is; what may follow it is about its looks.
                told = bytes(packet)
                text = told[2 : 2 + int.from_bytes(told[:2], "big")].decode("utf-8", "replace")
                if text.strip() and packet.pts is not None:
                    begin = packet.pts * base
                    lines = tuple(line.strip("\u200f ") for line in text.splitlines() if line.strip("\u200f "))
                    cues.append(Cue(begin, begin + (packet.duration or 0) * base, lines))
            return track.language or "und", cues
    except FFmpegError as error:
        raise MediaError("this film cannot be read", where=str(film), next_step=AGAIN) from error


def _start(made: Path, facts: Probe) -> int:
    """The MPEG time at which the pictures begin, which that of captions is reckoned from."""
    if facts.codec != "h264":
        return 0
    with av.open(str((made / f"{_FIRST}.ts").absolute()), format="mpegts", options=CONFINED) as opened:
        picture = opened.streams.video[0]
        return round((picture.start_time or 0) * (picture.time_base or Fraction(1, _CLOCK)) * _CLOCK)


def _captions_list(seconds: Fraction) -> str:
    head = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n"
    return f"{head}#EXT-X-TARGETDURATION:{int(seconds) + 1}\n#EXTINF:{float(seconds):.6f},\n{_CUES}\n#EXT-X-ENDLIST\n"


def _master(facts: Probe, made: Path, segments: Sequence[tuple[str, Fraction]], language: str | None) -> str:
    sizes = [(made / name).stat().st_size * 8 for name, _ in segments]
    peak = max(size / length for size, (_, length) in zip(sizes, segments, strict=True))
    width = round(facts.width * facts.sample_aspect_ratio)
    told = {
        "BANDWIDTH": f"{int(peak) + 1}",
        "AVERAGE-BANDWIDTH": f"{int(sum(sizes) / facts.seconds) + 1}",
        "RESOLUTION": f"{width}x{facts.height}",
        "FRAME-RATE": f"{float(facts.fps):.3f}",
        "CODECS": f'"{_codecs(facts)}"',
    }
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{6 if facts.codec == 'h264' else 7}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if language is not None:
        told["SUBTITLES"] = '"captions"'
        named = f'GROUP-ID="captions",NAME="{language}",LANGUAGE="{language}"'
        lines.append(f'#EXT-X-MEDIA:TYPE=SUBTITLES,{named},DEFAULT=NO,AUTOSELECT=YES,URI="{_CAPTIONS}"')
    lines += ["#EXT-X-STREAM-INF:" + ",".join(f"{name}={value}" for name, value in told.items()), _FILM]
    return "\n".join(lines) + "\n"


def _codecs(facts: Probe) -> str:
    """The codecs as RFC 6381 names them, by the decoder's parameters that the file carries."""
    told = facts.extradata
    picture = f"avc1.{told[1:4].hex()}" if facts.codec == "h264" else _hevc(told)
    return picture + (",mp4a.40.2" if facts.audio else "")


def _hevc(told: bytes) -> str:
    space, tier, profile = ("", "A", "B", "C")[told[1] >> 6], "LH"[told[1] >> 5 & 1], told[1] & 31
    fits = int(f"{int.from_bytes(told[2:6], 'big'):032b}"[::-1], 2)
    limits = "".join(f".{byte:x}" for byte in told[6:12].rstrip(b"\0"))
    return f"hvc1.{space}{profile}.{fits:x}.{tier}{told[12]}{limits}"


def check_free(out: Path) -> None:
    """Raise MediaError unless there is nothing at `out`, or a folder with nothing in it but what is written here."""
    if not out.exists() and not out.is_symlink():
        return
    ours = out.is_dir() and not out.is_symlink() and all(_OURS.fullmatch(one.name) for one in out.iterdir())
    if not ours:
        advice = "Move it away, or name the film otherwise."
        raise MediaError("something else is in the way of the stream", where=str(out), next_step=advice)


def _put_back(older: Path, out: Path) -> None:
    with suppress(FileNotFoundError):  # there was none
        older.rename(out)


def _give_folder(made: Path, out: Path, aside: Path) -> None:
    """Put a folder in place of an older one. Raises DiskTrouble; then the older one is where it was."""
    try:
        for file in sorted(made.iterdir()):
            sync(file)
        if out.exists():
            out.rename(aside / "older")
        with ExitStack() as undo:
            undo.callback(_put_back, aside / "older", out)
            give_name(made, out)
            undo.pop_all()
    except OSError as error:
        raise DiskTrouble.of(error) from error
