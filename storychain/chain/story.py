"""One story from plan to film, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from storychain.chain.account import Balance, balance
from storychain.chain.beside import all_there, anothers, neighbours
from storychain.chain.blocked import shown_instead
from storychain.chain.budget import check_budget
from storychain.chain.choice import LeftUnbought
from storychain.chain.events import FilmReady, Noticed, StoryBegan, StoryLeft, StoryStopped
from storychain.chain.film import film_in_the_making
from storychain.chain.placeholder import warnings_of
from storychain.chain.preflight import check_place, preflight
from storychain.chain.recipe import film_in_place, film_path, recipe_of
from storychain.chain.reconcile import settle_open_questions
from storychain.chain.rendering import PlanAnew, Rendering
from storychain.chain.run import Run, off_loop
from storychain.chain.survey import survey
from storychain.errors import (
    DiskTrouble,
    GenerationFailed,
    ProviderUnreachable,
    StorychainError,
    StoryHeld,
    UsageError,
)
from storychain.locks import Held
from storychain.plan import Action, Facts, Step, plan, quote, with_beside
from storychain.provider import RequestRefused

if TYPE_CHECKING:
    from storychain.ledger import FilmRecord
    from storychain.story.model import Story

Status = Literal["done", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a story. `steps` are planned anew at the end, so they say what is left; credits are this run's.

    `planned` is the price of what the run might buy. `warnings` tell of placeholders in the film.
    """

    story: Story
    status: Status
    film: Path | None
    steps: tuple[Step, ...]
    planned: Decimal | None
    spent: Decimal
    error: StorychainError | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Standing:
    """How a story stands: its plan, where its film goes, and the record of the film that is there and still right."""

    facts: Facts
    steps: tuple[Step, ...]
    film: Path
    there: FilmRecord | None


async def render(run: Run, story: Story) -> Outcome:
    """Render one story; errors with a message for a person become part of the outcome."""
    return await render_with(run, story)


async def render_with(
    run: Run, story: Story, check: Callable[[Story, Facts, tuple[Step, ...]], None] | None = None
) -> Outcome:
    """Render one story; with a `check` of its plan that may refuse, its film is made anew even where it is there."""
    planned: Decimal | None = Decimal(0)
    film: Path | None = None
    error: StorychainError | None = None
    try:
        async with AsyncExitStack() as held:
            # Of a thousand stories each step would else be taken for all before the next: the first request would wait.
            async with run.entrance:
                lock = run.workspace.story_lock(story.path, story.name)
                await held.enter_async_context(run.locks.now(lock, f"story-{run.provider.name}-{story.name}"))
                stands = await _settled(run, story)
                planned = quote(run.choice.of(story.name, stands.steps)).total
                if check is not None:
                    check(story, stands.facts, stands.steps)
                elif stands.there is not None:
                    # Nothing was done, so there is nothing to plan anew.
                    return _as_it_is(run, story, stands, stands.there)
                await _begin(run, story, stands)
            film = await _render_held(run, story, stands)
    except Held:
        error = StoryHeld(
            "another run is rendering this story", where=story.name, next_step="It goes on there; nothing to do here."
        )
    except StorychainError as trouble:
        error = trouble
    except OSError as trouble:
        error = DiskTrouble.of(trouble)
    if isinstance(error, LeftUnbought):
        run.tell(StoryLeft(story.name, error.told))
    elif error is not None:
        run.tell(StoryStopped(story.name, error))
    return await _summed_up(run, story, film, planned, error)


async def _summed_up(
    run: Run, story: Story, film: Path | None, planned: Decimal | None, error: StorychainError | None
) -> Outcome:
    """The outcome; where not even that can be read, the other stories' outcomes are not to be lost with it."""
    try:
        return await off_loop(outcome_of, run, story, film, planned, error)
    except (StorychainError, OSError) as trouble:
        words = DiskTrouble.of(trouble) if isinstance(trouble, OSError) else trouble
        status: Status = "failed" if isinstance(error, GenerationFailed) else "stopped"
        return Outcome(story, status, None, (), planned, Decimal(0), error or words)


def done_already(run: Run, story: Story) -> Callable[[], Outcome] | None:
    """Of a story with nothing left to do, what tells so and sums it up; None of any other, or where that is unknown."""
    try:
        stands = _stand(run, story, retry_failed=run.retry_failed)
    except (StorychainError, OSError):
        return None  # it is said when the story's turn comes
    if stands.there is None or _in_doubt(stands):
        return None
    return partial(_as_it_is, run, story, stands, stands.there)


def _as_it_is(run: Run, story: Story, stands: _Standing, there: FilmRecord) -> Outcome:
    for step in stands.steps:
        if step.action is Action.PLACEHOLDER:
            run.tell(Noticed(story.name, step.scene.id, "a placeholder is in its place"))
    run.tell(FilmReady(story.name, stands.film, there.seconds, made=False))
    warnings = warnings_of(story, stands.facts, stands.steps)
    return Outcome(story, "done", stands.film, stands.steps, quote(stands.steps).total, Decimal(0), None, warnings)


def _stand(run: Run, story: Story, *, retry_failed: bool) -> _Standing:
    facts, steps = _look(run, story, retry_failed=retry_failed)
    film = film_path(run.ledger, run.out, story.edition, free=run.provider.free)
    return _Standing(facts, steps, film, _in_place(run, story, facts, steps, film))


def _in_place(run: Run, story: Story, facts: Facts, steps: tuple[Step, ...], film: Path) -> FilmRecord | None:
    """The story's film, if it is there with all that belongs beside it and nothing has changed since."""
    if any(step.action not in (Action.REUSE, Action.PLACEHOLDER) for step in steps):
        return None
    if any(step.action in (Action.SUBMIT, Action.RESUME) for step in with_beside(steps)):
        return None
    recipe = recipe_of(story, facts, steps)
    there = film_in_place(run.ledger, film, recipe)
    return there if there is not None and all_there(story, film, recipe) else None


async def _begin(run: Run, story: Story, stands: _Standing) -> None:
    """Look at all that can be looked at before anything is spent, and tell what is to be done."""
    steps = stands.steps
    await preflight(run, story)
    await _check_means(run, story, steps, stands.film)
    quoted = quote(run.choice.of(story.name, steps))
    run.tell(StoryBegan(story.name, story.title, steps, await off_loop(_usual, run, steps), quoted))


async def _render_held(run: Run, story: Story, stands: _Standing) -> Path:
    facts, steps = stands.facts, stands.steps
    while True:
        try:
            async with film_in_the_making(run, story, facts, steps) as film:
                await Rendering(run, story, steps, film).finished()
                await film.finished(stands.film)
            return stands.film
        except PlanAnew as other:
            given_up = facts.given_up | other.given_up
        except GenerationFailed as error:
            await off_loop(_add_other_take, run, story, error)
            raise
        facts, steps = await off_loop(_look, run, story, retry_failed=run.retry_failed, given_up=given_up)


def _add_other_take(run: Run, story: Story, error: GenerationFailed) -> None:
    """Say first what costs nothing: of a scene that is given up another take may be here."""
    if instead := shown_instead(story, *_look(run, story), run.ledger):
        error.next_step = f"{instead}. {error.next_step}"


async def _check_means(run: Run, story: Story, steps: tuple[Step, ...], film: Path) -> None:
    """Before the first request: can all be paid that is to be bought of the story, and the film be put in its place?

    Where a segment is still on its way home, that comes first: the film can be made wherever and whenever.
    """
    joins = all(step.action in (Action.REUSE, Action.PLACEHOLDER) for step in steps)
    steps = run.choice.of(story.name, steps)
    submits = quote(steps).submits
    if joins or submits:
        await off_loop(_check_place, run, story, film)
    if not submits:
        return
    run.check_time()
    check_budget(story, steps, await run.on_record(run.ledger.spent, run.provider.name, story=story.name))
    if not run.provider.free:
        await run.purse.set_aside(story.name, quote(steps), lambda: _balance(run, story.name))


def _check_place(run: Run, story: Story, film: Path) -> None:
    check_place(film, neighbours(story, film))
    if whose := anothers(run.ledger, story, film):
        raise UsageError(
            f"its files would replace another's: {whose}",
            next_step="Rename one of the stories, or give it another --out. Nothing was bought.",
        )


async def _balance(run: Run, story: str) -> Balance | None:
    try:
        return await balance(run)
    except (ProviderUnreachable, RequestRefused) as error:
        run.tell(Noticed(story, "", f"the account's quota could not be read: {error.what}"))
        return None


def _usual(run: Run, steps: tuple[Step, ...]) -> tuple[float | None, ...]:
    waits = {
        (model, seconds): run.ledger.usual_wait(run.provider.name, model, seconds)
        for model, seconds in {(step.model, step.scene.seconds) for step in steps}
    }
    return tuple(waits[step.model, step.scene.seconds] for step in steps)


async def _settled(run: Run, story: Story) -> _Standing:
    """How it stands, once it is known what became of requests whose answer was lost: what is in doubt has no price."""
    stands = await off_loop(_stand, run, story, retry_failed=run.retry_failed)
    if not _in_doubt(stands):
        return stands
    async with _outside(run.entrance), await run.lanes.alone(run):
        await settle_open_questions(run)
    return await off_loop(_stand, run, story, retry_failed=run.retry_failed)


@asynccontextmanager
async def _outside(entrance: asyncio.Semaphore) -> AsyncIterator[None]:
    """Let others in meanwhile: an answer may be waited for."""
    entrance.release()
    try:
        yield
    finally:
        await entrance.acquire()


def _in_doubt(stands: _Standing) -> bool:
    return any(step.record.state == "intended" for step in with_beside(stands.steps))


def _look(
    run: Run, story: Story, *, retry_failed: bool = False, given_up: frozenset[str] = frozenset()
) -> tuple[Facts, tuple[Step, ...]]:
    facts = survey(
        story,
        provider=run.provider.name,
        free=run.provider.free,
        ledger=run.ledger,
        workspace=run.workspace,
        catalogue=run.catalogue,
        retry_failed=retry_failed,
        given_up=given_up,
    )
    return facts, plan(story, facts)


def interrupted(run: Run, story: Story, error: StorychainError) -> Outcome:
    """What came of a story that was rendered with others when all were interrupted: it may be done."""
    stands = _stand(run, story, retry_failed=False)
    outcome = outcome_of(run, story, None, None, error)
    return outcome if stands.there is None else replace(outcome, status="done", film=stands.film, error=None)


def outcome_of(
    run: Run, story: Story, film: Path | None, planned: Decimal | None, error: StorychainError | None
) -> Outcome:
    """Sum up a story as it stands now."""
    facts, steps = _look(run, story)
    status: Status = "done" if error is None else "failed" if isinstance(error, GenerationFailed) else "stopped"
    spent = Decimal(0) if run.provider.free else run.ledger.spent(run.provider.name, story=story.name, run=run.id)
    return Outcome(story, status, film, steps, planned, spent, error, warnings_of(story, facts, steps))
