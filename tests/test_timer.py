"""What starts runs by a clock: pasted into a real shell, read by systemd's own parser, started by cron's rules."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storychain.cli import main
from storychain.errors import UsageError
from storychain.unattended.timer import Timer, crontab_text, daily, regular, service_unit, shell_text
from tests.stage import story_file

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze to read the units with")
ODD = """it's a "folder" 100% of $HOME ${x} \\n \\% `id` ; # [a] 夜 &"""

_PROGRAM = f"""#!{sys.executable}
import json, os, sys
print(json.dumps([os.getcwd(), sys.argv[1:]]), file=sys.stderr)
"""


def program(folder):
    """A program that tells where it was started and with which words."""
    path = folder / "storychain"
    path.write_text(_PROGRAM)
    path.chmod(0o755)
    return str(path)


def timer(folder, *, stories=("tale.yaml",), patterns=(), options=("--quiet",), **changes):
    told = {
        "name": "nightly",
        "folder": str(folder),
        "program": (program(folder),),
        "stories": tuple(stories),
        "patterns": frozenset(patterns),
        "options": tuple(options),
        "schedule": daily("02:30"),
        "zone": "Europe/Berlin",
        "foreign": False,
        "unseen": (),
    }
    return Timer(**{**told, **changes})


# systemd


def analyzed(home, *arguments):
    """What systemd-analyze says, its own account of what it has read included."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "SYSTEMD_LOG_LEVEL": "debug",
    }
    done = subprocess.run([ANALYZE, *arguments], env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


def verified(home, *units):
    """Let systemd check units; nothing it says of them may be a complaint."""
    said = analyzed(home, "verify", "--user", *map(str, units))
    complaints = [
        line
        for line in said.splitlines()
        if any(str(unit) in line for unit in units) and re.search(r"nknown|nvalid|ailed|gnoring|not executable", line)
    ]
    assert complaints == []
    return said


def field(said, name):
    """The last value that systemd read for a field of the unit it was asked about."""
    values = re.findall(rf"^\s+{name}: (.*)$", said, re.MULTILINE)
    if not values:
        pytest.skip("this systemd does not tell what it has read")
    return values[0]


def command_line(said):
    """The words of ExecStart as systemd would start them, variables replaced."""
    shown = field(said, "Command Line")
    words = []
    for quoted, plain in re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', shown):
        word = re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        words.append(word)
    # In the program's own path systemd looks for no variables; in its words a lone $ would begin one.
    assert not any("$" in word.replace("$$", "") for word in words[1:])
    return [words[0], *(word.replace("$$", "$") for word in words[1:])]


@needs_systemd
def test_systemd_reads_every_word_as_it_was_meant(tmp_path):
    folder = tmp_path / ODD.replace("/", "")
    folder.mkdir()
    stories = ["tale.yaml", ODD, ";", "a b", "%h", "$x", "-x", "\\", '"', "it's", "{}", "夜.yaml", "a;b", "#"]
    unit = tmp_path / "nightly.service"
    told = replace(timer(folder, stories=stories), program=(program(tmp_path),))
    unit.write_text(service_unit(told))
    said = verified(tmp_path, unit)
    assert command_line(said) == [*told.program, "run", *stories, "--quiet"]
    assert field(said, "WorkingDirectory") == str(folder)
    assert field(said, "TimeoutStartSec") == "12h"
    assert field(said, "KillMode") == "mixed"
    assert field(said, "EnvironmentFile") == f"-{tmp_path}/.config/storychain/nightly.env"


@needs_systemd
@pytest.mark.parametrize("name", ["a b $HOME 100% 夜", ODD], ids=["plain", "odd"])
def test_systemd_starts_a_program_wherever_it_lies(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    told = timer(folder, stories=[ODD])
    unit = tmp_path / "nightly.service"
    unit.write_text(service_unit(told))
    words = command_line(verified(tmp_path, unit))
    assert (words[0] == told.program[0]) != (words[:2] == ["/bin/sh", "-c"])
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert json.loads(done.stderr) == [str(folder), ["run", ODD, "--quiet"]]


@needs_systemd
@pytest.mark.parametrize("name", ["ends in \\", "a\\\\"])
def test_a_folder_that_ends_in_a_backslash_swallows_nothing(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    unit = tmp_path / "nightly.service"
    unit.write_text(service_unit(timer(folder)))
    said = verified(tmp_path, unit)
    assert field(said, "WorkingDirectory") == str(folder)
    assert field(said, "EnvironmentFile").endswith("nightly.env")


WHEN = [
    (daily("02:30"), "02:30:00"),
    (daily("0:05"), "00:05:00"),
    *((regular(text), None) for text in ("1m", "5m", "15m", "30min", "60m", "1h", "2h", "6h", "12h", "24h", "120m")),
]


@needs_systemd
@pytest.mark.parametrize(("schedule", "time"), WHEN, ids=lambda value: getattr(value, "words", ""))
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_systemd_and_cron_mean_the_same_times(tmp_path, schedule, time, zone):
    said = analyzed(tmp_path, "calendar", "--iterations=4", f"{schedule.calendar} {zone}")
    utc = re.findall(r"(?:Next elapse|Iter\. #\d+): \w+ ([\d-]+ [\d:]+) UTC", said)
    if zone == "UTC":
        assert len(utc) == 4
        for moment in utc:
            assert time is None or moment.endswith(time)
            assert matches(schedule.cron, moment)
    assert "Normalized form" in said
    assert schedule.scatter <= 300


def matches(fields, moment):
    """Whether a moment is one that the first two fields of a crontab name."""
    hour, minute, second = map(int, moment.split()[1].split(":"))

    def one(field, value):
        if field == "*":
            return True
        return value % int(field[2:]) == 0 if field.startswith("*/") else value == int(field)

    first, other, *rest = fields.split()
    return rest == ["*", "*", "*"] and second == 0 and one(first, minute) and one(other, hour)


# cron


def by_cron(crontab, folder):
    """Start what a crontab's last line says, as cron would: its five fields off, % unescaped, by sh from $HOME."""
    *_, line = crontab.splitlines()
    command, escaped, text = line.split(" ", 5)[5], False, ""
    for letter in command:
        if letter == "%" and not escaped:
            raise AssertionError("cron would end the command here")
        text = text[:-1] + letter if letter == "%" else text + letter
        escaped = letter == "\\" and not escaped
    done = subprocess.run(
        ["/bin/sh", "-c", text], cwd="/", env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    where, words = json.loads(done.stderr)
    assert where == str(folder)
    return words


def test_cron_starts_it_in_its_folder_with_every_word_as_it_was_meant(tmp_path):
    folder = tmp_path / ODD.replace("/", "")
    folder.mkdir()
    stories = ["tale.yaml", ODD, "\\%", "\\\\%%", "100%", "%"]
    assert by_cron(crontab_text(timer(folder, stories=stories)), folder) == ["run", *stories, "--quiet"]


LETTERS = st.characters(min_codepoint=33, max_codepoint=0x3FF).filter(str.isprintable) | st.sampled_from("\\%'\"$ ")


@settings(max_examples=60, deadline=None)
@given(words=st.lists(st.text(LETTERS, min_size=1).filter(lambda word: word == word.strip()), min_size=1, max_size=4))
def test_cron_starts_it_with_whatever_words(tmp_path_factory, words):
    folder = tmp_path_factory.mktemp("cron")
    assert by_cron(crontab_text(timer(folder, stories=words)), folder) == ["run", *words, "--quiet"]


def test_a_pattern_is_looked_up_at_each_run(tmp_path):
    folder = tmp_path / "it's [a] folder"
    (folder / "my stories").mkdir(parents=True)
    told = timer(folder, stories=["./*.yaml", "my stories/[ab]*.yaml"], patterns=["./*.yaml", "my stories/[ab]*.yaml"])
    for name in ("one.yaml", "-rf.yaml", "my stories/a b.yaml", "my stories/c.yaml"):
        (folder / name).touch()
    expected = ["run", "./-rf.yaml", "./one.yaml", "my stories/a b.yaml", "--quiet"]
    assert by_cron(crontab_text(told), folder) == expected
    (folder / "two.yaml").touch()
    expected.insert(3, "./two.yaml")
    assert by_cron(crontab_text(told), folder) == expected
    if ANALYZE:
        unit = tmp_path / "nightly.service"
        unit.write_text(service_unit(told))
        shell, flag, text = command_line(verified(tmp_path, unit))
        done = subprocess.run([shell, flag, text], cwd=folder, capture_output=True, text=True, check=False)
        assert json.loads(done.stderr)[1] == expected


# The text as it is pasted


def pasted(text, home, *, refused="", said=""):
    """Paste a text into a shell; what it asked of systemd. What it says is why it did nothing, or only words."""
    tools, asked = home / "tools", home / "asked"
    tools.mkdir(exist_ok=True)
    for name in ("systemctl", "loginctl"):
        (tools / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {asked}\n')
        (tools / name).chmod(0o755)
    environ = {"HOME": str(home), "PATH": f"{tools}:{os.environ['PATH']}"}
    done = subprocess.run(["/bin/sh", "-eu"], input=text, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (int(bool(refused)), "", refused + said)
    return asked.read_text().splitlines() if asked.exists() else []


def test_the_text_can_be_pasted_and_keeps_a_key_that_is_there(tmp_path):
    told = timer(tmp_path, unseen=("PICTORY_API_KEY",))
    asked = pasted(shell_text(told), tmp_path)
    assert asked == [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now nightly.timer",
        "loginctl enable-linger",
    ]
    units = [tmp_path / ".config/systemd/user" / f"nightly.{kind}" for kind in ("service", "timer")]
    assert units[0].read_text() == service_unit(told)
    for line in ("OnCalendar=*-*-* 02:30:00 Europe/Berlin", "Persistent=true", "RandomizedDelaySec=300s"):
        assert line in units[1].read_text().splitlines()
    assert "SuccessExitStatus=75" in units[0].read_text().splitlines()
    key = tmp_path / ".config/storychain/nightly.env"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.write_text("PICTORY_API_KEY=pictai_mine\n")
    pasted(shell_text(told), tmp_path)
    assert key.read_text() == "PICTORY_API_KEY=pictai_mine\n"
    if ANALYZE:
        verified(tmp_path, *units)


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_name_that_is_another_folders_is_left_alone(tmp_path):
    ours, theirs, home = tmp_path / ODD.replace("/", ""), tmp_path / "theirs", tmp_path / "home"
    for folder in (ours, theirs, home):
        folder.mkdir()
    asked = pasted(shell_text(timer(ours)), home)
    before = tree(home)
    refused = (
        "Nothing was changed: nightly is the timer of another folder. Give this one a name of its own by --name.\n"
    )
    assert pasted(shell_text(timer(theirs)), home, refused=refused) == asked
    assert tree(home) == before
    pasted(shell_text(timer(theirs, name="daily")), home)
    beside = f"This folder has another timer: {home}/.config/systemd/user/nightly.service\n"
    pasted(shell_text(timer(ours, name="weekly")), home, said=beside)
    pasted(shell_text(timer(theirs, name="daily", options=("--yes",))), home)
    assert "--yes" in (home / ".config/systemd/user/daily.service").read_text()


# The command


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "my stories"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PICTORY_API_KEY", "pictai_s3cret")
    story_file(folder, 1)
    return folder


def printed(capfd, *arguments):
    assert main(["install-timer", *arguments]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "pictai_s3cret" not in out
    return out


def test_the_command_prints_this_storychain_and_nothing_secret(here, capfd, tmp_path):
    out = printed(capfd, "tale.yaml", "--at", "23:05", "--timezone", "Asia/Tokyo", "--", "--max-credits", "80", "-q")
    assert "Set in this shell, but not there; what is needed goes into that file too: PICTORY_API_KEY" in out
    assert "CRON_TZ=Asia/Tokyo" in out
    pasted(out, tmp_path)
    units = tmp_path / ".config/systemd/user"
    (unit,) = (path.read_text() for path in units.glob("storychain-my-stories-*.service"))
    (start,) = re.findall("^ExecStart=(.*)$", unit, re.MULTILINE)
    assert start.startswith(("/", '"/'))
    assert start.endswith("run tale.yaml --max-credits 80 -q")
    (timer,) = (path.read_text() for path in units.glob("storychain-my-stories-*.timer"))
    assert "OnCalendar=*-*-* 23:05:00 Asia/Tokyo\n" in timer


def test_folders_that_are_called_alike_have_timers_and_keys_of_their_own(here, capfd, monkeypatch):
    names = []
    for name in ("P/films", "Q/films", "電影", "映画", "Märchen", "...", "-x" * 99, "100% $HOME"):
        folder = here / name
        folder.mkdir(parents=True)
        story_file(folder, 1)
        monkeypatch.chdir(folder)
        out = printed(capfd, "tale.yaml", "--", "--yes")
        assert out == printed(capfd, "tale.yaml", "--", "--yes")
        (unit,) = set(re.findall(r"[^/ ]*\.service$", out, re.MULTILINE))
        assert re.fullmatch(r"storychain(-[A-Za-z0-9_][A-Za-z0-9_.-]*)?-[0-9a-f]{6}\.service", unit)
        assert f"storychain/{unit.removesuffix('.service')}.env" in out
        names.append(unit)
    assert len(set(names)) == len(names)
    assert names[4].startswith("storychain-Marchen-")
    assert "nightly.service" in printed(capfd, "tale.yaml", "--name", "nightly", "--", "--yes")


def test_what_is_printed_runs(here, capfd):
    """The crontab line, started as cron does, renders the film and is silent."""
    out = printed(capfd, "--cron", "--every", "15m", "--", "--local", "--scale", "0.125", "--quiet")
    *_, line = out.splitlines()
    assert line.startswith("*/15 * * * * cd ")
    environ = {name: os.environ[name] for name in ("PATH", "STORYCHAIN_FFMPEG") if name in os.environ}
    command = line.split(" ", 5)[5].replace("\\%", "%")
    done = subprocess.run(["/bin/sh", "-c", command], cwd="/", env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (here / "films" / "tale.mp4").exists()


REFUSED = [
    (["tale.yaml"], "nobody can be asked for consent"),
    (["nowhere.yaml", "--", "--yes"], "there is no story nowhere.yaml"),
    (["tale.yaml", "--at", "25:00", "--", "--yes"], "not a time of day"),
    (["tale.yaml", "--every", "7m", "--", "--yes"], "does not divide"),
    (["tale.yaml", "--every", "5h", "--", "--yes"], "does not divide"),
    (["tale.yaml", "--every", "0m", "--", "--yes"], "does not divide"),
    (["tale.yaml", "--every", "soon", "--", "--yes"], "does not divide"),
    (["tale.yaml", "--timezone", "Mars/Olympus", "--", "--yes"], "is not known here"),
    (["tale.yaml", "--name", "../x", "--", "--yes"], "cannot be a unit's name"),
    (["tale.yaml", "--", "--yes", "--workspace", "a\nb"], "cannot be written into a unit"),
    (["broken.yaml", "--", "--yes"], "broken.yaml:1:1"),
    (["tale.yaml", "--", "--yes", "--deadline", "25:00"], "'25:00' is no moment"),
    (["tale.yaml", "--", "--yes", "--deadline", "2999-11-28T06:00"], "comes once"),
    (["tale.yaml", "--", "--yes", "--select", "nope:one"], "no story 'nope'"),
    (["ta*.yaml", "--", "--yes", "--select", "tale:one"], "has no scene 'one'"),
    (["tale.yaml", "--", "--yes", "--metrics-file", "m.txt"], "end in .prom alone"),
    (["tale.yaml", "--", "--yes", "--log-file", "/nowhere/log"], "the log file cannot be written"),
    (["tale.yaml", "--", "--yes", "--log-file", "."], "the log file cannot be written"),
    (["tale.yaml", "--", "--yes", "--matrix", "nowhere.csv"], "nowhere.csv"),
    (["tale.yaml", "--", "--local", "--fault", "nope"], "nope"),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED)
def test_what_could_not_run_at_night_is_refused_by_day(here, capfd, arguments, words):
    (here / "broken.yaml").write_text("modle: x\n")
    assert main(["install-timer", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert words in err


def test_what_can_be_right_at_night_is_printed(here, capfd):
    options = ["--deadline", "06:00", "--select", "tale:s1", "--log-file", "log", "--metrics-file", "m.prom", "--yes"]
    printed(capfd, "tale.yaml", "--", *options)
    assert sorted(path.name for path in here.iterdir()) == ["tale.yaml"]
    assert main(["install-timer", "--", "--yes", "--select", "sequel:+s1", "--deadline", "90m"]) == 0
    assert "--select sequel:+s1: no such story is there yet" in capfd.readouterr().err
    assert "run tale.yaml --resume-only --quiet" in printed(capfd, "tale.yaml", "--", "--resume-only", "--quiet")


def test_one_story_that_is_not_valid_yet_keeps_no_pattern_from_its_timer(here, capfd):
    (here / "broken.yaml").write_text("modle: x\n")
    assert main(["install-timer", "*.yaml", "--", "--yes"]) == 0
    out, err = capfd.readouterr()
    assert "ExecStart=" in out
    assert "broken.yaml:1:1" in err
    assert "runs render the others and end with an error" in err


def test_options_of_run_that_stand_before_the_dashes_are_shown_their_place(here, capfd):
    with pytest.raises(SystemExit) as ended:
        main(["install-timer", "tale.yaml", "--max-credits", "80"])
    assert ended.value.code == 2
    assert "--max-credits 80; what is meant for `run` stands behind `--`" in capfd.readouterr().err


def test_options_that_run_does_not_know_are_refused(here, capfd):
    with pytest.raises(SystemExit) as ended:
        main(["install-timer", "tale.yaml", "--", "--max-credit", "lots"])
    assert ended.value.code == 2
    assert "lots" in capfd.readouterr().err


@pytest.mark.parametrize("word", ["a\nb", "\x1b[2J", " a", "a\udcff"])
@pytest.mark.parametrize("text", [service_unit, crontab_text])
def test_words_that_no_unit_can_hold_are_refused(tmp_path, text, word):
    told = timer(tmp_path)
    for wrong in (replace(told, stories=(word,)), replace(told, folder=f"{word}/x\n"), replace(told, program=(word,))):
        with pytest.raises(UsageError):
            text(wrong)
