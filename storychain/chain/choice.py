"""What a run may buy, where that is less than everything: some stories' scenes only, or nothing at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from storychain.errors import StorychainError
from storychain.plan import Action
from storychain.story.advice import command

if TYPE_CHECKING:
    from storychain.plan import Step
    from storychain.story.model import Story


@dataclass(frozen=True, slots=True)
class Choice:
    """`buys` is False where nothing may be bought; `scenes` has the ids that may be, by story, where not all may."""

    buys: bool = True
    scenes: Mapping[str, frozenset[str]] | None = None

    def allows(self, story: str, scene: str) -> bool:
        """Whether a scene may be bought."""
        return self.buys and (self.scenes is None or scene in self.scenes.get(story, frozenset()))

    def of(self, story: str, steps: Sequence[Step]) -> tuple[Step, ...]:
        """The steps without those that will not be bought: not chosen, or continuing one that will not be had."""
        kept: list[Step] = []
        missing: set[str] = set()
        for step in steps:
            allowed = self.allows(story, step.scene.id)
            if step.action in (Action.SUBMIT, Action.BLOCKED) and (step.parent in missing or not allowed):
                missing.add(step.key)
            else:  # what never arrived is not sent again either
                kept.append(step if allowed else replace(step, beside=(), credits=Decimal(0)))
        return tuple(kept)


class LeftUnbought(StorychainError):
    """As asked, a story was not bought to its end: there is nothing more to do, and no film."""

    exit_code = 0

    @property
    def told(self) -> str:
        """In one line."""
        return "; ".join(said for said in (self.what, self.next_step) if said)


class WaitsForApproval(LeftUnbought):
    """A story goes on once somebody has looked: what is left continues a scene that is not approved."""

    @classmethod
    def to_buy(cls, story: Story, step: Step, *, free: bool) -> WaitsForApproval:
        """Before this step is bought; with the command that approves."""
        if not step.waits_for:
            return cls(step.reason)
        here = story.row is None or story.row.table is not None  # where the table is elsewhere, so is its name
        approve = command("approve", story, step.waits_for, free=free) if here else "`storychain approve`"
        return cls(step.reason, next_step=f"{approve} lets it go on.")
