"""What a chain starts from: addresses and files, looked up beside the story and looked at before money is spent.

What lives here: where a source may lie and whether it can be what it is called. What may not: decoding media.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlsplit

from storychain.story.model import Source, Start
from storychain.story.problems import nearest, quoted

if TYPE_CHECKING:
    from storychain.story.format import WrittenStart
    from storychain.story.parsing import Places
    from storychain.story.problems import Path as StoryPath

Medium = Literal["video", "image", "sound"]

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://|data:")
_UNSENDABLE = re.compile(r"[\s\x00-\x1f\x7f]")
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")
_ADDRESS = re.compile(
    r"(?P<scheme>[^:]+://)(?P<user>[^/?#]*@)?(?P<host>\[[^]]*\]|[^/?#:]*)(?P<port>:\d*)?(?P<rest>.*)", re.DOTALL
)
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=-]+")
_TWO_NAMES = re.compile("[ßς\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}]")
_SAFE = "!$&'()*+,;=:%"
_ENDINGS: dict[Medium, tuple[str, ...]] = {
    "video": (".mp4", ".mov", ".webm", ".m4v", ".mkv"),
    "image": (".png", ".jpg", ".jpeg", ".webp"),
    "sound": (".mp3", ".m4a", ".wav", ".flac", ".ogg", ".opus", ".aac"),
}
_CALLED: dict[Medium, str] = {"video": "a video", "image": "a picture", "sound": "a sound file"}
_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}
_EBML = b"\x1a\x45\xdf\xa3"
_HEAD = 12


class Unusable(Exception):
    """The source cannot be used; the message is the end of a sentence about it."""


def find_start(start: WrittenStart, places: Places, story: Path) -> Start | None:
    """Return the start of the story file `story`; what is wrong with it becomes problems in `places`."""
    kinds: tuple[Literal["video", "image", "references"], ...] = ("video", "image", "references")
    chosen = [kind for kind in kinds if getattr(start, kind) is not None]
    for kind in chosen[1:]:
        places.add(("start", kind), f"start already has {chosen[0]}; they exclude each other", on_key=True)
    if not chosen:
        places.add(("start",), "needs one of video, image, references")
        return None
    if start.include is not None and chosen[0] != "video":
        places.add(("start", "include"), "goes with video only; pictures do not open the film", on_key=True)
    sources = [_source(at, written, places, story) for at, written in _written(start, chosen[0])]
    return Start(chosen[0], tuple(source for source in sources if source), include=start.include is True)


def _written(start: WrittenStart, kind: str) -> list[tuple[StoryPath, str]]:
    """Return each source as written with its path in the story."""
    value = getattr(start, kind)
    if isinstance(value, str):
        return [(("start", kind), value)]
    return [(("start", kind, number), written) for number, written in enumerate(value)]


def _source(at: StoryPath, written: str, places: Places, story: Path) -> Source | None:
    if places.flawed(at):
        return None
    try:
        return find_source(written, "video" if at[1] == "video" else "image", story)
    except Unusable as unusable:
        places.add(at, str(unusable))
        return None


def find_source(written: str, medium: Medium, story: Path) -> Source:
    """Return the source `written` in the story file `story`. Raises `Unusable`."""
    if _SCHEME.match(written):
        return Source(written, None, _address(written))
    return Source(written, _file(written, medium, story), None)


def find_file(written: str, medium: Medium, story: Path) -> Path:
    """Return the file `written` in the story file `story`; addresses are not fetched. Raises `Unusable`."""
    if _SCHEME.match(written):
        raise Unusable("is an address; download the file and name it here")
    return _file(written, medium, story)


def _address(written: str) -> str:
    """The address as it is sent: a URI, with what stands otherwise in it encoded as browsers do. Raises `Unusable`."""
    try:
        parts = urlsplit(written)
        port = parts.port
    except ValueError as error:
        raise Unusable(f"is not a web address: {error}") from error
    if parts.scheme not in {"http", "https"}:
        raise Unusable(f"addresses begin with https:// or http://, not {quoted(parts.scheme + ':')}")
    if not parts.hostname:
        raise Unusable("the address names no host")
    if _UNSENDABLE.search(written):
        raise Unusable("the address holds a space or control character; write a space as %20")
    if port == 0 or "\\" in written:
        raise Unusable("no address has port 0" if port == 0 else "the address holds a backslash; write / or %5C")
    if broken := _NO_ESCAPE.search(written):
        raise Unusable(f"{quoted(broken[0])} in the address encodes nothing; write a percent sign as %25")
    return _encoded(written)


def _encoded(written: str) -> str:
    """An address with letters beyond ASCII, and signs that no URI has, encoded; what is a URI stays as it is."""
    found = _ADDRESS.fullmatch(written)
    assert found is not None
    head, fragment_sign, fragment = found["rest"].partition("#")
    try:
        user = quote(found["user"].removesuffix("@"), safe=_SAFE) + "@" if found["user"] else ""
        rest = quote(head, safe=f"{_SAFE}@/?") + fragment_sign + quote(fragment, safe=f"{_SAFE}@/?")
        return f"{found['scheme']}{user}{_host(found['host'])}{found['port'] or ''}{rest}"
    except UnicodeEncodeError as error:
        raise Unusable("the address holds half a character") from error


def _host(written: str) -> str:
    if _HOST.fullmatch(written):
        return written
    try:
        # Of these letters older and newer browsers make different names.
        host = "" if _TWO_NAMES.search(written) else written.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host):
        raise Unusable(f"{quoted(written)} is no host's name that could be looked up; write it as xn--… if it is one")
    return host


def _file(written: str, medium: Medium, story: Path) -> Path:
    path = _inside(written, story)
    try:
        status = path.stat()
    except OSError as error:
        raise Unusable(f"there is no such file{_nearby(path)}") from error
    if not stat.S_ISREG(status.st_mode):
        raise Unusable("is not a file" if stat.S_ISDIR(status.st_mode) else "is a pipe, socket or device, not a file")
    if status.st_size == 0:
        raise Unusable("the file is empty")
    if path.suffix.lower() not in _ENDINGS[medium]:
        raise Unusable(f"is not {_CALLED[medium]} by its name; {', '.join(_ENDINGS[medium])} can be used")
    if not _plausible(_head(path), medium):
        raise Unusable(f"is named like {_CALLED[medium]} but its contents are something else")
    return path


def _inside(written: str, story: Path) -> Path:
    """Return the absolute path; a relative one must lie in the story's directory, links followed."""
    try:
        home = story.parent.resolve()
        path = Path(written)
        if path.is_absolute():
            return path
        resolved = (home / path).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a name too long, a NUL in it
        raise Unusable("is not a path that can be followed") from error
    if not resolved.is_relative_to(home):
        raise Unusable("lies outside the story's directory; give the absolute path if that is meant")
    return resolved


def _nearby(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return "; it is looked up beside the story file"
    found = nearest(path.name, names)
    return f"; did you mean {quoted(found)}?" if found else "; it is looked up beside the story file"


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror or error}") from error


def _plausible(head: bytes, medium: Medium) -> bool:
    """Tell whether the first bytes can be such a file's."""
    if medium == "video":
        return head[4:8] in _BOXES or head.startswith(_EBML)
    if medium == "sound":
        return head.startswith((b"RIFF", b"ID3", b"fLaC", b"OggS")) or head[4:8] in _BOXES or _begins_frame(head)
    return head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")) or (head[:4], head[8:12]) == (b"RIFF", b"WEBP")


def _begins_frame(head: bytes) -> bool:
    """Tell whether the first bytes begin a frame of MP3 or AAC: eleven bits set."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0
