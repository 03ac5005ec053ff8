"""The API's client against strangers: exact requests, tolerant reading, and what is believed of a paid request."""

import asyncio
import email.utils
import logging
import socket
import traceback
from dataclasses import replace
from decimal import Decimal

import pytest

from storychain import __version__
from storychain.errors import AccountError, ProviderUnreachable, StorychainError, UsageError
from storychain.pictory import Patience, Pictory
from storychain.pictory.refusals import retry_after
from storychain.pictory.transport import AT_ONCE
from storychain.provider import Accepted, AnswerLost, Job, Quota, RequestRefused, SegmentRequest, TurnedAway
from tests.stranger import KEY, QUICK, ask, chunked, raw, said, serving, zipped

REQUEST = SegmentRequest("A kite over the dunes, “softly”.", "veo3.1_fast", "9:16", 8)
ACCEPTED = said({"success": True, "data": {"jobId": "job-1"}})


def submit(*answers, request=REQUEST, patience=QUICK):
    return ask(lambda client, _: client.submit(request), *answers, patience=patience)


def submitted_to(speak, patience=QUICK, scheme="http"):
    """Submit to a server that speaks as it likes."""

    async def play():
        async with (
            serving(speak) as origin,
            Pictory(origin.replace("http", scheme), KEY, patience=patience) as client,
        ):
            return await client.submit(REQUEST)

    return asyncio.run(play())


def job(*answers, job_id="j1"):
    return ask(lambda client, _: client.job(job_id), *answers)


def listed(*answers):
    return ask(lambda client, _: client.jobs(), *answers)


# Requests, to the letter


def test_a_submit_says_everything_that_has_a_default():
    outcome, server = submit(ACCEPTED)
    (asked,) = server.asked
    assert outcome == Accepted("job-1")
    assert asked.line == "POST /base/v1/aistudio/videos HTTP/1.1"
    assert asked.header("Authorization") == KEY
    assert asked.header("User-Agent") == f"storychain/{__version__}"
    assert asked.header("Content-Type") == "application/json"
    assert asked.header("Transfer-Encoding") is None
    assert asked.json == {
        "prompt": "A kite over the dunes, “softly”.",
        "model": "veo3.1_fast",
        "aspectRatio": "9:16",
        "duration": "8s",
    }


@pytest.mark.parametrize(
    ("given", "field", "sent"),
    [
        ({"extend_video_url": "https://x/v.mp4"}, "extendVideoUrl", "https://x/v.mp4"),
        ({"first_frame_image_url": "https://x/f.png"}, "firstFrameImageUrl", "https://x/f.png"),
        (
            {"reference_image_urls": ("https://x/1", "https://x/2")},
            "referenceImageUrls",
            ["https://x/1", "https://x/2"],
        ),
        ({"webhook": "https://x/hook"}, "webhook", "https://x/hook"),
    ],
)
def test_inputs_go_by_their_documented_names_and_the_others_are_not_there(given, field, sent):
    request = SegmentRequest("A kite over the dunes.", "veo3.1", "16:9", 4, **given)
    _, server = submit(ACCEPTED, request=request)
    body = server.asked[0].json
    assert body.pop(field) == sent
    assert sorted(body) == ["aspectRatio", "duration", "model", "prompt"]


@pytest.mark.parametrize(
    ("call", "answer", "line"),
    [
        (lambda c: c.job("a/b?c"), {"data": {"status": "in-progress"}}, "GET /base/v1/jobs/a%2Fb%3Fc"),
        (lambda c: c.jobs(), {"items": []}, "GET /base/v1/jobs"),
        (lambda c: c.jobs("a+b=="), {"items": []}, "GET /base/v1/jobs?nextPageKey=a%2Bb%3D%3D"),
        (lambda c: c.clean("j1"), {"success": True}, "DELETE /base/v1/jobs/j1/clean"),
        (lambda c: c.quota(), {"aiCredits": {"used": 1, "limit": 2}}, "GET /base/v1/quota"),
        (lambda c: c.usage(), [], "GET /base/v1/aicredits/usage"),
        (lambda c: c.usage(2026, 3), [], "GET /base/v1/aicredits/usage?year=2026&month=3"),
    ],
)
def test_reads_ask_at_the_documented_place_with_the_raw_key(call, answer, line):
    outcome, server = ask(lambda client, _: call(client), said(answer))
    assert not isinstance(outcome, Exception)
    (asked,) = server.asked
    assert asked.line == f"{line} HTTP/1.1"
    assert asked.header("Authorization") == KEY
    assert asked.header("User-Agent") == f"storychain/{__version__}"
    assert asked.body == b""


# A paid request: what its answer proves


@pytest.mark.parametrize(
    "answer",
    [
        said({"success": True, "data": {"jobId": "job-1"}}),
        said({"success": True, "data": {"job_id": "job-1"}}),
        said({"jobId": "job-1"}),
        said({"job_id": "job-1", "data": None}),
        said({"job_id": "job-1", "data": {"jobId": None, "more": [1, {}]}}),
        said({"success": False, "jobId": "job-1"}, 202),
        said({"data": {"jobId": "job-1"}}, 201),
        zipped({"data": {"jobId": "job-1"}}),
        chunked(b'{"data": {"job', b'Id": "job-1"}}'),
        said('\ufeff{"data": {"jobId": "job-1"}}'.encode("utf-8").decode("utf-8")),
    ],
)
def test_an_answer_that_names_a_job_is_an_acceptance_in_any_shape(answer):
    outcome, server = submit(answer)
    assert outcome == Accepted("job-1")
    assert len(server.asked) == 1


def test_a_job_may_be_named_by_a_number():
    assert submit(said({"data": {"jobId": 4711}}))[0] == Accepted("4711")


LOST = {
    "not a byte": b"",
    "cut in its status line": b"HTTP/1.1 20",
    "cut in its headers": b"HTTP/1.1 200 OK\r\nContent-Len",
    "cut before its body": b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n",
    "cut in its body": b'HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{"data": {"jobId"',
    "a refusal cut in its body": b'HTTP/1.1 400 Bad\r\nContent-Length: 40\r\n\r\n{"code',
    "cut between chunks": chunked(b'{"data": ', end=b""),
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "an empty body": raw(200),
    "no content": raw(204, length=False),
    "HTML": raw(200, b"<html><h1>Welcome</h1></html>", Content_Type="text/html"),
    "broken JSON": said('{"data": {"jobId": "job-1"'),
    "JSON that is no object": said("[1, 2]"),
    "deep JSON": said("[" * 200_000 + "]" * 200_000),
    "deep JSON just within bounds": said('{"a":' * 900 + "1" + "}" * 900),
    "a number of ten thousand digits": said('{"data": {"jobId": ' + "9" * 10_000 + "}}"),
    "a job id that is none": said({"data": {"jobId": {"x": 1}}}),
    "a job id of half a character": said('{"data": {"jobId": "\\ud800"}}'),
    "success false and no job": said({"success": False, "error": {"error_message": "hm", "error_code": "5"}}),
    "null": said("null"),
    "zipped rubbish": raw(200, b"no gzip at all", Content_Encoding="gzip"),
    "wrong bytes": raw(200, b'{"data": {"jobId": "\xff\xfe"}}'),
    "301": raw(301, Location="{origin}/base/elsewhere"),
    "302": raw(302, Location="{origin}/base/elsewhere"),
    "303": raw(303, Location="{origin}/base/elsewhere"),
    "307": raw(307, Location="{origin}/base/v1/aistudio/videos"),
    "308": raw(308, Location="{origin}/base/v1/aistudio/videos"),
    "408": raw(408),
    "409": raw(409),
    "500": said({"message": "Internal server error"}, 500),
    "502": raw(502, b"<html>Bad gateway</html>"),
    "503": raw(503, b"busy", Retry_After="0.01"),
    "504": raw(504),
    "an answer beyond all sizes": raw(200, b" " * ((16 << 20) + 1)),
}


@pytest.mark.parametrize("answer", LOST.values(), ids=LOST)
def test_whatever_might_follow_an_acceptance_is_a_lost_answer_and_is_not_sent_again(answer):
    outcome, server = submit(answer)
    assert isinstance(outcome, AnswerLost)
    assert len(server.asked) == 1


def test_an_answer_that_does_not_come_is_lost():
    async def silence(_asked):
        await asyncio.sleep(60)

    outcome, server = submit(silence, patience=Patience(silence=0.2))
    assert isinstance(outcome, AnswerLost)
    assert len(server.asked) == 1


def test_an_answer_that_never_ends_is_lost_although_it_keeps_coming():
    async def drip(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    assert isinstance(submitted_to(drip, Patience(whole=0.4)), AnswerLost)


def test_a_connection_closed_before_the_request_was_read_is_a_lost_answer():
    async def hang_up(_reader, writer):
        writer.transport.abort()

    assert isinstance(submitted_to(hang_up), AnswerLost)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_where_no_connection_was_made_nothing_was_sent(scheme):
    async def play():
        async with Pictory(f"{scheme}://127.0.0.1:{free_port()}", KEY, patience=QUICK) as client:
            return await client.submit(REQUEST)

    outcome = asyncio.run(play())
    assert isinstance(outcome, TurnedAway)
    assert "127.0.0.1" not in outcome.reason


def test_a_handshake_that_fails_came_before_the_request():
    heard = bytearray()

    async def no_tls(reader, writer):
        heard.extend(await reader.read(1000))
        writer.write(b"HTTP/1.1 400 This is no TLS\r\n\r\n")

    assert isinstance(submitted_to(no_tls, scheme="https"), TurnedAway)
    assert heard
    assert KEY.encode() not in heard


@pytest.mark.parametrize(
    ("headers", "wait"),
    [({"Retry_After": "7"}, 7.0), ({"Retry_After": "99999999"}, 600.0), ({"Retry_After": "soon"}, None), ({}, None)],
)
def test_too_many_requests_is_turned_away_with_the_wait_that_was_asked(headers, wait):
    outcome, server = submit(said({"message": "slow down"}, 429, **headers))
    assert outcome == TurnedAway("the API answered 429: slow down", wait)
    assert len(server.asked) == 1


def test_a_refusal_tells_the_fields_and_that_nothing_was_bought():
    body = {"code": "INVALID_REQUEST_BODY", "message": "No.", "fields": [{"name": "duration", "errors": "not 9s"}]}
    outcome, _ = submit(said(body, 400))
    assert isinstance(outcome, RequestRefused)
    assert outcome.fields == ("duration",)
    assert "[INVALID_REQUEST_BODY] No. — duration: not 9s" in str(outcome)
    assert "Nothing was bought" in str(outcome)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"fields": [{"name": "prompt", "errors": ["too long", "too dull"]}]}, "prompt: too long; too dull"),
        ({"fields": [{"name": "prompt"}, {"errors": "odd"}]}, "prompt; odd"),
        ({"fields": "prompt", "message": "wrong"}, "wrong"),
        ({"success": False, "error": {"error_message": "old style", "error_code": "77"}}, "[77] old style"),
        ({"message": None, "error_message": "the other one"}, "the other one"),
        ({"success": False, "data": {"error_code": 12, "error_message": "inside"}}, "[12] inside"),
        ("<html>Bad Request</html>", "no reason given"),
        ("<!DOCTYPE html>\n<html><head><title>Bad &amp; Gone\n</title></head><body>…</body></html>", "Bad & Gone"),
        ("<Error><Code>Gone</Code></Error>", "<Error><Code>Gone</Code></Error>"),
        ("[1, 2]", "[1, 2]"),
        ("", "no reason given"),
        ('{"message": "a\\u0000b\\u001b[31mc\\u202ed\\nnext"}', "ab[31mcd next"),
    ],
)
def test_refusals_are_told_in_the_providers_words_in_one_clean_line(body, words):
    outcome, _ = submit(said(body, 422))
    assert isinstance(outcome, RequestRefused)
    assert outcome.what == f"the API refused the request (422): {words}"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (said({"message": "Unauthorized"}, 401), "PICTORY_API_KEY"),
        (said({"message": "Forbidden"}, 403), "PICTORY_API_KEY"),
        (raw(403, b"error code: 1010"), "bot filter"),
        (raw(403, b"<html><title>Access denied</title><p>Error code <b>1010</b></html>"), "bot filter"),
        (said({"error": {"error_code": "INSUFFICIENT_CREDITS"}}, 403), "Add credits"),
        (said({"message": "You are out of credits."}, 401), "Add credits"),
        (said({"code": "INSUFFICIENT_PERMISSIONS"}, 403), "PICTORY_API_KEY"),
        (said({"code": "INVALID_CREDENTIALS", "message": "Insufficient credentials."}, 401), "PICTORY_API_KEY"),
        (said({"message": "pay first"}, 402), "credits"),
        (said({"code": "INSUFFICIENT_CREDITS"}, 400), "credits"),
        (said({"message": "You have insufficient AI credits."}, 400), "credits"),
        (said({"error": {"error_code": "QUOTA_EXCEEDED"}}, 400), "credits"),
    ],
)
def test_trouble_with_the_account_is_told_as_such(answer, hint):
    outcome, server = submit(answer)
    assert isinstance(outcome, AccountError)
    assert hint in str(outcome)
    assert len(server.asked) == 1


def test_of_a_gateways_page_nothing_is_told_but_its_title():
    page = b"<html>\r\n<head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"
    outcome, _ = submit(raw(502, page))
    assert outcome == AnswerLost("the API answered 502: 502 Bad Gateway")
    error, _ = job(*[raw(502, page)] * QUICK.attempts)
    assert error.what == "the API answered 502: 502 Bad Gateway"


def test_a_prompt_that_speaks_of_credits_is_no_trouble_with_the_account():
    outcome, _ = submit(said({"code": "INVALID_PROMPT", "message": "The credits roll is too long."}, 400))
    assert isinstance(outcome, RequestRefused)


def test_a_prompt_that_cannot_be_sent_is_refused_before_it_leaves():
    outcome, server = submit(ACCEPTED, request=SegmentRequest("half \ud800 a sign", "veo3.1", "16:9", 4))
    assert isinstance(outcome, RequestRefused)
    assert server.asked == []


# Jobs


def test_a_completed_job_is_read_with_all_it_tells():
    data = {
        "status": "completed",
        "url": "https://x/v.mp4?sig=1",
        "duration": "8s",
        "width": 1280,
        "height": "720",
        "lastFrameImageUrl": "https://x/l.png",
        "aiCreditsUsed": 12.8,
        "thumbnail": ["https://x/t.jpg"],
    }
    outcome, _ = job(said({"job_id": "j1", "success": True, "data": data}))
    assert outcome == Job(
        "j1",
        "completed",
        url="https://x/v.mp4?sig=1",
        last_frame_url="https://x/l.png",
        seconds=Decimal(8),
        width=1280,
        height=720,
        credits=Decimal("12.8"),
    )


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"job_id": "j1", "success": True, "data": {"status": "in-progress", "renderProgress": 40}}, "in_progress"),
        ({"data": {"status": "queued-in-some-new-way"}}, "in_progress"),
        ({"data": {"status": "COMPLETED ", "url": "https://x/v"}}, "completed"),
        ({"status": "completed", "videoURL": "https://x/v"}, "completed"),
        ({"data": {"status": None, "url": "https://x/v"}}, "completed"),
        ({"data": {"status": "completed", "url": None}}, "completed"),
        ({"data": {"status": "completed", "url": "https://x/v", "message": "was JOB_NOT_FOUND once"}}, "completed"),
        ({"job_id": "j1", "success": False, "data": {"status": "failed", "error_code": "9"}}, "failed"),
        ({"job_id": "j1", "status": "error", "message": "no"}, "failed"),
        ({"data": {"status": "cleaned"}}, "cleaned"),
        ({"success": False, "data": {"error_code": "5000", "error_message": "JOB_NOT_FOUND"}}, "not_found"),
        ({"success": False, "error": {"error_code": "JOB_NOT_FOUND"}}, "not_found"),
    ],
)
def test_job_states_are_read_in_every_shape(answer, state):
    outcome, _ = job(said(answer))
    assert isinstance(outcome, Job)
    assert outcome.state == state
    assert outcome.id == "j1"


@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_a_job_not_found_is_believed_under_any_status(status):
    body = {"success": False, "data": {"error_code": "5000", "error_message": "JOB_NOT_FOUND"}}
    outcome, _ = job(said(body, status))
    assert outcome.state == "not_found"


def test_a_failed_job_may_come_with_a_bad_status_if_it_is_named():
    body = {"job_id": "j1", "success": False, "data": {"status": "failed", "error_message": "blocked"}}
    outcome, _ = job(said(body, 400))
    assert (outcome.state, outcome.message) == ("failed", "blocked")


@pytest.mark.parametrize(
    "answer",
    [
        said({"status": "error", "message": "Internal server error"}, 500),
        said({"status": "failed", "message": "upstream"}, 502),
        said({"status": "error", "message": "try later"}, 200),
        said({"job_id": "j1", "status": "error", "message": "Internal"}, 500),
        said({"success": False, "message": "try later"}, 200),
        said({"success": False, "data": None}, 200),
    ],
)
def test_trouble_of_the_server_is_never_taken_for_a_failed_job(answer):
    """A failed job may be bought again: it would be paid twice."""
    outcome, server = job(answer)
    assert isinstance(outcome, ProviderUnreachable)
    assert len(server.asked) == QUICK.attempts
    passing, _ = job(answer, said({"data": {"status": "in-progress"}}))
    assert passing.state == "in_progress"


def test_a_refusal_that_names_another_job_says_nothing_of_ours():
    outcome, _ = job(said({"job_id": "j2", "status": "failed"}, 404))
    assert isinstance(outcome, ProviderUnreachable)


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        (8, "8"),
        (8.04, "8.04"),
        ("8s", "8"),
        ("8.5 sec", "8.5"),
        ("1,008", None),
        ("soon", None),
        (None, None),
        (True, None),
        ([], None),
    ],
)
def test_a_duration_is_a_number_in_many_clothes(duration, seconds):
    outcome, _ = job(said({"data": {"status": "completed", "url": "https://x/v", "duration": duration}}))
    assert outcome.seconds == (None if seconds is None else Decimal(seconds))


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "1e300", '"1e999"', "9" * 400, "-5", '"x"', "{}"]
)
def test_numbers_that_make_no_sense_count_as_absent(number):
    outcome, _ = job(said(f'{{"data": {{"status": "completed", "url": "https://x/v", "aiCreditsUsed": {number}}}}}'))
    assert isinstance(outcome, Job)
    assert outcome.credits is None


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "javascript:x",
        "//x/v",
        "http://",
        "http://x:99999",
        "https://x:p/",
        5,
        [],
        "",
        "https://x/\ud800",
    ],
)
def test_an_address_is_http_or_absent(url):
    outcome, _ = job(said({"data": {"status": "completed", "url": url, "lastFrameImageUrl": url}}))
    assert (outcome.url, outcome.last_frame_url) == (None, None)


def test_control_characters_of_messages_are_not_kept():
    body = {"data": {"status": "failed", "error_code": "\x1b[2J9", "error_message": "a\x00b\u202ec\r\nd " + "x" * 2000}}
    outcome, _ = job(said(body))
    assert outcome.code == "[2J9"
    assert outcome.message.startswith("abc d xxx")
    assert len(outcome.message) == 500


@pytest.mark.parametrize("name", [name for name in LOST if "job id" not in name and not name.startswith(("301", "4"))])
def test_a_read_that_went_wrong_is_asked_again(name):
    if name in ("302", "303", "307", "308", "a refusal cut in its body"):
        return
    outcome, server = job(LOST[name], said({"data": {"status": "in-progress"}}))
    assert isinstance(outcome, Job)
    assert len(server.asked) <= 2


def test_reads_end_after_so_many_attempts():
    outcome, server = job(raw(500))
    assert isinstance(outcome, ProviderUnreachable)
    assert outcome.exit_code == 4
    assert len(server.asked) == QUICK.attempts


def test_a_read_waits_as_it_was_asked_and_tries_again():
    outcome, server = job(raw(429, Retry_After="0.01"), said({"data": {"status": "in-progress"}}))
    assert outcome.state == "in_progress"
    assert len(server.asked) == 2


def test_a_read_follows_no_redirect():
    outcome, server = job(raw(302, Location="{origin}/elsewhere"))
    assert isinstance(outcome, ProviderUnreachable)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer", [raw(404, b"<html>not here</html>"), raw(301), said({}, 405)], ids=["404", "301", "405"]
)
def test_where_nobody_answers_as_the_api_does_the_address_is_named(answer):
    outcome, server = ask(lambda client, _: client.jobs("a key"), answer)
    assert isinstance(outcome, ProviderUnreachable)
    assert outcome.exit_code == 4
    assert outcome.what.startswith("GET http://127.0.0.1:")
    assert "/base/v1/jobs was answered with" in outcome.what
    assert "PICTORY_API_BASE_URL" in outcome.next_step
    assert len(server.asked) == 1


def test_a_wait_may_be_asked_for_as_a_date():
    now = 1_800_000_000.0
    assert retry_after({"retry-after": email.utils.formatdate(now + 30, usegmt=True)}, now) == 30
    assert retry_after({"retry-after": email.utils.formatdate(now - 30, usegmt=True)}, now) is None
    assert retry_after({"retry-after": "Fri, 99 Foo 99999 99:99:99 GMT"}, now) is None
    assert retry_after({"retry-after": "0"}, now) is None
    assert retry_after({"retry-after": "-5"}, now) is None
    assert retry_after({"retry-after": "nan"}, now) is None


# The job list


def test_a_list_is_read_in_both_spellings_and_its_strange_items_are_left_out():
    items = [
        {"success": True, "data": {"jobId": "a", "status": "completed", "duration": "8s"}},
        {"job_id": "b", "data": {"status": "in-progress"}},
        {"jobId": 3, "status": "failed"},
        {"data": {"status": "completed"}},
        None,
        "text",
    ]
    page, _ = listed(said({"items": items, "nextPageKey": "abc=="}))
    assert [(one.id, one.state) for one in page.jobs] == [("a", "completed"), ("b", "in_progress"), ("3", "failed")]
    assert page.next_page == "abc=="


def test_a_list_may_be_wrapped():
    page, _ = listed(said({"success": True, "data": {"items": [{"jobId": "a"}], "nextPageKey": None}}))
    assert [one.id for one in page.jobs] == ["a"]
    assert page.next_page is None


@pytest.mark.parametrize(
    "answer",
    [
        {"items": None},
        {"success": False, "items": []},
        {"success": False, "message": "try later"},
        {"items": {"a": 1}},
        {"items": ["a", "b"]},
        {"items": [{"uuid": "a"}]},
        [],
        {},
    ],
)
def test_a_list_that_cannot_be_read_is_not_an_empty_one(answer):
    """On an empty list a request whose answer was lost is sent, and paid, again."""
    outcome, _ = listed(said(answer))
    assert isinstance(outcome, ProviderUnreachable)


def test_empty_pages_between_full_ones_are_skipped():
    outcome, server = listed(
        said({"items": [], "nextPageKey": "k1"}),
        said({"items": [], "nextPageKey": 2}),
        said({"items": [{"jobId": "a"}], "nextPageKey": "k3"}),
    )
    assert [one.id for one in outcome.jobs] == ["a"]
    assert outcome.next_page == "k3"
    assert [asked.line.split()[1].partition("?")[2] for asked in server.asked] == [
        "",
        "nextPageKey=k1",
        "nextPageKey=2",
    ]


def test_empty_pages_without_end_are_an_error():
    outcome, server = listed(said({"items": [], "nextPageKey": "k"}))
    assert isinstance(outcome, ProviderUnreachable)
    assert len(server.asked) < 100


# Account, clean


@pytest.mark.parametrize(
    "answer",
    [
        {"videoMinutes": {"used": 1}, "aiCredits": {"used": 690, "limit": 22000}},
        {"success": True, "data": {"aiCredits": {"used": "690", "limit": 22000.0, "more": None}}},
    ],
)
def test_the_quota_is_read_wrapped_or_not(answer):
    assert ask(lambda client, _: client.quota(), said(answer))[0] == Quota(Decimal(690), Decimal(22000))


UNTOLD = [{}, {"aiCredits": None}, {"aiCredits": {"used": None, "limit": 5}}, {"aiCredits": {"used": 4, "limit": -1}}]


@pytest.mark.parametrize("answer", [*UNTOLD, [], "null"])
def test_a_quota_that_is_not_told_is_not_guessed(answer):
    assert isinstance(ask(lambda client, _: client.quota(), said(answer))[0], ProviderUnreachable)


@pytest.mark.parametrize("wrap", [lambda lines: lines, lambda lines: {"data": lines}, lambda lines: {"items": lines}])
def test_usage_is_read_wrapped_or_not(wrap):
    lines = [
        {
            "transactionId": "t1",
            "type": "debit",
            "amount": 0.6,
            "description": "a\x1bb",
            "transactionDate": "2026-03-01",
        },
        {"amount": None},
        "rubbish",
    ]
    usage, _ = ask(lambda client, _: client.usage(), said(wrap(lines)))
    assert [(line.id, line.kind, line.amount, line.description) for line in usage] == [
        ("t1", "debit", Decimal("0.6"), "ab"),
        ("", "", Decimal(0), ""),
    ]


def test_cleaning_is_repeated_when_it_went_wrong_and_refusals_are_told():
    outcome, server = ask(lambda client, _: client.clean("j1"), b"", said({"success": True}))
    assert outcome is None
    assert len(server.asked) == 2
    outcome, _ = ask(lambda client, _: client.clean("j1"), said({"message": "still running"}, 409))
    assert isinstance(outcome, RequestRefused)


# Uploads


def SIGNED(asked):  # noqa: N802 - stands among answers
    place = {"signedUrl": f"http://{asked.header('Host')}/put?X-Sig=s3cret", "url": "https://x/public.mp4", "key": "k"}
    return said({"success": True, "data": place})


def upload(tmp_path, *answers, size=3_000_000):
    file = tmp_path / "a clip é.mp4"
    file.write_bytes(bytes(range(256)) * (size // 256))
    outcome, server = ask(lambda client, _: client.upload(file, "video/mp4"), *answers)
    return outcome, server, file.read_bytes()


def test_an_upload_is_put_with_exactly_its_type_and_length_and_without_the_key(tmp_path):
    outcome, server, data = upload(tmp_path, SIGNED, raw(200))
    assert outcome == "https://x/public.mp4"
    wanted, put = server.asked
    assert wanted.line == "POST /base/v1/media/generateurl HTTP/1.1"
    assert wanted.json == {"fileName": "a clip é.mp4", "contentType": "video/mp4"}
    assert put.line == "PUT /put?X-Sig=s3cret HTTP/1.1"
    assert put.header("Content-Type") == "video/mp4"
    assert put.header("Content-Length") == str(len(data))
    assert put.header("Transfer-Encoding") is None
    assert put.header("Authorization") is None
    assert put.body == data


@pytest.mark.parametrize(
    "trouble", [b"", raw(500), raw(403), raw(302, Location="{origin}/fine"), raw(307, Location="/x")]
)
def test_an_upload_is_repeated_as_a_whole(tmp_path, trouble):
    """A redirected PUT is not followed: it could become a GET, which succeeds and brings nothing."""
    outcome, server, data = upload(tmp_path, SIGNED, trouble, SIGNED, raw(200))
    assert outcome == "https://x/public.mp4"
    assert [asked.line.split()[0] for asked in server.asked] == ["POST", "PUT", "POST", "PUT"]
    assert server.asked[3].body == data


@pytest.mark.parametrize(
    "answer", [{"data": {"url": "https://x"}}, {"data": {"signedUrl": "file:///x", "url": "https://x"}}, {}]
)
def test_an_upload_without_both_its_addresses_ends(tmp_path, answer):
    outcome, server, _ = upload(tmp_path, said(answer))
    assert isinstance(outcome, ProviderUnreachable)
    assert {asked.line.split()[0] for asked in server.asked} == {"POST"}


def test_an_address_to_put_to_that_is_none_is_an_error_with_words(tmp_path):
    answer = {"data": {"signedUrl": "http://[::bad/?X-Sig=s3cret", "url": "https://x"}}
    outcome, _, _ = upload(tmp_path, said(answer))
    assert isinstance(outcome, ProviderUnreachable)
    assert "s3cret" not in str(outcome)


# Secrets

SECRETS = (KEY, "s3cret", "hunter2")


def spilt(error, caplog):
    """Everything a person or a log could see of an error."""
    shown = [str(error), repr(error), *traceback.format_exception(error)]
    return "\n".join([*shown, *(record.getMessage() + repr(record.args) for record in caplog.records)])


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 pictai_ \r\n\r\n",
        said({"message": f"Invalid key=value pair in Authorization header: '{KEY}'"}, 403),
        said({"message": f"bad key {KEY}"}, 400),
        raw(400, f"<html>{KEY} http://u:hunter2@x/y?sig=s3cret</html>".encode()),
        raw(500, KEY.encode()),
        said({"status": "error", "message": f"https://x/v?sig=s3cret {KEY}"}),
        raw(302, Location="https://x/v?sig=s3cret"),
        raw(307, Location="http://u:hunter2@x:port/?sig=s3cret"),
    ],
)
def test_neither_key_nor_signature_is_in_any_error_or_log(answer, caplog, tmp_path):
    caplog.set_level(0)
    logging.getLogger("asyncio").setLevel(0)
    file = tmp_path / "f.png"
    file.write_bytes(b"x")

    async def everything(client, server):
        errors = [repr(client), repr(vars(client))]
        signed = f"{server.origin}/f?sig=s3cret"
        for call in (
            client.submit(REQUEST),
            client.job("j1"),
            client.jobs(),
            client.quota(),
            client.upload(file, "image/png"),
            client.download(signed, tmp_path / "part", lambda *_: None),
            client.alive(signed),
        ):
            try:
                errors.append(repr(await call))
            except StorychainError as error:
                errors.append(spilt(error, caplog))
        return "\n".join(errors)

    shown, _ = ask(everything, answer)
    assert isinstance(shown, str), shown
    for secret in SECRETS:
        assert secret not in shown
        assert secret not in caplog.text


def test_the_signed_address_of_an_upload_is_in_no_error_and_no_log(tmp_path, caplog):
    caplog.set_level(0)
    outcome, _, _ = upload(tmp_path, SIGNED, b"", SIGNED, raw(500), SIGNED, b"HTTP/1.1 200 OK\r\nbroken")
    assert isinstance(outcome, ProviderUnreachable)
    assert not any(secret in spilt(outcome, caplog) for secret in SECRETS)


@pytest.mark.parametrize("base", ["http://x:port"])
def test_an_api_address_that_is_none_is_a_usage_error(base):
    with pytest.raises(UsageError):
        Pictory(base, KEY)


@pytest.mark.parametrize("proxy", ["rubbish://127.0.0.1:1", "http://x:port"])
def test_a_proxy_variable_that_makes_no_sense_is_a_usage_error(proxy, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(UsageError, match="proxy variables"):
        Pictory("https://api.example.com", KEY)


def through_a_proxy(speak, monkeypatch):
    async def play():
        async with serving(speak) as origin:
            monkeypatch.setenv("HTTPS_PROXY", origin)
            async with Pictory("https://api.example.invalid", KEY, patience=QUICK) as client:
                return await client.submit(REQUEST)

    return asyncio.run(play())


def test_a_proxy_that_refuses_to_connect_came_before_the_request(monkeypatch):
    heard = bytearray()

    async def proxy(reader, writer):
        heard.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(raw(407))

    assert isinstance(through_a_proxy(proxy, monkeypatch), TurnedAway)
    assert heard.startswith(b"CONNECT api.example.invalid:443")
    assert KEY.encode() not in heard


def test_a_proxy_that_hangs_up_is_not_believed_to_have_sent_nothing(monkeypatch):
    async def proxy(reader, writer):
        await reader.readuntil(b"\r\n\r\n")

    assert isinstance(through_a_proxy(proxy, monkeypatch), AnswerLost)


def test_a_request_to_pay_is_not_held_up_by_looks_that_hang():
    async def answer(asked):
        if asked.line.startswith("GET"):
            await asyncio.sleep(60)
        return ACCEPTED

    async def call(client, server):
        hanging = [asyncio.create_task(client.job(f"job-{number}")) for number in range(150)]
        await asyncio.sleep(0.3)
        try:
            return await client.submit(REQUEST)
        finally:
            for one in hanging:
                one.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

    patience = replace(QUICK, silence=1.0)
    outcome, _ = ask(call, answer, patience=patience)
    assert isinstance(outcome, Accepted), outcome


def test_no_proxy_stands_before_this_machine(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    outcome, server = job(said({"data": {"status": "in-progress"}}))
    assert outcome.state == "in_progress"
    assert len(server.asked) == 1


def keeping(connections):
    """A server that answers on each connection for as long as it is asked; counts what is asked on each."""

    async def speak(reader, writer):
        mine = len(connections)
        connections.append(0)
        while await reader.readline():
            length = 0
            while (header := await reader.readline()) not in (b"\r\n", b""):
                if header.lower().startswith(b"content-length:"):
                    length = int(header.partition(b":")[2])
            await reader.readexactly(length)
            connections[mine] += 1
            await asyncio.sleep(0.01)
            writer.write(ACCEPTED.replace(b"Connection: close\r\n", b""))
            await writer.drain()

    return speak


def test_requests_at_once_have_connections_of_their_own_and_later_ones_use_them_again():
    connections = []

    async def play():
        async with serving(keeping(connections)) as origin, Pictory(origin, KEY, patience=QUICK) as client:
            await asyncio.gather(*(client.job(f"j{number}") for number in range(100)))
            for number in range(5):
                await client.job(f"k{number}")

    asyncio.run(play())
    assert sum(connections) == 105
    assert len(connections) <= AT_ONCE


@pytest.mark.slow
def test_a_paid_request_does_not_go_over_a_connection_that_its_server_is_about_to_close():
    """Many servers close after five idle seconds; a request that meets that is lost, and nobody knows whether."""
    connections = []

    async def play():
        async with serving(keeping(connections)) as origin, Pictory(origin, KEY, patience=QUICK) as client:
            await client.submit(REQUEST)
            await client.submit(REQUEST)
            await asyncio.sleep(3.5)
            await client.submit(REQUEST)

    asyncio.run(play())
    assert connections == [2, 1]
