"""Requests held back by everybody together: a limit, what a 429 teaches, and an account that will not pay."""

import asyncio
import struct
import subprocess
import sys
import time
from decimal import Decimal

from storychain.chain.events import Completed, HeldBack
from storychain.pictory import Gate, Pictory
from storychain.provider import SegmentRequest
from storychain.report.lines import line
from tests.stage import stage, story_file
from tests.stranger import KEY, raw, stranger

PASSING = """
import asyncio, sys, time
from pathlib import Path
from storychain.pictory import Gate
async def main():
    gate = Gate(Path(sys.argv[1]), 600)
    for _ in range(10):
        await gate.passed()
        print(time.time(), flush=True)
asyncio.run(main())
"""


def test_a_limit_holds_across_processes(tmp_path):
    command = [sys.executable, "-c", PASSING, str(tmp_path / "gate")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    times = sorted(float(line) for one in processes for line in one.communicate(timeout=60)[0].split())
    assert len(times) == 30
    # Each may have woken up a little late, but in all they take as long as one process would.
    assert times[-1] - times[0] >= 29 * 0.1 - 0.05


def test_too_many_requests_slow_everybody_down_and_success_speeds_up_again(tmp_path):
    async def play():
        one, other = Gate(tmp_path / "gate"), Gate(tmp_path / "gate")
        await other.passed()
        await one.slow_down(None)
        began = time.monotonic()
        await other.passed()
        await one.passed()
        slow = time.monotonic() - began
        assert slow >= 0.95
        for _ in range(40):
            await one.went_well()
        began = time.monotonic()
        for _ in range(20):
            await other.passed()
        assert time.monotonic() - began < slow

    asyncio.run(play())


def test_the_time_that_the_provider_names_is_waited_by_all(tmp_path):
    async def play():
        one, other = Gate(tmp_path / "gate"), Gate(tmp_path / "gate")
        await one.slow_down(1.0)
        began = time.monotonic()
        await asyncio.gather(one.passed(), other.passed())
        assert 0.9 <= time.monotonic() - began < 5

    asyncio.run(play())


def test_a_wait_that_a_read_is_made_to_take_is_told_once_however_many_wait(tmp_path):
    async def play():
        told = []
        busy = raw(429, b'{"message": "slow down"}', Retry_After="40")
        async with (
            stranger(busy) as server,
            Pictory(server.origin, KEY, gate=Gate(tmp_path / "gate"), held=lambda *one: told.append(one)) as client,
        ):
            reads = [asyncio.create_task(read) for read in (client.job("a"), client.job("b"), client.jobs())]
            while len(server.asked) < 3 or not told:
                await asyncio.wait(reads, timeout=0.01)
            late = asyncio.create_task(client.job("c"))
            await asyncio.wait([*reads, late], timeout=0.1)
            for one in (*reads, late):
                one.cancel()
            await asyncio.gather(*reads, late, return_exceptions=True)
        assert told == [("the API answered 429: slow down", 40.0)]
        assert line(HeldBack(*told[0])) == "account: the API answered 429: slow down; asking again in 40 s"

    asyncio.run(play())


def test_a_request_that_others_have_made_to_wait_says_so(tmp_path):
    async def play():
        told = []
        gate, other = Gate(tmp_path / "gate"), Gate(tmp_path / "gate")
        await other.slow_down(30.0)
        async with (
            stranger(raw(500)) as server,
            Pictory(server.origin, KEY, gate=gate, held=lambda *one: told.append(one)) as client,
        ):
            turn = asyncio.create_task(client.turn())
            await asyncio.wait([turn], timeout=0.1)
            turn.cancel()
            assert not server.asked
        ((why, wait),) = told
        assert "held back after answers of 429" in why
        assert 29 < wait <= 30

    asyncio.run(play())


def test_a_run_tells_what_it_waits_for(desk):
    async def play():
        async with stranger(raw(429, Retry_After="40")) as server:
            process = desk.start("run", story_file(desk.folder, 1), "--yes", PICTORY_API_BASE_URL=server.origin)
            said = await asyncio.to_thread(process.stderr.readline)
            process.terminate()
            await asyncio.to_thread(process.communicate)
            return said

    said = asyncio.run(play())
    assert "account: the API answered 429: no reason given; asking again in 40 s" in said


def test_a_state_that_makes_no_sense_halts_nobody(tmp_path):
    async def play():
        for state in (b"", b"x", struct.pack("<3d", 9e99, 9e99, 1), struct.pack("<3d", *[float("nan")] * 3)):
            (tmp_path / "gate").write_bytes(state)
            async with asyncio.timeout(1):
                await Gate(tmp_path / "gate").passed()

    asyncio.run(play())


def test_an_account_that_will_not_pay_is_not_asked_again_and_what_is_paid_is_finished(tmp_path):
    """Somebody else spends what the account had while three stories are half done."""

    async def play():
        async with stage(tmp_path, credits_limit=Decimal(400), latency=1.0) as at:
            paths = []
            for name in ("one", "two", "three"):
                scenes = [{"id": f"s{n}", "prompt": f"Scene {n} of the tale of {name}."} for n in (1, 2)]
                paths.append(story_file(tmp_path, scenes, name=name))

            async def spend():
                for _ in range(4):
                    await at.provider.submit(SegmentRequest("A dog.", "veo3.1_fast", "16:9", 8))

            def tell(event):
                at.told.append(event)
                if isinstance(event, Completed) and not spending:
                    spending.append(asyncio.create_task(spend()))

            spending = []
            await at.provider.quota()
            outcomes = await at.render_all(*paths, tell=tell)
            assert spending
            await asyncio.gather(*spending, return_exceptions=True)
            assert {outcome.error.exit_code for outcome in outcomes if outcome.error} == {7}
            stored = [step.record.state for outcome in outcomes for step in outcome.steps]
            assert stored.count("stored") >= 3
            assert "submitted" not in stored
            assert at.counts["refused"].get("402", 0) <= 1 + 4

    asyncio.run(play())
