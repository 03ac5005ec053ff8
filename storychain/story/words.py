"""Variables in text: `${name}` is filled in, `$$` is a dollar, any other dollar stays as it is.

Pure. What may not live here: nodes, places, limits of the provider.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storychain.story.problems import did_you_mean, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

ENOUGH = 10_000
"""Filling stops after so many characters; no prompt may be nearly as long."""

VARIABLE = re.compile(r"[^\W\d][\w-]*")
"""What a variable may be called."""

_UNKNOWN = "unknown variable"
_TOKEN = re.compile(
    r"\$\$|\$\{(?P<name>[^}\n]*)\}|(?P<open>\$\{)|\$(?P<bare>[^\W\d][\w-]*)"
    r"|\{\{[ \t]*(?P<braced>[^\W\d][\w-]*)[ \t]*\}\}"
)
"""The last is how other tools write a variable: of one that the story has it is taken for a mistake."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A token that means nothing: which of the text's, the token itself, and the sentence for a person."""

    number: int
    token: str
    what: str
    unknown: bool
    """It names a variable the story does not have."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A text with its variables filled in."""

    text: str
    faults: tuple[Fault, ...]
    used: bool
    """At least one variable was filled in."""


def variables_in(text: str) -> set[str]:
    """The names of the variables that a text asks for."""
    return {token["name"] for token in _TOKEN.finditer(text) if token["name"] is not None}


def fill(text: str, variables: Mapping[str, str]) -> Filled:
    """Return `text` with its variables filled in; what is at fault stays as written."""
    parts: list[str] = []
    faults: list[Fault] = []
    length = end = 0
    used = False
    for number, token in enumerate(_TOKEN.finditer(text)):
        what = _fault(token, variables)
        if what:
            faults.append(Fault(number, token[0], what, unknown=what.startswith(_UNKNOWN)))
        used = used or token["name"] is not None
        parts += [text[end : token.start()], _value(token, variables)]
        length += len(parts[-1]) + len(parts[-2])
        end = token.end()
        if length > ENOUGH:
            break
    return Filled("".join([*parts, text[end:]])[: ENOUGH + 1], tuple(faults), used)


def locate(source: str, fault: Fault) -> tuple[int, int] | None:
    """Return where in the text as written a fault stands, or None when quoting has hidden it."""
    tokens = list(_TOKEN.finditer(source))
    if fault.number < len(tokens) and tokens[fault.number][0] == fault.token:
        return tokens[fault.number].span()
    return None


def _value(token: re.Match[str], variables: Mapping[str, str]) -> str:
    if token[0] == "$$":
        return "$"
    return variables.get(token["name"] or "", token[0])


def _fault(token: re.Match[str], variables: Mapping[str, str]) -> str | None:
    name, bare = token["name"], token["bare"]
    if token["open"]:
        return "'${' is never closed; write $${ for a dollar and a brace"
    if bare in variables:
        return f"a variable is written ${{{bare}}}; for the dollar itself write $${bare}"
    if token["braced"] in variables:
        return f"a variable is written ${{{token['braced']}}}"
    if name is None or name in variables:
        return None
    if not VARIABLE.fullmatch(name):
        return f"{quoted('${' + name + '}')} is not a variable's name; write $${{ for a dollar and a brace"
    hint = did_you_mean(name, variables)
    declared = f"; vars has {', '.join(list(variables)[:8])}" if variables else "; the story has no vars"
    return f"{_UNKNOWN} '{name}'{hint or declared}"
