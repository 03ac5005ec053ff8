"""Whether what is to be said fits into its scene, before anything is made or spent: of words that is a guess."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from storychain.chain.blending import seconds_from
from storychain.errors import MediaError

if TYPE_CHECKING:
    from storychain.story.model import Scene, Story

BREATH = Fraction(3, 10)
"""Seconds into a scene at which its narration begins."""

_HEARD = 0.05
"""Seconds of a narration that are told of: less comes to none where it is rounded."""


def narration_warnings(story: Story) -> tuple[str, ...]:
    """Scenes whose narration is longer than they are, or cannot be used; of words it is probably so."""
    told = [(scene, _warning(story, scene)) for scene in story.scenes]
    return tuple(f"scene {scene.id}: {warning}" for scene, warning in told if warning)


def _warning(story: Story, scene: Scene) -> str:
    try:
        seconds = _seconds(scene, story.film.narrator.speed)
    except MediaError as error:
        return f"its narration cannot be used: {error.what}"
    return too_long(story, scene, seconds) if seconds > scene.seconds else ""


def _seconds(scene: Scene, speed: int) -> float:
    """How long it takes to say what a scene has to say; 0 where that is nothing."""
    # Most stories have no narration, and plans are quick.
    if scene.narration_file is not None:
        from storychain.media.sound.duration import seconds_of  # noqa: PLC0415

        return float(seconds_of(scene.narration_file))
    if not scene.narration:
        return 0.0
    from storychain.media.sound.voice import length_of_speech  # noqa: PLC0415

    return length_of_speech(scene.narration, speed)


def too_long(story: Story, scene: Scene, spoken: float) -> str:
    """What is told of a narration that takes longer than its scene; where the film ends before it, how much is lost."""
    lost = float(BREATH) + spoken - float(seconds_from(story, scene))
    if scene is not story.scenes[-1]:
        rest = "runs into the next one"
    else:
        rest = "ends with the film" if story.film.end_card is None else "goes on over the end card"
    end = f", and about {lost:.1f} s of it are lost at the film's end" if lost >= _HEARD else ""
    return f"its narration takes about {spoken:.1f} s, and the scene lasts {scene.seconds} s; it {rest}{end}"
