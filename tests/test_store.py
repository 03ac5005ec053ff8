"""The shared place: segments and films put there whole, had from there by other machines, and known by their hash."""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import socket
import threading
import wave
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from storychain.chain.events import NotShared
from storychain.errors import StoreTrouble, UsageError
from storychain.store import Store, film_name, segment_name
from tests.cluster import BINARIES, MISSING
from tests.desk import until
from tests.stage import BARE, PRICE, stage, story_file
from tests.test_advice import advised
from tests.test_workers import opened_crew

SHA = hashlib.sha256(b"bytes").hexdigest()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"bytes")
    return path


@pytest.fixture(scope="module")
def bucket():
    """The address of a bucket on the loopback."""
    server_module = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    import fsspec

    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {"endpoint_url": f"http://{host}:{port}", "key": "k", "secret": "s"}
    fsspec.filesystem("s3", **options).mkdir("stories")
    yield options
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path):
    if request.param == "folder":
        yield Store((tmp_path / "shared").as_uri())
        return
    import fsspec

    options = request.getfixturevalue("bucket")
    fsspec.config.conf["s3"] = options  # as a person would in ~/.config/fsspec
    yield Store(f"s3://stories/{tmp_path.name}")
    fsspec.config.conf.pop("s3")


def test_what_is_put_is_had_again(store, file, tmp_path):
    name = segment_name("key", SHA)
    to = tmp_path / "deep" / "part"

    async def play():
        assert not await store.fetch(name, SHA, to)
        assert not to.exists()
        await store.put(file, name)
        assert await store.fetch(name, SHA, to)
        assert to.read_bytes() == b"bytes"
        assert not await store.fetch(name, "0" * 64, to), "other bytes than those asked for"
        assert [path.name for path in to.parent.iterdir()] == ["part"]

    asyncio.run(play())


def test_what_is_there_is_not_replaced(store, file, tmp_path):
    name = film_name("tale.mp4", SHA)
    asyncio.run(store.put(file, name))
    file.write_bytes(b"other")
    asyncio.run(store.put(file, name))
    assert asyncio.run(store.fetch(name, SHA, tmp_path / "part"))


def test_an_address_of_another_kind_is_refused():
    with pytest.raises(UsageError, match="no such kind of place"):
        Store("nowhere://x/y")


@pytest.mark.parametrize(
    ("address", "hint"), [("gs://b/x", "install gcsfs"), ("abfs://c/x", "Install adlfs"), ("sftp://h/x", "paramiko")]
)
def test_of_a_place_that_needs_another_package_that_package_is_named(address, hint):
    with pytest.raises(UsageError, match=address) as caught:
        Store(address)
    assert hint in str(caught.value)
    assert "storychain[store]" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "told", "code"),
    [
        ("file:///proc", "", 0),
        ("file:///nowhere/yet", ", where nothing is yet", 0),
        ("ftp://127.0.0.1:1/x", ": the shared place cannot be opened", 0),
        ("gs://b/x", " needs a package", 2),
        ("ftp://mara:s3cret@127.0.0.1:1/x", ": the shared place cannot be opened", 0),
    ],
)
def test_the_doctor_says_how_the_store_stands(plain, address, told, code):
    done = plain.run("doctor", PICTORY_API_KEY=None, STORYCHAIN_STORE=address)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("store "))
    assert f"{address.replace('mara:s3cret@', '')}{told}" in line
    assert "s3cret" not in done.stdout
    assert done.returncode == code


def test_a_server_that_is_not_there_is_named_and_done_without(desk):
    done = desk.run("run", story_file(desk.folder, 1), "--yes", STORYCHAIN_STORE="ftp://127.0.0.1:1/x")
    assert (done.returncode, "ftp://127.0.0.1:1/x: the shared place cannot be opened" in done.stderr) == (0, True)


def test_the_doctor_misses_a_bucket_that_is_not_there(store, bucket):
    if store.folder is None:
        assert not asyncio.run(store.look())
        with pytest.raises(StoreTrouble, match="no such bucket"):
            asyncio.run(Store("s3://nobodys/x").look())


def test_a_folder_that_cannot_be_written_is_told(tmp_path, file):
    (tmp_path / "shared").write_bytes(b"a file in its place")
    with pytest.raises(StoreTrouble, match="shared place cannot be"):
        asyncio.run(Store((tmp_path / "shared").as_uri()).put(file, "segments/x.mp4"))


@pytest.mark.slow
@pytest.mark.rest
def test_a_bucket_that_cannot_be_reached_is_told(file):
    pytest.importorskip("s3fs")
    import fsspec

    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    fsspec.config.conf["s3"] = {
        "endpoint_url": url,
        "key": "k",
        "secret": "a-secret",
        "config_kwargs": {"retries": {"max_attempts": 1}, "connect_timeout": 1},
    }
    try:
        with pytest.raises(StoreTrouble) as caught:
            asyncio.run(Store("s3://stories/x").put(file, "segments/x.mp4"))
    finally:
        fsspec.config.conf.pop("s3")
    assert "a-secret" not in str(caught.value)


@contextmanager
def mute():
    """A server that takes connections and never answers; its address, and how many it has taken."""
    taken = []

    def take():
        with suppress(OSError):
            while True:
                taken.append(server.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", taken
        server.shutdown(socket.SHUT_RDWR)
    for one in taken:
        one.close()


@contextmanager
def mute_bucket(**client):
    """A store in a bucket whose server never answers, with a client that is told this."""
    pytest.importorskip("s3fs")
    import fsspec

    with mute() as (url, taken):
        fsspec.config.conf["s3"] = {"endpoint_url": url, "key": "k", "secret": "s", "config_kwargs": client}
        try:
            yield "s3://b/p", taken
        finally:
            fsspec.config.conf.pop("s3")


def untold(at):
    return [event for event in at.told if isinstance(event, NotShared)]


def test_a_bucket_that_does_not_answer_is_told_once_and_the_film_is_made_all_the_same(tmp_path):
    async def play():
        with mute_bucket() as (address, taken):
            async with stage(tmp_path) as at:
                store = Store(address, silence=0.2)
                done = await at.render(story_file(tmp_path, 2), store=store)
                assert done.status == "done"
                (told,) = untold(at)
                assert "s3://b/p" in told.why
                asked = len(taken)
                again = await at.render(story_file(tmp_path, 3), store=store)
                assert (again.status, len(taken)) == ("done", asked), "who does not answer is not asked for each scene"
                assert untold(at) == [told]
                with pytest.raises(StoreTrouble, match="no answer"):
                    await Store(address, silence=0.2).put(done.film, "films/x/tale.mp4", anyway=True)

    asyncio.run(play())


def test_a_client_of_buckets_gives_up_after_two_tries(file):
    with mute_bucket(read_timeout=0.3) as (address, taken):
        with pytest.raises(StoreTrouble, match="ReadTimeout"):
            asyncio.run(Store(address).put(file, "segments/x.mp4"))
        assert len(taken) == 2


def test_what_comes_too_late_is_in_nobodys_way(tmp_path):
    async def play():
        shared, to = tmp_path / "shared", tmp_path / "here" / "part"
        (shared / "segments").mkdir(parents=True)
        os.mkfifo(shared / "segments" / "x.mp4")  # as a disk behind a network that is gone: who reads it waits
        with pytest.raises(StoreTrouble, match="no answer"):
            await Store(shared.as_uri(), silence=0.2).fetch("segments/x.mp4", SHA, to)
        (shared / "segments" / "x.mp4").write_bytes(b"bytes")
        assert not to.exists()
        await asyncio.to_thread(until, lambda: not list((tmp_path / "here").iterdir()))

    asyncio.run(play())


def test_one_signal_ends_a_run_whose_bucket_does_not_answer(desk):
    pytest.importorskip("s3fs")
    with mute() as (url, taken):
        aws = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
        process = desk.start("run", story_file(desk.folder, 1), "--yes", STORYCHAIN_STORE="s3://b/p", **aws)
        until(lambda: taken)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out) == (130, ""), err
        assert "Traceback" not in err


def test_a_store_that_cannot_be_used_is_told_to_those_who_want_to_hear_of_trouble_only(desk):
    path = story_file(desk.folder, 2)
    done = desk.run("run", path, "--yes", "--quiet", STORYCHAIN_STORE="file:///proc/nope")
    assert done.returncode == 0
    assert done.stderr.count("file:///proc/nope: the shared place cannot be written") == 1
    assert len(done.stderr.splitlines()) == 1


def test_several_that_put_the_same_at_once_leave_it_whole(tmp_path, file):
    shared = tmp_path / "shared"

    async def play():
        await asyncio.gather(*(Store(shared.as_uri()).put(file, "segments/x.mp4") for _ in range(8)))

    asyncio.run(play())
    assert [path.name for path in (shared / "segments").iterdir()] == ["x.mp4"]
    assert (shared / "segments" / "x.mp4").read_bytes() == b"bytes"


def test_segments_come_from_the_shared_place_before_the_provider_is_asked(tmp_path):
    store = Store((tmp_path / "shared").as_uri())

    async def play():
        path = story_file(tmp_path, 3)
        async with stage(tmp_path) as at:
            assert (await at.render(path, store=store)).spent == 3 * PRICE
            shutil.rmtree(at.workspace.root / "segments")
            before = dict(at.counts)
            again = await at.render(path, store=store)
            assert (again.status, again.spent) == ("done", 0)
            assert at.counts["accepted"] == 3
            assert at.counts["downloads"] == before["downloads"]
            assert len(list((at.workspace.root / "segments").glob("*.mp4"))) == 3

    asyncio.run(play())


def test_a_shared_place_that_is_spoilt_or_gone_is_done_without(tmp_path):
    shared = tmp_path / "shared"
    store = Store(shared.as_uri())

    async def play():
        path = story_file(tmp_path, 2)
        async with stage(tmp_path) as at:
            await at.render(path, store=store)
            for one in (shared / "segments").iterdir():
                one.write_bytes(b"rot")
            shutil.rmtree(at.workspace.root / "segments")
            assert (await at.render(path, store=store)).status == "done"
            shutil.rmtree(at.workspace.root / "segments")
            shutil.rmtree(shared)
            shared.write_bytes(b"a file in its place")
            assert (await at.render(path, store=store)).status == "done"
            assert at.counts["accepted"] == 2

    asyncio.run(play())


@pytest.mark.slow
@pytest.mark.rest
@pytest.mark.skipif(BINARIES is None, reason=MISSING)
def test_a_film_made_elsewhere_is_brought_here_and_its_worker_needs_no_provider_for_what_others_stored(
    tmp_path, database
):
    shared = tmp_path / "shared"
    with opened_crew(tmp_path, database, STORYCHAIN_STORE=shared.as_uri()) as crew:
        path = story_file(crew.desk.folder, 2)
        first = crew.worker("machine-1")
        done = crew.desk.run("run", path, "--yes", "--json")
        assert done.returncode == 0, done.stderr
        (story,) = json.loads(done.stdout)["stories"]
        film = crew.desk.folder / story["film"]
        assert film.parent == crew.desk.folder / "films"
        assert film.read_bytes() == (crew.folder / "machine-1" / "films" / "tale.mp4").read_bytes()
        (known,) = json.loads(crew.desk.run("status", path, "--json").stdout)["stories"]
        assert (known["status"], known["film"]) == ("done", str(film))
        refused = crew.desk.run("assemble", path)
        assert refused.returncode == 3
        (advice,) = advised(refused.stderr)
        assert advice == ["run", str(path), "--here"]
        first.kill()
        first.wait()
        downloads = crew.studio.counts()["downloads"]
        film.unlink()
        crew.worker("machine-2")
        again = crew.desk.run("run", path, "--yes")
        assert again.returncode == 0, again.stderr
        assert film.exists()
        assert Path(crew.folder / "machine-2" / "films" / "tale.mp4").read_bytes() == film.read_bytes()
        assert crew.desk.run(*advice, "--max-credits", "0").returncode == 0
        assert crew.desk.run("assemble", path).returncode == 0
        assert crew.studio.counts()["downloads"] == downloads
        assert crew.studio.counts()["accepted"] == 2


@pytest.mark.slow
@pytest.mark.rest
@pytest.mark.skipif(BINARIES is None, reason=MISSING)
def test_files_of_a_story_may_lie_in_the_shared_place_and_nowhere_else(tmp_path, database):
    shared = tmp_path / "shared"
    (shared / "music").mkdir(parents=True)
    for folder in (shared / "music", tmp_path):
        with wave.open(str(folder / "sea.wav"), "wb") as sound:
            sound.setparams((1, 2, 48000, 48000, "NONE", ""))
            sound.writeframes(bytes(96000))
    with opened_crew(tmp_path, database, STORYCHAIN_STORE=shared.as_uri()) as crew:
        crew.worker("machine-1")
        for file, code in ((tmp_path / "sea.wav", 2), (shared / "music" / "sea.wav", 0)):
            film = {**BARE, "music": {"file": str(file)}}
            done = crew.desk.run("run", story_file(crew.desk.folder, 1, film=film), "--yes")
            assert done.returncode == code, done.stderr
            assert crew.studio.counts()["accepted"] == (code == 0)
        assert f"put it below {shared}" in crew.desk.run("run", lonely(crew, tmp_path), "--yes").stderr


def lonely(crew, folder):
    film = {**BARE, "music": {"file": str(folder / "sea.wav")}}
    return story_file(crew.desk.folder, 1, name="lonely", film=film)
