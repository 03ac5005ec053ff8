"""How a segment ends that another one is to continue: if black, frozen or blurred, it is told or bought again."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from storychain.chain.events import Noticed
from storychain.chain.run import Run, off_loop
from storychain.plan import Action
from storychain.printable import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.ledger import Caps
    from storychain.media.prepare import Prepared
    from storychain.plan import Step
    from storychain.records import Record
    from storychain.story.model import Story


class Handover:
    """Looks at endings for one story, within what it may spend."""

    def __init__(self, run: Run, story: Story, steps: Sequence[Step], caps: Caps) -> None:
        self._run = run
        self._story = story
        self._steps = steps
        self._caps = caps

    async def report(self, step: Step, segment: Prepared) -> None:
        """Tell if a segment that is continued ends badly."""
        flaw = await self._run.room.ending(segment)
        if flaw is not None:
            self._tell(step, f"{flaw}, and the next scene continues from there")

    async def is_rejected(self, step: Step, record: Record, segment: Prepared) -> bool:
        """Whether a stored segment that ends badly is given up for another try; it is then on record as failed.

        It is kept where a try more is not allowed, or would take credits that the scenes after it need. Its file stays
        either way: it was paid.
        """
        flaw = await self._run.room.ending(segment)
        if flaw is None:
            return False
        if why := await self._why_kept(step, record):
            self._tell(step, f"{flaw}; kept all the same: {why}")
            return False
        run = self._run
        aside = run.workspace.rejected(step.key, record.attempt)
        await off_loop(run.workspace.segment(step.key).replace, aside)
        await run.on_record(run.ledger.rejected, record.attempt, f"{flaw}; the video is kept as {aside.name}")
        return True

    async def _why_kept(self, step: Step, record: Record) -> str | None:
        if record.failures + 1 >= step.scene.attempts:
            return f"of {counted(step.scene.attempts, 'attempt')} none is left"
        if self._run.provider.free:
            return None
        rest = [other.price for other in self._steps if other.action is Action.SUBMIT and other.key != step.key]
        if step.price is None or any(price is None for price in rest):
            return "the price of another try is not known"
        need = step.price + sum((price for price in rest if price is not None), Decimal(0))
        run = self._run
        left = await run.on_record(run.ledger.left, run.provider.name, self._caps, story=self._story.name, run=run.id)
        if (left is not None and left < need) or not run.purse.spare(step.price):
            return "another try would take credits that the other scenes need"
        return None

    def _tell(self, step: Step, words: str) -> None:
        self._run.tell(Noticed(self._story.name, step.scene.id, words))
