"""Whether what is to be said fits into its scene, before anything is made or spent: of words that is a guess."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.errors import MediaError

if TYPE_CHECKING:
    from storychain.story.model import Scene, Story


def narration_warnings(story: Story) -> tuple[str, ...]:
    """Scenes whose narration is longer than they are, or cannot be used; of words it is probably so."""
    last = story.scenes[-1]
    told = [(scene, _warning(scene, story.film.narrator.speed, last=scene is last)) for scene in story.scenes]
    return tuple(f"scene {scene.id}: {warning}" for scene, warning in told if warning)


def _warning(scene: Scene, speed: int, *, last: bool) -> str:
    try:
        seconds = _seconds(scene, speed)
    except MediaError as error:
        return f"its narration cannot be used: {error.what}"
    return too_long(seconds, scene.seconds, last=last) if seconds > scene.seconds else ""


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


def too_long(spoken: float, seconds: int, *, last: bool) -> str:
    """What is told of a narration that takes longer than its scene."""
    rest = "ends with the film" if last else "runs into the next one"
    return f"its narration takes about {spoken:.1f} s, and the scene lasts {seconds} s; it {rest}"
