"""Many schedules of the simulated world: `python -m tests.soak --seeds 10000 [--first S] [--processes 2]`.

Ends with one line of numbers, and with status 1 if any invariant was violated; then the command that plays the seed
again is printed, with the story of what happened.
"""

import argparse
import gc
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.world.invariants import SENTENCES
from tests.world.schedule import play

COUNTED = ("runs", "posts", "faults", "kills", "interrupts", "questions", "done")
_BATCH = 50


def memory_folder():
    """A folder for a while, in memory where there is any to be had: schedules sync often."""
    shared = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="storychain-world-", dir=shared if shared.is_dir() else None)


def play_some(seeds):
    """Play schedules; the numbers of all and the reports of those that failed."""
    counted, failed = Counter(), []
    gc.freeze()  # what is imported stays: a sixth of the time goes into looking at it again and again
    gc.set_threshold(50_000, 20, 50)
    with memory_folder() as folder:
        for seed in seeds:
            report = play(seed, folder)
            counted.update({name: getattr(report, name) for name in COUNTED})
            if report.violations:
                failed.append(report)
    gc.collect()
    return len(seeds), counted, failed


def soak(seeds, processes, minutes=None):
    """Play all seeds, or as many as `minutes` allow, and tell how it goes; whether all went well."""
    began, played, counted, failed = time.monotonic(), 0, Counter(), []
    batches = [seeds[begin : begin + _BATCH] for begin in range(0, len(seeds), _BATCH)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for count, numbers, reports in pool.imap_unordered(play_some, batches):
            played += count
            counted.update(numbers)
            failed.extend(reports)
            for report in reports:
                _tell_failure(report)
            print(f"{played:,} of {len(seeds):,}, {len(failed)} violations", file=sys.stderr, flush=True)
            if minutes is not None and time.monotonic() - began > 60 * minutes:
                print("The time is up.", file=sys.stderr)
                break
    took = (time.monotonic() - began) / 60
    numbers = ", ".join(f"{counted[name]:,} {name}" for name in COUNTED)
    for report in failed:  # once more, since of a long log often the end alone is kept
        _tell_failure(report)
    print(f"{played:,} schedules, {len(failed):,} violations, {numbers} in {took:.1f} min")
    return not failed


def _tell_failure(report):
    for violation in report.violations[:3]:
        name = violation.partition(":")[0]
        print(f"seed {report.seed} {violation}\n    ({SENTENCES[name]})")
    print(f"    python -m tests.soak --seeds 1 --first {report.seed} --tell", flush=True)


def main():
    """Play what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, metavar="N", help="how many schedules to play")
    parser.add_argument("--first", type=int, default=0, metavar="S", help="the first one's seed")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="side by side")
    parser.add_argument("--minutes", type=float, metavar="M", help="begin none after so long (default: play all)")
    parser.add_argument("--tell", action="store_true", help="tell each schedule's story, event by event")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    if not arguments.tell:
        return 0 if soak(seeds, arguments.processes, arguments.minutes) else 1
    failed = 0
    with memory_folder() as folder:
        for seed in seeds:
            report = play(seed, folder, telling=True)
            print("\n".join(report.story))
            failed += bool(report.violations)
            if report.violations:
                _tell_failure(report)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
