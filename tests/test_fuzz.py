"""Whatever an API answers, byte by byte over a real socket: an answer we understand or an error of ours, never more."""

import asyncio
import json
import re
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storychain.errors import StorychainError
from storychain.pictory import Patience, Pictory
from storychain.provider import (
    Accepted,
    AnswerLost,
    Job,
    JobPage,
    JobState,
    Quota,
    SegmentRequest,
    Transaction,
    TurnedAway,
)
from tests.fuzz import SPOKEN
from tests.stranger import KEY, serving

REQUEST = SegmentRequest("A boat leaves the harbour.", "veo3.1_fast", "16:9", 4)
ONCE = Patience(attempts=1, seconds=5, first=0.001, most=0.001, silence=2, whole=3, transfer=5)
STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

NAMES = json.loads(
    """["success", "data", "error", "items", "jobId", "job_id", "id", "status", "url", "lastFrameImageUrl", "duration",
    "width", "height", "aiCreditsUsed", "renderProgress", "error_code", "error_message", "code", "message", "fields",
    "name", "errors", "nextPageKey", "signedUrl", "aiCredits", "used", "limit", "transactionId", "type", "amount"]"""
)
WORDS = [
    *(
        "completed",
        "failed",
        "in-progress",
        "cleaned",
        "error",
        "JOB_NOT_FOUND",
        "5000",
        "8s",
        "1e999",
        "-1",
        "NaN",
        "",
    ),
    *(
        "http://127.0.0.1:9/x?sig=s3cret",
        "https://[::1/",
        "http://x:99999/",
        "file:///etc/passwd",
        "a\x1b[2J\u202eb",
        KEY,
    ),
]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=4,
)
HELD = st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=6)


def _wrapped(held: dict, kind: int) -> object:
    """The same in each of the wrappers that answers come in."""
    wrappers = [held, {"data": held}, {"success": True, "data": held}, {"success": False, "error": held}]
    return [*wrappers, {"items": [held]}][kind]


LIKELY = st.builds(_wrapped, HELD, st.integers(0, 4))
BODIES = st.binary(max_size=200) | (ANYTHING | LIKELY).map(lambda value: json.dumps(value).encode())
STATUSES = st.sampled_from(
    [200, 200, 200, 200, 201, 204, 206, 301, 400, 401, 403, 404, 408, 416, 429, 500, 502, 503, 999]
)
HEADERS = st.dictionaries(
    st.sampled_from(["Content-Type", "Retry-After", "Content-Range", "ETag", "Location", "Content-Encoding", "X"]),
    st.sampled_from(
        ["text/html", "gzip", "0", "9999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "bytes 0-3/4", "bytes 9-"]
    )
    | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=12),
    max_size=3,
)


@st.composite
def answers(draw: st.DrawFn) -> tuple[int, bytes]:
    """A status (0 for what is no HTTP at all) and the bytes on the wire."""
    body = draw(BODIES)
    if draw(st.integers(0, 9)) == 0:
        return 0, body
    status, headers = draw(STATUSES), draw(HEADERS)
    lines = [f"HTTP/1.1 {status} Whatever", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += draw(st.sampled_from([[f"Content-Length: {len(body)}"], [], [f"Content-Length: {len(body) + 3}"]]))
    return status, "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Line:
    """A client and a server that says whatever it is told to say, over one event loop that goes on."""

    def __init__(self, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._said = b""
        self.part = folder / "part"
        self.origin, self.client = self._runner.run(self._open())

    async def _open(self) -> tuple[str, Pictory]:
        origin = await self._stack.enter_async_context(serving(self._speak))
        return origin, await self._stack.enter_async_context(Pictory(f"{origin}/base", KEY, patience=ONCE))

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self._said)

    def ask(self, call, said: bytes):
        """The result of a call that is answered so, or our error."""
        self._said = said
        try:
            return self._runner.run(call(self.client))
        except StorychainError as error:
            shown = str(error)
            assert KEY not in shown
            assert "s3cret" not in shown
            assert not STEERS.search(shown), shown
            return error

    def close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    line = Line(tmp_path_factory.mktemp("line"))
    yield line
    line.close()


def is_job(job: Job) -> bool:
    fits = isinstance(job.id, str) and bool(job.id) and job.state in get_args(JobState)
    numbers = [number for number in (job.seconds, job.credits) if number is not None]
    return fits and all(isinstance(number, Decimal) and number.is_finite() for number in numbers)


@SPOKEN
@given(answer=answers())
def test_a_paid_request_is_sent_again_only_where_it_was_turned_away(line, answer):
    status, said = answer
    outcome = line.ask(lambda client: client.submit(REQUEST), said)
    match outcome:
        case TurnedAway():
            assert status == 429
        case Accepted(job_id):
            assert 200 <= status < 300
            assert job_id
        case AnswerLost(reason):
            assert not STEERS.search(reason)
            assert KEY not in reason
        case _:
            assert isinstance(outcome, StorychainError)
            assert 400 <= status < 500


@SPOKEN
@given(answer=answers())
def test_a_job_is_a_job_or_an_error(line, answer):
    job = line.ask(lambda client: client.job("job-1"), answer[1])
    assert isinstance(job, StorychainError) or (is_job(job) and job.id == "job-1")
    if isinstance(job, Job) and job.url is not None:
        assert job.url.startswith(("http://", "https://")) or job.url.lower().startswith("http")


@SPOKEN
@given(answer=answers())
def test_a_list_is_a_list_or_an_error(line, answer):
    page = line.ask(lambda client: client.jobs(), answer[1])
    assert isinstance(page, StorychainError) or (isinstance(page, JobPage) and all(map(is_job, page.jobs)))


@SPOKEN
@given(answer=answers())
def test_an_account_is_told_or_an_error(line, answer):
    quota = line.ask(lambda client: client.quota(), answer[1])
    assert isinstance(quota, StorychainError | Quota)
    usage = line.ask(lambda client: client.usage(), answer[1])
    assert isinstance(usage, StorychainError) or all(isinstance(one, Transaction) for one in usage)
    assert isinstance(line.ask(lambda client: client.clean("job-1"), answer[1]), StorychainError | None)


@SPOKEN
@given(answer=answers())
def test_a_file_comes_whole_or_not(line, answer):
    def call(client):
        return client.download(f"{line.origin}/v?sig=s3cret", line.part, lambda *_: None)

    came = line.ask(call, answer[1])
    assert isinstance(came, StorychainError) or re.fullmatch(r"[0-9a-f]{64}", came)
    assert line.ask(lambda client: client.alive(f"{line.origin}/v"), answer[1]) in (True, False)


@SPOKEN
@given(answer=answers())
def test_an_upload_ends(line, answer):
    sent = line.ask(lambda client: client.upload(Path(__file__), "video/mp4"), answer[1])
    assert isinstance(sent, StorychainError | str)
