"""What lies beside a film: captions as files, a poster, a sheet of its scenes, and the film in other formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.chain.events import Beside, Copying
from storychain.chain.files import kinds_of
from storychain.chain.finishing import NOTE, with_cards
from storychain.export.lock import lock_path, read_lock, recipe_in
from storychain.media.outputs.names import beside
from storychain.media.reshaping import CardWords, Joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction
    from pathlib import Path

    from storychain.chain.run import Run
    from storychain.ledger import Ledger
    from storychain.media.dressing import Dress
    from storychain.media.edit import Clip, Edit
    from storychain.story.finishing import Master
    from storychain.story.model import Story


def all_there(story: Story, film: Path, recipe: str) -> bool:
    """Whether all that belongs beside a film of this recipe lies there. Its lock file is written last, so it tells."""
    return recipe_in(lock_path(film)) == recipe and all(beside(film, kind).exists() for kind in kinds_of(story))


def let_go_of_the_former(run: Run, story: Story, film: Path) -> None:
    """Remove what was made beside the film that was here and is asked for no more, then its lock file, which names it.

    Captions of another film would be shown with this one: players take them by their name. What has become the film of
    another story meanwhile is that story's.
    """
    former = read_lock(lock_path(film))
    gone = set(former.beside if former else ()) - set(kinds_of(story))
    ours = {kind for kind in gone if run.ledger.story_of_film(beside(film, kind)) in (None, story.name)}
    run.room.beside(film).remove(ours)
    lock_path(film).unlink(missing_ok=True)


def neighbours(story: Story, film: Path) -> list[Path]:
    """Where all goes that a story asks for beside its film, the film's lock file among it."""
    return [*(beside(film, kind) for kind in kinds_of(story)), lock_path(film)]


def anothers(ledger: Ledger, story: Story, film: Path) -> str | None:
    """Which of the files that a story's film would replace is another story's, in words for a person; None if none is.

    Film or copy: one is on record by its path, the other named by the lock file of the film it lies beside.
    """
    for path in (film, *neighbours(story, film)):
        owner = ledger.story_of_film(path) if path.suffix == ".mp4" and path.exists() else None
        if owner not in (None, story.name):
            return f"{path.name} is the film of the story {owner}"
    stems = film.stem.split(".")
    for count in range(1, len(stems)):
        other = film.with_name(f"{'.'.join(stems[:count])}.mp4")
        lock = read_lock(lock_path(other)) if film.exists() else None
        if lock is not None and lock.story != story.name and any(beside(other, kind) == film for kind in lock.beside):
            return f"{film.name} is a copy of the film of the story {lock.story}"
    return None


async def make_beside(
    run: Run,
    story: Story,
    film: Path,
    dress: Dress,
    edit: Edit,
    clips: Sequence[Clip],
    scenes: Sequence[tuple[str, Fraction, Fraction]],
) -> None:
    """Make what the story asks for beside its film, which was joined from these clips and the story's cards.

    Raises MediaError; the film is there all the same.
    """
    kinds, room = kinds_of(story), run.room.beside(film)
    made: list[Path] = []
    if "srt" in kinds:
        made += await room.subtitles(dress, edit)
    if "poster" in kinds:
        made.append(await room.poster(_cards(edit, scenes)))
    if "sheet" in kinds:
        made.append(await room.sheet(story.title, scenes))
    for master in story.film.formats:
        joined = await _joined(run, story, master, dress, clips)
        tell = _telling(run, story, master.kind)
        made.append(await room.master(master.kind, master.fit, scenes, tell, joined=joined))
    if made:
        run.tell(Beside(story.name, tuple(made)))


async def _joined(run: Run, story: Story, master: Master, dress: Dress, clips: Sequence[Clip]) -> Joined | None:
    """What the film was joined from, where a master cuts out its middle and would cut off what is written over it."""
    title, end = story.film.title_card, story.film.end_card
    burned = dress.subtitles == "burned" and dress.captions
    if master.fit != "crop" or ":" not in master.kind or not (title or end or burned or dress.mark):
        return None
    shaped, _ = await with_cards(run, story, clips, shape=master.kind)
    cards = [CardWords(place, card.text, card.subtitle) for place, card in ((0, title), (len(shaped) - 1, end)) if card]
    return Joined(shaped, story.title, NOTE, dress, cards)


def _telling(run: Run, story: Story, kind: str) -> Callable[[float], None]:
    return lambda seconds: run.tell(Copying(story.name, kind, seconds))


def _cards(edit: Edit, scenes: Sequence[tuple[str, Fraction, Fraction]]) -> list[tuple[Fraction, Fraction]]:
    """The stretches of the film before and after its scenes: words make poor posters."""
    begin, end = scenes[0][1], scenes[-1][2]
    return [(edit.at(0), begin), (end, edit.seconds)]
