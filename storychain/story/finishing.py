"""How a film is finished, as the rest of the program sees it: frozen, checked, every default filled in.

What lives here: plain dataclasses and the names that may be used. What may not: YAML, pydantic, files, checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

TRANSITIONS: dict[str, str] = {
    "fade": "fade",
    "dissolve": "fade",
    "fade-black": "fadeblack",
    "fade-white": "fadewhite",
    "wipe-left": "wipeleft",
    "wipe-right": "wiperight",
    "wipe-up": "wipeup",
    "wipe-down": "wipedown",
    "slide-left": "slideleft",
    "slide-right": "slideright",
    "circle": "circleopen",
}
"""Transitions by their names in stories, and as ffmpeg's xfade calls them.

Its own `dissolve` is none as editors know it: it lets single pixels through, like snow on a screen.
"""

NO_TRANSITION = "none"
DOUBLED = ("keep", "drop")
SUBTITLES = ("soft", "burned", "off")
MATCHES = ("none", "color", "loudness", "both")
CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
HANDOVERS = ("report", "retake")
FITS = ("crop", "blur")
COPIES = ("web", "gif", "webp", "hls")
FORMAT_RATIOS = ("16:9", "9:16", "1:1", "4:5", "4:3", "3:4", "21:9")

Handover = Literal["report", "retake"]
"""What becomes of a segment that ends black, frozen or blurred: it is reported, or bought again within `attempts`."""


@dataclass(frozen=True, slots=True)
class TitleCard:
    """Words on a card, and how many seconds it stands."""

    text: str
    subtitle: str
    seconds: Fraction


@dataclass(frozen=True, slots=True)
class MusicBed:
    """Music under the film: decibels against the file as it is, seconds of its fades."""

    file: Path
    volume: float
    duck: bool
    fade: Fraction


@dataclass(frozen=True, slots=True)
class Narrator:
    """Who speaks: the speaker's name, its voice, words a minute."""

    speaker: str = "espeak-ng"
    voice: str = "en"
    speed: int = 160


@dataclass(frozen=True, slots=True)
class Watermark:
    """A picture over the film: corner, share of the film's width, opacity 0 to 1."""

    file: Path
    corner: str
    width: float
    opacity: float


@dataclass(frozen=True, slots=True)
class Master:
    """One more film: `kind` is an aspect ratio such as `9:16`, or one of web, gif, webp, hls."""

    kind: str
    fit: Literal["crop", "blur"] = "crop"


@dataclass(frozen=True, slots=True)
class Transition:
    """How a scene comes in: ffmpeg's name of it, and its seconds."""

    kind: str
    seconds: Fraction


@dataclass(frozen=True, slots=True)
class Finishing:
    """How a film is finished, every default filled in. Times are seconds, `loudness` LUFS or None."""

    transition: Transition | None = None
    title_card: TitleCard | None = None
    end_card: TitleCard | None = None
    music: MusicBed | None = None
    narrator: Narrator = Narrator()
    subtitles: Literal["soft", "burned", "off"] = "soft"
    language: str = "eng"
    loudness: float | None = -14.0
    drop_doubled: bool = False
    fade_in: Fraction = Fraction(0)
    fade_out: Fraction = Fraction(0)
    watermark: Watermark | None = None
    match_color: bool = False
    match_loudness: bool = False
    formats: tuple[Master, ...] = ()
    poster: bool = True
    contact_sheet: bool = True
    chapters: bool = True
