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
    whether the stored bytes are on this disk.
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
    intended_at: float = 0.0
    submitted_at: float | None = None
    completed_at: float | None = None
    present: bool = False


NOTHING = Record("none")
"""The record of a key that was never asked for."""
