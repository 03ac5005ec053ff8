"""Batches as people run them: folders, lists, tables, parts of stories, deadlines; one's trouble never another's."""

import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from storychain.commands.deadline import deadline_of
from storychain.commands.rendering import _left_behind
from storychain.errors import UsageError
from tests.desk import until
from tests.stage import story_file

NOWHERE = "http://127.0.0.1:9/pictoryapis"


def scenes(*words):
    return [{"id": f"s{n}", "prompt": f"{word} by the sea, quietly."} for n, word in enumerate(words, 1)]


def test_a_folder_is_rendered_and_a_broken_story_in_it_stops_no_other(desk):
    folder = desk.folder / "stories"
    folder.mkdir()
    story_file(folder, scenes("Ada", "Bea"), name="one")
    story_file(folder, scenes("Ada", "Cleo"), name="two")
    (folder / "broken.yaml").write_text("title: x\nscenes:\n  - promt: Something\n")
    (folder / "notes.txt").write_text("not a story")
    done = desk.run("run", folder, "--max-credits", "120", "--json")
    assert done.returncode == 2
    told = {one["story"]: one for one in json.loads(done.stdout)["stories"]}
    assert {name: one["status"] for name, one in told.items()} == {"one": "done", "two": "done", "broken": "stopped"}
    assert "did you mean 'prompt'" in told["broken"]["error"]
    assert "2 of 3 stories done, 120 credits spent" in done.stderr
    assert desk.studio.counts()["accepted"] == 3  # the opening they share is paid once
    metrics = desk.folder / "night.prom"
    again = desk.run("run", folder, "-q", "--metrics-file", metrics, PICTORY_API_BASE_URL=NOWHERE)
    assert 'storychain_run_stories{name="night",status="stopped"} 1' in metrics.read_text()
    assert again.returncode == 2
    assert "2 of 3" not in again.stderr


def test_files_are_read_from_a_list(desk):
    story_file(desk.folder, scenes("Ada"), name="one")
    story_file(desk.folder, scenes("Bea"), name="it's two")
    listed = "one.yaml\n\nit's two.yaml\n./one.yaml\n"
    done = desk.run("run", "-", "--local", stdin=listed)
    assert done.returncode == 0, done.stderr
    assert [line.rpartition("/")[2] for line in done.stdout.splitlines()] == ["one.mp4", "it's two.mp4"]


def test_a_table_makes_a_film_a_row_and_what_rows_share_is_paid_once(desk):
    told = [{"id": "s1", "prompt": "A harbour at dawn."}, {"id": "s2", "prompt": "${who} walks along the quay."}]
    path = story_file(desk.folder, told, vars={"who": "Somebody"})
    table = desk.folder / "rows.csv"
    table.write_text('name;who\nanna;Anna the baker\nberta;\ncarl;"Carl; the ""tall"""\n')
    plan = json.loads(desk.run("plan", path, "--matrix", table, "--json", "--show-prompts").stdout)["stories"]
    assert [(one["story"], one["scenes"][1]["prompt"]) for one in plan] == [
        ("tale-anna", "Anna the baker walks along the quay."),
        ("tale-berta", "Somebody walks along the quay."),
        ("tale-carl", 'Carl; the "tall" walks along the quay.'),
    ]
    done = desk.run("run", path, "--matrix", table, "--max-credits", "160")
    assert done.returncode == 0, done.stderr
    assert [line.rpartition("/")[2] for line in done.stdout.splitlines()] == [
        "tale-anna.mp4",
        "tale-berta.mp4",
        "tale-carl.mp4",
    ]
    assert desk.studio.counts()["accepted"] == 4
    status = json.loads(desk.run("status", path, "--matrix", table, "--json").stdout)["stories"]
    assert [one["status"] for one in status] == ["done"] * 3


def test_a_row_that_makes_no_story_stops_no_other(desk):
    told = [{"id": "s1", "prompt": "A harbour at dawn."}, {"id": "s2", "prompt": "${who} walks."}]
    path = story_file(desk.folder, told, vars={"who": "Somebody"})
    table = desk.folder / "rows.csv"
    table.write_text("name,who\nanna,Anna\nberta,${x}\nc/c,Carl\ndora,D\0ra\nemil,\n")
    done = desk.run("run", path, "--matrix", table, "--max-credits", "120", "--json")
    assert done.returncode == 2
    stories = {one["story"]: one for one in json.loads(done.stdout)["stories"]}
    assert {name: one["status"] for name, one in stories.items()} == {
        "tale-anna": "done",
        "tale-emil": "done",
        "tale-berta": "stopped",
        f"{table}, line 4": "stopped",
        f"{table}, line 5": "stopped",
    }
    assert "a variable inside a variable" in stories["tale-berta"]["error"]
    assert f"{table}, line 4: 'c/c' cannot be part of a file's name" in done.stderr
    assert "2 of 5 stories done" in done.stderr
    assert desk.studio.counts()["accepted"] == 3
    check = desk.run("check", path, "--matrix", table)
    assert check.returncode == 2
    assert [f"line {line}" in check.stderr for line in (3, 4, 5)] == [True, True, True]


def test_what_is_wrong_with_one_row_keeps_no_command_from_another(desk):
    told = [{"id": "s1", "prompt": "A harbour at dawn."}, {"id": "s2", "prompt": "${who} walks."}]
    path = story_file(desk.folder, told, vars={"who": "Somebody"})
    table = desk.folder / "rows.csv"
    table.write_text("name,who\nanna,Anna\n.,Carl\nberta,${x}\n")
    log = desk.folder / "log.jsonl"
    assert desk.run("run", path, "--matrix", table, "--max-credits", "80", "--log-file", log).returncode == 2
    ended = json.loads(log.read_text().splitlines()[-1])
    assert [one["file"] for one in ended["unreadable"]] == [f"{table}, line 3", "tale-berta"]
    assert "as this row sets it, a variable inside a variable" in ended["unreadable"][1]["error"]["what"]
    takes = desk.run("takes", path, "--matrix", table, "--row", "tale-anna")
    assert takes.returncode == 0, takes.stderr
    settled = desk.run("resubmit", path, "s1", "--may-pay-twice", "--matrix", table, "--row", "tale-anna")
    assert "has nothing to settle: it is stored" in settled.stderr
    assert "a variable inside" in desk.run("takes", path, "--matrix", table, "--row", "tale-berta").stderr
    again = desk.run("assemble", path, "--matrix", table)
    assert (again.returncode, again.stdout.count(".mp4\n")) == (2, 1), again.stderr
    check = desk.run("check", path, "--matrix", table)
    assert f"{path} (tale-anna): fine, 2 scenes" in check.stderr
    assert "(tale-anna) · " in desk.run("plan", path, "--matrix", table).stdout


def test_where_no_row_can_be_used_each_is_told(plain):
    path = story_file(plain.folder, [{"prompt": "${who} walks along the quay."}], vars={"who": "Somebody"})
    (plain.folder / "rows.csv").write_text("name,who\n.,Anna\na/b,Berta\n")
    done = plain.run("check", path, "--matrix", "rows.csv")
    assert done.returncode == 2
    assert [f"rows.csv, line {line}: " in done.stderr for line in (2, 3)] == [True, True]


def test_a_row_that_shares_its_opening_with_others_is_new_all_the_same(desk):
    told = [{"id": "s1", "prompt": "A harbour at dawn."}, {"id": "s2", "prompt": "${who} walks."}]
    path = story_file(desk.folder, told, vars={"who": "Somebody"})
    table = desk.folder / "rows.csv"
    table.write_text("name,who\nanna,Anna\n")
    assert desk.run("run", path, "--matrix", table, "--only", "new", "--max-credits", "80").returncode == 0
    table.write_text("name,who\nanna,Anna\nberta,Berta\n")
    done = desk.run("run", path, "--matrix", table, "--only", "new", "--max-credits", "80")
    assert done.stdout.endswith("tale-berta.mp4\n"), done.stderr
    assert desk.studio.counts()["accepted"] == 3
    assert "No story is new" in desk.run("run", path, "--matrix", table, "--only", "new", "--yes").stderr


def test_an_empty_folder_keeps_back_no_other_story(desk):
    story_file(desk.folder, scenes("Ada"), name="one")
    (desk.folder / "later").mkdir()
    done = desk.run("run", "one.yaml", "later", "--local")
    assert (done.returncode, done.stdout.count(".mp4\n")) == (2, 1), done.stderr
    assert "later: is a directory, not a story file" in done.stderr


def test_a_job_that_rows_share_is_one_job_to_whoever_interrupts():
    step = SimpleNamespace(record=SimpleNamespace(state="submitted", job_id="a-job"))
    other = SimpleNamespace(record=SimpleNamespace(state="submitted", job_id="another"))
    outcomes = [SimpleNamespace(steps=[step]), SimpleNamespace(steps=[step, other])]
    assert _left_behind(outcomes, free=False).endswith("that go on at the provider: 2 (a-job, another)")


def test_a_variable_that_is_in_no_text_is_remarked_on(plain):
    told = [{"prompt": "A harbour at dawn."}, {"prompt": "Somebody walks $${who} there, ${there}."}]
    path = story_file(plain.folder, told, vars={"who": "Somebody", "there": "far", "name": "x"})
    (plain.folder / "rows.csv").write_text("who\nAnna\n")
    words = "the variable 'who' is in no text: write ${who} where it is meant"
    for command in ("check", "plan"):
        done = plain.run(command, path, "--matrix", "rows.csv")
        assert done.returncode == 0
        assert (done.stdout + done.stderr).count(words) == 1
        assert (done.stdout + done.stderr).count("is in no text") == 1
    assert words in plain.run("run", path, "--matrix", "rows.csv", "--local").stderr


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("name,whom\na,b\n", "no variable 'whom'"),
        ("who\n", "at least one row"),
        ("who\na,b\n", "line 2 has 2 cells under 1 columns"),
        ("name,who\na,b\na,c\n", "'a' is there 2 times"),
        ("name,who\n../a,b\n", "cannot be part of a file's name"),
        ("who,who\na,b\n", "the column 'who' is there 2 times"),
        ("who\n${x}\n", "line 2"),
        ("name,who\na,Ann\nb,B\0ert\n", "line 3: column 'who' holds the control character U+0000; remove it"),
        ("name,who\na,\x1b[2JAnn\n", "line 2: column 'who' holds the control character U+001B; remove it"),
        ("name,who\na,Ann\x1f\n", "U+001F"),
        ("name,who\n" + "\u2603" * 78 + ",Ann\n", "line 2: the story's name has 239 bytes; at most 236"),
        ("who\nAnn\nZoë\n".encode("latin-1"), "rows.csv: line 3: byte 0xeb is not UTF-8\n  Save the table as UTF-8"),
        ("who\nZoë\n".encode("utf-16")[:-1], "rows.csv: the file is cut off"),
        ("sep=;\nname;who\na\n", "line 3 has 1 cells under 2 columns"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_before_anything_is_spent(plain, table, says):
    path = story_file(plain.folder, [{"prompt": "${who} walks along the quay."}], vars={"who": "Somebody"})
    (plain.folder / "rows.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    done = plain.run("run", path, "--matrix", "rows.csv", "--yes")
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize(
    "raw",
    [
        "name,who\nzoë,Zoë\n".encode("utf-8-sig"),
        "name\twho\r\nzoë\tZoë\r\n".encode("utf-16"),
        "sep=;\r\nname;who\r\nzoë;Zoë\r\n".encode(),
        "sep=\t\nname\twho\nzoë\tZoë\n".encode(),
    ],
    ids=["utf-8 that says so", "utf-16", "a delimiter that is said", "a tab that is said"],
)
def test_a_table_is_read_as_spreadsheets_write_it(plain, raw):
    path = story_file(plain.folder, [{"prompt": "${who} walks along the quay."}], vars={"who": "Somebody"})
    (plain.folder / "rows.csv").write_bytes(raw)
    (one,) = json.loads(plain.run("plan", path, "--matrix", "rows.csv", "--json", "--show-prompts").stdout)["stories"]
    assert (one["story"], one["scenes"][0]["prompt"]) == ("tale-zoë", "Zoë walks along the quay.")


def test_line_breaks_and_tabs_in_a_table_are_what_they_are_in_a_story(plain):
    path = story_file(plain.folder, [{"prompt": "${who} walks along the quay."}], vars={"who": "Somebody"})
    (plain.folder / "rows.csv").write_bytes('who\r\n"Ann\r\nthe\tbaker\u2028of bread"\r\n'.encode())
    plan = json.loads(plain.run("plan", path, "--matrix", "rows.csv", "--json", "--show-prompts").stdout)
    assert plan["stories"][0]["scenes"][0]["prompt"] == "Ann the baker of bread walks along the quay."


def test_a_story_that_cannot_be_called_so_on_disk_stops_no_other_and_costs_nothing(desk):
    folder = desk.folder / "stories"
    folder.mkdir()
    story_file(folder, scenes("Ada"), name="one")
    long = story_file(folder, scenes("Bea"), name="x" * 248)
    latin = os.fsencode(folder) + b"/lat\xe9.yaml"
    os.link(long, latin)
    done = desk.run("run", folder, "--max-credits", "120", "--log-file", "log")
    assert done.returncode == 2, done.stderr
    assert done.stdout.endswith("/one.mp4\n")
    assert "the story's name has 248 bytes; at most 236" in done.stderr
    assert r"lat\udce9.yaml: its name is not written in UTF-8" in done.stderr
    assert "Rename it" in done.stderr
    assert "1 of 3 stories done, 40 credits spent" in done.stderr
    assert desk.studio.counts()["accepted"] == 1
    for command in (["plan"], ["check"], ["run", "--yes"]):
        refused = desk.run(*command, latin.decode(errors="surrogateescape"))
        assert refused.returncode == 2, refused.stderr
        assert "Rename it" in refused.stderr
    listed = b"\n".join([latin, os.fsencode(folder / "one.yaml")])
    (desk.folder / "list").write_bytes(listed)
    with (desk.folder / "list").open() as names:
        process = desk.start("run", "-", "--json", stdin=names)
        told = json.loads(process.communicate(timeout=60)[0])["stories"]
    assert process.returncode == 2
    assert [(one["story"], one["status"]) for one in told] == [("one", "done"), ("lat\udce9", "stopped")]


@pytest.mark.parametrize("out", ["afile", "afile/films", "/proc/x", "ours-not", "\udce9"])
def test_where_no_film_can_be_written_none_is_paid_for(desk, out):
    if out == "ours-not":
        (desk.folder / out).mkdir(mode=0o555)
        if os.geteuid() == 0:
            pytest.skip("root may write everywhere")
    (desk.folder / "afile").touch()
    paths = [story_file(desk.folder, scenes(word), name=word.lower()) for word in ("Ada", "Bea")]
    done = desk.run("run", *paths, "--yes", "--out", out)
    assert done.returncode == 2, done.stderr
    assert "no film can be put there" in done.stderr
    assert done.stderr.count("Let --out name a folder") == 2
    assert desk.studio.counts()["submits"] == 0


def test_a_folder_in_a_films_place_stops_that_film_alone(desk):
    paths = [story_file(desk.folder, scenes(word), name=word.lower()) for word in ("Ada", "Bea")]
    (desk.folder / "films" / "ada.mp4").mkdir(parents=True)
    done = desk.run("run", *paths, "--yes")
    assert done.returncode == 2, done.stderr
    assert done.stdout.endswith("/bea.mp4\n")
    assert "ada.mp4 is a folder" in done.stderr
    assert desk.studio.counts()["accepted"] == 1


def test_what_is_paid_is_brought_home_even_if_no_film_can_be_written(desk):
    path = story_file(desk.folder, scenes("Ada", "Bea"))
    process = desk.start("run", path, "--yes")
    until(lambda: desk.studio.counts()["accepted"] == 1)
    process.kill()
    process.communicate()
    (desk.folder / "afile").touch()
    assert desk.run("run", path, "--yes", "--out", "afile").returncode == 2
    desk.run("run", path, "--resume-only", "--out", "afile")
    assert "1  s1  stored" in desk.run("status", path).stdout
    assert desk.studio.counts()["accepted"] == 1


def test_a_name_as_long_as_is_allowed_leaves_room_for_all_that_is_made(desk):
    name = "x" * 236
    film = {"formats": ["web", "9:16"], "poster": True, "contact_sheet": True, "subtitles": "soft", "loudness": "off"}
    told = [{"id": "s1", "prompt": "A harbour at dawn.", "caption": "Dawn."}]
    path = story_file(desk.folder, told, name=name, film=film)
    paid = desk.run("run", path, "--yes")
    assert paid.returncode == 0, paid.stderr
    preview = desk.run("run", path, "--local", "--scale", "0.125")
    assert preview.returncode == 0, preview.stderr
    assert preview.stdout.endswith(f"/{name}.preview.mp4\n")
    made = {one.name.removeprefix(name) for one in (desk.folder / "films").iterdir()}
    assert {".mp4", ".preview.poster.jpg", ".preview.lock.json", ".preview.web.mp4"} <= made
    assert max(map(len, made)) == 255 - 236


def test_a_link_that_leads_nowhere_is_a_story_that_cannot_be_read(desk):
    folder = desk.folder / "stories"
    folder.mkdir()
    story_file(folder, scenes("Ada"), name="one")
    (folder / "gone.yaml").symlink_to("elsewhere.yaml")
    (folder / ".#one.yaml").symlink_to("somebody@a-machine.1234")  # an editor's
    done = desk.run("run", folder, "--max-credits", "40")
    assert done.returncode == 2, done.stderr
    assert done.stdout.endswith("/one.mp4\n")
    assert "stories/gone.yaml: is a link that leads nowhere" in done.stderr
    assert "It points to elsewhere.yaml" in done.stderr
    assert "1 of 2 stories done" in done.stderr
    for path in ("x" * 5000, "no\0thing"):
        listed = desk.run("run", "-", "--json", stdin=f"{path}\nstories/one.yaml\n")
        assert listed.returncode == 2, listed.stderr
        assert [one["status"] for one in json.loads(listed.stdout)["stories"]] == ["done", "stopped"]
    named = desk.run("check", "stories/gone.yaml")
    assert named.returncode == 2
    assert "is a link that leads nowhere" in named.stderr
    assert "Did you mean" not in named.stderr


def test_a_file_is_one_story_whichever_way_leads_to_it(plain):
    story_file(plain.folder, scenes("Ada"), name="one")
    (plain.folder / "d").mkdir()
    (plain.folder / "d" / "one.yaml").symlink_to("../one.yaml")
    (plain.folder / "other.yaml").symlink_to("one.yaml")
    done = plain.run("plan", "one.yaml", "d/../one.yaml", "d/one.yaml", "other.yaml", "--json")
    assert done.returncode == 0, done.stderr
    assert [one["story"] for one in json.loads(done.stdout)["stories"]] == ["one", "other"]


def test_names_with_colons_may_be_selected(desk):
    path = story_file(desk.folder, [*scenes("Ada"), {"id": "00", "prompt": "A harbour, quietly."}], name="ad")
    table = desk.folder / "rows.csv"
    table.write_text("name\n06:00\n06\n")
    one = desk.run("run", path, "--matrix", table, "--select", "ad-06:00", "--max-credits", "80")
    assert (one.returncode, one.stdout.count("\n")) == (0, 1), one.stderr
    assert one.stdout.endswith("/ad-06:00.mp4\n")
    part = desk.run("run", path, "--matrix", table, "--select", "ad-06:00:s1", "--select", "ad-06:s1")
    assert part.returncode == 0, part.stderr
    assert "no scene 's9'" in desk.run("run", path, "--matrix", table, "--select", "ad-06:00:s9", "--yes").stderr
    unknown = desk.run("run", path, "--matrix", table, "--select", "ad-07:00", "--yes")
    assert unknown.returncode == 2
    assert "no story 'ad-07'" in unknown.stderr


def test_parts_of_stories_are_bought_and_the_price_is_theirs(desk):
    path = story_file(desk.folder, scenes("Ada", "Bea", "Cleo"))
    other = story_file(desk.folder, scenes("Dora"), name="other")
    early = desk.run("run", path, other, "--select", "tale:s2+", "--yes")
    assert early.returncode == 2
    assert "--select tale:+s2" in early.stderr
    refused = desk.run("run", path, other, "--select", "tale:+s2")
    assert refused.returncode == 5
    assert "To pay for 2 scenes: 80 credits" in refused.stderr
    done = desk.run("run", path, other, "--select", "tale:+s2", "--max-credits", "80")
    assert (done.returncode, done.stdout) == (0, "")
    assert "left without a film: not bought, as asked: s3" in done.stderr
    assert desk.studio.counts()["accepted"] == 2
    rest = desk.run("run", path, other, "--select", "tale.yaml:s3+", "--max-credits", "40")
    assert rest.returncode == 0
    assert rest.stdout.endswith("tale.mp4\n")
    assert desk.studio.counts()["accepted"] == 3
    assert "no scene 's9'" in desk.run("run", path, "--select", "tale:s9", "--yes").stderr
    assert "no story 'tail'" in desk.run("run", path, "--select", "tail", "--yes").stderr


def test_what_is_paid_is_finished_without_consent(desk):
    path = story_file(desk.folder, scenes("Ada", "Bea"))
    assert desk.run("run", path, "--select", "tale:s1", "--yes").returncode == 0
    done = desk.run("run", path, "--resume-only")
    assert (done.returncode, done.stdout) == (0, "")
    assert desk.studio.counts()["accepted"] == 1


def test_the_document_of_a_run_names_the_price_of_what_it_may_buy(desk):
    path = story_file(desk.folder, scenes("Ada", "Bea", "Cleo"))

    def credits_(*options):
        return json.loads(desk.run("run", path, "--json", *options).stdout)["stories"][0]["credits"]

    assert credits_("--resume-only") == {"planned": 0, "spent": 0}
    assert credits_("--select", "tale:s1", "--max-credits", "40") == {"planned": 40, "spent": 40}
    done = json.loads(desk.run("assemble", path, "--json").stdout)["stories"][0]
    assert done["credits"] == {"planned": 0, "spent": 0}


def test_only_stories_in_a_state(desk):
    paths = [story_file(desk.folder, scenes(word, "Zoe"), name=word.lower()) for word in ("Ada", "Bea")]
    assert desk.run("run", *paths, "--select", "ada:s1", "--yes").returncode == 0
    new = desk.run("run", *paths, "--only", "new", "--max-credits", "80")
    assert new.stdout.endswith("bea.mp4\n")
    rest = desk.run("run", *paths, "--only", "unfinished", "--max-credits", "40")
    assert rest.stdout.endswith("ada.mp4\n")
    nothing = desk.run("run", *paths, "--only", "failed", "--yes")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "No story is failed" in nothing.stderr


@pytest.fixture
def berlin():
    """This process in Berlin, where the clocks change on 29 March and 25 October 2026."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.parametrize(
    ("said", "now", "meant"),
    [
        ("06:00", "2026-11-25T22:00+01:00", "2026-11-26T06:00+01:00"),
        ("06:00", "2026-11-25T05:59+01:00", "2026-11-25T06:00+01:00"),
        ("06:00", "2026-11-25T06:00+01:00", "2026-11-26T06:00+01:00"),
        ("06:00", "2026-10-24T22:00+02:00", "2026-10-25T06:00+01:00"),
        ("06:00", "2026-03-28T22:00+01:00", "2026-03-29T06:00+02:00"),
        ("02:30", "2026-03-28T22:00+01:00", "2026-03-29T02:30+01:00"),
        ("02:30", "2026-10-24T22:00+02:00", "2026-10-25T02:30+02:00"),
        ("02:30", "2026-10-25T02:45+02:00", "2026-10-26T02:30+01:00"),
        ("2026-11-26T06:00", "2026-11-25T22:00+01:00", "2026-11-26T06:00+01:00"),
        ("2026-11-26T06:00Z", "2026-11-25T22:00+01:00", "2026-11-26T07:00+01:00"),
        ("90m", "2026-03-29T01:00+01:00", "2026-03-29T03:30+02:00"),
    ],
)
def test_a_deadline_is_the_moment_people_mean(berlin, said, now, meant):
    moment = datetime.datetime.fromisoformat
    assert deadline_of(said, moment(now).timestamp()) == moment(meant).timestamp()


@pytest.mark.parametrize("said", ["6", "25:00", "tomorrow", "2026-11-24T06:00", "2026-11-26", ""])
def test_what_is_no_deadline_is_refused(berlin, said):
    with pytest.raises(UsageError):
        deadline_of(said, datetime.datetime.fromisoformat("2026-11-25T22:00+01:00").timestamp())


@pytest.mark.rest
def test_many_stories_need_no_more_open_files_than_few(tmp_path):
    """Fewer than any system allows; the studio beside them has as few."""
    bench = Path(__file__).with_name("bench_batch.py")
    command = [sys.executable, bench, "--stories", "200", "--scenes", "2", "--seconds", "2", "--lanes", "4"]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 160 && exec "$@"', "sh", *command, "--only", "chain"],
        capture_output=True,
        text=True,
        env=environ,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "allowed" in done.stdout
    assert "0 calls" in done.stdout


def test_a_file_that_is_no_story_hides_no_other_from_plan_and_status(plain):
    folder = plain.folder / "mixed"
    folder.mkdir()
    story_file(folder, 2, name="good")
    (folder / "bad.yaml").write_text("title: x\n")
    for command, says in (("plan", "To pay for 2 scenes: 80"), ("status", "0 of 2 segments here")):
        told = plain.run(command, folder)
        assert (told.returncode, says in told.stdout) == (2, True), told.stdout
        assert "scenes: is missing" in told.stderr
        document = json.loads(plain.run(command, folder, "--json").stdout)
        assert [one["story"] for one in document["stories"]] == ["good"]
        assert [one["file"] for one in document["unreadable"]] == [str(folder / "bad.yaml")]


def test_an_empty_list_on_stdin_is_said(plain):
    done = plain.run("run", "-", "--yes", stdin="")
    assert (done.returncode, done.stderr) == (0, "The list on stdin is empty; nothing to do.\n")
    assert plain.run("run", "-", "--yes", "-q", stdin="").stderr == ""
