"""One story as a view: its plan, its takes, its seams, its film. Pure but for reading what lies ready to be read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from storychain.chain.narration import narration_warnings
from storychain.chain.placeholder import warnings_of
from storychain.chain.recipe import film_in_place, recipe_of
from storychain.chain.survey import with_presence
from storychain.export.lock import lock_path, read_lock
from storychain.plan import Action, chains, quote
from storychain.printable import printable
from storychain.records import LIVE
from storychain.review.measured import Measured, drift_of, read_measured, sentences
from storychain.review.view import Chapter, FilmView, RetakeView, SceneView, SeamView, StoryView, TakeView

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from storychain.ledger import Ledger
    from storychain.plan import Facts, Step
    from storychain.records import Record
    from storychain.story.model import Story
    from storychain.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Sources:
    """What a view is made from besides the plan; `film` is where the story's film would be, `paid` the provider's name
    to whom money goes."""

    ledger: Ledger | None
    workspace: Workspace
    film: Path
    paid: str


def story_view(story: Story, facts: Facts, steps: Sequence[Step], sources: Sources) -> StoryView:
    """All of a story. Raises StorychainError where ledger or disk let us down."""
    ledger = sources.ledger
    measured = read_measured(sources.workspace.inspection(facts.provider, story.name))
    records = ledger.story_records(facts.provider, story.name) if ledger else ()
    takes = _takes(story, steps, records, sources.workspace)
    waits = _waits(story, facts, steps, ledger)
    chain_of = {step.key: number for number, chain in enumerate(chains(steps), 1) for step in chain}
    scenes = tuple(
        _scene(number, step, chain_of[step.key], takes[step.scene.id], steps, waits, measured)
        for number, step in enumerate(steps, 1)
    )
    seams = _seams(scenes, steps, measured)
    film = _film(story, facts, steps, sources)
    known = {scene.id for scene in scenes}
    named = [(scene.id, scene.key) for scene in scenes]
    return StoryView(
        name=story.name,
        title=story.title,
        path=str(story.path),
        model=story.model,
        aspect_ratio=story.aspect_ratio,
        provider=facts.provider,
        free=facts.free,
        state=_state(steps, film),
        scenes=scenes,
        seams=seams,
        spent=ledger.spent(sources.paid, story=story.name) if ledger else Decimal(0),
        to_pay=quote(steps).total,
        budget=story.budget,
        film=film,
        warnings=(*narration_warnings(story), *warnings_of(story, facts, steps)),
        until=_until(steps, scenes, waits),
        drift=drift_of(measured, named),
        inspected=any(scene.key in measured.segments for scene in scenes),
        unused=tuple((scene, take) for scene, of_scene in takes.items() if scene not in known for take in of_scene),
    )


def _state(steps: Sequence[Step], film: FilmView | None) -> str:
    actions = {step.action for step in steps}
    if Action.UNRESOLVED in actions:
        return "unresolved"
    if Action.FAILED in actions:
        return "failed"
    if Action.RESUME in actions:
        return "in flight"
    if Action.SUBMIT in actions:
        return "unfinished" if actions != {Action.SUBMIT} else "not begun"
    return "done" if film and film.current else "film to be joined"


def _takes(
    story: Story, steps: Sequence[Step], records: Sequence[Record], workspace: Workspace
) -> dict[str, tuple[TakeView, ...]]:
    """Every attempt at each scene, oldest first, those bought for another story that shares the segment included."""
    current = {step.scene.id: step.record for step in steps}
    found: dict[str, dict[int, Record]] = {step.scene.id: {} for step in steps}
    for record in records:
        found.setdefault(record.scene, {})[record.attempt] = record
    for scene, record in current.items():
        if record.attempt:
            # What is told of a key is folded from all its attempts; each attempt's own words are the better ones.
            found[scene].setdefault(record.attempt, record)
    return {
        scene: tuple(
            _take(number, record, story, workspace, current=_is_shown(record, current.get(scene)))
            for number, (_, record) in enumerate(sorted(attempts.items()), 1)
        )
        for scene, attempts in found.items()
    }


def _is_shown(record: Record, current: Record | None) -> bool:
    return current is not None and record.attempt == current.attempt


def _take(number: int, record: Record, story: Story, workspace: Workspace, *, current: bool) -> TakeView:
    media = ""
    if record.state == "stored" and with_presence(record, workspace).present:
        media = record.key
    elif record.state == "failed" and workspace.rejected(record.key, record.attempt).exists():
        media = f"{record.key}.{record.attempt}"
    return TakeView(
        number=number,
        key=record.key,
        attempt=record.attempt,
        state=record.state,
        prompt=record.prompt,
        model=story.model,
        seconds=record.seconds,
        credits=record.credits,
        current=current,
        media=media,
        version=(record.sha256 or "")[:12],
        message=printable(record.message or ""),
        job_id=record.job_id or "",
        submitted_at=record.submitted_at,
        completed_at=record.completed_at,
    )


def _scene(
    number: int,
    step: Step,
    chain: int,
    takes: tuple[TakeView, ...],
    steps: Sequence[Step],
    waits: Mapping[int, float],
    measured: Measured,
) -> SceneView:
    record, wait = step.record, waits.get(step.scene.seconds)
    under_way = record.state == "submitted" and record.submitted_at is not None
    looked_at = measured.segments.get(step.key)
    return SceneView(
        number=number,
        id=step.scene.id,
        text=step.scene.text,
        prompt=step.scene.prompt,
        seconds=step.scene.seconds,
        join=step.scene.join,
        chain=chain,
        state=_word(step),
        reason=printable(step.reason),
        key=step.key,
        credits=record.credits if record.state in LIVE else None,
        price=step.price,
        take=next((take for take in takes if take.current and take.key == step.key), None),
        takes=takes,
        retake=_retake(step, steps),
        fallbacks=step.scene.fallbacks,
        caption=step.scene.caption,
        narration=step.scene.narration,
        submitted_at=record.submitted_at if under_way else None,
        expected_at=record.submitted_at + wait if under_way and wait and record.submitted_at else None,
        findings=sentences(looked_at) if looked_at else (),
    )


_WORDS = {
    "stored": "file missing",
    "completed": "to download",
    "submitted": "rendering",
    "intended": "requested",
}


def _word(step: Step) -> str:
    """The state of a scene in a word."""
    match step.action:
        case Action.REUSE:
            return "ready"
        case Action.RESUME:
            return _WORDS.get(step.record.state, "rendering")
        case Action.SUBMIT:
            return "to retry" if step.record.failures else "planned"
    return str(step.action)


def _retake(step: Step, steps: Sequence[Step]) -> RetakeView:
    """One more take: what continues from this scene was made to continue another one."""
    chain = next(chain for chain in chains(steps) if step in chain)
    after = chain[chain.index(step) + 1 :]
    stale = [one for one in after if one.record.state in LIVE]
    prices = [one.price for one in stale if one.price is not None]
    known = len(prices) == len(stale)
    return RetakeView(step.price, tuple(one.scene.id for one in stale), sum(prices, Decimal(0)) if known else None)


def _waits(story: Story, facts: Facts, steps: Sequence[Step], ledger: Ledger | None) -> dict[int, float]:
    """How long jobs of the lengths that are still to come usually take, in seconds."""
    left = {step.scene.seconds for step in steps if step.action in (Action.RESUME, Action.SUBMIT)}
    if ledger is None or not left:
        return {}
    told = {seconds: ledger.usual_wait(facts.provider, story.model, seconds) for seconds in left}
    return {seconds: wait for seconds, wait in told.items() if wait is not None}


def _until(steps: Sequence[Step], scenes: Sequence[SceneView], waits: Mapping[int, float]) -> float | None:
    """When what is under way, and what waits for it in its chain, is likely done; chains render side by side."""
    by_key = {scene.key: scene for scene in scenes}
    ends: list[float] = []
    for chain in chains(steps):
        end: float | None = None
        for step in chain:
            if (expected := by_key[step.key].expected_at) is not None:
                end = expected
            elif end is not None and step.action is Action.SUBMIT:
                end += waits.get(step.scene.seconds, 0.0)
        if end is not None:
            ends.append(end)
    return max(ends, default=None)


def _seams(scenes: Sequence[SceneView], steps: Sequence[Step], measured: Measured) -> tuple[SeamView, ...]:
    seams: list[SeamView] = []
    for number, (before, after) in enumerate(pairwise(scenes), 1):
        cut = steps[number].parent != before.key
        seam = SeamView(number, before, after, cut)
        looked_at = measured.seams.get((before.key, after.key))
        if looked_at is not None:
            seam = replace(
                seam, how=_beginning(looked_at), measures=looked_at["measures"], findings=sentences(looked_at)
            )
        seams.append(seam)
    return tuple(seams)


def _beginning(looked_at: Mapping[str, object]) -> str:
    """How the later scene begins, in a few words."""
    kind, frames = looked_at.get("kind"), looked_at.get("frames")
    if looked_at.get("cut"):
        return "begins with a cut"
    if kind in (None, "tail"):
        return "goes on"
    return f"{kind}, {frames} frame{'' if frames == 1 else 's'}" if frames else str(kind)


def _film(story: Story, facts: Facts, steps: Sequence[Step], sources: Sources) -> FilmView | None:
    """The film on this disk, as far as the ledger knows it as it is."""
    path, ledger = sources.film, sources.ledger
    record = ledger.film(path) if ledger else None
    if record is None or not path.is_file() or path.stat().st_size != record.size:
        return None
    current = film_in_place(ledger, path, recipe_of(story, facts, steps)) is not None
    lock = read_lock(lock_path(path))
    chapters: Iterable[Chapter] = ()
    if lock is not None and lock.film_size == record.size:
        numbers = {step.scene.id: number for number, step in enumerate(steps, 1)}
        chapters = (
            Chapter(one.scene, float(one.begin / lock.fps), float(one.end / lock.fps), numbers.get(one.scene, 0))
            for one in lock.stretches
        )
    fps = float(lock.fps) if lock else 24.0
    version = f"{path.stat().st_mtime_ns:x}"
    return FilmView(path, record.size, record.seconds, fps, current, version, tuple(chapters))
