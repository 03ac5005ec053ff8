"""Content credentials (C2PA): joining strips them from pictures; they are carried over, or it is told that they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.chain.events import Noticed
from storychain.chain.run import Run, off_loop
from storychain.export.provenance import Ingredient, carries_c2pa, sign_film
from storychain.plan import Action

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from storychain.plan import Step
    from storychain.story.model import Story


async def seal(run: Run, story: Story, steps: Sequence[Step], film: Path) -> None:
    """Sign the film with its segments as ingredients, where the run has a certificate; else tell what it lost.

    Raises UsageError or MediaError where it cannot be signed; the film is then there, unsigned.
    """
    bought = [step for step in steps if step.action is not Action.PLACEHOLDER]
    segments = [(step.scene.id, run.workspace.segment(step.key)) for step in bought]
    if run.certificate is not None:
        cert, key = run.certificate
        ingredients = [Ingredient(path, f"{story.name}/{scene}") for scene, path in segments]
        await off_loop(sign_film, film, ingredients, cert, key, story.title)
    elif await off_loop(_any_carries, [path for _, path in segments]):
        words = (
            "the segments carry content credentials (C2PA), which no film that is joined of them can keep; the stored "
            "segments still have them, and STORYCHAIN_C2PA_CERT and _KEY sign the film"
        )
        run.tell(Noticed(story.name, "", words))


def _any_carries(segments: Sequence[Path]) -> bool:
    return any(map(carries_c2pa, segments))
