"""The ledger in PostgreSQL when its server or the way to it fails: each write is done once, whatever was answered."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing

import pytest

from storychain.errors import LedgerUnreachable, StorychainError, UsageError
from storychain.ledger import Admitted, Caps, Full, Ledger
from storychain.ledger.connecting import SERIAL
from storychain.ledger.schema import MIGRATIONS
from storychain.provider import Job
from tests.cluster import BINARIES, MISSING, free_port, opened_cluster
from tests.stage import story_file
from tests.telling import telling
from tests.test_ledger import MANY, MOVES, admitted, brought_to, purchase
from tests.wire_cut import WAYS, Wire

pytestmark = pytest.mark.skipif(BINARIES is None, reason=MISSING)

SECRET = "a-secret-nobody-may-see"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def wire(database):
    with closing(Wire(database)) as wire:
        yield wire


@pytest.fixture
def own_cluster():
    """A server that this test alone stops and starts."""
    with closing(opened_cluster()) as cluster:
        yield cluster


WRITES = {
    "admit": ("none", lambda ledger, _: admitted(ledger, "k"), "intended"),
    "submitted": ("intended", MOVES["submitted"], "submitted"),
    "refused": ("intended", MOVES["refused"], "refused"),
    "completed": ("submitted", MOVES["completed"], "completed"),
    "stored": ("completed", MOVES["stored"], "stored"),
    "failed": ("submitted", MOVES["failed"], "failed"),
    "rejected": ("stored", lambda ledger, attempt: ledger.rejected(attempt, "it ends black"), "failed"),
    "unresolved": ("intended", MOVES["unresolved"], "unresolved"),
    "adopt": ("unresolved", MOVES["adopted"], "submitted"),
    "abandon": ("unresolved", MOVES["abandoned"], "abandoned"),
    "take_over": ("none", lambda ledger, _: ledger.take_over(purchase("k"), "job-3"), "submitted"),
}
"""Each write: the state before it, the write, the state after it."""

TELLING = [("admit", "before"), ("admit", "after"), ("admit", "silently"), ("submitted", "after"), ("stored", "before")]


@pytest.mark.parametrize(("write", "way"), telling([(write, way) for write in WRITES for way in WAYS], TELLING))
def test_a_write_whose_commit_is_not_answered_is_done_once(wire, path, write, way):
    before, act, after = WRITES[write]
    with closing(Ledger(path, url=wire.url)) as ledger:
        attempt = None if before == "none" else brought_to(ledger, before, "k")
        wire.cut("COMMIT", way)
        began = time.monotonic()
        act(ledger, attempt)
        assert time.monotonic() - began < 8, "a session nobody uses any more stood in the way"
        assert wire.cuts == 1
        record = ledger.record("k")
        assert (record.state, record.failures) == (after, int(after == "failed"))
        assert len(ledger.story_records("pictory", "tale")) == 1


@pytest.mark.parametrize("word", ["BEGIN", "pg_advisory_xact_lock", "INSERT INTO attempts", "INSERT INTO writers"])
def test_an_admission_cut_off_before_its_commit_is_made_once(wire, path, word):
    with closing(Ledger(path, url=wire.url)) as ledger:
        for number, way in enumerate(WAYS):
            wire.cut(word, way)
            began = time.monotonic()
            admitted(ledger, f"k{number}")
            assert time.monotonic() - began < 8, "a session nobody uses any more stood in the way"
            assert wire.cuts == number + 1
        assert [record.key for record in ledger.story_records("pictory", "tale")] == ["k0", "k1", "k2"]


def test_a_look_that_is_cut_off_is_taken_again(wire, path):
    with closing(Ledger(path, url=wire.url)) as ledger:
        brought_to(ledger, "stored", "k")
        for way in WAYS:
            wire.cut("SELECT * FROM attempts", way)
            assert ledger.record("k").state == "stored"
        assert wire.cuts == 3


def test_somebody_elses_move_meanwhile_is_not_taken_for_ours(wire, database, path):
    """The commit never arrived, and before the wire is back another machine has moved the attempt on."""
    with closing(Ledger(path, url=wire.url)) as ours, closing(Ledger(path, url=database)) as theirs:
        attempt = admitted(ours, "k")
        theirs.submitted(attempt, "job")
        wire.cut("COMMIT", "before")
        with pytest.raises(StorychainError, match="cannot become refused"):
            ours.refused(attempt, "no")
        assert theirs.record("k").job_id == "job"


def test_a_server_that_crashes_and_comes_back_loses_nothing_and_doubles_nothing(own_cluster, path):
    url = own_cluster.database()
    told, stop = [], threading.Event()

    def work(name):
        with closing(Ledger(path, url=url)) as ledger:
            for number in range(10_000):
                if stop.is_set():
                    return
                attempt = admitted(ledger, f"{name}-{number}")
                ledger.submitted(attempt, f"job-{name}-{number}")
                told.append(f"{name}-{number}")

    with closing(Ledger(path, url=url)) as ledger:
        threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for how in ("immediate", "fast", "immediate"):
            time.sleep(0.4)
            so_far = len(told)
            own_cluster.restart(how)
            ends = time.monotonic() + 20
            while len(told) < so_far + 3:
                assert time.monotonic() < ends, "nobody went on"
                time.sleep(0.02)
        stop.set()
        for thread in threads:
            thread.join(60)
        records = ledger.story_records("pictory", "tale")
    assert sorted(record.key for record in records) == sorted(told)
    assert {record.state for record in records} == {"submitted"}
    assert [record.attempt for record in records] == list(range(1, len(told) + 1))


def test_caps_hold_while_the_wire_is_cut_again_and_again(wire, path):
    from decimal import Decimal

    bought = 0
    with closing(Ledger(path, url=wire.url)) as ledger:
        for number in range(30):
            wire.cut("COMMIT", WAYS[number % 3])
            try:
                bought += isinstance(ledger.admit(purchase(f"k{number}"), Caps(day=Decimal(95)), MANY), Admitted)
            except StorychainError as error:
                assert "cap" in str(error)  # noqa: PT017 - anything else is a failure
        assert bought == 9
        assert ledger.spent("pictory") == 90
        assert ledger.admit(purchase(), Caps(), 9) == Full(9)


def test_commits_are_on_the_disk_whatever_the_database_is_set_to(cluster, database, path):
    name = database.rpartition("/")[2]
    with cluster.connect() as rows:
        rows.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        rows.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    with closing(Ledger(path, url=database)) as ledger, ledger._database.reading() as rows:
        assert rows.execute("SHOW synchronous_commit").fetchone()[0] == "on"
        attempts = []
        crowd = [threading.Thread(target=lambda: attempts.append(buying(path, database))) for _ in range(6)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
        assert sum(attempts) == 4 == ledger.under_way("pictory")
    with cluster.connect() as rows:
        rows.execute(f"ALTER DATABASE {name} SET synchronous_commit = remote_apply")
    with closing(Ledger(path, url=database)) as ledger, ledger._database.reading() as rows:
        assert rows.execute("SHOW synchronous_commit").fetchone()[0] == "remote_apply"


def buying(path, url):
    """Buy four times, as long as there are four jobs at once; how often that worked."""
    with closing(Ledger(path, url=url)) as ledger:
        return sum(isinstance(ledger.admit(purchase(), Caps(), 4), Admitted) for _ in range(4))


def test_a_ledger_put_back_from_a_copy_is_noticed_by_who_bought_since_and_then_by_all(cluster, database, tmp_path):
    name, copy = database.rpartition("/")[2], database.rpartition("/")[2] + "_copy"
    paths = [tmp_path / machine / "ledger.sqlite3" for machine in ("a", "b", "c")]
    with closing(Ledger(paths[0], url=database)) as ledger:
        admitted(ledger, "before")
    with cluster.connect() as rows:
        rows.execute(f"CREATE DATABASE {copy} TEMPLATE {name}")
    for path, key in zip(paths, ("forgotten", "forgotten too", None), strict=True):
        with closing(Ledger(path, url=database)) as ledger:
            if key:
                admitted(ledger, key)
            assert ledger.lost_attempts() == 0
    with ExitStack() as stack:
        a, b, c = (stack.enter_context(closing(Ledger(path, url=cluster.address(copy)))) for path in paths)
        assert c.lost_attempts() == 0, "it has bought nothing"
        assert (a.lost_attempts(), c.lost_attempts()) == (1, 1)
        assert [one.lost_attempts() for one in (b, a, c)] == [2, 2, 2]
        b.accept_loss()
        assert [one.lost_attempts() for one in (b, c, a, b)] == [0, 0, 1, 1], "the other one has its own to say"
        a.accept_loss()
        assert [one.lost_attempts() for one in (a, b, c)] == [0, 0, 0]
        admitted(c, "and on")
        assert [one.lost_attempts() for one in (a, b, c)] == [0, 0, 0]
    with closing(Ledger(paths[0], url=cluster.database())) as another:
        assert another.lost_attempts() == 0


def test_a_ledger_of_a_newer_version_is_left_alone(cluster, database, path):
    Ledger(path, url=database).close()
    with cluster.connect(database.rpartition("/")[2]) as rows:
        rows.execute(f"UPDATE storychain.ledger SET version = {len(MIGRATIONS) + 1}")
        with pytest.raises(StorychainError, match="newer storychain"):
            Ledger(path, url=database)
        assert rows.execute("SELECT version FROM storychain.ledger").fetchone() == (len(MIGRATIONS) + 1,)


def test_words_that_no_text_of_a_database_can_hold_are_kept_as_far_as_they_go(database, path):
    with closing(Ledger(path, url=database)) as ledger:
        attempt = brought_to(ledger, "submitted", "k")
        ledger.failed(attempt, Job("job", "failed", code="9", message="no\0way % ? :that 'quoted'"))
        assert ledger.record("k").message == "[9] no\ufffdway % ? :that 'quoted'"


def test_a_server_that_is_not_there_is_told_without_the_password(path):
    with pytest.raises(LedgerUnreachable) as caught:
        Ledger(path, url=f"postgresql://mara:{SECRET}@127.0.0.1:{free_port()}/tales?application_name=x")
    assert "postgresql://mara@127.0.0.1" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.exit_code == 4


def test_an_address_that_is_none_is_told_without_the_password(path):
    with pytest.raises(UsageError, match="It is to look like") as caught:
        Ledger(path, url=f"postgresql://h/tales?{SECRET}=1")
    assert SECRET not in str(caught.value)


@pytest.mark.slow
@pytest.mark.rest
def test_a_server_that_stays_away_ends_the_wait_with_words(own_cluster, path, tmp_path):
    """In a process of its own with little patience: what is said, and that it is said at all."""
    url = own_cluster.database()
    program = (
        "import sys, pathlib\n"
        "from storychain.ledger import Ledger, connecting\n"
        "from storychain.errors import LedgerUnreachable\n"
        "connecting.PATIENCE = 1.0\n"
        "ledger = Ledger(pathlib.Path(sys.argv[1]), url=sys.argv[2])\n"
        "print('open', flush=True)\n"
        "sys.stdin.readline()\n"
        "for act in (lambda: ledger.record('k'), lambda: ledger.seen(1)):\n"
        "    try:\n"
        "        act()\n"
        "    except LedgerUnreachable as error:\n"
        "        print('told:', error.what[:60], flush=True)\n"
    )
    command = [sys.executable, "-c", program, str(path), url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "open\n"
        own_cluster.stop()
        said, _ = process.communicate("\n", timeout=60)
    assert said.count("told: the ledger's server went away") == 2


@pytest.mark.slow
@pytest.mark.rest
def test_a_process_stopped_in_a_transaction_does_not_stop_everybody(database, path):
    program = (
        "import sys, pathlib, os, signal\n"
        "from storychain.ledger import Ledger\n"
        "ledger = Ledger(pathlib.Path(sys.argv[1]), url=sys.argv[2])\n"
        "times = []\n"
        "def work(rows):\n"
        "    times.append(1)\n"
        "    rows.execute(\"INSERT INTO uploads VALUES ('p', 's', 'u', 1)\")\n"
        "    if len(times) == 1:\n"
        "        print('stopping', flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGSTOP)\n"
        "ledger._database.write(work)\n"
        "print(len(times), flush=True)\n"
    )
    command = [sys.executable, "-c", program, str(path), database]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "stopping\n"
        with closing(Ledger(path, url=database)) as ledger:
            brought_to(ledger, "stored", "k")
            assert ledger.uploaded("p", "s") is None
            process.send_signal(signal.SIGCONT)
            assert process.stdout.readline() == "2\n"
            assert ledger.uploaded("p", "s") == "u"


def test_old_writers_are_forgotten_and_a_reader_waits_for_nobody(cluster, database, path):
    Ledger(path, url=database).close()
    with cluster.connect(database.rpartition("/")[2]) as rows:
        rows.execute("INSERT INTO storychain.writers VALUES ('old', 7, now() - interval '3 days'), ('new', 7, now())")
        with closing(Ledger(path, url=database)) as ledger:
            admitted(ledger)
        told = rows.execute("SELECT writer FROM storychain.writers").fetchall()
        assert ("new",) in told
        assert ("old",) not in told
        assert len(told) == 2
        with rows.transaction():
            rows.execute(SERIAL)  # somebody writes for long
            with closing(Ledger(path, url=database)) as ledger:
                assert ledger.under_way("pictory") == 1


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("STORYCHAIN_URL", "postgresql://h/tales", "storychain[cluster]"),
        ("STORYCHAIN_STORE", "file:///mnt/x", "storychain[store]"),
    ],
)
def test_without_the_extra_packages_it_is_said_which_to_install(tmp_path, name, value, words):
    program = (
        "import sys\n"
        "for absent in ('psycopg', 'pgqueuer', 'fsspec'):\n"
        "    sys.modules[absent] = None\n"
        "from storychain.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    story = story_file(tmp_path, 1)
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}

    def said(*arguments, **changes):
        command = [sys.executable, "-c", program, *arguments, str(story)]
        return subprocess.run(
            command, check=False, cwd=tmp_path, env={**environ, **changes}, capture_output=True, text=True
        )

    assert said("plan").returncode == 0
    missing = said("run", "--yes", "--here", **{name: value, "PICTORY_API_KEY": "pictai_x"})
    assert missing.returncode == 2, missing.stderr
    assert f"pip install '{words}'" in missing.stderr
