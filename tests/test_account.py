"""The ledger held against the account: memory that was lost, books that agree or not, jobs removed when safe."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from storychain.chain.events import Beside, BooksDiffer, Completed, FilmReady
from storychain.chain.joblist import unowned_since_the_first
from storychain.errors import Unresolved
from storychain.ledger import Caps, Purchase
from storychain.pictory import Pictory
from storychain.provider import SegmentRequest
from storychain.report.lines import line
from tests.desk import Desk, Studio, until
from tests.stage import PRICE, stage, story_file
from tests.stranger import KEY, raw, said, stranger

MODEL = "veo3.1_fast"


def test_a_ledger_put_back_from_yesterdays_copy_spends_nothing(tmp_path):
    async def play():
        yesterday, ledger = tmp_path / "copy.sqlite3", tmp_path / "workspace" / "ledger.sqlite3"
        path = story_file(tmp_path, 2)
        async with stage(tmp_path) as at:
            await at.render(story_file(tmp_path, 1, name="before"))
        shutil.copyfile(ledger, yesterday)
        async with stage(tmp_path) as at:
            assert (await at.render(path)).spent == PRICE
            forgotten = (await at.jobs())[0]["id"]
        for left in ledger.parent.glob("ledger.sqlite3*"):
            left.unlink()
        shutil.copyfile(yesterday, ledger)
        async with stage(tmp_path) as at:
            outcome = await at.render(path)
            assert isinstance(outcome.error, Unresolved)
            assert forgotten in str(outcome.error)
            assert at.counts["submits"] == 0

    asyncio.run(play())


@pytest.mark.slow
def test_what_was_forgotten_is_adopted_and_not_paid_again(desk):
    path = story_file(desk.folder, 2)
    ledger = desk.folder / ".storychain" / "ledger.sqlite3"
    assert desk.run("run", story_file(desk.folder, 1, name="before"), "--yes").returncode == 0
    shutil.copyfile(ledger, desk.folder / "copy")
    assert desk.run("run", path, "--yes").returncode == 0
    (desk.folder / "copy").replace(ledger)
    assert desk.run("run", path, "--yes").returncode == 6
    shown = desk.run("reconcile")
    job = shown.stdout.split()[0]
    assert "completed" in shown.stdout
    for _ in range(2):
        assert desk.run("adopt", path, "s2", job).returncode == 0
    assert desk.run("reconcile", "--accept").returncode == 0
    done = desk.run("run", path, "--yes")
    assert done.returncode == 0, done.stderr
    assert desk.studio.counts()["accepted"] == 2
    assert desk.run("status", path).stdout.splitlines()[2].endswith(f"job {job}")  # nobody knows how long it took


def test_the_books_agree_with_the_account(desk):
    assert desk.run("run", story_file(desk.folder, 2), "--yes").returncode == 0
    books = json.loads(desk.run("credits", "--json").stdout)
    assert books["credits"] == 80
    assert books["entries"][0]["name"] == "tale"
    assert books["account"] == {"used": 80, "limit": 22000, "debits": 80, "difference": 0}
    assert "agree" in desk.run("credits", "--by", "day").stdout
    assert "veo3.1_fast" in desk.run("credits", "--by", "model", PICTORY_API_KEY=None).stdout
    assert desk.run("credits", "--since", "yesterday").returncode == 2


@pytest.mark.slow
def test_books_that_differ_say_by_how_much(desk):
    assert desk.run("run", story_file(desk.folder, 1), "--yes").returncode == 0
    assert desk.run("run", story_file(desk.folder, 2), "--yes", "--workspace", "elsewhere").returncode == 0
    assert "80 credits more than this ledger knows" in desk.run("credits").stdout


def test_jobs_that_are_missing_in_the_books_are_shown_though_others_were_bought_since(tmp_path):
    async def play():
        paths = [story_file(tmp_path, [{"prompt": f"Part {n} of a tale."}], name=f"t{n}") for n in range(3)]
        async with stage(tmp_path) as at:
            await at.provider.submit(SegmentRequest("What was before us.", MODEL, "16:9", 4))
            await at.render(paths[0])
            ours = await at.provider.submit(SegmentRequest("What somebody else made.", MODEL, "16:9", 4))
            await at.render(paths[2])
            unknown, so_far = await unowned_since_the_first(at.provider, at.ledger)
            assert ([job.id for job in unknown], so_far) == ([ours.job_id], True)

    asyncio.run(play())


def test_a_job_of_nobody_is_shown_though_the_list_has_it_before_the_first_that_is_known(tmp_path):
    """The account had none; then two were asked for at a time, and of the first nobody knows any more."""

    async def play():
        async with stage(tmp_path) as at:
            told = {"key": "k", "provider": at.provider.name, "story": "tale", "scene": "s1", "run": "r"}
            told |= {"model": MODEL, "seconds": 4, "prompt": "What is ours.", "price": PRICE, "watermark": ()}
            admitted = at.ledger.admit(Purchase(**told), Caps(), 9)
            nobodys = await at.provider.submit(SegmentRequest("What nobody knows of.", MODEL, "16:9", 4))
            ours = await at.provider.submit(SegmentRequest("What is ours.", MODEL, "16:9", 4))
            at.ledger.submitted(admitted.attempt, ours.job_id)
            unknown, so_far = await unowned_since_the_first(at.provider, at.ledger)
            assert ([job.id for job in unknown], so_far) == ([nobodys.job_id], True)

    asyncio.run(play())


@pytest.mark.slow
def test_reconcile_shows_what_credits_says_it_shows(desk):
    told = [story_file(desk.folder, [{"prompt": f"Part {n} of a tale."}], name=f"t{n}") for n in range(3)]
    for path, where in zip(told, (".storychain", "elsewhere", ".storychain"), strict=True):
        assert desk.run("run", path, "--yes", "--workspace", where).returncode == 0
    assert "40 credits more than this ledger knows of" in desk.run("credits").stdout
    missing = next(job["id"] for job in desk.studio.jobs() if "Part 1" in job["body"]["prompt"])
    shown = desk.run("reconcile").stdout
    assert shown.startswith(missing)
    assert shown.count("\n") == 1
    assert "since the first one" not in shown


@pytest.mark.slow
def test_jobs_are_removed_only_when_their_bytes_are_safe(desk):
    path = story_file(desk.folder, 2)
    assert desk.run("run", path, "--yes").returncode == 0
    assert "2 jobs can be removed" in desk.run("clean").stdout
    assert desk.studio.counts()["cleans"] == 0
    first = json.loads(desk.run("run", path, "--json").stdout)["stories"][0]["segments"][0]
    with Path(first["path"]).open("r+b") as file:
        file.seek(1000)
        file.write(b"spoilt")
    done = desk.run("clean", path, "--yes")
    assert "1 job removed" in done.stdout
    assert "tale/s1: its file is not whole here; kept" in done.stderr
    assert desk.studio.counts()["cleans"] == 1
    assert "0 jobs removed" in desk.run("clean", "--yes").stdout
    assert desk.studio.counts()["cleans"] == 1


@pytest.mark.slow
def test_nothing_is_removed_while_jobs_are_under_way(tmp_path):
    home, folder = tmp_path / "studio", tmp_path / "desk"
    home.mkdir()
    folder.mkdir()
    slow = Studio(home, "--latency", "20")
    desk = Desk(folder, slow)
    process = desk.start("run", story_file(folder, 1), "--yes")
    try:
        until(lambda: slow.counts()["polls"] > 0)
        process.kill()
        process.communicate()
        assert desk.run("clean", "--yes").returncode == 75
        assert slow.counts()["cleans"] == 0
    finally:
        slow.close()


def differences(at):
    return [event for event in at.told if isinstance(event, BooksDiffer)]


def test_after_a_run_the_account_took_what_the_ledger_wrote_down(tmp_path):
    async def play():
        async with stage(tmp_path) as at:
            await at.render_all(story_file(tmp_path, 2))
            assert not differences(at)
            assert at.counts["quotas"] == 2

    asyncio.run(play())


def test_credits_that_something_else_took_during_a_run_are_told(tmp_path):
    async def play():
        async with stage(tmp_path) as at:

            def meanwhile(event):
                at.told.append(event)
                if isinstance(event, Completed) and event.scene == "s1":
                    others.append(asyncio.create_task(at.provider.submit(SegmentRequest("A dog.", MODEL, "16:9", 8))))

            others = []
            await at.render_all(story_file(tmp_path, 3), tell=meanwhile)
            assert [(event.taken, event.written) for event in differences(at)] == [(5 * PRICE, 3 * PRICE)]
            assert "200 credits" in line(differences(at)[0])

    asyncio.run(play())


def test_an_account_that_does_not_answer_at_the_end_keeps_nobody_from_the_film(tmp_path):
    """The books at the beginning can be read; those at the end are answered 429."""

    async def play():
        async with (
            stage(tmp_path) as at,
            stranger(said({"aiCredits": {"used": 0, "limit": 22000}}), raw(429)) as books,
            Pictory(books.origin, KEY) as account,
        ):

            class Provider:
                quota = account.quota

                def __getattr__(self, name):
                    return getattr(at.provider, name)

            clock = asyncio.get_running_loop().time

            def tell(event):
                at.told.append(event)
                if isinstance(event, Beside | FilmReady):
                    ready.append(clock())

            ready = []
            (done,) = await at.render_all(story_file(tmp_path, 1), provider=Provider(), tell=tell)
            assert (done.status, len(books.asked) > 1) == ("done", True)
            assert clock() - ready[-1] < 5

    asyncio.run(play())


def test_a_run_that_buys_nothing_does_not_ask_the_account(tmp_path):
    async def play():
        async with stage(tmp_path) as at:
            path = story_file(tmp_path, 1)
            await at.render(path)
            asked = at.counts["quotas"]
            await at.render_all(path)
            assert at.counts["quotas"] == asked

    asyncio.run(play())


def test_what_is_stored_here_after_all_is_bought_again_by_nobody(desk):
    path = story_file(desk.folder, 1)
    assert desk.run("run", path, "--max-credits", "80").returncode == 0
    assert desk.run("clean", path, "--yes").returncode == 0
    (segment,) = (desk.folder / ".storychain" / "segments").glob("*.mp4")
    kept = segment.rename(desk.folder / "kept.mp4")
    gone = desk.run("run", path, "--max-credits", "80")
    assert gone.returncode == 6
    assert f"put back as segments/{segment.name} in the workspace" in gone.stderr
    kept.rename(segment)
    refused = desk.run("resubmit", path, "s1", "--may-pay-twice")
    assert (refused.returncode, "it is stored" in refused.stderr) == (2, True)
    assert "already paid and here" in desk.run("plan", path).stdout
    assert desk.run("run", path, "--max-credits", "80").returncode == 0
    assert desk.studio.counts()["accepted"] == 1
