"""What the chain tells as it works: frozen facts, no words for people and nothing to decide.

Whoever listens gets them in order, one story's scenes interleaved. Times are the listener's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from storychain.errors import StorychainError
from storychain.plan import Quote, Step


@dataclass(frozen=True, slots=True)
class StoryBegan:
    """A story is about to be rendered by these steps; `usual` has the usual seconds of a job per scene id.

    `quoted` is what this run may buy of it.
    """

    story: str
    title: str
    steps: tuple[Step, ...]
    usual: tuple[float | None, ...]
    quoted: Quote


@dataclass(frozen=True, slots=True)
class SceneEvent:
    """What happened to a scene; `take` tells those takes of it apart that are bought side by side."""

    story: str
    scene: str
    take: int = field(default=1, kw_only=True)


@dataclass(frozen=True, slots=True)
class SceneQueued(SceneEvent):
    """A scene waits for its turn: as many jobs as allowed are under way, or somebody else makes the same segment."""

    why: str


@dataclass(frozen=True, slots=True)
class Submitted(SceneEvent):
    """A scene's paid job exists."""

    job_id: str
    credits: Decimal | None


@dataclass(frozen=True, slots=True)
class Followed(SceneEvent):
    """A job paid for earlier is taken up again."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Postponed(SceneEvent):
    """A request was turned away or its fate is being found out; it will be tried again after `wait` seconds."""

    why: str
    wait: float


@dataclass(frozen=True, slots=True)
class Reconciled(SceneEvent):
    """A lost answer was found out: `job_id` is the job it had started, None if there was none."""

    job_id: str | None


@dataclass(frozen=True, slots=True)
class Looked(SceneEvent):
    """A job was looked at and is still under way; `progress` is 0 to 100 where the provider tells."""

    job_id: str
    waited: float
    progress: float | None


@dataclass(frozen=True, slots=True)
class Completed(SceneEvent):
    """A job ended well; its bytes are still to be fetched."""

    job_id: str
    credits: Decimal | None


@dataclass(frozen=True, slots=True)
class Downloading(SceneEvent):
    """Bytes of a segment have arrived."""

    size: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Stored(SceneEvent):
    """A segment is verified and safe on this disk."""

    path: Path
    seconds: float


@dataclass(frozen=True, slots=True)
class Reused(SceneEvent):
    """A segment was already here."""


@dataclass(frozen=True, slots=True)
class SceneFailed(SceneEvent):
    """A paid try failed; `again` tells whether another will be made."""

    message: str
    again: bool


@dataclass(frozen=True, slots=True)
class StoodIn(SceneEvent):
    """A free placeholder takes a scene's place in the film; a person should know."""

    why: str


@dataclass(frozen=True, slots=True)
class Noticed(SceneEvent):
    """Something a person may want to know; nothing has to be done about it."""

    message: str


@dataclass(frozen=True, slots=True)
class NotShared(SceneEvent):
    """The shared place cannot be used; a person should know. Told once until it can be used again."""

    why: str


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


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The provider asks for patience: requests to it wait for `wait` seconds."""

    why: str
    wait: float
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
    | NotShared
    | Joining
    | Copying
    | FilmReady
    | Beside
    | StoryLeft
    | StoryStopped
    | BooksDiffer
    | HeldBack
)
