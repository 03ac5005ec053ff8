"""How fast requests may be sent, held by all processes of a workspace together: a small file says when the next is due.

The provider's own limits are not documented, so they are learned: a 429 doubles the pause between requests for
everybody, each success makes it a little shorter again. A limit that a person sets is never passed.
"""

from __future__ import annotations

import asyncio
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from storychain.locks import Held, lock_now

if TYPE_CHECKING:
    from pathlib import Path

_STATE = struct.Struct("<3d")

_FIRST_GAP, _WIDEST_GAP = 0.5, 30.0
"""Seconds between requests after a first 429, and at most."""

_SHRINK, _NO_GAP = 0.9, 0.05
"""What a success leaves of the pause, and what is no pause any more."""

_LONGEST = 900.0
"""Seconds beyond which a state lies in the future only because a clock was wrong."""

_SHORT = 5.0
"""Seconds of waiting that nobody wonders about."""

_TRY_AGAIN = 0.002


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class _State:
    """Seconds of the epoch: when the next request is due, until when all is halted; and the pause, in seconds."""

    due: float = 0.0
    halted: float = 0.0
    gap: float = 0.0


class Holding:
    """Tells of waits that somebody would wonder about: each once, however many requests wait alike."""

    def __init__(self, tell: Callable[[str, float], None] | None) -> None:
        self._tell = tell
        self._until = float("-inf")

    def waits(self, why: str, seconds: float) -> None:
        """Something waits for so long. A wait that ends with one that was told is not told again."""
        until = _loop_time() + seconds
        if self._tell is None or seconds < _SHORT or until < self._until + _SHORT:
            return
        self._until = until
        self._tell(why, seconds)


class Gate:
    """Passes requests one by one. `path` is the file that processes share; None keeps it to this one.

    `per_minute` is the most requests a minute, None where nobody has set it.
    """

    def __init__(self, path: Path | None = None, per_minute: float | None = None) -> None:
        self._path = path
        self._least = 60.0 / per_minute if per_minute else 0.0
        # Processes share the clock on the wall; one alone goes by its loop's, which is never set back.
        self._now = time.time if path else _loop_time
        self._own = _State()

    async def passed(self, held: Callable[[float], None] | None = None) -> None:
        """Wait for one's turn. Raises OSError where the file cannot be used.

        `held` hears for how many seconds where it is the provider that is waited for, and no limit of our own.
        """
        state, now = self._read(), self._now()
        if not self._least and not state.gap and state.halted <= now:
            return
        turn = now

        def take(state: _State) -> _State:
            nonlocal turn
            turn = max(self._now(), state.due, state.halted)
            return replace(state, due=turn + max(self._least, state.gap))

        await self._change(take)
        wait = max(0.0, turn - self._now())
        if held is not None and (state.halted > now or state.gap > self._least):
            held(wait)
        await asyncio.sleep(wait)

    async def slow_down(self, wait: float | None) -> None:
        """The provider says that it is too much; it may have said for how long to wait."""

        def slower(state: _State) -> _State:
            gap = min(_WIDEST_GAP, max(_FIRST_GAP, 2 * state.gap))
            halted = self._now() + min(_LONGEST / 2, gap if wait is None else wait)
            return _State(state.due, max(state.halted, halted), gap)

        await self._change(slower)

    async def went_well(self) -> None:
        """A request was taken."""
        if self._read().gap:
            await self._change(lambda state: replace(state, gap=state.gap * _SHRINK if state.gap > _NO_GAP else 0.0))

    def _read(self) -> _State:
        if self._path is None:
            return self._own
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return _State()
        if len(raw) != _STATE.size:
            return _State()
        state, now = _State(*_STATE.unpack(raw)), self._now()
        # Also what is no number: such a file is nobody's work but a broken disk's.
        sane = state.due <= now + _LONGEST and state.halted <= now + _LONGEST and 0 <= state.gap <= _WIDEST_GAP
        return state if sane else _State()

    async def _change(self, change: Callable[[_State], _State]) -> None:
        if self._path is None:
            self._own = change(self._own)
            return
        while True:
            try:
                with lock_now(self._path.with_name(f"{self._path.name}.lock")):
                    self._write(change(self._read()))
                return
            except Held:
                await asyncio.sleep(_TRY_AGAIN)

    def _write(self, state: _State) -> None:
        assert self._path is not None
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.pwrite(descriptor, _STATE.pack(state.due, state.halted, state.gap), 0)
        finally:
            os.close(descriptor)
