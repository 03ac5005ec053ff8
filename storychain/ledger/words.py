"""What the ledger is asked and answers, apart from records: purchases, admissions, films. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Purchase:
    """A segment somebody wants to buy, and the words it is asked for with.

    `take`, `parent` (the key it continues) and `asked` (the scene's words, where others are sent) are written down
    because its key was made of them.
    """

    key: str
    provider: str
    story: str
    scene: str
    run: str
    model: str
    seconds: int
    prompt: str
    price: Decimal | None
    watermark: tuple[str, ...]
    take: int = 1
    parent: str | None = None
    asked: str | None = None
    lane: int = 0


@dataclass(frozen=True, slots=True)
class Admitted:
    """The intention is on disk; the request may leave."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Full:
    """As many jobs are under way as are allowed at once."""

    under_way: int


FINDER = 2
"""Counts up when seams are judged differently: those on record are then looked at anew."""


@dataclass(frozen=True, slots=True)
class SeamRecord:
    """How a segment begins against the one before it, both by what names their bytes.

    `kind` is what the pictures showed, `frames` those at its head that show nothing new, at the slower of the two
    rates, and `seconds` their time; `confidence` is 0 to 1. `finder` counts up when seams are judged differently.
    """

    before: str
    after: str
    finder: int
    kind: str
    frames: int
    seconds: Fraction
    confidence: float


@dataclass(frozen=True, slots=True)
class FilmRecord:
    """A finished film: the recipe it was made by, and the bytes that were written."""

    path: str
    recipe: str
    free: bool
    size: int
    seconds: float
