"""A story with all that was ever taken of it, and what people decide about it: verdicts, comments, which take is shown.

What a decision makes of a story is said by `storychain.takes`; here it is gathered for and written down.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from storychain import takes as choosing
from storychain.chain.survey import attempts_of, with_choices, with_presence
from storychain.errors import UsageError
from storychain.plan import plan, step_of
from storychain.records import LIVE
from storychain.story.advice import command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    """A story, what is known of it, its plan, every attempt (oldest first), and its takes by scene.

    Attempts are told of scenes as these are called now. `facts_with` looks what is known under other choices.
    """

    story: Story
    facts: Facts
    steps: tuple[Step, ...]
    attempts: tuple[Record, ...]
    scenes: tuple[SceneTakes, ...]
    facts_with: Callable[[Mapping[str, Chosen]], Facts]

    def scene(self, name: str) -> SceneTakes:
        """One scene's takes. Raises UsageError where there is no such scene."""
        return self.scenes[self.steps.index(step_of(self.steps, name))]

    def take(self, scene: str, key: str) -> Take:
        """A take of a scene that something can be said of. Raises UsageError."""
        found = next((take for take in self.scene(scene).takes if take.key == key), None)
        if found is None:
            raise UsageError(f"scene {scene} has no such take", where=self.story.name)
        if found.record.state == "none":
            raise UsageError(f"take {found.number} of scene {scene} is not bought yet", where=self.story.name)
        return found

    def numbered(self, scene: str, number: int | None) -> Take:
        """A take by its number; without one the take that is shown. Raises UsageError."""
        takes = self.scene(scene).takes
        for take in takes:
            if take.number == number or (number is None and take.shown):
                return take
        raise UsageError(
            f"scene {scene} has no take {number}",
            where=self.story.name,
            next_step=f"It has {len(takes)}; {command('takes', self.story, free=self.facts.free)} lists them.",
        )


def table_of(story: Story, facts: Facts, ledger: Ledger | None, workspace: Workspace) -> Table:
    """Gather a story's takes. Raises StorychainError where the ledger lets us down."""
    steps = plan(story, facts)
    records: tuple[Record, ...] = ()
    remarks: tuple[Remark, ...] = ()
    if ledger is not None:
        records = attempts_of(story, facts, ledger)
        remarks = ledger.decisions.remarks(facts.provider, story.name)
    attempts = tuple(with_presence(record, workspace) for record in records)

    def facts_with(choices: Mapping[str, Chosen]) -> Facts:
        return with_choices(story, facts, choices, ledger, workspace)

    return Table(story, facts, steps, attempts, choosing.takes_of(steps, attempts, remarks), facts_with)


def planned(table: Table, choices: Mapping[str, Chosen]) -> tuple[Step, ...]:
    """The plan as it would be under these choices."""
    return plan(table.story, table.facts_with(choices))


def retaken(table: Table, scene: str, words: str | None, *, keep_after: bool) -> dict[str, Chosen]:
    """The choices by which a scene is taken again, in other words where some are given. Raises UsageError."""
    step_of(table.steps, scene)
    prompt = choosing.prompt_of(choosing.written(table.story, scene), words) if words is not None else None
    choices = choosing.retaken(table.story, table.facts, table.attempts, scene, prompt=prompt, keep_after=keep_after)
    # Another story may have taken the same scene again: what it has bought is none of this story's takes.
    while choices and step_of(planned(table, choices), scene).record.state != "none":
        choices[scene] = replace(choices[scene], take=choices[scene].take + 1)
    return choices


def judge(ledger: Ledger, table: Table, scene: str, key: str, verdict: Verdict, note: str) -> None:
    """Approve or reject a take; an approved one that was not shown is shown from then on. Raises UsageError."""
    said, take = _words(note), table.take(scene, key)
    if verdict == "approved":
        _check_had(table, scene, take)
        if not take.shown:
            pick(ledger, table, scene, key)
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
    _check_had(table, scene, take)
    choices = choosing.picked(table.story, table.facts, table.attempts, scene, take.record)
    ledger.decisions.choose(table.facts.provider, table.story.edition, choices)


def _check_had(table: Table, scene: str, take: Take) -> None:
    """Raise UsageError for a take of which there is nothing to show, and never will be."""
    if take.record.state not in LIVE:
        again = command("retake", table.story, scene, free=table.facts.free)
        raise UsageError(
            f"take {take.number} of scene {scene} is {take.record.state}: there is nothing to show",
            where=table.story.name,
            next_step=f"{again} takes it again.",
        )


def _words(text: str) -> str:
    said = text.strip()
    if len(said) > MOST_WORDS:
        raise UsageError(f"that is {len(said):,} characters; a note has {MOST_WORDS:,} at the most")
    return said
