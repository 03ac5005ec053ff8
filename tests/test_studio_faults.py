"""Faults that the studio rehearses: each one fires when it is told to, and the accounts stay true."""

from __future__ import annotations

import json

import av
import httpx
import pytest

from storychain.errors import UsageError
from storychain.studio import parse_faults
from storychain.studio.faults import FAULTS, Faults
from tests.studio_client import BODY, ended, in_loop, made, studio, submit
from tests.telling import telling


def test_unknown_faults_are_named_with_the_nearest_one():
    with pytest.raises(UsageError, match=r"submit\.lots") as caught:
        parse_faults(["submit.lots=0.5"])
    assert "submit.lost" in str(caught.value)
    assert all(name in str(caught.value) for name in FAULTS)


@pytest.mark.parametrize("word", ["submit.lost=2", "submit.lost=often", "submit.lost=@0", "submit.lost=@"])
def test_chances_that_are_none(word):
    with pytest.raises(UsageError, match=r"submit\.lost"):
        parse_faults([word])


def test_faults_are_read_as_written_on_a_command_line():
    assert parse_faults(["submit.lost=0.25", "poll.500=@2,5", "job.failed"]) == {
        "submit.lost": 0.25,
        "poll.500": "@2,5",
        "job.failed": 1.0,
    }


def test_the_same_seed_gives_the_same_faults_and_others_do_not():
    def drawn(seed: int) -> list[bool]:
        faults = Faults({"poll.500": 0.3, "poll.cut": 0.3}, seed)
        return ["poll.500" in faults.occasion("poll") for _ in range(200)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 30 < sum(drawn(1)) < 90


def test_exact_occasions():
    faults = Faults({"poll.500": "@2,4"})
    assert [bool(faults.occasion("poll")) for _ in range(5)] == [False, True, False, True, False]


@pytest.mark.parametrize(
    ("fault", "status", "accepted"),
    [
        ("submit.429", 429, 0),
        ("submit.429_retry_after", 429, 0),
        ("submit.503", 503, 0),
        ("submit.400_words", 400, 0),
        ("submit.500_refused", 500, 0),
        ("submit.500_accepted", 500, 1),
        ("submit.garbled", 200, 1),
        ("submit.slow", 200, 1),
    ],
)
def test_submits_with_a_strange_answer(tmp_path, fault, status, accepted):
    @in_loop
    async def ask():
        async with studio(tmp_path, faults={fault: "@1"}, latency=60, slow=0.2) as (running, client):
            answer = await client.post("/v1/aistudio/videos", json=BODY)
            assert answer.status_code == status
            assert ("retry-after" in answer.headers) == (fault == "submit.429_retry_after")
            assert running.counts["accepted"] == accepted
            assert running.counts["faults"] == {fault: 1}
            if fault == "submit.garbled":
                with pytest.raises(json.JSONDecodeError):
                    answer.json()
            await submit(client)

    ask()


@pytest.mark.parametrize(("fault", "accepted"), [("submit.cut", 0), ("submit.lost", 1)])
def test_submits_without_an_answer(tmp_path, fault, accepted):
    @in_loop
    async def ask():
        async with studio(tmp_path, faults={fault: "@1"}, latency=60) as (running, client):
            with pytest.raises(httpx.RemoteProtocolError):
                await client.post("/v1/aistudio/videos", json=BODY)
            assert running.counts["accepted"] == accepted
            assert len((await client.get("/v1/jobs")).json()["items"]) == accepted

    ask()


@in_loop
async def test_polls_and_lists_go_wrong_when_told_to(tmp_path):
    faults = {"poll.500": "@1", "poll.429": "@2", "poll.garbled": "@3", "poll.cut": "@4", "list.500": "@1"}
    async with studio(tmp_path, faults=faults, latency=60) as (running, client):
        path = f"/v1/jobs/{await submit(client)}"
        assert [(await client.get(path)).status_code for _ in range(2)] == [500, 429]
        with pytest.raises(json.JSONDecodeError):
            (await client.get(path)).json()
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(path)
        assert (await client.get(path)).json()["data"]["status"] == "in-progress"
        assert (await client.get("/v1/jobs")).status_code == 500
        assert running.counts["polls"] == 5


@in_loop
async def test_a_new_job_is_missing_from_two_lists(tmp_path):
    async with studio(tmp_path, faults={"list.lag": "@2"}, latency=60) as (_, client):
        first, second = await submit(client), await submit(client)

        async def listed() -> list[str]:
            return [item["data"]["jobId"] for item in (await client.get("/v1/jobs")).json()["items"]]

        assert [await listed() for _ in range(3)] == [[first], [first], [second, first]]


@in_loop
async def test_downloads_go_wrong_when_told_to(tmp_path):
    faults = {"download.cut": "@2,3", "download.html": "@4", "download.truncated": "@5", "download.403": "@6"}
    async with studio(tmp_path, faults=faults | {"download.slow": "@7"}, slow=0.3) as (running, client):
        url = (await made(client))["url"]
        whole = (await client.get(url)).content
        assert len(await _until_cut(client, url, {})) == len(whole) // 2
        assert len(await _until_cut(client, url, {"Range": "bytes=100-"})) == (len(whole) - 100) // 2
        page = await client.get(url)
        assert (page.status_code, page.headers["content-type"][:9]) == (200, "text/html")
        part = await client.get(url)
        assert part.content == whole[: int(part.headers["content-length"])] != whole
        assert (await client.get(url)).status_code == 403
        assert (await client.get(url)).content == whole
        assert running.counts["downloads"] == 7


async def _until_cut(client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> bytes:
    got = b""
    try:
        async with client.stream("GET", url, headers=headers) as answer:
            async for piece in answer.aiter_raw():
                got += piece
    except httpx.RemoteProtocolError:
        return got
    raise AssertionError("the whole file came")


@in_loop
async def test_jobs_fail_when_told_to_and_cost_nothing(tmp_path):
    async with studio(tmp_path, faults={"job.failed": "@1", "job.failed_internal": "@2"}) as (running, client):
        first, second = [await ended(client, await submit(client)) for _ in range(2)]
        assert (first["success"], first["data"]["status"]) == (False, "failed")
        assert first["data"]["error_code"] == "CONTENT_MODERATED"
        assert set(second["data"]) == {"status", "error_code", "error_message"}
        assert running.counts["credits_debited"] == 0


@in_loop
async def test_an_upload_fails_when_told_to(tmp_path):
    async with studio(tmp_path, faults={"upload.500": "@1"}) as (_, client):
        body = {"fileName": "a.mp4", "contentType": "video/mp4"}
        url = (await client.post("/v1/media/generateurl", json=body)).json()["data"]["signedUrl"]
        answers = [await client.put(url, content=b"x", headers={"Content-Type": "video/mp4"}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [500, 200]


@in_loop
async def test_faults_are_set_while_running(tmp_path):
    async with studio(tmp_path, latency=60) as (running, client):
        door = f"{running.origin}/studio/faults"
        assert (await client.post(door, json={"submit.503": "@1"})).status_code == 200
        assert (await client.post("/v1/aistudio/videos", json=BODY)).status_code == 503
        assert (await client.post(door, json={"submit.none": 1})).status_code == 400
        assert (await client.post(door, json=[1])).status_code == 400


SHAPES = [
    ("media.short", 72, 24, 1, 160),
    ("media.merged", 192, 24, 1, 160),
    ("media.same", 96, 24, 1, 160),
    ("media.repeat", 96, 24, 1, 160),
    ("media.fps30", 120, 30, 1, 160),
    ("media.fps25", 100, 25, 1, 160),
    ("media.silent", 96, 24, 0, 160),
    ("media.small", 96, 24, 1, 80),
]


@pytest.mark.parametrize(("fault", "frames", "rate", "sound", "width"), telling(SHAPES, SHAPES[1:6:2]))
def test_media_of_another_shape_than_was_asked(tmp_path, fault, frames, rate, sound, width):
    @in_loop
    async def ask():
        async with studio(tmp_path, faults={fault: "@2", "media.no_last_frame": "@2"}) as (_, client):
            source = (await made(client))["url"]
            data = await made(client, extendVideoUrl=source, prompt="Night over the city.")
            assert (data["duration"], "lastFrameImageUrl" in data) == ("4s", False)
            path = tmp_path / "got.mp4"
            path.write_bytes((await client.get(data["url"])).content)
            with av.open(path) as got:
                assert len(got.streams.audio) == sound
                assert (got.streams.video[0].average_rate, got.streams.video[0].width) == (rate, width)
                assert data["width"] == width
                assert sum(1 for _ in got.decode(video=0)) == frames
                heard = float(got.streams.audio[0].duration * got.streams.audio[0].time_base) if sound else 0
                assert heard == pytest.approx(frames / rate * sound, abs=0.05)

    ask()
