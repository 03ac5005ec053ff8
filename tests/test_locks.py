"""Locks: one holder at a time, in a process and between processes, and none that outlives its process."""

import asyncio
import fcntl
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from storychain.locks import Held, Numbered, Queue, lock, lock_now
from tests.desk import until

KINDS = {"file": lambda folder, name: folder / name, "numbered": lambda folder, name: Numbered(folder / "held", name)}
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(params=KINDS)
def named(request, tmp_path):
    """Makes a lock of a name; tests that ask for it run with both kinds."""
    return lambda name: KINDS[request.param](tmp_path / "deep", name)


def hold(path, ready):
    with lock_now(path):
        ready.put(os.getpid())
        signal.pause()


@contextmanager
def held_elsewhere(path):
    """Another process that holds the lock until it is killed."""
    ready = SPAWN.Queue()
    process = SPAWN.Process(target=hold, args=(path, ready))
    process.start()
    try:
        ready.get(timeout=60)
        yield process
    finally:
        process.kill()
        process.join()


def test_a_lock_excludes_within_a_process(named):
    path = named("a")
    with lock_now(path):
        with pytest.raises(Held), lock_now(path):
            pass
        with lock_now(named("b")):
            pass
    with lock_now(path):
        pass


def test_a_lock_is_let_go_by_an_error(named):
    with pytest.raises(ZeroDivisionError), lock_now(named("a")):
        _ = 1 / 0
    with lock_now(named("a")):
        pass


def test_a_lock_excludes_other_processes_and_dies_with_its_own(named):
    path = named("a")
    with held_elsewhere(path) as process:
        with pytest.raises(Held), lock_now(path):
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        with lock_now(path):
            pass


def test_who_waits_gets_the_lock_of_a_killed_process(named):
    path = named("a")

    async def play(process):
        async def wait():
            async with lock(path):
                return "got it"

        waiting = asyncio.create_task(wait())
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        process.kill()
        return await asyncio.wait_for(waiting, 30)

    with held_elsewhere(path) as process:
        assert asyncio.run(play(process)) == "got it"


def test_tasks_hold_a_lock_one_after_the_other(named):
    inside = 0

    async def work():
        nonlocal inside
        async with lock(named("a")):
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            inside -= 1

    async def play():
        await asyncio.gather(*(work() for _ in range(5)))

    asyncio.run(play())


def test_tasks_of_a_process_stand_in_line(named):
    queue, path, order = Queue(), named("a"), []

    async def work(number):
        async with queue.lock(path):
            with pytest.raises(Held), lock_now(path):
                pass
            order.append(number)
            await asyncio.sleep(0)

    async def play():
        tasks = [asyncio.create_task(work(number)) for number in range(50)]
        await asyncio.sleep(0)
        tasks[7].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(5):
            await work(50)

    asyncio.run(play())
    assert order == [number for number in range(51) if number != 7]


def wait_for(path, got):
    async def wait():
        async with lock(path):
            got.put("got it")

    asyncio.run(wait())


def test_a_long_line_lets_other_processes_in(named, tmp_path):
    path, sign, got = named("a"), tmp_path / "deep" / "a.wanted", SPAWN.Queue()
    process = SPAWN.Process(target=wait_for, args=(path, got))
    queue = Queue()

    async def work():
        while got.empty():
            async with queue.lock(path):
                await asyncio.sleep(0.01)

    async def play():
        async with asyncio.timeout(30):
            await asyncio.gather(*(work() for _ in range(3)))

    try:
        with lock_now(path):
            process.start()
            until(sign.exists, 60)
        asyncio.run(play())
        assert got.get(timeout=60) == "got it"
    finally:
        process.kill()
        process.join()


def open_files():
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def test_who_gives_up_waiting_leaves_nothing_behind(named):
    path = named("a")
    before = open_files()

    async def wait():
        async with lock(path):
            pass

    async def play():
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.12)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    with lock_now(path):
        asyncio.run(play())
    with lock_now(path):
        pass
    assert open_files() <= before


def test_programs_we_start_do_not_keep_a_lock(named):
    path = named("a")

    async def take():
        async with lock(path):
            pass

    with lock_now(path):
        program = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        # Not lock_now: a program keeps all it was given for the moment until it has begun.
        asyncio.run(asyncio.wait_for(take(), 30))
        assert program.poll() is None
    finally:
        program.communicate(b"\n")


def test_a_place_that_cannot_hold_a_lock_is_an_error(named, tmp_path):
    (tmp_path / "deep").touch()
    with pytest.raises(OSError), lock_now(named("a")):
        pass


def test_locks_with_numbers_are_one_file_however_many_and_by_whatever_path(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    before = open_files()
    with ExitStack() as held:
        for number in range(200):
            held.enter_context(lock_now(Numbered(tmp_path / "real" / "held", f"key-{number}")))
        for number in (0, 117, 199):
            with pytest.raises(Held), lock_now(Numbered(tmp_path / "alias" / "held", f"key-{number}")):
                pass
        assert [path.name for path in (tmp_path / "real").iterdir()] == ["held"]
        assert open_files() <= before + 1
    assert open_files() <= before
    with lock_now(Numbered(tmp_path / "alias" / "held", "key-0")):
        pass


def is_free(lock, said):
    try:
        with lock_now(lock):
            said.put(True)
    except Held:
        said.put(False)


def elsewhere_free(lock):
    """Whether another process gets the lock."""
    said = SPAWN.Queue()
    process = SPAWN.Process(target=is_free, args=(lock, said))
    process.start()
    free = said.get(timeout=60)
    process.join()
    return free


def test_letting_go_of_one_number_lets_go_of_no_other(tmp_path):
    mine, other = Numbered(tmp_path / "held", "mine"), Numbered(tmp_path / "held", "other")
    with lock_now(mine):
        with lock_now(other):
            assert not elsewhere_free(other)
        assert elsewhere_free(other)
        assert not elsewhere_free(mine)
    assert elsewhere_free(mine)


@pytest.mark.skipif(not hasattr(fcntl, "F_OFD_SETLK"), reason="locks are the process's here")
def test_whoever_reads_the_file_of_the_locks_meanwhile_loses_none(tmp_path):
    mine = Numbered(tmp_path / "held", "mine")
    with lock_now(mine):
        shutil.copytree(tmp_path, tmp_path / "copy")
        assert not elsewhere_free(mine)


def test_where_the_file_was_taken_away_a_new_one_is_locked(tmp_path):
    mine = Numbered(tmp_path / "held", "mine")
    with lock_now(mine):
        (tmp_path / "held").unlink()
        with lock_now(mine):
            assert not elsewhere_free(mine)
        assert elsewhere_free(mine)
    with lock_now(mine):
        assert not elsewhere_free(mine)


@pytest.mark.skipif(not hasattr(fcntl, "F_OFD_SETLK"), reason="the others are tried by all tests")
def test_on_systems_that_know_only_locks_of_processes_those_exclude_as_well(tmp_path):
    """As macOS: the module is had anew, from a system without the word."""
    script = (
        "import fcntl, sys; del fcntl.F_OFD_SETLK\n"
        "from pathlib import Path; from storychain.locks import Held, Numbered, lock_now\n"
        "try:\n"
        "    with lock_now(Numbered(Path(sys.argv[1]), 'mine')), lock_now(Numbered(Path(sys.argv[1]), 'other')):\n"
        "        print('got it', flush=True); sys.stdin.readline()\n"
        "except Held: print('held', flush=True)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "held")]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "got it\n"
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "held\n"
    finally:
        first.communicate("\n")
    assert subprocess.run(command, capture_output=True, text=True, check=True, input="\n").stdout == "got it\n"
