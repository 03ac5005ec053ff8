"""Whether what is to be said fits into its scene: a guess from the words, before anything is made or spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storychain.story.model import Story


def narration_warnings(story: Story) -> tuple[str, ...]:
    """Scenes whose narration is probably too long for them, by its words alone."""
    if not any(scene.narration for scene in story.scenes):
        return ()
    from storychain.media.sound.voice import length_of_speech  # noqa: PLC0415 - most stories have none, and plans are quick

    speed = story.film.narrator.speed
    guessed = [(scene, length_of_speech(scene.narration, speed)) for scene in story.scenes if scene.narration]
    return tuple(
        f"scene {scene.id}: {too_long(seconds, scene.seconds, last=scene is story.scenes[-1])}"
        for scene, seconds in guessed
        if seconds > scene.seconds
    )


def too_long(spoken: float, seconds: int, *, last: bool) -> str:
    """What is told of a narration that takes longer than its scene."""
    rest = "ends with the film" if last else "runs into the next one"
    return f"its narration takes about {spoken:.1f} s, and the scene lasts {seconds} s; it {rest}"
