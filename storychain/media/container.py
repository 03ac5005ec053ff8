"""The outside of a media file: its kind by its first bytes, its boxes by their sizes, its keyframes by their units.

Plain bytes alone; no library looks here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from storychain.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_EBML = b"\x1a\x45\xdf\xa3"
_BOXES = {b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"mfra", b"sidx", b"styp", b"uuid", b"meta"}
_OTHERS = {
    b"<": "a web page",
    b"{": "a JSON document",
    b"[": "a JSON document",
    b"#EXTM3U": "a playlist",
    b"ffconcat": "a playlist",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"PK\x03\x04": "a ZIP archive",
}
_LEAST_BOX, _WIDE_BOX = 8, 16
_ANOTHER = "Download it again, or give another file."
_H264_IDR = 5
_HEVC_IDR = (19, 20)


@dataclass(frozen=True, slots=True)
class Outer:
    """libav's name of the container (the only one it may be opened as), and whether an MP4 comes in fragments."""

    demuxer: str
    fragmented: bool


def examine(path: Path, *, matroska: bool) -> Outer:
    """Tell the container of a file by its own bytes, never by its name.

    Raises MediaError for what is no MP4 or MOV (or, with `matroska`, WebM or MKV), and for one that is cut short.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_WIDE_BOX)
            if matroska and head.startswith(_EBML):
                return Outer("matroska", fragmented=False)
            if head[4:8] not in _BOXES:
                raise MediaError(_what(head), where=str(path), next_step="Give an MP4 video, or download it again.")
            _check_counts(file, path)
            return Outer("mov", fragmented=b"moof" in set(_walk_boxes(file, path)))
    except OSError as error:
        raise MediaError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _what(head: bytes) -> str:
    if not head:
        return "this file is empty"
    if head.startswith(_EBML):
        return "this is a WebM or MKV video, not MP4"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    kind = next((kind for start, kind in _OTHERS.items() if text.startswith(start)), None)
    return f"this is {kind}, not a video" if kind else "this is not an MP4 video"


def _walk_boxes(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Kinds of the outermost boxes; one that ends after its file shows that the file is cut short."""
    end = file.seek(0, 2)
    place = 0
    while place + _LEAST_BOX <= end:
        file.seek(place)
        head = file.read(_WIDE_BOX)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if kind not in _BOXES:
            return  # what trails after the boxes is nobody's business
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        yield kind
        if size == 0:
            return  # reaches to the end, whatever that is
        if size < _LEAST_BOX or place + size > end:
            raise MediaError("this video is cut short", where=str(path), next_step="Download it again.")
        place += size


_TABLES = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"}
_COUNTS = {b"stsz": 8, b"stz2": 8, b"trun": 4}
"""Boxes that say how many samples there are, and after how many bytes they do."""

_MOST_BOXES = 400_000


def _check_counts(file: BinaryIO, path: Path) -> None:
    """Hold the index against the size of its file: readers set memory aside for each sample that it promises.

    Raises MediaError where there are more samples than bytes, or boxes without end.
    """
    end = file.seek(0, 2)
    for number, (kind, place) in enumerate(_boxes(file, end)):
        count = 0
        if kind in _COUNTS:
            file.seek(place + _COUNTS[kind])
            count = int.from_bytes(file.read(4), "big")
        if count > end or number > _MOST_BOXES:
            raise MediaError("this video promises more than it holds", where=str(path), next_step=_ANOTHER)


def _boxes(file: BinaryIO, end: int) -> Iterator[tuple[bytes, int]]:
    """Kind and place of the content of every box up to `end`, those of an index included; none reaches out of its own.

    As deep as they are stacked, without a call for each: a file may hold nothing but boxes in boxes.
    """
    place, ends = 0, [end]
    while ends:
        file.seek(place)
        head = file.read(_WIDE_BOX)
        size, kind, before = int.from_bytes(head[:4], "big"), head[4:8], _LEAST_BOX
        if size == 1:
            size, before = int.from_bytes(head[8:16], "big"), _WIDE_BOX
        inner = min(place + size, ends[-1]) if size else ends[-1]
        if inner < place + before or place + before > ends[-1]:
            place = ends.pop()
            continue
        yield kind, place + before
        if kind in _TABLES:
            ends.append(inner)
        place = place + before if kind in _TABLES else inner


def is_clean_key(codec: str, extradata: bytes, packet: bytes) -> bool:
    """Whether decoding can start at this packet without anything before it: an IDR in H.264 and HEVC.

    Other codecs are not looked into (True).
    """
    if codec == "h264":
        return any(unit[0] & 0x1F == _H264_IDR for unit in _units(packet, _prefix(extradata, 4)))
    if codec == "hevc":
        return any(unit[0] >> 1 & 0x3F in _HEVC_IDR for unit in _units(packet, _prefix(extradata, 21)))
    return True


def _prefix(extradata: bytes, place: int) -> int:
    """Bytes of the length before each unit, as avcC and hvcC say it."""
    return (extradata[place] & 3) + 1 if len(extradata) > place else 4


def _units(packet: bytes, prefix: int) -> Iterator[bytes]:
    """First byte of each unit of a packet whose units carry their lengths before them."""
    place = 0
    while place + prefix < len(packet):
        length = int.from_bytes(packet[place : place + prefix], "big")
        place += prefix
        yield packet[place : place + 1]
        place += length
