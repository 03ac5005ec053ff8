"""Downloads from strangers: resumed after cuts, never glued from two files, never more than they claim to be."""

import asyncio
import gzip
import hashlib
import os

import pytest

from storychain.errors import ProviderUnreachable
from storychain.pictory import Patience, Pictory
from storychain.provider import AddressGone
from tests.stranger import KEY, QUICK, ask, chunked, raw, said, serving, stranger

DATA = bytes(range(256)) * 1200
HALF = len(DATA) // 2
WHOLE = raw(200, DATA, ETag='"one"', Content_Type="video/mp4")


def cut(size=HALF, **headers):
    """The file, announced as a whole, of which only the beginning comes."""
    headers = {"ETag": '"one"', **headers}
    return raw(200, DATA[:size], length=False, Content_Length=len(DATA), **headers)


def rest(start=HALF, data=DATA, **headers):
    span = f"bytes {start}-{len(data) - 1}/{len(data)}"
    return raw(206, data[start:], **{"Content_Range": span, "ETag": '"one"', **headers})


def fetch(tmp_path, *answers, url="/v.mp4?sig=s3cret", patience=QUICK):
    part = tmp_path / "deep" / "a.part"
    seen = []

    async def call(client, server):
        address = url if "://" in url else server.origin + url
        return await client.download(address, part, lambda size, total: seen.append((size, total)))

    outcome, server = ask(call, *answers, patience=patience)
    return outcome, server, part, seen


def arrived(outcome, part, data=DATA):
    assert outcome == hashlib.sha256(data).hexdigest()
    assert part.read_bytes() == data


def test_a_file_comes_home_whole_without_the_key(tmp_path):
    outcome, server, part, seen = fetch(tmp_path, WHOLE)
    arrived(outcome, part)
    (asked,) = server.asked
    assert asked.line == "GET /v.mp4?sig=s3cret HTTP/1.1"
    assert asked.header("Authorization") is None
    assert asked.header("Range") is None
    assert asked.header("Accept-Encoding") == "identity"
    assert asked.header("User-Agent").startswith("storychain/")
    assert seen[-1] == (len(DATA), len(DATA))


def test_after_a_cut_only_the_rest_is_asked_for_and_only_of_the_same_file(tmp_path):
    outcome, server, part, _ = fetch(tmp_path, cut(), rest())
    arrived(outcome, part)
    again = server.asked[1]
    assert again.header("Range") == f"bytes={HALF}-"
    assert again.header("If-Range") == '"one"'


def test_what_had_arrived_before_a_cut_is_not_sent_again_however_little(tmp_path):
    outcome, server, part, _ = fetch(tmp_path, cut(1000), rest(1000))
    arrived(outcome, part)
    assert server.asked[1].header("Range") == "bytes=1000-"


def test_a_download_that_was_given_up_writes_nothing_afterwards(tmp_path):
    """A disk that hangs: the thread is about to write, and by the time it can nobody waits for it any more."""
    part = tmp_path / "a.part"
    os.mkfifo(part)  # opened for writing only when somebody reads

    async def call(client, server):
        come = asyncio.Event()
        download = asyncio.create_task(client.download(server.origin + "/v.mp4", part, lambda *_: come.set()))
        await come.wait()
        await asyncio.sleep(0.2)
        download.cancel()
        await asyncio.gather(download, return_exceptions=True)
        return await asyncio.to_thread(part.read_bytes)

    outcome, _ = ask(call, raw(200, DATA[:1000], Content_Type="video/mp4"))
    assert outcome == b""


def test_a_weak_tag_is_not_used_but_a_date_is(tmp_path):
    date = "Tue, 03 Mar 2026 10:00:00 GMT"
    outcome, server, part, _ = fetch(tmp_path, cut(ETag='W/"one"', Last_Modified=date), rest())
    arrived(outcome, part)
    assert server.asked[1].header("If-Range") == date


def test_a_cut_of_a_file_without_a_length_is_noticed_and_resumed(tmp_path):
    outcome, server, part, _ = fetch(tmp_path, chunked(DATA[:HALF], end=b"", ETag='"one"'), rest())
    arrived(outcome, part)
    assert server.asked[1].header("Range") == f"bytes={HALF}-"


def test_a_server_that_knows_no_ranges_sends_it_all_again(tmp_path):
    outcome, _, part, _ = fetch(tmp_path, cut(), WHOLE)
    arrived(outcome, part)


def test_another_file_than_the_one_begun_replaces_it(tmp_path):
    other = DATA[::-1]
    outcome, _, part, _ = fetch(tmp_path, cut(), raw(200, other, ETag='"two"'))
    arrived(outcome, part, other)


@pytest.mark.parametrize(
    "wrong",
    [
        rest(HALF - 10),
        rest(Content_Range="rubbish"),
        raw(206, DATA[HALF:]),
        raw(206, DATA[HALF:], Content_Range=f"bytes {HALF}-{len(DATA) - 1}/{len(DATA) + 5}"),
        raw(416, Content_Range=f"bytes */{len(DATA)}"),
    ],
)
def test_a_rest_that_does_not_fit_is_not_glued_on(tmp_path, wrong):
    outcome, server, part, _ = fetch(tmp_path, cut(), wrong, WHOLE)
    arrived(outcome, part)
    assert server.asked[2].header("Range") is None


def test_a_part_that_comes_unasked_is_not_taken_for_the_whole(tmp_path):
    piece = raw(206, DATA[:HALF], Content_Range=f"bytes 0-{HALF - 1}/{len(DATA)}", ETag='"one"')
    outcome, server, part, _ = fetch(tmp_path, piece, rest())
    arrived(outcome, part)
    assert server.asked[1].header("Range") == f"bytes={HALF}-"


def test_a_file_that_is_always_cut_ends(tmp_path):
    outcome, server, _, _ = fetch(tmp_path, cut(10), cut(10))
    assert isinstance(outcome, ProviderUnreachable)
    assert len(server.asked) == QUICK.attempts


def test_a_file_compressed_on_its_way_is_unpacked(tmp_path):
    packed = raw(200, gzip.compress(DATA), Content_Encoding="gzip", ETag='"one"')
    outcome, _, part, _ = fetch(tmp_path, packed)
    arrived(outcome, part)


def test_a_compressed_file_that_was_cut_is_begun_anew(tmp_path):
    packed = gzip.compress(DATA, 1)
    broken = raw(200, packed[:-20], length=False, Content_Length=len(packed), Content_Encoding="gzip", ETag='"one"')
    outcome, server, part, _ = fetch(tmp_path, broken, WHOLE)
    arrived(outcome, part)
    assert server.asked[1].header("Range") is None


@pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=utf-8", "application/json"])
def test_a_page_is_no_video(tmp_path, kind):
    outcome, _, part, _ = fetch(tmp_path, raw(200, b"<html>expired</html>", Content_Type=kind), WHOLE)
    arrived(outcome, part)
    outcome, _, part, _ = fetch(tmp_path, raw(200, b"<html>expired</html>", Content_Type=kind))
    assert isinstance(outcome, ProviderUnreachable)


@pytest.mark.parametrize("empty", [raw(200), raw(200, length=False), chunked()])
def test_an_empty_file_is_no_video(tmp_path, empty):
    outcome, _, _, _ = fetch(tmp_path, empty)
    assert isinstance(outcome, ProviderUnreachable)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_an_expired_address_is_gone_at_once(tmp_path, status):
    outcome, server, _, _ = fetch(tmp_path, raw(status, b"<Error>Request has expired</Error>"))
    assert isinstance(outcome, AddressGone)
    assert len(server.asked) == 1
    assert "s3cret" not in str(outcome)


@pytest.mark.parametrize(
    "trouble", [raw(500), raw(503), raw(429, Retry_After="0.01"), b"", b"HTTP/1.1 200 OK\r\nConte"]
)
def test_trouble_that_passes_is_waited_out(tmp_path, trouble):
    outcome, _, part, _ = fetch(tmp_path, trouble, WHOLE)
    arrived(outcome, part)


def test_three_redirects_are_followed_and_a_fourth_is_not(tmp_path):
    hop = raw(302, Location="/next?sig=s3cret")
    outcome, server, part, _ = fetch(tmp_path, hop, hop, hop, WHOLE)
    arrived(outcome, part)
    assert len(server.asked) == 4
    outcome, server, _, _ = fetch(tmp_path, hop, hop, hop, hop, WHOLE)
    assert isinstance(outcome, AddressGone)
    assert len(server.asked) == 4


def test_a_redirect_to_another_host_carries_neither_key_nor_password(tmp_path):
    async def play():
        async with stranger(WHOLE) as other, stranger(raw(302, Location=f"{other.origin}/v.mp4")) as first:
            address = first.origin.replace("://", "://user:hunter2@") + "/v"
            async with Pictory(first.origin, KEY, patience=QUICK) as client:
                await client.download(address, tmp_path / "part", lambda *_: None)
            return other.asked

    (asked,) = asyncio.run(play())
    assert asked.header("Authorization") is None
    assert KEY not in str(asked)


@pytest.mark.parametrize(
    "place",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "data:video/mp4,abc",
        "http://x:port",
        "http://127.0.0.1:99999/",
        "http://x:-1/",
        "http://xn--/",
    ],
)
def test_redirects_out_of_http_are_refused(tmp_path, place):
    outcome, _, part, _ = fetch(tmp_path, raw(302, Location=place))
    assert isinstance(outcome, AddressGone | ProviderUnreachable)
    assert not part.exists()


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x?sig=s3cret",
        "http://x:port/?sig=s3cret",
        "http:///x",
        "http://x:-1/?sig=s3cret",
        "http://xn--/?sig=s3cret",
        "http://127.0.0.1:1/?sig=s3cret\udcff",
    ],
)
def test_addresses_out_of_http_are_gone(tmp_path, url):
    outcome, _, _, _ = fetch(tmp_path, WHOLE, url=url)
    assert isinstance(outcome, AddressGone)
    assert "s3cret" not in str(outcome)


def test_a_password_in_an_address_is_not_shown(tmp_path):
    async def play():
        async with stranger(raw(403)) as server, Pictory(server.origin, KEY, patience=QUICK) as client:
            address = server.origin.replace("://", "://user:hunter2@") + "/v?sig=s3cret"
            with pytest.raises(AddressGone) as caught:
                await client.download(address, tmp_path / "part", lambda *_: None)
            return str(caught.value)

    shown = asyncio.run(play())
    assert "hunter2" not in shown
    assert "s3cret" not in shown


def test_a_download_that_drips_is_ended_by_the_clock_and_goes_on_from_there(tmp_path):
    ranges = []

    async def drip(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        start = next((int(line[13:-1]) for line in head.split("\r\n") if line.startswith("Range: bytes=")), 0)
        ranges.append(start)
        span = f'Content-Length: {40 - start}\r\nContent-Range: bytes {start}-39/40\r\nETag: "one"'
        writer.write(f"HTTP/1.1 {206 if start else 200} OK\r\n{span}\r\n\r\n".encode())
        for number in range(start, 40):
            writer.write(bytes([number]))
            await writer.drain()
            await asyncio.sleep(0.02)

    async def play():
        patience = Patience(attempts=40, seconds=30, first=0.001, most=0.001, transfer=0.3)
        async with serving(drip) as origin, Pictory(origin, KEY, patience=patience) as client:
            await client.download(f"{origin}/v", tmp_path / "part", lambda *_: None)

    asyncio.run(play())
    assert (tmp_path / "part").read_bytes() == bytes(range(40))
    assert ranges == sorted(ranges)
    assert len(ranges) > 1


@pytest.mark.parametrize(
    ("answer", "alive"),
    [
        (raw(206, b"x", Content_Range="bytes 0-0/9"), True),
        (WHOLE, True),
        (raw(403), False),
        (raw(500), False),
        (b"", False),
        (raw(200, b"<html>log in</html>", Content_Type="text/html"), False),
        (raw(302, Location="file:///etc/passwd"), False),
        (said({"message": "expired"}), False),
    ],
)
def test_an_address_is_alive_if_it_gives_its_first_byte(answer, alive):
    outcome, server = ask(lambda client, server: client.alive(f"{server.origin}/v?sig=s3cret"), answer)
    assert outcome is alive
    assert server.asked[0].line.startswith("GET ")
    assert server.asked[0].header("Range") == "bytes=0-0"
    assert server.asked[0].header("Authorization") is None


def test_a_crowd_of_downloads_waits_in_line_and_none_is_given_up_for_it(tmp_path):
    """Each comes in well under the time that one may be silent, all of them together do not."""

    async def in_a_while():
        await asyncio.sleep(0.3)
        return WHOLE

    async def call(client, server):
        parts = [tmp_path / f"{number}.part" for number in range(240)]
        fetching = [client.download(f"{server.origin}/v.mp4", part, lambda size, total: None) for part in parts]
        return await asyncio.gather(*fetching)

    patience = Patience(attempts=1, seconds=60, first=0.005, most=0.01, silence=0.5, whole=4, transfer=8)
    outcome, server = ask(call, lambda asked: in_a_while(), patience=patience)
    assert set(outcome) == {hashlib.sha256(DATA).hexdigest()}
    assert len(server.asked) == 240
