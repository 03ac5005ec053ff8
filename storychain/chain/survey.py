"""Gathering the facts a plan is made from: what start files are, what the ledger knows, what is on this disk."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from storychain.errors import UsageError
from storychain.plan import Facts, keys, plan
from storychain.records import NOTHING
from storychain.workspace import Workspace, sha256_of

if TYPE_CHECKING:
    from storychain.catalogue import Catalogue
    from storychain.ledger import Ledger
    from storychain.records import Record
    from storychain.story.model import Source, Story


def survey(
    story: Story,
    *,
    provider: str,
    free: bool,
    ledger: Ledger | None,
    workspace: Workspace,
    catalogue: Catalogue,
    retry_failed: bool = False,
    given_up: frozenset[str] = frozenset(),
) -> Facts:
    """Everything `plan` may know about a story. Without a ledger nothing was ever bought."""
    start = tuple(identity(source) for source in story.start.sources) if story.start else ()
    facts = Facts(
        provider=provider,
        free=free,
        start=start,
        retry_failed=retry_failed,
        given_up=given_up,
        catalogue=catalogue,
    )
    wanted = set(keys(story, provider, start)) if ledger else set()
    while ledger and wanted:
        # A scene that turns out to be a placeholder gives those after it other keys, which have records of their own.
        found = ledger.records(wanted)
        new = {key: with_presence(found.get(key, NOTHING), workspace) for key in wanted}
        facts = replace(facts, records={**facts.records, **new})
        wanted = {step.key for step in plan(story, facts)} - set(facts.records)
    return facts


def identity(source: Source) -> str:
    """What makes a start file itself: its content where it is a file, else its address as written."""
    if source.path is None:
        return source.url or source.written
    try:
        return f"sha256:{sha256_of(source.path)}"
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=source.written) from error


def with_presence(record: Record, workspace: Workspace) -> Record:
    """Say whether a stored segment's bytes are on this disk, by their size."""
    try:
        size = workspace.segment(record.key).stat().st_size
    except OSError:
        return record
    return replace(record, present=record.size is not None and record.size == size)
