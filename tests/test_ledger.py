"""The ledger on real databases: an attempt's life, caps to the thousandth, and a disk that lets us down.

What the ledger promises is tried on SQLite and on PostgreSQL; what is said of files is SQLite's.
"""

import asyncio
import datetime
import fcntl
import multiprocessing
import os
import resource
import shutil
import sqlite3
import threading
from contextlib import closing, contextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest

from storychain.errors import CapReached, StorychainError
from storychain.ledger import Admitted, Caps, FilmRecord, Full, Ledger, Purchase, mark_beside
from storychain.ledger.caps import spent
from storychain.ledger.database import MIGRATIONS
from storychain.provider import Job
from storychain.records import Chosen

MANY = 1000
NUMBERS = count()
SPAWN = multiprocessing.get_context("spawn")


class Clock:
    """A clock that is set by hand."""

    def __init__(self, at=1_800_000_000.0):
        self.at = at

    def __call__(self):
        return self.at

    def set(self, *moment):
        self.at = datetime.datetime(*moment, tzinfo=datetime.UTC).timestamp()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(tmp_path, clock, url):
    with closing(Ledger(tmp_path / "deep" / "ledger.sqlite3", clock, url)) as opened:
        yield opened


def purchase(key=None, price="10", **changes):
    values = {
        "key": key or f"key-{next(NUMBERS)}",
        "provider": "pictory",
        "story": "tale",
        "scene": "s1",
        "run": "run-1",
        "model": "veo3.1",
        "seconds": 8,
        "prompt": "A kite.",
        "price": None if price is None else Decimal(price),
        "watermark": ("w2", "w1"),
        **changes,
    }
    return Purchase(**values)


def admitted(ledger, key=None, price="10", caps=None, jobs=MANY, **changes):
    admission = ledger.admit(purchase(key, price, **changes), caps or Caps(), jobs)
    assert isinstance(admission, Admitted)
    return admission.attempt


def done(credits_=None, job_id="job", url="https://x/v?sig=1"):
    return Job(job_id, "completed", url=url, credits=None if credits_ is None else Decimal(credits_))


def broken(credits_=None):
    return Job("job", "failed", code="9", message="blocked", credits=None if credits_ is None else Decimal(credits_))


# An attempt's life


def test_an_attempt_lives_from_intended_to_stored(ledger, clock):
    attempt = admitted(ledger, "k")
    record = ledger.record("k")
    assert (record.state, record.watermark, record.credits) == ("intended", ("w2", "w1"), 10)
    assert record.intended_at == clock.at
    clock.at += 5
    ledger.submitted(attempt, "job")
    assert (ledger.record("k").state, ledger.record("k").job_id) == ("submitted", "job")
    clock.at += 60
    ledger.completed(attempt, done("12.8"))
    record = ledger.record("k")
    assert (record.state, record.url, record.credits) == ("completed", "https://x/v?sig=1", Decimal("12.8"))
    assert ledger.usual_wait("pictory", "veo3.1", 8) == 60
    ledger.stored(attempt, "ab" * 32, 4711)
    record = ledger.record("k")
    assert (record.state, record.sha256, record.size) == ("stored", "ab" * 32, 4711)


def test_a_stored_segment_may_be_given_a_fresh_address_and_be_stored_again(ledger):
    attempt = admitted(ledger, "k")
    ledger.submitted(attempt, "job")
    ledger.completed(attempt, done("5"))
    ledger.stored(attempt, "a", 1)
    ledger.completed(attempt, done(url="https://x/fresh"))
    record = ledger.record("k")
    assert (record.state, record.url, record.credits) == ("stored", "https://x/fresh", 5)
    ledger.stored(attempt, "b", 2)
    assert ledger.record("k").sha256 == "b"


MOVES = {
    "submitted": lambda ledger, attempt: ledger.submitted(attempt, "job-2"),
    "refused": lambda ledger, attempt: ledger.refused(attempt, "no"),
    "completed": lambda ledger, attempt: ledger.completed(attempt, done()),
    "stored": lambda ledger, attempt: ledger.stored(attempt, "a", 1),
    "failed": lambda ledger, attempt: ledger.failed(attempt, broken()),
    "unresolved": lambda ledger, attempt: ledger.unresolved(attempt, "who knows"),
    "adopted": lambda ledger, attempt: ledger.adopt(attempt, "job-2"),
    "abandoned": lambda ledger, attempt: ledger.abandon(attempt),
}

ALLOWED = {
    "intended": {"submitted", "refused", "unresolved", "adopted", "abandoned"},
    "submitted": {"completed", "failed", "unresolved", "abandoned"},
    "completed": {"completed", "stored", "unresolved", "abandoned"},
    "stored": {"completed", "stored", "unresolved", "abandoned"},
    "failed": set(),
    "refused": set(),
    "unresolved": {"submitted", "adopted", "abandoned"},
    "abandoned": set(),
}


def brought_to(ledger, state, key):
    attempt = admitted(ledger, key)
    path = {
        "intended": [],
        "submitted": ["submitted"],
        "completed": ["submitted", "completed"],
        "stored": ["submitted", "completed", "stored"],
        "failed": ["submitted", "failed"],
    }.get(state, [state])
    for step in path:
        MOVES[step](ledger, attempt)
    return attempt


@pytest.mark.parametrize("state", ALLOWED)
@pytest.mark.parametrize("move", MOVES)
def test_only_the_steps_of_a_life_are_taken(ledger, state, move):
    attempt = brought_to(ledger, state, "k")
    before = ledger.record("k")
    assert before.state == state
    if move in ALLOWED[state]:
        MOVES[move](ledger, attempt)
        return
    with pytest.raises(StorychainError, match="cannot become"):
        MOVES[move](ledger, attempt)
    assert ledger.record("k") == before


def test_an_unresolved_attempt_whose_job_is_known_may_turn_out_completed(ledger):
    attempt = brought_to(ledger, "submitted", "k")
    ledger.unresolved(attempt, "gone")
    ledger.completed(attempt, done())
    assert ledger.record("k").state == "completed"


@pytest.mark.parametrize("state", ["intended", "submitted", "completed", "stored", "unresolved"])
def test_a_key_has_one_live_attempt(ledger, state):
    brought_to(ledger, state, "k")
    with pytest.raises(StorychainError, match="just bought"):
        admitted(ledger, "k")


@pytest.mark.parametrize("state", ["failed", "refused", "abandoned"])
def test_a_key_may_be_bought_again_after_an_attempt_that_ended(ledger, state):
    first = brought_to(ledger, state, "k")
    second = admitted(ledger, "k")
    assert second != first
    assert ledger.record("k").attempt == second


def test_a_job_belongs_to_one_attempt(ledger):
    ledger.submitted(admitted(ledger, "a"), "job")
    other = admitted(ledger, "b")
    with pytest.raises(StorychainError, match="already belongs to another scene"):
        ledger.submitted(other, "job")
    with pytest.raises(StorychainError, match="already belongs"):
        ledger.adopt(other, "job")
    assert ledger.record("b").state == "intended"
    assert ledger.owned("pictory", ["job", "else"]) == {"job"}
    ledger.submitted(admitted(ledger, "c", provider="studio"), "job")


def test_failures_are_counted_and_a_later_refusal_does_not_hide_them(ledger):
    brought_to(ledger, "failed", "k")
    second = admitted(ledger, "k")
    ledger.submitted(second, "job-3")
    ledger.failed(second, broken())
    ledger.refused(admitted(ledger, "k"), "turned away")
    record = ledger.record("k")
    assert (record.state, record.failures, record.message) == ("failed", 2, "[9] blocked")


def test_the_words_that_were_refused_are_known_and_which_of_them_were_not_even_taken(ledger):
    def tried(words):
        return admitted(ledger, "k", prompt=words)

    ledger.refused(tried("one"), "policy", True)
    attempt = tried("two")
    ledger.submitted(attempt, "job")
    ledger.failed(attempt, Job("job", "failed", code="CONTENT_MODERATED", message="no"))
    record = ledger.record("k")
    assert (record.state, record.prompt, record.failures) == ("failed", "two", 1)
    ledger.refused(tried("three"), "policy again", True)
    ledger.refused(tried("four"), "turned away")
    record = ledger.record("k")
    assert (record.state, record.prompt, record.message) == ("failed", "three", "policy again")
    assert (record.objected, record.barred) == ({"one", "two", "three"}, {"one", "three"})
    attempt = tried("four")
    ledger.submitted(attempt, "job-2")
    ledger.failed(attempt, Job("job-2", "failed", code="5001", message="INTERNAL_ERROR"))
    assert ledger.record("k").objected == {"one", "two", "three"}


def test_a_person_who_says_buy_it_again_is_not_overruled_by_a_request_that_was_turned_away(ledger):
    brought_to(ledger, "failed", "k")
    again = admitted(ledger, "k")
    ledger.unresolved(again, "who knows")
    ledger.abandon(again)
    ledger.refused(admitted(ledger, "k"), "turned away")
    assert ledger.record("k").state == "abandoned"


def test_attempts_are_counted_by_state(ledger):
    assert ledger.states("pictory") == {}
    first, *_ = [admitted(ledger) for _ in range(3)]
    admitted(ledger, provider="studio")
    ledger.submitted(first, "job-1")
    assert ledger.states("pictory") == {"intended": 2, "submitted": 1}


def test_open_questions_are_the_intended_ones_newest_first(ledger):
    first, second = admitted(ledger, "a"), admitted(ledger, "b")
    ledger.submitted(admitted(ledger, "c"), "job")
    admitted(ledger, "d", provider="studio")
    assert [record.attempt for record in ledger.open_questions("pictory")] == [second, first]


def test_all_is_there_after_closing_and_opening(tmp_path, clock, url):
    path = tmp_path / "ledger.sqlite3"
    with closing(Ledger(path, clock, url)) as ledger:
        attempt = brought_to(ledger, "stored", "k")
        ledger.remember_upload("pictory", "abc", "https://x/u")
        ledger.remember_film(FilmRecord("films/tale.mp4", "recipe", False, 5, 1.5), "tale", "sha")
        before = ledger.record("k")
    with closing(Ledger(path, clock, url)) as ledger:
        assert ledger.record("k") == before
        assert before.attempt == attempt
        assert ledger.uploaded("pictory", "abc") == "https://x/u"
        assert ledger.uploaded("studio", "abc") is None
        assert ledger.film(Path("films/tale.mp4")) == FilmRecord("films/tale.mp4", "recipe", False, 5, 1.5)
        assert ledger.stories() == (("pictory", "tale"),)


# Caps


@pytest.mark.parametrize("span", ["run", "story", "day", "month"])
def test_a_cap_may_be_reached_but_not_passed_by_a_thousandth(ledger, span):
    caps = Caps(**{span: Decimal("30.001")})
    admitted(ledger, price="10", caps=caps)
    admitted(ledger, price="10.001", caps=caps)
    with pytest.raises(CapReached, match=r"30\.001"):
        admitted(ledger, price="10.001", caps=caps)
    admitted(ledger, price="10", caps=caps)
    with pytest.raises(CapReached):
        admitted(ledger, price="0.001", caps=caps)
    admitted(ledger, price="0", caps=caps)


def test_roundings_never_pass_a_cap(ledger):
    with pytest.raises(CapReached):
        admitted(ledger, price="0.001", caps=Caps(run=Decimal("0.0005")))
    with pytest.raises(CapReached):
        admitted(ledger, price="0.0011", caps=Caps(run=Decimal("0.0019")))
    for _ in range(3):
        admitted(ledger, price="0.0001", caps=Caps(run=Decimal("0.003")))
    with pytest.raises(CapReached):
        admitted(ledger, price="0.0001", caps=Caps(run=Decimal("0.003")))


def test_caps_of_run_and_story_count_their_own_only(ledger):
    caps = Caps(run=Decimal(10))
    admitted(ledger, caps=caps)
    admitted(ledger, caps=caps, run="run-2")
    caps = Caps(story=Decimal(10))
    admitted(ledger, caps=caps, story="another")
    with pytest.raises(CapReached, match="budget"):
        admitted(ledger, caps=caps, story="tale", run="run-3")
    admitted(ledger, caps=caps, story="tale", provider="studio")
    assert ledger.spent("pictory", story="tale") == 20
    assert ledger.spent("pictory", story="tale", run="run-2") == 10


def test_days_and_months_turn_at_midnight_utc(ledger, clock):
    day, month = Caps(day=Decimal(10)), Caps(month=Decimal(30))
    clock.set(2026, 2, 28, 23, 59, 59, 999_000)
    admitted(ledger, caps=day)
    with pytest.raises(CapReached, match="day"):
        admitted(ledger, caps=day)
    clock.set(2026, 3, 1)
    admitted(ledger, caps=day)
    admitted(ledger, caps=month)
    clock.set(2026, 3, 31, 23, 59, 59)
    admitted(ledger, caps=month)
    with pytest.raises(CapReached, match="month"):
        admitted(ledger, caps=month)
    clock.set(2026, 4, 1)
    admitted(ledger, caps=month)


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        ("intended", 10),
        ("submitted", 10),
        ("completed", 10),
        ("stored", 10),
        ("failed", 10),
        ("refused", 0),
        ("unresolved", 10),
        ("abandoned", 10),
    ],
)
def test_what_may_have_been_paid_counts(ledger, state, counts):
    brought_to(ledger, state, "k")
    assert ledger.spent("pictory", story="tale") == counts


@pytest.mark.parametrize(("told", "counts"), [(None, 10), ("0", 0), ("3.2", Decimal("3.2")), ("-4", 0)])
def test_a_failed_job_counts_in_full_unless_the_provider_said_otherwise(ledger, told, counts):
    attempt = brought_to(ledger, "submitted", "k")
    ledger.failed(attempt, broken(told))
    assert ledger.spent("pictory", story="tale") == counts
    with pytest.raises(CapReached):
        admitted(ledger, price="10.001", caps=Caps(story=counts + Decimal(10)))
    admitted(ledger, price="10", caps=Caps(story=counts + Decimal(10)))


def test_what_the_provider_took_replaces_what_was_quoted(ledger):
    attempt = brought_to(ledger, "submitted", "k")
    ledger.completed(attempt, done("25"))
    assert ledger.spent("pictory", story="tale") == 25
    with pytest.raises(CapReached):
        admitted(ledger, caps=Caps(day=Decimal(34)))


class Explaining:
    """Rows that tell how a statement would find what it asks for."""

    def __init__(self, rows):
        self.rows = rows
        self.told = []

    def execute(self, query, values):
        found = self.rows.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
        self.told += [row[-1] for row in found]
        return self.rows.execute("SELECT 0")


@pytest.mark.parametrize(
    ("of", "found_by"),
    [
        ({"run": "r"}, "(provider=? AND run=?)"),
        ({"story": "s"}, "(provider=? AND story=?)"),
        ({"since": 1.0}, "(provider=? AND intended_at>?)"),
    ],
)
def test_what_a_cap_asks_for_is_found_without_reading_all_there_ever_was(tmp_path, of, found_by):
    with closing(Ledger(tmp_path / "ledger.sqlite3")):
        pass
    with sqlite(tmp_path / "ledger.sqlite3") as rows:
        explaining = Explaining(rows)
        assert spent(explaining, provider="pictory", **of) == 0
    assert [found_by in told for told in explaining.told] == [True], explaining.told


def test_without_a_price_no_cap_can_be_kept(ledger):
    for span in ("run", "story", "day", "month"):
        with pytest.raises(CapReached, match="price is not known"):
            admitted(ledger, price=None, caps=Caps(**{span: Decimal(1_000_000)}))
    attempt = admitted(ledger, price=None)
    assert attempt
    assert ledger.spent("pictory", story="tale") == 0


# Jobs at once


def test_jobs_at_once_are_those_somebody_waits_for(ledger, clock):
    attempts = [admitted(ledger, jobs=3) for _ in range(3)]
    assert ledger.admit(purchase(), Caps(), 3) == Full(3)
    ledger.refused(attempts[0], "no")
    ledger.submitted(attempts[1], "job-1")
    attempts[0] = admitted(ledger, jobs=3)
    assert ledger.admit(purchase(), Caps(), 3) == Full(3)
    ledger.completed(attempts[1], done())
    admitted(ledger, jobs=3)
    clock.at += 899
    ledger.seen(attempts[2])
    clock.at += 2
    assert ledger.under_way("pictory") == 1, "the others' runs are dead"
    assert ledger.under_way("studio") == 0


# Many at once


def crowd(threads, work):
    barrier = threading.Barrier(threads)

    def go():
        barrier.wait()
        work()

    crowd = [threading.Thread(target=go) for _ in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()


def greedy(ledger, caps, jobs, tries, keys):
    """Buy as much as is let through; how much that was."""
    bought = 0
    for number in range(tries):
        try:
            if isinstance(ledger.admit(purchase(keys(number)), caps, jobs), Admitted):
                bought += 1
        except CapReached:
            pass
        except StorychainError as error:
            assert "just bought" in str(error)  # noqa: PT017 - anything else is a failure
    return bought


@pytest.mark.parametrize(("caps", "jobs", "most"), [(Caps(day=Decimal("70.5")), MANY, 7), (Caps(), 5, 5)])
def test_threads_together_pass_no_cap_and_no_number_of_jobs(ledger, caps, jobs, most):
    bought = []
    crowd(8, lambda: bought.append(greedy(ledger, caps, jobs, 4, lambda _: None)))
    assert sum(bought) == most == ledger.under_way("pictory")


def in_a_process(path, url, barrier, bought, caps, jobs, same):
    """What one of several processes does: open the same ledger in the same moment, and buy greedily."""
    barrier.wait()
    with closing(Ledger(path, url=url)) as ledger:
        bought.put(greedy(ledger, caps, jobs, 8, lambda number: f"{number}" if same else f"{os.getpid()}-{number}"))


@pytest.mark.parametrize(
    ("caps", "jobs", "same", "most"),
    [(Caps(month=Decimal(95)), MANY, False, 9), (Caps(), 6, False, 6), (Caps(), MANY, True, 8)],
    ids=["cap", "jobs", "keys"],
)
def test_processes_together_pass_no_cap_and_buy_no_key_twice(tmp_path, url, caps, jobs, same, most):
    path = tmp_path / "ledger.sqlite3"
    barrier, bought = SPAWN.Barrier(4), SPAWN.Queue()
    processes = [
        SPAWN.Process(target=in_a_process, args=(path, url, barrier, bought, caps, jobs, same)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    total = sum(bought.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    with closing(Ledger(path, url=url)) as ledger:
        assert total == most == ledger.under_way("pictory")


@pytest.mark.parametrize("shared", [False, True], ids=["sqlite", "postgres"])
def test_many_may_open_a_ledger_for_the_first_time_in_the_same_moment(tmp_path, request, shared):
    for number in range(3 if shared else 10):
        troubles = []
        url = request.getfixturevalue("cluster").database() if shared else None

        def opening(path=tmp_path / f"{number}" / "ledger.sqlite3", troubles=troubles, url=url):
            try:
                for _ in range(3):
                    Ledger(path, url=url).close()
            except StorychainError as error:
                troubles.append(str(error))

        crowd(6, opening)
        assert troubles == []


# The file


@contextmanager
def sqlite(path):
    with closing(sqlite3.connect(path)) as rows, rows:
        yield rows


def test_commits_are_on_the_disk_when_they_return(tmp_path):
    with closing(Ledger(tmp_path / "ledger.sqlite3")) as ledger:
        settings = {}
        with ledger._database.reading() as rows:
            for name in ("synchronous", "journal_mode", "fullfsync", "foreign_keys"):
                settings[name] = rows.execute(f"PRAGMA {name}").fetchone()[0]
        assert settings == {"synchronous": 2, "journal_mode": "wal", "fullfsync": 1, "foreign_keys": 1}
        admitted(ledger, "k")
        copy = tmp_path / "copy"
        copy.mkdir()
        for file in tmp_path.glob("ledger.sqlite3*"):  # what a power cut would leave
            shutil.copy(file, copy)
    with closing(Ledger(copy / "ledger.sqlite3")) as found:
        assert found.record("k").state == "intended"


def test_a_ledger_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    with sqlite(path) as rows:
        rows.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = path.read_bytes()
    with pytest.raises(StorychainError, match="newer storychain"):
        Ledger(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["ledger.sqlite3"]


def test_an_empty_file_becomes_a_ledger(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    path.touch()
    with closing(Ledger(path)) as ledger:
        admitted(ledger, "k")
    with sqlite(path) as rows:
        assert rows.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)


def test_a_schema_of_an_older_version_is_brought_up_with_what_it_holds(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    with sqlite(path) as rows:
        rows.execute("CREATE TABLE notes (words TEXT)")
        rows.execute("INSERT INTO notes VALUES ('kept')")
    with closing(Ledger(path)) as ledger:
        admitted(ledger, "k")
    with sqlite(path) as rows:
        assert rows.execute("SELECT words FROM notes").fetchall() == [("kept",)]


def test_a_migration_that_fails_leaves_the_old_version_whole(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    with sqlite(path) as rows:
        rows.execute("CREATE TABLE films (words TEXT)")  # in the way of the last of several statements
        rows.execute("INSERT INTO films VALUES ('kept')")
    for _ in range(2):
        with pytest.raises(StorychainError, match="cannot be opened"):
            Ledger(path)
    with sqlite(path) as rows:
        assert rows.execute("PRAGMA user_version").fetchone()[0] == 0
        assert rows.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("films",)]
        assert rows.execute("SELECT words FROM films").fetchall() == [("kept",)]


def test_a_file_that_is_no_ledger_is_an_error_that_warns_of_deleting_it(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(b"This is no database. " * 500)
    with pytest.raises(StorychainError, match="restore it from a copy"):
        Ledger(path)
    assert path.read_bytes().startswith(b"This is no database.")


def test_a_ledger_that_is_spoilt_inside_is_an_error_with_words(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    with closing(Ledger(path)) as ledger:
        for _ in range(50):
            admitted(ledger)
    with closing(sqlite3.connect(path)) as database:
        roots = [row[0] for row in database.execute("SELECT rootpage FROM sqlite_master WHERE rootpage > 0")]
    data = bytearray(path.read_bytes())
    for page in roots:
        data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    with closing(Ledger(path)) as ledger:
        with pytest.raises(StorychainError, match="cannot be read"):
            ledger.stories()
        with pytest.raises(StorychainError, match="cannot be written"):
            admitted(ledger, "k")


def test_a_folder_where_the_file_should_be_is_an_error_with_words(tmp_path):
    (tmp_path / "ledger.sqlite3").mkdir()
    with pytest.raises(StorychainError, match="cannot be opened"):
        Ledger(tmp_path / "ledger.sqlite3")
    (tmp_path / "file").touch()
    with pytest.raises(StorychainError, match="cannot be opened"):
        Ledger(tmp_path / "file" / "ledger.sqlite3")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_ours_is_an_error_with_words(tmp_path):
    folder = tmp_path / "ours-not"
    folder.mkdir(mode=0o555)
    with pytest.raises(StorychainError, match="the folder is yours"):
        Ledger(folder / "ledger.sqlite3")


@contextmanager
def files_grow_no_more(path, pages):
    """As on a disk with room for so many pages of the ledger at `path`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    wal = path.with_name(path.name + "-wal")
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + pages * 4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def on_a_full_disk(path, said):
    """Fill the ledger until files may grow no more, then see what is said and whether it works again."""
    ledger = Ledger(path)
    admitted(ledger, "kept")
    try:
        with files_grow_no_more(path, 3):
            for number in range(100):
                admitted(ledger, f"k{number}", prompt="x" * 2000)
        said.put("the disk was never full")
        return
    except StorychainError as error:
        said.put(str(error))
    state = ledger.record("kept").state
    admitted(ledger, "afterwards")
    said.put((state, number, sum(ledger.record(f"k{n}").state == "intended" for n in range(100))))
    ledger.close()


def test_a_full_disk_is_told_as_such_and_leaves_nothing_half_done(tmp_path):
    said = SPAWN.Queue()
    process = SPAWN.Process(target=on_a_full_disk, args=(tmp_path / "ledger.sqlite3", said))
    process.start()
    words = said.get(timeout=60)
    assert "the ledger cannot be written: " in words
    assert "rollback" not in words.lower()
    assert "transaction" not in words.lower()
    state, before, kept = said.get(timeout=60)
    process.join(30)
    assert state == "intended"
    assert kept == before
    assert process.exitcode == 0


class Stop(BaseException):
    pass


def stop_halfway(database):
    def work(rows):
        rows.execute("INSERT INTO uploads VALUES ('p', 's', 'u', 1)")
        raise Stop

    database.write(work)


def test_an_error_in_a_transaction_undoes_it_and_the_next_one_works(ledger):
    with pytest.raises(Stop):
        stop_halfway(ledger._database)
    assert ledger.uploaded("p", "s") is None
    ledger.remember_upload("p", "s", "u")
    assert ledger.uploaded("p", "s") == "u"


def test_work_that_nobody_waits_for_any_more_leaves_no_transaction_open(ledger):
    """A cancelled task goes on at once, its thread does not stop: the ledger has to be whole for both."""

    async def play():
        tasks = [asyncio.create_task(asyncio.to_thread(admitted, ledger, f"k{number}")) for number in range(20)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(admitted, ledger, "afterwards")

    asyncio.run(play())
    assert ledger.record("afterwards").state == "intended"
    assert ledger.under_way("pictory") == 1 + sum(ledger.record(f"k{n}").state == "intended" for n in range(20))


# How far it had come


def raised(path, numbers):
    for number in numbers:
        mark_beside(path).rise(number)


def test_of_many_who_raise_the_mark_the_highest_stands(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=raised, args=(path, range(first, 2000, 4))) for first in range(4)]
    for worker in workers:
        worker.start()
    seen = []
    while any(worker.is_alive() for worker in workers):
        seen.append(mark_beside(path).read())
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert seen == sorted(seen), "nobody has lowered it, and nobody has read half a number"
    assert mark_beside(path).read() == 1999
    assert [file.name for file in tmp_path.iterdir()] == ["ledger.mark"]


def test_the_mark_of_an_older_version_is_read_and_goes_on(tmp_path):
    (tmp_path / "ledger.mark").write_text("7\n")
    mark = mark_beside(tmp_path / "ledger.sqlite3")
    assert mark.read() == 7
    mark.rise(6)
    assert mark.read() == 7
    mark.rise(8)
    assert mark.read() == 8
    mark.put(3)
    assert mark.read() == 3


def test_a_process_that_is_stopped_while_it_writes_the_mark_stops_no_other(tmp_path):
    mark = mark_beside(tmp_path / "ledger.sqlite3")
    mark.put(7)
    with (tmp_path / "ledger.mark").open("rb") as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        assert mark.read() == 7
        mark.rise(8)
        assert mark.read() == 8


# What people choose


def test_a_choice_holds_for_the_words_it_was_made_for_whatever_the_scene_is_called(ledger):
    old, first, other, far = Chosen(2), Chosen(3, written="w"), Chosen(4, "own", written="v"), Chosen(5, written="x")

    def chosen(**words):
        return ledger.decisions.choices("p", "tale", words)

    def choose(scene, choice):
        ledger.decisions.choose("p", "tale", {scene: choice})

    choose("a", old)
    assert chosen(a="w", b="v") == {"a": old}  # nobody wrote down for which words
    choose("a", first)
    choose("a", other)
    choose("b", far)
    assert chosen(a="w", b="v") == {"a": first, "b": other}
    assert chosen(a="u", b="x") == {"b": far}
    assert chosen(c="v", d="w") == {"c": other, "d": first}
    assert chosen(c="v", d="v") == {}  # nobody can tell which of them it was
    assert ledger.decisions.choices("p", "tale.other", {"a": "w"}) == {}
