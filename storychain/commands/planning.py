"""Commands that look and change nothing: plan and status."""

from __future__ import annotations

import argparse
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storychain.chain.blocked import way_on
from storychain.chain.budget import over_budget
from storychain.chain.placeholder import warnings_of
from storychain.chain.recipe import film_in_place, film_path, recipe_of
from storychain.chain.restored import in_words
from storychain.chain.warning import warnings_before
from storychain.commands.desk import FREE, PAID, Desk, desk
from storychain.errors import InvalidStory, StorychainError
from storychain.plan import Action, quote
from storychain.printable import counted, visible_lines
from storychain.report import documents
from storychain.report.text import credits_text, duration_text, plan_text, table
from storychain.standing import standing
from storychain.story.advice import brought_here, command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from storychain.ledger import Ledger
    from storychain.plan import Facts, Step
    from storychain.records import Record
    from storychain.report.documents import Planned
    from storychain.story.model import Story


def plan(arguments: argparse.Namespace) -> int:
    """Show what `run` would do, why, and what it would cost."""
    at = desk(arguments)
    found = at.find(arguments.stories, arguments.matrix)
    with at.ledger_if_any() as ledger:
        plans = [_planned(at, ledger, story, free=arguments.local) for story in found.any()]
        lost = _told_lost(at, ledger, free=arguments.local)
    if arguments.json:
        document = documents.plan_document(plans, prompts=arguments.show_prompts, forgotten=lost)
        print(documents.dumped(document | documents.passed_over(found.unreadable)))
    else:
        told = [plan_text(story, steps, warnings, prompts=arguments.show_prompts) for story, steps, warnings in plans]
        print("\n\n".join(told))
        if len(plans) > 1:
            total = quote([step for _, steps, _ in plans for step in steps])
            print(f"\nAll {len(plans)} stories: {credits_text(total.total)}.")
    return _passed_over(found.unreadable)


def _passed_over(unreadable: Mapping[str, StorychainError]) -> int:
    """Tell last of files that hold no valid story: they hide no other, and are a failure. The exit code."""
    for error in unreadable.values():
        print(f"storychain: {error}", file=sys.stderr)
    return InvalidStory.exit_code if unreadable else 0


def _planned(at: Desk, ledger: Ledger | None, story: Story, *, free: bool) -> Planned:
    """A story, its plan, and what is to be known before it is rendered."""
    from storychain.plan import plan as plan_steps  # noqa: PLC0415 - its name is this command's too

    facts = at.facts(story, ledger, free=free)
    steps = plan_steps(story, facts)
    warnings = warnings_before(story)
    spent = ledger.spent(PAID, story=story.name) if ledger else Decimal(0)
    short = None if free else over_budget(story, steps, spent)
    told = [f"{short.what}; a run buys nothing"] if short else []
    if (way := way_on(story, facts, steps, ledger)) is not None:
        told.append(way)
    return story, steps, [*warnings, *told]


def status(arguments: argparse.Namespace) -> int:
    """Show what is done, under way and failed, and what was spent."""
    at = desk(arguments)
    unreadable: Mapping[str, StorychainError] = {}
    with at.ledger_if_any() as ledger:
        if arguments.stories:
            named = at.find(arguments.stories, arguments.matrix)
            unreadable = named.unreadable
            found = [_of_story(at, ledger, story, free=arguments.local) for story in named.any()]
        else:
            found = [_of_ledger(at, ledger, *pair) for pair in ledger.stories()] if ledger else []
        lost = _told_lost(at, ledger, free=arguments.local)
    if arguments.json:
        document = {"stories": [document for document, _ in found], "forgotten_attempts": lost}
        print(documents.dumped(document | documents.passed_over(unreadable)))
    else:
        nothing = "Nothing is on record any more." if lost else "Nothing was ever rendered in this workspace."
        print(visible_lines("\n\n".join(text for _, text in found)) or nothing)
    return _passed_over(unreadable)


def _told_lost(at: Desk, ledger: Ledger | None, *, free: bool) -> int:
    """How many attempts the ledger has forgotten, after saying so: what is shown may lack what was paid.

    A free preview may be made again.
    """
    lost = 0 if free else at.lost_attempts(ledger)
    if lost:
        advice = "What is missing here may be paid already, and runs buy nothing before that is settled"
        print(f"storychain: {in_words(lost)}. {advice}: see `storychain reconcile`.", file=sys.stderr)
    return lost


def _of_story(at: Desk, ledger: Ledger | None, story: Story, *, free: bool) -> tuple[dict[str, Any], str]:
    free = at.shows_preview(ledger, story.name, local=free)
    facts = at.facts(story, ledger, free=free)
    from storychain.plan import plan as plan_steps  # noqa: PLC0415 - its name is this command's too

    steps = plan_steps(story, facts)
    film = _film(at, ledger, story, facts, steps)
    spent = ledger.spent(PAID, story=story.name) if ledger and not free else Decimal(0)
    state = standing(steps, joined=film is not None)
    warnings = warnings_of(story, facts, steps)
    segments = [documents.standing_segment(step, at.workspace) for step in steps]
    document = documents.status_document(story.name, state, film, spent, segments, warnings)
    rows = [(str(n), step.scene.id, *_standing(step.record, step.action, _away(at))) for n, step in enumerate(steps, 1)]
    where = f"film: {film}" if film else _next(at, ledger, story, facts, steps)
    head = f"{story.title} ({story.name}): {state}, {'free preview' if free else f'{credits_text(spent)} spent'}"
    lines = [*table(rows, right=(0,)), *(warnings[-1:]), where]
    return document, "\n".join([head, *(f"  {line}" for line in lines)])


def _film(at: Desk, ledger: Ledger | None, story: Story, facts: Facts, steps: Sequence[Step]) -> Path | None:
    path = film_path(ledger, at.settings.out, story.edition, free=facts.free)
    return path if film_in_place(ledger, path, recipe_of(story, facts, steps)) else None


def _next(at: Desk, ledger: Ledger | None, story: Story, facts: Facts, steps: Sequence[Step]) -> str:
    done = sum(1 for step in steps if step.action is Action.REUSE)
    held = next((step.reason for step in steps if step.action is Action.HOLD), None)
    if all(step.record.state == "stored" for step in steps) and done < len(steps):
        goes_on = brought_here(story, free=facts.free, workers=at.settings.url is not None)
    else:
        goes_on = way_on(story, facts, steps, ledger) or held or f"{command('run', story, free=facts.free)} goes on"
    if ordered := _ordered(at, ledger, story, free=facts.free):
        goes_on = f"{ordered}; {goes_on}"
    return f"{done} of {counted(len(steps), 'segment')} here; {goes_on}"


def _ordered(at: Desk, ledger: Ledger | None, story: Story, *, free: bool) -> str:
    """Who has a story's open order, and what was agreed to with it; "" where there is none."""
    if ledger is None or at.settings.url is None or free:
        return ""
    order = ledger.orders.open_for(PAID, story.edition)
    if order is None:
        return ""
    return f"ordered {order.agreed}, {f'worker {order.worker} has it' if order.worker else 'no worker has taken it'}"


def _away(at: Desk) -> str:
    """What is said of a stored segment whose file is not here: where there is a shared place it is there."""
    return "file missing" if at.settings.store is None else "not on this disk"


def _standing(record: Record, action: Action, away: str) -> tuple[str, str, str]:
    """State, credits and the latest news of one scene; of a file that is not on this disk it is said `away` where."""
    if action is Action.PLACEHOLDER:
        return "placeholder", "", record.message or ""
    if action is Action.HOLD:
        return "on hold", "", ""
    if record.state in ("none", "refused", "abandoned"):
        return ("refused", "", record.message or "") if record.objected else ("not bought", "", "")
    state = record.state if record.present or record.state != "stored" else f"stored, {away}"
    return state, str(record.credits or ""), _news(record, action)


def _news(record: Record, action: Action) -> str:
    match record.state:
        case "stored":
            if record.submitted_at is None or record.completed_at is None:
                return f"job {record.job_id}"
            return f"job {record.job_id}, took {duration_text(record.completed_at - record.submitted_at)}"
        case "submitted":
            since = duration_text(time.time() - (record.submitted_at or record.intended_at))
            return f"job {record.job_id}, under way for {since}"
        case "intended":
            return "its answer was lost; the next run finds out"
        case "failed" if action is Action.SUBMIT:
            return f"{record.message}; the next run tries again"
    return record.message or f"job {record.job_id}"


def _of_ledger(at: Desk, ledger: Ledger, provider: str, name: str) -> tuple[dict[str, Any], str]:
    """A story as the ledger alone knows it: its file may be gone."""
    from storychain.chain.survey import with_presence  # noqa: PLC0415

    latest = {record.key: with_presence(record, at.workspace) for record in ledger.story_records(provider, name)}
    records = [record for record in latest.values() if record.state not in ("refused", "abandoned")]
    spent = Decimal(0) if provider == FREE else ledger.spent(provider, story=name)
    states = [record.state for record in records]
    state = next((s for s in ("unresolved", "failed", "intended", "submitted", "completed") if s in states), "stored")
    segments = [
        {
            "scene": record.scene,
            "key": record.key,
            "status": record.state,
            "job_id": record.job_id,
            "path": str(at.workspace.segment(record.key).resolve()) if record.present else None,
            "credits": documents.number(record.credits),
        }
        for record in records
    ]
    rows = [(record.scene, *_standing(record, Action.RESUME, _away(at))) for record in records]
    kind = "free preview" if provider == FREE else credits_text(spent) + " spent"
    text = "\n".join([f"{name}: {kind}", *(f"  {line}" for line in table(rows))]) if rows else f"{name}: {kind}"
    return documents.status_document(name, state, None, spent, segments), text
