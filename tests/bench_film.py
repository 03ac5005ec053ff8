"""Joining held against other ways of joining: the same segments, one run, one table, and the targets.

Run it by `make bench-film`, which fetches MoviePy (BENCH_SLOW=0 leaves it out), or as `python tests/bench_film.py`.
Every way runs in a process of its own and in turns with the others, so that what else the machine does meets all of
them; ratios are of the quickest turns. What came of each is read back frame by frame. Nothing is asserted. No test.

This process imports nothing big: what it starts would have its memory counted as their own.
"""

from __future__ import annotations

import json
import operator
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

TESTS = Path(__file__).parent
MOVIEPY = Path(sys.prefix) / "moviepy"
"""Where the make target puts it: apart, for it wants an older Pillow than storychain's."""

NAMES = {
    "cat": "bytes copied by cat (no film)",
    "concat": "concat demuxer, -c copy",
    "mkvmerge": "mkvmerge",
    "hand": "the exact way by hand",
    "checked": "last one decoded, then by hand",
    "touched": "5 transitions read, then by hand",
    "ours": "ours",
    "ours loud": "ours at -14 LUFS",
    "ours skipping": "ours, 2 of 5 heads cut",
    "ours odd": "ours, 1 of 5 segments odd",
    "odd alone": "the odd segment alone, x264",
    "ours blended": "ours, 6 segments, 5 transitions",
    "ours many": "ours, 60 segments",
    "reencoded": "all re-encoded, x264 veryfast",
    "reencoded plainly": "all re-encoded, x264 by default",
    "moviepy": "MoviePy 2, chain, veryfast",
}
OFTEN = ["hand", "ours"]
"""Side by side in every turn: their ratio has the narrowest target."""

THRICE = ["cat", "concat", "mkvmerge", *OFTEN, "checked", "ours loud"]
TWICE = [*THRICE, "ours skipping", "ours odd", "odd alone", "touched", "ours blended", "reencoded plainly"]
ROUNDS = [list(NAMES), TWICE, THRICE, *[OFTEN] * 7]
OURS = [way for way in NAMES if way.startswith("ours")]


@dataclass(slots=True)
class Row:
    """What was measured of a way: each turn, the film that came of it, or why there is nothing."""

    turns: list[dict[str, float]] = field(default_factory=list)
    film: dict[str, Any] | None = None
    lack: str | None = None

    def least(self, what: str) -> float:
        return min(turn[what] for turn in self.turns)

    def most(self, what: str) -> float:
        return max(turn[what] for turn in self.turns)

    @property
    def processor(self) -> float:
        return min(turn["own"] + turn["children"] for turn in self.turns)


class Failed(Exception):
    """A way that came to no end; its last words."""


def ask(*arguments: str, environ: dict[str, str] | None = None) -> dict[str, Any]:
    """What `bench_joins` says, with the memory of the processes it started."""
    command = [sys.executable, str(TESTS / "bench_joins.py"), *arguments]
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as trouble:
        process = subprocess.Popen(command, stdout=said, stderr=trouble, env=os.environ | (environ or {}))
        try:
            largest = watched(process)
        finally:
            process.kill()
            process.wait()
        said.seek(0)
        trouble.seek(0)
        if process.returncode != 0:
            raise Failed((trouble.read().strip().splitlines() or ["it said nothing"])[-1])
        told: dict[str, Any] = json.loads(said.read().splitlines()[-1])
    return told | ({"largest": largest} if "largest" in told and largest is not None else {})


def watched(process: subprocess.Popen[bytes]) -> float | None:
    """Wait for the end; the most memory (MB) that any process it started held at once, None if that is not told here.

    The system's own count for children begins with what their parent held when it started them, which is often more.
    """
    if not Path(f"/proc/{process.pid}/task").exists():
        process.wait()
        return None
    largest = 0.0
    while process.poll() is None:
        largest = max(largest, *(held(pid, process.pid) for pid in below(process.pid)), 0.0)
        time.sleep(0.005)
    return largest


def below(pid: int) -> Iterator[int]:
    """Children of a process, and theirs."""
    with suppress(OSError):
        for told in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, told.read_text().split()):
                yield child
                yield from below(child)


def held(pid: int, parent: int) -> float:
    """MB a process held at the most; 0 while it is still its parent's image."""
    with suppress(OSError):
        if Path(f"/proc/{pid}/exe").readlink() != Path(f"/proc/{parent}/exe").readlink():
            told = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
            return int(told[1]) * 1024 / 1e6 if told else 0.0
    return 0.0


def lack_of(way: str) -> str | None:
    """Why a way is not measured here, or None."""
    if way == "mkvmerge" and shutil.which("mkvmerge") is None:
        return "not installed"
    if way == "moviepy" and os.environ.get("BENCH_SLOW") == "0":
        return "left out: BENCH_SLOW=0"
    if way == "moviepy" and not (MOVIEPY / "moviepy").exists():
        return "not installed; `make bench-film` does, if it can"
    return None


def measure(way: str, row: Row, folder: Path) -> None:
    """One turn of a way; its first film is read back."""
    row.lack = row.lack or lack_of(way)
    if row.lack:
        return
    print(f"  {NAMES[way]}", file=sys.stderr, flush=True)
    environ = {"PYTHONPATH": str(MOVIEPY)} if way == "moviepy" else None
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        film = str(Path(aside) / ("film.mkv" if way == "mkvmerge" else "film.mp4"))
        try:
            row.turns.append(ask("join", way, str(folder), film, environ=environ))
            if row.film is None and way != "cat":
                row.film = ask("read", way, film)
        except Failed as error:
            row.lack = f"failed: {error}"


def after_last_byte() -> tuple[float, float] | None:
    """Seconds from the last segment's download to the film, and of processor time in it, as `bench_run` has them."""
    print("  a run against the studio", file=sys.stderr, flush=True)
    run = subprocess.run([sys.executable, TESTS / "bench_run.py"], stdout=subprocess.PIPE, text=True, check=False)
    told = re.search(r"from the last byte to the film\s+([\d.]+) s\n\D+([\d.]+) s", run.stdout)
    return (float(told[1]), float(told[2])) if told else None


def table(rows: dict[str, Row]) -> list[str]:
    head = [
        "",
        "wall s",
        "median",
        "turns",
        "cpu s",
        "own MB",
        "child MB",
        "film s",
        "frames",
        "lost",
        "added",
        "sound ms",
    ]
    lines = [head]
    for way, row in rows.items():
        if row.lack or not row.turns:
            lines.append([NAMES[way], row.lack or "not measured"])
            continue
        own = f"{row.most('memory'):.0f}" if way in OURS or way == "moviepy" else "-"
        took = [f"{row.least('wall'):.2f}", f"{median(turn['wall'] for turn in row.turns):.2f}", str(len(row.turns))]
        lines.append([NAMES[way], *took, f"{row.processor:.2f}", own, f"{row.most('largest'):.0f}", *_film(row.film)])
    first = max(len(line[0]) for line in lines)
    return [
        f"{line[0]:{first}}" + "".join(f"{cell:>9}" if len(line) > 2 else f"  {cell}" for cell in line[1:])
        for line in lines
    ]


def _film(film: dict[str, Any] | None) -> list[str]:
    if film is None:
        return ["-"] * 5
    off = "-" if film["off"] is None else f"{film['off'] * 1000:.2f}"
    return [f"{film['seconds']:.3f}", *(str(film[name]) for name in ("frames", "lost", "added")), off]


@dataclass(frozen=True, slots=True)
class Held:
    """A figure, the sign and target it is held against (none: told for its own sake), and what else is to be known."""

    what: str
    found: float | None
    unit: str = ""
    sign: str = ""
    target: float = 0.0
    note: str = ""

    def __str__(self) -> str:
        if self.found is None:
            return f"{self.what:50}{'not measured':>14}"
        figure = f"{self.found:.0f}" if not self.unit or self.unit == "MB" else f"{self.found:.2f}"
        against = f"{self.sign:>5} {self.target:g} {self.unit}" if self.sign else ""
        return f"{self.what:50}{figure + ' ' + self.unit:>14}{against:16}{self.verdict:10}{self.note}".rstrip()

    @property
    def verdict(self) -> str:
        if not self.sign or self.found is None:
            return ""
        good = {"<": operator.lt, "<=": operator.le, ">=": operator.ge}[self.sign](self.found, self.target)
        return "PASS" if good else "MISSED"


def ratio(rows: dict[str, Row], over: str, under: str) -> tuple[float | None, str]:
    if not rows[over].turns or not rows[under].turns:
        return None, "x"
    return rows[over].least("wall") / rows[under].least("wall"), "x"


def per_second(rows: dict[str, Row], over: str, under: str) -> tuple[float | None, str]:
    """A ratio of films that differ in length, of what a second of each takes, in per cent."""
    films, (share, _) = [rows[way].film for way in (over, under)], ratio(rows, over, under)
    if share is None or films[0] is None or films[1] is None:
        return None, "%"
    return 100 * share * films[1]["seconds"] / films[0]["seconds"], "%"


def worked(rows: dict[str, Row], over: str, under: str) -> str:
    """Processor seconds of both, which a busy machine changes less, and the fewest turns either had."""
    if not rows[over].turns or not rows[under].turns:
        return ""
    turns = min(len(rows[over].turns), len(rows[under].turns))
    return f"cpu {rows[over].processor:.2f} / {rows[under].processor:.2f} s; {turns} turn{'s' * (turns > 1)} or more"


def held_against(rows: dict[str, Row], last: tuple[float, float] | None) -> list[Held]:
    films = [row.film for way, row in rows.items() if way in OURS and row.film]
    whole = films if len(films) == len(OURS) else []
    wrong = sum(film["lost"] + film["added"] for film in whole) if whole else None
    heard = bool(whole) and all(film["off"] is not None for film in whole)
    off = max(film["off"] for film in whole) * 1000 if heard else None
    many, floor = rows["ours many"], rows["checked"]
    wait, work = last or (None, 0.0)
    by_hand = f"; {floor.least('wall'):.2f} s by hand" if floor.turns else ""
    least = f"one run, {work:.2f} s of cpu{by_hand}"
    beside = f"and {many.most('largest'):.0f} MB the largest ffmpeg" if many.turns else ""
    return [
        Held("ours / the exact way by hand", *ratio(rows, "ours", "hand"), "<=", 1.2, worked(rows, "ours", "hand")),
        Held("from the last segment's last byte to the film", wait, "s", "<", 0.5, least),
        Held("MoviePy / ours", *ratio(rows, "moviepy", "ours"), ">=", 25, worked(rows, "moviepy", "ours")),
        Held("60 segments: our own memory", many.most("memory") if many.turns else None, "MB", "<", 150, beside),
        *(
            Held(what, *per_second(rows, "ours blended", way), "<", 15, worked(rows, "ours blended", way))
            for way, what in (
                ("reencoded plainly", "transitions / all re-encoded, per second of film"),
                ("reencoded", "transitions / the same by our own quicker preset"),
            )
        ),
        Held("reading what they touch, and joining, alone", *per_second(rows, "touched", "reencoded")),
        Held("1 of 5 odd / that segment alone", *ratio(rows, "ours odd", "odd alone")),
        Held("60 segments / 5 of them, per second of film", *per_second(rows, "ours many", "ours")),
        Held("frames lost or doubled in any of our films", wrong, "", "<=", 0),
        Held("sound off its picture at the worst flash", off, "ms", "<=", 1),
    ]


def main(rounds: Sequence[list[str]]) -> None:
    began, load = time.monotonic(), os.getloadavg()[0]
    rows = {way: Row() for way in NAMES}
    with tempfile.TemporaryDirectory(prefix="storychain-bench-") as folder:
        print("making segments", file=sys.stderr, flush=True)
        made = ask("inputs", folder)
        for number, ways in enumerate(rounds, 1):
            print(f"turn {number}", file=sys.stderr, flush=True)
            for way in ways:
                measure(way, rows[way], Path(folder))
    last = after_last_byte()
    cores, took = os.cpu_count() or 1, time.monotonic() - began
    busy = " (busy: wall times are upper bounds, go by cpu)" if load > 0.5 else ""
    print(f"5 segments of 8 s, 1280x720 at 24, H.264 + AAC, {made['bytes'] / 1e6:.0f} MB · ffmpeg {made['ffmpeg']}")
    print(f"{cores} cores · load {load:.1f} before, {os.getloadavg()[0]:.1f} after{busy} · measured in {took:.0f} s\n")
    print("\n".join(table(rows)))
    print("\nwall: the quickest turn. cpu: own and children's. own: of the Python process. sound: the worst flash, the")
    print("sound being read sample by sample as editors do. By hand: the same codec settings as ours.\n")
    print("\n".join(map(str, held_against(rows, last))))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the folder goes with it
    main(ROUNDS)
