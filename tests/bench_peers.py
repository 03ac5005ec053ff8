"""The work of `bench_batch` done by engines a user might pick: durable workflows by DBOS on SQLite, flows by Prefect.

Run by `bench_batch` with the Python of a venv that has them, so nothing of storychain is imported here:
    python tests/bench_peers.py dbos|prefect BASE_URL STORIES SCENES PAUSE FOLDER
Each scene is three steps that the engine keeps on record: submit, poll at a fixed pace until the job has ended,
download. Prints one JSON object: seconds, processor seconds, what the engine started included, memory of this process,
and when each job was found to have ended. No test.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from pathlib import Path

FOUND: dict[str, float] = {}


def main() -> None:
    engine, base_url, stories, scenes, pause, folder = sys.argv[1:]
    work = {"dbos": by_dbos, "prefect": by_prefect}[engine]
    began = time.perf_counter()
    ready = work(base_url, int(stories), int(scenes), float(pause), Path(folder))
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    told = {
        "seconds": time.perf_counter() - began - ready,
        "processor": sum(one.ru_utime + one.ru_stime for one in used),
        "memory": used[0].ru_maxrss / 1024,
        "found": FOUND,
    }
    print(json.dumps(told))


def body_of(tale: int, scene: int, before: str | None) -> dict[str, str]:
    """A scene as it is asked for, by engines and by the plain script alike."""
    body = {
        "prompt": f"Scene {scene} of tale {tale}, by the sea.",
        "model": "veo3.1_fast",
        "aspectRatio": "16:9",
        "duration": "4s",
    }
    return body | ({"extendVideoUrl": before} if before else {})


class Api:
    """What the steps do, whoever calls them."""

    def __init__(self, base_url: str, pause: float, folder: Path) -> None:
        import httpx

        limits = httpx.Limits(max_connections=None, max_keepalive_connections=8, keepalive_expiry=3)
        headers = {"Authorization": "pictai_bench", "User-Agent": "a-script/1.0"}
        self._client = httpx.AsyncClient(headers=headers, timeout=120, limits=limits)
        self._base_url, self._pause, self._folder = base_url, pause, folder

    async def submit(self, tale: int, scene: int, before: str | None) -> str:
        body = body_of(tale, scene, before)
        answer = await self._client.post(f"{self._base_url}/v1/aistudio/videos", json=body)
        return str(answer.json()["data"]["jobId"])

    async def ended(self, job_id: str) -> str:
        while True:
            await asyncio.sleep(self._pause)
            data = (await self._client.get(f"{self._base_url}/v1/jobs/{job_id}")).json()["data"]
            if data["status"] != "in-progress":
                FOUND[job_id] = time.time()
                return str(data["url"])

    async def download(self, tale: int, scene: int, url: str) -> None:
        (self._folder / f"{tale}-{scene}.mp4").write_bytes((await self._client.get(url)).content)


def by_dbos(base_url: str, stories: int, scenes: int, pause: float, folder: Path) -> float:
    """Workflows side by side; seconds until it was ready to begin."""
    from dbos import DBOS

    began = time.perf_counter()
    api = Api(base_url, pause, folder)
    DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{folder}/dbos.sqlite", "log_level": "ERROR"})

    @DBOS.step()
    async def submit(tale: int, scene: int, before: str | None) -> str:
        return await api.submit(tale, scene, before)

    @DBOS.step()
    async def ended(job_id: str) -> str:
        return await api.ended(job_id)

    @DBOS.step()
    async def download(tale: int, scene: int, url: str) -> None:
        await api.download(tale, scene, url)

    @DBOS.workflow()
    async def render(tale: int) -> None:
        before = None
        for scene in range(scenes):
            before = await ended(await submit(tale, scene, before))
            await download(tale, scene, before)

    async def all_of_them() -> float:
        DBOS.launch()
        ready = time.perf_counter() - began
        handles = [await DBOS.start_workflow_async(render, tale) for tale in range(stories)]
        for handle in handles:
            await handle.get_result()
        return ready

    ready = asyncio.run(all_of_them())
    DBOS.destroy()
    return ready


def by_prefect(base_url: str, stories: int, scenes: int, pause: float, folder: Path) -> float:
    """Flows side by side, on a server that Prefect starts for itself; seconds until it was ready to begin."""
    os.environ |= {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true"}
    os.environ |= {"PREFECT_LOGGING_LEVEL": "ERROR", "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    began = time.perf_counter()
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE

    api = Api(base_url, pause, folder)
    submit, ended, download = (
        task(step, name=step.__name__, cache_policy=NO_CACHE) for step in (api.submit, api.ended, api.download)
    )

    @flow
    async def render(tale: int) -> None:
        before = None
        for scene in range(scenes):
            before = await ended(await submit(tale, scene, before))
            await download(tale, scene, before)

    @flow
    async def nothing() -> None:
        """Has the server started."""

    async def all_of_them() -> float:
        await nothing()
        ready = time.perf_counter() - began
        await asyncio.gather(*(render(tale) for tale in range(stories)))
        return ready

    return asyncio.run(all_of_them())


if __name__ == "__main__":
    main()
