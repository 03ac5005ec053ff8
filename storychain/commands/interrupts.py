"""Ctrl-C and SIGTERM: the first asks the work to stop in good order, the second ends the process at once."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupts(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` at the first interrupt while the block runs."""
    loop = asyncio.get_running_loop()

    def first() -> None:
        for number in _NUMBERS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        print("Stopping; what is paid is on record. (Once more ends at once.)", file=sys.stderr)
        stop()

    for number in _NUMBERS:
        loop.add_signal_handler(number, first)
    try:
        yield
    finally:
        for number in _NUMBERS:
            loop.remove_signal_handler(number)
