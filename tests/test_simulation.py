"""The real chain, ledger and client in a simulated world: seeded schedules of faults, deaths and power cuts.

`python -m tests.soak` plays as many as one likes. Here are a few, those that once found something, and the proof that
the world would notice: programs with one mistake each are caught.
"""

import pytest

from tests.soak import memory_folder
from tests.world.broken import (
    BROKEN,
    BelievesBadAnswers,
    CountsNothing,
    ForgetsIntentions,
    Hasty,
    NeverSyncs,
    RepeatsRequests,
)
from tests.world.directing import Directing
from tests.world.invariants import SENTENCES
from tests.world.nights import Nights
from tests.world.schedule import play

FOUND = {
    5: "a full disk ended the run with a bare OSError, and with it every other story",
    97: "a request accepted while its answer was awaited in vain was looked for once, too early, and paid again",
    139: "a stranger's job that was listed before ours was taken for ours, and ours was nobody's",
    2525: "after clocks that were days apart no look at a job was planned before it was given up, run after run",
    6707: "a request was taken on 49 s after it left, when its sender was long killed, and paid again",
}
"""Seeds, and what they showed when they were first played."""

CAUGHT = {
    RepeatsRequests: 12,
    BelievesBadAnswers: 6,
    ForgetsIntentions: 6,
    NeverSyncs: 253,
    Hasty: 18,
    CountsNothing: 0,
}
"""Broken programs, and a seed near which they are caught: searching from the first one would take a while."""


@pytest.fixture(scope="module")
def folder():
    with memory_folder() as folder:
        yield folder


def told(report):
    return "\n".join([*report.violations, f"python -m tests.soak --seeds 1 --first {report.seed} --tell"])


@pytest.mark.parametrize("first", range(1000, 1040, 10))
def test_whatever_happens_the_invariants_hold(folder, first):
    posts = 0
    for seed in range(first, first + 10):
        report = play(seed, folder)
        assert not report.violations, told(report)
        posts += report.posts
    assert posts > 10


MANY = pytest.param(range(30, 600), marks=[pytest.mark.slow, pytest.mark.timeout(900)])


@pytest.mark.parametrize("seeds", [range(15), range(15, 30), MANY])
def test_a_month_of_cron_passes_no_cap_and_every_story_is_done_or_explained(folder, seeds):
    reports = [play(seed, folder, history=Nights) for seed in seeds]
    assert not [told(report) for report in reports if report.violations]
    assert sum(report.done for report in reports) > len(seeds)
    assert all(report.runs > 60 for report in reports)


@pytest.mark.parametrize("seeds", [range(2000, 2025), range(2025, 2050)])
def test_whoever_picks_and_retakes_pays_each_segment_once(folder, seeds):
    reports = [play(seed, folder, history=Directing) for seed in seeds]
    assert not [told(report) for report in reports if report.violations]
    assert sum(report.done for report in reports) > len(seeds) / 2


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_once_stays_mended(folder, seed):
    report = play(seed, folder)
    assert not report.violations, told(report)


@pytest.mark.parametrize("program", CAUGHT, ids=lambda program: program.__name__)
def test_the_world_catches(folder, program):
    seeds = range(CAUGHT[program], CAUGHT[program] + 60)
    assert any(play(seed, folder, program()).violations for seed in seeds), program.__doc__


def test_every_broken_program_is_tried():
    assert set(CAUGHT) == set(BROKEN)


def test_a_seed_tells_the_same_story_every_time(folder):
    once, again = (play(97, folder, telling=True) for _ in range(2))
    assert once.story == again.story
    assert once.posts


def test_every_violation_has_its_sentence():
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())
