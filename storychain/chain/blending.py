"""Transitions and fades that cannot be as long as they are asked for: at most half of what they join, or of the film.
Pure; no segment is needed.

A plan tells of those it can foresee; where a segment turns out shorter, whoever makes the film tells the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from storychain.printable import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from storychain.media.edit import Clip, Edit
    from storychain.story.finishing import Transition
    from storychain.story.model import Scene, Story

_LEAST = Fraction(1, 48)
"""Seconds: half a frame of the slowest film. What is shorter comes to no frame at all."""

_AS_FORESEEN = Fraction(1, 10)
"""Seconds less than foreseen that are not told once more: segments are a few frames longer or shorter."""


@dataclass(frozen=True, slots=True)
class Blend:
    """A transition into something of the film: seconds that are asked for, and that there can be."""

    into: str
    asked: Fraction
    gets: Fraction


def blending_warnings(story: Story) -> tuple[str, ...]:
    """Which transitions will be shorter than they are asked for, or none."""
    return (*_told(list(_foreseen(story))), *_fade_warnings(story))


def _fade_warnings(story: Story) -> tuple[str, ...]:
    """Of fades, where the film's length is foreseen."""
    parts = [seconds for _, seconds, _ in _parts(story)]
    if None in parts:
        return ()
    blends = sum((blend.gets for blend in _foreseen(story)), Fraction(0))
    return _fades_told(story, sum((seconds or Fraction(0) for seconds in parts), -blends) / 2)


def _fades_told(story: Story, half: Fraction) -> tuple[str, ...]:
    fades = (("in", story.film.fade_in), ("out", story.film.fade_out))
    return tuple(
        f"the film's fade {way} takes {_seconds(half)}, not {_seconds(asked)}: at most half of the film"
        for way, asked in fades
        if asked > half
    )


def seconds_from(story: Story, scene: Scene) -> Fraction:
    """Seconds of the film from a scene's beginning to the end of all that follows it, as far as they are foreseen."""
    over = {blend.into: blend.gets for blend in _foreseen(story)}
    parts = [(name, seconds or Fraction(0)) for name, seconds, _ in _parts(story)]
    place = next(number for number, (name, _) in enumerate(parts) if name == f"scene {scene.id}")
    following = (seconds - over.get(name, 0) for name, seconds in parts[place + 1 :])
    return sum(following, Fraction(scene.seconds))


def shorter_than_foreseen(story: Story, clips: Sequence[Clip], edit: Edit) -> tuple[str, ...]:
    """The same of a film's edit, as far as the story alone did not tell it already."""
    names = [name for name, _, _ in _parts(story)]
    foreseen = {blend.into: blend.gets for blend in _foreseen(story)}
    made = [
        Blend(name, clip.blend, shot.blend / edit.form.fps)
        for name, clip, shot in zip(names, clips, edit.shots, strict=True)
    ]
    return _told([one for one in made if one.gets < min(one.asked, foreseen.get(one.into, one.asked)) - _AS_FORESEEN])


def _told(blends: Sequence[Blend]) -> tuple[str, ...]:
    """A line for all of those that come out alike."""
    alike: dict[tuple[Fraction, Fraction], list[str]] = {}
    for blend in blends:
        if blend.gets < blend.asked:
            alike.setdefault((blend.asked, blend.gets), []).append(blend.into)
    return tuple(_words(asked, gets, listed(into)) for (asked, gets), into in alike.items())


def _words(asked: Fraction, gets: Fraction, into: str) -> str:
    if not gets:
        return f"there is no transition of {_seconds(asked)} into {into} but a hard cut: it comes to less than a frame"
    return (
        f"the transition into {into} takes {_seconds(gets)}, not {_seconds(asked)}: at most half of either of the two "
        "that it joins"
    )


def _seconds(seconds: Fraction) -> str:
    return f"{float(seconds):.3g} s"


def _foreseen(story: Story) -> Iterator[Blend]:
    before: Fraction | None = None
    for number, (into, seconds, transition) in enumerate(_parts(story)):
        if number and transition is not None:
            halves = [half / 2 for half in (before, seconds) if half is not None]
            gets = min(transition.seconds, *halves)
            yield Blend(into, transition.seconds, gets if gets > _LEAST else Fraction(0))
        before = seconds


def _parts(story: Story) -> Iterator[tuple[str, Fraction | None, Transition | None]]:
    """What a film shows one after the other: its name, its seconds where they are known, and how it comes in."""
    film = story.film
    opens = story.start is not None and story.start.include
    if film.title_card is not None:
        yield "the title card", film.title_card.seconds, None
    if opens:
        yield "the start video", None, film.transition
    for scene in story.scenes:
        yield f"scene {scene.id}", Fraction(scene.seconds), scene.transition
    if film.end_card is not None:
        yield "the end card", film.end_card.seconds, film.transition
