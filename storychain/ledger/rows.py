"""Between rows of the attempts table and the words of the rest: written, looked for, folded into records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from storychain.errors import MovedOn, StoryHeld, UsageError
from storychain.ledger.backend import PromiseBroken
from storychain.ledger.caps import credits_of, thousandths
from storychain.records import Record, State

if TYPE_CHECKING:
    from storychain.ledger.backend import Row, Rows
    from storychain.ledger.words import Purchase
    from storychain.provider import Job

STILL_SEEN = 900.0
"""Seconds after which a job nobody has looked at no longer counts as one of the jobs at once: its run is dead."""

LIVE = "('intended', 'submitted', 'completed', 'stored', 'unresolved')"
"""States of an attempt that stands for its key."""


def moved_on(attempt: int, state: str) -> MovedOn:
    """The error in words."""
    return MovedOn(
        f"attempt {attempt} cannot become {state}: somebody else has moved it on",
        next_step="Run again; the ledger's present state will be used.",
    )


def check_free(rows: Rows, purchase: Purchase) -> None:
    """Raise StoryHeld if an attempt stands for the key already."""
    if rows.execute(f"SELECT 1 FROM attempts WHERE key = ? AND state IN {LIVE}", [purchase.key]).fetchone():  # noqa: S608
        raise StoryHeld(
            "somebody else has just bought this segment",
            where=f"{purchase.story}, scene {purchase.scene}",
            next_step="Run again; it will be used.",
        )


@contextmanager
def one_owner(job_id: object) -> Iterator[None]:
    """Turn the database's refusal of a second owner of a job into words."""
    try:
        yield
    except PromiseBroken as error:
        raise UsageError(
            f"job {job_id} already belongs to another scene", next_step="`storychain status` shows which job is whose."
        ) from error


def under_way(rows: Rows, provider: str, now: float) -> int:
    """Jobs that some living run waits for, or is about to start."""
    query = "SELECT COUNT(*) FROM attempts WHERE provider = ? AND state IN ('intended', 'submitted') AND seen_at > ?"
    return int(rows.execute(query, [provider, now - STILL_SEEN]).fetchone()[0])


def insert(rows: Rows, purchase: Purchase, now: float) -> int:
    """Write an intended attempt; its id, one more than the highest: nobody else writes meanwhile."""
    number = int(rows.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM attempts").fetchone()[0])
    rows.execute(
        "INSERT INTO attempts (id, key, provider, story, scene, run, model, seconds, request, state, quoted, "
        "watermark, intended_at, seen_at, take, parent, asked, lane) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'intended', ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            number,
            purchase.key,
            purchase.provider,
            purchase.story,
            purchase.scene,
            purchase.run,
            purchase.model,
            purchase.seconds,
            purchase.prompt,
            None if purchase.price is None else thousandths(purchase.price),
            json.dumps(purchase.watermark),
            now,
            now,
            purchase.take,
            purchase.parent,
            purchase.asked,
            purchase.lane,
        ],
    )
    return number


def of_attempt(rows: Rows, attempt: int) -> Record:
    """What is known of the key that an attempt was made for."""
    query = "SELECT * FROM attempts WHERE key = (SELECT key FROM attempts WHERE id = ?) ORDER BY id"
    return folded(rows.execute(query, [attempt]).fetchall())


def told(job: Job) -> str:
    """Why a job failed, in the provider's words."""
    said = " ".join(part for part in (job.code and f"[{job.code}]", job.message) if part)
    return said or "the provider gave no reason"


def folded(tries: Sequence[Row]) -> Record:
    """Fold the attempts of one key, oldest first, into what is known of it."""
    latest = tries[-1]
    charged = latest["charged"]
    record = Record(
        state=latest["state"],
        attempt=latest["id"],
        key=latest["key"],
        story=latest["story"],
        scene=latest["scene"],
        job_id=latest["job_id"],
        watermark=tuple(json.loads(latest["watermark"])),
        url=latest["url"],
        last_frame_url=latest["last_frame_url"],
        seconds=latest["seconds"],
        credits=credits_of(latest["quoted"] if charged is None else charged),
        sha256=latest["sha256"],
        size=latest["size"],
        failures=sum(1 for row in tries if row["state"] == "failed"),
        message=latest["message"],
        prompt=latest["request"],
        objected=frozenset(row["request"] for row in tries if row["objected"]),
        barred=frozenset(row["request"] for row in tries if row["objected"] and row["state"] == "refused"),
        intended_at=latest["intended_at"],
        submitted_at=latest["submitted_at"],
        completed_at=latest["completed_at"],
        model=latest["model"],
        take=latest["take"],
        parent=latest["parent"] or "",
        asked=latest["asked"] or "",
    )
    telling = next((row for row in reversed(tries) if row["state"] != "refused" or row["objected"]), None)
    if record.state == "refused" and telling:
        # A request turned away after that, whatever the reason, is no news: what matters is what was before.
        state: State = "failed" if record.failures and telling["objected"] else telling["state"]
        return replace(record, state=state, message=telling["message"], prompt=telling["request"])
    return record
