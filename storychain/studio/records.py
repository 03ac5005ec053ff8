"""The studio's records as data: jobs, uploads, media; how one is written. Decides nothing.

A record is written aside, synced and renamed, so that an answer never promises what a crash can take back.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

ENDED = frozenset({"completed", "failed", "cleaned"})


@dataclass(frozen=True, slots=True)
class Job:
    """One job of the account. `studio` names the studio that works on it; times are seconds since the epoch."""

    id: str
    studio: str
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
