"""Runs that nobody watches: the log file, the monitor's check, notifications and metrics, and what may never happen."""

import dataclasses
import io
import json
import logging
import os
import re
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
import typing
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from storychain.chain import events as ev
from storychain.errors import CapReached, ConsentNeeded, StoryHeld, UsageError
from storychain.locks import lock_now
from storychain.plan import Quote
from storychain.report.documents import dumped_line
from storychain.unattended.check import BODY_BYTES, address, last_bytes
from storychain.unattended.ended import Standing
from storychain.unattended.entries import entry_of
from storychain.unattended.log_file import LogFile
from storychain.unattended.notices import Notices
from storychain.unattended.watch import Told, Watch
from storychain.workspace import Workspace
from tests.desk import KEY, until
from tests.monitors import monitor
from tests.stage import story_file

PAY = ("--max-credits", "200", "--quiet")


def entries(path):
    """The log's entries; a torn or empty line fails here."""
    text = path.read_text("utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def samples(path):
    """What Prometheus' own parser reads, by series."""
    families = list(text_string_to_metric_families(path.read_text("utf-8")))
    assert all(family.documentation and family.type == "gauge" for family in families)
    assert all(re.fullmatch(r"storychain_[a-z_]+", family.name) for family in families)
    return {
        (one.name.removeprefix("storychain_"), one.labels.get("status", "")): one.value
        for family in families
        for one in family.samples
    }


@contextmanager
def held(desk, path):
    """Another run holds the story meanwhile."""
    with lock_now(Workspace(desk.folder / ".storychain").story_lock(path, path.stem)):
        yield


def fault(desk, **faults):
    """Let the desk's studio misbehave."""
    import httpx

    told = {name.replace("_", "."): value for name, value in faults.items()}
    httpx.post(
        f"{desk.studio.origin}/studio/faults", json=told, headers={"User-Agent": "a-test/1.0"}
    ).raise_for_status()


# All together


def test_a_run_that_goes_well_is_told_everywhere_and_says_nothing(desk):
    story_file(desk.folder, 2)
    with monitor() as check, monitor() as service:
        told = {
            "STORYCHAIN_LOG_FILE": "log.jsonl",
            "STORYCHAIN_METRICS_FILE": "nightly.prom",
            "STORYCHAIN_PING_URL": f"{check.origin}/a-check?create=1",
            "STORYCHAIN_NOTIFY": service.origin.replace("http", "json"),
        }
        done = desk.run("run", "tale.yaml", *PAY, **told)
    assert (done.returncode, done.stderr) == (0, "")
    log = entries(desk.folder / "log.jsonl")
    assert [one["event"] for one in (log[0], log[1], log[-2], log[-1])] == [
        "RunBegan",
        "StoryBegan",
        "FilmReady",
        "RunEnded",
    ]
    (run,) = {one["run"] for one in log}
    for one in log:
        assert list(one)[:7] == ["time", "run", "level", "story", "scene", "event", "message"]
        assert abs(datetime.fromisoformat(one["time"]) - datetime.now(UTC)).total_seconds() < 60
        assert one["time"].endswith("Z")
    submitted = [one for one in log if one["event"] == "Submitted"]
    assert [(one["story"], one["scene"], one["credits"]) for one in submitted] == [
        ("tale", "s1", 40),
        ("tale", "s2", 40),
    ]
    assert all(one["job_id"] in one["message"] for one in submitted)
    assert (log[-1]["exit_code"], log[-1]["credits"], log[-1]["stories"][0]["status"]) == (0, 80, "done")
    assert check.paths == ["/a-check/start", "/a-check"]
    assert all(ping.query == {"create": "1", "rid": str(uuid.UUID(run))} for ping in check.heard)
    assert "film ready" in check.heard[1].body
    assert service.heard == []
    found = samples(desk.folder / "nightly.prom")
    assert found["run_success", ""] == 1
    assert found["run_credits_spent", ""] == found["ledger_credits_committed", ""] == 80
    for path in desk.folder.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_a_run_that_fails_is_told_everywhere_with_what_to_do(desk):
    story_file(desk.folder, 2, name="good")
    story_file(desk.folder, [{"id": "dear", "prompt": "Something dear by the sea."}], name="dear", budget=1)
    with monitor() as check, monitor() as service:
        told = {
            "STORYCHAIN_LOG_FILE": "log.jsonl",
            "STORYCHAIN_METRICS_FILE": "nightly.prom",
            "STORYCHAIN_PING_URL": f"{check.origin}/a-check",
            "STORYCHAIN_NOTIFY": service.origin.replace("http", "json"),
        }
        done = desk.run("run", "good.yaml", "dear.yaml", *PAY, **told)
        assert desk.run("run", "good.yaml", *PAY, **told).returncode == 0
    assert done.returncode == 5
    assert check.paths == ["/a-check/start", "/a-check/5", "/a-check"]
    assert "Raise `budget`" in check.heard[1].body
    (notice,) = service.heard
    assert notice.json["title"] == "storychain: 1 done, 1 stopped (exit code 5)"
    assert notice.json["type"] == "failure"
    for words in ("good: done: ", "dear: stopped: ", "Raise `budget`", "80 credits spent", str(desk.folder)):
        assert words in notice.json["message"]
    (stopped,) = (one for one in entries(desk.folder / "log.jsonl") if one["event"] == "StoryStopped")
    assert (stopped["level"], stopped["error"]["kind"], stopped["error"]["exit_code"]) == ("error", "CapReached", 5)
    assert KEY not in "".join(ping.body for ping in check.heard + service.heard)


def test_what_ends_a_run_before_any_story_is_told_too(desk):
    story_file(desk.folder, 1)
    with monitor() as check, monitor() as service:
        done = desk.run(
            "run",
            "tale.yaml",
            "--quiet",
            "--ping-url",
            f"{check.origin}/a-check",
            "--metrics-file",
            "nightly.prom",
            STORYCHAIN_NOTIFY=service.origin.replace("http", "json"),
        )
    assert done.returncode == 5
    assert check.paths == ["/a-check/5"]
    assert "--max-credits 40" in check.heard[0].body
    assert service.heard[0].json["title"] == "storychain: not run (exit code 5)"
    assert samples(desk.folder / "nightly.prom")["run_exit_code", ""] == 5
    assert desk.studio.counts()["submits"] == 0


def test_an_interrupted_run_is_told_as_one(desk):
    story_file(desk.folder, 3)
    with monitor() as check:
        told = ("--ping-url", f"{check.origin}/a-check", "--log-file", "log.jsonl", "--metrics-file", "m.prom")
        process = desk.start("run", "tale.yaml", *PAY, *told)
        until(lambda: desk.studio.counts()["accepted"] >= 1)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert check.paths == ["/a-check/start", "/a-check/130"]
    assert entries(desk.folder / "log.jsonl")[-1]["exit_code"] == 130
    assert samples(desk.folder / "m.prom")["run_stories", "stopped"] == 1


def test_a_run_that_finds_its_story_held_says_one_line_and_answers_for_nothing(desk):
    path = story_file(desk.folder, 1)
    with monitor() as check, monitor() as service, held(desk, path):
        told = ("--ping-url", f"{check.origin}/a-check", "--metrics-file", "m.prom", "--log-file", "log.jsonl")
        notify = {"STORYCHAIN_NOTIFY": service.origin.replace("http", "json"), "STORYCHAIN_NOTIFY_ON": "always"}
        done = desk.run("run", "tale.yaml", *PAY, *told, **notify)
    assert (done.returncode, done.stdout) == (75, "")
    (line,) = done.stderr.splitlines()
    assert "another run is rendering this story" in line
    assert check.paths == ["/a-check/log"]
    assert service.heard == []
    assert not (desk.folder / "m.prom").exists()
    assert {one["level"] for one in entries(desk.folder / "log.jsonl")} == {"info"}


def test_a_run_that_does_one_story_and_leaves_another_alone_ends_well(desk):
    story_file(desk.folder, 1, name="ours")
    with monitor() as check, held(desk, story_file(desk.folder, 1, name="theirs")):
        told = ("--ping-url", f"{check.origin}/a-check", "--metrics-file", "m.prom")
        done = desk.run("run", "ours.yaml", "theirs.yaml", *PAY, *told)
    assert done.returncode == 75
    assert len(done.stderr.splitlines()) == 1
    assert check.paths == ["/a-check/start", "/a-check"]
    found = samples(desk.folder / "m.prom")
    assert (found["run_success", ""], found["run_exit_code", ""]) == (1, 75)


def test_to_find_a_film_that_is_there_is_no_work_beside_a_story_that_another_run_holds(desk):
    """That run may hang: whoever waits for a success is not to get one every quarter of an hour."""
    assert desk.run("run", story_file(desk.folder, 1, name="ours"), *PAY).returncode == 0
    with monitor() as check, held(desk, story_file(desk.folder, 1, name="theirs")):
        told = ("--ping-url", f"{check.origin}/a-check", "--metrics-file", "m.prom")
        assert desk.run("run", "ours.yaml", "theirs.yaml", *PAY, *told).returncode == 75
    assert check.paths == ["/a-check/log"]
    assert not (desk.folder / "m.prom").exists()


def test_a_free_preview_tells_only_whom_the_command_line_names(desk):
    story_file(desk.folder, 1)
    with monitor() as check, monitor() as service:
        (desk.folder / "storychain.toml").write_text(
            f'ping_url = "{check.origin}/a-check"\nmetrics_file = "m.prom"\n'
            f'notify = ["{service.origin.replace("http", "json")}"]\nnotify_on = "always"\n'
        )
        preview = ("run", "tale.yaml", "--local", "--scale", "0.125", "--quiet")
        assert desk.run(*preview).returncode == 0
        assert (check.heard, service.heard) == ([], [])
        assert not (desk.folder / "m.prom").exists()
        named = ("--ping-url", f"{check.origin}/another", "--metrics-file", "n.prom", "--notify-on", "always")
        assert desk.run(*preview, *named).returncode == 0
    assert check.paths == ["/another"]
    assert service.heard[0].json["title"] == "storychain: 1 done, free preview"
    assert samples(desk.folder / "n.prom")["run_credits_spent", ""] == 0


def test_the_doctor_says_who_is_told_and_what_is_set_wrongly(desk):
    assert "told        nobody besides who runs it\n" in desk.run("doctor").stdout
    told = {
        "STORYCHAIN_LOG_FILE": "log.jsonl",
        "STORYCHAIN_METRICS_FILE": "m.prom",
        "STORYCHAIN_PING_URL": "https://hc-ping.com/s3cret",
        "STORYCHAIN_NOTIFY": "json://me:s3cret@x",
    }
    done = desk.run("doctor", **told)
    assert "log log.jsonl; the monitor at hc-ping.com; 1 service, after failures; metrics m.prom\n" in done.stdout
    assert "s3cret" not in done.stdout
    assert done.returncode == 0
    wrong = desk.run("doctor", **{**told, "STORYCHAIN_METRICS_FILE": "nowhere/m.prom"})
    assert (wrong.returncode, "its folder is not there" in wrong.stdout) == (2, True)


# The log file


def _event(kind):
    """An event of a kind, every field filled with something of its type that is awkward to write down."""
    signed = "https://x.io/a.mp4?X-Amz-Signature=s3cret"
    values = {
        "str": f"{signed}\u2028\x1b[2J\ud800",
        "str | None": None,
        "float": 1.5,
        "float | None": None,
        "int": 7,
        "int | None": None,
        "bool": True,
        "Decimal": Decimal("12.80"),
        "Decimal | None": Decimal(40),
        "Path": Path("films/夜.mp4"),
        "StorychainError": CapReached(f"at {signed}", where="tale", next_step="Wait."),
        "Quote": Quote(Decimal(40), Decimal(80), 1, 0, 1),
        "tuple[Path, ...]": (Path("a.srt"),),
        "tuple[Step, ...]": (),
        "tuple[float | None, ...]": (None, 2.5),
    }
    return kind(**{field.name: values[field.type] for field in dataclasses.fields(kind)})


@pytest.mark.parametrize("kind", typing.get_args(ev.Event), ids=lambda kind: kind.__name__)
def test_every_kind_of_event_becomes_one_harmless_line(kind):
    line = dumped_line(entry_of(_event(kind), 0.0, "a-run"))
    assert line.count("\n") == 1
    line.encode("utf-8")
    assert "s3cret" not in line
    written = json.loads(line)
    assert (written["event"], written["time"]) == (kind.__name__, "1970-01-01T00:00:00.000Z")
    own = {field.name for field in dataclasses.fields(kind)} - {"message"}
    assert own <= set(written)


def test_what_no_event_holds_yet_is_written_all_the_same():
    odd = dataclasses.replace(ev.Stored("tale", "s1", Path("a.mp4"), float("inf")), path={1, 2})
    assert json.loads(dumped_line(entry_of(odd, 0.0, "a-run")), parse_constant=pytest.fail)["path"] == "{1, 2}"


def test_what_counts_up_many_times_a_second_is_logged_once_a_second_of_each_scene(tmp_path):
    watch, _ = watched(None, log_file=tmp_path / "log.jsonl")
    with watch:
        tell = watch.listening(lambda event: None)
        for size in range(500):
            for scene in ("s1", "s2"):
                tell(ev.Downloading("tale", scene, size, 500))
        tell(ev.Stored("tale", "s1", Path("a.mp4"), 4.0))
    logged = [(one["event"], one["scene"]) for one in entries(tmp_path / "log.jsonl")]
    assert 2 <= logged.count(("Downloading", "s1")) + logged.count(("Downloading", "s2")) < 20
    assert ("Downloading", "s2") in logged
    assert logged[-2:] == [("Stored", "s1"), ("RunEnded", None)]


def test_runs_at_once_share_a_log(desk):
    names = ("one", "two")
    runs = [desk.start("run", story_file(desk.folder, 1, name=name), *PAY, "--log-file", "log.jsonl") for name in names]
    assert [run.communicate(timeout=60)[1] for run in runs] == ["", ""]
    log = entries(desk.folder / "log.jsonl")
    ended = [one for one in log if one["event"] == "RunEnded"]
    assert sorted(one["stories"][0]["story"] for one in ended) == ["one", "two"]
    assert {one["run"] for one in ended} == {one["run"] for one in log}
    assert len(ended) == 2


_WRITER = """
import sys
from pathlib import Path
from storychain.unattended.log_file import LogFile
log = LogFile(Path(sys.argv[1]), print)
for number in range(300):
    log.append('{"who":"%s","number":%d,"filling":"%s"}\\n' % (sys.argv[2], number, sys.argv[2] * (number * 37 % 9000)))
"""


def test_lines_of_runs_that_share_a_file_are_never_torn(tmp_path):
    path = tmp_path / "log.jsonl"
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(path), name], stdout=subprocess.PIPE, text=True)
        for name in "abcd"
    ]
    assert [writer.communicate(timeout=60)[0] for writer in writers] == [""] * 4
    written = entries(path)
    for name in "abcd":
        assert [one["number"] for one in written if one["who"] == name] == list(range(300))


@pytest.mark.parametrize("goes", [lambda path: path.rename(f"{path}.1"), Path.unlink], ids=["moved", "removed"])
def test_a_log_that_was_rotated_away_is_opened_anew(tmp_path, goes):
    path, warned = tmp_path / "log.jsonl", []
    log = LogFile(path, warned.append)
    log.append("{}\n")
    goes(path)
    log.append('{"new":1}\n')
    log.append('{"new":2}\n')
    log.close()
    assert [one["new"] for one in entries(path)] == [1, 2]
    assert warned == []


def test_a_log_that_was_moved_by_renaming_another_over_it_is_opened_anew(tmp_path):
    path, other = tmp_path / "log.jsonl", tmp_path / "other"
    log = LogFile(path, pytest.fail)
    other.write_text("")
    other.rename(path)
    log.append("{}\n")
    log.close()
    assert entries(path) == [{}]


def test_a_full_disk_leaves_whole_lines_and_one_warning(tmp_path):
    path, warned = tmp_path / "log.jsonl", []
    log = LogFile(path, warned.append)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (250, hard))
    try:
        for _ in range(5):
            log.append(f'{{"filling":"{"x" * 80}"}}\n')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(entries(path)) == 2
    assert len(warned) == 1
    log.append("{}\n")
    log.close()
    assert len(entries(path)) == 3


def test_a_log_that_cannot_be_opened_is_told_before_anything_is_spent(desk):
    story_file(desk.folder, 1)
    os.mkfifo(desk.folder / "pipe")
    for name in ("nowhere/log.jsonl", "films/..", "pipe"):
        done = desk.run("run", "tale.yaml", *PAY, "--log-file", name)
        assert done.returncode == 2
        assert "log file cannot be written" in done.stderr
    assert desk.studio.counts()["submits"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"STORYCHAIN_LOG_FILE": "gone/run.log"},
        {"STORYCHAIN_METRICS_FILE": "gone/storychain.prom"},
        {"STORYCHAIN_NOTIFY": "nonsense"},
    ],
)
def test_who_cannot_be_told_is_told_to_the_monitor(desk, wrong):
    path = story_file(desk.folder, 1)
    with monitor() as check:
        done = desk.run("run", path, *PAY, "--quiet", "--ping-url", f"{check.origin}/a-check", **wrong)
    assert done.returncode == 2, done.stderr
    assert check.paths == ["/a-check/2"]
    assert done.stderr.strip().removeprefix("storychain: ").splitlines()[0] in check.heard[0].body
    assert desk.studio.counts()["accepted"] == 0


def test_a_log_that_cannot_be_written_any_more_is_one_warning(desk):
    story_file(desk.folder, 2)
    (desk.folder / "logs").mkdir()
    process = desk.start("run", "tale.yaml", *PAY, "--log-file", "logs/log.jsonl")
    until(lambda: desk.studio.counts()["accepted"] >= 1)
    (desk.folder / "logs").rename(desk.folder / "gone")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(err.splitlines()) == 1
    assert "the run goes on" in err


# The check


def test_a_pings_address_keeps_what_the_check_has():
    run = uuid.uuid4()
    assert address("https://hc.io/p/?create=1", "/start", run.hex) == f"https://hc.io/p/start?create=1&rid={run}"
    assert address("https://me:pw@hc.io/p", "", run.hex) == f"https://me:pw@hc.io/p?rid={run}"


def test_the_last_words_are_whole_lines_and_not_more_than_is_kept():
    text = "\n".join(f"{number} 夜の灯台" for number in range(2000))
    kept = last_bytes(text)
    assert BODY_BYTES - 30 < len(kept) <= BODY_BYTES
    assert text.endswith(kept.decode())
    assert re.match(r"\d+ 夜の灯台\n", kept.decode())
    assert len(last_bytes("夜" * 9000).decode()) == BODY_BYTES // 3


def watched(check_or_url, **told):
    """A watch with nothing but a check, and what it warned of."""
    warned = []
    told = {"where": "here", "free": False, "ping_url": check_or_url, **told}
    return Watch(Told(**told), lambda run: Standing(), warned.append), warned


STORED = ev.Stored("tale", "s1", Path("a.mp4"), 4.0)


def test_a_monitor_that_stumbles_is_asked_again():
    with monitor(503, 200) as check:
        watch, warned = watched(check.origin)
        with watch:
            watch.listening(lambda event: None)(STORED)
    assert (check.paths, warned) == (["/start", "/start", "/"], [])


@pytest.mark.parametrize(("status", "heard"), [(404, 2), (500, 3)])
def test_a_monitor_that_refuses_is_one_warning_without_the_address(status, heard):
    with monitor(status) as check:
        watch, warned = watched(f"{check.origin}/s3cret?k=s3cret")
        with watch:
            watch.listening(lambda event: None)(STORED)
    (words,) = warned
    assert f"127.0.0.1 was not told: it answered {status}" in words
    assert "s3cret" not in words
    assert len(check.heard) == heard


def test_a_monitor_that_is_not_there_is_one_warning_and_delays_nothing(desk):
    story_file(desk.folder, 1)
    done = desk.run("run", "tale.yaml", *PAY, "--ping-url", "http://127.0.0.1:9/s3cret")
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert "Connection refused" in line
    assert "s3cret" not in line


@pytest.mark.slow
def test_a_monitor_that_never_answers_holds_up_nothing_for_long():
    with monitor(silent=60.0) as check:
        watch, warned = watched(check.origin)
        began = time.monotonic()
        with watch:
            watch.listening(lambda event: None)(STORED)
        assert time.monotonic() - began < 13
    assert len(warned) == 1


def test_secrets_stay_out_of_what_is_sent_and_logged(tmp_path):
    with monitor() as check, monitor() as service:
        key, notify = 'an "odd\\key"', f"{service.origin.replace('http', 'json')}/t0ken"
        told = {"log_file": tmp_path / "log.jsonl", "notify": (notify,), "secrets": (key, notify)}
        watch, _ = watched(check.origin, **told)
        tell = watch.listening(lambda event: None)
        with pytest.raises(UsageError), watch:  # noqa: PT012 - what is told before the end matters too
            tell(ev.Noticed("tale", "s1", f"{key} at https://x.io/a?sig=s3cret, {notify}"))
            raise UsageError(f"it said {key}, {notify} and pictai_abc")
    shown = "".join(ping.body for ping in check.heard + service.heard) + (tmp_path / "log.jsonl").read_text()
    assert "it said" in shown
    assert not any(word in shown for word in ("odd", "s3cret", "t0ken", "pictai_abc"))


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (RuntimeError("x"), 1), (ConsentNeeded("x"), 5)], ids=repr
)
def test_however_a_run_ends_the_monitor_is_told(error, code):
    with monitor() as check:
        watch, _ = watched(check.origin)
        with pytest.raises(type(error)), watch:
            raise error
    assert check.paths == [f"/{code}"]


# Notifications


def test_apprise_that_is_missing_is_told_before_anything_is_spent(desk):
    story_file(desk.folder, 1)
    (desk.folder / "without").mkdir()
    (desk.folder / "without" / "apprise.py").write_text("raise ModuleNotFoundError(name='apprise')\n")
    done = desk.run("run", "tale.yaml", *PAY, STORYCHAIN_NOTIFY="json://me:s3cret@x", PYTHONPATH="without")
    assert done.returncode == 2
    assert "pip install 'storychain[notify]'" in done.stderr
    assert "s3cret" not in done.stderr
    assert desk.studio.counts()["submits"] == 0


def test_an_address_that_is_none_is_told_by_its_place(desk):
    story_file(desk.folder, 1)
    done = desk.run("run", "tale.yaml", *PAY, STORYCHAIN_NOTIFY="json://x jsom://me:s3cret@x/t0ken")
    assert done.returncode == 2
    assert "service 2 of `notify` (jsom)" in done.stderr
    assert "s3cret" not in done.stderr
    assert "t0ken" not in done.stderr
    assert desk.studio.counts()["submits"] == 0


def test_a_service_that_fails_is_one_warning_and_the_others_are_told(desk):
    story_file(desk.folder, 1)
    with monitor(500) as broken, monitor() as well:
        notify = [f"{one.origin.replace('http', 'json')}/t0ken" for one in (broken, well)]
        (desk.folder / "storychain.toml").write_text(f"notify = {json.dumps(notify)}\nnotify_on = 'always'\n")
        done = desk.run("run", "tale.yaml", *PAY)
    assert done.returncode == 0
    assert done.stderr == "storychain: service 1 of `notify` (json) could not be notified; the run is not affected\n"
    assert (len(broken.heard), len(well.heard)) == (1, 1)
    assert well.heard[0].json["type"] == "success"


def test_what_apprise_logs_of_addresses_goes_nowhere():
    warned, shown = [], io.StringIO()
    handler = logging.StreamHandler(shown)
    logging.getLogger().addHandler(handler)
    try:
        with monitor(500) as broken:
            service = f"{broken.origin.replace('http', 'json')}/t0ken"
            for thread in Notices([service], warned.append).send("title", "body", well=False):
                thread.join(10)
        with pytest.raises(UsageError):
            Notices(["jsom://x/t0ken"], warned.append)
    finally:
        logging.getLogger().removeHandler(handler)
    assert len(warned) == 1
    assert "t0ken" not in warned[0]
    assert shown.getvalue() == ""


# Metrics


def test_metrics_keep_the_last_success_and_are_readable_by_the_collector(tmp_path):
    path = tmp_path / 'odd "name"\\n.prom'
    mask = os.umask(0o077)
    try:
        with watched(None, metrics_file=path)[0] as watch:
            watch.ended((), 0)
        first = samples(path)
        with pytest.raises(CapReached), watched(None, metrics_file=path)[0]:
            raise CapReached("no more")
    finally:
        os.umask(mask)
    second = samples(path)
    assert first["run_last_success_timestamp_seconds", ""] == first["run_timestamp_seconds", ""]
    assert second["run_last_success_timestamp_seconds", ""] == first["run_timestamp_seconds", ""]
    assert second["run_timestamp_seconds", ""] >= first["run_timestamp_seconds", ""]
    assert (first["run_success", ""], second["run_success", ""], second["run_exit_code", ""]) == (1, 0, 5)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [other.name for other in tmp_path.iterdir()] == [path.name]
    (family, *_) = text_string_to_metric_families(path.read_text())
    assert family.samples[0].labels == {"name": 'odd "name"\\n'}


def test_a_reader_never_sees_half_of_the_metrics(tmp_path):
    path, done = tmp_path / "m.prom", threading.Event()

    def write():
        for _ in range(200):
            with watched(None, metrics_file=path)[0]:
                pass
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    looks = 0
    while not done.is_set():
        assert [other for other in tmp_path.glob("*.prom") if other != path] == []
        if path.exists():
            assert len(samples(path)) == 12
            looks += 1
    writer.join()
    assert looks > 10


def test_metrics_nobody_could_write_or_read_are_refused_before_anything_is_spent(desk):
    story_file(desk.folder, 1)
    (desk.folder / "folder.prom").mkdir()
    for name, words in (("m.txt", "end in .prom"), ("nowhere/m.prom", "is not there"), ("folder.prom", "a folder")):
        done = desk.run("run", "tale.yaml", *PAY, "--metrics-file", name)
        assert done.returncode == 2
        assert words in done.stderr
    assert desk.studio.counts()["submits"] == 0


def test_metrics_that_cannot_be_written_at_the_end_are_one_warning(tmp_path):
    folder = tmp_path / "collector"
    folder.mkdir()
    watch, warned = watched(None, metrics_file=folder / "m.prom")
    with watch:
        folder.rename(tmp_path / "gone")
    (words,) = warned
    assert "m.prom could not be written: No such file or directory" in words


def test_what_waits_for_a_person_is_counted(tmp_path):
    path = tmp_path / "m.prom"
    standing = Standing(Decimal("1.5"), Decimal(200), {"submitted": 3, "unresolved": 2, "stored": 9})
    with Watch(Told("here", free=False, metrics_file=path), lambda run: standing, pytest.fail):
        pass
    found = samples(path)
    assert [found[name, ""] for name in ("run_credits_spent", "ledger_credits_committed")] == [1.5, 200]
    assert [found[name, ""] for name in ("ledger_jobs_in_flight", "ledger_attempts_unresolved")] == [3, 2]


def test_a_held_story_alone_leaves_the_metrics_of_the_run_that_holds_it(tmp_path):
    path = tmp_path / "m.prom"
    path.write_text("theirs")
    with watched(None, metrics_file=path)[0] as watch:
        watch.listening(lambda event: None)(ev.StoryStopped("tale", StoryHeld("held")))
        watch.ended((), 75)
    assert path.read_text() == "theirs"
