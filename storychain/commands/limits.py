"""What one run may do: which stories and scenes are meant, what may be spent on them, and until when."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from storychain.chain.budget import check_budget, over_budget
from storychain.commands.consent import can_ask, cap_agreed_to
from storychain.commands.deadline import deadline_of
from storychain.commands.desk import PAID
from storychain.commands.selection import check_reach, choice_of, is_in_state
from storychain.errors import AccountError, CapReached
from storychain.ledger import Caps
from storychain.plan import Action, Step, quote
from storychain.report.text import credits_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.chain.choice import Choice
    from storychain.commands.desk import Desk
    from storychain.ledger import Ledger
    from storychain.story.model import Story


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may do: credits agreed to (None: any), what it may buy, and until when (seconds of the epoch)."""

    cap: Decimal | None
    choice: Choice
    deadline: float | None


def limits_of(
    at: Desk, ledger: Ledger, stories: tuple[Story, ...], arguments: argparse.Namespace
) -> tuple[tuple[Story, ...], Limits]:
    """The stories that are meant, and the limits of their run. Raises UsageError, ConsentNeeded or AccountError."""
    deadline = deadline_of(arguments.deadline, time.time()) if arguments.deadline is not None else None
    stories, choice = chosen(at, ledger, stories, arguments)
    return stories, Limits(_agree(at, ledger, stories, arguments, choice), choice, deadline)


def chosen(
    at: Desk, ledger: Ledger | None, stories: tuple[Story, ...], arguments: argparse.Namespace
) -> tuple[tuple[Story, ...], Choice]:
    """The stories that are meant, and what of them may be bought. Raises UsageError."""
    choice = choice_of(arguments.select, stories, resume_only=arguments.resume_only)
    if choice.scenes is not None:
        stories = tuple(story for story in stories if story.name in choice.scenes)
    if choice.scenes is None and not arguments.only:
        return stories, choice
    meant = []
    for story in stories:
        plan = at.plan(story, ledger, free=arguments.local)
        check_reach(story, plan, choice)
        if not arguments.only or is_in_state(story, plan, arguments.only):
            meant.append(story)
    if not meant and arguments.verbose >= arguments.quiet:
        print(f"No story is {arguments.only}; nothing to do.", file=sys.stderr)
    return tuple(meant), choice


def by_workers(at: Desk, arguments: argparse.Namespace) -> bool:
    """Whether workers render, with keys of their own, rather than this process."""
    return at.settings.url is not None and not arguments.here


def _agree(
    at: Desk, ledger: Ledger, stories: tuple[Story, ...], arguments: argparse.Namespace, choice: Choice
) -> Decimal | None:
    if arguments.local:
        return None
    asking: list[Step] = []
    payable: list[Step] = []
    for story in stories:
        steps = choice.of(story.name, at.plan(story, ledger, free=False, retry_failed=arguments.retry_failed))
        asking += steps
        if over_budget(story, steps, ledger.spent(PAID, story=story.name)) is None:
            payable += steps  # else nothing is bought, so nobody has to agree to its price
    return agreed(at, arguments, payable, asking=asking)


def agreed(at: Desk, arguments: argparse.Namespace, payable: Sequence[Step], asking: Sequence[Step]) -> Decimal | None:
    """The credits that are agreed to for what is `payable`; for what is `asking` the API a key has to be there."""
    keyless = any(_asks_the_api(step) for step in asking) and not at.settings.api_key and not by_workers(at, arguments)
    cap = None if keyless and arguments.asks and can_ask() else cap_agreed_to(quote(payable), arguments, arguments.argv)
    if keyless:
        raise AccountError(
            "there is no API key",
            next_step="Set PICTORY_API_KEY in the environment or in .env, or add --local for a free preview.",
        )
    return cap


def check_means(at: Desk, ledger: Ledger, story: Story, steps: Sequence[Step], *, elsewhere: bool) -> None:
    """Raise CapReached where a run would not be let buy the first of these steps: what nobody can buy is not chosen.

    A run `elsewhere`, by workers, has caps of its own.
    """
    wanted = [step for step in steps if step.action is Action.SUBMIT]
    if not quote(wanted).total and not quote(wanted).unknown:
        return
    check_budget(story, steps, ledger.spent(PAID, story=story.name))
    caps = Caps(day=at.settings.max_credits_per_day, month=at.settings.max_credits_per_month)
    left = None if elsewhere else ledger.left(PAID, caps, story=story.name, run="")
    price = wanted[0].credits
    if left is not None and (price is None or price > left):
        cost = "an unknown number of" if price is None else price
        raise CapReached(
            f"the day's or the month's cap leaves {credits_text(max(left, Decimal(0)))}, "
            f"and scene {wanted[0].scene.id} costs {cost}",
            where=story.name,
            next_step="Nothing was chosen or bought. Raise the cap, or wait for the next day.",
        )


def _asks_the_api(step: Step) -> bool:
    return step.action in (Action.SUBMIT, Action.RESUME)
