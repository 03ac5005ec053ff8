"""From what a story says under `film:` to what the cutting room does: cards, captions, voices, and their moments.

Nothing here opens a file; what costs nothing to know is decided, what has to be made is asked of the room.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, cast

from storychain.chain.narration import BREATH
from storychain.chain.run import Run, off_loop
from storychain.media.dressing import Dress, Mark, Spoken
from storychain.media.edit import Clip
from storychain.media.outputs.cueing import Caption
from storychain.media.sound.mix import Music

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from storychain.media.edit import Edit
    from storychain.plan import Step
    from storychain.story.finishing import TitleCard, Transition
    from storychain.story.model import Scene, Story

NOTE = "The pictures of this film are AI-generated."
"""Goes into every film's metadata."""

_CARDS = 3
"""Counts up when cards are painted differently: those painted before are then painted anew."""

Corner = Literal["top-left", "top-right", "bottom-left", "bottom-right"]


async def with_cards(
    run: Run, story: Story, clips: Sequence[Clip], *, ended: bool = True, shape: str = ""
) -> tuple[list[Clip], int]:
    """The clips with the story's cards before them and, where they are `ended`, after; and how many come before.

    The cards are painted for a film of which the middle is cut out in that `shape`, where one is given.
    """
    film, made = story.film, list(clips)
    if film.end_card is not None and ended:
        made.append(_following(await _card(run, film.end_card, "end", clips, shape), film.transition))
    if film.title_card is not None:
        opens = story.start is not None and story.start.include
        made[0] = _following(made[0], film.transition if opens else story.scenes[0].transition)
        made.insert(0, await _card(run, film.title_card, "title", clips, shape))
    return made, int(film.title_card is not None)


def _following(clip: Clip, transition: Transition | None) -> Clip:
    """The clip as it follows the one before it."""
    return clip if transition is None else replace(clip, blend=transition.seconds, transition=transition.kind)


async def _card(run: Run, card: TitleCard, title: str, clips: Sequence[Clip], shape: str) -> Clip:
    """A card in the form of the film around it; painted once."""
    form = run.room.edit(clips, drawn=True).form
    name = hashlib.sha256(repr((_CARDS, card, form, shape)).encode()).hexdigest()[:32]
    video = run.workspace.placeholder(f"card-{name}")
    if not video.exists():
        await run.room.paint_card(card.text, card.subtitle, form, card.seconds, video, shape)
    prepared = await run.room.prepare(video, run.workspace.prepared(f"card-{name}"), strict=False)
    return Clip(prepared, title)


def dress_of(story: Story, edit: Edit, first: int, voices: Sequence[Spoken]) -> Dress:
    """How the film is dressed; the scenes' clips begin with number `first` of the edit."""
    film = story.film
    return Dress(
        captions=tuple(captions_of(story, edit, first)),
        subtitles=film.subtitles,
        language=film.language,
        mark=None
        if film.watermark is None
        else Mark(
            film.watermark.file, cast("Corner", film.watermark.corner), film.watermark.width, film.watermark.opacity
        ),
        fade_in=film.fade_in,
        fade_out=film.fade_out,
        music=None
        if film.music is None
        else Music(
            film.music.file,
            volume=film.music.volume,
            fade_in=float(film.music.fade),
            fade_out=float(film.music.fade),
            duck=film.music.duck,
        ),
        voices=tuple(voices),
        loudness=film.loudness,
        chapters=film.chapters,
    )


def sounds_alone(story: Story) -> bool:
    """Whether the film's sound is that of its segments and nothing before, under or over them."""
    film = story.film
    spoken = any(scene.narration or scene.narration_file for scene in story.scenes)
    return not (spoken or film.music or film.title_card or film.match_loudness)


def draws(story: Story) -> bool:
    """Whether the story's film is drawn on, whatever its clips are."""
    burned = story.film.subtitles == "burned" and any(scene.caption for scene in story.scenes)
    return burned or bool(story.film.watermark or story.film.fade_in or story.film.fade_out)


def captions_of(story: Story, edit: Edit, first: int) -> list[Caption]:
    """The captions of the scenes that are in the edit, each while its scene is seen."""
    scenes = list(enumerate(story.scenes, start=first))[: len(edit.shots) - first]
    return [Caption(edit.at(place), edit.at(place + 1), scene.caption) for place, scene in scenes if scene.caption]


async def voices_of(run: Run, story: Story, edit: Edit, first: int) -> list[Spoken]:
    """The scenes' narrations: files as they are, words spoken once and kept."""
    spoken: list[Spoken] = []
    for place, scene in enumerate(story.scenes, start=first):
        sound = await narration_of(run, story, scene)
        if sound is not None:
            at = min(edit.at(place) + BREATH, edit.at(place + 1) - Fraction(1, 100))
            spoken.append(Spoken(sound, max(Fraction(0), at)))
    return spoken


async def narration_of(run: Run, story: Story, scene: Scene) -> Path | None:
    """The sound of a scene's narration, or None where it has none."""
    if scene.narration_file is not None:
        return scene.narration_file
    if not scene.narration:
        return None
    narrator = story.film.narrator
    name = hashlib.sha256(repr((narrator, scene.narration)).encode()).hexdigest()[:32]
    sound = run.workspace.voice(name)
    if not await off_loop(sound.exists):
        await run.room.speak(scene.narration, narrator.speaker, narrator.voice, narrator.speed, sound)
    return sound


def chapters_of(edit: Edit, steps: Sequence[Step], first: int) -> list[tuple[str, Fraction, Fraction]]:
    """Each scene's name, and the seconds of the film at which it begins and ends."""
    scenes = enumerate(steps, start=first)
    return [(step.scene.id, edit.at(place), edit.at(place + 1)) for place, step in scenes]
