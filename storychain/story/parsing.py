"""From nodes to the written story: pydantic is run, its complaints become problems with places.

What lives here: the way from pydantic's locations back to the text, and going on after a mistake so that one run
tells all. What may not: the format's fields, or checks between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from storychain.story.film_format import (
    WrittenCard,
    WrittenFilm,
    WrittenMusic,
    WrittenNarrator,
    WrittenWatermark,
)
from storychain.story.format import (
    MOST_FALLBACKS,
    MOST_SCENES,
    WrittenScene,
    WrittenStart,
    WrittenStory,
)
from storychain.story.nodes import ListNode, MapNode, Node, ScalarNode
from storychain.story.problems import SHOWN, Path, Problem, Span, did_you_mean, nearest
from storychain.story.values import found

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_STAND_IN = ScalarNode(Span(0, 0), "a stand-in for what could not be read", "text", plain=False)
_STAND_IN_SCENE = {"prompt": _STAND_IN}

_EXPECTED = {
    "start": "a mapping with video, image or references",
    "vars": "a mapping of names to text",
    "scenes": "a list of scenes",
    "references": "a list of one to three pictures",
    "fallback_prompts": "a list of one to five prompts",
    "film": "a mapping such as {transition: dissolve}",
    "title_card": "a mapping such as {text: The Keeper}",
    "end_card": "a mapping such as {text: The End}",
    "music": "a mapping such as {file: media/theme.mp3}",
    "narrator": "a mapping such as {voice: en-gb}",
    "watermark": "a mapping such as {file: media/logo.png}",
    "formats": "a list such as [9:16 blur, web]",
}
_MOST = {"scenes": MOST_SCENES, "references": 3, "fallback_prompts": MOST_FALLBACKS, "formats": 12}
_ALSO_SAID = {
    "name": "title",
    "ratio": "aspect_ratio",
    "aspect": "aspect_ratio",
    "length": "duration",
    "seconds": "duration",
    "variables": "vars",
    "text": "prompt",
    "description": "prompt",
    "retries": "attempts",
    "tries": "attempts",
    "subtitle": "caption",
    "voiceover": "narration",
    "voice_over": "narration",
    "soundtrack": "music",
    "alternatives": "fallback_prompts",
    "on_error": "on_failure",
    "credits": "budget",
    "max_credits": "budget",
    "reference": "references",
}


_MODELS: dict[tuple[str, ...], type[BaseModel]] = {
    ("scenes", "*"): WrittenScene,
    ("start",): WrittenStart,
    ("film",): WrittenFilm,
    ("film", "title_card"): WrittenCard,
    ("film", "end_card"): WrittenCard,
    ("film", "music"): WrittenMusic,
    ("film", "narrator"): WrittenNarrator,
    ("film", "watermark"): WrittenWatermark,
}
"""Whose keys may stand where, by the path of the mapping."""


class Places:
    """The story's nodes by path, the problems found so far, and the paths that have one."""

    def __init__(self, root: MapNode, problems: list[Problem]) -> None:
        self.problems = problems
        self._root = root
        self._flawed: set[Path] = set()

    def add(self, path: Path, what: str, span: Span | None = None, *, on_key: bool = False) -> None:
        """Add a problem at `path`, unless the same place already has one that explains it."""
        if self.flawed(path):
            return
        self._flawed.add(path)
        self.problems.append(Problem(span or self._span(path, on_key=on_key), path, what))

    def add_another(self, path: Path, what: str, span: Span) -> None:
        """Add a problem within a text that may have several."""
        self.problems.append(Problem(span, path, what))

    def flawed(self, path: Path) -> bool:
        """Tell whether `path`, or what it lies in, has a problem."""
        return any(path[:length] in self._flawed for length in range(1, len(path) + 1))

    def node(self, path: Path) -> Node | None:
        """Return the node at `path`, or None when nothing is written there."""
        node: Node | None = self._root
        for step in path:
            node = _child(node, step)
        return node

    def _span(self, path: Path, *, on_key: bool) -> Span:
        """Return where to put the caret: the value, or its key where it has none or spans lines."""
        while path and self.node(path) is None:
            path, on_key = path[:-1], True
        node = self.node(path) or self._root
        parent = self.node(path[:-1]) if path else None
        if isinstance(node, ScalarNode) and node.span.end > node.span.start and not on_key:
            return node.span
        if isinstance(parent, MapNode) and isinstance(path[-1], str):
            return parent.entries[path[-1]].key.span
        return _first(node)


def parse(root: MapNode, places: Places) -> WrittenStory | None:
    """Return the story as written, with stand-ins where a value could not be read, or None when too little is left.

    Every value that could not be read has its problem in `places`.
    """
    data = _data(root)
    errors = _errors(data)
    misspelt = {_meant(_path(error)) for error in errors if error["type"] == "extra_forbidden"}
    for number, error in enumerate(errors):
        path, unknown = _path(error), error["type"] == "extra_forbidden"
        if _is_echo(error["type"], path, places.node(path), misspelt):
            continue
        if unknown:
            what = f"unknown key{_known_key(path) if number < SHOWN else ''}"
        else:
            what = _sentence(error, path, places.node(path))
        places.add(path, what, on_key=unknown)
    for error in errors:
        path = _path(error)
        if error["type"] == "missing" or not _is_echo(error["type"], path, places.node(path), misspelt):
            _mend(data, path, error["type"])
    return None if _errors(data) else WrittenStory.model_validate(data)


def _is_echo(kind: str, path: Path, node: Node | None, misspelt: set[Path]) -> bool:
    """Tell whether a complaint only repeats others: a key is missing as it is misspelt, a list of mistakes is empty."""
    if kind == "missing":
        return path in misspelt
    return kind == "too_short" and isinstance(node, ListNode) and bool(node.items)


def _meant(path: Path) -> Path:
    """Return the path that a misspelt key probably means; the path itself where there is no telling."""
    word = str(path[-1])
    known = _fields(path)
    other = _ALSO_SAID.get(word.casefold(), "")
    return (*path[:-1], nearest(word, known) or (other if other in known else word))


def _errors(data: dict[str, Any]) -> list[ErrorDetails]:
    try:
        WrittenStory.model_validate(data)
    except ValidationError as error:
        return error.errors(include_url=False, include_input=False)
    return []


def _data(node: Node) -> Any:
    """Return nodes as mappings and lists of scalar nodes; depth is bounded by the reading."""
    match node:
        case ScalarNode():
            return node
        case ListNode():
            return [_data(item) for item in node.items]
        case MapNode():
            return {key: _data(entry.value) for key, entry in node.entries.items()}


def _path(error: ErrorDetails) -> Path:
    return tuple(step for step in error["loc"] if step != "[key]")


def _sentence(error: ErrorDetails, path: Path, node: Node | None) -> str:
    """Return what one of pydantic's errors means here."""
    if isinstance(node, ScalarNode) and node.kind == "null":
        return "has no value; write one or remove the key"
    match error["type"]:
        case "refused":
            return error["msg"] + ("" if isinstance(node, ScalarNode) else _such_as(path))
        case "missing":
            return "is missing"
        case "too_short":
            return "is empty; at least one is needed"
        case "too_long":
            return f"has more than {_MOST[str(path[-1])]:,} entries"
    expected = _EXPECTED.get(str(path[-1]), "a mapping with a prompt")
    return f"expected {expected}, found {found(node)}"


def _such_as(path: Path) -> str:
    """Return the end of a sentence about a list or mapping that stands for one value: what that looks like."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    field = _fields(path).get(str(path[-1])) if path else None
    examples = (field.examples if field else None) or [""]
    example = examples[0][0] if isinstance(examples[0], list) else examples[0]
    return f"; write it like `{example}`" if isinstance(example, str) and example else ""


def _fields(path: Path) -> dict[str, FieldInfo]:
    """Return what may stand in the mapping that the key at the end of `path` stands in."""
    above = tuple("*" if isinstance(step, int) else str(step) for step in path[:-1])
    return _MODELS.get(above, WrittenStory).model_fields


def _known_key(path: Path) -> str:
    """Return the end of a sentence about an unknown key: the nearest known one, or all of them."""
    known = _fields(path)
    word = str(path[-1])
    other = _ALSO_SAID.get(word.casefold(), "")
    if nearest(word, known) is None and other in known:
        return f"; did you mean '{other}'?"
    return did_you_mean(word, known) or f"; known here: {', '.join(known)}"


def _mend(data: dict[str, Any], path: Path, kind: str) -> None:
    """Take what is wrong at `path` out of `data`, or put a stand-in where something has to stand."""
    holder: Any = data
    for step in path[:-1]:
        holder = holder[step]
    last = path[-1]
    if kind == "extra_forbidden":
        del holder[last]
    elif last == "scenes" and len(path) == 1:
        holder[last] = [dict(_STAND_IN_SCENE)]
    elif last == "references":
        holder[last] = [_STAND_IN]
    elif isinstance(last, int):
        holder[last] = dict(_STAND_IN_SCENE) if path[:-1] == ("scenes",) else _STAND_IN
    elif last in {"prompt", "video", "image"} or path[:-1] == ("vars",):
        holder[last] = _STAND_IN
    else:
        del holder[last]


def _child(node: Node | None, step: str | int) -> Node | None:
    match node, step:
        case MapNode(), str():
            entry = node.entries.get(step)
            return entry.value if entry else None
        case ListNode(), int():
            return node.items[step] if 0 <= step < len(node.items) else None
    return None


def _first(node: Node) -> Span:
    """Return the first thing to point at in a node that has no key of its own."""
    if isinstance(node, MapNode) and node.entries:
        return next(iter(node.entries.values())).key.span
    start = node.span.start
    return Span(start, start + 1)
