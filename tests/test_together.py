"""Work on the ledger that is done together: each piece as if alone, all of it on disk before anybody is told."""

import asyncio
import multiprocessing
import sqlite3
from contextlib import closing
from contextvars import ContextVar
from decimal import Decimal
from functools import partial

import pytest

from storychain.chain.clerk import Clerk
from storychain.errors import CapReached, MovedOn, StorychainError
from storychain.ledger import Admitted, Caps, Ledger, mark_beside, together
from tests.test_ledger import admitted, files_grow_no_more, purchase

SPAWN = multiprocessing.get_context("spawn")
SAID = ContextVar("SAID", default="nothing")


@pytest.fixture
def ledger(tmp_path, url):
    with closing(Ledger(tmp_path / "ledger.sqlite3", url=url)) as opened:
        yield opened


def asked(ledger, key, caps=None):
    return partial(ledger.admit, purchase(key), caps or Caps(), 1000)


def test_each_piece_fares_as_if_it_were_done_alone(ledger):
    caps = Caps(run=Decimal(20))
    works = [asked(ledger, key, caps) for key in ("a", "b", "c")] + [partial(ledger.submitted, 99, "job")]
    first, second, third, moved, known = together([*works, partial(ledger.record, "b")])
    assert [first.value, second.value] == [Admitted(1), Admitted(2)]
    assert isinstance(third.error, CapReached)
    assert isinstance(moved.error, MovedOn)
    assert known.value.state == "intended"
    assert ledger.spent("pictory") == 20
    assert ledger.lost_attempts() == 0


def test_of_a_piece_that_fails_halfway_nothing_stays_and_all_of_the_others(ledger):
    def fails():
        def work(rows):
            rows.execute("INSERT INTO uploads VALUES ('p', 's', 'u', 1)")
            raise KeyError("ours")

        ledger._database.write(work)

    outcomes = together([asked(ledger, "a"), fails, asked(ledger, "b")])
    assert [type(outcome.error) for outcome in outcomes] == [type(None), KeyError, type(None)]
    assert ledger.uploaded("p", "s") is None
    assert [ledger.record(key).state for key in ("a", "b")] == ["intended", "intended"]


def test_all_is_committed_at_once_and_the_mark_rises_only_then(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    seen = []

    def look():
        with closing(sqlite3.connect(path)) as rows:
            seen.append((rows.execute("SELECT COUNT(*) FROM attempts").fetchone()[0], mark_beside(path).read()))

    with closing(Ledger(path)) as ledger:
        together([asked(ledger, "a"), look, asked(ledger, "b"), look])
        look()
    assert seen == [(0, 0), (0, 0), (2, 2)]


def test_another_thread_and_another_process_write_in_between(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    with closing(Ledger(path)) as ledger, closing(Ledger(path)) as other:

        async def play():
            clerk = Clerk()
            mine = [clerk.do(False, asked(ledger, f"a{number}")) for number in range(200)]
            aside = [asyncio.to_thread(admitted, ledger, f"b{number}") for number in range(50)]
            elsewhere = [asyncio.to_thread(admitted, other, f"c{number}") for number in range(50)]
            return await asyncio.gather(*mine, *aside, *elsewhere)

        asyncio.run(play())
        assert ledger.states("pictory") == {"intended": 300}
        assert other.lost_attempts() == 0


def on_a_full_disk(path, said):
    """Do work together until files may grow no more; see what each piece is told, and whether all works again."""
    ledger = Ledger(path)
    admitted(ledger, "kept")
    works = [partial(ledger.admit, purchase(f"k{number}", prompt="x" * 2000), Caps(), 1000) for number in range(40)]
    with files_grow_no_more(path, 4):
        outcomes = together([*works, partial(ledger.record, "kept")])
    errors = [outcome.error for outcome in outcomes]
    said.put(([str(error) for error in errors], len({id(error) for error in errors})))
    admitted(ledger, "afterwards")
    said.put((ledger.states("pictory"), ledger.lost_attempts(), mark_beside(path).read()))
    ledger.close()


def test_where_the_disk_undoes_it_everybody_hears_it_and_nothing_is_half_done(tmp_path):
    said = SPAWN.Queue()
    process = SPAWN.Process(target=on_a_full_disk, args=(tmp_path / "ledger.sqlite3", said))
    process.start()
    words, different = said.get(timeout=60)
    assert all("the ledger cannot be written: " in told for told in words), words
    assert different == len(words) == 41
    states, lost, mark = said.get(timeout=60)
    process.join(30)
    assert (states, lost, mark) == ({"intended": 2}, 0, 2)
    assert process.exitcode == 0


def test_a_mark_that_cannot_be_written_is_told_to_whoever_wanted_to_buy(tmp_path):
    with closing(Ledger(tmp_path / "ledger.sqlite3")) as ledger:
        (tmp_path / "ledger.mark").mkdir()
        known, bought = together([partial(ledger.record, "a"), asked(ledger, "a")])
    assert known.error is None
    assert isinstance(bought.error, StorychainError)
    assert "Nothing was sent" in str(bought.error)


def test_who_waits_gets_the_own_answer_in_the_own_context():
    def tell(number):
        if number % 3 == 0:
            raise MovedOn(f"{number}")
        return number, SAID.get()

    async def one(clerk, number):
        SAID.set(f"by {number}")
        return await clerk.do(number % 2 == 0, tell, number)

    async def play():
        clerk = Clerk()
        return await asyncio.gather(*(one(clerk, number) for number in range(100)), return_exceptions=True)

    for number, told in enumerate(asyncio.run(play())):
        if number % 3 == 0:
            assert str(told) == f"{number}"
        else:
            assert told == (number, f"by {number}")


def test_what_nobody_can_be_told_leaves_no_other_waiting():
    def ends():
        raise StopIteration

    async def play():
        clerk = Clerk()
        async with asyncio.timeout(20):
            works = [lambda: 1, ends, lambda: 2, lambda: 3]
            return await asyncio.gather(*(clerk.do(False, work) for work in works), return_exceptions=True)

    first, ended, *others = asyncio.run(play())
    assert (first, *others) == (1, 2, 3)
    assert isinstance(ended, RuntimeError)


async def busy(clerk):
    """Work that keeps the clerk until a gate is opened."""
    gate, loop = asyncio.Event(), asyncio.get_running_loop()

    def hold():
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()

    held = asyncio.ensure_future(clerk.do(False, hold))
    await asyncio.sleep(0.05)
    return held, gate


def test_whoever_pays_is_served_first_and_the_others_in_their_order():
    served = []

    async def play():
        clerk = Clerk()
        held, gate = await busy(clerk)
        others = [asyncio.ensure_future(clerk.do(False, served.append, f"other {n}")) for n in range(40)]
        paying = [asyncio.ensure_future(clerk.do(True, served.append, f"pays {n}")) for n in range(40)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(held, *others, *paying)

    asyncio.run(play())
    assert served == [f"{who} {n}" for who in ("pays", "other") for n in range(40)]


def test_who_was_cancelled_before_it_began_is_as_good_as_never_asked(ledger):
    async def play():
        clerk = Clerk()
        held, gate = await busy(clerk)
        buying = asyncio.ensure_future(clerk.do(True, asked(ledger, "a")))
        await asyncio.sleep(0)
        buying.cancel()
        await asyncio.wait([buying])
        gate.set()
        await held
        assert await clerk.do(False, ledger.record, "a") == await clerk.do(False, ledger.record, "never")

    asyncio.run(play())
