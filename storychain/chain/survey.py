"""Gathering the facts a plan is made from: what start files are, what the ledger knows, what is on this disk."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from storychain.chain.doubt import as_it_stands
from storychain.errors import UsageError
from storychain.plan import Facts, keys, plan, with_beside
from storychain.records import NOTHING
from storychain.takes import as_called_now
from storychain.workspace import Workspace, sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storychain.catalogue import Catalogue
    from storychain.ledger import Ledger
    from storychain.records import Chosen, Record
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
    choices: Mapping[str, Chosen] | None = None,
) -> Facts:
    """Everything `plan` may know about a story. Without a ledger nothing was ever bought.

    With `choices` as if these had been chosen, too.
    """
    start = tuple(identity(source) for source in story.start.sources) if story.start else ()
    facts = Facts(
        provider=provider,
        free=free,
        start=start,
        retry_failed=retry_failed,
        given_up=given_up,
        catalogue=catalogue,
    )
    if ledger is None:
        return facts
    decisions, words = ledger.decisions, {scene.id: scene.prompt for scene in story.scenes}
    chosen = {**decisions.choices(provider, story.edition, words), **(choices or {})}
    facts = replace(facts, verdicts=decisions.verdicts(provider, story.name))
    return with_choices(story, facts, chosen, ledger, workspace)


def with_choices(
    story: Story, facts: Facts, choices: Mapping[str, Chosen], ledger: Ledger | None, workspace: Workspace
) -> Facts:
    """The facts as if these were chosen, too, with what is on record of the keys that come up then."""
    facts = replace(facts, choices={**facts.choices, **choices})
    if ledger is None:
        return facts
    kept = {chosen.kept for chosen in facts.choices.values() if chosen.kept} - set(facts.records)
    facts = _with_records(story, facts, ledger, workspace, kept)
    wanted = set(keys(story, facts)) - set(facts.records)
    while wanted:
        facts = _with_records(story, facts, ledger, workspace, wanted)
        wanted = _more_keys(story, facts)
    return facts


def _more_keys(story: Story, facts: Facts) -> set[str]:
    """Keys that come up once the records of others are known.

    A scene that turns out to be a placeholder gives those after it other keys, and takes side by side have their own.
    """
    if all(scene.on_failure != "placeholder" and scene.takes == 1 for scene in story.scenes):
        return set()
    return {step.key for step in with_beside(plan(story, facts))} - set(facts.records)


def _with_records(story: Story, facts: Facts, ledger: Ledger, workspace: Workspace, wanted: set[str]) -> Facts:
    """The facts with what is on record of these keys, too."""
    found = ledger.records(wanted) if wanted else {}
    there = {key: with_presence(found.get(key, NOTHING), workspace) for key in wanted}
    new = {key: as_it_stands(record, story, facts, ledger, workspace) for key, record in there.items()}
    return replace(facts, records={**facts.records, **new})


def attempts_of(story: Story, facts: Facts, ledger: Ledger) -> tuple[Record, ...]:
    """Every attempt of a story, oldest first, under the names that its scenes have now.

    Before them come segments that the story has as it is written, and that another has bought.
    """
    records = as_called_now(story, ledger.story_records(facts.provider, story.name))
    written = dict(zip(keys(story, replace(facts, choices={})), story.scenes, strict=True))
    here = {(record.key, record.scene) for record in records}
    found = ledger.records(key for key, scene in written.items() if (key, scene.id) not in here)
    shared = (replace(found[key], scene=scene.id) for key, scene in written.items() if key in found)
    return (*shared, *records)


def identity(source: Source) -> str:
    """What makes a start file itself: its content where it is a file, else its address as written."""
    if source.path is None:
        return source.written
    try:
        return f"sha256:{sha256_of(source.path)}"
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=source.written) from error


def with_presence(record: Record, workspace: Workspace) -> Record:
    """Say whether a segment's bytes are on this disk, by their size.

    What was stored once is stored wherever its bytes are: another machine, or this one before they were put back, may
    have found its job gone since.
    """
    if record.size is None or record.state not in ("stored", "completed", "unresolved"):
        return record
    size = workspace.size_of_segment(record.key)
    return replace(record, present=True, state="stored") if record.size == size else record
