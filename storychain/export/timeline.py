"""A film as an editing program sees it: items one after the other, counted in frames of the film's one rate.

Values and arithmetic alone; how they are written down is said in a module for each format.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from storychain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal
    from pathlib import Path

Kind = Literal["scene", "opening", "placeholder", "card"]
"""What is seen: a bought segment, the story's own start video, a card for a scene that could not be had, words."""


@dataclass(frozen=True, slots=True)
class Media:
    """A video file: `frames` at its own rate. `path` is absolute; `channels` is 0 where there is no sound."""

    path: Path
    fps: Fraction
    frames: int
    width: int
    height: int
    channels: int = 0
    sample_rate: int = 0

    @property
    def seconds(self) -> Fraction:
        """Its exact length."""
        return self.frames / self.fps

    @property
    def uri(self) -> str:
        """Its `file:` address, percent-encoded."""
        return self.path.as_uri()

    def frames_at(self, fps: Fraction) -> int:
        """How many frames it has in a film of another rate."""
        return self.frames if fps == self.fps else max(1, round(self.seconds * fps))


@dataclass(frozen=True, slots=True)
class Take:
    """One attempt at a scene, and its file where that is here. `seconds` is what was asked for."""

    key: str
    number: int = 1
    state: str = "stored"
    media: Media | None = None
    job_id: str | None = None
    prompt: str = ""
    model: str | None = None
    credits: Decimal | None = None
    seconds: int | None = None
    sha256: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Seam:
    """How a segment begins against the one before it.

    `kind` is what the pictures showed, `frames` those at its head that show nothing new, `confidence` 0 to 1.
    """

    kind: str
    frames: int = 0
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """What is seen for `frames` frames: a take's frames from `first` on, or nothing yet, and then `missing` says why.

    It comes in over the last `blend` frames of the item before. All numbers are at the film's rate. `others` are
    takes that are not shown.
    """

    name: str
    kind: Kind
    frames: int
    take: Take
    first: int = 0
    blend: int = 0
    transition: str = ""
    seam: Seam | None = None
    others: tuple[Take, ...] = ()
    missing: str = ""

    @property
    def media(self) -> Media | None:
        """The file that is shown."""
        return None if self.missing else self.take.media


@dataclass(frozen=True, slots=True)
class Placed:
    """An item on a track where items follow each other without overlap: blends are cut in their middle.

    Frames `begin` up to `end` of the film show the item's frames from `first` on. The transition into it begins
    `lead` frames before `begin` and ends `trail` frames after it.
    """

    item: Item
    begin: int
    end: int
    first: int
    lead: int
    trail: int

    @property
    def frames(self) -> int:
        """How many frames it has on the track."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Timeline:
    """A film: items in their order at `fps` frames a second, `width` by `height`."""

    name: str
    title: str
    fps: Fraction
    width: int
    height: int
    items: tuple[Item, ...]
    recipe: str = ""

    @property
    def begins(self) -> list[int]:
        """The film's frame at which each item begins to be seen, and the film's length at the end."""
        places = [0]
        for number, item in enumerate(self.items):
            over = self.items[number + 1].blend if number + 1 < len(self.items) else 0
            places.append(places[-1] + item.frames - over)
        return places

    @property
    def frames(self) -> int:
        """The film's length."""
        return self.begins[-1]

    def placed(self) -> Iterator[Placed]:
        """The items on one track."""
        places = self.begins
        cuts = [place + item.blend // 2 for place, item in zip(places, self.items, strict=False)] + [places[-1]]
        for number, item in enumerate(self.items):
            lead = item.blend // 2
            yield Placed(item, cuts[number], cuts[number + 1], item.first + lead, lead, item.blend - lead)


def nominal(fps: Fraction) -> int:
    """Frames that timecode counts as a second: 24 for 23.976. Raises UsageError where there is no such timecode."""
    whole = round(fps)
    if fps not in (whole, Fraction(1000 * whole, 1001)) or whole not in (24, 25, 30, 48, 50, 60):
        raise UsageError(
            f"editing programs have no timecode for {rate_text(fps)} frames a second",
            next_step="Use --to otio or --to csv, which take any rate.",
        )
    return whole


def timecode(frame: int, fps: Fraction) -> str:
    """Non-drop timecode `HH:MM:SS:FF`, which begins again after a day."""
    second = nominal(fps)
    seconds, frames = divmod(frame, second)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours % 24:02}:{minutes:02}:{seconds:02}:{frames:02}"


def rate_text(fps: Fraction) -> str:
    """A rate for people and for CSV: `24`, `23.976`."""
    return str(fps.numerator) if fps.denominator == 1 else f"{float(fps):.3f}"


def metadata_of(item: Item, take: Take) -> dict[str, str | int | float]:
    """What is told of a take, by name; only what is known."""
    told: dict[str, str | int | float | None] = {
        "scene": item.name,
        "kind": item.kind,
        "take": take.number,
        "key": take.key,
        "state": take.state,
        "job_id": take.job_id,
        "model": take.model,
        "credits": None if take.credits is None else plain_number(take.credits),
        "prompt": take.prompt,
        "sha256": take.sha256,
    }
    return {name: value for name, value in told.items() if value not in (None, "")}


def seam_text(seam: Seam) -> str:
    """A seam in a few words: `repeated, 26 frames, 93 % sure`."""
    frames = f", {seam.frames} frame{'' if seam.frames == 1 else 's'}" if seam.frames else ""
    sure = f", {seam.confidence:.0%} sure" if seam.confidence is not None else ""
    return f"{seam.kind}{frames}{sure}"


def plain_number(value: Decimal) -> int | float:
    """A decimal as JSON has it."""
    return int(value) if value == int(value) else float(value)
