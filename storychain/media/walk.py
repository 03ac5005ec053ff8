"""One walk over the packets of an opened video (PyAV): times, order, keyframes, and whether all of it is there.

What follows from it is said in `probe`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import av

from storychain.errors import MediaError
from storychain.media.container import is_clean_key
from storychain.media.form import nearest_usual

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

AGAIN = "Download it again, or give another file."
"""What to do about a file that is no whole video."""

LONGEST = 4 * 3600
"""Seconds of video; a header may promise a century, and sound is cut to the picture's length."""

_MOST_PACKETS = 4_000_000
"""More than four hours have, at 120 pictures a second and any sound but PCM in crumbs."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What the packets told: shown times (ascending, in units of `base` seconds), and the rest of `Probe`."""

    marks: list[int]
    base: Fraction
    hidden: int
    reorder: int
    keys: tuple[int, ...]
    stops: tuple[int, ...]
    begins_clean: bool
    keys_clean: bool
    sound_seconds: Fraction


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is kept of a packet: a packet itself holds its bytes, and all of them would be the whole file."""

    mark: int
    hidden: bool
    clean: bool


def picture_of(opened: InputContainer, path: Path) -> VideoStream:
    """The first picture track that can be decoded and is no cover. Raises MediaError."""
    for stream in opened.streams.video:
        if _decodable(stream) and not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    raise MediaError("there is no picture in this file that can be read", where=str(path), next_step=AGAIN)


def sound_of(opened: InputContainer) -> AudioStream | None:
    """The sound track that players choose: the default one, else the first; of those that can be decoded, for
    telephones put others beside it.
    """
    tracks = [stream for stream in opened.streams.audio if _decodable(stream)]
    chosen = (stream for stream in tracks if stream.disposition & av.stream.Disposition.default)
    return next(chosen, next(iter(tracks), None))


def _decodable(stream: Stream) -> bool:
    # For a codec it does not know, PyAV has no context, whatever its types say.
    context: object = stream.codec_context
    return context is not None


def walk(opened: InputContainer, path: Path) -> Walk:
    """Read all packets of the picture and the first sound. Raises MediaError where some are missing."""
    picture = picture_of(opened, path)
    code, extradata = picture.codec_context.codec, bytes(picture.codec_context.extradata or b"")
    sound = sound_of(opened)
    packets: list[_Seen] = []
    heard = 0
    clean: list[bool] = []
    for number, packet in enumerate(opened.demux(*(stream for stream in (picture, sound) if stream is not None))):
        if packet.size == 0:
            continue
        if packet.is_corrupt:
            raise _cut_short(path)
        if number > _MOST_PACKETS:
            raise _too_long(path)
        if packet.stream is not picture:
            heard += packet.duration or 0
            continue
        key = packet.is_keyframe or not packets
        if key:
            clean.append(is_clean_key(code.canonical_name, extradata, bytes(packet)))
        mark = packet.pts if packet.pts is not None else packet.dts or 0
        packets.append(_Seen(mark, packet.is_discard, key and clean[-1]))
    if len(packets) < max(1, picture.frames) or all(packet.hidden for packet in packets):
        raise _cut_short(path)
    seconds_heard = heard * (sound.time_base or Fraction(0)) if sound is not None else Fraction(0)
    walked = _measure(packets, picture.time_base or Fraction(0), clean, seconds_heard)
    if (walked.marks[-1] - walked.marks[0]) * walked.base > LONGEST:
        raise _too_long(path)
    return walked


def _measure(packets: list[_Seen], base: Fraction, clean: list[bool], heard: Fraction) -> Walk:
    marks = [packet.mark for packet in packets]
    shown = sorted(packet.mark for packet in packets if not packet.hidden)
    place = {mark: rank for rank, mark in enumerate(sorted(marks))}
    number = {mark: count for count, mark in enumerate(shown)}
    return Walk(
        marks=shown,
        base=base,
        hidden=len(packets) - len(shown),
        reorder=max(0, *(index - place[mark] for index, mark in enumerate(marks))) if len(marks) > 1 else 0,
        keys=tuple(number[packet.mark] for packet in packets if packet.clean and not packet.hidden),
        stops=tuple(_stops([place[mark] for mark in marks])) if len(marks) == len(shown) else (),
        begins_clean=bool(clean) and clean[0],
        keys_clean=all(clean),
        sound_seconds=heard,
    )


def _stops(places: list[int]) -> Iterator[int]:
    """Frames before which a copy can end; `places` has frames in decoding order by when they are shown.

    All frames shown before must have come by then, and no others: what is copied needs nothing of what is not.
    """
    latest = -1
    for count, place in enumerate(places, 1):
        latest = max(latest, place)
        if latest == count - 1:
            yield count


def length_of(walked: Walk, rate: Fraction | None, picture: VideoStream) -> tuple[Fraction, Fraction]:
    """Frames per second (where they vary: the usual rate nearest to the ordinary step), seconds of the picture."""
    if rate is not None:
        return rate, len(walked.marks) / rate
    if len(walked.marks) == 1:
        rate = nearest_usual(Fraction(picture.average_rate or 24))
        return rate, 1 / rate
    # What a packet says of its duration is about decoding; the last frame is shown as long as an ordinary one.
    steps = sorted(later - earlier for earlier, later in pairwise(walked.marks))
    step = Fraction(steps[(len(steps) - 1) // 2] + steps[len(steps) // 2], 2) * walked.base or Fraction(1, 24)
    return nearest_usual(1 / step), (walked.marks[-1] - walked.marks[0]) * walked.base + step


def rotation_of(opened: InputContainer, picture: VideoStream) -> int:
    """Only a decoded frame tells its rotation, so the first one is decoded."""
    opened.seek(0)
    for frame in opened.decode(picture):
        return int(frame.rotation)
    return 0


def _too_long(path: Path) -> MediaError:
    return MediaError(f"this video says it is longer than {LONGEST // 3600} h", where=str(path), next_step=AGAIN)


def _cut_short(path: Path) -> MediaError:
    return MediaError("this video is cut short", where=str(path), next_step=AGAIN)
