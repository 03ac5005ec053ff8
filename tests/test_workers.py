"""Workers: stories ordered anywhere, rendered by whoever is up, paid once whatever becomes of a worker.

Each worker is a process with a folder of its own, as on a machine of its own; they share a database and a provider.
"""

import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from storychain.ledger import MOST_BEGUN, Ledger
from tests.cluster import BINARIES, MISSING
from tests.desk import KEY, Desk, Studio, until
from tests.stage import FFMPEG, story_file
from tests.telling import REST

pytestmark = pytest.mark.skipif(BINARIES is None, reason=MISSING)


OPTIONS = {"retry_failed": False, "buys": True, "scenes": None, "deadline": None}


class Crew:
    """A desk where stories are ordered, and workers elsewhere."""

    def __init__(self, folder, studio, url, stack, **environ):
        self.folder = folder
        self.studio = studio
        self._environ = {"STORYCHAIN_URL": url, "STORYCHAIN_LEASE": "2", **environ}
        self.url = url
        self._stack = stack
        self.desk = self.place("desk")

    def place(self, name):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        crew = self._environ

        class Place(Desk):
            def environ(self, **changes):
                return super().environ(**{**crew, **changes})

        return Place(folder, self.studio)

    def worker(self, name, **environ):
        """A worker that takes stories by now; its words are in a file."""
        place = self.place(name)
        log = (place.folder / "log").open("w")
        command = [sys.executable, "-m", "storychain", "worker"]
        process = subprocess.Popen(
            command, cwd=place.folder, env=place.environ(**environ), stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        log.close()
        self._stack.callback(end, process)
        until(lambda: "takes stories" in self.said(name))
        return process

    def said(self, name):
        return (self.folder / name / "log").read_text()


def end(process):
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()


@contextmanager
def opened_crew(folder, database, *options, **environ):
    home = folder / "studio"
    home.mkdir()
    with ExitStack() as stack:
        studio = Studio(home, *options)
        stack.callback(studio.close)
        yield Crew(folder, studio, database, stack, **environ)


@pytest.fixture
def crew(tmp_path, database):
    with opened_crew(tmp_path, database) as crew:
        yield crew


def test_a_story_is_ordered_rendered_elsewhere_and_told_as_if_here(crew):
    worker = crew.worker("machine-1")
    path = story_file(crew.desk.folder, 2)
    done = crew.desk.run("run", path, "--max-credits", "80", "--json")
    assert done.returncode == 0, done.stderr
    (story,) = json.loads(done.stdout)["stories"]
    assert (story["status"], story["error"], story["credits"]) == ("done", None, {"planned": 80, "spent": 80})
    assert story["film"] == str(crew.folder / "machine-1" / "films" / "tale.mp4")
    assert Path(story["film"]).stat().st_size > 1000
    assert [one["status"] for one in story["segments"]] == ["stored", "stored"]
    again = crew.desk.run("run", path, "--max-credits", "0")
    assert (again.returncode, again.stdout) == (0, story["film"] + "\n")
    assert crew.studio.counts()["accepted"] == 2
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=20) == 0
    assert not (crew.desk.folder / "films").exists()


@pytest.mark.slow
@pytest.mark.rest
def test_without_consent_nothing_is_ordered_and_what_was_agreed_to_holds_at_the_workers(crew):
    path = story_file(crew.desk.folder, 2)
    refused = crew.desk.run("run", path)
    assert refused.returncode == 5
    assert "--max-credits 80" in refused.stderr
    assert crew.desk.run("run", path, "--max-credits", "79").returncode == 5
    crew.worker("machine-1", STORYCHAIN_MAX_CREDITS_PER_DAY="50")
    capped = crew.desk.run("run", path, "--max-credits", "80")
    assert capped.returncode == 5, capped.stderr
    assert "the day's cap" in capped.stderr
    assert crew.studio.counts()["accepted"] == 1


@pytest.mark.slow
@pytest.mark.rest
def test_files_that_workers_do_not_have_are_refused_before_anything_is_ordered(crew):
    (crew.desk.folder / "start.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 100)
    path = story_file(crew.desk.folder, 1, start={"image": "start.png"})
    refused = crew.desk.run("run", path, "--yes")
    assert refused.returncode == 2
    assert "workers on other machines do not have" in refused.stderr
    assert "--here" in refused.stderr


@pytest.mark.slow
@pytest.mark.rest
def test_orders_wait_for_a_worker_and_several_workers_share_them(crew):
    paths = [story_file(crew.desk.folder, 2, name=f"tale-{n}") for n in range(4)]
    for n, path in enumerate(paths):
        path.write_text(path.read_text().replace("Scene number", f"Tale {n}, scene"))
    following = crew.desk.start("run", *paths, "--yes", "--json")
    for name in ("machine-1", "machine-2"):
        crew.worker(name, STORYCHAIN_JOBS="2")
    out, err = following.communicate(timeout=60)
    assert following.returncode == 0, err
    films = {story["film"] for story in json.loads(out)["stories"]}
    assert len(films) == 4
    assert crew.studio.counts()["accepted"] == 8
    assert all(any(f"/machine-{n}/" in film for film in films) for n in (1, 2)), films


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=REST),
        pytest.param(signal.SIGSTOP, marks=REST),
    ],
)
def test_a_worker_that_goes_away_leaves_its_story_to_another(crew, how):
    path = story_file(crew.desk.folder, 4)
    first = crew.worker("machine-1")
    following = crew.desk.start("run", path, "--yes")
    until(lambda: crew.studio.counts()["accepted"] >= 2)
    first.send_signal(how)
    crew.worker("machine-2")
    out, err = following.communicate(timeout=60)
    assert following.returncode == 0, err + crew.said("machine-2")
    assert out == f"{crew.folder / 'machine-2' / 'films' / 'tale.mp4'}\n"
    if how == signal.SIGSTOP:
        first.send_signal(signal.SIGCONT)
        lost = ("taken over", "held")
        until(lambda: any(word in crew.said("machine-1") for word in lost), said=lambda: crew.said("machine-1"))
        again = crew.desk.run("run", story_file(crew.desk.folder, 1, name="another"), "--yes")
        assert again.returncode == 0, again.stderr
    assert crew.studio.counts()["accepted"] == 4


def test_an_order_that_no_worker_has_taken_gives_way_to_other_words(crew):
    """Nobody buys what was thought better of; who ordered it, or renders the story here, has changed their mind."""
    path = story_file(crew.desk.folder, 1)
    ordered = ("run", path, "--max-credits", 40)
    first = crew.desk.start(*ordered)
    with closing(Ledger(crew.folder / "ledger.sqlite3", url=crew.url)) as ledger:
        until(ledger.orders.open)
        told = crew.desk.run("status", path)
        assert "ordered for up to 40 credits, no worker has taken it; " in told.stdout
        second = crew.desk.start(
            "run", story_file(crew.desk.folder, [{"id": "s1", "prompt": "In other words."}]), "--yes"
        )
        _, err = first.communicate(timeout=60)
        assert (first.returncode, "it was ordered anew, in other words" in err) == (75, True), err
        here = crew.desk.run("run", path, "--here", "--yes")
        assert (here.returncode, "the order is taken back" in here.stderr) == (0, True), here.stderr
        second.communicate(timeout=60)
        assert second.returncode == 75
        assert not ledger.orders.open()
        crew.worker("machine-1")
        assert crew.desk.run("run", path, "--yes").returncode == 0
    assert [job["body"]["prompt"] for job in crew.studio.jobs()] == ["In other words."]


@pytest.mark.slow
@pytest.mark.rest
def test_a_story_that_fails_at_a_worker_fails_as_it_would_here(tmp_path, database):
    with opened_crew(tmp_path, database, "--fault", "job.failed=@2") as crew:
        crew.worker("machine-1")
        done = crew.desk.run("run", story_file(crew.desk.folder, 3), "--yes", "--json")
        assert done.returncode == 3, done.stderr
        assert done.stderr.count("tale/s2: failed") == 1, done.stderr
        (story,) = json.loads(done.stdout)["stories"]
        assert story["status"] == "failed"
        assert "--retry-failed" in story["error"]
        assert [one["status"] for one in story["segments"]] == ["stored", "failed", "planned"]


@pytest.mark.slow
@pytest.mark.rest
def test_who_is_interrupted_while_following_may_follow_again(crew, cluster, database, tmp_path):
    path = story_file(crew.desk.folder, 2)
    following = crew.desk.start("run", path, "--yes")
    with cluster.connect(database.rpartition("/")[2]) as rows:
        until(lambda: rows.execute("SELECT to_regclass('storychain_queue.pgqueuer')").fetchone()[0])
        until(lambda: rows.execute("SELECT COUNT(*) FROM storychain_queue.pgqueuer").fetchone()[0])
    time.sleep(2)  # it is offered: what follows is looking
    following.send_signal(signal.SIGINT)
    _, err = following.communicate(timeout=20)
    assert following.returncode == 130
    assert "the same command follows it again" in err
    with closing(Ledger(tmp_path / "ledger.sqlite3", url=database)) as ledger:
        ledger.orders.begin(ledger.orders.open()[0].id, "machine-1")
    path.write_text(path.read_text().replace("A Tale", "Another Tale"))
    other = crew.desk.run("run", path, "--yes")
    assert other.returncode == 75
    path.write_text(path.read_text().replace("Another Tale", "A Tale"))
    crew.worker("machine-1")
    assert crew.desk.run("run", path, "--yes").returncode == 0
    assert crew.studio.counts()["accepted"] == 2


@pytest.mark.slow
@pytest.mark.rest
def test_who_follows_is_told_each_change_once(tmp_path, database):
    with opened_crew(tmp_path, database, "--fault", "submit.503=@1") as crew:
        crew.worker("machine-1")
        done = crew.desk.run("run", story_file(crew.desk.folder, 3), "--yes")
        assert done.returncode == 0, done.stderr
        told = [line.partition(" ")[2] for line in done.stderr.splitlines()]
        assert len(told) == len(set(told)), done.stderr
        assert all(sum(f"tale/s{n}: stored" in line for line in told) == 1 for n in (1, 2, 3)), done.stderr


@pytest.mark.slow
@pytest.mark.rest
def test_an_order_that_workers_die_of_is_closed_and_one_that_gets_on_is_not(crew, database, tmp_path):
    fatal, fine = story_file(crew.desk.folder, 1, name="fatal"), story_file(crew.desk.folder, 2, name="fine")
    with closing(Ledger(tmp_path / "ledger.sqlite3", url=database)) as ledger:
        placed = {
            path.stem: ledger.orders.place("pictory", path.stem, path.read_text(), run="r", cap=None, options=OPTIONS)
            for path in (fatal, fine)
        }
        for name, order in placed.items():
            for number in range(MOST_BEGUN):
                ledger.orders.begin(order.id, f"machine that dies {number}")
                if name == "fine" and number == MOST_BEGUN - 2:
                    ledger.orders.seen(order.id, most=1)
        assert [ledger.orders.get(order.id).begun for order in placed.values()] == [MOST_BEGUN, 2]
        crew.worker("machine-1")
        until(lambda: all(ledger.orders.get(order.id).state != "open" for order in placed.values()))
        ended = {name: ledger.orders.get(order.id) for name, order in placed.items()}
    assert (ended["fine"].state, ended["fatal"].state) == ("done", "stopped")
    assert "none of them ended it" in ended["fatal"].outcome["error"]["what"]
    assert crew.studio.counts()["accepted"] == 2


@pytest.mark.slow
@pytest.mark.rest
def test_workers_that_end_while_a_story_waits_do_not_count_against_it(tmp_path, database):
    with (
        opened_crew(tmp_path, database, "--latency", "25", STORYCHAIN_JOBS="2") as crew,
        closing(Ledger(tmp_path / "ledger.sqlite3", url=database)) as ledger,
    ):

        def placed(name):
            told = [{"id": "sea", "prompt": f"A sea that is {name}."}]
            text = story_file(crew.desk.folder, told, name=name).read_text()
            return ledger.orders.place("pictory", name, text, run="r", cap=None, options=OPTIONS).id

        def stands(number, process):
            order = ledger.orders.get(number)
            return (order.worker.partition(":")[2], order.begun) == (str(process.pid), 0)

        def waits(number, process):
            until(lambda: stands(number, process))

        waiting = [placed(f"for-its-job-{number}") for number in (1, 2)]
        first = crew.worker("machine-1")
        for number in waiting:
            waits(number, first)
        until(lambda: crew.studio.counts()["accepted"] == 2)
        turn = placed("for-its-turn")
        for number in range(3):
            second = crew.worker(f"machine-2-{number}")
            waits(turn, second)
            second.kill()
        first.kill()
        third = crew.worker("machine-3")
        for order in ledger.orders.open():
            until(lambda number=order.id: stands(number, third) or ledger.orders.get(number).state == "done")
        until(lambda: not ledger.orders.open())
        assert [(order.state, order.begun) for order in map(ledger.orders.get, range(1, 4))] == [("done", 1)] * 3
        assert crew.studio.counts()["accepted"] == 3


TEMPLATED = """title: For ${who}
model: veo3.1_fast
vars: {who: nobody}
scenes:
  - {id: sea, prompt: "The sea at dusk.", duration: 4}
  - {id: letter, prompt: "A letter for ${who} in the sand.", duration: 4}
"""


@pytest.mark.slow
@pytest.mark.rest
def test_films_of_a_table_and_by_another_model_are_ordered_like_any_other(crew):
    story, table = crew.desk.folder / "card.yaml", crew.desk.folder / "rows.csv"
    story.write_text(TEMPLATED)
    table.write_text("name,who\nann,Ann\nbo,Bo\n")
    crew.worker("machine-1", STORYCHAIN_JOBS="2")
    films = crew.folder / "machine-1" / "films"
    both = crew.desk.run("run", story, "--matrix", table, "--yes", "--json")
    assert both.returncode == 0, both.stderr
    told = json.loads(both.stdout)["stories"]
    assert [one["film"] for one in told] == [str(films / "card-ann.mp4"), str(films / "card-bo.mp4")]
    assert sum(one["credits"]["spent"] for one in told) == 3 * 40, "they open alike"
    draft = crew.desk.run("run", story, "--model", "pixverse5.5", "--yes", "--json")
    assert draft.returncode == 0, draft.stderr
    (one,) = json.loads(draft.stdout)["stories"]
    assert one["film"] == str(films / "card.pixverse5.5.mp4")
    jobs = [job["body"] for job in crew.studio.jobs()]
    assert [job["model"] for job in jobs].count("pixverse5.5") == 2
    assert sorted(job["prompt"] for job in jobs if "letter" in job["prompt"]) == [
        f"A letter for {who} in the sand." for who in ("Ann", "Bo", "nobody")
    ]


@pytest.mark.slow
@pytest.mark.rest
def test_a_row_that_says_something_else_by_now_waits_for_the_one_that_is_ordered(crew, database, tmp_path):
    story, table = crew.desk.folder / "card.yaml", crew.desk.folder / "rows.csv"
    story.write_text(TEMPLATED)
    table.write_text("name,who\nann,Ann\n")
    following = crew.desk.start("run", story, "--matrix", table, "--yes")
    with closing(Ledger(tmp_path / "ledger.sqlite3", url=database)) as ledger:
        until(ledger.orders.open)
        ledger.orders.begin(ledger.orders.open()[0].id, "machine-1")
    table.write_text("name,who\nbo,Bo\nann,Anna\n")
    other = crew.desk.run("run", story, "--matrix", table, "--select", "card-ann", "--yes")
    assert other.returncode == 75, other.stderr
    assert "another version" in other.stderr
    crew.worker("machine-1")
    _, err = following.communicate(timeout=60)
    assert following.returncode == 0, err
    assert {job["body"]["prompt"] for job in crew.studio.jobs()} == {
        "The sea at dusk.",
        "A letter for Ann in the sand.",
    }


def test_a_worker_without_a_shared_ledger_or_a_key_says_what_it_needs(crew):
    said = crew.desk.run("worker", STORYCHAIN_URL=None)
    assert said.returncode == 2
    assert "STORYCHAIN_URL" in said.stderr
    assert crew.desk.run("worker", PICTORY_API_KEY=None).returncode == 7


@pytest.mark.slow
@pytest.mark.rest
def test_here_renders_here_on_the_shared_ledger(crew):
    path = story_file(crew.desk.folder, 2)
    done = crew.desk.run("run", path, "--yes", "--here")
    assert (done.returncode, done.stdout) == (0, f"{crew.desk.folder}/films/tale.mp4\n"), done.stderr
    crew.worker("machine-1")
    other = crew.desk.run("run", path, "--yes")
    assert other.returncode == 0, other.stderr
    assert "machine-1" in other.stdout
    assert crew.studio.counts()["accepted"] == 2, "its segments were had from their jobs"


@pytest.mark.slow
@pytest.mark.rest
def test_an_order_that_the_queue_has_forgotten_is_offered_again_within_a_minute_or_so(crew, database, tmp_path):
    """As when a worker that was stopped wakes up, and takes out of the queue what another one had by then."""
    crew.worker("machine-1")
    path = story_file(crew.desk.folder, 1)
    with closing(Ledger(tmp_path / "ledger.sqlite3", url=database)) as ledger:
        order = ledger.orders.place("pictory", "tale", path.read_text(), run="r", cap=None, options=OPTIONS)
        until(lambda: ledger.orders.get(order.id).state == "done", seconds=100)
    assert crew.studio.counts()["accepted"] == 1


@pytest.mark.slow
@pytest.mark.rest
def test_a_cap_that_was_agreed_to_holds_over_all_stories_and_workers_of_a_run(crew):
    """The price is raised at the workers after it was agreed to: the cap stands."""
    for name in ("machine-1", "machine-2"):
        dear = '[models."veo3.1_fast"]\naspect_ratios = ["16:9"]\ndurations = [4]\ncredits_per_second = 25\n'
        (crew.place(name).folder / "storychain.toml").write_text(dear)
    paths = []
    for number in range(3):
        told = [{"id": f"s{n}", "prompt": f"Tale {number}, scene {n} by the sea."} for n in range(2)]
        paths.append(story_file(crew.desk.folder, told, name=f"tale-{number}"))
    following = crew.desk.start("run", *paths, "--max-credits", "240")
    for name in ("machine-1", "machine-2"):
        crew.worker(name, STORYCHAIN_JOBS="2")
    _, err = following.communicate(timeout=60)
    assert following.returncode == 5, err
    assert "this run's cap is 240 credits" in err
    # Each counts 100 until the provider says that it took 40: the fifth would have passed the cap in any order.
    assert 2 <= crew.studio.counts()["accepted"] <= 4


def test_doctor_tells_where_the_ledger_is_and_whether_its_server_keeps_what_it_says(crew):
    aws = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    said = crew.desk.run("doctor", STORYCHAIN_STORE="s3://stories/x?secret=1", **aws)
    assert f"ledger      {crew.url}, PostgreSQL " in said.stdout, said.stdout
    assert "fsync off" in said.stdout, "as the tests' server has it"
    assert "workers     pgqueuer " in said.stdout
    assert "store       s3://stories/x: the shared place cannot be looked at" in said.stdout
    assert "secret" not in said.stdout + said.stderr
    assert said.returncode == 4, "workers have to deliver there"
    gone = crew.desk.run("doctor", STORYCHAIN_URL="postgresql://mara:a-secret@127.0.0.1:1/tales")
    assert gone.returncode == 4
    assert "postgresql://mara@127.0.0.1:1/tales: the ledger cannot be reached" in gone.stdout
    assert "a-secret" not in gone.stdout + gone.stderr


@pytest.mark.slow
@pytest.mark.rest
def test_what_a_run_may_do_holds_at_the_workers(crew):
    crew.worker("machine-1")
    path = story_file(crew.desk.folder, 3)
    assert crew.desk.run("run", path, "--resume-only").returncode == 0
    assert crew.studio.counts()["accepted"] == 0
    chosen = crew.desk.run("run", path, "--yes", "--select", "tale:s1", "--json")
    assert chosen.returncode == 0, chosen.stderr
    assert "not bought, as asked: s2, s3" in chosen.stdout
    assert crew.studio.counts()["accepted"] == 1
    late = crew.desk.run("run", path, "--yes", "--deadline", "0.01s")
    assert late.returncode == 4, late.stderr
    assert crew.studio.counts()["accepted"] == 1
    assert crew.desk.run("run", path, "--yes").returncode == 0
    assert crew.studio.counts()["accepted"] == 3
    assert not list((crew.folder / "machine-1" / ".storychain" / "orders").iterdir())


@pytest.mark.slow
@pytest.mark.rest
def test_the_address_of_the_ledger_reaches_no_program_that_we_start(crew):
    """Its password may be in it."""
    ffmpeg = crew.folder / "ffmpeg"
    seen = crew.folder / "seen"
    ffmpeg.write_text(f'#!/bin/sh\nenv >> {seen}\nexec {FFMPEG} "$@"\n')
    ffmpeg.chmod(0o755)
    crew.worker("machine-1", STORYCHAIN_FFMPEG=str(ffmpeg))
    for where in ((), ("--here",)):
        path = story_file(crew.desk.folder, 1, name=f"tale{len(where)}")
        done = crew.desk.run("run", path, "--yes", *where, STORYCHAIN_FFMPEG=str(ffmpeg))
        assert done.returncode == 0, done.stderr
    told = seen.read_text()
    assert "PATH=" in told
    assert crew.url not in told
    assert KEY not in told
