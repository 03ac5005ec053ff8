"""Finding the job of a request whose answer was lost, on lists that are as the API tells and on others."""

import asyncio

import pytest

from storychain.chain.joblist import appeared_since
from storychain.chain.watermarks import MARKED, Watermarks
from storychain.ledger import Ledger
from storychain.provider import Job, JobPage


class Listing:
    """An account's list of jobs, in whatever order it is, in pages of so many."""

    name = "listing"

    def __init__(self, ids, size=50):
        self.ids = list(ids)
        self.size = size
        self.pages = 0

    async def jobs(self, page=None):
        self.pages += 1
        begin = int(page or 0)
        ids = self.ids[begin : begin + self.size]
        following = begin + self.size
        return JobPage(tuple(Job(one, "in_progress") for one in ids), str(following) if self.ids[following:] else None)


def found(tmp_path, before, after, *, size=50, gaps=False):
    """What has appeared, by id, on a list that was `before` when the watermark was read, and the pages it took."""

    async def looked():
        mark = await Watermarks().newest(Listing(before, size))
        now = Listing(after, size)
        (jobs,) = await appeared_since(now, Ledger(tmp_path / "ledger.sqlite3"), [mark], gaps=gaps)
        return [job.id for job in jobs], now.pages

    return asyncio.run(looked())


OLD = [f"old-{number}" for number in range(300)]


@pytest.mark.parametrize(
    ("before", "after", "size"),
    [
        ([], ["new"], 50),
        (OLD, ["new", *OLD], 50),
        (OLD[:2], [*OLD[:2], "new"], 50),
        (OLD[:5], [*OLD[:5], "new"], 50),
        (OLD[:3], ["old-2", "new", "old-0", "old-1"], 50),
        (OLD, ["old-7", "new", *OLD[:7], *OLD[8:]], 50),
        (OLD, ["old-0", "old-1", "new", *OLD[2:]], 3),
        (OLD, ["new", *OLD[MARKED:]], 50),
    ],
    ids=[
        "an empty list",
        "newest first",
        "oldest first",
        "oldest first, more",
        "in no order",
        "one that is older on top",
        "one that is older on top, short pages",
        "all that were marked are removed",
    ],
)
def test_the_new_job_is_found_wherever_it_stands(tmp_path, before, after, size):
    new, _ = found(tmp_path, before, after, size=size)
    assert "new" in new
    assert len(new) == (1 if set(before) <= set(after) else len(after))


def test_what_was_there_before_is_not_new_however_long_the_list(tmp_path):
    assert found(tmp_path, OLD, OLD) == ([], 1)
    assert found(tmp_path, OLD, OLD, size=10) == ([], 1)
    assert found(tmp_path, OLD[:4], OLD[:4]) == ([], 1)


def test_of_a_mark_whose_jobs_were_removed_in_part_one_page_more_is_read(tmp_path):
    assert found(tmp_path, OLD, ["new", *OLD[1:]]) == (["new"], 2)


def test_a_mark_with_gaps_says_nothing_of_what_stands_between(tmp_path):
    assert found(tmp_path, ["ours-2", "ours-1"], ["new", "ours-2", "another's", "ours-1"]) == (["new", "another's"], 1)

    async def looked():
        jobs = Listing(["new", "ours-2", "another's", "ours-1", "older"])
        return await appeared_since(jobs, Ledger(tmp_path / "other.sqlite3"), [("ours-2", "ours-1")], gaps=True)

    ((job,),) = asyncio.run(looked())
    assert job.id == "new"


def test_a_mark_knows_no_longer_than_it_does_whether_it_is_all_there_is():
    async def looked():
        marks = Watermarks()
        await marks.newest(Listing(OLD[: MARKED - 2]))
        sizes = []
        for number in range(4):
            marks.appeared(f"new-{number}")
            mark = await marks.newest(Listing([]))
            sizes.append((len(mark), "" in mark))
        return sizes

    assert asyncio.run(looked()) == [(MARKED, True), (MARKED, False), (MARKED, False), (MARKED, False)]
