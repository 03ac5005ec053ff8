"""What many stories at once cost us: the real chain, ledger and client against a studio in a process of its own.

Run it as `python tests/bench_batch.py [--stories 100] [--scenes 5] [--seconds 3] [--real-pace] [--jobs STORIES]
[--lanes 1]`. Every scene is a request of its own and is bought, awaited and brought home as ever; only the bytes are
stand-ins, and films are not joined: what media cost us `bench_media` and `bench_run` say. The same work is then done by
a plain script: submit, poll at a fixed pace, download, one thread a story, nothing on record; and, with --peers VENV,
by what is installed there of DBOS (on SQLite) and Prefect (on its own server), fewer stories where they would take too
long. No test.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent))
from storychain.chain.batch import render_all
from storychain.chain.events import Completed
from storychain.chain.lanes import Lanes
from storychain.chain.run import Pace, Run
from storychain.chain.slots import Slots
from storychain.commands.sweeping import collect_seldom
from storychain.ledger import Ledger
from storychain.media.prepare import Prepared
from storychain.pictory import Gate, Pictory
from storychain.story import load_story
from storychain.studio import Options, serve
from storychain.workspace import Workspace
from tests.bench_peers import body_of
from tests.memory_provider import MemoryProvider
from tests.plain_room import PROBE, PlainRoom
from tests.stage import FFMPEG, story_file

KEY = "pictai_bench"
AGENT = {"User-Agent": "a-script/1.0"}
REAL_SECONDS, OUR_POLL, GUIDE_POLL = 83.0, 10.0, 15.0
"""About how long a real job takes, and how often it is looked at: both paces shrink with the jobs measured here, unless
they are to stay what they are. It is no multiple of either pace, or a job would be looked at just when it ends."""

STAND_IN = os.urandom(64 << 10)
KINDS = ("submits", "lists", "polls", "downloads", "quotas")


class Room(PlainRoom):
    """A cutting room that takes every segment as it is and writes films of no picture."""

    async def prepare(self, segment, folder, *, strict=True, matroska=False, on_sound=None):
        # The bytes are the same everywhere; real ones are not, so that each seam is looked for and put on record.
        return Prepared(folder, segment, segment, PROBE, sha256=hashlib.sha256(folder.name.encode()).hexdigest())

    async def assemble(self, clips, out, *, title, note, dress, sound, on_progress):
        return self.joined(clips, out, "\n".join(clip.prepared.sha256 for clip in clips))


@contextmanager
def studio(folder, seconds):
    """A studio in a process of its own."""
    command = [sys.executable, __file__, "--seconds", str(seconds), "--studio", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()


async def be_a_studio(home, seconds):
    home.mkdir(parents=True)
    (home / "stand-in").write_bytes(STAND_IN)
    options = Options(
        home, FFMPEG, latency=seconds, credits_limit=Decimal(10**9), stand_in=home / "stand-in", page_size=50
    )
    async with serve(options) as running:
        print(running.base_url, flush=True)
        await asyncio.Event().wait()


def asked(base_url, what):
    """What the studio itself tells: its counts, its jobs."""
    return httpx.get(f"{base_url.removesuffix('/pictoryapis')}/studio/{what}", headers=AGENT, timeout=60).json()


def processor_seconds(of):
    used = resource.getrusage(of)
    return used.ru_utime + used.ru_stime


def written(folder, arguments):
    """The story files: no two scenes of them are the same request."""
    folder.mkdir()
    return [
        story_file(
            folder,
            [{"id": f"s{n}", "prompt": f"Scene {n} of tale {tale}, by the sea."} for n in range(arguments.scenes)],
            name=f"tale-{tale}",
        )
        for tale in range(arguments.stories)
    ]


def shrunk(arguments):
    """By how much the paces are to shrink."""
    return 1.0 if arguments.real_pace else arguments.seconds / REAL_SECONDS


class Watching:
    """When each job was found to have ended, and the most files open at a time."""

    def __init__(self):
        self.found = {}
        self.files = 0

    def __call__(self, event):
        if isinstance(event, Completed):
            self.found[event.job_id] = time.time()

    async def count_files(self):
        while True:
            with suppress(OSError):
                self.files = max(self.files, sum(1 for _ in Path("/proc/self/fd").iterdir()))
            await asyncio.sleep(2)  # of thousands it takes a while, which counts as ours


def asking(folder, base_url):
    """The provider that a run against a studio asks."""
    return Pictory(base_url, KEY, gate=Gate(Workspace(folder / "workspace").gate("pictory")))


async def rendered(folder, provider, stories, arguments, watching):
    """One run over all stories, as the command `run` would make it; seconds it took and our processor time."""
    workspace = Workspace(folder / "workspace")
    pace = Pace(poll=OUR_POLL * shrunk(arguments))
    ledger = Ledger(workspace.ledger)
    counting = asyncio.create_task(watching.count_files())
    try:
        async with provider:
            run = Run(
                id=os.urandom(8).hex(),
                provider=provider,
                ledger=ledger,
                workspace=workspace,
                room=Room(),
                out=folder / "films",
                tell=watching,
                pace=pace,
                jobs=arguments.jobs,
                slots=Slots(arguments.jobs),
                lanes=Lanes(arguments.lanes),
            )
            wall, own = time.perf_counter(), time.process_time()
            outcomes = await render_all(run, stories)
            took = time.perf_counter() - wall, time.process_time() - own
    finally:
        counting.cancel()
        ledger.close()
    for outcome in outcomes:
        if outcome.error is not None:
            print(f"  {outcome.story.name}: {outcome.error}")
    assert all(outcome.status == "done" for outcome in outcomes), Counter(outcome.status for outcome in outcomes)
    return took


def measure_chain(folder, arguments):
    paths = written(folder / "stories", arguments)
    began = time.perf_counter()
    stories = [load_story(path) for path in paths]
    print(f"reading {len(stories)} story files: {time.perf_counter() - began:.1f} s")
    collect_seldom()
    with studio(folder / "studio", arguments.seconds) as base_url:
        watching = Watching()
        took = asyncio.run(rendered(folder, asking(folder, base_url), stories, arguments, watching))
        counts, jobs = asked(base_url, "counts"), asked(base_url, "jobs")
        tell("storychain", took, counts, jobs, watching.found, arguments)
        tell_lane(jobs, watching.found)
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        print(f"  open files        {watching.files:8d} at most, of {allowed:,} allowed")
        again = asyncio.run(rendered(folder, asking(folder, base_url), stories, arguments, Watching()))
        calls = sum(asked(base_url, "counts")[kind] - counts[kind] for kind in KINDS)
        print(f"run again, all done: {again[0]:.2f} s, {again[1]:.2f} s of processor time, {calls} calls")
    with studio(folder / "bare", 0) as base_url:
        bare = asyncio.run(asked_bare(base_url, counts))
    scenes = arguments.stories * arguments.scenes
    print(f"the same requests by httpx alone: {1000 * bare / scenes:.1f} ms a scene", end="")
    print(f"; the chain, the ledger and the files beyond them: {1000 * (took[1] - bare) / scenes:.1f} ms")
    print(f"the studio's processor time: {processor_seconds(resource.RUSAGE_CHILDREN):.1f} s")


def measure_alone(folder, arguments):
    """The same work with a provider in this process: what is ours of it, and nothing else."""
    stories = [load_story(path) for path in written(folder / "stories", arguments)]
    collect_seldom()
    provider, watching = MemoryProvider(arguments.seconds, STAND_IN), Watching()
    took = asyncio.run(rendered(folder, provider, stories, arguments, watching))
    tell("storychain, no HTTP", took, provider.counts, provider.told, watching.found, arguments)


async def asked_bare(base_url, counts):
    """Processor time of as many requests of each kind, sent and read with nothing decided or kept."""
    limits = httpx.Limits(max_connections=8, max_keepalive_connections=8, keepalive_expiry=3)
    headers = {**AGENT, "Authorization": KEY}
    async with httpx.AsyncClient(headers=headers, timeout=120, limits=limits) as client:
        places, videos = asyncio.Semaphore(8), []

        async def submit(number):
            async with places:
                answer = await client.post(f"{base_url}/v1/aistudio/videos", json=body_of(number, 0, None))
                assert answer.json()["data"]["jobId"]

        async def listed(number):
            async with places:
                items = (await client.get(f"{base_url}/v1/jobs")).json()["items"]
                videos.extend(url for job in items if (url := (job.get("data") or job).get("url")))

        async def download(number):
            async with places, client.stream("GET", videos[number % len(videos)]) as answer:
                async for _ in answer.aiter_raw():
                    pass

        own = time.process_time()
        for ask, kind in ((submit, "submits"), (listed, "lists"), (download, "downloads")):
            await asyncio.gather(*(ask(number) for number in range(counts[kind])))
        return time.process_time() - own


def tell(name, took, counts, jobs, found, arguments, memory=None):
    """The numbers that all ways have; `memory` in MiB, where it is not this process's."""
    scenes, ideal = arguments.stories * arguments.scenes, arguments.scenes * arguments.seconds
    wall, own = took
    delays = [found[job["id"]] - job["ended_at"] for job in jobs]
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    peak = largest if memory is None else memory
    asked_for = " · ".join(f"{counts[kind] / scenes:.2f} {kind}" for kind in KINDS)
    print(f"{name}: {arguments.stories} stories of {arguments.scenes} scenes, jobs of {arguments.seconds:g} s")
    print(f"  wall              {wall:8.1f} s, {wall / ideal:.2f} of the ideal {ideal:g} s")
    print(f"  processor, ours   {1000 * own / scenes:8.1f} ms a scene, {own:.1f} s in all")
    print(f"  peak memory       {peak:8.0f} MiB")
    print(f"  a scene asks for  {asked_for}")
    print(f"  an ended job is found after {sum(delays) / len(delays):.2f} s, at most {max(delays):.2f} s")


def tell_lane(jobs, found):
    """How long scenes whose parent is found wait until they are accepted, and how fast requests are sent."""
    parents = {
        url: found[url.rpartition("/media/")[2][:36]] for job in jobs if (url := job["body"].get("extendVideoUrl"))
    }
    waits = [job["accepted_at"] - parents[url] for job in jobs if (url := job["body"].get("extendVideoUrl"))]
    if waits:
        print(f"  the next scene is accepted {sum(waits) / len(waits):.2f} s later, at most {max(waits):.2f} s")
    seconds = Counter(int(job["accepted_at"]) for job in jobs)
    print(f"  requests sent     {max(seconds.values()):8d} in the busiest second")


class Script:
    """The API guide's way: submit, look at a fixed pace, download; one thread a story, nothing on record."""

    def __init__(self, base_url, folder, arguments):
        self.base_url, self.folder, self.arguments = base_url, folder, arguments
        self.pause = GUIDE_POLL * shrunk(arguments)
        self.found = {}
        # One client for all threads, with as many connections as they want: a kindness, the guide opens one a request.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=arguments.stories, keepalive_expiry=3)
        self.client = httpx.Client(headers={**AGENT, "Authorization": KEY}, timeout=120, limits=limits)

    def render(self, tale):
        before = None
        for scene in range(self.arguments.scenes):
            body = body_of(tale, scene, before)
            answer = self.client.post(f"{self.base_url}/v1/aistudio/videos", json=body).json()
            before = self.ended(answer["data"]["jobId"])
            (self.folder / f"{tale}-{scene}.mp4").write_bytes(self.client.get(before).content)

    def ended(self, job_id):
        while True:
            time.sleep(self.pause)
            data = self.client.get(f"{self.base_url}/v1/jobs/{job_id}").json()["data"]
            if data["status"] != "in-progress":
                self.found[job_id] = time.time()
                return data["url"]


def measure_script(folder, arguments):
    (folder / "script").mkdir()
    with studio(folder / "studio", arguments.seconds) as base_url:
        script = Script(base_url, folder / "script", arguments)
        wall, own = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(arguments.stories) as threads:
            list(threads.map(script.render, range(arguments.stories)))
        took = time.perf_counter() - wall, time.process_time() - own
        tell("a plain script", took, asked(base_url, "counts"), asked(base_url, "jobs"), script.found, arguments)
    print(f"the studio's processor time: {processor_seconds(resource.RUSAGE_CHILDREN):.1f} s")


ENGINES = {"dbos": ("DBOS on SQLite", 200), "prefect": ("Prefect", 20)}
"""By the module's name: what it is called, and the most stories that it is given."""


def measure_peer(folder, arguments):
    """An engine, in a process of its own with the Python of the venv that has it."""
    engine, python = arguments.only, arguments.peers / "bin" / "python"
    if subprocess.run([python, "-c", f"import {engine}"], check=False, capture_output=True).returncode:
        print(f"{ENGINES[engine][0]}: not installed in {arguments.peers}; left out")
        return
    arguments.stories = min(arguments.stories, ENGINES[engine][1])
    (folder / "work").mkdir()
    pause = GUIDE_POLL * shrunk(arguments)
    with studio(folder / "studio", arguments.seconds) as base_url:
        work = (engine, base_url, arguments.stories, arguments.scenes, pause, folder / "work")
        done = subprocess.run(
            [python, Path(__file__).with_name("bench_peers.py"), *map(str, work)], check=True, capture_output=True
        )
        told = json.loads(done.stdout.splitlines()[-1])
        took = told["seconds"], told["processor"]
        counts, jobs = asked(base_url, "counts"), asked(base_url, "jobs")
        tell(ENGINES[engine][0], took, counts, jobs, told["found"], arguments, told["memory"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--stories", type=int, default=100)
    parser.add_argument("--scenes", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--real-pace", action="store_true", help="look at jobs as seldom as in real life")
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--lanes", type=int, default=1, help="requests of the chain on their way at once")
    parser.add_argument("--peers", type=Path, metavar="VENV", help="where DBOS and Prefect are installed, if they are")
    parser.add_argument("--only", choices=("chain", "alone", "script", *ENGINES))
    parser.add_argument("--studio", type=Path)
    arguments = parser.parse_args()
    arguments.jobs = arguments.jobs or arguments.stories
    if arguments.studio:
        asyncio.run(be_a_studio(arguments.studio, arguments.seconds))
    elif arguments.only:
        with tempfile.TemporaryDirectory() as folder:
            measure = {"chain": measure_chain, "alone": measure_alone, "script": measure_script}.get(
                arguments.only, measure_peer
            )
            measure(Path(folder), arguments)
    else:
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; stand-in bytes, no film is joined")
        for only in (
            "chain",
            "alone",
            "script",
            *(ENGINES if arguments.peers else ()),
        ):  # each in a process of its own, so that its memory is its own too
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--only", only], check=True)


if __name__ == "__main__":
    main()
