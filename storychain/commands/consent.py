"""Consent to spend: nobody pays for what nobody agreed to.

On a terminal the quote is shown and asked for; elsewhere `--max-credits` or `--yes` has to be given.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

from storychain.errors import ConsentNeeded
from storychain.report.text import cost_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.plan import Quote


def cap_agreed_to(cost: Quote, arguments: argparse.Namespace, argv: Sequence[str]) -> Decimal | None:
    """The most credits this run may spend; None where `--yes` set no limit. Raises ConsentNeeded."""
    cap: Decimal | None = arguments.max_credits
    if cap is not None:
        _check_cap(cost, cap)
        return cap
    if arguments.yes or not cost.submits:
        return None
    if arguments.asks and can_ask():
        return _ask(cost)
    raise ConsentNeeded(f"{cost_text(cost)} Nobody has agreed to that yet.", next_step=_command(cost, argv))


def can_ask() -> bool:
    """Whether somebody sits in front of us. Cron and make are never asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _check_cap(cost: Quote, cap: Decimal) -> None:
    if not cost.submits:
        return
    if cost.unknown:
        raise ConsentNeeded(
            f"{cost_text(cost)} No cap can be kept for an unknown price.",
            next_step="Give the model a credits_per_second in storychain.toml, or agree to any price with --yes.",
        )
    if cost.credits > cap:
        raise ConsentNeeded(
            f"{cost_text(cost)} That is more than --max-credits {cap}.",
            next_step=f"Nothing was bought. Agree to it with --max-credits {cost.credits}.",
        )


def _ask(cost: Quote) -> Decimal | None:
    print(f"{cost_text(cost)} Go ahead? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConsentNeeded("Not agreed; nothing was bought.")
    return None if cost.unknown else cost.most


def _command(cost: Quote, argv: Sequence[str]) -> str:
    agreed = "--yes" if cost.unknown else f"--max-credits {cost.credits}"
    return (
        f"Agree with:  storychain {shlex.join(argv)} {agreed}\nOr look for free:  storychain {shlex.join(argv)} --local"
    )
