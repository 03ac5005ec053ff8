"""Metrics of the last run as a text file that node_exporter's textfile collector reads.

Written by hand: the format is a few lines, and Prometheus' own client library would be one more dependency to write
them. Every series has the label `name`, which is the file's: files of several timers may lie in one folder.
"""

from __future__ import annotations

import os
import re
import uuid
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

from storychain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from storychain.unattended.ended import Ended, Standing

_LAST_SUCCESS = "storychain_run_last_success_timestamp_seconds"
_SUCCESS_LINE = re.compile(rf"^{_LAST_SUCCESS}\{{[^\n]*\}} ([0-9.]+)$", re.MULTILINE)

STATUSES = ("done", "failed", "stopped")


def check_metrics_file(path: Path) -> None:
    """Raise UsageError for a file that could not be written, or that nobody would read."""
    advice = "Let --metrics-file name a file such as /var/lib/node_exporter/storychain.prom. Nothing was bought."
    if path.suffix != ".prom":
        raise UsageError("node_exporter reads files that end in .prom alone", where=str(path), next_step=advice)
    if path.is_dir():
        raise UsageError("it is a folder", where=str(path), next_step=advice)
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError("its folder is not there or not ours to write in", where=str(path), next_step=advice)


def write_metrics(path: Path, ended: Ended) -> None:
    """Put the metrics of a run in place of the last ones, whole or not at all. Raises OSError."""
    before = ""
    with suppress(OSError, UnicodeDecodeError):
        before = path.read_text("utf-8")
    # Not .prom: a collector that comes by meanwhile must not read half of it.
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with aside.open("x", encoding="utf-8", errors="replace") as file:
            file.write(exposition(ended, path.stem, _last_success(before)))
            file.flush()
            # The collector is somebody else, whatever our umask is.
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise


def exposition(ended: Ended, name: str, last_success: float | None) -> str:
    """The metrics in Prometheus' text format, version 0.0.4."""
    label = {"name": name}
    succeeded = ended.at if ended.well else last_success
    lines = [
        *_gauge("run_timestamp_seconds", "When the last run ended, in seconds since the epoch.", [(label, ended.at)]),
        *_gauge("run_duration_seconds", "How long the last run took.", [(label, round(ended.seconds, 3))]),
        *_gauge("run_exit_code", "Exit code of the last run.", [(label, ended.code)]),
        *_gauge(
            "run_success",
            "Whether nobody has to do anything: exit code 0, or 75 for a part.",
            [(label, int(ended.well))],
        ),
        *_gauge(
            "run_last_success_timestamp_seconds",
            "When a run last ended well, in seconds since the epoch.",
            [] if succeeded is None else [(label, succeeded)],
        ),
        *_gauge(
            "run_stories",
            "Stories of the last run by what came of them.",
            [({**label, "status": status}, ended.counts[status]) for status in STATUSES],
        ),
        *(_ledger(ended.standing, label) if ended.standing is not None else ()),
    ]
    return "".join(f"{line}\n" for line in lines)


def _ledger(standing: Standing, label: Mapping[str, str]) -> Iterator[str]:
    attempts = standing.attempts
    yield from _gauge("run_credits_spent", "Credits that the last run spent.", [(label, standing.spent)])
    # Not a counter: what was promised for a job shrinks when the provider takes less for it.
    yield from _gauge(
        "ledger_credits_committed", "Credits spent or promised ever, by the ledger.", [(label, standing.committed)]
    )
    yield from _gauge(
        "ledger_jobs_in_flight",
        "Paid jobs whose end is not known yet.",
        [(label, attempts.get("submitted", 0))],
    )
    yield from _gauge(
        "ledger_attempts_unresolved",
        "Attempts that wait for a person's word.",
        [(label, attempts.get("unresolved", 0))],
    )


def _gauge(name: str, says: str, samples: list[tuple[Mapping[str, str], Decimal | float]]) -> Iterator[str]:
    if not samples:
        return
    yield f"# HELP storychain_{name} {says}"
    yield f"# TYPE storychain_{name} gauge"
    for labels, value in samples:
        shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"storychain_{name}{{{shown}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _last_success(before: str) -> float | None:
    found = _SUCCESS_LINE.search(before)
    try:
        return float(found[1]) if found else None
    except ValueError:
        return None
