"""The studio's home on disk: its jobs, uploads and media. Several studios may be open over one home; each works on the
jobs it accepted, sees those of the others, and takes up what a dead one left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
import uuid
from bisect import insort
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from storychain.locks import lock
from storychain.studio.records import MEDIA_ENDINGS, Job, Media, Upload, write_json
from storychain.studio.tenancy import Tenant

_LONGEST_ID = 64
"""Letters; longer ones are nobody's, and no name of a file."""


class Shelf:
    """What one open studio sees of its home; `close` lets others take up its jobs."""

    def __init__(self, home: Path) -> None:
        self.media = home / "media"
        self.uploads = home / "uploads"
        self.scratch = home / "scratch"
        self._jobs_dir = home / "jobs"
        for folder in (self.media, self.uploads, self.scratch, self._jobs_dir):
            folder.mkdir(parents=True, exist_ok=True)
        self._door = home / "door.lock"
        self._tenant = Tenant(home / "studios")
        self.secret = _secret(home / "secret")
        self._jobs: dict[str, Job] = {}
        self._newest_first: list[tuple[float, str]] = []
        self._last_moment = 0.0

    @property
    def studio(self) -> str:
        """The name of this studio among those over the same home."""
        return self._tenant.name

    def close(self) -> None:
        """Leave the home."""
        self._tenant.leave()

    async def adopt(self) -> list[Job]:
        """Make the unfinished jobs of dead studios ours; oldest first."""
        async with lock(self._door):
            left = [job for job in self.jobs() if job.status == "in-progress" and not self._tenant.lives(job.studio)]
            mine = [replace(job, studio=self.studio) for job in reversed(left)]
            for job in mine:
                await self.keep(job)
        return mine

    def moment(self) -> float:
        """Now, and later than any moment asked for before: the order of acceptance."""
        self._last_moment = max(time.time(), self._last_moment + 1e-5)
        return self._last_moment

    def jobs(self) -> list[Job]:
        """Every job, newest first."""
        if self._tenant.has_had_company():
            self._read_others()
        return [self._jobs[job_id] for _, job_id in tuple(self._newest_first)]

    def _read_others(self) -> None:
        for record in self._jobs_dir.glob("*.json"):
            known = self._jobs.get(record.stem)
            if known is None or (known.status == "in-progress" and known.studio != self.studio):
                self._know(_read(record))

    def job(self, job_id: str) -> Job | None:
        """The job with that id, as it is now."""
        known = self._jobs.get(job_id)
        if known and known.studio == self.studio:
            return known
        record = self._jobs_dir / f"{job_id}.json"
        return _read(record) if _is_id(job_id) and record.is_file() else None

    async def keep(self, job: Job) -> Job:
        """Put the job on disk; it is there for others only once it is safe."""
        await asyncio.to_thread(self._write, job)
        return job

    async def change(self, job: Job, **changes: Any) -> Job:
        """Put a changed job on disk."""
        return await self.keep(replace(job, **changes))

    def open_upload(self, file_name: str, content_type: str) -> Upload:
        """Make a place for an upload."""
        upload = Upload(uuid.uuid4().hex, file_name, content_type)
        write_json(self.uploads / f"{upload.id}.json", asdict(upload))
        return upload

    def upload(self, upload_id: str) -> Upload | None:
        """The place with that id."""
        record = self.uploads / f"{upload_id}.json"
        if not upload_id.isalnum() or not record.is_file():
            return None
        return Upload(**json.loads(record.read_text(encoding="utf-8")))

    def upload_bytes(self, upload: Upload) -> Path:
        """Where its bytes are, once they have come."""
        return self.uploads / upload.id

    def media_of(self, job_id: str) -> Media:
        """The files of one job."""
        return Media(*(self.media / f"{job_id}{ending}" for ending in MEDIA_ENDINGS))

    def _write(self, job: Job) -> None:
        write_json(self._jobs_dir / f"{job.id}.json", job.to_json())
        self._know(job)

    def _know(self, job: Job) -> None:
        is_new, self._jobs[job.id] = job.id not in self._jobs, job
        if is_new:
            insort(self._newest_first, (-job.accepted_at, job.id))


def _read(record: Path) -> Job:
    return Job.from_json(json.loads(record.read_text(encoding="utf-8")))


def _is_id(text: str) -> bool:
    return len(text) <= _LONGEST_ID and all(letter.isalnum() or letter == "-" for letter in text)


def _secret(path: Path) -> bytes:
    """What addresses are signed with; made once, whichever studio comes first."""
    if not path.is_file():
        aside = path.with_name(f"secret.{secrets.token_hex(4)}.part")
        aside.write_text(secrets.token_hex(16), encoding="ascii")
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(aside)
        aside.unlink()
    return path.read_bytes()
