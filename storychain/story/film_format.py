"""What people may write under `film:`, field by field, with a description and an example of each.

What lives here: the pydantic models the schema is made from. What may not: what the values mean, or which files exist.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from storychain.story.finishing import CORNERS, DOUBLED, HANDOVERS, MATCHES, NO_TRANSITION, SUBTITLES, TRANSITIONS
from storychain.story.values import read_flag, read_line, read_text, read_word

_TIME = {"anyOf": [{"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3})?s?$"}, {"type": "number", "minimum": 0}]}
_ANY_TEXT = {"type": ["string", "number"]}
_NUMBER = {"type": ["number", "string"]}


def _word(names: tuple[str, ...]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(names)})


Time = Annotated[str, BeforeValidator(read_word), WithJsonSchema(_TIME)]
Number = Annotated[str, BeforeValidator(read_word), WithJsonSchema(_NUMBER)]
Line = Annotated[str, BeforeValidator(read_line), WithJsonSchema(_ANY_TEXT)]
Text = Annotated[str, BeforeValidator(read_text), WithJsonSchema(_ANY_TEXT)]
Flag = Annotated[bool, BeforeValidator(read_flag), WithJsonSchema({"type": "boolean"})]
File = Annotated[str, BeforeValidator(read_line), WithJsonSchema({"type": "string", "minLength": 1})]
TransitionName = Annotated[str, BeforeValidator(read_word), _word((NO_TRANSITION, *TRANSITIONS))]
SubtitleKind = Annotated[str, BeforeValidator(read_word), _word(SUBTITLES)]
MatchName = Annotated[str, BeforeValidator(read_word), _word(MATCHES)]
CornerName = Annotated[str, BeforeValidator(read_word), _word(CORNERS)]
DoubledName = Annotated[str, BeforeValidator(read_word), _word(DOUBLED)]
HandoverName = Annotated[str, BeforeValidator(read_word), _word(HANDOVERS)]
FormatName = Annotated[
    str, BeforeValidator(read_word), WithJsonSchema({"type": "string", "examples": ["9:16 blur", "1:1", "web", "gif"]})
]


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WrittenCard(_Written):
    """A card of words before or after the film."""

    text: Text | None = Field(
        default=None,
        description="Its words, set large. Lines stay lines; variables are filled in.",
        examples=["The Lighthouse Keeper"],
    )
    subtitle: Text | None = Field(
        default=None, description="Smaller words below them, in lines as they are.", examples=["A film by Mara"]
    )
    duration: Time | None = Field(default=None, description="How long it stands. Default: 3s.", examples=["3s"])


class WrittenMusic(_Written):
    """Music under the whole film."""

    file: File | None = Field(
        default=None,
        description="A sound file beside the story (mp3, m4a, wav, flac, ogg, opus, aac).",
        examples=["media/theme.mp3"],
    )
    volume: Number | None = Field(
        default=None, description="Decibels against the file as it is. Default: -12.", examples=[-12]
    )
    duck: Flag | None = Field(
        default=None,
        description="Music is quieter under narration. true: while the scenes themselves are loud, too. Default: true.",
        examples=[True],
    )
    fade: Time | None = Field(
        default=None, description="Seconds of its fade in and out at the film's ends. Default: 2s.", examples=["2s"]
    )


class WrittenNarrator(_Written):
    """Who speaks the scenes' `narration`, on this machine."""

    speaker: Line | None = Field(
        default=None,
        description="Program that speaks: espeak-ng (default), or a plug-in's name.",
        examples=["espeak-ng"],
    )
    voice: Line | None = Field(default=None, description="Its voice. Default: en.", examples=["en-gb"])
    speed: Number | None = Field(default=None, description="Words a minute. Default: 160.", examples=[150])


class WrittenWatermark(_Written):
    """A picture laid over the whole film; every frame is then drawn anew."""

    file: File | None = Field(
        default=None, description="A PNG, JPEG or WebP beside the story.", examples=["media/logo.png"]
    )
    corner: CornerName | None = Field(
        default=None, description="Where it lies. Default: bottom-right.", examples=["top-right"]
    )
    width: Number | None = Field(
        default=None,
        description="Its width in percent of the film's, as far as it is not higher than 40 % of it. Default: 12.",
        examples=[10],
    )
    opacity: Number | None = Field(default=None, description="In percent. Default: 70.", examples=[50])


class WrittenFilm(_Written):
    """How the film is finished. Costs no credits; what is left out stays as the segments came."""

    transition: TransitionName | None = Field(
        default=None,
        description="How scenes follow each other, unless a scene says so itself. Default: none, a hard cut. A "
        "transition shortens the film by its length, and only the seconds around it are encoded anew.",
        examples=["dissolve"],
    )
    transition_duration: Time | None = Field(
        default=None,
        description="Length of each transition, at most half of either scene. Default: 0.5s.",
        examples=["0.5s"],
    )
    title_card: WrittenCard | None = Field(
        default=None, description="A card of words before the first scene.", examples=[{"text": "The Keeper"}]
    )
    end_card: WrittenCard | None = Field(
        default=None, description="A card of words after the last scene.", examples=[{"text": "The End"}]
    )
    music: WrittenMusic | None = Field(
        default=None, description="Music under the film.", examples=[{"file": "media/theme.mp3"}]
    )
    narrator: WrittenNarrator | None = Field(
        default=None, description="Who speaks the scenes' narration.", examples=[{"voice": "en-gb"}]
    )
    subtitles: SubtitleKind | None = Field(
        default=None,
        description="What becomes of the scenes' captions: soft (default; a track players can show, and .srt and .vtt "
        "beside the film), burned (into the picture, files beside as well) or off.",
        examples=["burned"],
    )
    language: Line | None = Field(
        default=None, description="Language of the captions, as an ISO 639-2 code. Default: eng.", examples=["deu"]
    )
    loudness: Number | None = Field(
        default=None,
        description="Loudness the film's sound is brought to, in LUFS, or off. Default: -14.",
        examples=[-14, "off"],
    )
    doubled_frames: DoubledName | None = Field(
        default=None,
        description="A segment that begins with the very frame it continues shows it twice. keep (default) shows all "
        "that was bought, copied as it came; drop leaves such a frame out where it is sure, and encodes the pictures "
        "up to the next key frame anew. More than one repeated frame is always left out.",
        examples=["drop"],
    )
    fade_in: Time | None = Field(default=None, description="Fade from black at the beginning.", examples=["0.5s"])
    fade_out: Time | None = Field(default=None, description="Fade to black at the end.", examples=["1s"])
    watermark: WrittenWatermark | None = Field(
        default=None, description="A picture over the film.", examples=[{"file": "media/logo.png"}]
    )
    match: MatchName | None = Field(
        default=None,
        description="Evens out steps between scenes: color, loudness, both, or none (default). Scenes whose colours "
        "are changed are encoded anew.",
        examples=["color"],
    )
    formats: tuple[FormatName, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=12,
        description="More films from the same segments, beside the film: another aspect ratio (16:9, 9:16, 1:1, 4:5, "
        "4:3, 3:4, 21:9), by crop (default) or blur (the whole picture on a blurred ground); web (small); gif or webp "
        "(a silent teaser); hls (a folder to stream from).",
        examples=[["9:16 blur", "1:1", "web", "gif", "hls"]],
    )
    poster: Flag | None = Field(
        default=None, description="A still picture beside the film. Default: true.", examples=[False]
    )
    contact_sheet: Flag | None = Field(
        default=None, description="A sheet with a picture of each scene. Default: true.", examples=[False]
    )
    chapters: Flag | None = Field(
        default=None, description="A chapter for each scene in the film. Default: true.", examples=[False]
    )
