"""What the studio has on disk: one JSON file per job, the uploads, the media. Decides nothing.

A job is written aside, synced and renamed, so that an answer never promises what a crash can take back.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

ENDED = frozenset({"completed", "failed", "cleaned"})


@dataclass(frozen=True, slots=True)
class Job:
    """One job of the account. `number` counts from 1 in order of acceptance; times are seconds since the epoch."""

    id: str
    number: int
    body: Mapping[str, Any]
    model: str
    aspect_ratio: str
    seconds: int
    price: Decimal
    accepted_at: float
    faults: frozenset[str] = field(default_factory=frozenset)
    status: str = "in-progress"
    ended_at: float | None = None
    width: int = 0
    height: int = 0
    credits: Decimal = Decimal(0)
    error_code: str = ""
    error_message: str = ""

    def to_json(self) -> dict[str, Any]:
        """All of it, as plain JSON."""
        plain = asdict(self)
        return plain | {"price": str(self.price), "credits": str(self.credits), "faults": sorted(self.faults)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Job:
        """The job that `to_json` wrote."""
        money = {name: Decimal(plain[name]) for name in ("price", "credits")}
        return cls(**{**plain, **money, "faults": frozenset(plain["faults"])})


@dataclass(frozen=True, slots=True)
class Upload:
    """A place for one uploaded file."""

    id: str
    file_name: str
    content_type: str


class Shelf:
    """The studio's home directory."""

    def __init__(self, home: Path) -> None:
        self.media = home / "media"
        self.uploads = home / "uploads"
        self.scratch = home / "scratch"
        self._jobs_dir = home / "jobs"
        for folder in (self.media, self.uploads, self.scratch, self._jobs_dir):
            folder.mkdir(parents=True, exist_ok=True)
        self.secret = _secret(home / "secret")
        self._jobs = {job.id: job for job in sorted(self._read_jobs(), key=lambda job: job.number)}
        self._last_number = max((job.number for job in self._jobs.values()), default=0)

    def next_number(self) -> int:
        """The number of the job accepted next."""
        self._last_number += 1
        return self._last_number

    def jobs(self) -> list[Job]:
        """Every job, newest first."""
        return sorted(self._jobs.values(), key=lambda job: -job.number)

    def job(self, job_id: str) -> Job | None:
        """The job with that id."""
        return self._jobs.get(job_id)

    async def keep(self, job: Job) -> Job:
        """Put the job on disk; it is there for others only once it is safe."""
        await asyncio.to_thread(write_json, self._jobs_dir / f"{job.id}.json", job.to_json())
        self._jobs[job.id] = job
        return job

    async def change(self, job_id: str, **changes: Any) -> Job:
        """Put a changed job on disk."""
        return await self.keep(replace(self._jobs[job_id], **changes))

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

    def _read_jobs(self) -> Iterator[Job]:
        for record in self._jobs_dir.glob("*.json"):
            yield Job.from_json(json.loads(record.read_text(encoding="utf-8")))


MEDIA_ENDINGS = (".mp4", "-last.png", "-thumbnail.jpg", "-preview.jpg")


@dataclass(frozen=True, slots=True)
class Media:
    """Where the files of a completed job are; its pictures are made when they are first asked for."""

    video: Path
    last_frame: Path
    thumbnail: Path
    preview: Path

    def files(self) -> tuple[Path, Path, Path, Path]:
        """All of them, in the order of `MEDIA_ENDINGS`."""
        return self.video, self.last_frame, self.thumbnail, self.preview

    def remove(self) -> None:
        """Delete them all."""
        for path in self.files():
            path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write aside, sync, rename."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    with aside.open("w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _secret(path: Path) -> bytes:
    if not path.is_file():
        write_json(path, secrets.token_hex(16))
    return str(json.loads(path.read_text(encoding="utf-8"))).encode()
