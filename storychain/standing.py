"""How a story stands, in words: of its plan, what is had, what is under way, and what waits for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.plan import Action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.plan import Step


def under_way(step: Step) -> bool:
    """Whether a scene is paid and not had yet; what was stored, if not on this disk, was had."""
    return step.action is Action.RESUME and step.record.state != "stored"


def standing(steps: Sequence[Step], *, joined: bool) -> str:
    """How a story stands, in a word or two; `joined` says whether there is a film of just these segments."""
    actions = {step.action for step in steps}
    if Action.UNRESOLVED in actions:
        return "unresolved"
    if Action.FAILED in actions:
        return "failed"
    if any(under_way(step) for step in steps):
        return "in flight"
    if Action.HOLD in actions and Action.SUBMIT not in actions:
        return "waiting for approval"
    if Action.SUBMIT in actions:
        return "unfinished" if actions != {Action.SUBMIT} else "not begun"
    return "done" if joined else "film to be joined"
