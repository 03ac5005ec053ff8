"""The ledger against a model of a few lines, by whatever sequences of steps hypothesis comes up with."""

import datetime
import shutil
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from storychain.errors import CapReached, StorychainError
from storychain.ledger import Admitted, Caps, Full, Ledger, Purchase
from storychain.provider import Job

KEYS = st.sampled_from(["k1", "k2", "k3"])
JOBS = st.sampled_from(["j1", "j2", "j3"])
STORIES = st.sampled_from(["tale", "fable"])
CREDITS = st.integers(0, 30_000).map(lambda thousandths: Decimal(thousandths) / 1000)
CAP = st.none() | st.integers(0, 60_000).map(lambda thousandths: Decimal(thousandths) / 1000)
CAPS = st.builds(Caps, run=CAP, story=CAP, day=CAP, month=CAP)

LIVE = ("intended", "submitted", "completed", "stored", "unresolved")
STEPS = {
    "submitted": ("intended", "unresolved"),
    "refused": ("intended",),
    "completed": ("submitted", "unresolved", "completed", "stored"),
    "stored": ("completed", "stored"),
    "failed": ("submitted",),
    "unresolved": ("intended", "submitted", "completed", "stored"),
    "abandoned": LIVE,
}


class Attempts(RuleBasedStateMachine):
    """Attempts as plain dicts; the ledger has to agree after every step."""

    url = None

    @initialize()
    def open(self):
        self.folder = Path(tempfile.mkdtemp())
        self.at = datetime.datetime(2026, 2, 28, 12, tzinfo=datetime.UTC)
        self.attempts = {}
        self.ledger = Ledger(self.folder / "ledger.sqlite3", self.now, self.url)

    def now(self):
        return self.at.timestamp()

    def teardown(self):
        if hasattr(self, "ledger"):
            self.ledger.close()
            shutil.rmtree(self.folder)

    @rule(hours=st.sampled_from([1, 13, 24 * 20]))
    def time_goes_by(self, hours):
        self.at += datetime.timedelta(hours=hours)

    @rule()
    def close_and_open(self):
        self.ledger.close()
        self.ledger = Ledger(self.folder / "ledger.sqlite3", self.now, self.url)

    def spent(self, *, story=None, run=None, since=None):
        return sum(
            one["credits"]
            for one in self.attempts.values()
            if one["state"] != "refused"
            and (story is None or one["story"] == story)
            and (run is None or one["run"] == run)
            and (since is None or one["at"] >= since)
        )

    def too_much(self, caps, price, story, run):
        day = self.at.replace(hour=0)
        spans = [
            (caps.run, self.spent(run=run)),
            (caps.story, self.spent(story=story)),
            (caps.day, self.spent(since=day)),
            (caps.month, self.spent(since=day.replace(day=1))),
        ]
        return any(cap is not None and spent + price > cap for cap, spent in spans)

    def under_way(self):
        fresh = self.at - datetime.timedelta(minutes=15)
        waiting = [one for one in self.attempts.values() if one["state"] in ("intended", "submitted")]
        return sum(one["seen"] > fresh for one in waiting)

    @rule(key=KEYS, story=STORIES, run=st.sampled_from(["r1", "r2"]), price=CREDITS, caps=CAPS, jobs=st.integers(1, 3))
    def buy(self, key, story, run, price, caps, jobs):
        purchase = Purchase(key, "pictory", story, "s1", run, "veo3.1", 8, "A kite.", price, ())
        held = any(one["key"] == key and one["state"] in LIVE for one in self.attempts.values())
        try:
            admission = self.ledger.admit(purchase, caps, jobs)
        except CapReached:
            assert not held
            assert self.under_way() < jobs
            assert self.too_much(caps, price, story, run)
            return
        except StorychainError:
            assert held
            return
        assert not held
        if isinstance(admission, Full):
            assert admission.under_way == self.under_way() >= jobs
            return
        assert isinstance(admission, Admitted)
        assert self.under_way() < jobs
        assert not self.too_much(caps, price, story, run)
        self.attempts[admission.attempt] = {
            "key": key,
            "story": story,
            "run": run,
            "state": "intended",
            "credits": price,
            "job": None,
            "at": self.at,
            "seen": self.at,
        }

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), step=st.sampled_from(sorted(STEPS)), job=JOBS, told=st.none() | CREDITS)
    def go_on(self, data, step, job, told):
        attempt = data.draw(st.sampled_from(sorted(self.attempts)))
        one = self.attempts[attempt]
        others = {other["job"] for number, other in self.attempts.items() if number != attempt}
        may = one["state"] in STEPS[step]
        may = may and not (step == "submitted" and job in others)
        may = may and not (step == "completed" and one["job"] is None)
        try:
            self.take(attempt, step, job, told)
        except StorychainError:
            assert not may
            return
        assert may
        one["seen"] = self.at
        one["state"] = "stored" if (one["state"], step) == ("stored", "completed") else step
        if step == "submitted":
            one["job"] = job
        if step in ("completed", "failed") and told is not None:
            one["credits"] = told

    def take(self, attempt, step, job, told):
        match step:
            case "submitted":
                self.ledger.submitted(attempt, job)
            case "refused":
                self.ledger.refused(attempt, "no")
            case "completed":
                self.ledger.completed(attempt, Job("j", "completed", url="https://x/v", credits=told))
            case "stored":
                self.ledger.stored(attempt, "sha", 1)
            case "failed":
                self.ledger.failed(attempt, Job("j", "failed", credits=told))
            case "unresolved":
                self.ledger.unresolved(attempt, "who knows")
            case "abandoned":
                self.ledger.abandon(attempt)

    @precondition(lambda self: hasattr(self, "ledger"))
    @invariant()
    def the_ledger_agrees(self):
        for story in ("tale", "fable"):
            assert self.ledger.spent("pictory", story=story) == self.spent(story=story)
            told = {record.attempt: record.state for record in self.ledger.story_records("pictory", story)}
            assert told == {number: one["state"] for number, one in self.attempts.items() if one["story"] == story}
        assert self.ledger.under_way("pictory") == self.under_way()
        jobs = {one["job"] for one in self.attempts.values()} - {None}
        assert self.ledger.owned("pictory", ["j1", "j2", "j3"]) == jobs


TestAttempts = Attempts.TestCase
TestAttempts.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


@pytest.mark.slow
@pytest.mark.rest
def test_attempts_in_postgres(cluster):
    class InPostgres(Attempts):
        def __init__(self):
            super().__init__()
            self.url = cluster.database()

    run_state_machine_as_test(InPostgres, settings=settings(max_examples=25, stateful_step_count=25, deadline=None))
