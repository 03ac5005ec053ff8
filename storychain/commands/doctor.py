"""The command `doctor`: what storychain would work with here, and what is missing."""

from __future__ import annotations

import argparse
import asyncio
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from storychain import __version__
from storychain.chain.restored import in_words
from storychain.commands.desk import PAID, Desk, desk
from storychain.commands.engines import engine_of
from storychain.commands.watching import told_line
from storychain.errors import AccountError, StoreTrouble, StorychainError, Unresolved, UsageError
from storychain.media.tool import find_ffmpeg
from storychain.pictory import Patience, Pictory
from storychain.store import Store, shown

if TYPE_CHECKING:
    from storychain.settings import Settings

_SCANT = 2 << 30
_SILENCE = 20.0


def doctor(arguments: argparse.Namespace) -> int:
    """Print one line a matter; the exit code is that of the first thing that would stop a run."""
    at = desk(arguments)
    code = 0
    print(f"storychain  {__version__}, Python {platform.python_version()} ({sys.executable})")
    try:
        print(f"ffmpeg      {find_ffmpeg(at.environ).reason}")
    except StorychainError as error:
        print(f"ffmpeg      {error}")
        code = error.exit_code
    print(f"workspace   {at.workspace.root.resolve()}, {_room(at.workspace.root)}")
    line, trouble = _ledger(at)
    print(f"ledger      {line}")
    code = code or trouble
    if at.settings.url is not None:
        line, trouble = _engine(at.settings)
        print(f"workers     {line}")
        code = code or trouble
    if at.settings.store is not None:
        line, trouble = _store(at.settings.store, shared=at.settings.url is not None)
        print(f"store       {line}")
        code = code or trouble
    print(f"films       {at.settings.out.resolve()}")
    try:
        print(f"told        {told_line(at.settings)}")
    except UsageError as error:
        print(f"told        {error}")
        code = code or error.exit_code
    print(f"api         {at.settings.base_url}")
    line, account = _account(at.settings)
    print(f"key         {line}")
    return code or account


def _ledger(at: Desk) -> tuple[str, int]:
    try:
        with at.ledger_if_any() as ledger:
            if lost := at.lost_attempts(ledger):
                return f"{in_words(lost)}: see `storychain reconcile`", Unresolved.exit_code
            if ledger is None:
                return "none yet", 0
            ledger.check_writable()
            return ledger.about(), 0
    except StorychainError as error:
        return str(error), error.exit_code


def _store(url: str, *, shared: bool) -> tuple[str, int]:
    """How the shared place stands. Who renders here can do without it; workers have to deliver their films there."""
    try:
        there = asyncio.run(Store(url, silence=_SILENCE).look())
    except StoreTrouble as error:
        return str(error), error.exit_code if shared else 0
    except UsageError as error:
        return str(error), error.exit_code
    return f"{shown(url)}{'' if there else ', where nothing is yet'}", 0


def _engine(settings: Settings) -> tuple[str, int]:
    try:
        return asyncio.run(engine_of(settings).about()), 0
    except StorychainError as error:
        return str(error), error.exit_code


def _room(folder: Path) -> str:
    there = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    return f"{free / 1e9:.1f} GB free{'; that is little' if free < _SCANT else ''}"


def _account(settings: Settings) -> tuple[str, int]:
    if not settings.api_key:
        return "PICTORY_API_KEY is not set; only --local will work", 0
    try:
        quota = asyncio.run(_quota(settings.base_url, settings.api_key))
    except AccountError as error:
        return str(error), error.exit_code
    except StorychainError as error:
        return f"set, but its quota could not be read: {error.what}", 0
    return f"works; {quota} credits left", 0


async def _quota(base_url: str, key: str) -> str:
    async with Pictory(base_url, key, name=PAID, patience=Patience(attempts=2, seconds=20)) as provider:
        quota = await provider.quota()
    return f"{quota.limit - quota.used} of {quota.limit}"
