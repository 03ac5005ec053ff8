"""What the API answers, read tolerantly: names in both spellings, numbers as text, wrappers present or missing.

Facts: the public reference of GET /v1/jobs, /v1/quota and /v1/aicredits/usage. Unknown fields are ignored, fields that
make no sense count as absent; only a body that is no JSON object (or list) at all is an error, raised as ValueError.
"""

from __future__ import annotations

import html
import json
import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from storychain.printable import printable
from storychain.provider import Job, JobPage, JobState, Quota, Transaction

_LARGEST_NUMBER = 10**12
"""Credits, seconds or pixels beyond this make no sense, and would not fit into a database."""

_NUMBER = re.compile(r"\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?)\s*[^\W\d_]*%?\s*")
"""A number, perhaps with a unit. What stands otherwise behind it may be the rest of it, as in 22,000."""


_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_TITLE = re.compile(rb"<title[^>]*>(.{0,300}?)</title>", re.IGNORECASE | re.DOTALL)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value and _writable(value) else None


def _writable(text: str) -> bool:
    """Whether text can be written anywhere; half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _name(value: object) -> str | None:
    """An id; some APIs count their jobs. An id that is not read would be a paid job that is not seen."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)


def _words(value: object) -> str | None:
    if isinstance(value, list):
        value = "; ".join(part for part in value if isinstance(part, str))
    return printable(str(value)) if isinstance(value, str | int | float) and str(value) else None


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    found = _NUMBER.fullmatch(str(value))
    try:
        number = Decimal(found[1]) if found else None
    except InvalidOperation:
        return None
    return None if number is None or abs(number) > _LARGEST_NUMBER else number


def _whole(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _url(value: object) -> str | None:
    text = _text(value)
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        return text if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


Text = Annotated[str | None, BeforeValidator(_text)]
Name = Annotated[str | None, BeforeValidator(_name)]
Words = Annotated[str | None, BeforeValidator(_words)]
Number = Annotated[Decimal | None, BeforeValidator(_number)]
Whole = Annotated[int | None, BeforeValidator(_whole)]
Url = Annotated[str | None, BeforeValidator(_url)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class _JobData(_Answer):
    id: Name = Field(None, validation_alias=AliasChoices("jobId", "job_id", "jobID", "id"))
    status: Text = None
    url: Url = Field(None, validation_alias=AliasChoices("url", "videoUrl", "videoURL", "video_url"))
    last_frame_url: Url = Field(None, validation_alias=AliasChoices("lastFrameImageUrl", "lastFrameImageURL"))
    seconds: Number = Field(None, validation_alias="duration")
    width: Whole = None
    height: Whole = None
    credits: Number = Field(None, validation_alias="aiCreditsUsed")
    progress: Number = Field(None, validation_alias="renderProgress")
    code: Words = Field(None, validation_alias=AliasChoices("error_code", "errorCode", "code"))
    message: Words = Field(None, validation_alias=AliasChoices("error_message", "errorMessage", "message"))


_STATES: dict[str, JobState] = {
    "completed": "completed",
    "complete": "completed",
    "failed": "failed",
    "error": "failed",
    "cleaned": "cleaned",
}


def json_of(body: bytes) -> Any:
    """Parse a body as JSON. Raises ValueError for anything else, endless nesting included."""
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {type(value).__name__}")
    return value


def _flat(answer: dict[str, Any]) -> dict[str, Any]:
    """Lay `data` and `error` over their wrapper, whichever are there; what is null hides nothing."""
    layers = (answer, answer.get("data"), answer.get("error"))
    return {
        name: value for layer in layers if isinstance(layer, dict) for name, value in layer.items() if value is not None
    }


def job_id_of(answer: Any) -> str | None:
    """The job id in the answer to a submit, or None if there is none."""
    return _JobData.model_validate(_flat(answer)).id if isinstance(answer, dict) else None


def job_of(answer: Any, job_id: str | None = None) -> Job:
    """Read one job. Raises ValueError where the answer is no job at all."""
    flat = _flat(_object(answer))
    data = _JobData.model_validate(flat)
    name = job_id or data.id
    if name is None:
        raise ValueError("a job without an id")
    return _told(data, name, _state(data, failed=flat.get("success") is False))


def _told(data: _JobData, name: str, state: JobState) -> Job:
    return Job(
        id=name,
        state=state,
        url=data.url,
        last_frame_url=data.last_frame_url,
        seconds=data.seconds,
        width=data.width,
        height=data.height,
        credits=data.credits if data.credits is None or data.credits >= 0 else None,
        progress=None if data.progress is None else float(data.progress),
        code=data.code if state in ("failed", "not_found") else None,
        message=data.message if state in ("failed", "not_found") else None,
    )


def failure_of(answer: Any, job_id: str, *, server_trouble: bool) -> Job | None:
    """What a job answer with a bad HTTP status says of the job, or None where it speaks of the request only.

    A failed job may be bought again, so it has to be named, and by a server that is well: a gateway's own
    `{"status": "error"}` is no news of the job.
    """
    flat = _flat(_object(answer))
    job = job_of(answer, job_id)
    believed = job.state == "failed" and not server_trouble and _JobData.model_validate(flat).id == job_id
    return job if believed or job.state == "not_found" else None


def _state(data: _JobData, *, failed: bool) -> JobState:
    status = (data.status or "").strip().lower()
    if _STATES.get(status) != "completed" and "JOB_NOT_FOUND" in f"{data.code} {data.message}".upper():
        return "not_found"
    if status == "error" and data.id is None:
        raise ValueError(data.message or data.code or "an error about no job")
    if status:
        return _STATES.get(status, "in_progress")
    if failed:
        # No status at all and no success: an error about the question, not news of the job.
        raise ValueError(data.message or data.code or "no status")
    return "completed" if data.url else "in_progress"


def page_of(answer: Any) -> JobPage:
    """Read one page of the job list; items that are no jobs are left out.

    Raises ValueError rather than call a list empty that is not: on an empty list a request is sent, and paid, again.
    """
    flat = answer if isinstance(answer, dict) and "items" in answer else _flat(_object(answer))
    items = flat.get("items")
    if not isinstance(items, list) or flat.get("success") is False:
        raise ValueError("a job list without items")
    jobs = tuple(job for job in map(_listed, items) if job)
    if items and not jobs:
        raise ValueError("a job list whose items name no jobs")
    return JobPage(jobs, next_page=_name(flat.get("nextPageKey")))


def _listed(item: Any) -> Job | None:
    if not isinstance(item, dict):
        return None
    data = _JobData.model_validate(_flat(item))
    if data.id is None:
        return None
    status = (data.status or "").strip().lower()
    otherwise: JobState = "in_progress" if status else "completed" if data.url else "untold"
    return _told(data, data.id, _STATES.get(status, otherwise))


class _Upload(_Answer):
    signed_url: Url = Field(None, validation_alias=AliasChoices("signedUrl", "signedURL", "signed_url"))
    url: Url = None


def upload_of(answer: Any) -> tuple[str, str]:
    """The address to PUT to, and the permanent public one. Raises ValueError if either is missing."""
    upload = _Upload.model_validate(_flat(_object(answer)))
    if upload.signed_url is None or upload.url is None:
        raise ValueError("an upload without its two addresses")
    return upload.signed_url, upload.url


def quota_of(answer: Any) -> Quota:
    """Credits used and their limit. Raises ValueError if they are not told."""
    credits_ = _object(_flat(_object(answer)).get("aiCredits"))
    used, limit = _number(credits_.get("used")), _number(credits_.get("limit"))
    if used is None or limit is None or limit < 0:  # a limit below nothing says that there is none
        raise ValueError("a quota without aiCredits")
    return Quota(used, limit)


def usage_of(answer: Any) -> tuple[Transaction, ...]:
    """The account's credit transactions. Raises ValueError where there is no list."""
    lines = answer.get("data", answer.get("items")) if isinstance(answer, dict) else answer
    if not isinstance(lines, list):
        raise ValueError("a usage answer without a list")
    return tuple(
        Transaction(
            id=printable(str(line.get("transactionId", ""))),
            kind=printable(str(line.get("type", ""))),
            amount=_number(line.get("amount")) or Decimal(0),
            description=printable(str(line.get("description", ""))),
            date=printable(str(line.get("transactionDate", ""))),
        )
        for line in lines
        if isinstance(line, dict)
    )


class _Field(_Answer):
    name: Words = None
    errors: Words = None


class Complaint(_Answer):
    """An error body in any of the documented shapes."""

    code: Words = Field(None, validation_alias=AliasChoices("code", "error_code", "errorCode"))
    message: Words = Field(None, validation_alias=AliasChoices("message", "error_message", "errorMessage"))
    fields: tuple[_Field, ...] = ()

    def told(self) -> str:
        """The provider's own words in one line, fields included."""
        head = " ".join(part for part in (self.code and f"[{self.code}]", self.message) if part)
        about = "; ".join(": ".join(filter(None, (field.name, field.errors))) for field in self.fields)
        return " — ".join(part for part in (head, about) if part)


def complaint_of(body: bytes) -> Complaint:
    """Read an error body; what is no JSON is quoted as it is, and of a page its title."""
    try:
        answer = json_of(body)
    except ValueError:
        return Complaint(message=_quoted(body))
    if not isinstance(answer, dict):
        return Complaint(message=_quoted(body))
    flat = _flat(answer)
    try:
        return Complaint.model_validate(flat)
    except ValidationError:
        return Complaint.model_validate({name: value for name, value in flat.items() if name != "fields"})


def _quoted(body: bytes) -> str:
    """Of a page, which is a gateway's and not the API's, the title says all there is to know."""
    if _PAGE.match(body):
        title = _TITLE.search(body)
        body = html.unescape(title[1].decode("utf-8", "replace")).encode("utf-8", "replace") if title else b""
    return printable(body[:300].decode("utf-8", "replace"))
