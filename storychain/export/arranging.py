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
        gap = replace(item, missing=missing or "its file is not here")
        return gap if stretch is None else _as_shown(gap, stretch)
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
    if media is not None and stretch.source_end > media.frames_at(fps):
        media = None  # whatever lies there now, the film does not show it
    take = Take(stretch.key, media=media, prompt=stretch.prompt)
    item = Item(stretch.scene, "card", stretch.frames, take, missing="" if media else "its file is not here")
    return _as_shown(item, stretch)


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
    """Nothing comes in over a gap, out of one, or over more than half of what is there.

    A gap ends where the clip after it begins to be seen, and begins where the one before it is gone: all that follows
    stays where the film has it.
    """
    kept: list[Item] = []
    for item in items:
        before = kept[-1] if kept else None
        if before is None or (before.media and item.media):
            most = min(item.frames, before.frames) // 2 if before else 0
            kept.append(item if item.blend <= most else _cut_to(item))
            continue
        if before.media is None:
            kept[-1] = replace(before, frames=max(1, before.frames - item.blend))
            kept.append(_cut_to(item))
        else:
            kept.append(replace(_cut_to(item), frames=max(1, item.frames - item.blend)))
    return kept


def _cut_to(item: Item) -> Item:
    return replace(item, blend=0, transition="")
