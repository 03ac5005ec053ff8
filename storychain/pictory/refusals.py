"""Bad answers turned into our errors: what a status means for a read, and for a paid request.

The question for a paid request is only one: can it have been accepted?
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from storychain.errors import AccountError, ProviderUnreachable, StorychainError
from storychain.pictory.answers import complaint_of, job_id_of, json_of
from storychain.provider import Accepted, AnswerLost, RequestRefused, Submission, TurnedAway, about_words

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_WAIT = 600.0
"""Below the time after which a job nobody looks at counts as left alone."""

_OUT_OF_CREDITS = re.compile(r"CREDIT|QUOTA|BALANCE|INSUFFICIENT(?!.*(?:PERM|SCOPE|PRIV|ACCESS|RIGHT))", re.IGNORECASE)
_NOT_ENOUGH = re.compile(r"(insufficient|not enough|out of)\b.{0,30}\b(credit|balance|quota)", re.IGNORECASE)

_BOT_FILTER = re.compile(rb"(?<![\w-])1010(?![\w-])")

_NO_REASON = "no reason given"

_NOBODY_THERE = (404, 405, 410)
"""What is answered where there is no such address."""


_ELSEWHERE = "Check PICTORY_API_BASE_URL, then run again; everything paid is on record and will be picked up."


class Passing(ProviderUnreachable):
    """A trouble that may pass: asking again is sensible. `wait` is what the provider asked for, in seconds."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what, next_step="Run again later; everything paid is on record and will be picked up.")
        self.wait = wait


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait by the Retry-After header (seconds or a date), at most ten minutes.

    No wait at all is None: our own growing waits are then in place.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return min(float(value), _LONGEST_WAIT) or None
    try:
        moment = parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, moment - now), _LONGEST_WAIT) or None


class NotOurApi(ProviderUnreachable):
    """A read was answered as no reader of ours is by this API: something else may be at its address."""


def read_error(asked: str, status: int, body: bytes, wait: float | None) -> StorychainError:
    """The error of a read that was not answered with success; `asked` is its method and address."""
    if status in (401, 402, 403):
        return _account_error(status, body)
    said = complaint_of(body).told() or _NO_REASON
    if status in (408, 429) or status >= 500:
        return Passing(f"the API answered {status}: {said}", wait)
    what = f"{asked} was answered with {status}: {said}"
    if status < 400 or status in _NOBODY_THERE:
        return NotOurApi(what, next_step=_ELSEWHERE)
    return RequestRefused(what)


def _account_error(status: int, body: bytes) -> AccountError:
    """What a refusal says of the account, and what to do about it; the body's own code counts before the status."""
    said = complaint_of(body).told() or _NO_REASON
    if status == 402 or _lacks_credits(body):
        return AccountError(
            f"the account's credits do not suffice: {said}",
            next_step="Add credits to the account and run again; what is paid is kept.",
        )
    if status == 403 and _BOT_FILTER.search(body):
        return AccountError(
            "a bot filter in front of the API turned us away (error code 1010)",
            next_step="A proxy between here and the API may be replacing our User-Agent; try without it.",
        )
    return AccountError(
        f"the API refused the key ({status}: {said})",
        next_step="Set PICTORY_API_KEY to the key as the account page shows it: it starts with pictai_, no 'Bearer'.",
    )


def _lacks_credits(body: bytes) -> bool:
    complaint = complaint_of(body)
    return bool(_OUT_OF_CREDITS.search(complaint.code or "") or _NOT_ENOUGH.search(complaint.message or ""))


def submission(status: int, body: bytes, wait: float | None) -> Submission:
    """What the answer to a paid request proves.

    Accepted: it names a job. TurnedAway: 429, which is sent before a request is looked at. AnswerLost: everything that
    might follow an acceptance, a 503 from a gateway included. Raises RequestRefused or AccountError for the refusals
    that sending again cannot mend.
    """
    complaint = complaint_of(body)
    said = complaint.told() or _NO_REASON
    if 200 <= status < 300:
        return _accepted(body)
    if status == 429:
        return TurnedAway(f"the API answered 429: {said}", wait)
    if 400 <= status < 500 and status not in (408, 409):  # a conflict may be with what was just accepted
        if status in (401, 402, 403) or _lacks_credits(body):
            raise _account_error(status, body)
        fields = [field.name for field in complaint.fields if field.name]
        raise RequestRefused(
            f"the API refused the request ({status}): {said}",
            fields=fields,
            about_words=fields == ["prompt"] or (not fields and about_words(complaint.code, complaint.message)),
            next_step=f"Nothing was bought. {_mend(status, fields)} and run again.",
        )
    return AnswerLost(f"the API answered {status}: {said}", _ELSEWHERE if 300 <= status < 400 else None)


def _mend(status: int, fields: list[str]) -> str:
    nobody = status in _NOBODY_THERE and not fields
    return "Check PICTORY_API_BASE_URL" if nobody else "Change the scene accordingly"


def _accepted(body: bytes) -> Submission:
    try:
        job_id = job_id_of(json_of(body))
    except ValueError:
        job_id = None
    if job_id is None:
        return AnswerLost(f"the API's answer names no job: {complaint_of(body).told() or 'empty'}")
    return Accepted(job_id)
