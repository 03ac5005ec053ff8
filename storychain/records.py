"""What is on record of a segment: the words `ledger` answers in and `plan` decides on. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

State = Literal["none", "intended", "submitted", "completed", "stored", "failed", "refused", "unresolved", "abandoned"]
"""An attempt's life.

`intended → submitted → completed → stored`, or `failed`. `refused`: the provider never took it, so it cost nothing.
`unresolved`: a person has to say what became of it. `abandoned`: a person said to buy it again.
"""


Verdict = Literal["approved", "rejected"]
"""What a person says of a take."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a person has chosen for a scene beyond what its story file says; None: what the file says.

    `take` tells takes of the same words apart. `kept` is the key of a segment that is shown whatever comes before it.
    `written` are the words that the file had then: it is chosen for these, and where a person writes others, those
    count. None of choices so old that nobody wrote that down.
    """

    take: int = 1
    prompt: str | None = None
    kept: str | None = None
    written: str | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """What a person said of a take: a verdict with a note, or a comment, if need be at a second of it.

    `at` is when it was said, in seconds of the epoch.
    """

    id: int
    scene: str
    key: str
    verdict: Verdict | None
    text: str
    second: float | None
    at: float


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledger knows of one key: its latest attempt, and how many paid tries have failed.

    `credits` is what the provider said it took, else what was quoted, None where neither is known. `present` tells
    whether the stored bytes are on this disk. `prompt` is what was sent: of a segment the words that made it, of a
    failure those that `message` is about. `objected` are the prompts whose words the provider refused, and `barred`
    those among them that it did not even take on, so that sending them again is no use. `take`, `parent` (the key it
    continues) and `asked` (the words the scene had) are what the key was made of beside `model` and `seconds`; the
    latter two are empty of attempts so old that nobody wrote them down.
    """

    state: State
    attempt: int = 0
    key: str = ""
    story: str = ""
    scene: str = ""
    job_id: str | None = None
    watermark: tuple[str, ...] = ()
    url: str | None = None
    last_frame_url: str | None = None
    seconds: int = 0
    credits: Decimal | None = None
    sha256: str | None = None
    size: int | None = None
    failures: int = 0
    message: str | None = None
    prompt: str = ""
    objected: frozenset[str] = frozenset()
    barred: frozenset[str] = frozenset()
    intended_at: float = 0.0
    submitted_at: float | None = None
    completed_at: float | None = None
    present: bool = False
    model: str = ""
    take: int = 1
    parent: str = ""
    asked: str = ""


LIVE: frozenset[State] = frozenset({"intended", "submitted", "completed", "stored", "unresolved"})
"""States of an attempt that is paid, or may be: there is never more than one of a key."""

NOTHING = Record("none")
"""The record of a key that was never asked for."""
