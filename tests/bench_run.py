"""What a run costs us: five segments of 8 s from a studio in another process, as a provider would be.

Run it as `python tests/bench_run.py`. Prints our own processor time apart from ffmpeg's, and the time from the last
byte's arrival to the finished film, with how long the processor works in it. No test.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

STORY = Path(__file__).parent.parent / "stories" / "lighthouse.yaml"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "storychain", "studio", "--home", f"{folder}/studio"]
        # A provider takes longer over a scene than it takes here to make the one before ready, as this one does.
        command += ["--latency", "4"]
        studio = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert studio.stdout is not None
            measure(Path(folder), studio.stdout.readline().strip())
        finally:
            studio.terminate()
            studio.communicate()


def measure(folder: Path, base_url: str) -> None:
    os.environ |= {"PICTORY_API_BASE_URL": base_url, "PICTORY_API_KEY": "pictai_bench", "STORYCHAIN_POLL": "0.5"}
    os.chdir(folder)
    began = time.perf_counter()
    # Imported here: what importing costs belongs to the run.
    from storychain.chain import events as ev
    from storychain.cli import main as storychain
    from storychain.report.lines import Lines

    at: dict[str, float] = {}
    worked: dict[str, float] = {}

    class Listening(Lines):
        def __call__(self, event: ev.Event) -> None:
            name = type(event).__name__
            at[name] = time.perf_counter()
            if isinstance(event, ev.FilmReady) or (isinstance(event, ev.Downloading) and event.size == event.total):
                worked[name] = processor_seconds()

    sys.modules["storychain.report.lines"].Lines = Listening  # type: ignore[misc]
    code = storychain(["run", str(STORY), "--yes"])
    own, ffmpeg = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"exit {code} after {time.perf_counter() - began:.1f} s · load {os.getloadavg()[0]:.1f}")
    print(f"our own processor time          {own.ru_utime + own.ru_stime:6.2f} s")
    print(f"ffmpeg's                        {ffmpeg.ru_utime + ffmpeg.ru_stime:6.2f} s")
    print(f"from the last byte to the film  {at['FilmReady'] - at['Downloading']:6.2f} s")
    work = worked["FilmReady"] - worked["Downloading"]
    print(f"  the processor works for       {work:6.2f} s, {os.cpu_count()} cores together")
    print(f"  of which checking, preparing  {at['Stored'] - at['Downloading']:6.2f} s")


def processor_seconds() -> float:
    """Ours so far and that of every ffmpeg, whether it has ended or not (that is told on Linux alone)."""
    both = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    ticks = 0
    for told in Path("/proc/self/task").glob("*/children"):
        for child in told.read_text().split():
            with suppress(OSError):
                ticks += sum(map(int, Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return sum(used.ru_utime + used.ru_stime for used in both) + ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
