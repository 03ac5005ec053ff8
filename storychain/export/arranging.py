"""From what a story has, and what the lock file of its film says, to the timeline: pure decisions.

A segment is shown as in the film where the lock file knows it, else whole; what is not there yet is a gap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from storychain.export.timeline import Item, Take, Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from storychain.export.lock import Lock, Stretch
    from storychain.export.timeline import Kind, Media


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a story as it stands: a scene or the opening, the take that stands for it, and its other takes.

    `seconds` is how long a part will be whose take has no file; `missing` then says why it has none.
    """

    name: str
    kind: Kind
    take: Take
    seconds: Fraction
    others: tuple[Take, ...] = ()
    missing: str = ""


def arranged(
    parts: Sequence[Part],
    lock: Lock | None,
    *,
    name: str,
    title: str,
    fps: Fraction,
    size: tuple[int, int],
    card: Callable[[Stretch], Media | None],
) -> Timeline:
    """The timeline of `parts` at `fps` and `size`, unless the lock file has a rate that they were shown at.

    `card` gives the file of what only the film has: title cards and placeholders.
    """
    known = _known(parts, lock)
    rate = lock.fps if lock is not None and known else fps
    items = [_item(part, known.get(number), rate, card) for number, part in enumerate(parts)]
    whole = lock is not None and _is_of(lock, parts)
    recipe = lock.recipe if lock is not None and whole else ""
    if lock is not None and whole:
        items = _with_cards(items, lock, rate, card)
    else:
        items = _without_lost_blends(items, known, lock)
    return Timeline(name, title, rate, *size, tuple(_settled(items)), recipe)


def _known(parts: Sequence[Part], lock: Lock | None) -> dict[int, Stretch]:
    """The stretch of each part that the film showed as it is now, by the part's number."""
    found = {(stretch.kind, stretch.scene): stretch for stretch in (lock.stretches if lock else ())}
    known = {}
    for number, part in enumerate(parts):
        stretch = found.get((part.kind, part.name))
        if stretch is not None and (part.kind == "placeholder" or stretch.key == part.take.key):
            known[number] = stretch
    return known


def _is_of(lock: Lock, parts: Sequence[Part]) -> bool:
    """Whether the film is just of these parts."""
    told = [(stretch.kind, stretch.scene, stretch.key) for stretch in lock.stretches if stretch.kind != "card"]
    ours = [
        (part.kind, part.name, told[number][2] if part.kind == "placeholder" and number < len(told) else part.take.key)
        for number, part in enumerate(parts)
    ]
    return told == ours


def _item(part: Part, stretch: Stretch | None, fps: Fraction, card: Callable[[Stretch], Media | None]) -> Item:
    take, missing = part.take, part.missing
    if part.kind == "placeholder" and stretch is not None and (media := card(stretch)) is not None:
        take, missing = replace(take, key=stretch.key, media=media), ""
    item = Item(part.name, part.kind, max(1, round(part.seconds * fps)), take, others=part.others, missing=missing)
    if item.media is None:
        return replace(item, missing=missing or "its file is not here")
    there = item.media.frames_at(fps)
    if stretch is None or stretch.source_end > there:
        return replace(item, frames=there)
    return _as_shown(item, stretch)


def _as_shown(item: Item, stretch: Stretch) -> Item:
    return replace(
        item,
        frames=stretch.frames,
        first=stretch.source_begin,
        blend=stretch.blend,
        transition=stretch.transition,
        seam=stretch.seam,
    )


def _with_cards(
    items: Sequence[Item], lock: Lock, fps: Fraction, card: Callable[[Stretch], Media | None]
) -> list[Item]:
    rest = iter(items)
    return [_card(stretch, fps, card) if stretch.kind == "card" else next(rest) for stretch in lock.stretches]


def _card(stretch: Stretch, fps: Fraction, card: Callable[[Stretch], Media | None]) -> Item:
    media = card(stretch)
    take = Take(stretch.key, media=media, prompt=stretch.prompt)
    item = Item(stretch.scene, "card", stretch.frames, take, missing="" if media else "its card is not kept as a file")
    return _as_shown(item, stretch) if media and stretch.source_end <= media.frames_at(fps) else item


def _without_lost_blends(items: Sequence[Item], known: dict[int, Stretch], lock: Lock | None) -> list[Item]:
    """Items come in over the one before only where the film had just these two together."""
    places = {id(stretch): place for place, stretch in enumerate(lock.stretches if lock else ())}
    kept = []
    for number, item in enumerate(items):
        here, before = known.get(number), known.get(number - 1)
        together = here is not None and before is not None and places[id(here)] == places[id(before)] + 1
        kept.append(item if together else replace(item, blend=0, transition="", seam=None))
    return kept


def _settled(items: Sequence[Item]) -> list[Item]:
    """Nothing comes in over a gap, out of one, or over more than half of what is there."""
    kept: list[Item] = []
    for item in items:
        before = kept[-1] if kept else None
        most = min(item.frames, before.frames) // 2 if before and before.media and item.media else 0
        fits = item.blend <= most
        kept.append(item if fits else replace(item, blend=0, transition=""))
    return kept
