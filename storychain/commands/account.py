"""Commands about the account: credits (the books) and reconcile (jobs that the ledger does not know)."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from storychain.chain.joblist import unowned_since_the_first
from storychain.commands.desk import PAID, Desk, desk
from storychain.errors import AccountError, StorychainError, UsageError
from storychain.pictory import Patience, Pictory
from storychain.printable import counted
from storychain.report import documents
from storychain.report.text import credits_text, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.ledger import Entry, Ledger
    from storychain.provider import Job, Quota, Transaction

_BRIEF = Patience(attempts=3, seconds=30)

_ASKED = 100
"""Unknown jobs that are asked for one by one; of older ones it is shown what the list tells."""


def credits(arguments: argparse.Namespace) -> int:  # noqa: A001 - the command's name
    """Show what was spent, and hold it against the account where there is a key."""
    at = desk(arguments)
    since = _since(arguments.since)
    with at.ledger_if_any() as ledger:
        found = ledger.books(PAID, since.timestamp(), arguments.by) if ledger else ()
    account, trouble = _account(at, since)
    if arguments.json:
        print(documents.dumped(_document(found, since, account)))
    else:
        print(_text(found, since, account))
    if trouble:
        print(f"The account could not be asked: {trouble}", file=sys.stderr)
    return 0


def _since(text: str | None) -> dt.datetime:
    """A day (UTC) as written, or the first of this month: the account's own books are by month."""
    if text is None:
        today = dt.datetime.now(dt.UTC)
        return today.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise UsageError(f"--since: '{text}' is not a day such as 2026-11-01") from error


Account = tuple["Quota", Decimal]
"""The account's quota, and its debits since a day."""


def _account(at: Desk, since: dt.datetime) -> tuple[Account | None, str | None]:
    if not at.settings.api_key:
        return None, None
    try:
        return asyncio.run(_ask(at, since)), None
    except StorychainError as error:
        return None, error.what


async def _ask(at: Desk, since: dt.datetime) -> Account:
    async with Pictory(at.settings.base_url, at.settings.api_key or "", name=PAID, patience=_BRIEF) as provider:
        quota = await provider.quota()
        debits = Decimal(0)
        for year, month in _months(since):
            debits += _debits(await provider.usage(year, month), since)
    return quota, debits


def _months(since: dt.datetime) -> list[tuple[int, int]]:
    today = dt.datetime.now(dt.UTC)
    first, last = since.year * 12 + since.month - 1, today.year * 12 + today.month - 1
    return [(number // 12, number % 12 + 1) for number in range(first, last + 1)]


def _debits(lines: Sequence[Transaction], since: dt.datetime) -> Decimal:
    """Debits less credits given back. A line whose date cannot be read counts: better too much than too little."""
    total = Decimal(0)
    for line in lines:
        try:
            moment = dt.datetime.fromisoformat(line.date)
        except ValueError:
            moment = since
        if moment.replace(tzinfo=moment.tzinfo or dt.UTC) >= since and line.kind.lower() == "debit":
            total += line.amount
    return total


def _text(found: Sequence[Entry], since: dt.datetime, account: Account | None) -> str:
    total = sum((entry.total for entry in found), Decimal(0))
    rows = [("", "requests", "paid", "promised", "of that failed")]
    rows += [(e.name, str(e.segments), str(e.paid), str(e.promised), str(e.failed)) for e in found]
    lines = table(rows, right=(1, 2, 3, 4)) if found else ["Nothing was bought."]
    lines = [f"Since {since:%Y-%m-%d} (UTC):", *(f"  {line}" for line in lines), f"  {credits_text(total)} in all"]
    if account:
        quota, debits = account
        lines.append(f"The account: {quota.used} of {quota.limit} credits used; {debits} of them since then.")
        if debits == total:
            lines.append("The ledger and the account agree.")
        else:
            lines.append(_difference(debits - total))
    return "\n".join(lines)


def _difference(more: Decimal) -> str:
    if more > 0:
        return (
            f"The account took {more} credits more than this ledger knows of: something else uses it too, or jobs are "
            "missing here (`storychain reconcile` shows those since the first one in the ledger)."
        )
    return f"The account took {-more} credits less than this ledger counts: jobs under way or failed may cost nothing."


def _document(found: Sequence[Entry], since: dt.datetime, account: Account | None) -> dict[str, Any]:
    number = documents.number
    total = sum((entry.total for entry in found), Decimal(0))
    return {
        "since": f"{since:%Y-%m-%d}",
        "entries": [
            {
                "name": entry.name,
                "requests": entry.segments,
                "paid": number(entry.paid),
                "promised": number(entry.promised),
                "failed": number(entry.failed),
            }
            for entry in found
        ],
        "credits": number(total),
        "account": None
        if account is None
        else {
            "used": number(account[0].used),
            "limit": number(account[0].limit),
            "debits": number(account[1]),
            "difference": number(account[1] - total),
        },
    }


def reconcile(arguments: argparse.Namespace) -> int:
    """Show the account's jobs that the ledger does not know, or accept that they are none of ours."""
    at = desk(arguments)
    if not at.settings.api_key:
        raise AccountError("there is no API key", next_step="Set PICTORY_API_KEY in the environment or in .env.")
    with at.ledger() as ledger:
        lost = ledger.lost_attempts()
        if lost:
            attempts = counted(lost, "attempt")
            print(f"The ledger has forgotten {attempts}: it was put back from an older copy.", file=sys.stderr)
        if arguments.accept:
            ledger.accept_loss()
            print("Accepted: runs go on.", file=sys.stderr)
            return 0
        found, so_far = asyncio.run(_unknown(at, ledger))
    if not so_far:
        print("The account's list is long: of its older jobs it is not known.", file=sys.stderr)
    if not found:
        print(f"Every job of the account {'since the first one in the ledger' if so_far else 'of late'} is known.")
    for job in found:
        length = f", {job.seconds} s" if job.seconds else ""
        price = f", {credits_text(job.credits)}" if job.credits is not None else ""
        print(f"{job.id}  {job.state.replace('_', ' ')}{length}{price}")
    if found:
        print("If one belongs to a scene: storychain adopt STORY SCENE JOB", file=sys.stderr)
        print("The newest stands first: of several that made one scene it is the one that was kept.", file=sys.stderr)
    return 0


async def _unknown(at: Desk, ledger: Ledger) -> tuple[list[Job], bool]:
    """Jobs that the ledger does not know, the newest with all they tell, and whether all were looked at."""
    settings = at.settings
    async with Pictory(settings.base_url, settings.api_key or "", name=PAID, patience=_BRIEF) as provider:
        found, so_far = await unowned_since_the_first(provider, ledger)
        return [*[await provider.job(job.id) for job in found[:_ASKED]], *found[_ASKED:]], so_far
