"""Programs that speak: run as they are, with a stand-in on PATH that writes what it was told."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
import wave
from pathlib import Path

import pytest

from storychain.errors import MediaError
from storychain.media.sound.voice import find_speaker, length_of_speech

ISHMAEL = (
    "Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in my purse, and "
    "nothing particular to interest me on shore, I thought I would sail about a little and see the watery part of the "
    "world."
)

STAND_IN = f"""#!{sys.executable}
import os, sys, time, wave
text = sys.stdin.buffer.read().decode()
open(os.path.join({{folder!r}}, "argv.txt"), "w").write("\\n".join(sys.argv[1:]))
open(os.path.join({{folder!r}}, "text.txt"), "w", encoding="utf-8").write(text)
{{before}}
with wave.open(sys.argv[sys.argv.index("-w") + 1], "wb") as out:
    out.setnchannels(1)
    out.setsampwidth(2)
    out.setframerate(22050)
    out.writeframes(bytes(2 * 100 * len(text)))
{{after}}
"""


def stand_in(folder: Path, before: str = "", after: str = "", name: str = "espeak-ng") -> dict[str, str]:
    """An environment in which a program of that name writes 100 samples a sign."""
    (folder / "bin").mkdir(exist_ok=True)
    program = folder / "bin" / name
    program.write_text(STAND_IN.format(folder=str(folder), before=before, after=after))
    program.chmod(0o755)
    return {"PATH": str(folder / "bin")}


def speak(folder: Path, text: str, environ: dict[str, str], wav: str = "said.wav", **options) -> Path:
    asyncio.run(find_speaker("espeak-ng", environ, **options).speak(text, folder / wav))
    return folder / wav


def frames(wav: Path) -> int:
    with wave.open(str(wav)) as opened:
        return opened.getnframes()


@pytest.mark.parametrize("name", ["espeak-ng", "espeak"])
def test_text_goes_in_by_the_pipe_and_sound_comes_out(tmp_path, name):
    text = "--version; -w /etc/passwd $(x) 'it' \"is\" %s é 海"
    made = speak(tmp_path, text, stand_in(tmp_path, name=name), "-it's %d.wav", voice="de", words_per_minute=140)
    assert (tmp_path / "text.txt").read_text("utf-8") == text
    assert frames(made) == 100 * len(text)
    argv = (tmp_path / "argv.txt").read_text().split("\n")
    assert argv[:7] == ["--stdin", "-b", "1", "-v", "de", "-s", "140"]
    assert not any("passwd" in arg for arg in argv)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["-it's %d.wav", "argv.txt", "bin", "text.txt"]


def test_lines_and_control_signs_become_spaces(tmp_path):
    speak(tmp_path, "One.\nTwo\x00\x1b.\n", stand_in(tmp_path))
    assert (tmp_path / "text.txt").read_text("utf-8") == "One. Two  ."


FAULTS = {
    "fails": ({"before": "sys.exit('no such voice')"}, r"failed \(status 1\): no such voice"),
    "says nothing": ({"before": "sys.stderr.write('hm'); sys.exit(0)"}, "said nothing: hm"),
    "is killed": ({"before": "os.kill(os.getpid(), 9)"}, r"failed \(status -9\)"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_and_leaves_what_was_there(tmp_path, name):
    options, message = FAULTS[name]
    (tmp_path / "said.wav").write_bytes(b"before")
    with pytest.raises(MediaError, match=message):
        speak(tmp_path, "Hello.", stand_in(tmp_path, **options))
    assert (tmp_path / "said.wav").read_bytes() == b"before"
    assert not list(tmp_path.glob(".making*"))


def test_cancelled_it_is_killed(tmp_path):
    note = tmp_path / "pid"
    part = str(tmp_path / "part")
    noted = f"open({part!r}, 'w').write(str(os.getpid())); os.replace({part!r}, {str(note)!r})"
    environ = stand_in(tmp_path, before=f"{noted}; time.sleep(600)")

    async def cancelled() -> None:
        task = asyncio.create_task(find_speaker("espeak-ng", environ).speak("Hello.", tmp_path / "said.wav"))
        while not note.exists():
            await asyncio.sleep(0.01)
        task.cancel()
        await task

    begun = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert time.monotonic() - begun < 60
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
    assert not (tmp_path / "said.wav").exists()
    assert not list(tmp_path.glob(".making*"))


def test_nothing_to_say_no_voice_no_program_and_no_speaker_are_told(tmp_path):
    environ = stand_in(tmp_path)
    with pytest.raises(MediaError, match="nothing to say"):
        speak(tmp_path, " \n", environ)
    for voice in ("-x", "../en", "en us"):
        with pytest.raises(MediaError, match="is no voice"):
            find_speaker("espeak-ng", environ, voice=voice)
    with pytest.raises(MediaError, match="speaks 80 to 450"):
        find_speaker("espeak-ng", environ, words_per_minute=1000)
    with pytest.raises(MediaError, match="not on PATH") as raised:
        find_speaker("espeak-ng", {"PATH": str(tmp_path)})
    assert "apt install espeak-ng" in str(raised.value)
    with pytest.raises(MediaError, match="no speaker 'marvin'") as raised:
        find_speaker("marvin", environ)
    assert "Known here: espeak-ng" in str(raised.value)


def test_other_speakers_come_as_packages(tmp_path, monkeypatch):
    about = tmp_path / "marvin-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: marvin\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[storychain.speakers]\nmarvin = marvin_speaks:make\ngone = marvin_gone:make\n"
    )
    (tmp_path / "marvin_speaks.py").write_text(
        "class Marvin:\n"
        "    def __init__(self, voice): self.name = f'marvin {voice}'\n"
        "    async def speak(self, text, wav): wav.write_text(text)\n"
        "def make(*, environ, voice, words_per_minute): return Marvin(voice)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    speaker = find_speaker("marvin", {}, voice="gloomy")
    assert speaker.name == "marvin gloomy"
    asyncio.run(speaker.speak("Life.", tmp_path / "x.wav"))
    assert (tmp_path / "x.wav").read_text() == "Life."
    with pytest.raises(MediaError, match="'gone' cannot be loaded: No module named 'marvin_gone'"):
        find_speaker("gone", {})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (ISHMAEL, 14.0),
        ("She climbs the spiral stairs, lantern swinging, the wind rising outside.", 5.0),
        ("In 1984, 12,500 people lived here.", 5.1),
        ("Es war einmal eine Königin, die lebte in einem Schloss am Meer.", 4.2),
        ("Yes.", 0.7),
    ],
)
def test_the_length_of_speech_is_guessed_within_a_fifth(text, seconds):
    """Against what espeak-ng 1.51 took at 160 words a minute."""
    assert length_of_speech(text) == pytest.approx(seconds, rel=0.2)
    assert length_of_speech(text, 80) == pytest.approx(2 * length_of_speech(text))


def test_no_words_take_no_time():
    assert length_of_speech(" \n … !") == 0
    assert length_of_speech("灯塔的守护者点亮了她的灯。") == pytest.approx(3.2, abs=0.8)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_the_real_program_speaks(tmp_path):
    made = speak(tmp_path, ISHMAEL, {"PATH": os.environ["PATH"]})
    with wave.open(str(made)) as opened:
        assert opened.getnframes() / opened.getframerate() == pytest.approx(length_of_speech(ISHMAEL), rel=0.25)
