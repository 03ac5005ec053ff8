"""The command `install-timer`: prints what starts `run` by a clock; the person pastes it."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
import time
import unicodedata
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from storychain.cli import parser
from storychain.commands.deadline import comes_again, deadline_of
from storychain.commands.desk import desk
from storychain.commands.selection import choice_of, selects_one_of
from storychain.commands.watching import check_told
from storychain.errors import UsageError
from storychain.unattended.timer import Timer, crontab_text, daily, regular, shell_text

if TYPE_CHECKING:
    from storychain.story.model import Story

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_ZONES = "/zoneinfo/"


def install_timer(arguments: argparse.Namespace) -> int:
    """Print the units and the crontab line of a run. Raises UsageError where that run could do nothing."""
    given = [_safe(story) for story in arguments.stories or ["*.yaml"]]
    patterns = {story: sorted(glob(story)) for story in given if not Path(story).exists()}  # noqa: PTH207 - may be absolute
    _check_patterns(patterns)
    found = [name for story in given for name in patterns.get(story, [story])]
    _check_run(found, arguments.passed_on, more=bool(patterns))
    zone, own = arguments.timezone or _own_zone(), _own_zone()
    timer = Timer(
        name=_name(arguments.name, Path.cwd()),
        folder=str(Path.cwd()),
        program=_program(),
        stories=tuple(given),
        patterns=frozenset(patterns),
        options=tuple(arguments.passed_on),
        schedule=regular(arguments.every) if arguments.every else daily(arguments.at),
        zone=_checked(zone),
        foreign=zone != own,
        unseen=tuple(sorted(name for name in os.environ if name.startswith(("STORYCHAIN_", "PICTORY_")))),
    )
    print(crontab_text(timer) if arguments.cron else shell_text(timer), end="")
    return 0


def _safe(story: str) -> str:
    """A file whose name begins with a dash, now or once a pattern finds it, is not to be taken for an option."""
    return f"./{story}" if story[:1] in ("-", "*", "?", "[") else story


def _check_patterns(patterns: dict[str, list[str]]) -> None:
    for pattern, found in patterns.items():
        if not found:
            raise UsageError(
                f"there is no story {pattern}", next_step="Name story files, or a pattern: 'stories/*.yaml'."
            )


def _check_run(stories: list[str], options: list[str], *, more: bool) -> None:
    """Try the run's command line and stories now: at night nobody reads what is wrong with them.

    There may be `more` stories by then.
    """
    run = parser().parse_args(["run", *stories, *options])
    at = desk(run)
    found = at.find(run.stories, run.matrix)
    _check_selection(run.select, found.any() if more else found.all(), more=more)
    for error in found.unreadable.values():
        print(f"storychain: {error}\nWhile that is so, runs render the others and end with an error.", file=sys.stderr)
    if run.deadline is not None:
        deadline_of(run.deadline, time.time())
        if not comes_again(run.deadline):
            raise UsageError(
                f"--deadline: {run.deadline} comes once, and every run after it would fail",
                next_step="Write a time of day such as 06:00, or a span such as 90m.",
            )
    check_told(at, run)
    if run.local:
        from storychain.studio import parse_faults  # noqa: PLC0415 - a server is slow to import

        parse_faults(run.fault)
    if not (run.local or run.resume_only or run.yes or run.max_credits is not None):
        raise UsageError(
            "nobody can be asked for consent when the clock strikes",
            next_step="Agree now, behind `--`: storychain install-timer ... -- --max-credits 200 --quiet",
        )


def _check_selection(selected: list[str], stories: tuple[Story, ...], *, more: bool) -> None:
    there = [text for text in selected if not more or selects_one_of(text, stories)]
    choice_of(there, stories, resume_only=False)
    for text in selected:
        if text not in there:
            print(f"storychain: --select {text}: no such story is there yet; until then runs fail", file=sys.stderr)


def _program() -> tuple[str, ...]:
    """This very storychain, by its absolute path: a timer has no virtual environment."""
    # Not resolved: python in a virtual environment is a link, and what it leads to knows nothing of us.
    python = Path(sys.executable).absolute()
    script = python.with_name("storychain")
    return (str(script),) if os.access(script, os.X_OK) else (str(python), "-m", "storychain")


def _name(given: str | None, folder: Path) -> str:
    """What the units are called: by the folder, as far as units may have its letters, and by where it lies."""
    if given is None:
        plain = unicodedata.normalize("NFKD", folder.name).encode("ascii", "ignore").decode()
        called = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain)[:60].strip("-.")
        place = hashlib.sha256(os.fsencode(folder)).hexdigest()[:6]
        return "-".join(("storychain", *([called] if called else []), place))
    if not _NAME.fullmatch(given):
        raise UsageError(f"--name: '{given}' cannot be a unit's name", next_step="Letters, digits, '_', '.' and '-'.")
    return given


def _own_zone() -> str:
    """The machine's time zone; UTC where it does not say."""
    target = os.path.realpath("/etc/localtime")
    return target.partition(_ZONES)[2] or "UTC"


def _checked(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError) as error:
        raise UsageError(f"--timezone: '{zone}' is not known here", next_step="Write it as Europe/Berlin.") from error
    return zone
