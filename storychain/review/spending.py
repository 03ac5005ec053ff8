"""Buying from the page: what is offered at a price, agreed to once, and handed to whoever renders.

An offer is good for one agreement: the second click of a double click, a reload or a page that somebody went back to
finds it taken. What is bought twice all the same is a matter of the ledger, which admits each segment once.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from storychain import takes as choosing
from storychain.directing import planned, retaken
from storychain.errors import ConsentNeeded, UsageError
from storychain.plan import Action, quote
from storychain.story.advice import command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from storychain.directing import Table
    from storychain.errors import CapReached, StorychainError
    from storychain.plan import Step
    from storychain.records import Chosen
    from storychain.story.model import Story

_MOST_OFFERS = 500
"""Offers that are remembered; older ones are asked for anew."""


class Till(Protocol):
    """Who renders, and for how much at the most."""

    @property
    def left(self) -> Decimal:
        """Credits that the page may still spend."""

    def busy(self, story: str) -> bool:
        """Whether the page renders a story at this moment."""

    def told(self, story: Story) -> StorychainError | None:
        """What was wrong with the story's last rendering, as long as the story stands as it did then."""

    def refusal(self, story: Story, steps: Sequence[Step]) -> CapReached | None:
        """Why budget and caps do not let these steps be bought; None where they do."""

    def choose(self, table: Table, choices: Mapping[str, Chosen], steps: Sequence[Step]) -> None:
        """Write down what is chosen, if its steps may be bought. Raises CapReached or StoryHeld."""

    def begin(self, story: Story, most: Decimal) -> None:
        """Start rendering a story for so many credits at the most, and return at once."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What would be done: `credits` for the `scenes` that are bought, of which `stale` are bought again."""

    story: str
    scene: str
    choices: Mapping[str, Chosen]
    credits: Decimal
    scenes: tuple[str, ...]
    stale: tuple[str, ...]

    @property
    def words(self) -> str:
        """The words the scene is asked for with, where they are others than the story's."""
        return (self.choices[self.scene].prompt or "") if self.scene in self.choices else ""


@dataclass(slots=True)
class Offers:
    """Offers by their token; None where one was agreed to."""

    _made: OrderedDict[str, Offer | None] = field(default_factory=OrderedDict)

    def make(self, offer: Offer) -> str:
        """Keep an offer; the token that agrees to it."""
        token = secrets.token_urlsafe(24)
        self._made[token] = offer
        while len(self._made) > _MOST_OFFERS:
            self._made.popitem(last=False)
        return token

    def of(self, token: str) -> Offer | None:
        """The offer of a token; None once it was agreed to. Raises ConsentNeeded for an unknown."""
        if token not in self._made:
            step = "Ask for it again; nothing was bought."
            raise ConsentNeeded("This price was offered too long ago, or never.", next_step=step)
        return self._made[token]

    def agree(self, token: str) -> None:
        """From now on it is agreed to."""
        self._made[token] = None


def offer_of(table: Table, scene: str = "", *, prompt: str = "", keep_after: bool = False) -> Offer:
    """What rendering a story would buy, with one more take of a `scene` if one is named. Raises UsageError."""
    choices = retaken(table, scene, prompt.strip() or None, keep_after=keep_after) if scene else {}
    steps = planned(table, choices)
    cost = quote(steps)
    if any(step.action in (Action.FAILED, Action.UNRESOLVED) for step in steps):
        raise UsageError(
            "a scene of it was given up or is in doubt, so nothing of it is bought",
            where=table.story.name,
            next_step=f"{command('status', table.story, free=table.facts.free)} says which, and what settles it.",
        )
    if cost.total is None:
        raise UsageError("its price is not known, and the page buys at known prices only", where=table.story.name)
    bought = [step.scene.id for step in steps if step.action is Action.SUBMIT]
    stale = tuple(step.scene.id for step in choosing.stale(table.steps, steps) if step.scene.id in {*bought} - {scene})
    return Offer(table.story.name, scene, choices, cost.total, tuple(bought), stale)


def check_price(offer: Offer, table: Table, till: Till) -> tuple[Step, ...]:
    """The plan that is agreed to. Raises ConsentNeeded unless it is of this story, still holds and may be spent."""
    if offer.story != table.story.name:
        raise ConsentNeeded("This price was offered for another story.", next_step="Nothing was bought; look again.")
    steps = planned(table, offer.choices)
    now = quote(steps).total
    if now is None or now > offer.credits:
        raise ConsentNeeded("The price has changed since it was shown.", next_step="Nothing was bought; look again.")
    if offer.credits > till.left:
        raise ConsentNeeded(
            f"It costs {offer.credits} credits, and this page may spend {till.left} more.",
            next_step="Nothing was bought. Open the page again with a higher --max-credits.",
        )
    if till.busy(offer.story):
        raise ConsentNeeded("The story is being rendered already.", next_step="Nothing was bought; wait for its end.")
    return steps
