"""Runs ffmpeg: no shell, its own process group, a time limit, its progress told, killed when we are cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence

from storychain.errors import MediaError

_KEPT = 4000


async def run(
    argv: Sequence[str],
    environ: Mapping[str, str] | None,
    *,
    seconds: float,
    on_frame: Callable[[int], None] = lambda _: None,
) -> None:
    """Run a command whose stdout is ffmpeg's `-progress`; raises MediaError with the end of its stderr."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environ,
        start_new_session=True,
    )
    assert process.stdout
    assert process.stderr
    try:
        async with asyncio.timeout(seconds):
            _, said, status = await asyncio.gather(
                _follow(process.stdout, on_frame), _end_of(process.stderr), process.wait()
            )
    except TimeoutError as error:
        raise MediaError(f"rendering took longer than {seconds:.0f} s") from error
    finally:
        await _kill(process)
    if status:
        raise MediaError(
            f"ffmpeg stopped with {status}: {said.strip().splitlines()[-1] if said.strip() else 'no word'}"
        )


async def _follow(stdout: asyncio.StreamReader, on_frame: Callable[[int], None]) -> None:
    async for line in stdout:
        name, _, value = line.decode(errors="replace").partition("=")
        if name == "frame" and value.strip().isdecimal():
            on_frame(int(value))


async def _end_of(stderr: asyncio.StreamReader) -> str:
    kept = b""
    while piece := await stderr.read(_KEPT):
        kept = (kept + piece)[-_KEPT:]
    return kept.decode(errors="replace")


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
