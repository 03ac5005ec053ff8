"""Locks: one holder at a time, in a process and between processes, and none that outlives its process."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from storychain.locks import Held, Queue, lock, lock_now
from tests.desk import until

SPAWN = multiprocessing.get_context("spawn")


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


def test_a_lock_excludes_within_a_process(tmp_path):
    path = tmp_path / "deep" / "a"
    with lock_now(path):
        with pytest.raises(Held), lock_now(path):
            pass
        with lock_now(tmp_path / "deep" / "b"):
            pass
    with lock_now(path):
        pass


def test_a_lock_is_let_go_by_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), lock_now(tmp_path / "a"):
        _ = 1 / 0
    with lock_now(tmp_path / "a"):
        pass


def test_a_lock_excludes_other_processes_and_dies_with_its_own(tmp_path):
    path = tmp_path / "a"
    with held_elsewhere(path) as process:
        with pytest.raises(Held), lock_now(path):
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        with lock_now(path):
            assert path.exists()


def test_who_waits_gets_the_lock_of_a_killed_process(tmp_path):
    path = tmp_path / "a"

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


def test_tasks_hold_a_lock_one_after_the_other(tmp_path):
    inside = 0

    async def work():
        nonlocal inside
        async with lock(tmp_path / "a"):
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            inside -= 1

    async def play():
        await asyncio.gather(*(work() for _ in range(5)))

    asyncio.run(play())


def test_tasks_of_a_process_stand_in_line(tmp_path):
    queue, path, order = Queue(), tmp_path / "a", []

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


def test_a_long_line_lets_other_processes_in(tmp_path):
    path, sign, got = tmp_path / "a", tmp_path / "a.wanted", SPAWN.Queue()
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


def test_who_gives_up_waiting_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a"
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


def test_programs_we_start_do_not_keep_a_lock(tmp_path):
    path = tmp_path / "a"

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


def test_a_place_that_cannot_hold_a_lock_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError), lock_now(tmp_path / "file" / "a"):
        pass
