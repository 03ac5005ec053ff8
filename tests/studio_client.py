"""A stranger's client for the studio's tests: plain httpx, written from the documents."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg

from storychain.studio import Options, Running, serve

FFMPEG = Path(imageio_ffmpeg.get_ffmpeg_exe())
HEADERS = {"Authorization": "pictai_test", "User-Agent": "a-stranger/1.0"}
BODY = {
    "prompt": "A boat leaves the harbour at dawn.",
    "model": "veo3.1_fast",
    "aspectRatio": "16:9",
    "duration": "4s",
}


@contextlib.asynccontextmanager
async def studio(home: Path, **options: Any) -> AsyncIterator[tuple[Running, httpx.AsyncClient]]:
    """A small studio over `home`, and a client of it."""
    told = Options(home=home, ffmpeg=FFMPEG, **{"scale": 0.125, **options})
    async with (
        serve(told) as running,
        httpx.AsyncClient(base_url=running.base_url, headers=HEADERS, timeout=30) as client,
    ):
        yield running, client


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def submit(client: httpx.AsyncClient, **changes: Any) -> str:
    """Submit and answer the job's id."""
    answer = await client.post("/v1/aistudio/videos", json=BODY | changes)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["jobId"])


async def ended(client: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    """Poll until the job has ended; the last answer."""
    async with asyncio.timeout(40):
        while True:
            answer = await client.get(f"/v1/jobs/{job_id}")
            if answer.status_code == 200 and answer.json()["data"]["status"] != "in-progress":
                told: dict[str, Any] = answer.json()
                return told
            await asyncio.sleep(0.03)


async def made(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    """Submit, wait, and answer the completed job's data."""
    told = await ended(client, await submit(client, **changes))
    assert told["data"]["status"] == "completed", told
    data: dict[str, Any] = told["data"]
    return data
