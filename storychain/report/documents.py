"""The JSON documents scripts read. Their field names are a contract: add, never rename."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from storychain.plan import Action, quote
from storychain.report.text import total_credits
from storychain.story.naming import ENDINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from storychain.chain.story import Outcome
    from storychain.errors import StorychainError
    from storychain.plan import Step
    from storychain.story.model import Story
    from storychain.workspace import Workspace


_STEERING = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON lets pass and a terminal acts on, or no encoding takes; all of it stands inside strings."""


def number(credits_: Decimal | None) -> int | float | None:
    """Credits as a JSON number; None where unknown."""
    if credits_ is None:
        return None
    return int(credits_) if credits_ == int(credits_) else float(credits_)


def dumped(document: Any) -> str:
    """One JSON document, readable."""
    return _STEERING.sub(_escaped, json.dumps(document, ensure_ascii=False, indent=2))


def dumped_line(document: Any) -> str:
    """One JSON document on one line, its end included."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return f"{_STEERING.sub(_escaped, text)}\n"


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def refusal_document(error: StorychainError) -> dict[str, Any]:
    """The document of a command with `--json` that was refused as a whole."""
    return {"stories": [], "error": str(error), "exit_code": error.exit_code}


Planned: TypeAlias = "tuple[Story, tuple[Step, ...], Sequence[str]]"
"""A story, its plan, and what it warns of."""


def plan_document(plans: Sequence[Planned], *, prompts: bool, forgotten: int) -> dict[str, Any]:
    """The document of `plan --json`; `forgotten` are attempts that the ledger should know and does not."""
    return {
        "stories": [
            {
                "story": story.name,
                "credits": number(quote(steps).total),
                "scenes": [_planned(step, prompts) for step in steps],
                "warnings": list(warnings),
            }
            for story, steps, warnings in plans
        ],
        "forgotten_attempts": forgotten,
    }


def passed_over(unreadable: Mapping[str, StorychainError]) -> dict[str, Any]:
    """What `plan --json` and `status --json` add of files that hold no valid story; nothing where there is none."""
    told = [{"file": path, "error": str(error)} for path, error in unreadable.items()]
    return {"unreadable": told} if told else {}


def _planned(step: Step, prompts: bool) -> dict[str, Any]:
    planned: dict[str, Any] = {
        "scene": step.scene.id,
        "key": step.key,
        "action": str(step.action),
        "reason": step.reason,
        "credits": number(total_credits(step)),
        "seconds": step.scene.seconds,
        "takes": 1 + len(step.beside),
        "join": step.scene.join,
    }
    if prompts:
        planned["prompt"] = step.scene.prompt
        planned["fallback_prompts"] = list(step.scene.fallbacks)
    return planned


def run_document(
    outcomes: Sequence[Outcome], workspace: Workspace, unreadable: Mapping[str, StorychainError] | None = None
) -> dict[str, Any]:
    """The document of `run --json`; files that hold no valid story are in it as stopped."""
    return {
        "stories": [
            {
                "story": outcome.story.name,
                "status": outcome.status,
                "film": str(outcome.film) if outcome.film else None,
                "credits": {"planned": number(outcome.planned), "spent": number(outcome.spent)},
                "segments": [segment(step, workspace) for step in outcome.steps],
                "error": str(outcome.error) if outcome.error else None,
                "warnings": list(outcome.warnings),
            }
            for outcome in outcomes
        ]
        + [
            {
                "story": Path(name).stem if name.endswith(ENDINGS) else name,
                "status": "stopped",
                "film": None,
                "credits": {"planned": None, "spent": 0},
                "segments": [],
                "error": str(error),
                "warnings": [],
            }
            for name, error in (unreadable or {}).items()
        ]
    }


def status_document(
    name: str,
    status: str,
    film: Path | None,
    spent: Decimal,
    segments: Sequence[dict[str, Any]],
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """One story of `status --json`."""
    return {
        "story": name,
        "status": status,
        "film": str(film) if film else None,
        "credits": {"spent": number(spent)},
        "segments": list(segments),
        "warnings": list(warnings),
    }


def segment(step: Step, workspace: Workspace) -> dict[str, Any]:
    """One segment, with the state its attempt is in; `planned` where there is none, or `placeholder`."""
    record = step.record
    stands_in = step.action is Action.PLACEHOLDER
    bought = record.state not in ("none", "refused", "abandoned") and not stands_in
    return {
        "scene": step.scene.id,
        "key": step.key,
        "status": "placeholder" if stands_in else record.state if bought else "planned",
        "job_id": record.job_id,
        "path": str(workspace.segment(step.key).resolve()) if record.present else None,
        "credits": number(record.credits) if bought else 0,
    }


def standing_segment(step: Step, workspace: Workspace) -> dict[str, Any]:
    """One segment of `status --json`: also what a run would do for it, in the words of the plan."""
    return {**segment(step, workspace), "action": str(step.action)}
