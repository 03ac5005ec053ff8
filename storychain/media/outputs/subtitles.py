"""Captions as files and as a track of the film: SubRip (.srt), WebVTT (.vtt), and what the join needs to take them in.

How captions are cut into cues is decided in `cueing`; how they look when they are burned in, in the lettering room.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from storychain.media.aside import write_whole
from storychain.media.outputs.cueing import right_to_left
from storychain.media.outputs.threads import to_its_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from storychain.media.outputs.cueing import Cue

_MARKUP = re.compile(r"<(?=[A-Za-z/!])|\{(?=\\)|\\(?=[Nnh])|&(?=#?\w+;)")
"""Signs that begin something players of .srt act upon, though the format has none and no way to say that it is text."""

_APART = "\u2060"
"""Word joiner: seen by no one, it keeps such a sign from what it would begin."""

_RIGHT = "\u200f"
"""Right-to-left mark: at both ends of a line it keeps punctuation where it belongs, in players that do not look."""

_VTT = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


@dataclass(frozen=True, slots=True)
class SoftTrack:
    """Arguments of the ffmpeg that writes the film: `read` with its inputs, `written` with its maps and options."""

    read: tuple[str, ...]
    written: tuple[str, ...]


def soft_track(srt: Path, number: int, language: str) -> SoftTrack:
    """A track of captions for an MP4, that players can show: the file `srt` as the join's input `number`, from zero.

    `language` is an ISO 639-2 code of three letters. The file must hold a cue.
    """
    read = ("-f", "srt", "-i", str(srt.absolute()))
    named = ("-metadata:s:s:0", f"language={language}")
    return SoftTrack(read, ("-map", f"{number}:s:0", "-c:s", "mov_text", *named))


def srt_text(cues: Sequence[Cue]) -> str:
    """Cues as SubRip. Times are rounded to milliseconds; a cue that has none left is left out."""
    blocks = (
        f"{number}\n{_time(begin, ',')} --> {_time(end, ',')}\n{lines}\n"
        for number, (begin, end, lines) in enumerate(_timed(cues, _plain), 1)
    )
    return "\n".join(blocks)


def vtt_text(cues: Sequence[Cue]) -> str:
    """Cues as WebVTT. Times are rounded to milliseconds; a cue that has none left is left out."""
    blocks = (f"{_time(begin, '.')} --> {_time(end, '.')}\n{lines}\n" for begin, end, lines in _timed(cues, _escaped))
    return "\n".join(("WEBVTT\n", *blocks))


async def write_subtitles(cues: Sequence[Cue], srt: Path, vtt: Path) -> None:
    """Write both files, each whole or not at all. Raises DiskTrouble."""
    await to_its_end(lambda: _write({srt: srt_text(cues), vtt: vtt_text(cues)}))


def _write(texts: dict[Path, str]) -> None:
    for out, text in texts.items():
        write_whole(out, text.encode())


def _timed(cues: Sequence[Cue], shown: Callable[[str], str]) -> Iterator[tuple[int, int, str]]:
    for cue in cues:
        begin, end = _milliseconds(cue.begin), _milliseconds(cue.end)
        if end > begin:
            turned = right_to_left(" ".join(cue.lines))
            lines = (f"{_RIGHT}{shown(line)}{_RIGHT}" if turned else shown(line) for line in cue.lines)
            yield begin, end, "\n".join(lines)


def _milliseconds(seconds: Fraction) -> int:
    return int(seconds * 1000 + Fraction(1, 2))


def _time(milliseconds: int, sign: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{sign}{rest:03d}"


def _plain(line: str) -> str:
    return _MARKUP.sub(lambda found: found[0] + _APART, line.replace("-->", "→"))


def _escaped(line: str) -> str:
    return "".join(_VTT.get(sign, sign) for sign in line)
