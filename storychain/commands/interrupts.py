"""Ctrl-C, SIGTERM and SIGHUP: the first asks the work to stop in good order, the second ends the process at once."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interrupts(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` at the first interrupt while the block runs."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]  # under nohup a terminal that goes is no reason to stop

    def first() -> None:
        for number in before:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        print("Stopping; what is paid is on record. (Once more ends at once.)", file=sys.stderr)
        stop()

    for number in before:
        loop.add_signal_handler(number, first)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
