"""What people may write in a story file, field by field, with a description and an example of each.

What lives here: the pydantic models the schema is made from, and how one value is read. What may not: checks that
need two values, the catalogue or the disk.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from storychain.catalogue import DEFAULT_MODEL, MODELS
from storychain.story.nodes import ListNode, MapNode, ScalarNode
from storychain.story.problems import quoted

MOST_SCENES = 1000
"""Most scenes of one story."""

MOST_TEXT = 20_000
"""Most characters of any one text, before variables and style."""

MOST_BUDGET = 1_000_000_000
"""Largest budget, in credits."""

MOST_ATTEMPTS = 10
"""Most paid tries at one scene."""

DEFAULT_ATTEMPTS = 1
"""Paid tries at a scene that does not say: one, so that nothing is paid twice unasked."""

JOINS = ("extend", "last_frame", "cut")

_SPACES = re.compile(r"[ \t\n]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST_NUMBER = 40


def joined_up(text: str) -> str:
    """Return `text` on one line: runs of spaces, tabs and line ends become one space."""
    return _SPACES.sub(" ", text).strip()


def refusal(what: str) -> PydanticCustomError:
    """Return the error that carries the sentence `what` through pydantic."""
    return PydanticCustomError("refused", "{what}", {"what": what})


def found(value: object) -> str:
    """Return what was found in place of what was expected, as it was written."""
    match value:
        case ScalarNode(kind="null"):
            return "nothing"
        case ScalarNode(kind="text"):
            return f"the text {quoted(value.text)}"
        case ScalarNode():
            return quoted(value.text)
        case list() | ListNode():
            return "a list"
        case dict() | MapNode():
            return "a mapping"
    return "nothing"


def _text(value: object) -> str:
    """Read text; an unquoted number is its text, as in `title: 1984`."""
    if not isinstance(value, ScalarNode) or value.kind not in {"text", "number"}:
        raise refusal(f"expected text, found {found(value)}{_quotes(value)}")
    if len(value.text) > MOST_TEXT:
        raise refusal(f"is {len(value.text):,} characters long; at most {MOST_TEXT:,}")
    control = _CONTROL.search(value.text)
    if control:
        raise refusal(f"holds the control character U+{ord(control[0]):04X}; remove it")
    return value.text


def _quotes(value: object) -> str:
    return "; put it in quotes if it is text" if isinstance(value, ScalarNode) and value.kind == "boolean" else ""


def _line(value: object) -> str:
    """Read text that stands on one line and is not empty."""
    text = joined_up(_text(value))
    if not text:
        raise refusal("is empty; write something or remove the key")
    return text


def _word(value: object) -> str:
    """Read a value that is looked up in a list later, whatever YAML takes it for."""
    if not isinstance(value, ScalarNode) or value.kind == "null":
        raise refusal(f"expected one value, found {found(value)}")
    return value.text.strip()


def _credits(value: object) -> Decimal:
    if not isinstance(value, ScalarNode) or value.kind != "number":
        raise refusal(f"expected a number of credits, found {found(value)}")
    number = _number(value.text)
    if number is None or not 0 <= number <= MOST_BUDGET:
        raise refusal(f"expected 0 to {MOST_BUDGET:,} credits, found {quoted(value.text)}")
    return number


def _attempts(value: object) -> int:
    number = _number(value.text) if isinstance(value, ScalarNode) and value.kind == "number" else None
    if number is None or number not in range(1, MOST_ATTEMPTS + 1):
        raise refusal(f"expected a whole number from 1 to {MOST_ATTEMPTS}, found {found(value)}")
    return int(number)


def _flag(value: object) -> bool:
    if not isinstance(value, ScalarNode) or value.kind != "boolean":
        raise refusal(f"expected true or false, found {found(value)}")
    return value.text.lower() == "true"


def _number(text: str) -> Decimal | None:
    """Return a finite number, or None for infinity, not-a-number and digits without end."""
    if len(text) > _LONGEST_NUMBER:
        return None
    try:
        number = Decimal(text) if text[:2] not in {"0x", "0o"} else Decimal(int(text, 0))
    except ArithmeticError:  # .inf and .nan are not Decimal's spelling
        return None
    return number if number.is_finite() else None


_DURATION = {"anyOf": [{"type": "string", "pattern": r"^[0-9]{1,4}s?$"}, {"type": "integer", "minimum": 1}]}
_RATIOS = sorted({ratio for model in MODELS.values() for ratio in model.aspect_ratios})


def _offered(names: list[str]) -> dict[str, Any]:
    """Return the schema of a name editors should offer from a list and not insist on: settings may add to it."""
    return {"anyOf": [{"enum": names}, {"type": "string"}]}


_ANY_TEXT: dict[str, Any] = {"type": ["string", "number"]}
Text = Annotated[str, BeforeValidator(_text), WithJsonSchema(_ANY_TEXT)]
Line = Annotated[str, BeforeValidator(_line), WithJsonSchema(_ANY_TEXT)]
Duration = Annotated[str, BeforeValidator(_word), WithJsonSchema(_DURATION)]
ModelName = Annotated[str, BeforeValidator(_word), WithJsonSchema(_offered(list(MODELS)))]
Ratio = Annotated[str, BeforeValidator(_word), WithJsonSchema(_offered(_RATIOS))]
JoinName = Annotated[str, BeforeValidator(_word), WithJsonSchema({"type": "string", "enum": list(JOINS)})]
Address = Annotated[str, BeforeValidator(_line), WithJsonSchema({"type": "string", "minLength": 1})]
Credits = Annotated[
    Decimal, BeforeValidator(_credits), WithJsonSchema({"type": "number", "minimum": 0, "maximum": MOST_BUDGET})
]
Attempts = Annotated[
    int, BeforeValidator(_attempts), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_ATTEMPTS})
]
Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]


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
        examples=["media/observatory.png"],
    )
    references: tuple[Address, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=3,
        description="One to three pictures of subjects or of the style the first scene should keep to.",
        examples=[["media/fox.png", "media/forest.png"]],
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
        description="Paid tries at this scene before the story gives up here. Default: "
        f"{DEFAULT_ATTEMPTS}, so that nothing is paid twice unasked.",
        examples=[2],
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
        description="Variables: ${name} in title, style and prompts becomes the text given here. Values are taken "
        "as they are; a variable inside a variable is not filled in.",
        examples=[{"keeper": "Mara, sixty, silver braid, yellow raincoat"}],
    )
    budget: Credits | None = Field(
        default=None,
        description="Most credits this story may ever cost, all takes and tries together. Default: no limit of its "
        "own.",
        examples=[120],
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
