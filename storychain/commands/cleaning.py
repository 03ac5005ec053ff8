"""The command `clean`: remove ended jobs at the provider, once their bytes are safe here and never before."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from storychain.commands.desk import PAID, Desk, desk
from storychain.errors import AccountError, StoryHeld
from storychain.locks import Held
from storychain.pictory import Pictory
from storychain.printable import counted
from storychain.workspace import sha256_of

if TYPE_CHECKING:
    from storychain.ledger import Ledger
    from storychain.records import Record


def clean(arguments: argparse.Namespace) -> int:
    """Remove the files of jobs whose segments are stored. Cannot be undone, so it asks for --yes."""
    at = desk(arguments)
    names = {story.name for story in at.stories(arguments.stories, arguments.matrix)} if arguments.stories else None
    with at.ledger() as ledger:
        if ledger.in_flight(PAID) or ledger.open_questions(PAID):
            raise StoryHeld(
                "jobs are under way, and they may still be reading the files of those before them",
                next_step="Clean when `storychain status` shows nothing in flight.",
            )
        wanted = [record for record in ledger.to_clean(PAID) if names is None or record.story in names]
        safe = [record for record in wanted if _is_safe(at, record)]
        for record in wanted:
            if record not in safe:
                print(f"{record.story}/{record.scene}: its file is not whole here; kept", file=sys.stderr)
        jobs = counted(len(safe), "job")
        if not arguments.yes:
            print(f"{jobs} can be removed at the provider. That cannot be undone; add --yes to do it.")
            return 0
        if not at.settings.api_key:
            raise AccountError("there is no API key", next_step="Set PICTORY_API_KEY in the environment or in .env.")
        asyncio.run(_clean(at, ledger, safe))
    print(f"{jobs} removed at the provider. Segments stay in {at.workspace.root}.")
    return 0


def _is_safe(at: Desk, record: Record) -> bool:
    """Whether our copy is byte for byte what was downloaded."""
    try:
        return sha256_of(at.workspace.segment(record.key)) == record.sha256
    except OSError:
        return False


async def _clean(at: Desk, ledger: Ledger, records: list[Record]) -> None:
    settings = at.settings
    async with Pictory(settings.base_url, settings.api_key or "", name=PAID) as provider:
        for record in records:
            try:
                # Nobody may begin to extend this segment's address while it goes away.
                with at.key_held(ledger, record.key):
                    await provider.clean(record.job_id or "")
                    ledger.cleaned(record.attempt)
            except Held:
                print(f"{record.story}/{record.scene}: in use by a run; kept", file=sys.stderr)
