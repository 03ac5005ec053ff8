"""Finding ffmpeg and running it: never through a shell, never without an end, never left behind.

What ffmpeg is asked to do is written elsewhere in this room.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import imageio_ffmpeg

from storychain.errors import DiskTrouble, MediaError, StorychainError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

Origin = Literal["setting", "system", "wheel"]

SETTING = "STORYCHAIN_FFMPEG"
"""Environment variable that names the ffmpeg to use."""

_OLDEST = (57, 28)
"""libavutil of ffmpeg 5.1."""

PROTOCOLS = "file,pipe"
"""What ffmpeg may open; no video of ours leads to the network."""

_TAIL = 16_384
"""Bytes of ffmpeg's messages that are kept; a damaged file can make it write without end."""


class FfmpegFailed(MediaError):
    """ffmpeg ended with an error of its own about what it was given."""


@dataclass(frozen=True, slots=True)
class Ffmpeg:
    """The ffmpeg in use; `reason` says in one sentence which it is and why.

    It is started with `environ`; None: with that of this process.
    """

    path: Path
    version: str
    origin: Origin
    reason: str
    environ: Mapping[str, str] | None = field(default=None, repr=False)


def find_ffmpeg(environ: Mapping[str, str]) -> Ffmpeg:
    """The setting's ffmpeg, else the newer of PATH's and the imageio-ffmpeg package's; PATH's where they are as new.

    Newer ones start, decode and draw quicker (the package's starts in 10 ms where Debian's takes 50), and what they
    join is the same. Whichever it is, it is started with `environ`. Raises UsageError where the setting's cannot be
    used, MediaError where there is none at all.
    """
    path = environ.get("PATH", os.defpath)
    if wanted := environ.get(SETTING):
        return _from_setting(Path(shutil.which(wanted, path=path) or wanted).expanduser(), environ)
    found = shutil.which("ffmpeg", path=path)
    system = None if found is None else _examine(Path(found), environ)
    wheel = _from_wheel(environ)
    if system is not None and system.lack is None and (wheel is None or system.library >= wheel.library):
        why = f"ffmpeg {system.version} of this system ({system.path}): new enough"
        return Ffmpeg(system.path, system.version, "system", why, environ)
    if system is None:
        other = "there is none on PATH"
    else:
        other = f"{system.path} {system.lack or f'is version {system.version}, older'}"
    if wheel is None or wheel.lack is not None:
        lack = "imageio-ffmpeg has none" if wheel is None else f"{wheel.path} {wheel.lack}"
        advice = f"Install ffmpeg 5.1 or newer with libx264, or set {SETTING} to one."
        raise MediaError(f"no usable ffmpeg: {other}, and {lack}", next_step=advice)
    why = f"ffmpeg {wheel.version} of the imageio-ffmpeg package: {other}"
    return Ffmpeg(wheel.path, wheel.version, "wheel", why, environ)


@dataclass(frozen=True, slots=True)
class _Examined:
    """What an ffmpeg says of itself, and what it lacks; None: nothing.

    Builds from git have no version to compare, but all have that of libavutil, which is `library`.
    """

    path: Path
    version: str = "unknown"
    library: tuple[int, int] = (0, 0)
    lack: str | None = None


def _from_setting(path: Path, environ: Mapping[str, str]) -> Ffmpeg:
    examined = _examine(path, environ)
    if examined.lack is not None:
        advice = f"Set {SETTING} to an ffmpeg of version 5.1 or newer with libx264, or unset it."
        raise UsageError(f"{path} {examined.lack}", where=SETTING, next_step=advice)
    why = f"ffmpeg {examined.version} at {path}: {SETTING} says so"
    return Ffmpeg(path, examined.version, "setting", why, environ)


def _from_wheel(environ: Mapping[str, str]) -> _Examined | None:
    try:
        path = Path(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        return None
    return _examine(path, environ)


def _examine(path: Path, environ: Mapping[str, str]) -> _Examined:
    try:
        told = subprocess.run(
            [path, "-version"], env=environ, capture_output=True, stdin=subprocess.DEVNULL, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return _Examined(path, lack=f"cannot be run ({_brief(error)})")
    return _judge(path, told.stdout.decode(errors="replace"))


def _brief(error: OSError | subprocess.SubprocessError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _judge(path: Path, told: str) -> _Examined:
    named = re.match(r"ffmpeg version n?(\S+)", told)
    libavutil = re.search(r"libavutil\s+(\d+)\.\s*(\d+)", told)
    if named is None or libavutil is None:
        return _Examined(path, lack="is not an ffmpeg")
    version, library = named[1], (int(libavutil[1]), int(libavutil[2]))
    lack = None
    if library < _OLDEST:
        lack = f"is version {version}, older than 5.1"
    elif "--enable-libx264" not in told:
        lack = f"(version {version}) was built without libx264"
    return _Examined(path, version, library, lack)


async def run_ffmpeg(
    ffmpeg: Ffmpeg,
    argv: Sequence[str],
    *,
    timeout: float,
    cwd: Path | None = None,
    on_progress: Callable[[float], None] | None = None,
    where: str | None = None,
) -> str:
    """Run ffmpeg with `argv` to its end and return the last of what it said on stderr.

    `on_progress` gets the seconds of output written so far. Cancelling, or `timeout` seconds, kills ffmpeg and all it
    started before this returns. Raises MediaError, about `where`, when ffmpeg fails or takes too long.
    """
    process = await _start(_command(ffmpeg, argv, progress=on_progress is not None), cwd, ffmpeg.environ)
    try:
        async with asyncio.timeout(timeout):
            said, code = await _attend(process, on_progress)
    except TimeoutError as error:
        raise _too_slow(timeout, where) from error
    finally:
        await _end(process)
    if code != 0:
        raise _failure(code, said, where)
    return said


def _command(ffmpeg: Ffmpeg, argv: Sequence[str], *, progress: bool) -> list[str]:
    telling = ["-progress", "pipe:1", "-nostats"] if progress else []
    return [str(ffmpeg.path), "-nostdin", "-hide_banner", "-loglevel", "error", *telling, *_confined(argv)]


def _confined(argv: Sequence[str]) -> list[str]:
    """`argv` with every input kept to files and pipes, wherever what is read there points.

    The option counts for the input after it alone, so each gets its own.
    """
    return [part for word in argv for part in (("-protocol_whitelist", PROTOCOLS, word) if word == "-i" else (word,))]


class Feed:
    """A running ffmpeg; what it reads from us, where that is how it was started, it gets by `write`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._attending = asyncio.ensure_future(_attend(process, None))

    async def write(self, data: bytes) -> None:
        """Hand over bytes, as fast as ffmpeg takes them. Raises MediaError if it has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            said, code = await self._attending
            raise _failure(code, said, None) from error

    async def finish(self, timeout: float) -> None:
        """Say that there is no more, and wait for a good end. Raises MediaError."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(timeout):
                said, code = await self._attending
        except TimeoutError as error:
            raise _too_slow(timeout, None) from error
        if code != 0:
            raise _failure(code, said, None)

    async def end(self) -> None:
        """Kill what is left of it."""
        self._attending.cancel()
        await asyncio.wait([self._attending])
        await _end(self._process)
        if self._process.stdin is not None:
            # What it did not take any more is nobody's failure; older Pythons complain where that is not asked.
            self._process.stdin.close()
            with suppress(BrokenPipeError, ConnectionResetError):
                await self._process.stdin.wait_closed()


@asynccontextmanager
async def fed_ffmpeg(
    ffmpeg: Ffmpeg,
    argv: Sequence[str],
    *,
    cwd: Path,
    stdin: int = asyncio.subprocess.PIPE,
    stdout: int = asyncio.subprocess.PIPE,
) -> AsyncIterator[Feed]:
    """Run ffmpeg with `argv`, which reads from `pipe:0`, for as long as the block lasts.

    Another `stdin` or `stdout` is the end of a pipe, by which one ffmpeg reads what another writes.
    """
    command = _command(ffmpeg, argv, progress=False)
    feed = Feed(await _start(command, cwd, ffmpeg.environ, stdin=stdin, stdout=stdout))
    try:
        yield feed
    finally:
        await feed.end()


async def _start(
    command: Sequence[str],
    cwd: Path | None,
    environ: Mapping[str, str] | None,
    stdin: int = asyncio.subprocess.DEVNULL,
    stdout: int = asyncio.subprocess.PIPE,
) -> asyncio.subprocess.Process:
    """Start a process group. Being cancelled meanwhile, asyncio would kill its first process alone and wait for all."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            stdin=stdin,
            stdout=stdout,
            stderr=asyncio.subprocess.PIPE,
            cwd=cwd,
            env=environ,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await _end(await starting)
        raise
    except OSError as error:
        advice = "See `storychain doctor` for the ffmpeg in use."
        raise MediaError(f"{command[0]} cannot be started: {error.strerror}", next_step=advice) from error


async def _attend(process: asyncio.subprocess.Process, on_progress: Callable[[float], None] | None) -> tuple[str, int]:
    """Read both pipes until they close (a full pipe would stop ffmpeg) and wait for the exit status."""
    assert process.stderr is not None
    _, said, code = await asyncio.gather(_follow(process.stdout, on_progress), _tail(process.stderr), process.wait())
    return said, code


async def _follow(stream: asyncio.StreamReader | None, on_progress: Callable[[float], None] | None) -> None:
    pending = b""
    while stream is not None and (chunk := await stream.read(8192)):
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            name, _, value = line.partition(b"=")
            # Before the first packet ffmpeg says N/A.
            if on_progress is not None and name == b"out_time_us" and value.strip().isdigit():
                on_progress(int(value) / 1_000_000)


async def _tail(stream: asyncio.StreamReader) -> str:
    kept = b""
    while chunk := await stream.read(8192):
        kept = (kept + chunk)[-_TAIL:]
    return kept.decode(errors="replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what still runs of the process group, and collect it so that nothing is left behind."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):  # it may have ended by itself just now
        os.killpg(process.pid, signal.SIGKILL)
    await process.communicate()


def _too_slow(timeout: float, where: str | None) -> MediaError:
    advice = "The machine may be overloaded; run again to go on."
    return MediaError(f"ffmpeg did not finish within {timeout:.0f} s", where=where, next_step=advice)


def _failure(code: int, said: str, where: str | None) -> StorychainError:
    if "No space left on device" in said or "Disk quota exceeded" in said:
        return DiskTrouble("the disk is full", where=where, next_step="Free some space and run again.")
    if code < 0:
        what = f"ffmpeg was stopped by {signal.Signals(-code).name}"
        return MediaError(what, where=where, next_step="The machine may be short of memory; run again to go on.")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # The cause is said first, what came of it last.
    told = lines if len(lines) <= 4 else [*lines[:2], *lines[-2:]]
    return FfmpegFailed(f"ffmpeg failed (status {code}): " + (" · ".join(told) or "it said nothing"), where=where)
