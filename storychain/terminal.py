"""What a command has to do with where it was started: its streams, and the signals that end it."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

from storychain.printable import Forgiving, Harmless


def make_harmless() -> None:
    """Words of strangers, names of files among them, do not reach a terminal raw; a pipe gets results as they are."""
    # Who closes one of them gets an empty place, which the next file that is opened would take.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - as long as we live
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.reconfigure(errors="surrogateescape")
    else:
        sys.stdout = cast("TextIO", Harmless(sys.stdout))
    sys.stderr = cast("TextIO", Forgiving(sys.stderr))


@contextmanager
def if_anybody_reads() -> Iterator[None]:
    """Print results: whoever read them may be gone, and what came of the work decides the exit code all the same."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        nobody_reads()


def nobody_reads() -> None:
    """Let what is still written to stdout go nowhere: Python flushes once more at its end, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def stop_in_words() -> None:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does, with words and what has to be told to others."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # under nohup a terminal that goes is no reason
            signal.signal(number, signal.default_int_handler)
