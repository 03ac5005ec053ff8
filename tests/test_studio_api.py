"""The studio's answers, request by request, as the API's documents have them."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.studio_client import BODY, ended, in_loop, made, studio, submit


@in_loop
async def test_a_job_from_submit_to_download_at_both_prefixes(tmp_path):
    async with studio(tmp_path) as (running, client):
        answer = await client.post("/v1/aistudio/videos", json=BODY)
        job_id = answer.json()["data"]["jobId"]
        assert answer.json() == {"success": True, "data": {"jobId": job_id}}
        told = await ended(client, job_id)
        data = told["data"]
        assert (told["job_id"], told["success"], data["status"]) == (job_id, True, "completed")
        assert (data["duration"], data["width"], data["height"], data["aiCreditsUsed"]) == ("4s", 160, 90, 40)
        for name, kind in (("url", "video/mp4"), ("lastFrameImageUrl", "image/png"), ("thumbnailUrl", "image/jpeg")):
            file = await client.get(data[name])
            assert (file.status_code, file.headers["content-type"]) == (200, kind)
        short = httpx.URL(running.origin)
        assert (await client.get(short.join(f"/v1/jobs/{job_id}"))).json()["data"]["status"] == "completed"
        counts = (await client.get(short.join("/studio/counts"))).json()
        assert (counts["submits"], counts["accepted"], counts["downloads"], counts["pictures"]) == (1, 1, 1, 2)
        assert (counts["credits_debited"], counts["bugs"]) == (40, 0)
        assert counts == running.counts


@in_loop
async def test_a_stand_in_is_delivered_in_place_of_a_render(tmp_path):
    stand_in = tmp_path / "stand-in"
    stand_in.write_bytes(b"not even a video")
    async with studio(tmp_path / "home", stand_in=stand_in, latency=0.2) as (running, client):
        before = await made(client)
        after = await made(client, extendVideoUrl=before["url"])
        assert (await client.get(after["url"])).content == b"not even a video"
        assert (after["width"], after["height"], after["aiCreditsUsed"]) == (160, 90, 40)
        refused = await ended(client, await submit(client, extendVideoUrl=before["url"] + "0"))
        assert refused["data"]["error_code"] == "INVALID_MEDIA_URL"
        assert (running.counts["renders"], running.counts["bugs"]) == (0, 0)


UNNAMED = (
    "python-requests/2.32.3",
    "python-httpx/0.28.1",
    "Python/3.12 aiohttp/3.11.11",
    "Go-http-client/2.0",
    "curl/8.5.0",
    "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
)


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        ({"User-Agent": "x"}, 401, '{"message":"Unauthorized"}'),
        ({"User-Agent": "x", "Authorization": "Bearer pictai_test"}, 401, '{"message":"Unauthorized"}'),
        ({"User-Agent": "x", "Authorization": "pictai_other"}, 401, '{"message":"Unauthorized"}'),
        ({"User-Agent": "Python-urllib/3.11", "Authorization": "pictai_test"}, 403, "error code: 1010"),
        ({"User-Agent": "", "Authorization": "pictai_test"}, 403, "error code: 1010"),
        *(({"User-Agent": agent, "Authorization": "pictai_test"}, 403, "error code: 1010") for agent in UNNAMED),
    ],
)
def test_who_is_turned_away(tmp_path, headers, status, body):
    @in_loop
    async def ask():
        async with studio(tmp_path, key="pictai_test") as (running, _), httpx.AsyncClient() as stranger:
            answer = await stranger.get(f"{running.base_url}/v1/jobs", headers=headers)
            assert (answer.status_code, answer.text) == (status, body)
            assert running.counts["refused"] == {str(status): 1}

    ask()


@in_loop
async def test_a_key_comes_without_a_scheme(tmp_path):
    async with studio(tmp_path) as (running, client):
        for told in ("Bearer pictai_test", "bearer  pictai_test", "Token pictai_test", "Basic cGljdGFp"):
            answer = await client.get(f"{running.base_url}/v1/jobs", headers={"Authorization": told})
            assert answer.status_code == 401, told


@in_loop
async def test_a_key_begins_as_keys_do(tmp_path):
    async with studio(tmp_path) as (running, client):
        for key, status in (
            *dict.fromkeys(("key", "pictai", "pictai_", "PICTAI_test", "xpictai_test"), 401).items(),
            *dict.fromkeys(("pictai_test", "pictai_another"), 200).items(),
        ):
            answer = await client.get(f"{running.base_url}/v1/jobs", headers={"Authorization": key})
            assert answer.status_code == status, key


NO_URIS = (
    "http://h/clip-ä.mp4",
    "http://h/a|b.mp4",
    "http://h/a b.mp4",
    "http://h/a.mp4?sig=é",
    "http://h/%zz.mp4",
    "http://h/a%2",
    "http://münchen.example/a.mp4",
    "http://h:65536/a.mp4",
    "http://h:" + "9" * 5000,
    "http://h:p/a.mp4",
    "http://[h/a.mp4",
    "http:///a.mp4",
    "http://h/a.mp4\n",
    "http://h/" + "a?" * 5000 + "|",
)


@in_loop
async def test_addresses_that_are_uris_are_taken(tmp_path):
    async with studio(tmp_path) as (running, client):
        for address in (
            "http://h/clip-%C3%A4.mp4?sig=%c3%a9&t=1:2,3/4?5#a",
            "HTTPS://xn--mnchen-3ya.example",
            "http://me:it@[::1]:65535/a.mp4",
            "http://h_1.example:/a;b=(1)/@x",
        ):
            answer = await client.post(
                "/v1/aistudio/videos", json=BODY | {"webhook": "http://127.0.0.1:1", "extendVideoUrl": address}
            )
            assert answer.status_code == 200, address
        assert running.counts["accepted"] == 4


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"prompt": "four"}, ["prompt"]),
        ({"prompt": "x" * 5001}, ["prompt"]),
        ({"prompt": 7}, ["prompt"]),
        ({"model": "sora"}, ["model"]),
        ({"aspectRatio": "1:1"}, ["aspectRatio"]),
        ({"duration": "5s"}, ["duration"]),
        ({"duration": 4}, ["duration"]),
        ({"duration": ""}, ["duration"]),
        ({"extendVideoUrl": "file:///etc/passwd"}, ["extendVideoUrl"]),
        ({"referenceImageUrls": []}, ["referenceImageUrls"]),
        ({"referenceImageUrls": ["http://a/1"] * 4}, ["referenceImageUrls"]),
        ({"referenceImageUrls": ["http://a/1", "two"]}, ["referenceImageUrls.1"]),
        ({"webhook": "mailto:me"}, ["webhook"]),
        *(({"extendVideoUrl": address}, ["extendVideoUrl"]) for address in NO_URIS),
        (
            {"extendVideoUrl": "http://a/v.mp4", "firstFrameImageUrl": "http://a/i.png"},
            ["extendVideoUrl", "firstFrameImageUrl"],
        ),
        ({"prompt": "", "duration": "9s"}, ["prompt", "duration"]),
    ],
)
def test_bodies_that_are_refused_name_their_fields(tmp_path, changes, names):
    @in_loop
    async def ask():
        async with studio(tmp_path) as (running, client):
            answer = await client.post("/v1/aistudio/videos", json=BODY | changes)
            told = answer.json()
            assert (answer.status_code, told["code"]) == (400, "INVALID_REQUEST_BODY")
            assert [field["name"] for field in told["fields"]] == names
            assert all(set(field) == {"name", "errors"} for field in told["fields"])
            assert running.counts["accepted"] == 0

    ask()


@in_loop
async def test_bodies_that_are_no_json(tmp_path):
    async with studio(tmp_path) as (running, client):
        broken = await client.post(
            "/v1/aistudio/videos", content=b'{"prompt":', headers={"Content-Type": "application/json"}
        )
        assert (broken.status_code, broken.json()["code"]) == (400, "INVALID_REQUEST_BODY")
        listed = await client.post("/v1/aistudio/videos", json=[1])
        assert listed.status_code == 400
        form = await client.post("/v1/aistudio/videos", data={"prompt": "A boat leaves."})
        assert form.status_code == 415
        assert running.counts["accepted"] == 0


@pytest.mark.parametrize("told", ["[" * 100_000, '{"prompt": "A boat leaves.", "x": ' + "9" * 5000 + "}"])
@pytest.mark.parametrize("path", ["/v1/aistudio/videos", "/v1/media/generateurl"])
def test_json_that_no_reader_takes_is_a_mistake_of_the_client(tmp_path, told, path):
    @in_loop
    async def ask():
        async with studio(tmp_path) as (running, client):
            answer = await client.post(path, content=told, headers={"Content-Type": "application/json"})
            assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST_BODY")
            assert running.counts["accepted"] == 0

    ask()


@in_loop
async def test_questions_beyond_all_sizes_are_answered_as_any_other(tmp_path):
    async with studio(tmp_path) as (_, client):
        await made(client)
        deep = base64.b64encode(b"[" * 5000).decode()
        assert (await client.get("/v1/jobs", params={"nextPageKey": deep})).status_code == 400
        assert (await client.get("/v1/jobs/" + "a" * 300)).json()["data"]["error_message"] == "JOB_NOT_FOUND"
        assert (await client.delete("/v1/jobs/" + "a" * 300 + "/clean")).status_code == 404
        assert (await client.get("/v1/aicredits/usage", params={"year": "9" * 5000})).status_code == 400


@in_loop
async def test_defaults_and_dropped_fields_are_counted(tmp_path):
    async with studio(tmp_path, latency=60) as (running, client):
        await client.post("/v1/aistudio/videos", json={"prompt": "A boat leaves.", "modle": "veo3.1"})
        job = (await client.get(f"{running.origin}/studio/jobs")).json()[0]
        assert (job["model"], job["aspect_ratio"], job["seconds"]) == ("pixverse5.5", "16:9", 5)
        assert job["body"]["modle"] == "veo3.1"
        assert running.counts["defaults_used"] == {"model": 1, "aspectRatio": 1, "duration": 1}
        assert running.counts["dropped_fields"] == {"modle": 1}


@in_loop
async def test_unknown_job(tmp_path):
    async with studio(tmp_path) as (_, client):
        told = {"success": False, "data": {"error_code": "5000", "error_message": "JOB_NOT_FOUND"}}
        assert (await client.get("/v1/jobs/none")).json() == told
        assert (await client.delete("/v1/jobs/none/clean")).json() == told


@in_loop
async def test_lists_are_newest_first_in_pages(tmp_path):
    async with studio(tmp_path, latency=60, page_size=2) as (_, client):
        ids = [await submit(client) for _ in range(5)]
        seen, key = [], None
        for size in (2, 2, 1):
            page = (await client.get("/v1/jobs", params={"nextPageKey": key} if key else {})).json()
            assert len(page["items"]) == size
            seen += [item["data"]["jobId"] for item in page["items"]]
            key = page["nextPageKey"]
            assert key is None or base64.b64decode(key)
        assert (seen, key) == (ids[::-1], None)
        assert (await client.get("/v1/jobs", params={"nextPageKey": "nonsense"})).status_code == 400


@in_loop
async def test_only_ended_jobs_are_cleaned_and_twice_does_no_harm(tmp_path):
    async with studio(tmp_path, latency=60) as (_, client):
        waiting = await submit(client)
        assert (await client.delete(f"/v1/jobs/{waiting}/clean")).status_code == 409
    async with studio(tmp_path) as (running, client):
        data = (await ended(client, waiting))["data"]
        for _ in range(2):
            assert (await client.delete(f"/v1/jobs/{waiting}/clean")).json() == {"success": True}
        assert (await client.get(f"/v1/jobs/{waiting}")).json()["data"] == {"status": "cleaned"}
        gone = httpx.URL(data["url"]).copy_with(port=httpx.URL(running.origin).port)
        assert (await client.get(gone)).status_code == 404
        assert running.counts["credits_debited"] == 40


@in_loop
async def test_uploads_want_their_content_type_and_are_public_then(tmp_path):
    async with studio(tmp_path) as (running, client):
        clip = (await client.get((await made(client))["url"])).content
        body = {"fileName": "../my clip.mp4", "contentType": "video/mp4"}
        data = (await client.post("/v1/media/generateurl", json=body)).json()["data"]
        assert set(data) == {"signedUrl", "url", "key"}
        async with httpx.AsyncClient() as store:
            wrong = await store.put(data["signedUrl"], content=clip, headers={"Content-Type": "video/quicktime"})
            assert (wrong.status_code, "SignatureDoesNotMatch" in wrong.text) == (403, True)
            assert (await store.get(data["url"])).status_code == 404
            right = await store.put(data["signedUrl"], content=clip, headers={"Content-Type": "video/mp4"})
            assert right.status_code == 200
            assert (await store.get(data["url"])).content == clip
            unsigned = await store.put(data["url"], content=clip, headers={"Content-Type": "video/mp4"})
            assert unsigned.status_code == 403
        assert (await made(client, extendVideoUrl=data["url"]))["status"] == "completed"
        assert running.counts["uploads"] == 1
        refused = await client.post("/v1/media/generateurl", json={"fileName": ""})
        assert [field["name"] for field in refused.json()["fields"]] == ["fileName", "contentType"]


@in_loop
async def test_credits_are_debited_on_completion_and_run_out(tmp_path):
    async with studio(tmp_path, latency=60, credits_limit=Decimal(50)) as (_, client):
        await submit(client)
        refused = await client.post("/v1/aistudio/videos", json=BODY)
        assert (refused.status_code, refused.json()["code"]) == (402, "INSUFFICIENT_CREDITS")
        assert (await client.get("/v1/quota")).json()["aiCredits"] == {"used": 0, "limit": 50}
        assert (await client.get("/v1/aicredits/usage")).json() == []
    async with studio(tmp_path, credits_limit=Decimal(60)) as (_, client):
        for job in (await client.get("/v1/jobs")).json()["items"]:
            await ended(client, job["data"]["jobId"])
        cheap = await made(client, model="pixverse5.5", duration="8s")
        assert cheap["aiCreditsUsed"] == 12.8
        assert (await client.get("/v1/quota")).json()["aiCredits"]["used"] == 52.8
        usage = (await client.get("/v1/aicredits/usage")).json()
        assert [(line["type"], line["amount"]) for line in usage] == [("debit", 12.8), ("debit", 40)]
        when = usage[0]["transactionDate"]
        month = {"year": int(when[:4]), "month": int(when[5:7])}
        assert (await client.get("/v1/aicredits/usage", params=month)).json() == usage
        assert (await client.get("/v1/aicredits/usage", params={"year": 1999})).json() == []


@in_loop
async def test_media_come_in_ranges_and_expire(tmp_path):
    async with studio(tmp_path) as (running, client):
        url = (await made(client))["url"]
        whole = (await client.get(url)).content
        part = await client.get(url, headers={"Range": "bytes=100-199"})
        assert (part.status_code, part.content) == (206, whole[100:200])
        head = await client.head(url)
        assert (head.status_code, int(head.headers["content-length"])) == (200, len(whole))
        assert running.counts["bytes"] == len(whole) + 100
        forged = httpx.URL(url).copy_merge_params({"Expires": "9999999999"})
        assert "SignatureDoesNotMatch" in (await client.get(forged)).text
        assert (await client.get(httpx.URL(url).copy_with(query=None))).status_code == 403


@in_loop
async def test_an_expired_address_can_neither_be_read_nor_extended(tmp_path):
    async with studio(tmp_path, url_ttl=0) as (_, client):
        url = (await made(client))["url"]
        answer = await client.get(url)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/xml")
        told = await ended(client, await submit(client, extendVideoUrl=url))
        assert (told["success"], told["data"]["status"]) == (False, "failed")
        assert "extendVideoUrl" in told["data"]["error_message"]


@in_loop
async def test_sources_that_cannot_be_used_fail_the_job_and_cost_nothing(tmp_path):
    async with studio(tmp_path) as (running, client):
        picture = (await made(client))["thumbnailUrl"]
        for field, url in (
            ("extendVideoUrl", "http://127.0.0.1:9/none.mp4"),
            ("extendVideoUrl", picture),
            ("firstFrameImageUrl", f"{running.origin}/studio/counts"),
            ("firstFrameImageUrl", f"{running.origin}/nowhere"),
            ("firstFrameImageUrl", await _uploaded(client, _picture(14_000, 14_000))),
        ):
            told = await ended(client, await submit(client, **{field: url}))
            assert told["data"]["error_code"] == "INVALID_MEDIA_URL"
            assert told["data"]["error_message"].startswith(field)
        assert running.counts["credits_debited"] == 40


@in_loop
async def test_a_source_that_leads_to_no_port_fails_the_job(tmp_path):
    async def lead_astray(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:70000/x\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with studio(tmp_path) as (_, client), await asyncio.start_server(lead_astray, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        told = await ended(client, await submit(client, extendVideoUrl=f"http://{host}:{port}/x.mp4"))
        assert told["data"]["error_code"] == "INVALID_MEDIA_URL"
        assert (await client.get("/v1/quota")).json()["aiCredits"]["used"] == 0


@in_loop
async def test_no_more_jobs_at_once_than_told(tmp_path):
    async with studio(tmp_path, latency=60, jobs_at_once=1) as (_, client):
        await submit(client)
        assert (await client.post("/v1/aistudio/videos", json=BODY)).status_code == 429


@in_loop
async def test_jobs_in_progress_are_taken_up_by_the_next_studio(tmp_path):
    async with studio(tmp_path, latency=60) as (_, client):
        job_id = await submit(client)
        told = (await client.get(f"/v1/jobs/{job_id}")).json()
        assert told["data"]["status"] == "in-progress"
        assert 0 <= told["data"]["renderProgress"] <= 99
    async with studio(tmp_path) as (running, client):
        data = (await ended(client, job_id))["data"]
        assert data["url"].startswith(running.origin)
    async with studio(tmp_path) as (running, client):
        again = (await ended(client, job_id))["data"]
        assert (await client.get(again["url"])).status_code == 200
        assert (running.counts["renders"], running.counts["credits_debited"]) == (0, 40)
        # An address from the run before still names our own file, though its port is gone.
        assert (await made(client, extendVideoUrl=data["url"]))["status"] == "completed"


@in_loop
async def test_the_webhook_is_told_and_retried_once(tmp_path):
    calls: asyncio.Queue[bytes] = asyncio.Queue()

    async def hook(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length:")[1].split()[0])
        first = calls.empty()
        await calls.put(await reader.readexactly(size))
        writer.write(b"HTTP/1.1 503 Busy\r\n\r\n" if first else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(hook, "127.0.0.1", 0) as server, studio(tmp_path) as (_, client):
        port = server.sockets[0].getsockname()[1]
        job_id = await submit(client, webhook=f"http://127.0.0.1:{port}/done?token=1")
        told = await ended(client, job_id)
        while calls.qsize() < 2:
            await client.get("/v1/quota")
        assert json.loads(calls.get_nowait()) == json.loads(calls.get_nowait()) == told


@in_loop
async def test_leaving_stops_the_renders_and_leaves_no_process(tmp_path):
    async with studio(tmp_path, scale=1.0) as (running, client):
        job_id = await submit(client, model="pixverse5.5", duration="10s")
        while not (await client.get(f"/v1/jobs/{job_id}")).json()["data"]["renderProgress"]:
            continue
        assert running.counts["renders"] == 1
        assert _working_in(tmp_path) or not Path("/proc/self").exists()
    assert not _working_in(tmp_path)
    assert not list((tmp_path / "media").iterdir())
    assert not list((tmp_path / "scratch").iterdir())
    async with studio(tmp_path) as (_, client):
        assert (await ended(client, job_id))["data"]["duration"] == "10s"


@in_loop
async def test_two_studios_over_one_home_do_not_disturb_each_other(tmp_path):
    async with studio(tmp_path, latency=1.0) as (first, one), studio(tmp_path) as (second, two):
        mine, yours = await submit(one), await submit(two)
        assert [item["data"]["jobId"] for item in (await two.get("/v1/jobs")).json()["items"]] == [yours, mine]
        assert (await two.get(f"/v1/jobs/{mine}")).json()["data"]["status"] == "in-progress"
        data = (await ended(two, mine))["data"]
        assert (await two.get(data["url"])).status_code == 200
        await ended(one, yours)
        assert (first.counts["renders"], second.counts["renders"]) == (1, 1)
        assert (await one.get("/v1/quota")).json()["aiCredits"]["used"] == 80


@in_loop
async def test_a_connection_that_is_dropped_says_nothing_at_all(tmp_path):
    async with studio(tmp_path, faults={"poll.cut": "@1"}) as (running, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(running.origin.rsplit(":", 1)[1]))
        writer.write(b"GET /v1/jobs/x HTTP/1.1\r\nHost: a\r\nUser-Agent: raw\r\nAuthorization: pictai_x\r\n\r\n")
        assert await reader.read() == b""
        writer.close()


@in_loop
async def test_a_client_that_has_said_all_and_closed_its_half_is_answered(tmp_path):
    async with studio(tmp_path) as (running, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(running.origin.rsplit(":", 1)[1]))
        body = json.dumps(BODY).encode()
        head = "POST /v1/aistudio/videos HTTP/1.1\r\nHost: a\r\nUser-Agent: raw\r\nAuthorization: pictai_x\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.write_eof()
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b'"jobId"' in answer
        assert running.counts["accepted"] == 1


@in_loop
async def test_a_target_may_be_a_whole_address(tmp_path):
    async with studio(tmp_path) as (running, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(running.origin.rsplit(":", 1)[1]))
        head = "Host: a\r\nUser-Agent: raw\r\nAuthorization: pictai_x\r\nConnection: close\r\n\r\n"
        writer.write(f"GET {running.base_url}/v1/jobs?nextPageKey= HTTP/1.1\r\n{head}".encode())
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert answer.endswith(b'{"items":[],"nextPageKey":null}')


async def _uploaded(client: httpx.AsyncClient, picture: bytes) -> str:
    asked = {"fileName": "picture.png", "contentType": "image/png"}
    data = (await client.post("/v1/media/generateurl", json=asked)).json()["data"]
    await client.put(data["signedUrl"], content=picture, headers={"Content-Type": "image/png"})
    return str(data["url"])


def _picture(width: int, height: int) -> bytes:
    png = io.BytesIO()
    Image.new("1", (width, height)).save(png, "PNG")
    return png.getvalue()


def _working_in(folder: Path) -> list[str]:
    """Command lines of processes that name the folder, where the system tells."""
    lines = [_command_line(process) for process in Path("/proc").glob("[0-9]*/cmdline")]
    return [line for line in lines if str(folder) in line]


def _command_line(process: Path) -> str:
    try:
        return process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""  # it has just ended
