"""Tables and sentences for people: plain text that reads the same on a terminal, in a log and in a mail."""

from __future__ import annotations

import textwrap
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING

from storychain.plan import Action, Quote, quote, with_beside
from storychain.printable import counted, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from storychain.chain.story import Outcome
    from storychain.errors import StorychainError
    from storychain.plan import Step
    from storychain.story.model import Story


def plan_text(story: Story, steps: Sequence[Step], warnings: Sequence[str] = (), *, prompts: bool) -> str:
    """A story's plan: what will be done for each scene, why, what it warns of, and what it costs."""
    rows = [("", "scene", "", "", "credits", "")]
    rows += [
        (
            str(number),
            step.scene.id,
            f"{step.scene.seconds} s",
            str(step.action),
            _cost(step),
            _reason(step),
        )
        for number, step in enumerate(steps, 1)
    ]
    lines = table(rows, right=(0, 2, 4))
    if prompts:
        lines = [lines[0], *_with_prompts(lines[1:], steps)]
    seconds = sum(step.scene.seconds for step in steps)
    title = visible(f"{story.title} ({story.name})" if story.row else story.title)
    head = f"{title} · {story.model} · {story.aspect_ratio} · {counted(len(steps), 'scene')}, {seconds} s"
    told = [f"  {visible(warning)}" for warning in warnings]
    return "\n".join([head, *(f"  {line}" for line in lines), *told, f"  {cost_text(quote(steps))}"])


def summary_text(outcomes: Sequence[Outcome], unreadable: Mapping[str, StorychainError]) -> str:
    """What came of many stories: those with trouble each on a line, those that are done in a number."""
    done = [one for one in outcomes if one.status == "done"]
    rows: list[tuple[str, str, str, str]] = [
        (one.story.name, one.status, str(one.spent), one.error.what if one.error else "")
        for one in outcomes
        if one.status != "done"
    ]
    rows += [(path, "unreadable", "0", "not a valid story; see above") for path in unreadable]
    spent = sum((one.spent for one in outcomes), Decimal(0))
    stories = counted(len(outcomes) + len(unreadable), "story")
    whole = f"{len(done)} of {stories} done, {credits_text(spent)} spent in this run."
    if not rows:
        return whole
    short = [(*row[:3], textwrap.shorten(row[3], 100, placeholder=" …")) for row in rows]
    return "\n".join([*table([("story", "", "credits", ""), *short], right=(2,)), whole])


def _with_prompts(lines: Sequence[str], steps: Sequence[Step]) -> list[str]:
    shown: list[str] = []
    for line, step in zip(lines, steps, strict=True):
        shown += [line, *(f"     {part}" for part in textwrap.wrap(visible(step.scene.prompt), 96))]
        for place, prompt in enumerate(step.scene.fallbacks, 1):
            shown += [f"     {part}" for part in textwrap.wrap(f"fallback {place}: {visible(prompt)}", 96)]
    return shown


def _cost(step: Step) -> str:
    cost = total_credits(step)
    if cost is None:
        return "unknown"
    return str(cost) if step.action is Action.SUBMIT or cost else "-"


def _reason(step: Step) -> str:
    bought = sum(one.action is Action.SUBMIT for one in with_beside([step]))
    return f"{step.reason}; {bought} takes side by side" if bought > 1 else step.reason


def total_credits(step: Step) -> Decimal | None:
    """What a scene will still cost, with all its takes; None where that is not known."""
    costs = [one.credits for one in with_beside([step])]
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if len(known) == len(costs) else None


def cost_text(cost: Quote) -> str:
    """One sentence about what is to be paid."""
    if not cost.submits:
        return "Nothing to pay."
    scenes = counted(cost.scenes, "scene")
    if cost.submits > cost.scenes:
        scenes += f" ({cost.submits} takes)"
    if cost.total == 0:
        return f"{scenes} to render, free."
    if cost.unknown:
        known = f"{credits_text(cost.credits)} and " if cost.credits else ""
        return f"To pay for {scenes}: {known}an unknown price for {cost.unknown} of them."
    more = f" (at most {cost.most}, if scenes fail and are tried again)" if cost.most > cost.credits else ""
    return f"To pay for {scenes}: {credits_text(cost.credits)}{more}."


def credits_text(credits_: Decimal | None) -> str:
    """Credits as people say them."""
    return "unknown credits" if credits_ is None else counted(credits_, "credit")


def duration_text(seconds: float) -> str:
    """A time span, short."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 6000:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Rows with aligned columns; `right` names the columns aligned to the right. Wide letters count double."""
    rows = [[visible(cell) for cell in row] for row in rows]
    widths = [max(_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = []
        for column, cell in enumerate(row):
            gap = " " * (widths[column] - _width(cell))
            cells.append(gap + cell if column in right else cell + gap)
        lines.append("  ".join(cells).rstrip())
    return lines


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
