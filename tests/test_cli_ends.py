"""How commands end when who started them is gone, interrupts them, or asks for what cannot be."""

import json
import signal
import subprocess
import sys

import httpx
import pytest

from tests.desk import KEY, until
from tests.stage import frames_of, story_file

HEADERS = {"User-Agent": "a-test/1.0", "Authorization": KEY}


def test_what_is_paid_goes_on_where_nobody_reads_what_is_told(desk):
    story_file(desk.folder, 2)
    process = desk.start("run", "tale.yaml", "--yes", "--log-file", "log", "--metrics-file", "night.prom")
    assert "2 scenes" in process.stderr.readline()
    process.stderr.close()
    assert process.wait(timeout=120) == 0
    with process.stdout as told:
        assert told.read().endswith("tale.mp4\n")
    assert frames_of(desk.folder / "films" / "tale.mp4") == 2 * 4 * 24
    assert json.loads((desk.folder / "log").read_text().splitlines()[-1])["stories"][0]["status"] == "done"
    assert 'run_stories{name="night",status="done"} 1' in (desk.folder / "night.prom").read_text()


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_nobody_has_to_listen_at_all(desk, closed):
    story_file(desk.folder, 1)
    command = [
        "sh",
        "-c",
        f'exec "$@" {closed}',
        "sh",
        sys.executable,
        "-m",
        "storychain",
        "run",
        "tale.yaml",
        "--local",
    ]
    told = subprocess.run(
        [*command, "--scale", "0.125"], cwd=desk.folder, env=desk.environ(), capture_output=True, text=True, check=False
    )
    assert (told.returncode, "bug" in told.stderr, "Traceback" in told.stderr) == (0, False, False), told.stderr
    assert frames_of(desk.folder / "films" / "tale.mp4") == 4 * 24


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_was_done_when_others_were_interrupted_is_told_as_done(desk, number):
    for name in ("one", "two"):
        scenes = [{"id": f"s{n}", "prompt": f"Part {n} of the tale called {name}."} for n in range(1, 5)]
        story_file(desk.folder, scenes[: 1 if name == "one" else 4], name=name)
    before = signal.signal(number, signal.SIG_DFL)  # whatever these tests themselves are told to ignore
    process = desk.start("run", "one.yaml", "two.yaml", "--yes", "--jobs", "1", "--json")
    signal.signal(number, before)
    until((desk.folder / "films" / "one.lock.json").exists)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    told = {
        one["story"]: (one["status"], one["film"] and one["film"].rpartition("/")[2])
        for one in json.loads(out)["stories"]
    }
    assert told == {"one": ("done", "one.mp4"), "two": ("stopped", None)}
    assert "1 of 2 stories done" in err


def test_under_nohup_a_terminal_that_goes_is_no_reason_to_stop(desk):
    story_file(desk.folder, 2)
    process = subprocess.Popen(
        ["nohup", sys.executable, "-m", "storychain", "run", "tale.yaml", "--yes"],
        cwd=desk.folder,
        env=desk.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: desk.studio.counts()["accepted"] >= 1)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=120) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "tale.yaml", "--yes", "--workspace", ""], "--workspace is empty"),
        (["run", "tale.yaml", "--yes", "--out", ""], "--out is empty"),
        (["run", "", "--yes"], "a story's name is empty"),
        (["run", "tale.yaml", "--yes", "--matrix", ""], "--matrix is empty"),
        (["run", "tale.yaml", "--yes", "--deadline", ""], "'' is no moment"),
        (["run", "tale.yaml", "--yes", "--deadline", "0001-01-01T00:00"], "no clock will ever show it"),
    ],
)
def test_what_is_empty_means_nothing_and_is_refused(plain, arguments, says):
    story_file(plain.folder, 1)
    done = plain.run(*arguments)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert not (plain.folder / "ledger.sqlite3").exists()


def test_quiet_is_quiet_where_nothing_is_to_be_done(plain):
    story_file(plain.folder, 1)
    done = plain.run("run", "tale.yaml", "--only", "failed", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("command", ["run", "plan", "status"])
def test_a_refusal_is_a_document_too(plain, command):
    (plain.folder / "bad.yaml").write_text("title: x\nscenes:\n  - promt: Something\n")
    done = plain.run(command, "bad.yaml", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["stories"], told["exit_code"]) == (2, [], 2)
    assert "did you mean 'prompt'" in told["error"]


@pytest.mark.parametrize("line", [["tale.yaml", "--bogus"], ["tale.yaml", "--max-credits", "lots"], []])
def test_a_command_line_that_means_nothing_is_a_document_too(plain, line):
    done = plain.run("run", *line, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["stories"], told["exit_code"]) == (2, [], 2)
    assert f"error: {told['error']}" in done.stderr
    assert plain.run("run", *line, "--bogus").stdout == ""


def test_the_first_line_of_a_run_quotes_what_it_may_buy(desk):
    scenes = [{"id": f"s{n}", "prompt": f"Part {n} of a tale by the sea."} for n in (1, 2, 3)]
    done = desk.run("run", story_file(desk.folder, scenes), "--select", "tale:+s2", "--max-credits", "80")
    assert done.returncode == 0, done.stderr
    assert "3 scenes. To pay for 2 scenes: 80 credits" in done.stderr


def test_what_is_lost_of_a_rows_film_is_settled_by_naming_the_table(desk):
    told = [{"id": "s1", "prompt": "${who} walks along the quay."}]
    story_file(desk.folder, told, vars={"who": "Somebody"})
    (desk.folder / "rows.csv").write_text("name,who\nanna,Anna\nberta,Berta\n")
    row = ["tale.yaml", "--matrix", "rows.csv"]
    assert desk.run("run", *row, "--max-credits", "80").returncode == 0
    lost = next(job["id"] for job in desk.studio.jobs() if "Berta" in job["body"]["prompt"])
    httpx.delete(f"{desk.studio.base_url}/v1/jobs/{lost}/clean", headers=HEADERS).raise_for_status()
    (segment,) = (
        one["segments"][0]["path"]
        for one in json.loads(desk.run("status", *row, "--json").stdout)["stories"]
        if one["story"] == "tale-berta"
    )
    (desk.folder / segment).unlink()
    (desk.folder / "films" / "tale-berta.mp4").unlink()
    stopped = desk.run("run", *row, "--max-credits", "80")
    assert stopped.returncode == 6, stopped.stderr
    rows = desk.folder / "rows.csv"
    command = f"resubmit {desk.folder / 'tale.yaml'} s1 --may-pay-twice --matrix {rows} --row tale-berta"
    assert f"`storychain {command}` buys it again" in stopped.stderr
    settled = desk.run("resubmit", "tale.yaml", "s1", "--matrix", "rows.csv", "--may-pay-twice")
    assert "will be bought again by the next run" in settled.stderr
    unclear = desk.run("resubmit", "tale.yaml", "s1", "--matrix", "rows.csv", "--row", "tale-carl", "--may-pay-twice")
    assert unclear.returncode == 2
    assert desk.run("run", *row, "--max-credits", "40").returncode == 0
    assert desk.studio.counts()["accepted"] == 3
