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


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledger knows of one key: its latest attempt, and how many paid tries have failed.

    `credits` is what the provider said it took, else what was quoted, None where neither is known. `present` tells
    whether the stored bytes are on this disk. `prompt` is what was sent: of a segment the words that made it, of a
    failure those that `message` is about. `objected` are the prompts whose words the provider refused, and `barred`
    those among them that it did not even take on, so that sending them again is no use.
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


LIVE: frozenset[State] = frozenset({"intended", "submitted", "completed", "stored", "unresolved"})
"""States of an attempt that is paid, or may be: there is never more than one of a key."""

NOTHING = Record("none")
"""The record of a key that was never asked for."""
