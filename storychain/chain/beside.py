"""What lies beside a film: captions as files, a poster, a sheet of its scenes, and the film in other formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.chain.events import Beside

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction
    from pathlib import Path

    from storychain.chain.run import Run
    from storychain.media.dressing import Dress
    from storychain.media.edit import Edit
    from storychain.story.model import Story


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
        made.append(await room.master(master.kind, master.fit, scenes))
    if made:
        run.tell(Beside(story.name, tuple(made)))


def _cards(edit: Edit, scenes: Sequence[tuple[str, Fraction, Fraction]]) -> list[tuple[Fraction, Fraction]]:
    """The stretches of the film before and after its scenes: words make poor posters."""
    begin, end = scenes[0][1], scenes[-1][2]
    return [(edit.at(0), begin), (end, edit.seconds)]
