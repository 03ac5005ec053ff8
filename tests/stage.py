"""What tests of the chain are played on: a small studio over real sockets, a workspace, and runs of the real chain."""

from __future__ import annotations

import contextlib
import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import av
import httpx
import imageio_ffmpeg
import yaml

from storychain.chain.batch import render_all
from storychain.chain.events import Event
from storychain.chain.run import Pace, Run
from storychain.chain.story import Outcome, render
from storychain.commands.painting import painter
from storychain.ledger import Caps, Ledger
from storychain.media.room import FfmpegRoom
from storychain.media.tool import find_ffmpeg
from storychain.pictory import Patience, Pictory
from storychain.story import load_story
from storychain.studio import Options, Running, serve
from storychain.workspace import Workspace

FFMPEG = Path(imageio_ffmpeg.get_ffmpeg_exe())
SCALE = 0.125
RENDERS = Path(tempfile.gettempdir()) / f"storychain-renders-{os.environ.get('STORYCHAIN_TEST_RUN', os.getpid())}"
"""Renders that all tests of a run share: most of them ask for the same few scenes."""

BARE = {"poster": False, "contact_sheet": False, "loudness": "off"}
"""How most tests' films are finished: what is tested elsewhere is not made a hundred times."""

PRICE = Decimal(40)
"""Credits of one scene of these stories: 4 s of veo3.1_fast."""


def story_file(folder: Path, scenes: int | list[dict[str, Any]] = 3, *, name: str = "tale", **top: Any) -> Path:
    """Write a story of short scenes and return its path."""
    if isinstance(scenes, int):
        scenes = [{"id": f"s{n}", "prompt": f"Scene number {n} of a tale by the sea."} for n in range(1, scenes + 1)]
    told = {"title": "A Tale", "model": "veo3.1_fast", "aspect_ratio": "16:9", "duration": "4s", "film": BARE, **top}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**told, "scenes": scenes}, sort_keys=False, allow_unicode=True), "utf-8")
    return path


@dataclass
class Stage:
    """A studio, and one workspace that talks to it."""

    folder: Path
    running: Running
    provider: Pictory
    ledger: Ledger
    told: list[Event] = field(default_factory=list)

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder / "workspace")

    @property
    def counts(self) -> Mapping[str, Any]:
        return self.running.counts

    async def jobs(self) -> list[dict[str, Any]]:
        """Every job the studio has, newest first, with the body it was asked with."""
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{self.running.origin}/studio/jobs", headers={"User-Agent": "a-test/1.0"})
        return list(answer.json())

    def run(self, **changes: Any) -> Run:
        """A run with this stage's things."""
        ffmpeg = find_ffmpeg({"STORYCHAIN_FFMPEG": str(FFMPEG)})
        values: dict[str, Any] = {
            "id": uuid.uuid4().hex,
            "provider": self.provider,
            "ledger": self.ledger,
            "workspace": self.workspace,
            "room": FfmpegRoom(ffmpeg),
            "out": self.folder / "films",
            "tell": self.told.append,
            "caps": Caps(),
            "pace": Pace(poll=0.05, job_timeout=30, settle=0.4, silence=0.0),
            "paint": painter(ffmpeg),
            **changes,
        }
        return Run(**values)

    async def render(self, path: Path, **changes: Any) -> Outcome:
        """Render one story file."""
        return await render(self.run(**changes), load_story(path))

    async def render_all(self, *paths: Path, **changes: Any) -> tuple[Outcome, ...]:
        """Render story files side by side."""
        return await render_all(self.run(**changes), [load_story(path) for path in paths])


@contextlib.asynccontextmanager
async def stage(folder: Path, **options: Any) -> AsyncIterator[Stage]:
    """Open a studio (its options may be given) and a workspace in `folder`; both go on where they were left."""
    told = Options(home=folder / "studio", ffmpeg=FFMPEG, **{"scale": SCALE, "renders": RENDERS, **options})
    ledger = Ledger(folder / "workspace" / "ledger.sqlite3")
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(ledger.close)
        running = await stack.enter_async_context(serve(told))
        patience = Patience(attempts=5, seconds=10, first=0.02, most=0.1)
        provider = await stack.enter_async_context(Pictory(running.base_url, "pictai_test", patience=patience))
        yield Stage(folder, running, provider, ledger)


def frames_of(path: Path) -> int:
    """How many pictures a film shows."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def seconds_of(path: Path) -> float:
    """How long a film says it is."""
    with av.open(str(path)) as container:
        assert container.duration is not None
        return container.duration / av.time_base
