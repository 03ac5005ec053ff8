"""A runner that can be killed at any outside act: reads orders on stdin, carries each out in a process of its own.

An order is a JSON line: the workspace, the story, the address of the API and, to be killed, the act, its occurrence
and whether before or after it (or stopped, with another `signal`). A ledger that is
shared has its `url` and `lease`. The answer is a JSON line: how the process ended, and the acts it had counted if it
lived. Forking saves importing everything for each order.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import sys
import threading
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from storychain.chain.holding import locks_of
from storychain.chain.run import Pace, Run
from storychain.chain.story import render
from storychain.commands.painting import painter
from storychain.ledger import LEASE, Ledger
from storychain.media.room import FfmpegRoom
from storychain.media.tool import find_ffmpeg
from storychain.pictory import Patience, Pictory
from storychain.story import load_story
from storychain.workspace import Workspace

FFMPEG = find_ffmpeg(os.environ)
READS = {"record", "records", "open_questions", "owned", "under_way", "spent", "film", "lost_attempts"}
"""Asking the ledger changes nothing and leaves no trace: being killed there is being killed before the next act."""


class Acts:
    """Counts outside acts, and ends the process at the one it was told."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.counted: Counter[str] = Counter()
        self._fatal = (order.get("act"), order.get("occurrence"))
        self._after = order.get("after", False)
        self._signal = order.get("signal", signal.SIGKILL)
        self._lock = threading.Lock()

    def begin(self, act: str) -> bool:
        """Count an act; true if the process has to end after it."""
        with self._lock:
            self.counted[act] += 1
            fatal = self._fatal == (act, self.counted[act])
        if fatal and not self._after:
            os.kill(os.getpid(), self._signal)
        return fatal and self._after

    def end(self, fatal: bool) -> None:
        if fatal:
            os.kill(os.getpid(), self._signal)


class Stopping(httpx.AsyncHTTPTransport):
    """Stops this process when its Nth paid request is about to leave: after everything that looks at clocks."""

    def __init__(self, occurrence: int) -> None:
        super().__init__()
        self._left = occurrence

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("/videos"):
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGSTOP)
        return await super().handle_async_request(request)


class Watched:
    """A provider or ledger whose every method is an outside act."""

    def __init__(self, inner: Any, acts: Acts) -> None:
        self._inner = inner
        self._acts = acts

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not callable(method) or name in READS:
            return method

        async def waited(*arguments: Any) -> Any:
            fatal = self._acts.begin(name)
            answer = await method(*arguments)
            self._acts.end(fatal)
            return answer

        def done(*arguments: Any) -> Any:
            fatal = self._acts.begin(name)
            answer = method(*arguments)
            self._acts.end(fatal)
            return answer

        return waited if inspect.iscoroutinefunction(method) else done


async def carry_out(order: dict[str, Any], acts: Acts) -> str:
    """Render the order's story; its status."""
    workspace = Workspace(Path(order["workspace"]))
    ledger = Ledger(workspace.ledger, url=order.get("url"), lease=order.get("lease", LEASE))
    patience = Patience(attempts=4, seconds=10, first=0.02, most=0.1)
    wire = Stopping(order["occurrence"]) if order.get("act") == "wire" else None
    async with Pictory(order["base_url"], "pictai_test", patience=patience, transport=wire) as provider:
        run = Run(
            id=uuid.uuid4().hex,
            provider=Watched(provider, acts),
            ledger=Watched(ledger, acts),
            workspace=workspace,
            room=FfmpegRoom(FFMPEG),
            out=workspace.root / "films",
            tell=lambda event: None,
            pace=Pace(
                poll=0.03,
                job_timeout=30,
                settle=order.get("settle", 0.1),
                send_within=order.get("lease", LEASE) / 3,
                silence=0.0,
            ),
            locks=locks_of(ledger),
            paint=painter(FFMPEG),
        )
        outcome = await render(run, load_story(Path(order["story"])))
    ledger.close()
    return outcome.status if outcome.error is None else f"{outcome.status}: {outcome.error}"


def child(order: dict[str, Any], answer: int) -> None:
    """Carry an order out in this process and end it."""
    acts = Acts(order)
    status = asyncio.run(carry_out(order, acts))
    os.write(answer, json.dumps({"status": status, "acts": acts.counted}).encode())
    os._exit(0)


def main() -> None:
    # Whatever is imported or read on first use is had once, before the first fork.
    load_story(Path(__file__).parent.parent / "stories" / "lighthouse.yaml")
    Pictory("http://127.0.0.1:9", "pictai_none")
    for line in sys.stdin:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            child(json.loads(line), writing)
        os.close(writing)
        _, ended = os.waitpid(pid, 0)
        with os.fdopen(reading) as pipe:
            told = pipe.read()
        killed = os.WIFSIGNALED(ended)
        print(json.dumps({"killed": killed, **(json.loads(told) if told else {})}), flush=True)


if __name__ == "__main__":
    main()
