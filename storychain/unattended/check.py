"""A check at a monitor such as Healthchecks: pinged when a run begins and when it ends, so that silence is noticed.

The addresses are those of Healthchecks' pinging API (healthchecks.io/docs/http_api), which others understand too:
`URL/start`, `URL` for success, `URL/<exit code>` for failure, `URL/log` for a line that changes nothing, each with
`rid=` and the run's id, so that overlapping runs are timed apart.
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx

from storychain import __version__
from storychain.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from storychain.unattended.ended import Ended

_SECONDS = 5.0
"""For the connection, and for each part of the answer."""

_TRIES = 2
_PAUSE = 0.5

BODY_BYTES = 10_000
"""Of a ping's body; self-hosted monitors keep that much."""


class Check:
    """One run's pings, sent beside the run by threads that nobody has to wait for."""

    def __init__(self, url: str, run_id: str, warn: Callable[[str], None]) -> None:
        self._url = url
        self._run_id = run_id
        self._warn = warn
        self._beginning: threading.Thread | None = None
        self.troubled = False
        """Whether it was warned of already."""

    def begin(self) -> None:
        """Say that work has begun."""
        self._beginning = self._sent_beside("/start", "")

    def end(self, ended: Ended, text: str) -> threading.Thread:
        """Say how the run ended, with its last words; the thread that does it may be left behind."""
        return self._sent_beside(suffix(ended), text)

    def _sent_beside(self, path: str, text: str) -> threading.Thread:
        # A daemon: the process ends without it where the monitor does not answer.
        thread = threading.Thread(target=self._send, args=(path, text, self._beginning), daemon=True)
        thread.start()
        return thread

    def _send(self, path: str, text: str, before: threading.Thread | None) -> None:
        if before is not None:
            before.join()
        # A monitor that has just let us wait in vain is asked once more, not twice.
        for left in range(0 if self.troubled else _TRIES - 1, -1, -1):
            trouble, passing = self._tried(path, text)
            if not trouble:
                return
            if not left or not passing:
                break
            time.sleep(_PAUSE)
        if not self.troubled:
            self.troubled = True
            self._warn(
                f"the monitor at {urlsplit(self._url).hostname} was not told: {trouble}; the run is not affected"
            )

    def _tried(self, path: str, text: str) -> tuple[str, bool]:
        """What went wrong, if anything did, and whether it may pass."""
        headers = {"User-Agent": f"storychain/{__version__}", "Content-Type": "text/plain; charset=utf-8"}
        try:
            with (
                httpx.Client(timeout=_SECONDS) as client,
                client.stream(
                    "POST", address(self._url, path, self._run_id), headers=headers, content=last_bytes(text)
                ) as response,
            ):
                status = response.status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ImportError) as error:
            # The address is not quoted: whoever knows it can answer for us.
            return printable(f"{type(error).__name__}: {str(error).partition('http')[0]}", 200), True
        if 200 <= status < 300:
            return "", False
        return f"it answered {status}", status >= 500 or status == 429


def suffix(ended: Ended) -> str:
    """What is put behind the check's address.

    A run that only found its stories held by another (exit code 75) sends `/log`. It is no failure. Nor is it a
    success: that would tell the monitor that all is well for as long as the other run hangs. For the same reason such
    a run sends no `/start`: it would take the place of the other's, whose end would then not be noticed as an end.
    A run that did some of its stories and left others alone has begun, so it has to end: with success.
    """
    if ended.well:
        return "" if ended.worked else "/log"
    return f"/{ended.code}"


def address(url: str, path: str, run_id: str) -> str:
    """The address of one ping: `path` goes behind the check's own, the run's id into the query beside what is there."""
    parts = urlsplit(url)
    query = urlencode({"rid": str(uuid.UUID(run_id))})
    joined = f"{parts.query}&{query}" if parts.query else query
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + path, joined, ""))


def last_bytes(text: str) -> bytes:
    """The end of a text as UTF-8, whole lines as far as possible, not more than a monitor keeps."""
    told = text.encode("utf-8", "replace")
    if len(told) <= BODY_BYTES:
        return told
    kept = told[-BODY_BYTES:]
    _, newline, rest = kept.partition(b"\n")
    return rest if newline and rest else kept.decode("utf-8", "ignore").encode()
