"""What is held across machines: one holder at a time, none that outlives its process, and no word from who has lost it.

Machines are processes and workspaces here: what they share is the database and the provider.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from storychain.chain.holding import SharedLocks, locks_of
from storychain.chain.run import Pace
from storychain.errors import StoryHeld, Unresolved
from storychain.ledger import Ledger, regardless, relying_on
from storychain.locks import Held
from storychain.pictory import Gate, Pictory
from storychain.provider import SegmentRequest, TurnedAway
from tests.cluster import BINARIES, MISSING, opened_cluster
from tests.desk import Studio, until
from tests.stage import stage, story_file
from tests.telling import telling
from tests.test_ledger import admitted, brought_to

pytestmark = pytest.mark.skipif(BINARIES is None, reason=MISSING)

LEASE = 1.0


@pytest.fixture
def machines(tmp_path, database):
    """Opens ledgers as so many machines would."""
    with ExitStack() as stack:

        def machine(lease=LEASE):
            number = len(list(tmp_path.glob("machine-*")))
            folder = tmp_path / f"machine-{number}"
            folder.mkdir()
            return stack.enter_context(closing(Ledger(folder / "ledger.sqlite3", url=database, lease=lease)))

        yield machine


def cut_off(cluster, ledger):
    """End the session a ledger's claims live in, as a broken network would."""
    with cluster.connect() as rows:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
        rows.execute(query, [f"storychain-{ledger.claims._name}"])


def test_a_claim_has_one_holder_and_each_its_own_epoch(machines):
    one, other = machines(), machines()
    claim = one.claims.take("story-tale")
    assert claim.epoch == 1
    assert one.claims.take("story-tale") is None
    assert other.claims.take("story-tale") is None
    assert other.claims.take("story-fable").epoch == 1
    one.claims.release(claim)
    again = other.claims.take("story-tale")
    assert again.epoch == 2
    one.claims.release(claim)
    assert one.claims.take("story-tale") is None, "who holds it no more cannot let it go"


def test_a_ledger_that_is_closed_lets_everything_go(machines):
    one, other = machines(), machines()
    one.claims.take("story-tale")
    one.close()
    assert other.claims.take("story-tale").epoch == 2


def test_who_has_lost_a_claim_writes_nothing_more(cluster, machines):
    one, other = machines(lease=600), machines()
    attempt = brought_to(one, "completed", "k")
    with relying_on(one.claims.take("story-tale")), relying_on(one.claims.take("key-k")):
        one.seen(attempt)
        cut_off(cluster, one)
        claims = []
        until(lambda: claims.append(other.claims.take("key-k")) or claims[-1])
        for act in (
            lambda: one.stored(attempt, "sha", 1),
            lambda: admitted(one, "another"),
            lambda: one.seen(attempt),
            lambda: one.remember_upload("pictory", "sha", "https://x/u"),
        ):
            with pytest.raises(StoryHeld, match="another one has taken over"):
                act()
        assert other.record("k").state == "completed"
        assert other.record("another").state == "none"
        assert other.uploaded("pictory", "sha") is None
        with regardless():
            one.stored(attempt, "sha", 1)
        assert other.record("k").state == "stored"


def test_who_was_cut_off_and_comes_back_first_goes_on(cluster, machines):
    one, other = machines(lease=0.6), machines()

    def holders():
        """Sessions of ours that have a lock which outlives transactions."""
        with cluster.connect() as rows:
            query = (
                "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) "
                "WHERE locktype = 'advisory' AND granted AND application_name = %s"
            )
            return [row[0] for row in rows.execute(query, [f"storychain-{one.claims._name}"])]

    with relying_on(one.claims.take("story-tale")):
        for _ in range(3):
            before = holders()
            assert before
            cut_off(cluster, one)
            until(lambda before=before: holders() not in ([], before))
            assert other.claims.take("story-tale") is None
            admitted(one)


@pytest.mark.slow
@pytest.mark.rest
def test_the_servers_restart_takes_nothing_from_who_is_alive(tmp_path):
    with closing(opened_cluster()) as cluster, ExitStack() as stack:
        url = cluster.database()
        one, other = (
            stack.enter_context(closing(Ledger(tmp_path / name / "ledger.sqlite3", url=url, lease=3.0)))
            for name in "ab"
        )
        with relying_on(one.claims.take("story-tale")):
            other.claims.take("story-fable")
            for how in ("immediate", "fast"):
                cluster.restart(how)
                ends = time.monotonic() + 4
                while time.monotonic() < ends:
                    assert other.claims.take("story-tale") is None
                    time.sleep(0.1)
                admitted(one)


@contextmanager
def program(path, url, words, lease=LEASE):
    """A process of another machine: `words` are carried out with its ledger; it says `ready` and waits for a line."""
    text = (
        "import sys, pathlib, signal, os\n"
        "from storychain.ledger import Ledger, relying_on\n"
        "from storychain.errors import StorychainError\n"
        "from tests.test_ledger import admitted, brought_to\n"
        f"ledger = Ledger(pathlib.Path(sys.argv[1]), url=sys.argv[2], lease={lease})\n"
        "claim = ledger.claims.take('story-tale')\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n" + words
    )
    command = [sys.executable, "-c", text, str(path), url]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_claim_dies_with_its_process(machines, tmp_path, database):
    ledger = machines()
    with program(tmp_path / "other" / "ledger.sqlite3", database, "", lease=600) as process:
        assert ledger.claims.take("story-tale") is None
        process.kill()
        process.wait()
        began = time.monotonic()
        claims = []
        until(lambda: claims.append(ledger.claims.take("story-tale")) or claims[-1])
        assert claims[-1].epoch == 2
        assert time.monotonic() - began < 5, "at once, not after its lease"


def test_a_process_that_was_stopped_for_long_has_lost_its_claim_when_it_wakes(machines, tmp_path, database):
    ledger = machines()
    words = (
        "with relying_on(claim):\n"
        "    for key in ('late', 'later'):\n"
        "        try:\n"
        "            admitted(ledger, key)\n"
        "        except StorychainError as error:\n"
        "            print(type(error).__name__, error.exit_code, flush=True)\n"
    )
    with program(tmp_path / "other" / "ledger.sqlite3", database, words) as process:
        process.send_signal(signal.SIGSTOP)
        assert ledger.claims.take("story-tale") is None
        claims = []
        until(lambda: claims.append(ledger.claims.take("story-tale")) or claims[-1])
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate("go on\n", timeout=30)
    assert said == "StoryHeld 75\n" * 2
    assert ledger.record("late").state == "none"


@pytest.mark.slow
@pytest.mark.rest
def test_a_process_that_was_stopped_and_of_which_nobody_took_anything_goes_on(machines, tmp_path, database):
    ledger = machines()
    words = "with relying_on(claim):\n    admitted(ledger, 'late')\nprint('bought', flush=True)\n"
    with program(tmp_path / "other" / "ledger.sqlite3", database, words) as process:
        process.send_signal(signal.SIGSTOP)
        time.sleep(2 * LEASE)
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate("go on\n", timeout=30)
    assert said == "bought\n"
    assert ledger.record("late").state == "intended"


def test_a_cancelled_wait_leaves_no_claim_behind(machines, tmp_path):
    one, other = machines(), machines()

    async def play():
        locks = SharedLocks(one.claims)
        for delay in [0, 0, 0.001, 0.002, 0.005, 0.01, 0.02]:

            async def hold():
                async with locks.wait(tmp_path / "locks" / "key-k"):
                    await asyncio.sleep(10)

            task = asyncio.create_task(hold())
            await asyncio.sleep(delay)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        async with locks.now(tmp_path / "locks" / "key-k"):
            with pytest.raises(Held):
                async with SharedLocks(other.claims).now(tmp_path / "elsewhere" / "key-k"):
                    pass
        async with SharedLocks(other.claims).now(tmp_path / "elsewhere" / "key-k"):
            pass

    asyncio.run(play())


def test_news_of_a_job_that_was_taken_for_lost_makes_its_attempt_good_again(machines):
    one, other = machines(), machines()
    attempt = admitted(one, "k")
    other.refused(attempt, "its request never reached the provider")
    one.arrived_after_all(attempt, "job")
    assert (other.record("k").state, other.record("k").job_id) == ("submitted", "job")
    one.arrived_after_all(attempt, "job")  # told twice
    found = admitted(one, "found")
    other.submitted(found, "job-2")
    one.arrived_after_all(found, "job-2")
    late = admitted(one, "late")
    other.refused(late, "its request never reached the provider")
    admitted(other, "late")
    with pytest.raises(Unresolved, match="job-3 belongs to no scene"):
        one.arrived_after_all(late, "job-3")
    assert other.record("late").state == "intended"


# Whole runs


class Machine:
    """A runner with a workspace of its own."""

    def __init__(self, folder, studio, url):
        self.folder = folder
        folder.mkdir()
        self.order = {"workspace": str(folder), "base_url": studio.base_url, "url": url, "lease": LEASE, "settle": 0.3}
        command = [sys.executable, "-m", "tests.crash_runner"]
        self.runner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self, story, **death):
        self.runner.stdin.write(json.dumps({**self.order, "story": str(story), **death}) + "\n")
        self.runner.stdin.flush()

    def ended(self):
        return json.loads(self.runner.stdout.readline())

    def stopped(self):
        """The process that carries the order out, once it has stopped."""
        found = []
        until(lambda: found.extend(pid for pid in children(self.runner.pid) if is_stopped(pid)) or found)
        return found[0]

    def close(self):
        self.runner.stdin.close()
        for pid in children(self.runner.pid):
            signal_if_there(pid, signal.SIGKILL)
        self.runner.stdout.close()
        self.runner.wait(timeout=30)


def children(pid):
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def signal_if_there(pid, number):
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def is_stopped(pid):
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False


@pytest.fixture
def theatre(tmp_path, database):
    """A studio, and machines that share a ledger."""
    home = tmp_path / "studio"
    home.mkdir()
    studio = Studio(home)
    with ExitStack() as stack:
        stack.callback(studio.close)

        def machine(name):
            return stack.enter_context(closing(Machine(tmp_path / name, studio, database)))

        yield studio, machine


def finished_by(machine, story):
    """Let a machine try again and again, as cron would, until the story is done."""

    def done():
        machine.begin(story)
        return machine.ended()["status"] == "done"

    until(done)


def test_two_machines_render_a_story_once(theatre, tmp_path):
    studio, machine = theatre
    story, (one, other) = story_file(tmp_path, 3), map(machine, "ab")
    one.begin(story)
    other.begin(story)
    told = sorted([one.ended()["status"], other.ended()["status"]])
    assert told[0] == "done"
    assert told[1] == "done" or "another run is rendering this story" in told[1]
    assert studio.counts()["accepted"] == 3


@pytest.mark.slow
@pytest.mark.rest
def test_stories_on_two_machines_that_open_alike_share_what_they_buy(theatre, tmp_path):
    studio, machine = theatre
    one, other = map(machine, "ab")
    one.begin(story_file(tmp_path, 3, name="long"))
    other.begin(story_file(tmp_path, 2, name="short"))
    assert [one.ended()["status"], other.ended()["status"]] == ["done", "done"]
    assert studio.counts()["accepted"] == 3
    assert all((tmp_path / name / "films").glob("*.mp4") for name in "ab")


ACTS = [("admit", 2, True), ("submit", 2, False), ("submitted", 2, False), ("completed", 2, True), ("jobs", 1, True)]


@pytest.mark.parametrize(("act", "occurrence", "after"), telling(ACTS, [("admit", 2, True)]))
def test_a_machine_that_was_stopped_while_another_went_on_pays_nothing_twice(theatre, tmp_path, act, occurrence, after):
    studio, machine = theatre
    story, (one, other) = story_file(tmp_path, 3), map(machine, "ab")
    one.begin(story, act=act, occurrence=occurrence, after=after, signal=signal.SIGSTOP)
    stopped = one.stopped()
    finished_by(other, story)
    assert studio.counts()["accepted"] == 3
    signal_if_there(stopped, signal.SIGCONT)
    status = one.ended()["status"]
    assert status.startswith("stopped: "), status
    assert "another one has taken over" in status, status
    assert studio.counts()["accepted"] == 3, "it was paid for again by who woke up"
    one.begin(story)
    assert one.ended()["status"] == "done"
    assert studio.counts()["accepted"] == 3


@pytest.mark.slow
@pytest.mark.rest
def test_what_cannot_be_promised_is_at_least_told(theatre, tmp_path):
    """Stopped between the last look at the clock and the request, for longer than others wait: its job is named."""
    studio, machine = theatre
    story, (one, other) = story_file(tmp_path, 2), map(machine, "ab")
    one.begin(story, act="wire", occurrence=2)
    stopped = one.stopped()
    finished_by(other, story)
    signal_if_there(stopped, signal.SIGCONT)
    status = one.ended()["status"]
    assert "belongs to no scene: its request arrived so late" in status
    assert studio.counts()["accepted"] == 3


def test_who_waits_for_a_turn_longer_than_others_wait_for_him_sends_in_time_all_the_same(tmp_path, database):
    """The turn is waited for before anything is admitted; what was admitted too long ago is not sent."""

    async def play():
        async with stage(tmp_path) as at:
            with closing(Ledger(tmp_path / "other" / "ledger.sqlite3", url=database)) as ledger:
                gate = Gate(per_minute=100)
                async with Pictory(at.running.base_url, "pictai_test", gate=gate) as provider:
                    shared = {"provider": provider, "ledger": ledger, "locks": locks_of(ledger)}
                    hasty = Pace(poll=0.05, job_timeout=30, settle=0.1, silence=0.0, send_within=0.3)
                    outcome = await at.render(story_file(tmp_path, 2), pace=hasty, **shared)
                    assert outcome.status == "done", outcome.error
                    assert at.counts["accepted"] == at.counts["submits"] == 2
                    never = SegmentRequest("A kite.", "veo3.1_fast", "16:9", 4, in_time=lambda: False)
                    assert isinstance(await provider.submit(never), TurnedAway)
                    assert at.counts["submits"] == 2

    asyncio.run(play())
