"""From YAML text to nodes that know their places: the reading of YAML itself, hardened.

Scalars are read as YAML 1.2's core schema has them: `no` and `16:9` are text. Built from parser events without
recursion, so depth, number and aliases are bounded. What may not live here: what a story may say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import yaml

from storychain.story.problems import Problem, Span, did_you_mean, quoted
from storychain.story.syntax import explain

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST = 16
"""Most levels of nesting; a story needs four."""

MOST_NODES = 20_000
"""Most nodes a story may have, aliases counted as often as they are used; 500 scenes need about 6,000."""

NOTHING = "the file holds no story; `storychain new NAME` writes one to start from"

Kind = Literal["text", "number", "boolean", "null"]


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """One value: its text without quotes or folding, and what YAML 1.2 takes it for."""

    span: Span
    text: str
    kind: Kind
    plain: bool
    """Written without quotes and not as a block."""
    size: int = 1
    height: int = 0


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list."""

    span: Span
    items: tuple[Node, ...]
    size: int
    height: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping and its value."""

    key: ScalarNode
    value: Node


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping by the text of its keys; of a repeated key the first."""

    span: Span
    entries: dict[str, Entry]
    size: int
    height: int


Node = ScalarNode | ListNode | MapNode


class Unreadable(Exception):
    """The text cannot be read further; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self.problem = problem


@dataclass(slots=True)
class _Open:
    """A list or mapping that has begun and not ended; a mapping's children alternate between key and value."""

    event: yaml.CollectionStartEvent
    children: list[Node] = field(default_factory=list)


_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_NUMBER = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_TEXT_TAGS = {"!", "tag:yaml.org,2002:str"}


def read_nodes(text: str, problems: list[Problem]) -> Node:
    """Return the one document in `text`, adding to `problems` those that did not keep it from being read.

    Raises `Unreadable` where reading had to stop.
    """
    builder = _Builder(text, problems)
    for event in _events(text):
        builder.take(event)
    if builder.root is None:
        raise Unreadable(Problem(Span(0, 0), (), NOTHING))
    return builder.root


def _events(text: str) -> Iterator[yaml.Event]:
    """Yield parser events, from the C parser where PyYAML has it."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    except yaml.YAMLError as error:
        raise Unreadable(explain(error, text)) from error
    except (OverflowError, ValueError) as error:  # PyYAML without its C parser, on "\UFFFFFFFF"
        offset = getattr(loader, "index", 0)
        raise Unreadable(Problem(Span(offset, offset + 1), (), "this escape names no character")) from error
    finally:
        loader.dispose()


class _Builder:
    """Puts events together into nodes."""

    def __init__(self, text: str, problems: list[Problem]) -> None:
        self.root: Node | None = None
        self.problems = problems
        self._text = text
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        self._count = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        match event:
            case yaml.DocumentStartEvent() if self.root is not None:
                raise Unreadable(Problem(_span(event), (), "a second document begins here; one story a file"))
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.CollectionStartEvent():
                self._begin(event)
            case yaml.CollectionEndEvent():
                self._end(event)
            case yaml.AliasEvent():
                self._add(self._aliased(event))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if _SURROGATE.search(event.value):  # only PyYAML's own parser lets them through
            raise Unreadable(Problem(_span(event), (), "an escape in this text names no character"))
        plain = event.style in (None, "")
        as_text = self._tagged(event, _TEXT_TAGS) or not plain
        node = ScalarNode(_span(event), event.value, "text" if as_text else _kind(event.value), plain)
        self._anchor(event, node)
        self._add(node)

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        if len(self._open) >= DEEPEST:
            raise Unreadable(Problem(_span(event), (), f"nested more than {DEEPEST} levels deep"))
        self._tagged(event, {"!"})
        self._anchor(event, None)
        self._open.append(_Open(event))

    def _end(self, event: yaml.CollectionEndEvent) -> None:
        done = self._open.pop()
        span = Span(_span(done.event).start, _span(event).end)
        size = 1 + sum(child.size for child in done.children)
        height = 1 + max((child.height for child in done.children), default=0)
        node: Node
        if isinstance(done.event, yaml.SequenceStartEvent):
            node = ListNode(span, tuple(done.children), size, height)
        else:
            node = MapNode(span, self._entries(done.children), size, height)
        self._bound(node, span)
        self._anchor(done.event, node)
        self._add(node)

    def _add(self, node: Node) -> None:
        self._count += 1
        if self._count > MOST_NODES:
            raise Unreadable(Problem(node.span, (), f"the file holds more than {MOST_NODES:,} values"))
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node

    def _entries(self, children: list[Node]) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for key, value in zip(children[::2], children[1::2], strict=True):
            if not isinstance(key, ScalarNode):
                self.problems.append(Problem(key.span, (), "a key must be a word, not a list or mapping"))
            elif key.text in entries:
                first = self._text.count("\n", 0, entries[key.text].key.span.start) + 1
                what = f"key {quoted(key.text)} is repeated; it is already on line {first}"
                self.problems.append(Problem(key.span, (), what))
            elif key.plain and key.text == "<<":
                what = "merge keys (<<) are not read; set what scenes share once at the top: duration, style, vars"
                self.problems.append(Problem(key.span, (), what))
            else:
                entries[key.text] = Entry(key, value)
        return entries

    def _aliased(self, event: yaml.AliasEvent) -> Node:
        span, name = _span(event), event.anchor or ""
        if name not in self._anchors:
            hint = did_you_mean(name, self._anchors) or "; text that begins with * needs quotes"
            raise Unreadable(Problem(span, (), f"alias {quoted('*' + name)} names no anchor{hint}"))
        node = self._anchors[name]
        if node is None:
            raise Unreadable(Problem(span, (), f"alias {quoted('*' + name)} stands inside what it names"))
        self._bound(node, span)
        return node

    def _bound(self, node: Node, span: Span) -> None:
        if node.size > MOST_NODES:
            raise Unreadable(Problem(span, (), f"aliases blow the story up to more than {MOST_NODES:,} values"))
        if len(self._open) + node.height > DEEPEST:
            raise Unreadable(Problem(span, (), f"nested more than {DEEPEST} levels deep"))

    def _anchor(self, event: yaml.NodeEvent, node: Node | None) -> None:
        if event.anchor is not None:
            self._anchors[event.anchor] = node

    def _tagged(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, known: set[str]) -> bool:
        """Tell whether the node carries one of the known tags; any other tag is a problem."""
        if event.tag is None or event.tag in known:
            return event.tag is not None
        what = f"tag {quoted(event.tag)} is not read; a story is text, numbers, lists and mappings only"
        self.problems.append(Problem(_span(event), (), what))
        return True


def _span(event: yaml.Event) -> Span:
    assert event.start_mark  # for mypy: parsers always set them
    assert event.end_mark
    return Span(event.start_mark.index, event.end_mark.index)


def _kind(text: str) -> Kind:
    if _NULL.fullmatch(text):
        return "null"
    if _BOOLEAN.fullmatch(text):
        return "boolean"
    return "number" if _NUMBER.fullmatch(text) else "text"
