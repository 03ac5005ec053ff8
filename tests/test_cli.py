"""The command line as people and scripts meet it: real processes, a real server, the documented contract."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from storychain.ledger import Ledger
from tests.desk import KEY, until
from tests.stage import frames_of, story_file


def test_nothing_is_spent_without_consent_and_the_way_to_consent_is_told(desk):
    story_file(desk.folder, 2)
    done = desk.run("run", "tale.yaml")
    assert done.returncode == 5
    assert done.stdout == ""
    assert "80 credits" in done.stderr
    assert "storychain run tale.yaml --max-credits 80" in done.stderr
    assert desk.studio.counts()["submits"] == 0


@pytest.mark.parametrize("command", ["check", "plan", "status"])
def test_looking_loads_no_media_libraries(desk, command):
    """They take most of the time that such a command has."""
    path = story_file(desk.folder, 2)
    code = "import sys; from storychain.cli import main; main(sys.argv[1:]); print({'av', 'numpy'} & set(sys.modules))"
    argv = [sys.executable, "-c", code, command, str(path)]
    done = subprocess.run(argv, cwd=desk.folder, env=desk.environ(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_cap_below_the_quote_buys_nothing(desk):
    story_file(desk.folder, 2)
    assert desk.run("run", "tale.yaml", "--max-credits", "79.99").returncode == 5
    assert desk.studio.counts()["submits"] == 0


def test_a_run_prints_its_film_and_the_second_run_is_silent_upstream(desk):
    story_file(desk.folder, 2)
    done = desk.run("run", "tale.yaml", "--max-credits", "80")
    assert done.returncode == 0, done.stderr
    film = desk.folder / "films" / "tale.mp4"
    assert done.stdout == f"{film}\n"
    assert frames_of(film) == 2 * 4 * 24
    before = desk.studio.counts()
    again = desk.run("run", "tale.yaml", PICTORY_API_KEY=None)
    assert (again.returncode, again.stdout) == (0, f"{film}\n")
    assert desk.studio.counts() == before


def test_the_document_of_a_run(desk):
    story_file(desk.folder, 2)
    done = desk.run("run", "tale.yaml", "--yes", "--json", "--out", "out put")
    document = json.loads(done.stdout)
    (story,) = document["stories"]
    assert set(story) == {"story", "status", "film", "credits", "segments", "error", "warnings"}
    assert (story["story"], story["status"], story["error"]) == ("tale", "done", None)
    assert story["film"] == str(desk.folder / "out put" / "tale.mp4")
    assert story["credits"] == {"planned": 80, "spent": 80}
    for segment in story["segments"]:
        assert set(segment) == {"scene", "key", "status", "job_id", "path", "credits"}
        assert segment["status"] == "stored"
        assert segment["credits"] == 40
        assert Path(segment["path"]).exists()


def test_the_key_is_nowhere(desk):
    story_file(desk.folder, 1)
    done = desk.run("run", "tale.yaml", "--yes", "-vv")
    assert KEY not in done.stdout + done.stderr
    assert "signature" not in done.stderr.lower()
    for path in desk.folder.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_quiet_is_quiet(desk):
    story_file(desk.folder, 1)
    done = desk.run("run", "tale.yaml", "--yes", "-q")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_run_says_so_and_goes_on_later(desk, number):
    story_file(desk.folder, 3)
    process = desk.start("run", "tale.yaml", "--yes")
    until(lambda: desk.studio.counts()["accepted"] >= 2)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "the same command goes on" in err
    assert desk.run("run", "tale.yaml", "--yes").returncode == 0
    assert desk.studio.counts()["accepted"] == 3


def test_a_killed_run_reads_well_and_goes_on(desk):
    story_file(desk.folder, 3)
    process = desk.start("run", "tale.yaml", "--yes")
    until(lambda: desk.studio.counts()["accepted"] >= 2)
    process.kill()
    process.communicate()
    status = desk.run("status", "tale.yaml")
    assert status.returncode == 0
    assert "A Tale (tale): " in status.stdout
    assert re.search(r"1  s1  (stored|completed)", status.stdout), status.stdout
    document = json.loads(desk.run("status", "--json").stdout)
    assert document["stories"][0]["story"] == "tale"
    assert desk.run("run", "tale.yaml", "--yes").returncode == 0
    assert desk.studio.counts()["accepted"] == 3


@pytest.mark.slow  # three times in the quick tests, by the chain alone
def test_two_runs_at_once_pay_once(desk):
    story_file(desk.folder, 2)
    runs = [desk.start("run", "tale.yaml", "--yes") for _ in range(2)]
    codes = sorted(run.wait(timeout=60) for run in runs)
    errors = "".join(run.communicate()[1] for run in runs)
    assert codes in ([0, 75], [0, 0]), errors
    assert desk.studio.counts()["accepted"] == 2


HEADERS = {"User-Agent": "a-test/1.0", "Authorization": "pictai_somebody_else"}
STRANGERS = {"prompt": "A job of somebody else's.", "model": "veo3.1_fast", "aspectRatio": "16:9", "duration": "4s"}


def in_doubt(desk):
    """Kill a run while its first answer is on its way, and let somebody else use the account meanwhile."""
    faults = httpx.post(f"{desk.studio.origin}/studio/faults", json={"submit.slow": "@1"}, headers=HEADERS)
    faults.raise_for_status()
    process = desk.start("run", "tale.yaml", "--yes")
    until(lambda: desk.studio.counts()["accepted"] == 1)
    process.kill()
    process.communicate()
    httpx.post(f"{desk.studio.base_url}/v1/aistudio/videos", json=STRANGERS, headers=HEADERS).raise_for_status()
    jobs = httpx.get(f"{desk.studio.origin}/studio/jobs", headers=HEADERS).json()
    return next(job["id"] for job in jobs if job["body"]["prompt"] != STRANGERS["prompt"])


@pytest.mark.slow
def test_an_unresolved_scene_is_settled_by_adopting_its_job(desk):
    path = story_file(desk.folder, 2)
    ours = in_doubt(desk)
    stopped = desk.run("run", "tale.yaml", "--yes")
    assert stopped.returncode == 6
    assert ours in stopped.stderr
    assert f"`storychain adopt {path} s1 JOB` or `storychain resubmit {path} s1 --may-pay-twice`" in stopped.stderr
    assert "with the run's" not in stopped.stderr
    planned = json.loads(desk.run("plan", "tale.yaml", "--json").stdout)["stories"][0]
    assert [one["action"] for one in planned["scenes"]] == ["unresolved", "blocked"]
    assert planned["credits"] == 0
    way = f"scene s1 is in doubt: `storychain adopt {path} s1 JOB` says which job it is"
    assert way in planned["warnings"][0]
    assert way in desk.run("status", "tale.yaml").stdout
    theirs = next(job["id"] for job in desk.studio.jobs() if job["id"] != ours)
    other = story_file(desk.folder, [{"id": "s1", "prompt": "Somebody else's scene."}], name="other")
    assert desk.run("adopt", other, "s1", theirs).returncode == 0
    assert f"its request may have started job {ours}. Look" in desk.run("status", "tale.yaml").stdout
    assert desk.run("adopt", "tale.yaml", "s1", "no-such-job").returncode == 2
    assert desk.run("adopt", "tale.yaml", "nobody", ours).returncode == 2
    for _ in range(2):
        assert desk.run("adopt", "tale.yaml", "s1", ours).returncode == 0
    assert desk.run("run", "tale.yaml", "--yes").returncode == 0
    assert desk.studio.counts()["accepted"] == 2 + 1
    adopted, bought = desk.run("status", "tale.yaml").stdout.splitlines()[1:3]
    assert adopted.endswith(f"job {ours}")  # nobody knows how long it took
    assert ", took " in bought


@pytest.mark.slow
def test_an_unresolved_scene_is_bought_again_only_by_a_persons_word(desk):
    story_file(desk.folder, 1)
    in_doubt(desk)
    assert desk.run("run", "tale.yaml", "--yes").returncode == 6
    assert desk.run("resubmit", "tale.yaml", "s1").returncode == 2
    for _ in range(2):
        assert desk.run("resubmit", "tale.yaml", "s1", "--may-pay-twice").returncode == 0
    assert desk.run("run", "tale.yaml", "--yes").returncode == 0
    assert desk.studio.counts()["accepted"] == 2 + 1


def test_local_needs_no_key_no_consent_and_no_network(plain):
    story_file(plain.folder, 2, name="preview")
    done = plain.run("run", "preview.yaml", "--local", "--scale", "0.125", "--json", PICTORY_API_KEY=None)
    assert done.returncode == 0, done.stderr
    (story,) = json.loads(done.stdout)["stories"]
    assert story["credits"] == {"planned": 0, "spent": 0}
    assert frames_of(story["film"]) == 2 * 4 * 24


@pytest.mark.parametrize(
    ("option", "value"),
    [("--port", "99999"), ("--scale", "nan"), ("--scale", "0"), ("--latency", "-1"), ("--latency", "nan")],
)
def test_a_studio_that_cannot_be_is_a_mistake_of_the_command_line(plain, option, value):
    done = plain.run("studio", option, value)
    assert done.returncode == 2, done.stderr
    assert value in done.stderr


def test_names_with_quotes_spaces_newlines_and_other_scripts_are_safe(plain):
    name = 'it\'s "a" tale\n- 夜の灯台 ${x}; rm -rf'
    path = story_file(plain.folder, 1, name=name, title='He said "no"; [x]=\\ 夜')
    done = plain.run("run", str(path), "--local", "--scale", "0.125")
    assert done.returncode == 0, done.stderr
    assert frames_of(plain.folder / "films" / f"{name}.mp4") == 4 * 24


def test_a_key_is_needed_to_spend(plain):
    story_file(plain.folder, 1)
    done = plain.run("run", "tale.yaml", "--yes", PICTORY_API_KEY=None)
    assert done.returncode == 7
    assert "PICTORY_API_KEY" in done.stderr


def test_a_plan_needs_neither_key_nor_network(plain):
    story_file(plain.folder, 100, name="long")
    done = plain.run("plan", "long.yaml", "--json", PICTORY_API_KEY=None)
    (story,) = json.loads(done.stdout)["stories"]
    assert story["credits"] == 4000
    assert len(story["scenes"]) == 100
    for scene in story["scenes"]:
        assert {"scene", "key", "action", "reason", "credits"} <= set(scene)
        assert scene["action"] == "submit"


def test_a_budget_that_does_not_suffice_is_told_before_anybody_is_asked_to_agree(plain):
    path = story_file(plain.folder, 3, name="dear", budget=100)
    words = "the story's budget is 100 credits: 0 are spent, and the rest costs 120"
    assert f"{words}; a run buys nothing\n  To pay for 3 scenes: 120 credits." in plain.run("plan", path).stdout
    (told,) = json.loads(plain.run("plan", path, "--json").stdout)["stories"]
    assert told["warnings"] == [f"{words}; a run buys nothing"]
    refused = plain.run("run", path)
    assert (refused.returncode, "--max-credits" in refused.stderr) == (5, False)
    assert f"dear: {words}\n  Raise `budget` in the story" in refused.stderr
    assert words not in plain.run("plan", path, "--local").stdout
    both = plain.run("run", path, story_file(plain.folder, 1, name="cheap"))
    assert (both.returncode, "--max-credits 40" in both.stderr) == (5, True)


def test_a_plan_shows_prompts(plain):
    story_file(plain.folder, 1, style="In the manner of an old film.")
    done = plain.run("plan", "tale.yaml", "--show-prompts")
    assert "Scene number 1 of a tale by the sea. In the manner of an old film." in done.stdout


def test_an_invalid_story_is_told_with_every_problem(plain):
    (plain.folder / "bad.yaml").write_text("title: x\nmodle: veo3.1\nscenes:\n  - promt: Something\n")
    for command in (["check"], ["plan"], ["run", "--yes"]):
        done = plain.run(*command, "bad.yaml")
        assert done.returncode == 2
        assert "bad.yaml:2:1" in done.stderr
        assert "did you mean 'model'" in done.stderr
        assert "bad.yaml:4:5" in done.stderr
        assert "Traceback" not in done.stderr


def test_two_stories_of_one_name_are_refused(plain):
    for folder in ("a", "b"):
        (plain.folder / folder).mkdir(exist_ok=True)
        story_file(plain.folder / folder, 1)
    done = plain.run("run", "a/tale.yaml", "b/tale.yaml", "--yes")
    assert done.returncode == 2
    assert "tale.mp4" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["run", "tale.yaml", "--max-credit", "5"],
            "storychain run: error: unrecognized arguments: --max-credit 5; did",
        ),
        (["run", "tale.yaml", "--maxcredits=5"], "did you mean --max-credits?"),
        (["plan", "tale.yaml", "--loc"], "did you mean --local?"),
        (["status", "--zzz"], "storychain status: error: unrecognized arguments: --zzz\n"),
        (["install-timer", "--yse"], "--yse; what is meant for `run` stands behind `--`"),
    ],
)
def test_options_are_whole_words_and_the_one_that_was_meant_is_named(plain, words, says):
    done = plain.run(*words)
    assert done.returncode == 2
    assert says in done.stderr


def test_a_new_story_can_be_checked_at_once_and_is_never_overwritten(plain):
    done = plain.run("new", "fresh")
    assert done.stdout == "fresh.yaml\n"
    assert plain.run("check", "fresh.yaml").returncode == 0
    text = (plain.folder / "fresh.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=")
    assert plain.run("new", "fresh").returncode == 2
    assert (plain.folder / "fresh.yaml").read_text() == text


def test_the_schema_is_json(plain):
    schema = json.loads(plain.run("schema").stdout)
    assert "draft-07" in schema["$schema"]


def test_the_doctor_says_which_ffmpeg_and_why(plain):
    done = plain.run("doctor", PICTORY_API_KEY=None)
    assert done.returncode == 0
    assert "STORYCHAIN_FFMPEG says so" in done.stdout
    assert "not set" in done.stdout


def test_the_doctor_says_what_is_wrong_with_the_ledger(tmp_path, plain):
    path = tmp_path / "ledger.sqlite3"

    def doctor():
        return plain.run("doctor", "--workspace", tmp_path, PICTORY_API_KEY=None)

    assert "ledger      none yet" in doctor().stdout
    assert not path.exists()
    with contextlib.closing(Ledger(path)):
        assert doctor().returncode == 0
    assert f"ledger      {path}\n" in doctor().stdout
    with contextlib.closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 999")
    assert (doctor().returncode, "a newer storychain (schema 999)" in doctor().stdout) == (1, True)
    path.write_bytes(b"no database at all, but of the right length" * 100)
    found, planned = doctor(), plain.run("status", "--workspace", tmp_path)
    assert (found.returncode, planned.returncode) == (1, 1)
    assert planned.stderr.removeprefix("storychain: ") in found.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_the_doctor_sees_a_ledger_that_cannot_be_written(tmp_path, plain):
    path = tmp_path / "ledger.sqlite3"
    Ledger(path).close()
    path.chmod(0o444)
    done = plain.run("doctor", "--workspace", tmp_path, PICTORY_API_KEY=None)
    assert done.returncode == 1
    assert "the ledger cannot be written" in done.stdout


@pytest.mark.parametrize("gone", [False, True])
def test_a_ledger_that_has_forgotten_is_told_by_all_who_look(desk, gone):
    story_file(desk.folder, 2)
    assert desk.run("run", "tale.yaml", "--yes").returncode == 0
    before = json.loads(desk.run("plan", "tale.yaml", "--json").stdout)
    assert before["forgotten_attempts"] == 0
    for file in (desk.folder / ".storychain").glob("ledger.sqlite3*"):
        file.unlink()
    if not gone:
        (desk.folder / ".storychain" / "ledger.sqlite3").touch()
    says = "the ledger has forgotten 2 attempts"
    for command in (["plan", "tale.yaml"], ["status"], ["status", "tale.yaml"]):
        done = desk.run(*command)
        assert done.returncode == 0
        assert done.stderr.count(says) == 1
        assert "ever rendered" not in done.stdout
        assert json.loads(desk.run(*command, "--json").stdout)["forgotten_attempts"] == 2
    assert desk.run("plan", "tale.yaml", "--local").stderr == ""
    doctor = desk.run("doctor")
    assert (doctor.returncode, says in doctor.stdout) == (6, True)
    refused = desk.run("run", "tale.yaml", "--yes")
    assert (refused.returncode, says in refused.stderr) == (6, True)
    assert desk.studio.counts()["accepted"] == 2


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_the_commands(plain, shell):
    done = plain.run("completion", shell)
    assert done.returncode == 0
    assert "--max-credits" in done.stdout


WRONG = [[], ["rum"], ["run"], ["run", "x.yaml", "--max-credits", "lots"], ["run", "x", "--jobs", "0"]]


@pytest.mark.parametrize("line", WRONG)
def test_usage_errors_are_two(plain, line):
    done = plain.run(*line)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
