"""What a film shows of each segment: from where on it is new, and how it follows the one before.

Nothing is joined here; that is `film`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from storychain.chain.events import Noticed
from storychain.chain.opening import opening_of
from storychain.chain.recipe import chapter_of
from storychain.chain.seams import left_out, less_than_all, said_of, seam_between, seam_with_unshown
from storychain.errors import StorychainError
from storychain.media.edit import Clip
from storychain.plan import Action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.chain.run import Run
    from storychain.ledger import SeamRecord
    from storychain.media.prepare import Prepared
    from storychain.plan import Facts, Step
    from storychain.story.model import Story


class Cutting:
    """The segments of a story as they come in, each made a clip once it and the one before it are here."""

    def __init__(self, run: Run, story: Story, facts: Facts, steps: Sequence[Step]) -> None:
        self._run = run
        self._story = story
        self._steps = steps
        loop = asyncio.get_running_loop()
        self._segments: list[asyncio.Future[Prepared]] = [loop.create_future() for _ in steps]
        self._foreseen: list[asyncio.Future[Prepared]] = [loop.create_future() for _ in steps]
        self.misled = False
        """Whether a sound that was foreseen is not the one that came."""
        start = story.start
        has_video = start is not None and start.kind == "video"
        self._source = asyncio.create_task(opening_of(run, story, facts)) if has_video else None
        self.opening = self._source if start is not None and start.include else None
        """The start video that opens the film, where it does."""
        self._seams = [asyncio.create_task(self._seam(place)) for place, _ in enumerate(steps)]

    def arrived(self, place: int, segment: Prepared) -> int:
        """Take the segment of the scene at `place`; how many are still missing."""
        self.foreseen(place, segment)
        self._segments[place].set_result(segment)
        return sum(not one.done() for one in self._segments)

    def foreseen(self, place: int, segment: Prepared) -> None:
        """Take what the segment of the scene at `place` will probably be: of it only the sound is here."""
        first = self._foreseen[place]
        if not first.done():
            first.set_result(segment)
        elif first.result().sound_sha256 != segment.sound_sha256:
            self.misled = True

    @property
    def here(self) -> list[Prepared]:
        """The segments that have come in."""
        return [one.result() for one in self._segments if one.done()]

    async def present(self) -> list[tuple[int, Clip]]:
        """The clips that can be made without waiting for another segment, with their places among all."""
        first = 0 if self.opening is None else 1
        found: list[tuple[int, Clip]] = []
        if self.opening is not None:
            found.append((0, await self._opening_clip()))
        for place, segment in enumerate(self._segments):
            before = self._continued(place)
            if segment.done() and (before is None or before.done() or before is self._source):
                found.append((place + first, await self._clip(place)))
        return found

    async def beginning(self) -> list[Clip]:
        """Those of them that nothing is missing before."""
        return [clip for number, (place, clip) in enumerate(await self.present()) if number == place]

    async def clips(self) -> list[Clip]:
        """All of them, in the film's order."""
        opening = [] if self.opening is None else [await self._opening_clip()]
        return opening + [await self._clip(place) for place, _ in enumerate(self._steps)]

    async def expected(self) -> list[Clip]:
        """All of them as soon as their sounds are here, if those still missing begin as those before them do."""
        opening = [] if self.opening is None else [await self._opening_clip()]
        return opening + [await self._expected(place) for place, _ in enumerate(self._steps)]

    async def _expected(self, place: int) -> Clip:
        segment = await asyncio.shield(self._foreseen[place])
        if self._segments[place].done():
            return await self._clip(place)
        return self._as_clip(place, segment, self._probably_left_out(place))

    def _probably_left_out(self, place: int) -> Fraction:
        """Seconds: a provider begins all that continue a video in the same way."""
        known = [one.result() for one in self._seams[:place] if one.done() and not one.exception()]
        last = next((seam for seam in reversed(known) if seam), None)
        if last is None or self._continued(place) is None:
            return Fraction(0)
        left = left_out(last, doubled=self._story.film.drop_doubled)
        if left and last.kind == "merged" and place and self._foreseen[place - 1].done():
            return self._foreseen[place - 1].result().probe.seconds
        return left

    @property
    def going_on(self) -> list[bool]:
        """Of each clip, whether it was made to continue the one before it, or another take of that."""
        scenes = [
            self._continued(place) is not None or step.continued is not None for place, step in enumerate(self._steps)
        ]
        return scenes if self.opening is None else [False, *scenes]

    async def seam(self, place: int) -> SeamRecord | None:
        """How the segment at `place` begins against the one it continues; None where it continues none."""
        return await asyncio.shield(self._seams[place])

    async def _opening_clip(self) -> Clip:
        assert self.opening is not None
        return Clip(await asyncio.shield(self.opening), "opening")

    async def _clip(self, place: int) -> Clip:
        segment = await asyncio.shield(self._segments[place])
        skip = left_out(await self.seam(place), doubled=self._story.film.drop_doubled)
        return self._as_clip(place, segment, skip)

    def _as_clip(self, place: int, segment: Prepared, skip: Fraction) -> Clip:
        """The segment at `place` as the film shows it without its first `skip` seconds."""
        step = self._steps[place]
        clip = Clip(segment, chapter_of(step), skip=less_than_all(skip, segment))
        transition = step.scene.transition
        if transition is None or (place == 0 and self.opening is None):
            return clip
        return replace(clip, blend=transition.seconds, transition=transition.kind)

    async def _seam(self, place: int) -> SeamRecord | None:
        if continued := self._steps[place].continued:
            segment = await asyncio.shield(self._segments[place])
            seam = await seam_with_unshown(self._run, continued, segment)
            if seam is None:
                self._notice(place, "the take it continues is not here, so whether it repeats its end cannot be told")
            return seam
        before = self._continued(place)
        if before is None:
            return None
        unseen = place == 0 and self.opening is None
        try:
            source = await asyncio.shield(before)
        except StorychainError as error:
            if not unseen:
                raise
            self._notice(place, f"whether it holds the start video as well cannot be told: {error.what}")
            return None
        segment = await asyncio.shield(self._segments[place])
        seam = await seam_between(self._run, source, segment)
        if unseen and seam.kind != "merged":
            return None  # of a video that is not shown nothing is repeated
        if words := said_of(seam, segment):
            self._notice(place, words)
        return seam

    def _notice(self, place: int, words: str) -> None:
        self._run.tell(Noticed(self._story.name, self._steps[place].scene.id, words))

    def _continued(self, place: int) -> asyncio.Future[Prepared] | None:
        """The segment shown just before, if the one at `place` was made to continue it."""
        step = self._steps[place]
        if step.action is Action.PLACEHOLDER or step.scene.join == "cut":
            return None
        if place == 0:
            return self._source if step.from_start else None
        before = self._steps[place - 1]
        return self._segments[place - 1] if step.parent and step.parent == before.key else None

    async def given_up(self) -> None:
        """Stop whatever is still being found out."""
        tasks: list[asyncio.Task[Prepared] | asyncio.Task[SeamRecord | None]] = [*self._seams]
        if self._source is not None:
            tasks.append(self._source)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
