"""Rendering one story: every scene a task that waits for its parent, the film when all are home.

The plan says what to do for a scene; the loop here carries it out and tells. A scene hands its address on as soon as
its job has ended, so that the next one is generated while its own bytes are still on their way.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Protocol

from storychain.chain.blocked import gave_up, unresolved
from storychain.chain.choice import LeftUnbought, WaitsForApproval
from storychain.chain.doubt import spelled_out
from storychain.chain.events import Noticed, Reused, SceneFailed, SceneQueued
from storychain.chain.follow import bring_home, follow, read_anew
from storychain.chain.handover import Handover
from storychain.chain.link import Link, begin_from_parent, begin_from_start, begin_from_upload, request_for
from storychain.chain.purchase import buy
from storychain.chain.reconcile import settle_open_questions
from storychain.chain.run import Run, off_loop
from storychain.chain.sharing import had_from_store
from storychain.chain.survey import with_presence
from storychain.errors import DiskTrouble, GenerationFailed, StorychainError, Unresolved
from storychain.ledger import Purchase
from storychain.locks import Held
from storychain.media.prepare import Prepared
from storychain.plan import Action, decide, next_prompt, with_beside
from storychain.printable import listed
from storychain.provider import Job, RequestRefused, SegmentRequest
from storychain.workspace import is_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.plan import Step
    from storychain.records import Record
    from storychain.story.model import Story


class Halted(Exception):
    """This scene is not begun: another one of its story could not be finished, or it is not to be bought."""


class PlanAnew(Exception):
    """A scene is given up and a placeholder may stand in for it: what follows it is now to begin from elsewhere.

    `given_up` has the keys of such scenes.
    """

    def __init__(self, given_up: frozenset[str]) -> None:
        super().__init__(given_up)
        self.given_up = given_up


class Arrivals(Protocol):
    """Who waits for segments, each with the place of its scene in the story."""

    def foreseen(self, place: int, segment: Prepared) -> None:
        """A segment's sound is here; its pictures are still being checked, and may turn out damaged."""

    def arrived(self, place: int, segment: Prepared) -> None:
        """A segment is home."""


class Rendering:
    """The scenes of one story on their way from plan to prepared segments."""

    def __init__(self, run: Run, story: Story, steps: tuple[Step, ...], film: Arrivals) -> None:
        self._film = film
        self._run = run
        self._story = story
        self._steps = steps
        self._caps = replace(run.caps, story=story.budget)
        self._links: dict[tuple[str, str], asyncio.Future[Link]] = {}
        self._trouble: StorychainError | None = None
        self._given_up: set[str] = set()
        self._anew = False
        self._handover = Handover(run, story, steps, self._caps)

    async def finished(self) -> None:
        """See every scene home but those a placeholder stands in for.

        When a scene cannot be had, nothing more is bought for the story, what is under way is brought home, and the
        first error is raised; or PlanAnew, where there is no other trouble and a placeholder may stand in; or
        LeftUnbought, where the run is not to buy all.
        """
        loop = asyncio.get_running_loop()
        self._links = {_name(step): loop.create_future() for step in with_beside(self._steps)}
        self._trouble = next((error for step in self._steps if (error := self._blocked(step))), None)
        wanted = [place for place, step in enumerate(self._steps) if step.action is not Action.PLACEHOLDER]
        tasks = [asyncio.create_task(self._scene(place, self._steps[place])) for place in wanted]
        tasks += [asyncio.create_task(self._beside(place, other)) for place in wanted for other in self._others(place)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        self._raise_worst(results)
        left = [self._steps[place] for place, one in zip(wanted, results, strict=False) if isinstance(one, Halted)]
        if waiting := [step for step in left if step.action is Action.HOLD]:
            raise WaitsForApproval.to_buy(self._story, waiting[0], free=self._run.provider.free)
        if left:
            raise LeftUnbought(f"not bought, as asked: {listed([step.scene.id for step in left])}")

    def _others(self, place: int) -> tuple[Step, ...]:
        """The takes that are bought beside a scene's own, each segment once."""
        return tuple({other.key: other for other in self._steps[place].beside}.values())

    async def _beside(self, place: int, step: Step) -> None:
        """Another take of a scene: one that cannot be had is told, and stops nothing."""
        try:
            if error := self._blocked(step):
                raise error
            await self._scene(place, step)
        except (GenerationFailed, Unresolved) as error:
            if isinstance(error, Unresolved) or self._blocked(step):  # what failed just now was told as it did
                self._run.tell(Noticed(self._story.name, step.scene.id, error.what, take=step.scene.take))

    def _blocked(self, step: Step) -> StorychainError | None:
        """Why this story cannot be finished, whatever else is bought."""
        match step.action:
            case Action.UNRESOLVED:
                return self._placed(step, unresolved(step.record))
            case Action.FAILED:
                return self._placed(step, gave_up(step, step.record))
        return None

    def _raise_worst(self, results: Sequence[BaseException | None]) -> None:
        for error in results:
            if error is not None and not isinstance(error, Halted | PlanAnew | StorychainError | OSError):
                raise error
        if self._trouble is not None:
            raise self._trouble
        if self._anew:
            raise PlanAnew(frozenset(self._given_up))

    async def _scene(self, place: int, step: Step) -> None:
        """One scene from beginning to bytes: the film's take of it, or one beside that."""
        shown = step is self._steps[place]
        try:
            parent = self._parent(place)
            before = await asyncio.shield(self._links[_name(parent)]) if parent else None
            segment = await self._with_key(step, before)
            if shown:
                self._film.arrived(place, segment)
        except (StorychainError, OSError) as error:
            words = DiskTrouble.of(error) if isinstance(error, OSError) else error
            if shown or not isinstance(error, GenerationFailed | Unresolved):
                self._trouble = self._trouble or self._placed(step, words)
            raise
        except PlanAnew:
            self._anew = True
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            raise Halted from None  # not we were cancelled, but what we waited for: our parent was not had
        finally:
            self._let_go(self._links[_name(step)])

    def _parent(self, place: int) -> Step | None:
        """The scene whose segment the one at `place` continues, if it is in this story."""
        wanted = self._steps[place].parent
        made = (step for step in reversed(self._steps[:place]) if step.action is not Action.PLACEHOLDER)
        return next((step for step in made if step.key == wanted), None) if wanted else None

    def _let_go(self, handed_on: asyncio.Future[Link]) -> None:
        """Wake whoever still waits for this scene: no more will come."""
        if not handed_on.done():
            handed_on.cancel()
        elif not handed_on.cancelled():
            handed_on.result().home.cancel()

    def _placed(self, step: Step, error: StorychainError) -> StorychainError:
        error.where = error.where or f"{self._story.name}, scene {step.scene.id}"
        error.what = spelled_out(error.what, self._story, self._run.workspace, free=self._run.provider.free)
        return error

    async def _with_key(self, step: Step, before: Link | None) -> Prepared:
        """Hold the scene's key meanwhile, against other stories and other runs that share the segment."""
        path = self._run.workspace.key_lock(step.key)
        try:
            async with self._run.locks.now(path):
                return await self._obtain(step, before)
        except Held:
            words = "its segment is being made elsewhere"
            self._run.tell(SceneQueued(self._story.name, step.scene.id, words, take=step.scene.take))
        async with self._run.locks.wait(path):
            return await self._obtain(step, before)

    async def _obtain(self, step: Step, before: Link | None) -> Prepared:
        """Do what the record asks for, again and again, until the segment is here."""
        again, record = step.again, await self._looked(step)
        while True:
            moved: Record | None = None
            match record.state:
                case "stored" if record.present:
                    if prepared := await self._reuse(step, record):
                        return prepared
                case "completed" | "stored":
                    if prepared := await self._fetch(step, record):
                        return prepared
                case "submitted":
                    moved = await self._follow(step, record)
                case "intended":
                    await self._settle()
                case "unresolved":
                    raise unresolved(record)
                case _:
                    if step.parent and before is None:
                        raise PlanAnew(frozenset())  # what it was to continue is no longer in the story
                    again = self._may_buy(step, record, again=again)
                    moved = await self._buy(step, next_prompt(step.scene, record) or step.scene.prompt, before)
            record = await self._looked(step, moved)

    def _may_buy(self, step: Step, record: Record, *, again: bool) -> bool:
        """Whether one try beyond the story's own is left after the next; raises where there is no next one."""
        action, why = decide(record, step.scene, again=again)
        if record.failures or record.objected:
            again_now = action is Action.SUBMIT
            self._run.tell(SceneFailed(self._story.name, step.scene.id, why, again_now, take=step.scene.take))
        match action:
            case Action.PLACEHOLDER:
                self._given_up.add(step.key)
                raise PlanAnew(frozenset({step.key}))
            case Action.FAILED:
                raise gave_up(step, record)
        if step.action in (Action.HOLD, Action.BLOCKED) or not self._run.choice.allows(self._story.name, step.scene.id):
            raise Halted
        return again and decide(record, step.scene, again=False)[0] is Action.SUBMIT

    def _record(self, step: Step) -> Record:
        return with_presence(self._run.ledger.record(step.key), self._run.workspace)

    async def _looked(self, step: Step, moved: Record | None = None) -> Record:
        """What is on record, `moved` where that is known from just now and says nothing of bytes to be looked for.

        Bytes that another machine stored are had from the shared place, if there is one.
        """
        if moved is not None and moved.state in ("submitted", "completed"):
            return moved
        record = await self._run.on_record(self._record, step)
        if record.state != "stored" or record.present:
            return record
        had = await had_from_store(self._run, self._story.name, step, record)
        return await self._run.on_record(self._record, step) if had else record

    def _hand_on(self, step: Step, job: Job, *, fresh: bool) -> Link:
        """Give the segment's addresses to the scene after it; the first to do so has said it all."""
        handed_on = self._links[_name(step)]
        if not handed_on.done():
            handed_on.set_result(Link(step.key, job, fresh, asyncio.get_running_loop().create_future()))
        return handed_on.result()

    async def _reuse(self, step: Step, record: Record) -> Prepared | None:
        """The stored segment, or None if its bytes are no longer those that were stored: they are then fetched again.

        The spoilt file is kept aside: should the provider have lost the video, it is all there is.
        """
        run, segment = self._run, self._run.workspace.segment(step.key)
        if not await off_loop(is_whole, segment, record.sha256):
            aside = run.workspace.spoilt(step.key)
            what = f"its file is no longer as it was stored; it is fetched again, the old one kept as {aside}"
            run.tell(Noticed(self._story.name, step.scene.id, what, take=step.scene.take))
            await off_loop(segment.replace, aside)
            return None
        prepared = await run.room.prepare(segment, run.workspace.prepared(step.key), strict=False)
        if self._waits(step) and await self._handover.is_rejected(step, record, prepared):
            return None
        self._hand_on(step, _job_of(record), fresh=False).home.set_result(prepared)
        run.tell(Reused(self._story.name, step.scene.id, take=step.scene.take))
        return prepared

    async def _fetch(self, step: Step, record: Record) -> Prepared | None:
        """The segment, brought in; None if it is not to be continued as it is, and is bought again."""
        if self._waits(step):
            prepared = await self._brought_home(step, record, _job_of(record))
            if await self._handover.is_rejected(step, await self._run.on_record(self._record, step), prepared):
                return None
            self._hand_on(step, _job_of(record), fresh=False).home.set_result(prepared)
            return prepared
        if not self._links[_name(step)].done():
            # Completed in an earlier run: its addresses may have expired since, and so may those it gives now.
            self._hand_on(step, await read_anew(self._run, record), fresh=False)
        link = self._links[_name(step)].result()
        if not all(other.done() for other in self._links.values()):
            await self._run.lanes.calm()
        prepared = await self._brought_home(step, record, link.job)
        link.home.set_result(prepared)
        if self._is_continued(step):
            await self._handover.report(step, prepared)
        return prepared

    async def _brought_home(self, step: Step, record: Record, job: Job) -> Prepared:
        place = next((place for place, shown in enumerate(self._steps) if shown is step), None)
        foreseen = None if place is None else partial(self._film.foreseen, place)
        return await bring_home(self._run, self._story.name, step, record, job, foreseen)

    def _is_continued(self, step: Step) -> bool:
        """Whether a scene that is still to be bought continues this one."""
        return any(one.parent == step.key and one.action in (Action.SUBMIT, Action.BLOCKED) for one in self._steps)

    def _waits(self, step: Step) -> bool:
        """Whether what follows a segment waits until it is seen how it ends."""
        return step.scene.handover == "retake" and self._is_continued(step)

    async def _settle(self) -> None:
        async with await self._run.lanes.alone(self._run):
            await settle_open_questions(self._run)

    async def _follow(self, step: Step, record: Record) -> Record | None:
        """See a paid job to its end; hand its address on the moment it is known. What is on record then, if it is."""
        ended = await follow(self._run, self._story.name, step, record)
        if ended is not None and not self._waits(step):
            self._hand_on(step, _job_of(ended), fresh=True)
        return ended

    async def _buy(self, step: Step, prompt: str, before: Link | None) -> Record | None:
        """Pay for the scene and see its job to its end, within the jobs this run may have under way.

        What is on record then, if it is known.
        """
        left = sum(not link.done() for link in self._links.values())
        async with self._run.slots.taken(self._story.name, left):
            request = replace(await self._request(step, before), prompt=prompt)
            bought = await self._paid(step, before, request)
            return await self._follow(step, bought) if bought and bought.state == "submitted" else bought

    async def _paid(self, step: Step, before: Link | None, request: SegmentRequest) -> Record | None:
        """Pay; None where the provider would not take the words, which is then on record."""
        try:
            return await self._pay(step, request)
        except RequestRefused as error:
            if error.about_words:
                return None
            if before is None or not _about_the_input(error):
                raise
            self._run.tell(
                Noticed(self._story.name, step.scene.id, f"{error.what}; uploading our own copy", take=step.scene.take)
            )
            return await self._paid(step, None, await begin_from_upload(self._run, step, before, request))

    async def _request(self, step: Step, before: Link | None) -> SegmentRequest:
        self._go_on()
        request = request_for(self._story, step)
        if before is not None:
            return await begin_from_parent(self._run, step, before, request)
        return await begin_from_start(self._run, self._story, request) if step.from_start else request

    def _go_on(self) -> None:
        """Raise Halted once the story cannot go on as planned: nothing further is bought for it."""
        if self._trouble is not None or self._anew:
            raise Halted
        self._run.check_time()

    async def _pay(self, step: Step, request: SegmentRequest) -> Record:
        run, story = self._run, self._story

        def intend(watermark: tuple[str, ...], lane: int) -> Purchase:
            self._go_on()
            return Purchase(
                key=step.key,
                provider=run.provider.name,
                story=story.name,
                scene=step.scene.id,
                run=run.id,
                model=step.model,
                seconds=step.scene.seconds,
                prompt=request.prompt,
                price=Decimal(0) if run.provider.free else step.price,
                watermark=watermark,
                take=step.scene.take,
                parent=step.parent,
                asked=step.scene.prompt,
                lane=lane,
            )

        return await buy(run, self._caps, request, intend)


def _name(step: Step) -> tuple[str, str]:
    """Of two scenes that share a segment each has a name of its own, and so has each take of one."""
    return step.scene.id, step.key


def _about_the_input(error: RequestRefused) -> bool:
    return bool({"extendVideoUrl", "firstFrameImageUrl"} & set(error.fields))


def _job_of(record: Record) -> Job:
    """The job as it was when it was last read; its addresses may have expired since."""
    return Job(record.job_id or "", "completed", url=record.url, last_frame_url=record.last_frame_url)
