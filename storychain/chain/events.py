"""What the chain tells as it works: frozen facts, no words for people and nothing to decide.

Whoever listens gets them in order, one story's scenes interleaved. Times are the listener's business. `take` tells
takes of a scene apart that are bought side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from storychain.errors import StorychainError
from storychain.plan import Step


@dataclass(frozen=True, slots=True)
class StoryBegan:
    """A story is about to be rendered by these steps; `usual` has the usual seconds of a job per scene id."""

    story: str
    title: str
    steps: tuple[Step, ...]
    usual: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class SceneQueued:
    """A scene waits for its turn: as many jobs as allowed are under way, or somebody else makes the same segment."""

    story: str
    scene: str
    why: str
    take: int = 1


@dataclass(frozen=True, slots=True)
class Submitted:
    """A scene's paid job exists."""

    story: str
    scene: str
    job_id: str
    credits: Decimal | None
    take: int = 1


@dataclass(frozen=True, slots=True)
class Followed:
    """A job paid for earlier is taken up again."""

    story: str
    scene: str
    job_id: str
    take: int = 1


@dataclass(frozen=True, slots=True)
class Postponed:
    """A request was turned away or its fate is being found out; it will be tried again after `wait` seconds."""

    story: str
    scene: str
    why: str
    wait: float
    take: int = 1


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A lost answer was found out: `job_id` is the job it had started, None if there was none."""

    story: str
    scene: str
    job_id: str | None


@dataclass(frozen=True, slots=True)
class Looked:
    """A job was looked at and is still under way; `progress` is 0 to 100 where the provider tells."""

    story: str
    scene: str
    job_id: str
    waited: float
    progress: float | None
    take: int = 1


@dataclass(frozen=True, slots=True)
class Completed:
    """A job ended well; its bytes are still to be fetched."""

    story: str
    scene: str
    job_id: str
    credits: Decimal | None
    take: int = 1


@dataclass(frozen=True, slots=True)
class Downloading:
    """Bytes of a segment have arrived."""

    story: str
    scene: str
    size: int
    total: int | None
    take: int = 1


@dataclass(frozen=True, slots=True)
class Stored:
    """A segment is verified and safe on this disk."""

    story: str
    scene: str
    path: Path
    seconds: float
    take: int = 1


@dataclass(frozen=True, slots=True)
class Reused:
    """A segment was already here."""

    story: str
    scene: str
    take: int = 1


@dataclass(frozen=True, slots=True)
class SceneFailed:
    """A paid try failed; `again` tells whether another will be made."""

    story: str
    scene: str
    message: str
    again: bool
    take: int = 1


@dataclass(frozen=True, slots=True)
class StoodIn:
    """A free placeholder takes a scene's place in the film; a person should know."""

    story: str
    scene: str
    why: str


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something a person may want to know; nothing has to be done about it."""

    story: str
    scene: str
    message: str
    take: int = 1


@dataclass(frozen=True, slots=True)
class Joining:
    """The film is being joined; `share` is 0 to 1."""

    story: str
    share: float


@dataclass(frozen=True, slots=True)
class Copying:
    """The finished film is being written in another format, such as 9:16; `seconds` of it are there."""

    story: str
    kind: str
    seconds: float


@dataclass(frozen=True, slots=True)
class FilmReady:
    """The film is in place; `made` is False where it already was."""

    story: str
    path: Path
    seconds: float
    made: bool


@dataclass(frozen=True, slots=True)
class Beside:
    """What was made beside the film."""

    story: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class StoryStopped:
    """A story could not be finished in this run."""

    story: str
    error: StorychainError


@dataclass(frozen=True, slots=True)
class StoryLeft:
    """A story ends without a film because the run was not to buy all of it; `why` names the scenes."""

    story: str
    why: str


@dataclass(frozen=True, slots=True)
class BooksDiffer:
    """During the run the account took other credits than the ledger wrote down."""

    taken: Decimal
    written: Decimal
    story: str = "account"


Event = (
    StoryBegan
    | SceneQueued
    | Submitted
    | Followed
    | Postponed
    | Reconciled
    | Looked
    | Completed
    | Downloading
    | Stored
    | Reused
    | SceneFailed
    | StoodIn
    | Noticed
    | Joining
    | Copying
    | FilmReady
    | Beside
    | StoryLeft
    | StoryStopped
    | BooksDiffer
)
