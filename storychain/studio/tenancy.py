"""Which studios over one home still live: each holds a lock of its own. Knows nothing of jobs."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from pathlib import Path

from storychain.locks import Held, lock_now


class Tenant:
    """One studio's sign that it lives: a lock file of its own in `folder`, held until `leave` or the process's end."""

    def __init__(self, folder: Path) -> None:
        self.name = uuid.uuid4().hex
        self._folder = folder
        self._changed = 0
        self._held = ExitStack()
        self._held.enter_context(lock_now(self._sign(self.name)))

    def lives(self, name: str) -> bool:
        """Whether the studio of that name is still at home."""
        sign = self._sign(name)
        if not sign.exists():
            return False
        try:
            with lock_now(sign):
                sign.unlink(missing_ok=True)
                return False
        except Held:
            return True

    def has_had_company(self) -> bool:
        """Whether other studios are at home, or may have been since this was asked before."""
        changed = self._folder.stat().st_mtime_ns
        is_news, self._changed = changed != self._changed, changed
        return is_news or len(list(self._folder.iterdir())) > 1

    def leave(self) -> None:
        """Take the sign down."""
        self._sign(self.name).unlink(missing_ok=True)
        self._held.close()

    def _sign(self, name: str) -> Path:
        return self._folder / f"{name}.lock"
