"""Making the film of a story, as far as possible while its segments are still coming in."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from storychain.chain.ahead import DrawingAhead
from storychain.chain.beside import let_go_of_the_former, make_beside
from storychain.chain.blending import shorter_than_foreseen
from storychain.chain.credentials import seal
from storychain.chain.cutting import Cutting
from storychain.chain.events import FilmReady, Joining, Noticed
from storychain.chain.finishing import NOTE, chapters_of, draws, dress_of, sounds_alone, voices_of, with_cards
from storychain.chain.locking import card_stretch, lock_film, opening_stretch, stretches_on_record
from storychain.chain.placeholder import stand_in
from storychain.chain.recipe import recipe_of
from storychain.chain.run import Run, off_loop
from storychain.ledger import FilmRecord
from storychain.media.aside import folder_aside
from storychain.media.edit import Clip
from storychain.plan import Action, as_planned
from storychain.workspace import sha256_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from storychain.export.lock import Stretch
    from storychain.media.prepare import Prepared
    from storychain.media.soundtrack import Soundtrack
    from storychain.plan import Facts, Step
    from storychain.story.model import Story

_HEARD = 1.0
"""LU that a film is quieter than it was to be before it is said."""


class FilmInTheMaking:
    """Takes a story's segments as they arrive.

    While others are missing, what is drawn anew is drawn; when it is only one, the sound of the others is encoded.
    """

    def __init__(self, run: Run, story: Story, facts: Facts, steps: Sequence[Step]) -> None:
        self._run = run
        self._written = story
        self._story = story = as_planned(story, steps)
        self._facts = facts
        self._steps = steps
        self._cutting = Cutting(run, story, facts, steps)
        self._sound: asyncio.Task[Soundtrack] | None = None
        self._aside = ExitStack()
        self._measuring: list[asyncio.Task[float | None]] = []
        self._ahead = DrawingAhead(run, story, self._cutting)

    def foreseen(self, place: int, segment: Prepared) -> None:
        """Take what the segment of the scene at `place` will probably be: of it only the sound is here."""
        self._cutting.foreseen(place, segment)
        self._measure(segment)

    def _measure(self, segment: Prepared) -> None:
        if sounds_alone(self._story):
            # How loud it is does not depend on how it begins, which is found out meanwhile; it is kept beside it.
            clip, loudness = Clip(segment, ""), self._story.film.loudness
            self._measuring.append(asyncio.create_task(self._run.room.gain([clip], loudness)))

    def arrived(self, place: int, segment: Prepared) -> None:
        """Take the segment of the scene at `place`."""
        missing = self._cutting.arrived(place, segment)
        self._measure(segment)
        if missing <= 1 and self._sound is None and sounds_alone(self._story):
            self._sound = asyncio.create_task(self._early_sound())
        if missing:
            self._ahead.more()

    async def finished(self, path: Path) -> None:
        """Join everything into the film at `path` and put it on record."""
        await self._stand_ins()
        await self._ahead.left_off()
        async with self._run.benches.taken():
            await self._joined(path)

    async def _joined(self, path: Path) -> None:
        run, story = self._run, self._story
        scenes_alone = await self._cutting.clips()
        if story.film.match_color or story.film.match_loudness:
            film = story.film
            going_on = self._cutting.going_on
            evened = {"color": film.match_color, "loudness": film.match_loudness}
            scenes_alone = await run.room.matched(scenes_alone, going_on, **evened)
        clips, first = await with_cards(run, story, scenes_alone)
        edit = run.room.edit(clips, drawn=draws(story))
        scenes = first + (self._cutting.opening is not None)
        dress = dress_of(story, edit, scenes, await voices_of(run, story, edit, scenes))
        path.parent.mkdir(parents=True, exist_ok=True)
        made = await run.room.assemble(
            clips,
            path,
            title=story.title,
            note=NOTE,
            dress=dress,
            sound=await self._sound if self._sound and not self._cutting.misled else None,
            on_progress=lambda share: run.tell(Joining(story.name, share)),
        )
        # It spoke of the film that was here; until the copies are made there is none for this one.
        await off_loop(let_go_of_the_former, run, story, path)
        await seal(run, story, self._steps, path)
        recipe = await off_loop(recipe_of, story, self._facts, self._steps)
        sha256 = await off_loop(sha256_of, path)
        record = FilmRecord(str(path), recipe, run.provider.free, path.stat().st_size, float(made.seconds))
        await run.on_record(run.ledger.remember_film, record, story.name, sha256)
        run.tell(FilmReady(story.name, path, record.seconds, made=True))
        told = await self._stretches(clips)
        self._tell_loudness(made.loudness)
        for words in shorter_than_foreseen(story, clips, edit):
            run.tell(Noticed(story.name, "", words))
        await make_beside(run, story, path, dress, edit, scenes_alone, chapters_of(edit, self._steps, scenes))
        # Last, since it says that all the rest is there.
        await off_loop(lock_film, run, story, told, edit, path, sha256=sha256, recipe=recipe)

    def _tell_loudness(self, came_to: float | None) -> None:
        wanted = self._story.film.loudness
        if wanted is None or came_to is None or not _HEARD <= wanted - came_to < math.inf:
            return
        why = "louder, its peaks would be cut off or its noise be heard"
        self._run.tell(Noticed(self._story.name, "", f"its sound comes to {came_to:.1f} LUFS, not {wanted:g}: {why}"))

    async def _stretches(self, clips: Sequence[Clip]) -> list[Stretch]:
        """What each clip of the film came from."""
        run, film, steps = self._run, self._story.film, self._steps
        told: list[Stretch] = []
        if film.title_card is not None:
            told.append(card_stretch(run, clips[0], film.title_card.text))
        if self._cutting.opening is not None:
            told.append(opening_stretch(self._facts))
        seams = [await self._cutting.seam(place) for place, _ in enumerate(steps)]
        scenes = clips[len(told) :][: len(steps)]
        told += await run.on_record(stretches_on_record, run, self._written, self._facts, steps, scenes, seams)
        if film.end_card is not None:
            told.append(card_stretch(run, clips[-1], film.end_card.text))
        return told

    async def _stand_ins(self) -> None:
        """Put placeholders where the plan has them, in the form of the segments that are here."""
        here = self._cutting.here
        for place, step in enumerate(self._steps):
            if step.action is Action.PLACEHOLDER:
                self.arrived(place, await stand_in(self._run, self._story, step, here))

    async def _early_sound(self) -> Soundtrack:
        """Encode what is here, with the gain it would need, and the rest as its sound comes.

        Should the last segment change the gain, or anything before it, or begin in another way than is expected before
        its pictures are looked at, all is encoded again: the film's bytes do not depend on what came when.
        """
        room = self._run.room
        present = await self._cutting.present()
        gain = await room.gain([clip for _, clip in present], self._story.film.loudness)
        first = await self._cutting.beginning()
        folder = self._aside.enter_context(folder_aside(self._run.workspace.root / "joining"))
        async with room.soundtrack(folder, gain) as making:
            for heard in room.heard(first):
                await making.add(heard)
            for heard in room.heard(await self._cutting.expected())[len(first) :]:
                await making.add(heard)
            return await making.finished()

    async def given_up(self) -> None:
        """Stop whatever is still being made."""
        tasks = [*self._measuring, *([] if self._sound is None else [self._sound])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._ahead.given_up()
        await self._cutting.given_up()
        self._aside.close()


@asynccontextmanager
async def film_in_the_making(
    run: Run, story: Story, facts: Facts, steps: Sequence[Step]
) -> AsyncIterator[FilmInTheMaking]:
    """A film in the making; on leaving nothing half done is left behind."""
    film = FilmInTheMaking(run, story, facts, steps)
    try:
        yield film
    finally:
        await film.given_up()
