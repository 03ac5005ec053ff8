"""A film in another shape whose middle is cut out: what is written over it is set for that shape, not cut off with it.

The film is joined once more without its words, cut, and dressed anew. Cards are laid over where they stand alone; where
a scene comes in over them, they are those of the clips, which are to be painted for the shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from storychain.media.aside import folder_aside
from storychain.media.dressing import look_of
from storychain.media.film import assemble
from storychain.media.outputs.masters import has_shape, ratio_of, reshaped_film, size_in
from storychain.media.outputs.overlays import card_png
from storychain.media.outputs.threads import to_its_end
from storychain.media.pieces import Layer, Look
from storychain.media.probe import probe
from storychain.media.timeline import Span

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from storychain.media.dressing import Dress
    from storychain.media.edit import Clip, Edit
    from storychain.media.tool import Ffmpeg


@dataclass(frozen=True, slots=True)
class CardWords:
    """What is written on the card that is the clip of that number."""

    clip: int
    title: str
    subtitle: str


@dataclass(frozen=True, slots=True)
class Joined:
    """What a film was joined from: its clips, the words in its metadata, how it is dressed, and its cards."""

    clips: Sequence[Clip]
    title: str
    note: str
    dress: Dress
    cards: Sequence[CardWords] = ()


async def dressed_anew(
    ffmpeg: Ffmpeg,
    film: Path,
    out: Path,
    kind: str,
    joined: Joined,
    *,
    on_progress: Callable[[float], None] | None = None,
) -> None:
    """Write the `film`, joined from these clips, in the shape `kind` (such as 9:16) by cutting out its middle.

    Costs what another shape costs, and joining the film once more. Raises MediaError, DiskTrouble.
    """
    facts, ratio = await to_its_end(lambda: probe(film)), ratio_of(kind)
    if has_shape(facts, ratio):
        await reshaped_film(ffmpeg, film, out, ratio, "crop", on_progress=on_progress)
        return
    dress = joined.dress
    bare = replace(dress, mark=None, fade_in=Fraction(0), fade_out=Fraction(0))
    if dress.subtitles == "burned":
        bare = replace(bare, subtitles="off")
    with folder_aside(out.parent) as aside:
        made = await assemble(ffmpeg, joined.clips, aside / film.name, title=joined.title, note=joined.note, dress=bare)
        size = size_in(ratio, facts)
        form = replace(made.edit.form, width=size[0], height=size[1], sample_aspect_ratio=Fraction(1))
        edit = replace(made.edit, form=form)
        look = await look_of(dress, edit, aside) or Look(edit.frames)
        cards = [await _card(words, edit, aside) for words in joined.cards]
        look = replace(look, layers=(*cards, *look.layers))
        await reshaped_film(ffmpeg, aside / film.name, out, ratio, "crop", look=look, on_progress=on_progress)


async def _card(words: CardWords, edit: Edit, folder: Path) -> Layer:
    """The card, over the frames that it shares with no other clip."""
    shots, place = edit.shots, edit.places[words.clip]
    after = shots[words.clip + 1].blend if words.clip + 1 < len(shots) else 0
    picture = folder / f"card{words.clip}.png"
    await card_png(words.title, words.subtitle, (edit.form.width, edit.form.height), picture)
    shot = shots[words.clip]
    return Layer(picture, Span(place + shot.blend, place + shot.frames - after))
