"""How a run ended, as monitors, notifications and metrics are told, and its words for people. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from storychain.errors import StorychainError
from storychain.report.text import credits_text, duration_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storychain.chain.story import Outcome

HELD = 75
"""The exit code of a run that left a story to another run."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger says after a run, in credits and attempts; `attempts` counts them by state."""

    spent: Decimal = Decimal(0)
    committed: Decimal = Decimal(0)
    attempts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a run.

    `worked` is False where it did nothing but find its stories held by other runs. `unreadable` says of files and rows
    that held no story what is wrong with them. `error` is what ended it before there were outcomes. `standing` is None
    where the ledger could not be read. Times are seconds.
    """

    code: int
    seconds: float
    at: float
    worked: bool
    outcomes: tuple[Outcome, ...]
    unreadable: Mapping[str, StorychainError]
    error: BaseException | None
    standing: Standing | None
    free: bool

    @property
    def well(self) -> bool:
        """Whether nobody has to do anything: what another run holds is that run's to answer for."""
        return self.code in (0, HELD)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many stories are done, failed and stopped; what could not be read counts as stopped."""
        return Counter(stopped=len(self.unreadable)) + Counter(outcome.status for outcome in self.outcomes)


_FEW = 20
"""Stories up to which each gets its line."""


def title(ended: Ended) -> str:
    """One line for a notification's head."""
    told = [f"{count} {status}" for status in ("done", "failed", "stopped") if (count := ended.counts[status])]
    what = ", ".join(told) if told else "done" if ended.code == 0 else "not run"
    code = f" (exit code {ended.code})" if ended.code else ""
    return f"storychain: {what}{code}{', free preview' if ended.free else ''}"


def body(ended: Ended, where: str) -> str:
    """A few lines: each story (of many those with trouble) and what to do about it, the credits, and where this was."""
    many = len(ended.outcomes) > _FEW
    lines = [_story(outcome) for outcome in ended.outcomes if not many or outcome.status != "done"]
    lines += [f"{path}: stopped: this is no valid story; `storychain check` says why" for path in ended.unreadable]
    if ended.error is not None:
        lines.append(_words(ended.error))
    if ended.standing is not None and not ended.free:
        lines.append(
            f"{credits_text(ended.standing.spent)} spent in this run, which took {duration_text(ended.seconds)}."
        )
        if unresolved := ended.standing.attempts.get("unresolved"):
            lines.append(f"Attempts that wait for a person's word: {unresolved}. `storychain status` names them.")
    if ended.code == 4:
        lines.append("The next run goes on from here by itself.")
    return "\n".join([*lines, where])


def _story(outcome: Outcome) -> str:
    name = outcome.story.name
    if outcome.error is not None:
        return f"{name}: {outcome.status}: {outcome.error}"
    warnings = [f"\n  {warning}" for warning in outcome.warnings]
    return f"{name}: {outcome.status}: {outcome.film}{''.join(warnings)}"


def _words(error: BaseException) -> str:
    """An error in words; of one that is not ours its kind alone, for nobody has looked at what it says."""
    return str(error) if isinstance(error, StorychainError) else f"It ended by {type(error).__name__}."
