"""How long preparing and joining take: five segments of 8 s, 720p at 24 frames a second.

Run it as `python tests/bench_media.py [FOLDER]`; segments are made once in the folder. No test.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from storychain.media.edit import Clip
from storychain.media.film import assemble
from storychain.media.prepare import last_frame, prepare
from storychain.media.probe import probe
from storychain.media.tool import find_ffmpeg

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.bench_inputs import segment


@contextmanager
def timed(what: str, share: int = 1):
    wall, own = time.perf_counter(), time.process_time()
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    yield
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - children
    wall, own = time.perf_counter() - wall, time.process_time() - own
    print(f"{what:28} {wall / share:6.2f} s  own {own / share:5.2f}  ffmpeg {spent / share:5.2f}")


async def measure(folder: Path) -> None:
    ffmpeg = find_ffmpeg(os.environ)
    print(ffmpeg.reason, f"· load {os.getloadavg()[0]:.1f}")
    segments = [segment(folder, place) for place in range(5)]
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        with timed("probe one", 5):
            for path in segments:
                probe(path)
        with timed("prepare one", 5):
            ready = [await prepare(ffmpeg, path, Path(fresh) / path.stem) for path in segments]
        with timed("prepare one again", 5):
            ready = [await prepare(ffmpeg, path, Path(fresh) / path.stem) for path in segments]
        with timed("last frame"):
            await last_frame(ffmpeg, segments[0], Path(fresh) / "last.png")
        with timed("join 40 s"):
            facts = await assemble(
                ffmpeg, [Clip(one, "x") for one in ready], Path(fresh) / "film.mp4", title="T", note="N"
            )
    print(facts)


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir()) / "storychain-bench"
    place.mkdir(parents=True, exist_ok=True)
    asyncio.run(measure(place))
