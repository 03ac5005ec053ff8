"""The commands `review` (the page that looks at everything) and `report` (the same as files that need no server)."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import webbrowser
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from storychain.commands.desk import FREE, PAID, Desk, desk, keep_to_ourselves, preview_words
from storychain.commands.interrupts import interrupts
from storychain.commands.selection import paths_of
from storychain.errors import InvalidStory, UsageError
from storychain.review.gathering import Places, Views
from storychain.review.server import opened
from storychain.review.still import write_report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.commands.buying import PageTill
    from storychain.ledger import Ledger
    from storychain.story.model import Story


def review(arguments: argparse.Namespace) -> int:
    """Serve the page until interrupted. Prints its address on stdout, once it answers, and opens the browser."""
    at = desk(arguments)
    with ExitStack() as open_until_the_end:
        till = _till(at, arguments, open_until_the_end)
        views = Views(_places(at, arguments, open_until_the_end))
        views.look()
        keep_to_ourselves()
        asyncio.run(_serve(views, till, arguments))
    return 0


def report(arguments: argparse.Namespace) -> int:
    """Write the reports of stories. Prints the file to open."""
    at = desk(arguments)
    with ExitStack() as open_until_the_end:
        views = Views(_places(at, arguments, open_until_the_end))
        space = views.workspace()
        if space.unreadable:
            raise InvalidStory("\n\n".join(one.problem for one in space.unreadable))
        for story in () if arguments.local else space.stories:
            if story.free:
                print(preview_words(story.name), file=sys.stderr)
        out = Path(arguments.report_out)
        print(asyncio.run(write_report(space.stories, at.workspace, out, single_file=arguments.single_file)))
    return 0


def _till(at: Desk, arguments: argparse.Namespace, stack: ExitStack) -> PageTill | None:
    """What the page buys with; None unless that was said, and how much. Raises UsageError, AccountError."""
    if not arguments.allow_spend:
        if arguments.max_credits is not None:
            raise UsageError("--max-credits says how much the page may spend: it needs --allow-spend")
        return None
    if arguments.max_credits is None or arguments.local:
        step = "Add --max-credits N, and leave out --local: previews cost nothing."
        raise UsageError("--allow-spend needs to know how much", next_step=step)
    from storychain.commands.buying import PageTill  # noqa: PLC0415 - a page that buys nothing renders nothing

    return PageTill(at, stack.enter_context(at.ledger()), arguments.max_credits)


async def _serve(views: Views, till: PageTill | None, arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    with interrupts(stop.set):
        async with opened(views, arguments.host, arguments.port, to_many=arguments.token, till=till) as page:
            print(page.door.address, flush=True)
            print(_words(arguments), file=sys.stderr, flush=True)
            if not arguments.no_open and _has_screen():
                await asyncio.to_thread(webbrowser.open, page.door.address)
            await stop.wait()
            if till is not None:
                await till.close()


def _has_screen() -> bool:
    """Whether a browser would have a window: where there is none, one for terminals would take over ours."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _words(arguments: argparse.Namespace) -> str:
    if arguments.token:
        return "The review page is open to whoever has this address, unencrypted; Ctrl-C closes it."
    return "The review page is open; its address is good for one browser. Ctrl-C closes it."


def _places(at: Desk, arguments: argparse.Namespace, stack: ExitStack) -> Places:
    """Where the views are gathered from. A ledger that is made later is found then."""
    kept: list[Ledger] = []

    def ledger() -> Ledger | None:
        if not kept:
            found = stack.enter_context(at.ledger_if_any())
            if found is not None:
                kept.append(found)
        return kept[0] if kept else None

    def load(path: Path) -> Sequence[Story]:
        try:
            return at.stories([str(path)], arguments.matrix)
        except InvalidStory:
            if arguments.stories or _holds_scenes(path):
                raise
            return ()

    # A list on stdin can be read but once.
    listed = _paths(arguments.stories) if "-" in arguments.stories else None
    return Places(
        paths=lambda: listed if listed is not None else _paths(arguments.stories),
        load=load,
        ledger=ledger,
        workspace=at.workspace,
        out=at.settings.out,
        catalogue=at.settings.catalogue,
        paid=PAID,
        free=FREE,
        local=arguments.local,
        matrix=Path(arguments.matrix) if arguments.matrix else None,
    )


def _holds_scenes(path: Path) -> bool:
    """Whether a file nobody named is meant to be a story: folders hold other YAML as well."""
    try:
        return re.search(r"^scenes\s*:", path.read_text("utf-8"), re.MULTILINE) is not None
    except (OSError, ValueError):
        return False


def _paths(named: Sequence[str]) -> list[Path]:
    """The story files there are now: those named, else those of this folder and of `stories/`."""
    if named:
        return paths_of(named)
    folders = [folder for folder in (".", "stories") if Path(folder).is_dir()]
    return [path for folder in folders for path in paths_of([folder], empty=True)]
