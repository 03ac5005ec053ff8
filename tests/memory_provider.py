"""A provider in this very process: no socket, no words to put together or take apart, jobs that take their time.

What a run costs with it is what the chain, the ledger and the files cost by themselves.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from storychain.provider import Accepted, AddressGone, Job, JobPage, Quota
from storychain.syncing import make_folder

PAGE = 50
"""Jobs a page of the list names, as the API's."""


@dataclass(frozen=True, slots=True)
class _Making:
    """A job and when it was taken on, and ends (seconds of the epoch)."""

    body: dict
    accepted_at: float
    ended_at: float
    ended: Job
    under_way: Job

    @property
    def now(self):
        return self.ended if time.time() >= self.ended_at else self.under_way


class MemoryProvider:
    """Sells segments of the same `video` (bytes), each `seconds` after it was asked for."""

    name = "memory"
    free = False

    def __init__(self, seconds, video):
        self._seconds = seconds
        self._video = video
        self._jobs = {}
        self._order = []
        self.counts = Counter()

    @property
    def told(self):
        """The jobs, as a studio tells of its own."""
        return [
            {"id": job.ended.id, "body": job.body, "accepted_at": job.accepted_at, "ended_at": job.ended_at}
            for job in self._jobs.values()
        ]

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exception):
        """Nothing is open."""

    async def turn(self):
        """No request waits for its turn."""

    async def submit(self, request):
        assert request.in_time()
        self.counts["submits"] += 1
        number = f"{len(self._order):036d}"
        now = time.time()
        url = f"memory:/media/{number}"
        ended = Job(number, "completed", url, f"{url}.png", Decimal(request.seconds), 160, 90, Decimal(request.seconds))
        body = {"prompt": request.prompt, "extendVideoUrl": request.extend_video_url}
        self._jobs[number] = _Making(body, now, now + self._seconds, ended, Job(number, "in_progress"))
        self._order.append(number)
        return Accepted(number)

    async def job(self, job_id):
        self.counts["polls"] += 1
        return self._jobs[job_id].now if job_id in self._jobs else Job(job_id, "not_found")

    async def jobs(self, page=None):
        self.counts["lists"] += 1
        end = len(self._order) if page is None else int(page)
        begin = max(0, end - PAGE)
        there = (number for number in reversed(self._order[begin:end]) if number in self._jobs)
        listed = tuple(self._jobs[number].now for number in there)
        return JobPage(listed, str(begin) if begin else None)

    async def clean(self, job_id):
        self._jobs.pop(job_id, None)

    async def upload(self, file, content_type):
        return f"memory:/uploads/{file.name}"

    async def quota(self):
        self.counts["quotas"] += 1
        return Quota(Decimal(0), Decimal(10**9))

    async def usage(self, year=None, month=None):
        return ()

    async def alive(self, url):
        return url.rpartition("/")[2] in self._jobs

    async def download(self, url, part, on_bytes):
        self.counts["downloads"] += 1
        if url.rpartition("/")[2] not in self._jobs:
            raise AddressGone("no such video", where=url)
        await asyncio.to_thread(self._written, part)
        on_bytes(len(self._video), len(self._video))
        return hashlib.sha256(self._video).hexdigest()

    def _written(self, part):
        make_folder(part.parent)
        part.write_bytes(self._video)
