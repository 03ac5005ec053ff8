"""One story as a view: its plan, its takes, its seams, its film. Pure but for reading what lies ready to be read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from storychain.chain.placeholder import warnings_of
from storychain.chain.recipe import film_in_place, recipe_of
from storychain.chain.warning import warnings_before
from storychain.export.lock import lock_path, read_lock
from storychain.plan import Action, chains, quote
from storychain.printable import printable
from storychain.records import LIVE
from storychain.review.measured import Measured, drift_of, read_measured, sentences
from storychain.review.view import Chapter, CommentView, FilmView, SceneView, SeamView, StoryView, TakeView
from storychain.standing import standing
from storychain.story.advice import command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from storychain.directing import Table
    from storychain.ledger import FilmRecord, Ledger
    from storychain.plan import Facts, Step
    from storychain.story.model import Story
    from storychain.takes import SceneTakes, Take
    from storychain.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Sources:
    """What a view is made from besides the plan; `film` is where the story's film would be, `films` are the ledger's
    records of all its films, `paid` is the provider's name to whom money goes."""

    ledger: Ledger | None
    workspace: Workspace
    film: Path
    films: Sequence[FilmRecord]
    paid: str


def story_view(table: Table, sources: Sources) -> StoryView:
    """All of a story. Raises StorychainError where ledger or disk let us down."""
    ledger, story, facts, steps = sources.ledger, table.story, table.facts, table.steps
    measured = read_measured(sources.workspace.inspection(facts.provider, story.edition))
    waits = _waits(facts, steps, ledger)
    chain_of = {step.key: number for number, chain in enumerate(chains(steps), 1) for step in chain}
    scenes = tuple(
        replace(
            _scene(number, taken, chain_of[taken.step.key], sources.workspace, waits, measured),
            retake=_advised("retake", story, taken.step.scene.id, free=facts.free),
        )
        for number, taken in enumerate(table.scenes, 1)
    )
    seams = _seams(scenes, steps, measured)
    film = _film(story, facts, steps, sources)
    named = [(scene.id, scene.key) for scene in scenes]
    return StoryView(
        name=story.name,
        title=story.title,
        path=_from_here(story.path),
        model=story.model,
        aspect_ratio=story.aspect_ratio,
        provider=facts.provider,
        free=facts.free,
        state=standing(steps, joined=film is not None and film.current),
        scenes=scenes,
        seams=seams,
        spent=ledger.spent(sources.paid, story=story.name) if ledger else Decimal(0),
        to_pay=quote(steps).total,
        budget=story.budget,
        film=film,
        others=_others(story, steps, sources),
        warnings=(*warnings_before(story), *warnings_of(story, facts, steps)),
        until=_until(steps, scenes, waits),
        drift=drift_of(measured, named),
        inspected=any(scene.key in measured.segments for scene in scenes),
        inspect=_advised("inspect", story, free=facts.free),
        preview=_advised("run", story, free=True),
    )


def _from_here(path: Path) -> str:
    """A file as one would name it here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _advised(verb: str, story: Story, *words: str, free: bool) -> str:
    """A command as one would give it here."""
    return command(verb, replace(story, path=Path(_from_here(story.path))), *words, free=free).strip("`")


def _take(take: Take, workspace: Workspace) -> TakeView:
    record, media = take.record, ""
    if record.state == "stored" and record.present:
        media = take.key
    elif record.state == "failed" and workspace.rejected(take.key, record.attempt).exists():
        media = f"{take.key}.{record.attempt}"
    return TakeView(
        number=take.number,
        key=take.key,
        state="planned" if record.state == "none" else record.state,
        prompt=take.prompt,
        model=take.model,
        seconds=take.seconds,
        credits=record.credits,
        current=take.shown,
        planned=take.planned,
        media=media,
        version=(record.sha256 or "")[:12],
        message=printable(record.message or ""),
        job_id=record.job_id or "",
        submitted_at=record.submitted_at,
        completed_at=record.completed_at,
        verdict=take.verdict or "",
        comments=tuple(CommentView(one.text, one.second, one.at, one.verdict or "") for one in take.remarks),
    )


def _scene(
    number: int,
    taken: SceneTakes,
    chain: int,
    workspace: Workspace,
    waits: Mapping[tuple[str, int], float],
    measured: Measured,
) -> SceneView:
    step, record = taken.step, taken.step.record
    wait = waits.get((step.model, step.scene.seconds))
    under_way = record.state == "submitted" and record.submitted_at is not None
    looked_at = measured.segments.get(step.key)
    takes = tuple(_take(take, workspace) for take in taken.takes)
    shown = next((take for take in takes if take.current), None)
    return SceneView(
        number=number,
        id=step.scene.id,
        text=step.scene.text if step.scene.prompt.startswith(step.scene.text) else step.scene.prompt,
        prompt=step.scene.prompt,
        seconds=step.scene.seconds,
        join=step.scene.join,
        chain=chain,
        state=_word(step),
        reason=printable(step.reason),
        key=step.key,
        credits=record.credits if record.state in LIVE else None,
        price=step.price,
        take=shown,
        takes=takes,
        verdict=shown.verdict if shown else "",
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
        case Action.HOLD:
            return "on hold"
    return str(step.action)


def _waits(facts: Facts, steps: Sequence[Step], ledger: Ledger | None) -> dict[tuple[str, int], float]:
    """How long jobs of the models and lengths that are still to come usually take, in seconds."""
    left = {(step.model, step.scene.seconds) for step in steps if step.action in (Action.RESUME, Action.SUBMIT)}
    if ledger is None or not left:
        return {}
    told = {kind: ledger.usual_wait(facts.provider, *kind) for kind in left}
    return {kind: wait for kind, wait in told.items() if wait is not None}


def _until(steps: Sequence[Step], scenes: Sequence[SceneView], waits: Mapping[tuple[str, int], float]) -> float | None:
    """When what is under way, and what waits for it in its chain, is likely done; chains render side by side."""
    by_key = {scene.key: scene for scene in scenes}
    ends: list[float] = []
    for chain in chains(steps):
        end: float | None = None
        for step in chain:
            if (expected := by_key[step.key].expected_at) is not None:
                end = expected
            elif end is not None and step.action is Action.SUBMIT:
                end += waits.get((step.model, step.scene.seconds), 0.0)
        if end is not None:
            ends.append(end)
    return max(ends, default=None)


def _seams(scenes: Sequence[SceneView], steps: Sequence[Step], measured: Measured) -> tuple[SeamView, ...]:
    seams: list[SeamView] = []
    for number, (before, after) in enumerate(pairwise(scenes), 1):
        cut = steps[number].parent != before.key
        seam = SeamView(number, before, after, cut, kept=steps[number].continued is not None)
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
    if looked_at.get("kept"):
        return "kept; it goes on from another take"
    if looked_at.get("cut"):
        return "begins with a cut"
    if kind in (None, "tail"):
        return "goes on"
    return f"{kind}, {frames} frame{'' if frames == 1 else 's'}" if frames else str(kind)


def _film(story: Story, facts: Facts, steps: Sequence[Step], sources: Sources) -> FilmView | None:
    """The film that the plan would make, if it is on this disk, and as the ledger knows it."""
    record = next((one for one in sources.films if one.path == str(sources.film)), None)
    if record is None or not _is_there(record):
        return None
    current = film_in_place(sources.ledger, sources.film, recipe_of(story, facts, steps)) is not None
    return _film_view(record, _label(story, record), steps, current=current)


def _others(story: Story, steps: Sequence[Step], sources: Sources) -> tuple[FilmView, ...]:
    """The story's other films that lie where this one would."""
    found = (one for one in sources.films if Path(one.path).parent == sources.film.parent)
    there = (one for one in found if one.path != str(sources.film) and _is_there(one))
    return tuple(_film_view(one, _label(story, one), steps, current=True) for one in there)


def _is_there(record: FilmRecord) -> bool:
    try:
        return Path(record.path).stat().st_size == record.size
    except OSError:
        return False


def _label(story: Story, record: FilmRecord) -> str:
    """`NAME.MODEL.mp4` is by another model than the story's file says, `NAME.preview.mp4` the free preview."""
    model = Path(record.path).stem.removeprefix(story.name).removesuffix(".preview").strip(".") or story.model
    return f"free preview, {model}" if record.free else model


def _film_view(record: FilmRecord, label: str, steps: Sequence[Step], *, current: bool) -> FilmView:
    path = Path(record.path)
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
    return FilmView(path, label, record.size, record.seconds, fps, current, version, tuple(chapters))
