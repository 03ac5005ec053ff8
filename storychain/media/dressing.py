"""What is done to a film's pictures and sound beyond joining its clips: captions, watermark, fades, music, voices.

All of it is told in seconds of the film; here it becomes layers on frames and stretches of samples.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from storychain.lettering.captions import columns_for
from storychain.media.outputs.cueing import Caption, Cue, cues
from storychain.media.outputs.overlays import caption_png, watermark_png
from storychain.media.outputs.subtitles import srt_text
from storychain.media.pieces import Layer, Look
from storychain.media.recipes import SOUND_RATE
from storychain.media.sound.loudness import gain_for
from storychain.media.sound.mix import Music, Voice, mix
from storychain.media.soundtrack import Soundtrack, settled
from storychain.media.timeline import Span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from storychain.media.edit import Edit
    from storychain.media.sound.stretch import Heard
    from storychain.media.tool import Ffmpeg


@dataclass(frozen=True, slots=True)
class Mark:
    """A picture over the whole film: its corner, its share of the film's width, its opacity from 0 to 1."""

    file: Path
    corner: Literal["top-left", "top-right", "bottom-left", "bottom-right"]
    width: float
    opacity: float


@dataclass(frozen=True, slots=True)
class Spoken:
    """A narration, and the second of the film at which it begins."""

    sound: Path
    at: Fraction


@dataclass(frozen=True, slots=True)
class Dress:
    """How a film is dressed. `subtitles` says what becomes of the captions: a track, drawn into the picture, or none.

    `fade_in` and `fade_out` are seconds, `loudness` LUFS or None for as it comes.
    """

    captions: tuple[Caption, ...] = ()
    subtitles: Literal["soft", "burned", "off"] = "soft"
    language: str = "eng"
    mark: Mark | None = None
    fade_in: Fraction = Fraction(0)
    fade_out: Fraction = Fraction(0)
    music: Music | None = None
    voices: tuple[Spoken, ...] = ()
    loudness: float | None = None
    chapters: bool = True

    @property
    def draws(self) -> bool:
        """Whether pictures have to be drawn anew for it."""
        return bool((self.captions and self.subtitles == "burned") or self.mark or self.fade_in or self.fade_out)

    @property
    def mixes(self) -> bool:
        """Whether the sound is more than that of the segments."""
        return self.music is not None or bool(self.voices)


PLAIN = Dress()
"""A film of its clips and nothing else."""


def cues_of(dress: Dress, edit: Edit) -> tuple[Cue, ...]:
    """The captions as they are shown, within the film."""
    if dress.subtitles == "off":
        return ()
    columns = columns_for((edit.form.width, edit.form.height))
    return cues(dress.captions, until=edit.seconds, columns=columns)


def track_of(dress: Dress, edit: Edit) -> str | None:
    """The captions as SubRip for a track in the film, or None where there is to be none."""
    shown = cues_of(dress, edit) if dress.subtitles == "soft" else ()
    return srt_text(shown) or None


async def look_of(dress: Dress, edit: Edit, folder: Path) -> Look | None:
    """What is laid over the film's pictures, its layers painted in `folder`; None where nothing is."""
    if not dress.draws:
        return None
    size = (edit.form.width, edit.form.height)
    look = Look(
        edit.frames,
        fade_in=min(edit.frames // 2, round(dress.fade_in * edit.form.fps)),
        fade_out=min(edit.frames // 2, round(dress.fade_out * edit.form.fps)),
    )
    layers: list[Layer] = []
    if dress.mark is not None:
        picture, mark = folder / "mark.png", dress.mark
        await watermark_png(mark.file, size, picture, corner=mark.corner, width=mark.width, opacity=mark.opacity)
        layers.append(Layer(picture, Span(0, edit.frames)))
    if dress.subtitles == "burned":
        for number, cue in enumerate(cues_of(dress, edit)):
            span = Span(round(cue.begin * edit.form.fps), round(cue.end * edit.form.fps))
            if span.end > span.begin:
                picture = folder / f"caption{number}.png"
                await caption_png("\n".join(cue.lines), size, picture)
                layers.append(Layer(picture, span))
    return replace(look, layers=tuple(layers))


async def sound_of(
    ffmpeg: Ffmpeg, dress: Dress, heard: Sequence[Heard], folder: Path, early: Soundtrack | None
) -> Soundtrack:
    """The film's sound in `folder`: `early` where it is just that, else made now. Raises MediaError."""
    if not dress.mixes:
        return await settled(ffmpeg, heard, folder, await gain_for(ffmpeg, heard, dress.loudness), early)
    voices = [Voice(one.sound, int(one.at * SOUND_RATE)) for one in dress.voices]
    return await mix(ffmpeg, heard, folder, music=dress.music, voices=voices, target=dress.loudness)


async def written(text: str, out: Path) -> Path:
    """Write text to a file off the loop, and return it."""
    await asyncio.to_thread(out.write_text, text, encoding="utf-8", newline="\n")
    return out
