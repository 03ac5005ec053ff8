"""Commands about takes that cost nothing: list them, pick, approve, reject.

What is chosen lives in the ledger, never in the story file.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

from storychain.commands.desk import Desk, desk
from storychain.directing import Table, judge, table_of
from storychain.directing import pick as show
from storychain.plan import Action, quote, step_of
from storychain.printable import listed, visible, visible_lines
from storychain.records import LIVE
from storychain.report import documents
from storychain.report.text import cost_text, table
from storychain.story.advice import command
from storychain.takes import rest_of_chain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.ledger import Ledger
    from storychain.plan import Step
    from storychain.records import Remark, Verdict
    from storychain.story.model import Story
    from storychain.takes import Take


def on_the_table(at: Desk, ledger: Ledger, story: Story, *, free: bool) -> Table:
    """Gather a story's takes from the ledger."""
    return table_of(story, at.facts(story, ledger, free=free), ledger, at.workspace)


# Looking


def list_takes(arguments: argparse.Namespace) -> int:
    """Print every take of every scene."""
    at = desk(arguments)
    story = at.story(arguments)
    with at.ledger() as ledger:
        found = on_the_table(at, ledger, story, free=at.takes_preview(ledger, story, local=arguments.local))
    if arguments.json:
        print(documents.dumped(_document(found, at)))
    else:
        print(visible_lines(_text(found)))
    return 0


def _text(found: Table) -> str:
    lines = [f"{found.story.title} ({found.story.name}) · {found.story.model}"]
    for one in found.scenes:
        lines.append(f"  {one.step.scene.id}")
        rows = [_row(take, one.step) for take in one.takes]
        lines += [f"    {line}" for line in table(rows, right=(1, 4))]
        for take in one.takes:
            lines += [f"      take {take.number}: {_said(remark)}" for remark in take.remarks if _said(remark)]
    return "\n".join(lines)


def _row(take: Take, step: Step) -> tuple[str, ...]:
    state = take.record.state
    held = take.shown and step.action is Action.HOLD
    return (
        "▸" if take.shown else " ",
        str(take.number),
        "on hold" if held else "to be bought" if take.planned else "not bought" if state == "none" else state,
        take.verdict or "",
        "" if take.record.credits is None else str(take.record.credits),
        f"{take.model} {take.seconds} s",
        textwrap.shorten(take.prompt, 70, placeholder=" …"),
    )


def _said(remark: Remark) -> str:
    where = "" if remark.second is None else f" at {remark.second:.2f} s"
    verdict = f"{remark.verdict}{where}: " if remark.verdict and remark.text else ""
    day = time.strftime("%Y-%m-%d %H:%M", time.localtime(remark.at))
    return f"{verdict}{visible(remark.text)}{'' if remark.verdict else where} ({day})" if remark.text else ""


def _document(found: Table, at: Desk) -> dict[str, Any]:
    return {
        "story": found.story.name,
        "model": found.story.model,
        "preview": found.facts.free,
        "scenes": [
            {
                "scene": one.step.scene.id,
                "action": str(one.step.action),
                "takes": [_take_document(take, at) for take in one.takes],
            }
            for one in found.scenes
        ],
    }


def _take_document(take: Take, at: Desk) -> dict[str, Any]:
    return {
        "take": take.number,
        "key": take.key,
        "shown": take.shown,
        "state": take.record.state,
        "verdict": take.verdict,
        "credits": documents.number(take.record.credits),
        "model": take.model,
        "seconds": take.seconds,
        "prompt": take.prompt,
        "job_id": take.record.job_id,
        "path": str(at.workspace.segment(take.key).resolve()) if take.record.present else None,
        "remarks": [
            {"verdict": one.verdict, "text": one.text, "second": one.second, "at": one.at} for one in take.remarks
        ],
    }


# Saying what is good


def approve(arguments: argparse.Namespace) -> int:
    """Approve a take; another than the shown one is picked along with it."""
    return _judge(arguments, "approved")


def reject(arguments: argparse.Namespace) -> int:
    """Reject a take."""
    return _judge(arguments, "rejected")


def _judge(arguments: argparse.Namespace, verdict: Verdict) -> int:
    at = desk(arguments)
    story = at.story(arguments)
    with at.ledger() as ledger:
        found = on_the_table(at, ledger, story, free=at.takes_preview(ledger, story, local=arguments.local))
        take = found.numbered(arguments.scene, arguments.take)
        judge(ledger, found, arguments.scene, take.key, verdict, arguments.note)
        if verdict == "approved" and not take.shown:
            _tell_pick(arguments.scene, take, at.plan(story, ledger, free=found.facts.free), found)
    waiting = [one.step.scene.id for one in found.scenes if one.step.action is Action.HOLD]
    goes_on = f" {command('run', story, free=found.facts.free)} goes on." if waiting and verdict == "approved" else ""
    print(f"Take {take.number} of scene {arguments.scene} is {verdict}.{goes_on}", file=sys.stderr)
    return 0


# Choosing


def pick(arguments: argparse.Namespace) -> int:
    """Show another take of a scene. Costs nothing; says what the film then lacks."""
    at = desk(arguments)
    story = at.story(arguments)
    with at.ledger() as ledger:
        found = on_the_table(at, ledger, story, free=at.takes_preview(ledger, story, local=arguments.local))
        take = found.numbered(arguments.scene, arguments.take)
        show(ledger, found, arguments.scene, take.key)
        _tell_pick(arguments.scene, take, at.plan(story, ledger, free=found.facts.free), found)
    return 0


def _tell_pick(scene: str, take: Take, steps: Sequence[Step], found: Table) -> None:
    by = "" if take.model == found.story.model else f", by {take.model},"
    print(f"Scene {scene} is take {take.number}{by} now.", file=sys.stderr)
    if step_of(steps, scene).continued is not None:
        print("  It was made to continue another take than the one before it: a dissolve covers that.", file=sys.stderr)
    free, story = found.facts.free, found.story
    wanted = [one for one in steps if one.action is Action.SUBMIT]
    after = rest_of_chain(steps, steps.index(step_of(steps, scene)))
    lacking = [one.scene.id for one in wanted if one in after]
    others = [one.scene.id for one in wanted if one not in after]
    what = "made" if free else "paid"
    if lacking:
        print(f"  Not {what} yet of what continues it: {listed(lacking)}.", file=sys.stderr)
        if (kept := _last_had(found, lacking[0])) is not None:
            follow = command("pick", story, lacking[0], str(kept.number), free=free)
            print(f"  A take of {lacking[0]} that is there may follow it for nothing: {follow}", file=sys.stderr)
    if others:
        print(f"  Not {what} yet of the rest of the story: {listed(others)}.", file=sys.stderr)
    if wanted and not free:
        print(f"  {cost_text(quote(steps))}", file=sys.stderr)
    goes_on = " and buys that, once you agree" if wanted and not free else ", for nothing"
    print(f"  {command('run', story, free=free)} makes the film{goes_on}.", file=sys.stderr)


def _last_had(found: Table, scene: str) -> Take | None:
    """The last take of a scene that is bought, if there is one."""
    return next((take for take in reversed(found.scene(scene).takes) if take.record.state in LIVE), None)
