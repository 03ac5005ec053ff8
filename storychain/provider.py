"""What a provider of segments is: what can be asked of it, and what it may answer.

Only words live here: frozen data and one Protocol. How the words travel is `pictory`'s business; what is done with
them is `chain`'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal, Protocol

from storychain.errors import GenerationFailed, StorychainError


@dataclass(frozen=True, slots=True)
class SegmentRequest:
    """One segment to buy. At most one of the three kinds of input is set; `seconds` is a whole number.

    `in_time` is asked at the last moment before the request leaves; where it says no, it is not sent.
    """

    prompt: str
    model: str
    aspect_ratio: str
    seconds: int
    extend_video_url: str | None = None
    first_frame_image_url: str | None = None
    reference_image_urls: tuple[str, ...] = ()
    webhook: str | None = None
    in_time: Callable[[], bool] = field(default=lambda: True, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the request: a paid job exists."""

    job_id: str


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The request was provably not accepted and may be sent again, after `wait` seconds if the provider said so."""

    reason: str
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class AnswerLost:
    """Nobody can tell from here whether the request was accepted: the job list has to be asked.

    Where it was not, sending it again is no use before somebody did what `mend` says, if it says anything.
    """

    reason: str
    mend: str | None = None


Submission = Accepted | TurnedAway | AnswerLost

JobState = Literal["in_progress", "completed", "failed", "cleaned", "not_found", "untold"]
"""`untold` is what a list says of a job that it names without saying how it stands."""


@dataclass(frozen=True, slots=True)
class Job:
    """A paid job as its provider describes it, alone or in a list. `seconds` is what it claims; the file decides."""

    id: str
    state: JobState
    url: str | None = None
    last_frame_url: str | None = None
    seconds: Decimal | None = None
    width: int | None = None
    height: int | None = None
    credits: Decimal | None = None
    progress: float | None = None
    code: str | None = None
    message: str | None = None

    @property
    def told_whole(self) -> bool:
        """Whether it is completed, with all that is ever asked of such a job: a list may leave some of it out."""
        told = (self.url, self.last_frame_url, self.seconds, self.credits)
        return self.state == "completed" and None not in told


@dataclass(frozen=True, slots=True)
class JobPage:
    """One page of the account's jobs, newest first; `next_page` fetches older ones."""

    jobs: tuple[Job, ...]
    next_page: str | None


@dataclass(frozen=True, slots=True)
class Quota:
    """The account's credits: used so far, and how many there are."""

    used: Decimal
    limit: Decimal


@dataclass(frozen=True, slots=True)
class Transaction:
    """One line of the account's credit usage. Debits and credits both carry a positive amount."""

    id: str
    kind: str
    amount: Decimal
    description: str
    date: str


_ABOUT_WORDS = re.compile(
    r"content.{0,3}(polic|filter|moderat|violat|safety|guideline|restrict|block|flag|refus|reject|prohibit)"
    r"|moderation|moderated|nsfw|profan|prohibited|disallowed|inappropriate|offensive|unsafe|safety"
    r"|sensitive.{0,3}(content|word|topic|term|prompt)|explicit.{0,3}content|sexual|violen(t|ce)"
    r"|violat\w*.{0,40}(polic|guideline|term|rule)|(usage|community|use).{0,3}(polic|guideline)|responsible.{0,3}ai"
    r"|\b(prompt|words?|text)\b.{0,40}(refus|reject|block|flag|not allowed|polic)"
    r"|(refus|reject|block|flag)\w*.{0,20}(prompt|words)",
    re.IGNORECASE,
)
"""How providers say that it is the words they refuse; codes are read with their underscores as spaces."""


def about_words(code: str | None, message: str | None) -> bool:
    """Whether a refusal or failure is about the words of the prompt, so that other words may pass."""
    return bool(_ABOUT_WORDS.search(f"{code or ''} {message or ''}".replace("_", " ")))


class RequestRefused(GenerationFailed):
    """The provider called the request invalid: nothing was bought.

    `fields` names what it objected to; `about_words` tells that it was the prompt's words.
    """

    def __init__(
        self, what: str, *, fields: Sequence[str] = (), about_words: bool = False, next_step: str | None = None
    ) -> None:
        super().__init__(what, next_step=next_step)
        self.fields = tuple(fields)
        self.about_words = about_words


class AddressGone(StorychainError):
    """A file's address has expired or leads nowhere; a fresh one may be had from its job."""


class Provider(Protocol):
    """Where segments come from. Reads may be repeated at will; `submit` is called once per decision to pay."""

    name: str
    """Part of every key: segments of different providers are never mixed up."""

    free: bool
    """True where segments cost nothing, so that no consent is needed and no cap applies."""

    async def turn(self) -> None:
        """Wait until a request may be sent; the next one submitted is then sent without waiting."""

    async def submit(self, request: SegmentRequest) -> Submission:
        """Send a paid request exactly once. Raises RequestRefused or AccountError where nothing was bought."""

    async def job(self, job_id: str) -> Job:
        """Read one job; an unknown id gives the state `not_found`."""

    async def jobs(self, page: str | None = None) -> JobPage:
        """Read one page of the account's jobs, newest first."""

    async def clean(self, job_id: str) -> None:
        """Remove an ended job's files. Cannot be undone; may be repeated."""

    async def upload(self, file: Path, content_type: str) -> str:
        """Bring a local file to a public, permanent address and return it."""

    async def quota(self) -> Quota:
        """Read the account's credits."""

    async def usage(self, year: int | None = None, month: int | None = None) -> tuple[Transaction, ...]:
        """Read the account's credit transactions, newest first."""

    async def alive(self, url: str) -> bool:
        """Tell whether an address still gives its file, by reading its first byte."""

    async def download(self, url: str, part: Path, on_bytes: Callable[[int, int | None], None]) -> str:
        """Fetch an address into `part`, resuming after cuts, and return the sha256 of the whole file.

        Raises AddressGone where the address has expired, ProviderUnreachable when patience ran out.
        """
