"""How one value of a story file is read: text, number, flag, and what is said when it is something else.

What lives here: functions from a node to a value, for pydantic to call. What may not: fields, or two values at once.
"""

from __future__ import annotations

import re
from decimal import Decimal

from pydantic_core import PydanticCustomError

from storychain.story.nodes import ListNode, MapNode, ScalarNode
from storychain.story.problems import quoted

MOST_TEXT = 10_000
"""Most characters of any one text, before variables and style."""

MOST_BUDGET = 1_000_000_000
"""Largest budget, in credits."""

MOST_ATTEMPTS = 10
MOST_TAKES = 8
"""Most paid tries at one scene."""

_SPACES = re.compile(r"[ \t\n]+")
_EMPTY_LINES = re.compile(r"\n{3,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LONGEST_NUMBER = 40


def joined_up(text: str) -> str:
    """Return `text` on one line: runs of spaces, tabs and line ends become one space."""
    return _SPACES.sub(" ", text).strip()


def joined_lines(text: str) -> str:
    """Return `text` with each of its lines on one; of empty lines between them at the most one stays."""
    lines = "\n".join(map(joined_up, text.strip().split("\n")))
    return _EMPTY_LINES.sub("\n\n", lines)


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


def read_text(value: object) -> str:
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


def read_line(value: object) -> str:
    """Read text that stands on one line and is not empty."""
    text = joined_up(read_text(value))
    if not text:
        raise refusal("is empty; write something or remove the key")
    return text


def read_word(value: object) -> str:
    """Read a value that is looked up in a list later, whatever YAML takes it for."""
    if not isinstance(value, ScalarNode) or value.kind == "null":
        raise refusal(f"expected one value, found {found(value)}")
    return value.text.strip()


def read_credits(value: object) -> Decimal:
    """Read a budget, in credits."""
    if not isinstance(value, ScalarNode) or value.kind != "number":
        raise refusal(f"expected a number of credits, found {found(value)}")
    number = _number(value.text)
    if number is None or not 0 <= number <= MOST_BUDGET:
        raise refusal(f"expected 0 to {MOST_BUDGET:,} credits, found {quoted(value.text)}")
    return number


def read_takes(value: object) -> int:
    """Read how many takes are bought side by side."""
    return _read_count(value, MOST_TAKES)


def read_attempts(value: object) -> int:
    """Read how often a scene may be tried."""
    return _read_count(value, MOST_ATTEMPTS)


def _read_count(value: object, most: int) -> int:
    number = _number(value.text) if isinstance(value, ScalarNode) and value.kind == "number" else None
    if number is None or number not in range(1, most + 1):
        raise refusal(f"expected a whole number from 1 to {most}, found {found(value)}")
    return int(number)


def read_flag(value: object) -> bool:
    """Read true or false."""
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
