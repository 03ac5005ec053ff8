"""How a segment ends before another one is bought that continues it: told, or bought again within what is allowed."""

import asyncio
from decimal import Decimal

import pytest

from storychain.chain import events as ev
from storychain.ledger import Caps
from storychain.media.room import FfmpegRoom
from storychain.media.tool import find_ffmpeg
from tests.stage import FFMPEG, PRICE, frames_of, stage, story_file


class Picky(FfmpegRoom):
    """A cutting room that finds fault with the endings it is told to, by their number; the first is 1."""

    def __init__(self, *faults):
        super().__init__(find_ffmpeg({"STORYCHAIN_FFMPEG": str(FFMPEG)}))
        object.__setattr__(self, "faults", list(faults))
        object.__setattr__(self, "looked", [0])

    async def ending(self, segment):
        self.looked[0] += 1
        return "it ends in black (9 frames)" if self.looked[0] in self.faults else None


def scenes(count, **options):
    return [
        {"id": f"s{n}", "prompt": f"Scene number {n} of a tale by the sea.", **options} for n in range(1, count + 1)
    ]


async def _rendered(tmp_path, story, faults, times=1, **changes):
    async with stage(tmp_path) as at:
        path = story_file(tmp_path, story)
        for _ in range(times):
            outcome = await at.render(path, room=Picky(*faults), **changes)
        said = [event.message for event in at.told if isinstance(event, ev.Noticed)]
        kept = sorted(one.name for one in (at.workspace.root / "segments").glob("*rejected*"))
        return outcome, at.counts["accepted"], said, kept


def rendered(*arguments, **options):
    return asyncio.run(_rendered(*arguments, **options))


def test_a_bad_ending_is_told_before_it_is_continued(tmp_path):
    outcome, accepted, said, kept = rendered(tmp_path, scenes(2), [1])
    assert outcome.status == "done"
    assert accepted == 2
    assert any("ends in black" in words and "continues from there" in words for words in said)
    assert not kept


def test_a_segment_that_is_not_continued_is_not_looked_at(tmp_path):
    _, accepted, said, _ = rendered(tmp_path, scenes(1), [1])
    assert accepted == 1
    assert not said


def test_a_retake_is_bought_within_the_attempts_and_the_first_is_kept(tmp_path):
    outcome, accepted, _, kept = rendered(tmp_path, scenes(3, handover="retake", attempts=2), [1])
    assert outcome.status == "done"
    assert accepted == 4
    assert outcome.spent == 4 * PRICE
    assert len(kept) == 1
    assert frames_of(outcome.film) == 3 * 4 * 24


@pytest.mark.parametrize(
    ("attempts", "changes", "why"),
    [(1, {}, "of 1 attempt none is left"), (2, {"caps": Caps(run=Decimal(3 * PRICE))}, "other scenes need")],
)
def test_what_may_not_be_bought_again_is_kept(tmp_path, attempts, changes, why):
    outcome, accepted, said, kept = rendered(tmp_path, scenes(3, handover="retake", attempts=attempts), [1], **changes)
    assert outcome.status == "done"
    assert accepted == 3
    assert any(why in words for words in said)
    assert not kept


def test_the_scene_after_waits_for_the_retake(tmp_path):
    async def play():
        async with stage(tmp_path) as at:
            outcome = await at.render(story_file(tmp_path, scenes(2, handover="retake", attempts=2)), room=Picky(1))
            jobs = list(reversed(await at.jobs()))
            ends = {step.scene.id: step.record.job_id for step in outcome.steps}
            assert [job["id"] for job in jobs][1:] == [ends["s1"], ends["s2"]]
            order = [
                type(event).__name__ + event.scene for event in at.told if isinstance(event, ev.Submitted | ev.Stored)
            ]
            assert order == ["Submitteds1", "Storeds1", "Submitteds1", "Storeds1", "Submitteds2", "Storeds2"]

    asyncio.run(play())


def test_a_rerun_looks_at_nothing_and_buys_nothing(tmp_path):
    outcome, accepted, _, _ = rendered(tmp_path, scenes(2, handover="retake", attempts=2), [], times=2)
    assert outcome.status == "done"
    assert accepted == 2
