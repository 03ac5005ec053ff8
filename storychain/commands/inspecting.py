"""The command `inspect`: what is seen and heard at seams and in segments, for people, scripts and gates."""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, cast

from storychain.chain.assembling import Offline
from storychain.chain.inspecting import Inspection, LookedAt, SeamLookedAt, inspect
from storychain.commands.desk import FREE, PAID, desk
from storychain.commands.rendering import a_run
from storychain.errors import UsageError
from storychain.media.aside import write_whole
from storychain.media.looks.limits import LIMITS, Finding, Limit
from storychain.media.tool import find_ffmpeg
from storychain.printable import counted, visible_lines
from storychain.report import documents
from storychain.report.text import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from storychain.commands.desk import Desk
    from storychain.ledger import Ledger
    from storychain.provider import Provider
    from storychain.story.model import Story

FAILED = 3
"""Exit code where a finding is there that `--fail-on` names: the segments are not what they should be."""


def inspect_stories(arguments: argparse.Namespace) -> int:
    """Print the seam report, and draw every seam beside the film."""
    at = desk(arguments)
    limits, failing = _limits(arguments.fail_on or [])
    stories = at.stories(arguments.stories, arguments.matrix)
    with at.ledger() as ledger:
        found = asyncio.run(_inspect(at, ledger, stories, limits, arguments))
    if arguments.json:
        print(documents.dumped({"stories": [_document(one) for one in found]}))
    else:
        print(visible_lines("\n\n".join(_text(one) for one in found)))
    bad = [finding for one in found for finding in one.findings if finding.name in failing]
    if bad:
        names = ", ".join(sorted({finding.name for finding in bad}))
        print(f"storychain: {counted(len(bad), 'finding')} that --fail-on names: {names}", file=sys.stderr)
    return FAILED if bad else 0


def _limits(asked: Sequence[str]) -> tuple[Mapping[str, Limit], frozenset[str]]:
    """The limits, some of them changed, and the names that fail. Raises UsageError."""
    limits, failing = dict(LIMITS), set[str]()
    for word in (word.strip() for words in asked for word in words.split(",")):
        name, given, most = word.partition("=")
        if word == "any":
            failing.update(LIMITS)
            continue
        if name not in LIMITS:
            raise UsageError(f"--fail-on: '{word}' is none of any, {', '.join(LIMITS)}")
        failing.add(name)
        if given:
            limits[name] = replace(limits[name], most=_number(word, most))
    return limits, frozenset(failing)


def _number(word: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise UsageError(f"--fail-on: in '{word}', '{text}' is not a number from 0 up")
    return number


async def _inspect(
    at: Desk,
    ledger: Ledger,
    stories: Sequence[Story],
    limits: Mapping[str, Limit],
    arguments: argparse.Namespace,
) -> list[Inspection]:
    ffmpeg, found = find_ffmpeg(at.environ), list[Inspection]()
    for story in stories:
        free = at.takes_preview(ledger, story, local=arguments.local)
        run = a_run(at, ledger, cast("Provider", Offline(FREE if free else PAID, free=free)), ffmpeg, lambda _: None)
        steps, facts = at.plan(story, ledger, free=free), at.facts(story, ledger, free=free)
        found.append(await inspect(run, story, facts, steps, limits, pictures=not arguments.no_pictures))
        _keep(_document(found[-1]), at.workspace.inspection(facts.provider, story.edition))
    return found


def _keep(document: Mapping[str, Any], path: Path) -> None:
    """Write down what was measured, for whoever looks at the story later: to measure takes seconds a scene."""
    write_whole(path, json.dumps(document).encode())


def _text(found: Inspection) -> str:
    count = len(found.findings)
    what = f"{counted(len(found.segments), 'segment')}, {counted(len(found.seams), 'seam')}, " + (
        counted(count, "finding") if count else "no findings"
    )
    lines = [f"{found.story.title} ({found.story.name}): {what}"]
    rows = [("seam", "begins", "light", "colour", "sharp", "motion", "sound")]
    rows += [_row(seam) for seam in found.seams]
    if found.seams:
        lines += [f"  {line}" for line in table(rows, right=(2, 3, 4, 5, 6))]
    told: tuple[LookedAt | SeamLookedAt, ...] = (*found.segments, *found.seams)
    for one in told:
        where = f"scene {one.name}" if isinstance(one, LookedAt) else f"{one.before} → {one.after}"
        lines += [f"  {where}: {finding.sentence}{_when(finding)}" for finding in one.findings]
    if found.missing:
        lines.append(f"  not here yet: {', '.join(found.missing)}")
    pictures = [seam.picture for seam in found.seams if seam.picture]
    if pictures:
        lines.append(f"  pictures: {pictures[0].parent}")
    return "\n".join(lines)


def _row(seam: SeamLookedAt) -> tuple[str, str, str, str, str, str, str]:
    measures = seam.measures
    return (
        f"{seam.before} → {seam.after}",
        _beginning(seam),
        f"{measures.brightness_step:+.1f}",
        f"ΔE {measures.colour_step:.1f}",
        f"x {measures.sharpness_ratio:.2f}",
        f"x {measures.motion_ratio:.2f}",
        f"{measures.loudness_step:+.1f} LU",
    )


def _beginning(seam: SeamLookedAt) -> str:
    if seam.kept:
        return "kept, from another take"
    if seam.cut:
        return "with a cut"
    found = seam.found
    if found is None or found.kind in ("tail", "unrelated"):
        return "goes on" if found is None or found.kind == "tail" else "with something else"
    return f"{found.kind}, {counted(found.frames, 'frame')} ({found.confidence:.0%})"


def _when(finding: Finding) -> str:
    spans = [f"{one.begin_seconds:.2f}-{one.end_seconds:.2f} s" for one in finding.stretches[:4]]
    return f" ({', '.join(spans)})" if spans else ""


def _document(found: Inspection) -> dict[str, Any]:
    return {
        "story": found.story.name,
        "preview": found.preview,
        "segments": [
            {
                "scene": one.name,
                "key": one.key,
                "at": _plain(one.at),
                "left_out": _plain(one.left_out),
                "measures": _plain(asdict(one.measures)),
                "findings": _findings(one.findings),
            }
            for one in found.segments
        ],
        "seams": [
            {
                "before": one.before,
                "after": one.after,
                "cut": one.cut,
                "kept": one.kept,
                "kind": one.found.kind if one.found else None,
                "frames": one.found.frames if one.found else None,
                "confidence": one.found.confidence if one.found else None,
                "measures": _plain(asdict(one.measures)),
                "findings": _findings(one.findings),
                "picture": str(one.picture) if one.picture else None,
            }
            for one in found.seams
        ],
        "missing": list(found.missing),
        "chart": str(found.chart) if found.chart else None,
    }


def _findings(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [_plain(asdict(finding)) for finding in findings]


def _plain(value: Any) -> Any:
    """Measures as JSON takes them: rounded, and without infinities."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value
