"""What people may write in a story file, field by field, with a description and an example of each.

What lives here: the pydantic models the schema is made from. What may not: how one value is read (`values`), checks
that need two values, the catalogue or the disk (`resolve`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from storychain.catalogue import DEFAULT_MODEL, MODELS
from storychain.story.film_format import File, HandoverName, TransitionName, WrittenFilm
from storychain.story.values import (
    MOST_ATTEMPTS,
    MOST_BUDGET,
    MOST_TAKES,
    read_attempts,
    read_credits,
    read_flag,
    read_line,
    read_takes,
    read_text,
    read_word,
)

MOST_SCENES = 1000
"""Most scenes of one story."""

DEFAULT_ATTEMPTS = 1
"""Paid tries at a scene that does not say: one a prompt, so that nothing is paid twice unasked."""

MOST_FALLBACKS = 5
"""Most fallback prompts of one scene."""

JOINS = ("extend", "last_frame", "cut")
ON_FAILURE = ("stop", "placeholder")

_DURATION = {"anyOf": [{"type": "string", "pattern": r"^[0-9]{1,4}s?$"}, {"type": "integer", "minimum": 1}]}
_RATIOS = sorted({ratio for model in MODELS.values() for ratio in model.aspect_ratios})


def _offered(names: list[str]) -> dict[str, Any]:
    """Return the schema of a name editors should offer from a list and not insist on: settings may add to it."""
    return {"anyOf": [{"enum": names}, {"type": "string"}]}


_ANY_TEXT: dict[str, Any] = {"type": ["string", "number"]}
Text = Annotated[str, BeforeValidator(read_text), WithJsonSchema(_ANY_TEXT)]
Line = Annotated[str, BeforeValidator(read_line), WithJsonSchema(_ANY_TEXT)]
Duration = Annotated[str, BeforeValidator(read_word), WithJsonSchema(_DURATION)]
ModelName = Annotated[str, BeforeValidator(read_word), WithJsonSchema(_offered(list(MODELS)))]
Ratio = Annotated[str, BeforeValidator(read_word), WithJsonSchema(_offered(_RATIOS))]
JoinName = Annotated[str, BeforeValidator(read_word), WithJsonSchema({"type": "string", "enum": list(JOINS)})]
OnFailure = Annotated[str, BeforeValidator(read_word), WithJsonSchema({"type": "string", "enum": list(ON_FAILURE)})]
Address = Annotated[str, BeforeValidator(read_line), WithJsonSchema({"type": "string", "minLength": 1})]
Credits = Annotated[
    Decimal, BeforeValidator(read_credits), WithJsonSchema({"type": "number", "minimum": 0, "maximum": MOST_BUDGET})
]
Attempts = Annotated[
    int, BeforeValidator(read_attempts), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_ATTEMPTS})
]
Takes = Annotated[
    int, BeforeValidator(read_takes), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_TAKES})
]
Flag = Annotated[bool, BeforeValidator(read_flag), WithJsonSchema({"type": "boolean"})]


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WrittenStart(_Written):
    """How the first scene begins: exactly one of video, image and references."""

    video: Address | None = Field(
        default=None,
        description="Video the first scene continues: a file beside the story (mp4, mov, m4v, webm, mkv) or a public "
        "https address.",
        examples=["media/harbour.mp4", "https://example.com/clip.mp4"],
    )
    image: Address | None = Field(
        default=None,
        description="Picture the first scene begins with: a file beside the story (png, jpg, webp) or an address.",
        examples=["media/observatory.jpg"],
    )
    references: tuple[Address, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=3,
        description="One to three pictures of subjects or of the style the first scene should keep to.",
        examples=[["media/fox.jpg", "media/forest.jpg"]],
    )
    include: Flag | None = Field(
        default=None,
        description="true: the start video itself opens the film. Only with video.",
        examples=[True],
    )


class WrittenScene(_Written):
    """One scene: one prompt, one video segment."""

    id: Line | None = Field(
        default=None,
        description="Name of the scene in messages and records, unique in the story: letters, digits, - _ and . "
        "Without one it is scene-N.",
        examples=["dawn"],
    )
    prompt: Text = Field(
        description="What happens, written as the continuation of what is on screen. ${name} stands for a variable, "
        "$$ for a dollar. With style and variables joined in: 5 to 5,000 characters.",
        examples=["${keeper} climbs the spiral stairs with a lantern."],
    )
    duration: Duration | None = Field(
        default=None,
        description="Length of this scene in whole seconds, one of those the model makes. Default: the story's.",
        examples=["8s", 8],
    )
    join: JoinName | None = Field(
        default=None,
        description="extend (default) continues the video before; last_frame starts from its last picture alone; "
        "cut starts afresh and begins a new chain.",
        examples=["cut"],
    )
    attempts: Attempts | None = Field(
        default=None,
        description="Paid tries this scene may ever use, all its prompts together. Default: "
        f"{DEFAULT_ATTEMPTS}, so that nothing is paid twice unasked; one more for each fallback prompt.",
        examples=[2],
    )
    fallback_prompts: tuple[Text, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_FALLBACKS,
        description="Milder words for the scene, tried in their order when the provider refuses the words before. "
        "Style and variables are joined in as with the prompt.",
        examples=[["${keeper} hurries down the stairs as the storm grows."]],
    )
    on_failure: OnFailure | None = Field(
        default=None,
        description="When the scene cannot be had: stop (no film), or placeholder (a free card stands in for it, so "
        "that there is a film). Default: the story's.",
        examples=["placeholder"],
    )
    caption: Text | None = Field(
        default=None,
        description="Words shown as a subtitle while the scene is seen. Variables are filled in.",
        examples=["The storm came earlier than anybody thought."],
    )
    narration: Text | None = Field(
        default=None,
        description="Words that are spoken over the scene by the film's narrator. Variables are filled in.",
        examples=["That autumn the storms came early."],
    )
    narration_file: File | None = Field(
        default=None,
        description="A sound file beside the story that is heard over the scene, in place of a narrator.",
        examples=["media/dawn.wav"],
    )
    transition: TransitionName | None = Field(
        default=None,
        description="How this scene follows the one before, unlike the film's others; none is a hard cut.",
        examples=["fade-black"],
    )
    handover: HandoverName | None = Field(
        default=None,
        description="When the segment ends black, frozen or blurred and another scene is to continue it: report says "
        "so, retake buys it again within attempts. Default: the story's.",
        examples=["retake"],
    )
    takes: Takes | None = Field(
        default=None,
        description="Takes that are bought side by side, each at the scene's price; the film and what follows use the "
        "first until another is picked (storychain pick). Default: 1.",
        examples=[3],
    )
    hold: Flag | None = Field(
        default=None,
        description="true: what continues this scene is not bought before the scene is approved (storychain approve).",
        examples=[True],
    )


class WrittenStory(_Written):
    """A story: scenes that become one film."""

    title: Line | None = Field(
        default=None,
        description="Title of the film, kept in its metadata. Default: the file's name.",
        examples=["The Lighthouse Keeper"],
    )
    model: ModelName | None = Field(
        default=None,
        description=f"Model that makes every segment of the story. Default: {DEFAULT_MODEL}.",
        examples=["pixverse5.5"],
    )
    aspect_ratio: Ratio | None = Field(
        default=None,
        description="Shape of the picture, one of those the model makes. Default: the model's first.",
        examples=["16:9"],
    )
    duration: Duration | None = Field(
        default=None,
        description="Length of each scene in whole seconds, unless it has its own. Default: the model's first.",
        examples=["8s"],
    )
    style: Text | None = Field(
        default=None,
        description="Words joined to the end of every prompt: look, light, camera. Variables are filled in.",
        examples=["Hand-painted animation, warm lamplight, gentle handheld camera."],
    )
    vars: dict[str, Text] | None = Field(
        default=None,
        description="Variables: ${name} in title, style, prompts, captions, narration and cards becomes the text given "
        "here. Values are taken as they are; a variable inside a variable is not filled in.",
        examples=[{"keeper": "Mara, sixty, silver braid, yellow raincoat"}],
    )
    budget: Credits | None = Field(
        default=None,
        description="Most credits this story may ever cost, all takes and tries together. Default: no limit of its "
        "own.",
        examples=[120],
    )
    on_failure: OnFailure | None = Field(
        default=None,
        description="What becomes of a scene that cannot be had, unless it says so itself: stop (default; no film), or "
        "placeholder (a free card stands in for it, so that there is a film).",
        examples=["placeholder"],
    )
    handover: HandoverName | None = Field(
        default=None,
        description="What becomes of a segment that ends black, frozen or blurred, unless its scene says so: report "
        "(default) or retake.",
        examples=["retake"],
    )
    film: WrittenFilm | None = Field(
        default=None,
        description="How the film is finished: transitions, cards, music, subtitles, formats. Free of credits.",
        examples=[{"transition": "dissolve", "fade_out": "1s"}],
    )
    start: WrittenStart | None = Field(
        default=None,
        description="How the first scene begins. Without it, the first scene is made from its prompt alone.",
        examples=[{"video": "media/harbour.mp4", "include": True}],
    )
    scenes: tuple[WrittenScene, ...] = Field(
        min_length=1,
        max_length=MOST_SCENES,
        description="The scenes in the order of the film.",
        examples=[[{"id": "dawn", "prompt": "A lighthouse at dawn, waves breaking on the rocks below."}]],
    )
