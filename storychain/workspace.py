"""Where everything lives on disk: the ledger, segments by key, what is prepared of them, locks, the studio's home.

Paths and whole-or-absent file moves only; what the files mean is known elsewhere.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storychain.locks import Numbered
from storychain.syncing import sync

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder `.storychain/` and the names in it. Keys are hex, so no name from a story reaches a path here."""

    root: Path

    @property
    def ledger(self) -> Path:
        """The database."""
        return self.root / "ledger.sqlite3"

    @property
    def studio(self) -> Path:
        """The home of the local studio."""
        return self.root / "studio"

    def segment(self, key: str) -> Path:
        """The stored bytes of a segment, as the provider sent them."""
        return self.root / "segments" / f"{key}.mp4"

    def size_of_segment(self, key: str) -> int | None:
        """How many bytes a stored segment has; None where it is not here. Asked for by the thousand."""
        try:
            return os.stat(os.path.join(self.root, "segments", f"{key}.mp4")).st_size  # noqa: PTH116, PTH118
        except OSError:
            return None

    def part(self, key: str) -> Path:
        """A segment on its way in."""
        return self.root / "segments" / f"{key}.part"

    def spoilt(self, key: str) -> Path:
        """A segment whose bytes have changed since they were stored."""
        return self.root / "segments" / f"{key}.spoilt"

    def rejected(self, key: str, attempt: int) -> Path:
        """A segment that was bought again because of how it ends; kept, for it was paid."""
        return self.root / "segments" / f"{key}.rejected-{attempt}.mp4"

    def prepared(self, key: str) -> Path:
        """What was made of a segment for joining; can be made again."""
        return self.root / "prepared" / key

    def placeholder(self, name: str) -> Path:
        """A free card that stands in for a segment."""
        return self.root / "placeholders" / f"{name}.mp4"

    def voice(self, name: str) -> Path:
        """Words that were spoken; can be spoken again."""
        return self.root / "voices" / f"{name}.wav"

    def source(self, identity: str) -> Path:
        """A start video fetched from an address."""
        return self.root / "sources" / f"{_digest(identity)}.mp4"

    def frame(self, key: str) -> Path:
        """The last picture of a segment."""
        return self.root / "frames" / f"{key}.png"

    def thumbnail(self, name: str) -> Path:
        """A small still picture for looking at; can be drawn again."""
        return self.root / "thumbnails" / f"{name}.jpg"

    def inspection(self, provider: str, story: str) -> Path:
        """What `inspect` measured last of a story; can be measured again."""
        return self.root / "inspections" / f"{_digest(f'{provider} {story}')}.json"

    @property
    def orders(self) -> Path:
        """Where the story files of orders are written down for reading them."""
        return self.root / "orders"

    def order(self, number: int) -> Path:
        """Where an order's own is."""
        return self.orders / str(number)

    def key_lock(self, key: str) -> Numbered:
        """Held while a segment is bought, awaited and brought home."""
        return Numbered(self.root / "locks" / "held", f"key-{key}")

    def story_lock(self, story: Path, name: str) -> Numbered:
        """Held while a story is rendered; one file may hold many, by name."""
        file = str(story.resolve())
        told = f"story-{_digest(file if name == story.stem else f'{file} {name}')}"
        return Numbered(self.root / "locks" / "held", told)

    def gate(self, provider: str) -> Path:
        """Says when the next request to a provider may be sent."""
        return self.root / "locks" / f"gate-{provider}"

    @property
    def hook_key(self) -> Path:
        """The key that the addresses of webhooks are made with."""
        return self.root / "hook.key"

    def lane_lock(self, provider: str, lane: int) -> Path:
        """Held from reading the watermark until a submit's outcome is on record; the first lane is called as ever."""
        return self.root / "locks" / (f"account-{provider}-{lane}" if lane else f"account-{provider}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_whole(path: Path, sha256: str | None) -> bool:
    """Whether a file can be read to its end and is the one of this hash."""
    try:
        return sha256_of(path) == sha256
    except OSError:
        return False


def settle(part: Path, final: Path) -> None:
    """Give a finished file its name, in a folder that `make_folder` made: bytes synced, renamed, the name synced."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(final)
    sync(final.parent)
