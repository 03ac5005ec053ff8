"""Programs that speak: text in, a WAV out. One is known here, others come as plug-ins; how long they take is guessed.

A plug-in is an entry point of the group `storychain.speakers`, under the name stories call it by: a function of
`environ`, `voice` and `words_per_minute` (all by keyword, the last two None where nothing is asked for) that returns a
`Speaker`.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import tempfile
import wave
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from storychain.errors import MediaError
from storychain.media.aside import folder_aside, give_name

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUP = "storychain.speakers"

WORDS_PER_MINUTE = 160
"""Of a calm narrator."""

_PROGRAMS = ("espeak-ng", "espeak")

_TAIL = 4096

_WORD = re.compile(r"[^\W_]+(?:['\u2019.,-][^\W_]+)*")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Signs of scripts without spaces (and Hangul), of which each is a syllable or so."""

_SENTENCE = re.compile(r"[.!?\u2026]+(?=\s|$)|[\u3002\uff01\uff1f]")
_CLAUSE = re.compile(r"[,;:\u2013\u2014](?=\s|$)|[\u3001\uff0c\uff1b\uff1a]")
_SENTENCE_PAUSE, _CLAUSE_PAUSE = 0.45, 0.2
"""Seconds at 160 words a minute."""


class Speaker(Protocol):
    """Something that speaks."""

    @property
    def name(self) -> str:
        """What it is called, and the voice: what speaks differently is called differently."""

    async def speak(self, text: str, wav: Path) -> None:
        """Write `text`, spoken, as the WAV `wav`, whole or not at all. Raises MediaError."""


@dataclass(frozen=True, slots=True)
class EspeakNg:
    """The program espeak-ng (or the older espeak): free, quick, in a hundred languages, and plainly a machine."""

    program: Path
    voice: str = "en"
    words_per_minute: int = WORDS_PER_MINUTE
    environ: Mapping[str, str] | None = field(default=None, repr=False)
    """What it is started with; None: with that of this process."""

    @property
    def name(self) -> str:
        """Program, voice and speed."""
        return f"espeak-ng {self.voice} {self.words_per_minute}"

    async def speak(self, text: str, wav: Path) -> None:
        """See `Speaker`. The text goes in by a pipe, so nothing in it can be taken for an option."""
        words = "".join(sign if sign.isprintable() else " " for sign in text).strip()
        if not words:
            raise MediaError("there is nothing to say", where=str(wav))
        manner = ["-b", "1", "-v", self.voice, "-s", str(self.words_per_minute)]
        with folder_aside(wav.parent) as aside:
            said = aside / "said.wav"
            argv = [str(self.program), "--stdin", *manner, "-w", str(said)]
            told = await _run(argv, words.encode(), self.environ, timeout=60 + len(words), cwd=aside)
            if await asyncio.to_thread(_frames, said) == 0:
                advice = f"See whether it knows the voice {self.voice!r}: {self.program} --voices"
                raise MediaError(f"{self.program} said nothing{told and ': ' + told}", next_step=advice)
            await asyncio.to_thread(give_name, said, wav)


def find_speaker(
    name: str, environ: Mapping[str, str], *, voice: str | None = None, words_per_minute: int | None = None
) -> Speaker:
    """The speaker of that name: espeak-ng, or a plug-in's. Raises MediaError, which says what to install."""
    if name in _PROGRAMS:
        return _espeak(environ, voice or "en", words_per_minute or WORDS_PER_MINUTE)
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(["espeak-ng", *sorted(found)])
        advice = f"Known here: {known}. Others come as packages with an entry point of the group {GROUP}."
        raise MediaError(f"there is no speaker {name!r}", next_step=advice)
    try:
        make = found[name].load()
    except (ImportError, AttributeError) as error:
        advice = "Install its package again, or take another speaker."
        raise MediaError(f"the speaker {name!r} cannot be loaded: {error}", next_step=advice) from error
    speaker: Speaker = make(environ=environ, voice=voice, words_per_minute=words_per_minute)
    return speaker


def _espeak(environ: Mapping[str, str], voice: str, words_per_minute: int) -> EspeakNg:
    if not re.fullmatch(r"[A-Za-z0-9][\w+-]*", voice):
        raise MediaError(f"{voice!r} is no voice", next_step="See `espeak-ng --voices` for those there are.")
    if not 80 <= words_per_minute <= 450:
        raise MediaError(f"{words_per_minute} words a minute: espeak-ng speaks 80 to 450")
    path = environ.get("PATH", os.defpath)
    for program in _PROGRAMS:
        if found := shutil.which(program, path=path):
            return EspeakNg(Path(found).absolute(), voice, words_per_minute, environ)
    advice = (
        "Install it: `apt install espeak-ng` (Debian, Ubuntu), `dnf install espeak-ng` (Fedora), "
        "`brew install espeak-ng` (macOS). Or give recordings instead of text."
    )
    raise MediaError("espeak-ng is not on PATH", next_step=advice)


def length_of_speech(text: str, words_per_minute: int = WORDS_PER_MINUTE) -> float:
    """About how many seconds it takes to say `text`: for planning, where nothing is spoken yet; within a fifth or so.

    Long words and figures take longer than short words, and punctuation makes pauses.
    """
    dense = len(_DENSE.findall(text))
    words = sum(_weight(word) for word in _WORD.findall(_DENSE.sub(" ", text))) + dense / 1.6
    sentences, clauses = len(_SENTENCE.findall(text)), len(_CLAUSE.findall(text))
    pauses = sentences * _SENTENCE_PAUSE + clauses * _CLAUSE_PAUSE
    return (words * 60 + pauses * WORDS_PER_MINUTE) / words_per_minute if words else 0.0


def _weight(word: str) -> float:
    """How many words of usual length it counts for."""
    digits = sum(sign.isdigit() for sign in word)
    return digits * 0.8 + max(0.45, (len(word) - digits) / 5.5) if digits < len(word) else digits * 0.8


def _frames(wav: Path) -> int:
    try:
        with wave.open(str(wav), "rb") as opened:
            return opened.getnframes()
    except (OSError, EOFError, wave.Error):
        return 0


async def _run(argv: list[str], text: bytes, environ: Mapping[str, str] | None, *, timeout: float, cwd: Path) -> str:
    """Run a program that reads `text` to its end; the last of what it said. Cancelled or too slow, it is killed."""
    # From a file, not a pipe: who ends without having read it all breaks nothing.
    with tempfile.TemporaryFile() as written:
        written.write(text)
        written.seek(0)
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=written,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                cwd=cwd,
                env=environ,
                start_new_session=True,
            )
        except OSError as error:
            raise MediaError(f"{argv[0]} cannot be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(timeout):
            _, said = await process.communicate()
    except TimeoutError as error:
        raise MediaError(f"{argv[0]} did not finish within {timeout:.0f} s") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):  # it may have ended by itself just now
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    told = " ".join(said[-_TAIL:].decode(errors="replace").split())
    if process.returncode != 0:
        raise MediaError(f"{argv[0]} failed (status {process.returncode}){told and ': ' + told}")
    return told
