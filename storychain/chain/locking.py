"""What goes into a film's lock file: which segment, prompt, job and credits every second of it came from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from storychain import __version__
from storychain.chain.files import kinds_of
from storychain.chain.survey import attempts_of
from storychain.export.lock import Stretch, lock_document, stretches_of, write_lock
from storychain.export.timeline import Seam
from storychain.plan import Action
from storychain.records import NOTHING
from storychain.takes import takes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.chain.run import Run
    from storychain.export.timeline import Kind
    from storychain.ledger import SeamRecord
    from storychain.media.edit import Clip, Edit
    from storychain.plan import Facts, Step
    from storychain.records import Record
    from storychain.story.model import Story


def lock_film(
    run: Run,
    story: Story,
    told: Sequence[Stretch],
    edit: Edit,
    film: Path,
    *,
    sha256: str,
    recipe: str,
) -> None:
    """Write the lock file beside a film; `told` are its clips, `edit` when they are seen. Raises DiskTrouble."""
    document = lock_document(
        stretches_of(edit, told),
        story=story.name,
        title=story.title,
        fps=edit.form.fps,
        film=film.name,
        film_sha256=sha256,
        film_size=film.stat().st_size,
        recipe=recipe,
        ffmpeg=run.room.version,
        storychain=__version__,
        beside=kinds_of(story),
    )
    write_lock(film, document)


def stretches_on_record(
    run: Run,
    story: Story,
    facts: Facts,
    steps: Sequence[Step],
    clips: Sequence[Clip],
    seams: Sequence[SeamRecord | None],
) -> list[Stretch]:
    """The scenes' stretches of the film, without their frames; `seams` are where each of the `clips` begins."""
    records = run.ledger.records(step.key for step in steps if step.action is not Action.PLACEHOLDER)
    shown = [one.shown.number for one in takes_of(steps, attempts_of(story, facts, run.ledger), ())]
    told = zip(steps, clips, shown, seams, strict=True)
    return [_stretch(run, step, clip, records.get(step.key, NOTHING), take, seam) for step, clip, take, seam in told]


def _stretch(run: Run, step: Step, clip: Clip, record: Record, take: int, seam: SeamRecord | None) -> Stretch:
    scene = step.scene
    if step.action is Action.PLACEHOLDER:
        return _painted(run, "placeholder", scene.id, clip, scene.text)
    return Stretch(
        "scene",
        scene.id,
        key=step.key,
        take=take,
        file=_within(run, run.workspace.segment(step.key)),
        sha256=record.sha256,
        job_id=record.job_id,
        prompt=record.prompt or scene.prompt,
        model=step.model,
        credits=record.credits,
        seam=None if seam is None else Seam(seam.kind, seam.frames, seam.confidence),
    )


def opening_stretch(facts: Facts) -> Stretch:
    """The start video's stretch of the film, without its frames."""
    identity = facts.start[0]
    sha256 = identity.removeprefix("sha256:") if identity.startswith("sha256:") else None
    return Stretch("opening", "opening", key=hashlib.sha256(identity.encode()).hexdigest()[:32], sha256=sha256)


def card_stretch(run: Run, clip: Clip, words: str) -> Stretch:
    """A title card's stretch of the film, without its frames."""
    return _painted(run, "card", clip.title, clip, words)


def _painted(run: Run, kind: Kind, scene: str, clip: Clip, words: str) -> Stretch:
    """The stretch of a clip that was painted here: it has no key but what it shows, which names its file."""
    name = clip.prepared.folder.name.removeprefix("placeholder-")
    file = _within(run, run.workspace.placeholder(name))
    return Stretch(kind, scene, key=name.removeprefix("card-"), file=file, prompt=words)


def _within(run: Run, file: Path) -> str:
    return file.relative_to(run.workspace.root).as_posix()
