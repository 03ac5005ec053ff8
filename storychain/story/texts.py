"""The story's texts: variables filled in, and every fault put at its place in the file.

What lives here: the meeting of `words`, which knows no places, and `parsing.Places`, which knows no dollars.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from storychain.catalogue import PROMPT_MAX
from storychain.story.nodes import ScalarNode
from storychain.story.problems import Span, quoted
from storychain.story.words import VARIABLE, Fault, Filled, fill, locate, variables_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from storychain.story.parsing import Places
    from storychain.story.problems import Path

_LOST_WORDS = re.compile(r"[ \t]+(#\S[^\n]*)")


@dataclass(frozen=True, slots=True)
class Texts:
    """Reads the texts of one story."""

    places: Places
    source: str
    """The whole file."""
    variables: Mapping[str, str]
    of_row: Collection[str] = ()
    """The variables among them whose text is a row's, not the story's."""
    used: set[str] = field(default_factory=set)
    """Names of the variables that were asked for so far."""

    def check_variables(self) -> None:
        """Add a problem for every variable that cannot be used."""
        for name, value in self.variables.items():
            self._check_variable(("vars", name), name, value, "as this row sets it, " * (name in self.of_row))

    def fill(self, at: Path, words: str) -> Filled:
        """Return the text at `at` filled in; each dollar that means nothing becomes a problem where it stands."""
        filled = fill(words, self.variables)
        self.used.update(variables_in(words))
        node = self.places.node(at)
        if isinstance(node, ScalarNode) and not self.places.flawed(at):
            for fault in filled.faults:
                if not (fault.unknown and self.places.flawed(("vars",))):
                    self.places.add_another(at, fault.what, self._span(node, fault))
            self._check_comment(at, node)
        return filled

    def _span(self, node: ScalarNode, fault: Fault) -> Span:
        start = node.span.start
        place = locate(self.source[start : node.span.end], fault)
        return Span(start + place[0], start + place[1]) if place else node.span

    def _check_variable(self, at: Path, name: str, value: str, whose: str) -> None:
        if not VARIABLE.fullmatch(name):
            what = "a variable's name begins with a letter; letters, digits, - and _ follow"
            self.places.add(at, what, on_key=True)
        if "${" in value:
            self.places.add(at, f"{whose}a variable inside a variable is not filled in; write its text out")
        if len(value) > PROMPT_MAX:
            self.places.add(at, f"{whose}is {len(value):,} characters long; at most {PROMPT_MAX:,}")
        node = self.places.node(at)
        if isinstance(node, ScalarNode):
            self._check_comment(at, node)

    def _check_comment(self, at: Path, node: ScalarNode) -> None:
        """Refuse `the pier #3` without quotes: YAML takes the rest for a comment, and a prompt is paid for."""
        lost = _LOST_WORDS.match(self.source, node.span.end) if node.plain else None
        if lost:
            what = f"the text ends before {quoted(lost[1], 30)}: ' #' begins a comment; put the text in quotes"
            self.places.add_another(at, what, Span(*lost.span(1)))
