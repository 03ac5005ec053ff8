"""Options that several commands share, and those of the commands that open a page or write one.

The words of a command line and nothing else: what they mean is known to `commands`.
"""

from __future__ import annotations

import argparse
import difflib
import math
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, TypeAlias


class Misused(SystemExit):
    """A command line that means nothing; what is wrong with it is on stderr already."""

    def __init__(self, message: str) -> None:
        super().__init__(2)
        self.message = message


class Parser(argparse.ArgumentParser):
    """A parser that ends the program as any does, and lets who catches that know what was wrong.

    Options are whole words: an abbreviation in a script would mean something else, or nothing, once there is another
    option that begins so. To an option that is none, `elsewhere` is added.
    """

    elsewhere = ""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and complain of what is not known in the words of the command that does not know it."""
        arguments, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown)}{self.elsewhere}")
        return arguments, unknown

    def _meant(self, unknown: list[str]) -> str:
        options = [name for name in self._option_string_actions if name.startswith("--")]
        given = next((word.partition("=")[0] for word in unknown if word.startswith("--")), "")
        near = difflib.get_close_matches(given, options, 1)
        return f"; did you mean {near[0]}?" if near else ""

    def error(self, message: str) -> NoReturn:
        """Print it with the usage, and raise Misused."""
        try:
            super().error(message)
        except SystemExit:
            raise Misused(message) from None


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 - argparse has no public name for it


def command(commands: Commands, name: str, room: str, function: str, says: str) -> Parser:
    """A command, and which function of which module of `commands` it is."""
    made = commands.add_parser(name, help=says, description=f"{says[0].upper()}{says[1:]}.")
    made.set_defaults(command=(room, function))
    return made


def stories(command: argparse.ArgumentParser, *, many: str = "+") -> None:
    """Stories by file, folder, list or table."""
    says = "a story file (YAML), a folder of them, or - for a list of files on stdin"
    command.add_argument("stories", nargs=many, metavar="STORY", help=says)
    says = "make a film of each row of this table; its columns set the story's vars"
    command.add_argument("--matrix", metavar="CSV", help=says)


def edition(command: argparse.ArgumentParser) -> None:
    """A story as another model makes it."""
    says = "as this model makes it, beside the story's own: a cheap draft, say, or a dear master"
    command.add_argument("--model", metavar="NAME", help=says)


def workspace(command: argparse.ArgumentParser) -> None:
    """Where ledger and segments are."""
    command.add_argument("--workspace", metavar="DIR", help="ledger and segments (default: .storychain)")


def credits_(text: str) -> Decimal:
    """An amount of credits. Raises ArgumentTypeError."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of credits") from None
    if not amount.is_finite() or amount < 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of credits")
    return amount


def seconds(text: str) -> float:
    """A length of time. Raises ArgumentTypeError."""
    if not 0 <= (number := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds")
    return number


def share(text: str) -> float:
    """A size as a part of another. Raises ArgumentTypeError."""
    if not 0 < (number := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def looking(commands: Commands) -> None:
    """The review page and the report."""
    says = "open a page in the browser to look at stories, takes and seams"
    review = command(commands, "review", "reviewing", "review", says)
    stories(review, many="*")
    review.add_argument("--port", type=int, default=0, metavar="N", help="port to serve on (default: a free one)")
    review.add_argument("--host", default="127.0.0.1", metavar="H", help="address to serve on (default: the loopback)")
    review.add_argument("--token", action="store_true", help="let in whoever has the printed address, with --host")
    review.add_argument("--no-open", action="store_true", help="open no browser; the address is printed")
    review.add_argument("--allow-spend", action="store_true", help="let the page buy, after asking with the price")
    says = "credits that the page may spend while it is open"
    review.add_argument("--max-credits", type=credits_, metavar="N", help=says)
    review.add_argument("--out", metavar="DIR", help="where films are (default: films)")
    report = command(
        commands, "report", "reviewing", "report", "write what the page shows as files that need no server"
    )
    stories(report)
    out = "where reports go (default: reports)"
    report.add_argument("--out", dest="report_out", default="reports", metavar="DIR", help=out)
    report.add_argument("--single-file", action="store_true", help="one file a story that holds film and pictures too")
    for one in (review, report):
        edition(one)
        one.add_argument("--local", action="store_true", help="of the free preview")
        workspace(one)
