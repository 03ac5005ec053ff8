"""A story with all that was ever taken of it, and what people decide about it: verdicts, comments, which take is shown.

What a decision makes of a story is said by `storychain.takes`; here it is gathered for and written down.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from storychain import takes as choosing
from storychain.chain.survey import with_presence
from storychain.errors import UsageError
from storychain.plan import plan, quote
from storychain.review.view import RetakeView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storychain.ledger import Ledger
    from storychain.plan import Facts, Step
    from storychain.records import Chosen, Record, Remark, Verdict
    from storychain.story.model import Story
    from storychain.takes import SceneTakes, Take
    from storychain.workspace import Workspace

MOST_WORDS = 4000
"""Characters of a note or a comment at the most."""


@dataclass(frozen=True, slots=True)
class Table:
    """A story, what is known of it, its plan, every attempt (oldest first), and its takes by scene."""

    story: Story
    facts: Facts
    steps: tuple[Step, ...]
    attempts: tuple[Record, ...]
    scenes: tuple[SceneTakes, ...]

    def step(self, scene: str) -> Step:
        """The step of a scene. Raises UsageError where there is no such scene."""
        found = next((step for step in self.steps if step.scene.id == scene), None)
        if found is None:
            raise UsageError(f"there is no scene '{scene}'", where=self.story.name)
        return found

    def take(self, scene: str, key: str) -> Take:
        """A take of a scene that something can be said of. Raises UsageError."""
        takes = (take for one in self.scenes if one.step.scene.id == scene for take in one.takes)
        found = next((take for take in takes if take.key == key and take.record.state != "none"), None)
        if found is None:
            raise UsageError(f"scene {scene} has no such take", where=self.story.name)
        return found


def table_of(story: Story, facts: Facts, ledger: Ledger | None, workspace: Workspace) -> Table:
    """Gather a story's takes. Raises StorychainError where the ledger lets us down."""
    steps = plan(story, facts)
    records: tuple[Record, ...] = ()
    remarks: tuple[Remark, ...] = ()
    if ledger is not None:
        records = ledger.story_records(facts.provider, story.name)
        remarks = ledger.decisions.remarks(facts.provider, story.name)
    attempts = tuple(with_presence(record, workspace) for record in records)
    return Table(story, facts, steps, attempts, choosing.takes_of(steps, attempts, remarks))


def retake_of(table: Table, scene: str) -> RetakeView:
    """What one more take of a scene costs, and what it makes stale. Raises UsageError."""
    table.step(scene)
    steps, kept = (planned(table, _retaken(table, scene, keep_after=keep)) for keep in (False, True))
    own = next(step for step in steps if step.scene.id == scene)
    stale = tuple(step.scene.id for step in choosing.stale(table.steps, steps) if step.scene.id != scene)
    had = {step.key for step in table.steps}
    bought = [step for step in steps if step.key not in had]
    return RetakeView(own.price, stale, quote(bought).total, quote([one for one in kept if one.key not in had]).total)


def _retaken(table: Table, scene: str, *, keep_after: bool) -> dict[str, Chosen]:
    """The choices of one more take, whatever became of the one that was asked for last."""
    attempts = [*table.attempts, table.step(scene).record]
    choices = choosing.retaken(table.story, table.facts, attempts, scene, keep_after=keep_after)
    return choices or {scene: table.facts.choices[scene]}


def rewritten(table: Table, scene: str, prompt: str, *, keep_after: bool) -> dict[str, Chosen]:
    """The choices by which a scene is taken again, in other words where some are given. Raises UsageError."""
    written = next((one for one in table.story.scenes if one.id == table.step(scene).scene.id), None)
    assert written is not None
    words = choosing.prompt_of(written, prompt) if prompt.strip() else None
    return choosing.retaken(table.story, table.facts, table.attempts, scene, prompt=words, keep_after=keep_after)


def planned(table: Table, choices: Mapping[str, Chosen]) -> tuple[Step, ...]:
    """The plan as it would be under these choices."""
    return plan(table.story, replace(table.facts, choices={**table.facts.choices, **choices}))


def judge(ledger: Ledger, table: Table, scene: str, key: str, verdict: Verdict, note: str) -> None:
    """Approve or reject a take; an approved one that was not shown is shown from then on. Raises UsageError."""
    take = table.take(scene, key)
    if verdict == "approved" and not take.shown:
        pick(ledger, table, scene, key)
    said = _words(note)
    ledger.decisions.remark(table.facts.provider, table.story.name, scene, take.key, verdict=verdict, text=said)


def comment(ledger: Ledger, table: Table, scene: str, key: str, text: str, second: float | None) -> None:
    """Say something of a take, or of a second of it. Raises UsageError."""
    take = table.take(scene, key)
    said = _words(text)
    if not said:
        raise UsageError("a comment has words")
    ledger.decisions.remark(table.facts.provider, table.story.name, scene, take.key, text=said, second=second)


def pick(ledger: Ledger, table: Table, scene: str, key: str) -> None:
    """Show another take of a scene; it costs nothing. Raises UsageError."""
    take = table.take(scene, key)
    choices = choosing.picked(table.story, table.facts, table.attempts, scene, take.record)
    ledger.decisions.choose(table.facts.provider, table.story.edition, choices)


def _words(text: str) -> str:
    said = text.strip()
    if len(said) > MOST_WORDS:
        raise UsageError(f"that is {len(said):,} characters; a note has {MOST_WORDS:,} at the most")
    return said
