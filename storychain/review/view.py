"""What the pages show, as plain values: nothing here knows where it came from or how it will look. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class CommentView:
    """Something that was said of a take: the second in it, or None of all of it; `at` is seconds of the epoch."""

    text: str
    second: float | None
    at: float
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class TakeView:
    """One take of a scene. `number` counts a scene's takes from 1, as they were first asked for; `current` is the one
    that the film shows, `planned` what the plan would buy.

    `media` is the last part of its file's address, empty where it is not here; `version` changes when its bytes do.
    Times are seconds of the epoch.
    """

    number: int
    key: str
    state: str
    prompt: str
    model: str
    seconds: int
    credits: Decimal | None
    current: bool
    planned: bool = False
    media: str = ""
    version: str = ""
    message: str = ""
    job_id: str = ""
    submitted_at: float | None = None
    completed_at: float | None = None
    verdict: str = ""
    comments: tuple[CommentView, ...] = ()

    @property
    def took(self) -> float | None:
        """Seconds from submit to completion."""
        if self.completed_at is None or self.submitted_at is None:
            return None
        return self.completed_at - self.submitted_at


@dataclass(frozen=True, slots=True)
class RetakeView:
    """What one more take of a scene would cost, and which scenes it makes stale: those are bought again with it.

    `credits` is of the scene itself, `total` of all that would be bought then, `kept` of it where what follows is kept
    as it is. None where a price is unknown.
    """

    credits: Decimal | None
    stale: tuple[str, ...]
    total: Decimal | None
    kept: Decimal | None


@dataclass(frozen=True, slots=True)
class SceneView:
    """A scene as the plan has it. `state` is a word for people, `reason` the plan's; `chain` counts chains from 1.

    `expected_at` is when its job is likely to end, seconds of the epoch; None where nobody can tell. `retake` is the
    command that takes it again.
    """

    number: int
    id: str
    text: str
    prompt: str
    seconds: int
    join: str
    chain: int
    state: str
    reason: str
    key: str
    credits: Decimal | None
    price: Decimal | None
    take: TakeView | None
    takes: tuple[TakeView, ...]
    verdict: str = ""
    fallbacks: tuple[str, ...] = ()
    caption: str = ""
    narration: str = ""
    submitted_at: float | None = None
    expected_at: float | None = None
    findings: tuple[str, ...] = ()
    retake: str = ""

    @property
    def bought(self) -> int:
        """How many takes were ever asked for."""
        return sum(take.state != "planned" for take in self.takes)

    @property
    def ready(self) -> bool:
        """Whether its segment is here to be looked at."""
        return self.take is not None and bool(self.take.media)


@dataclass(frozen=True, slots=True)
class SeamView:
    """Where two scenes meet; `kept` says that the later one was made to continue another take.

    `measures` are those of `inspect`, or None where it has not looked at these two takes.
    """

    number: int
    before: SceneView
    after: SceneView
    cut: bool
    kept: bool = False
    how: str = ""
    measures: Mapping[str, Any] | None = None
    findings: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether both sides are here."""
        return self.before.ready and self.after.ready


@dataclass(frozen=True, slots=True)
class Chapter:
    """A scene in the film: seconds at which it begins and ends; `number` is the scene's, 0 for what is none."""

    title: str
    begin: float
    end: float
    number: int = 0


@dataclass(frozen=True, slots=True)
class FilmView:
    """A film on this disk. `current` is whether it is what the story would be joined to now; of other editions nobody
    asks. `label` says which of a story's films it is."""

    path: Path
    label: str
    size: int
    seconds: float
    fps: float
    current: bool
    version: str
    chapters: tuple[Chapter, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in addresses."""
        return self.path.stem


@dataclass(frozen=True, slots=True)
class Course:
    """How a measure goes over the film: a curve a scene, points of (seconds of the film, value)."""

    name: str
    unit: str
    least: float
    curves: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True, slots=True)
class DriftView:
    """The courses of brightness, colour and loudness over the film, and the seconds at which its scenes begin."""

    names: tuple[str, ...]
    begins: tuple[float, ...]
    courses: tuple[Course, ...]


@dataclass(frozen=True, slots=True)
class StoryView:
    """A story, all of it. `to_pay` is what the plan would still cost, None where that is unknown.

    `film` is the one that the plan would make, `others` are by other models, or the free preview of what was bought.
    `until` is when the jobs under way and those that wait for them are likely done, seconds of the epoch. `inspect` and
    `preview` are the commands that measure it and that render the free preview.
    """

    name: str
    title: str
    path: str
    model: str
    aspect_ratio: str
    provider: str
    free: bool
    state: str
    scenes: tuple[SceneView, ...]
    seams: tuple[SeamView, ...]
    spent: Decimal
    to_pay: Decimal | None
    budget: Decimal | None
    film: FilmView | None
    others: tuple[FilmView, ...] = ()
    warnings: tuple[str, ...] = ()
    until: float | None = None
    drift: DriftView | None = None
    inspected: bool = False
    inspect: str = ""
    preview: str = ""

    @property
    def seconds(self) -> int:
        """The length of all scenes."""
        return sum(scene.seconds for scene in self.scenes)

    @property
    def done(self) -> int:
        """Scenes whose segments are here."""
        return sum(scene.ready for scene in self.scenes)

    @property
    def under_way(self) -> bool:
        """Whether a job of it is."""
        return any(scene.state in UNDER_WAY for scene in self.scenes)

    @property
    def films(self) -> tuple[FilmView, ...]:
        """All of them, its own first."""
        return ((self.film,) if self.film else ()) + self.others

    def scene(self, scene_id: str) -> SceneView | None:
        """The scene of that id."""
        return next((scene for scene in self.scenes if scene.id == scene_id), None)


UNDER_WAY = frozenset({"rendering", "requested", "to download"})
"""States of a scene that change by themselves as long as a run goes on."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A story file that cannot be used, and everything that is wrong with it."""

    name: str
    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the books, in credits; `share` is its part of the largest line, 0 to 1."""

    name: str
    segments: int
    total: Decimal
    failed: Decimal
    share: float


@dataclass(frozen=True, slots=True)
class SpentView:
    """What was spent, by day (every day since the first) and by story."""

    total: Decimal
    today: Decimal
    failed: Decimal
    days: tuple[Line, ...]
    stories: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class WorkspaceView:
    """All stories, those that need somebody first."""

    stories: tuple[StoryView, ...]
    unreadable: tuple[Unreadable, ...] = ()
    spent: Decimal = field(default_factory=Decimal)
