"""What lies beside a film: captions as files, a poster, a sheet of its scenes, and the film in other formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.chain.events import Beside, Copying
from storychain.export.lock import lock_path, read_lock
from storychain.media.outputs.names import beside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction
    from pathlib import Path

    from storychain.chain.run import Run
    from storychain.media.dressing import Dress
    from storychain.media.edit import Edit
    from storychain.story.model import Story


def all_there(story: Story, film: Path, recipe: str) -> bool:
    """Whether all that belongs beside a film of this recipe lies there. Its lock file is written last, so it tells."""
    lock = read_lock(lock_path(film))
    return lock is not None and lock.recipe == recipe and all(path.exists() for path in _wanted(story, film))


def _wanted(story: Story, film: Path) -> list[Path]:
    """What a story asks for beside its film."""
    told = story.film
    captioned = told.subtitles != "off" and any(scene.caption for scene in story.scenes)
    stills = [kind for kind, wanted in (("poster", told.poster), ("sheet", told.contact_sheet)) if wanted]
    kinds = [*(("srt", "vtt") if captioned else ()), *stills, *(master.kind for master in told.formats)]
    return [beside(film, kind) for kind in kinds]


async def make_beside(
    run: Run,
    story: Story,
    film: Path,
    dress: Dress,
    edit: Edit,
    scenes: Sequence[tuple[str, Fraction, Fraction]],
) -> None:
    """Make what the story asks for beside its film. Raises MediaError; the film is there all the same."""
    wanted, room = story.film, run.room.beside(film)
    made: list[Path] = []
    if dress.captions and dress.subtitles != "off":
        made += await room.subtitles(dress, edit)
    if wanted.poster:
        made.append(await room.poster(_cards(edit, scenes)))
    if wanted.contact_sheet:
        made.append(await room.sheet(story.title, scenes))
    for master in wanted.formats:
        made.append(await room.master(master.kind, master.fit, scenes, _telling(run, story, master.kind)))
    if made:
        run.tell(Beside(story.name, tuple(made)))


def _telling(run: Run, story: Story, kind: str) -> Callable[[float], None]:
    return lambda seconds: run.tell(Copying(story.name, kind, seconds))


def _cards(edit: Edit, scenes: Sequence[tuple[str, Fraction, Fraction]]) -> list[tuple[Fraction, Fraction]]:
    """The stretches of the film before and after its scenes: words make poor posters."""
    begin, end = scenes[0][1], scenes[-1][2]
    return [(edit.at(0), begin), (end, edit.seconds)]
