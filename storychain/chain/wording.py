"""Whether words that become pictures will be seen in the film: the fonts of this machine tell, and cost nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.printable import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storychain.story.finishing import TitleCard
    from storychain.story.model import Story

UNREADABLE = "no font on this machine has enough of its letters"

_SHORTER_SIDE = 720
"""Pixels of the picture that cards are tried on: what fits does not depend on its size, only on its shape."""


def draws_words(story: Story) -> bool:
    """Whether any words become pictures, for which fonts have to be looked through."""
    return any(_drawn_words(story))


def undrawn(story: Story) -> str | None:
    """Where words stand that no font here can draw, and without which there is no film."""
    from storychain.media.outputs.overlays import readable  # noqa: PLC0415 - most stories draw no words

    return next((where for where, words in _drawn_words(story) if not readable(words)), None)


def wording_warnings(story: Story) -> tuple[str, ...]:
    """What of the words of cards and burned captions will not be seen."""
    if not draws_words(story):
        return ()
    from storychain.media.outputs.overlays import readable, unseen  # noqa: PLC0415 - plans are quick

    told = []
    for where, words in _drawn_words(story):
        if not readable(words):
            told.append(f"{where}: {UNREADABLE}, so a run buys nothing")
        elif lost := unseen(words):
            told.append(f"{where}: no font on this machine has {listed(lost)}; it is shown without")
    return (*told, *_cut(story))


def _cut(story: Story) -> Iterator[str]:
    from storychain.media.outputs.overlays import cut_on_card  # noqa: PLC0415

    wide, high = map(int, story.aspect_ratio.split(":"))
    size = (round(wide * _SHORTER_SIDE / min(wide, high)), round(high * _SHORTER_SIDE / min(wide, high)))
    for name, card in _cards(story):
        for part, is_cut in zip(("text", "subtitle"), cut_on_card(card.text, card.subtitle, size), strict=True):
            if is_cut:
                yield f"{name}.{part}: there is too much of it for a card; its end is left out"


def _cards(story: Story) -> Iterator[tuple[str, TitleCard]]:
    film = story.film
    for name, card in (("film.title_card", film.title_card), ("film.end_card", film.end_card)):
        if card is not None:
            yield name, card


def _drawn_words(story: Story) -> Iterator[tuple[str, str]]:
    """Words that become pictures, and where they are written."""
    for name, card in _cards(story):
        yield name, card.text
        if card.subtitle:
            yield f"{name}.subtitle", card.subtitle
    if story.film.subtitles == "burned":
        for scene in story.scenes:
            if scene.caption:
                yield f"scene {scene.id}", scene.caption
