"""The one door for request bodies: what the documents allow, refused field by field. Knows no state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from storychain.catalogue import DEFAULT_MODEL, PROMPT_MAX, PROMPT_MIN, Catalogue, Model

OPTIONAL = ("model", "aspectRatio", "duration")
"""Fields with a default of the API's own choice: a client that leaves one out may get what it did not want."""

_LAST_PORT = 65_535
_ABSENT = "\0"
_EXCLUSIVE = ("extendVideoUrl", "firstFrameImageUrl", "referenceImageUrls")


class BodyRefused(Exception):
    """A request body that breaks the documents; `fields` as the 400 answer lists them."""

    def __init__(self, fields: list[dict[str, str]]) -> None:
        super().__init__(f"{len(fields)} fields refused")
        self.fields = fields


_PLAIN = r"[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2}"
_URI = re.compile(
    rf"(?i:https?)://(?:(?:{_PLAIN}|:)*@)?(?:\[[0-9A-Fa-f:.]+\]|(?:{_PLAIN})+)(?::0*(?P<port>\d{{0,5}}))?"
    rf"(?:/(?:{_PLAIN}|[:@/])*)?(?:\?(?:{_PLAIN}|[:@/?])*)?(?:\#(?:{_PLAIN}|[:@/?])*)?",
    re.ASCII,
)
"""A URI of the web (RFC 3986): letters beyond ASCII and signs that it does not list stand percent-encoded in it."""


def _web_address(text: str) -> str:
    found = _URI.fullmatch(text)
    if found is None or int(found["port"] or 0) > _LAST_PORT:
        raise PydanticCustomError("uri", "must be a valid uri")
    return text


Address = Annotated[str, AfterValidator(_web_address)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel, strict=True)


class VideoBody(_Body):
    """The body of `POST /v1/aistudio/videos`, with the defaults of the API filled in."""

    prompt: str = Field(min_length=PROMPT_MIN, max_length=PROMPT_MAX)
    model: str = DEFAULT_MODEL
    aspect_ratio: str = Field(default=_ABSENT, validate_default=True)
    duration: str = Field(default=_ABSENT, validate_default=True)
    extend_video_url: Address | None = None
    first_frame_image_url: Address | None = None
    reference_image_urls: list[Address] | None = Field(default=None, min_length=1, max_length=3)
    webhook: Address | None = None

    @field_validator("model")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        return _one_of(name, tuple(_models(info)))

    @field_validator("aspect_ratio")
    @classmethod
    def _ratio(cls, ratio: str, info: ValidationInfo) -> str:
        model = _model(info)
        return ratio if model is None else _one_of(ratio, model.aspect_ratios, absent=model.aspect_ratios[0])

    @field_validator("duration")
    @classmethod
    def _length(cls, length: str, info: ValidationInfo) -> str:
        model = _model(info)
        lengths = tuple(f"{seconds}s" for seconds in model.durations) if model else ()
        return _one_of(length, lengths, absent=lengths[0]) if lengths else length


class UploadBody(_Body):
    """The body of `POST /v1/media/generateurl`."""

    file_name: str = Field(min_length=1, max_length=255)
    content_type: str = Field(pattern=r"^[\w.+-]+/[\w.+-]+$")


@dataclass(frozen=True, slots=True)
class Ask:
    """A video that was asked for, with what the client left to chance."""

    prompt: str
    model: Model
    aspect_ratio: str
    seconds: int
    extend: str | None
    first_frame: str | None
    references: tuple[str, ...]
    webhook: str | None
    defaults_used: tuple[str, ...]
    dropped: tuple[str, ...]


def read_ask(data: Any, models: Catalogue) -> Ask:
    """Check the body of a submit; raises BodyRefused."""
    body = _validated(VideoBody, data, models)
    given = [name for name in _EXCLUSIVE if data.get(name) is not None]
    if len(given) > 1:
        raise BodyRefused(
            [{"name": name, "errors": f"cannot be combined with {_others(name, given)}"} for name in given]
        )
    return Ask(
        prompt=body.prompt,
        model=models[body.model],
        aspect_ratio=body.aspect_ratio,
        seconds=int(body.duration.removesuffix("s")),
        extend=body.extend_video_url,
        first_frame=body.first_frame_image_url,
        references=tuple(body.reference_image_urls or ()),
        webhook=body.webhook,
        defaults_used=tuple(name for name in OPTIONAL if name not in data),
        dropped=tuple(name for name in data if name not in _known_names()),
    )


def read_upload(data: Any) -> UploadBody:
    """Check the body of a request for an upload address; raises BodyRefused."""
    return _validated(UploadBody, data, {})


Door = TypeVar("Door", bound=_Body)


def _validated(door: type[Door], data: Any, models: Catalogue) -> Door:
    if not isinstance(data, Mapping):
        raise BodyRefused([{"name": "body", "errors": "must be a JSON object"}])
    try:
        return door.model_validate(data, context={"models": models})
    except ValidationError as error:
        raise BodyRefused([_field(problem) for problem in error.errors()]) from None


def _field(problem: Any) -> dict[str, str]:
    return {"name": ".".join(map(str, problem["loc"])), "errors": str(problem["msg"])}


def _known_names() -> set[str]:
    return {to_camel(name) for name in VideoBody.model_fields}


def _others(name: str, given: list[str]) -> str:
    return ", ".join(other for other in given if other != name)


def _models(info: ValidationInfo) -> Catalogue:
    assert info.context is not None
    models: Catalogue = info.context["models"]
    return models


def _model(info: ValidationInfo) -> Model | None:
    return _models(info).get(str(info.data.get("model")))


def _one_of(value: str, allowed: tuple[str, ...], absent: str | None = None) -> str:
    if value == _ABSENT and absent is not None:
        return absent
    if value not in allowed:
        raise PydanticCustomError("one_of", "must be one of [{allowed}]", {"allowed": ", ".join(allowed)})
    return value
