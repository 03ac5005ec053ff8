"""Finding ffmpeg and running it: real processes, small scripts in place of other ffmpegs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from pathlib import Path

import pytest

from storychain.errors import DiskTrouble, MediaError, UsageError
from storychain.media.tool import Ffmpeg, fed_ffmpeg, find_ffmpeg, run_ffmpeg

NEW = "ffmpeg version 99.1-3 Copyright\nconfiguration: --enable-gpl --enable-libx264\nlibavutil      99. 29.100 / 99"
AGED = "ffmpeg version 5.1.9 Copyright\nconfiguration: --enable-gpl --enable-libx264\nlibavutil      57. 28.100 / 57"
OLD = "ffmpeg version 4.4.2 Copyright\nconfiguration: --enable-gpl --enable-libx264\nlibavutil      56. 70.100 / 56"
GIT = "ffmpeg version N-112233-gabc Copyright\nconfiguration: --enable-libx264\nlibavutil      99.  8.100 / 99"


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def telling(path: Path, text: str) -> Path:
    return script(path, f"cat <<'END'\n{text}\nEND")


def as_ffmpeg(path: Path) -> Ffmpeg:
    return Ffmpeg(path, "0", "setting", "a test says so")


def run(ffmpeg: Ffmpeg, *argv: str, **options) -> str:
    return asyncio.run(run_ffmpeg(ffmpeg, argv, **{"timeout": 30} | options))


def test_the_wheels_serves_where_there_is_no_other(tmp_path):
    found = find_ffmpeg({"PATH": str(tmp_path)})
    assert (found.origin, found.path.exists()) == ("wheel", True)
    assert "none on PATH" in found.reason


@pytest.mark.parametrize("text", [NEW, GIT])
def test_a_newer_system_ffmpeg_is_used(tmp_path, text):
    path = telling(tmp_path / "ffmpeg", text)
    found = find_ffmpeg({"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (found.path, found.origin) == (path, "system")


def test_a_system_ffmpeg_as_new_as_the_wheels_is_used(tmp_path):
    wheels = find_ffmpeg({"PATH": str(tmp_path)}).path
    (tmp_path / "ffmpeg").symlink_to(wheels)
    assert find_ffmpeg({"PATH": str(tmp_path)}).origin == "system"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (AGED, "5.1.9, older"),
        (OLD, "4.4.2, older than 5.1"),
        (NEW.replace("--enable-libx264", ""), "without libx264"),
        ("hello", "is not an"),
    ],
)
def test_an_older_or_poor_system_ffmpeg_is_passed_over_and_doctor_hears_why(tmp_path, text, why):
    telling(tmp_path / "ffmpeg", text)
    found = find_ffmpeg({"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert found.origin == "wheel"
    assert why in found.reason


def test_the_setting_comes_first_and_is_never_passed_over(tmp_path):
    telling(tmp_path / "ffmpeg", NEW)
    mine = telling(tmp_path / "my own" / "ffmpeg", GIT)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert find_ffmpeg({"PATH": path, "STORYCHAIN_FFMPEG": str(mine)}).origin == "setting"
    with pytest.raises(UsageError, match="cannot be run"):
        find_ffmpeg({"PATH": path, "STORYCHAIN_FFMPEG": str(tmp_path / "absent")})
    telling(mine, OLD)
    with pytest.raises(UsageError, match=r"older than 5\.1") as raised:
        find_ffmpeg({"PATH": path, "STORYCHAIN_FFMPEG": str(mine)})
    assert "unset it" in str(raised.value)


def test_a_failure_tells_ffmpegs_last_words():
    with pytest.raises(MediaError, match="No such file") as raised:
        run(find_ffmpeg(os.environ), "-i", "absent.mp4", "-f", "null", "-", where="scene 2")
    assert str(raised.value).startswith("scene 2: ffmpeg failed (status ")


def test_a_full_disk_is_said_plainly(tmp_path):
    full = script(tmp_path / "full", "echo 'av_interleaved_write_frame(): No space left on device' >&2; exit 228")
    with pytest.raises(DiskTrouble, match="the disk is full"):
        run(as_ffmpeg(full))


def test_an_ffmpeg_that_went_away_is_said(tmp_path):
    with pytest.raises(MediaError, match="cannot be started: No such file"):
        run(as_ffmpeg(tmp_path / "gone"))


def test_much_talk_on_both_pipes_neither_blocks_nor_grows(tmp_path):
    talker = script(tmp_path / "talker", "yes out | head -c 3000000; yes err | head -c 3000000 >&2; echo end >&2")
    said = run(as_ffmpeg(talker))
    assert said.endswith("err\nend\n")
    assert len(said) <= 16_384


def test_progress_is_told_in_seconds(tmp_path):
    told: list[float] = []
    source = ["-f", "lavfi", "-i", "color=s=64x36:r=24:d=2", "-c:v", "rawvideo", "-f", "nut", str(tmp_path / "x.nut")]
    run(find_ffmpeg(os.environ), *source, on_progress=told.append)
    assert told[-1] == pytest.approx(2.0, abs=0.05)


def test_nothing_is_taken_from_stdin(tmp_path):
    reader = script(tmp_path / "reader", "cat; exit 0")
    assert run(as_ffmpeg(reader)) == ""


def sleeper(tmp_path: Path) -> tuple[Ffmpeg, Path]:
    """A program with a child; both sleep, once the child's process id is in the file."""
    note = tmp_path / "pid"
    body = f"sleep 600 & echo $! > {note}.new; mv {note}.new {note}; wait"
    return as_ffmpeg(script(tmp_path / "sleeper", body)), note


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # killed, and waiting for init to take note


def ends(pid: int) -> bool:
    """A kill is delivered at once, but the process leaves in its own time."""
    return any(not alive(pid) for _ in range(1_000_000))


def test_a_timeout_kills_the_whole_group(tmp_path):
    ffmpeg, note = sleeper(tmp_path)
    with pytest.raises(MediaError, match="did not finish within"):
        run(ffmpeg, timeout=0.7)
    assert ends(int(note.read_text()))


def test_cancelling_kills_the_whole_group(tmp_path):
    ffmpeg, note = sleeper(tmp_path)

    async def cancelled() -> None:
        task = asyncio.create_task(run_ffmpeg(ffmpeg, [], timeout=60))
        while not note.exists():
            await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert ends(int(note.read_text()))


@pytest.mark.parametrize("turns", range(12))
def test_cancelling_while_it_starts_leaves_nothing(tmp_path, turns):
    ffmpeg, note = sleeper(tmp_path)

    async def cancelled() -> None:
        task = asyncio.create_task(run_ffmpeg(ffmpeg, [], timeout=60))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait_for(task, 30)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert not note.exists() or ends(int(note.read_text()))


@pytest.mark.parametrize("reads", ["sleep 9", "exit 0", "head -c 100000 > /dev/null"])
def test_what_is_not_taken_any_more_is_nobodys_failure(tmp_path, reads):
    """Interrupted while an ffmpeg is fed, or left by it: nothing is said behind anybody's back."""
    ffmpeg = as_ffmpeg(script(tmp_path / "ffmpeg", reads))
    said = []

    async def play():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["message"]))
        with contextlib.suppress(MediaError, TimeoutError):
            async with fed_ffmpeg(ffmpeg, ["-i", "pipe:0"], cwd=tmp_path) as feed, asyncio.timeout(0.5):
                for _ in range(40):
                    await feed.write(bytes(1 << 16))
        gc.collect()

    asyncio.run(play())
    gc.collect()
    assert said == []
