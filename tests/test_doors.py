"""Every door to the outside, tried by strangers: what they say, send, name and claim may not steer us."""

import asyncio
import io
import json
import os
import re
import resource
import stat
import struct
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import storychain
from storychain.chain import events as ev
from storychain.chain.recipe import film_path
from storychain.cli import main
from storychain.errors import AccountError, MediaError, ProviderUnreachable
from storychain.media.prepare import last_frame, prepare
from storychain.media.probe import probe
from storychain.media.sound.voice import find_speaker
from storychain.media.tool import Ffmpeg, find_ffmpeg
from storychain.pictory import Patience, Pictory
from storychain.plan import Facts, plan, quote
from storychain.printable import Harmless
from storychain.report import documents
from storychain.report.lines import Lines
from storychain.report.live import LiveView
from storychain.report.text import plan_text
from storychain.story import load_story
from storychain.studio.animatic.graph import merged, repeating
from storychain.studio.animatic.shot import Shot
from tests import clips
from tests.desk import Desk
from tests.stage import FFMPEG, stage, story_file
from tests.stranger import KEY, QUICK, ask, chunked, raw, serving

ROOM = find_ffmpeg(os.environ)
SECRET = "pictai_Secret/Key+of-ours=="
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\x00\u202etxt\x7f\r\u2028"


# The key


class Gossip(BaseHTTPRequestHandler):
    """An API that repeats the key wherever it can; `server.mode` says how."""

    def do_GET(self):
        self._answer(self.headers["Authorization"])

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(self.headers["Authorization"])

    def _answer(self, key):
        status, body = self.server.mode(self, key)
        body = body.encode()
        self.send_response(status, f"Dear {key}")
        for name, value in (("Content-Type", "application/json"), ("Content-Length", len(body)), ("X-Key", key)):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Say nothing."""


def _refused(request, key):
    return 401, json.dumps({"message": f"key {key} is not known", "code": key})


def _slashed(request, key):
    return 500, json.dumps({"success": False, "error": {"error_message": f"no {key}"}}).replace("/", "\\/")


def _garbled(request, key):
    return 200, f"<html>Authorization: {key} {request.path}?sig=s3cret</html>"


def _invalid(request, key):
    if request.command == "GET":
        return 200, json.dumps({"items": [], "aiCredits": {"used": 0, "limit": 10_000}})
    return 400, json.dumps({"message": key, "fields": [{"name": "prompt", "errors": f"not with {key}"}]})


def _failed(request, key):
    if request.command == "POST":
        return 200, json.dumps({"success": True, "data": {"jobId": "job-1"}})
    if request.path.endswith("/job-1"):
        told = {"status": "failed", "error_code": key, "error_message": f"{key} at https://x.io/a?sig=s3cret {EVIL}"}
        return 200, json.dumps({"job_id": "job-1", "success": False, "data": told})
    return _invalid(request, key)


def _vanished(request, key):
    """A finished job whose video is gone; its address is signed."""
    if request.path.endswith("/job-1"):
        url = f"http://{request.headers['Host']}/video.mp4?X-Amz-Signature=s3cret&k={key}"
        return 200, json.dumps({"job_id": "job-1", "success": True, "data": {"status": "completed", "url": url}})
    return (403, "<Error>s3cret</Error>") if request.path.startswith("/video") else _failed(request, key)


@contextmanager
def gossip(mode):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gossip)
    server.mode = mode
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = {
        "PICTORY_API_KEY": SECRET,
        "STORYCHAIN_POLL": "0.01",
        "STORYCHAIN_SETTLE": "0.05",
        "STORYCHAIN_SILENCE": "2",
        "STORYCHAIN_DEBUG": "1",
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def gave_away(folder, shown):
    """Where the key or a signature can be read."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    with_key = [path for path in files if b"Secret/Key" in path.read_bytes() or b"Secret\\/Key" in path.read_bytes()]
    return [*with_key, *(word for word in ("Secret/Key", "Secret\\/Key", "s3cret") if word in shown)]


@pytest.mark.parametrize(
    ("mode", "code"), [(_refused, 7), (_invalid, 3), (_failed, 3), (_vanished, 4)], ids=lambda mode: str(mode)[10:18]
)
def test_a_key_that_the_api_repeats_is_neither_shown_nor_kept(here, monkeypatch, capfd, mode, code):
    story_file(here, 1)
    with gossip(mode) as origin:
        monkeypatch.setenv("PICTORY_API_BASE_URL", origin)
        assert main(["run", "tale.yaml", "--yes", "-vv"]) == code
        main(["run", "tale.yaml", "--yes", "--json"])
        main(["status", "tale.yaml", "--json"])
        main(["status"])
        main(["doctor"])
    out, err = capfd.readouterr()
    assert len(out + err) > 200
    assert gave_away(here, out + err) == []


@pytest.mark.parametrize("mode", [_slashed, _garbled])
def test_a_key_in_an_answer_that_is_none_is_not_shown(mode):
    async def play(origin):
        async with Pictory(origin, SECRET, patience=QUICK) as client:
            calls = [client.quota(), client.jobs(), client.job("a"), client.upload(Path(__file__), "video/mp4")]
            return [str(error) for error in await asyncio.gather(*calls, return_exceptions=True)]

    with gossip(mode) as origin:
        told = asyncio.run(play(origin))
    assert all("the API" in words for words in told)
    assert not any("Secret" in words or "s3cret" in words for words in told)


def test_an_api_that_cannot_be_reached_is_told_without_the_key(here, monkeypatch, capfd):
    monkeypatch.setenv("PICTORY_API_BASE_URL", "http://127.0.0.1:9")
    main(["doctor"])
    out, err = capfd.readouterr()
    assert "could not be read" in out
    assert gave_away(here, out + err) == []


@pytest.mark.slow
def test_the_key_is_no_argument_and_no_title(desk):
    """What `ps` shows of a run and of all it starts."""
    story_file(desk.folder, 1)
    process = desk.start("run", "tale.yaml", "--yes")
    seen = set()
    while process.poll() is None:
        seen |= _titles(process.pid)
        time.sleep(0.05)
    process.communicate()
    assert process.returncode == 0
    assert any("tale.yaml" in title for title in seen)
    assert not any("a-secret-nobody-may-see" in title for title in seen)


def _titles(pid):
    """Command line and title of a process and its children."""
    if not Path("/proc").is_dir():
        pytest.skip("there is no /proc to read titles from")
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        named = {Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace") for name in ("cmdline", "comm")}
    except OSError:
        return set()
    return named.union(*(_titles(int(child)) for child in children))


# Downloads


@pytest.mark.parametrize("answer", [raw(200, bytes(5000)), chunked(bytes(900), bytes(900))], ids=["told", "untold"])
def test_a_file_beyond_the_limit_is_given_up_without_filling_the_disk(tmp_path, answer):
    async def call(client, server):
        async with Pictory(server.origin, KEY, patience=QUICK, largest=1000) as limited:
            await limited.download(f"{server.origin}/v?sig=s3cret", tmp_path / "part", lambda *_: None)

    outcome, server = ask(call, answer)
    assert isinstance(outcome, MediaError)
    assert "larger than" in str(outcome)
    assert "s3cret" not in str(outcome)
    assert len(server.asked) == 1
    assert not (tmp_path / "part").exists() or (tmp_path / "part").stat().st_size < 5000


DRIP = Patience(attempts=3, seconds=20, first=0.001, most=0.002, silence=0.3, whole=0.4, transfer=60, floor=1000)


def _dripping(path, head, drop):
    """Fetch from a server that sends its head at once and then a drop now and then, for ever."""
    asked = []

    async def drip(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(head)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.03)

    async def play():
        async with serving(drip) as origin, Pictory(origin, KEY, patience=DRIP) as client:
            with pytest.raises(ProviderUnreachable) as caught:
                await asyncio.wait_for(client.download(f"{origin}/v", path, lambda *_: None), 30)
            return str(caught.value), await client.alive(f"{origin}/v")

    return *asyncio.run(play()), asked


def test_a_server_that_drips_is_given_up_and_asked_again(tmp_path):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 100000000\r\n\r\n"
    told, alive, asked = _dripping(tmp_path / "part", head, b"x")
    assert "too slow" in told
    assert alive
    assert len(asked) == DRIP.attempts + 1
    assert b"Range: bytes=" in asked[1]


def test_a_server_that_never_ends_its_head_is_given_up(tmp_path):
    told, alive, asked = _dripping(tmp_path / "part", b"HTTP/1.1 200 OK\r\n", b"X-More: x\r\n")
    assert "TimeoutError" in told
    assert not alive
    assert len(asked) == DRIP.attempts + 1


# Names


@pytest.mark.parametrize(
    "name", ["..yaml", "...yaml", "-rf.yaml", ".yaml.yaml", "a" * 236 + ".yaml", "%d concat:x|y.yaml"]
)
def test_a_film_stays_in_its_folder_whatever_its_story_is_called(tmp_path, name):
    story_file(tmp_path).rename(tmp_path / name)
    story = load_story(tmp_path / name)
    film = film_path(None, tmp_path / "films", story.name, free=True)
    assert film.parent == tmp_path / "films"
    assert film.name == name.removesuffix(".yaml") + ".mp4"


def test_a_story_behind_a_link_is_called_as_the_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = story_file(tmp_path / "elsewhere", name="passwd")
    link = tmp_path / "tale.yaml"
    link.symlink_to(target)
    assert film_path(None, tmp_path / "films", load_story(link).name, free=True) == tmp_path / "films" / "tale.mp4"


@pytest.mark.parametrize("name", ["../../x", "a/b", "..", ".", "-rf", "a\x1b[2J", "a b", "a\nb", "x" * 65])
def test_a_scene_whose_id_could_lead_elsewhere_is_refused(tmp_path, capsys, name):
    path = story_file(tmp_path, [{"id": name, "prompt": "A boat at its mooring."}])
    assert main(["check", str(path)]) == 2
    assert not STEERS.search(capsys.readouterr().err)


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a/../../b"])
def test_new_stories_are_written_where_they_were_asked_for_or_not_at_all(here, name, capsys):
    before = {path for path in here.parent.rglob("*") if here not in path.parents}
    assert main(["new", name]) in (0, 2)
    assert {path for path in here.parent.rglob("*") if here not in path.parents} == before
    assert "a bug" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("/proc/tale", "/proc/tale.yaml cannot be written: "),
        ("letter.txt/deeper/tale", "there is no folder letter.txt/deeper\n  A file of that name is in its way"),
        ("no such/tale", "there is no folder no such\n  mkdir -p 'no such'\n"),
    ],
)
def test_a_new_story_that_has_no_place_is_told_what_is_in_its_way(here, name, says, capsys):
    (here / "letter.txt").write_text("Dear all")
    assert main(["new", name]) == 2
    assert says in capsys.readouterr().err


# Terminals


def _events(step):
    yield ev.Noticed("tale" + EVIL, "s1", f"said {EVIL}\n12:00:00 tale: a line of its own")
    yield ev.Submitted("tale" + EVIL, "s1", f"job{EVIL}", Decimal(1))
    yield ev.SceneQueued("tale" + EVIL, "s1", f"why {EVIL}")
    yield ev.Stored("tale" + EVIL, "s1", Path(f"/tmp/{EVIL.replace(chr(0), '')}.mp4"), 1.0)
    yield ev.StoryStopped("tale" + EVIL, AccountError(f"no {EVIL}", where=EVIL, next_step="Do this."))


def _planned(folder):
    story = load_story(story_file(folder, [{"id": "s1", "prompt": "A boat at its mooring."}]))
    return story, plan(story, Facts("pictory"))


def test_lines_are_lines_whatever_is_told(tmp_path):
    stream = io.StringIO()
    with Lines(stream, 1) as lines:
        for event in _events(None):
            lines(event)
    shown = stream.getvalue()
    assert not STEERS.search(shown)
    assert len(shown.splitlines()) == 6
    assert all(re.match(r"\d\d:\d\d:\d\d tale|  Do this", line) for line in shown.splitlines())


def test_the_live_view_draws_nothing_of_what_it_is_told(tmp_path, capfd):
    _, steps = _planned(tmp_path)
    with LiveView() as view:
        view(ev.StoryBegan("tale" + EVIL, f"A {EVIL} Tale", steps, (None,), quote(steps)))
        for event in _events(steps[0]):
            view(event)
    shown = capfd.readouterr().err
    assert "said" in shown
    assert "owned" in shown
    assert not STEERS.search(shown)


def test_tables_and_documents_hold_nothing_that_steers(tmp_path):
    story, steps = _planned(tmp_path)
    told = f"A {EVIL} Tale"
    shown = plan_text(_with(story, title=told), [_with(steps[0], reason=told)], prompts=True)
    assert not STEERS.search(shown)
    document = documents.dumped({"error": told + "\udcff\n", "film": EVIL})
    assert not STEERS.search(document)
    assert json.loads(document) == {"error": told + "\udcff\n", "film": EVIL}
    document.encode()


def _with(frozen, **changes):

    return replace(frozen, **changes)


class Nowhere:
    """A studio that nobody opened."""

    base_url = "http://127.0.0.1:9"


def test_what_is_printed_for_people_is_harmless_whoever_prints_it(tmp_path):
    desk = Desk(tmp_path, Nowhere())
    name = f"tale {EVIL.replace(chr(0), '')}.yaml"
    story_file(desk.folder, 1).rename(desk.folder / name)
    done = desk.run("run", name, "--max-credits", EVIL.replace("\0", ""))
    assert done.returncode == 2
    assert "is not a number of credits" in done.stderr
    assert not STEERS.search(done.stderr)
    stream = io.StringIO()
    print(f"a{EVIL}\tb\nc", file=Harmless(stream))
    assert not STEERS.search(stream.getvalue())
    assert stream.getvalue().endswith("\tb\nc\n")


# ffmpeg and what it is given


def _listening(tmp_path):
    """An ffmpeg that writes down how it was called, and then does it."""
    script = tmp_path / "listening"
    script.write_text(
        f'#!/bin/sh\nprintf "%s\\0" "$@" >> {tmp_path}/calls\nprintf "\\n\\0" >> {tmp_path}/calls\nexec {FFMPEG} "$@"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return Ffmpeg(script, "9", "setting", "")


def _calls(tmp_path):
    words = (tmp_path / "calls").read_bytes().decode().split("\0")
    return [call.split("\0") for call in "\0".join(words).split("\0\n\0") if call]


def _confined(call):
    """Whether each input of a call is kept to files and pipes, and none is an address."""
    inputs = [at for at, word in enumerate(call) if word == "-i"]
    kept = all(call[at - 2] == "-protocol_whitelist" and call[at - 1] in ("file", "file,pipe") for at in inputs)
    return bool(inputs) and kept and not any(re.match(r"(?!pipe:)\w+:(?!.*=)", call[at + 1]) for at in inputs)


def test_every_ffmpeg_reads_files_and_pipes_alone(tmp_path):
    async def play():
        async with stage(tmp_path) as at:
            room = type(at.run().room)(_listening(tmp_path))
            scenes = [{"prompt": "A boat at its mooring."}, {"prompt": "The tide is out.", "join": "last_frame"}]
            outcome = await at.render(story_file(tmp_path, scenes), room=room)
            assert outcome.status == "done"
            await room.last_frame(at.workspace.segment(outcome.steps[0].key), tmp_path / "last.png")

    asyncio.run(play())
    calls = _calls(tmp_path)
    assert len(calls) >= 4
    assert all(_confined(call) for call in calls), calls


def test_programs_that_are_started_learn_no_secret(desk, monkeypatch):
    """Of commands, and of a program that uses storychain, whose own environment stays as it is."""
    program, told = desk.folder / "telling", desk.folder / "told"
    program.write_text(f'#!/bin/sh\nenv >> {told}\nexec {FFMPEG} "$@"\n')
    program.chmod(0o755)
    path = story_file(desk.folder, 1)
    secrets = dict.fromkeys(("PICTORY_API_KEY", "TEMPORAL_API_KEY"), SECRET)
    secrets["STORYCHAIN_PING_URL"] = f"http://127.0.0.1:9/{SECRET[:9]}"
    environ = desk.environ(STORYCHAIN_FFMPEG=str(program), **secrets)

    def learned():
        """What a program was told of; forgotten at once."""
        words = told.read_text()
        told.unlink()
        assert f"HOME={desk.folder}\n" in words
        return {name for name in (*secrets, SECRET[:9]) if name in words}

    for words in (["run", "--local", "--scale", "0.125"], ["assemble", "--local"], ["inspect", "--local"]):
        done = desk.run(*words, path, **environ)
        assert done.returncode == 0, done.stderr
        assert learned() == set(), words
    monkeypatch.chdir(desk.folder)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    for options in ({"any_price": True}, {"local": True, "workspace": "apart"}):
        (outcome,) = asyncio.run(storychain.render(path, **options))
        assert outcome.status == "done", outcome.error
        assert learned() == set(), options
    assert os.environ["PICTORY_API_KEY"] == SECRET
    speaker = desk.folder / "espeak-ng"
    speaker.write_text(f"#!/bin/sh\nenv >> {told}\n")
    speaker.chmod(0o755)
    known = {"PATH": f"{desk.folder}:{os.environ['PATH']}", "HOME": str(desk.folder)}
    with pytest.raises(MediaError):
        asyncio.run(find_speaker("espeak-ng", known).speak("Ahoy.", desk.folder / "said.wav"))
    assert learned() == set()


def test_every_ffmpeg_of_the_studio_is_kept_to_files(tmp_path):

    shot = Shot(prompt="A boat.", model="veo3.1_fast", width=160, height=90, seconds=4)
    paths = (Path("-rf.mp4"), Path("http:/x.mp4"), Path("concat:out.mp4"))
    for build in (lambda: merged(FFMPEG, shot, *paths, "tag", sound=True), lambda: repeating(FFMPEG, shot, *paths, "")):
        call = build()
        assert _confined(call)
        assert call[-1].startswith("/")


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{url}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9999 RTP/AVP 96\n",
    "dash": '<?xml version="1.0"?><MPD><Period><BaseURL>{url}</BaseURL></Period></MPD>',
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>',
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_under_a_videos_name_leads_nowhere(tmp_path, kind):
    segment = tmp_path / "http:x%d concat.mp4"
    segment.write_text(PLAYLISTS[kind].replace("{url}", str(clips.make(tmp_path / "secret.mp4").absolute())))
    for look in (prepare(ROOM, segment, tmp_path / "p"), last_frame(ROOM, segment, tmp_path / "x.png")):
        with pytest.raises(MediaError, match=r"not .*video"):
            asyncio.run(look)
    assert not (tmp_path / "x.png").exists()


def _referring(content, target):
    """The MP4 `content` whose samples are said to lie in another file, by its absolute path."""
    path = str(target).encode()
    alias = bytes(10) + bytes(1) + bytes(27) + bytes(12) + bytes(1) + bytes(63) + bytes(16 + 4 + 16)
    alias += struct.pack(">HH", 2, len(path)) + path + bytes(len(path) % 2) + struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    old = content.index(struct.pack(">I4sI", 12, b"url ", 1))
    out = bytearray(content[:old] + entry + content[old + 12 :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        at = out.rindex(box, 0, old) - 4
        struct.pack_into(">I", out, at, struct.unpack_from(">I", out, at)[0] + len(entry) - 12)
    return bytes(out)


def test_a_video_that_refers_to_another_file_does_not_get_it(tmp_path):
    plain = ("-c:v", "rawvideo", "-pix_fmt", "rgb24")
    secret, own = (
        clips.make(tmp_path / f"{first}.mov", seconds=0.25, first=first, sound=None, video=plain) for first in (100, 0)
    )
    segment = tmp_path / "a.mov"
    segment.write_bytes(_referring(own.read_bytes(), secret.absolute()))
    trusting = ("-enable_drefs", "1", "-use_absolute_path", "1", "-i", str(segment))
    clips.ffmpeg(*trusting, str(tmp_path / "trusted.mp4"))
    assert clips.numbers(tmp_path / "trusted.mp4") == list(range(100, 106))
    with pytest.raises(MediaError):
        asyncio.run(prepare(ROOM, segment, tmp_path / "p"))


def _patched(content, box, offset, value):
    """`content` with the number at `offset` into every box of this kind replaced."""
    out, at = bytearray(content), content.find(box)
    assert at > 0
    while at > 0:
        struct.pack_into(">I" if value > 0xFFFF else ">H", out, at + 4 + offset, value)
        at = content.find(box, at + 4)
    return bytes(out)


PROMISES = {
    "a milliard pictures of one byte": lambda raw: _patched(_patched(raw, b"stsz", 8, 10**9), b"stsz", 4, 0x10001),
    "a milliard pictures": lambda raw: _patched(raw, b"stsz", 8, 10**9),
    "pictures that last for years": lambda raw: _patched(raw, b"stts", 12, 10**8),
    "boxes in boxes": lambda raw: raw + struct.pack(">I4s", 8, b"free") * 420_000,
    "boxes ever deeper": lambda raw: raw + b"".join(struct.pack(">I4s", 8 * n, b"trak") for n in range(60_000, 0, -1)),
}


SLOW = {"boxes in boxes", "boxes ever deeper"}


@pytest.mark.parametrize(
    "promise", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in PROMISES]
)
def test_a_header_that_promises_too_much_is_refused_before_memory_is_set_aside(tmp_path, promise):
    whole = clips.make(tmp_path / "whole.mp4", seconds=0.5, sound=None, options=("-bf", "0", "-use_editlist", "0"))
    segment = tmp_path / "a.mp4"
    segment.write_bytes(PROMISES[promise](whole.read_bytes()))
    before = _peak()
    if promise == "boxes ever deeper":
        assert probe(segment).frames == 12  # trailing rubbish, and nothing else
    else:
        with pytest.raises(MediaError):
            probe(segment)
    assert _peak() - before < 200 << 20


def _peak():

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if sys.platform == "linux" else 1)


def test_a_picture_beyond_all_sizes_is_refused(tmp_path):
    small = clips.make(tmp_path / "small.mov", seconds=0.05, sound=None, video=("-c:v", "mjpeg"))
    content = bytearray(small.read_bytes())
    struct.pack_into(">HH", content, content.index(b"\xff\xc0\x00\x11") + 5, 65_000, 65_000)
    huge = tmp_path / "huge.mov"
    huge.write_bytes(_patched(_patched(bytes(content), b"jpeg", 24, 65_000), b"jpeg", 26, 65_000))
    before = _peak()
    with pytest.raises(MediaError):
        probe(huge)
    assert _peak() - before < 200 << 20
    assert probe(small).width == 160


# Rot


def _rotten(path):
    """Flip a byte; size and time stay as they were."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_segment_that_rotted_is_downloaded_again_and_not_bought_again(tmp_path):
    async def play():
        path = story_file(tmp_path, 2)
        async with stage(tmp_path) as at:
            first = await at.render(path)
            film = first.film.read_bytes()
            segment = at.workspace.segment(first.steps[0].key)
            whole = segment.read_bytes()
            _rotten(segment)
            assert (await at.render(path)).status == "done"
            assert at.counts["downloads"] == 2  # a finished story is not looked into
            first.film.unlink()
            again = await at.render(path)
            assert again.status == "done"
            assert again.film.read_bytes() == film
            assert segment.read_bytes() == whole
            assert at.workspace.spoilt(first.steps[0].key).read_bytes() != whole
            assert at.counts["accepted"] == 2
            assert any("no longer as it was stored" in told.message for told in at.told if isinstance(told, ev.Noticed))

    asyncio.run(play())


@pytest.mark.parametrize("part", ["picture.mov", "sound.wav"])
def test_a_prepared_part_that_rotted_is_made_anew(tmp_path, part):
    segment = clips.make(tmp_path / "a.mp4")
    made = asyncio.run(prepare(ROOM, segment, tmp_path / "p"))
    whole = (tmp_path / "p" / part).read_bytes()
    _rotten(tmp_path / "p" / part)
    assert asyncio.run(prepare(ROOM, segment, tmp_path / "p")) == made
    assert (tmp_path / "p" / part).read_bytes() == whole
