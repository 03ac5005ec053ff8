"""What is said of a request in doubt: on record it is in words for any story, here they become those of one.

The record was written when it was not known whose film the person means, and before jobs it names were adopted.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from storychain.story.advice import command

if TYPE_CHECKING:
    from storychain.ledger import Ledger
    from storychain.plan import Facts
    from storychain.records import Record
    from storychain.story.model import Story
    from storychain.workspace import Workspace

_COMMAND = re.compile(r"`storychain (adopt|resubmit) STORY (\S+) ([^\s`]+)`")
_WHOSE = re.compile(r"(, with| \(with) the run's --model or --matrix if it had one\)?")
_JOBS = re.compile(r"any of the jobs (.+?)(?=\. Look in the account)")


def as_it_stands(record: Record, story: Story, facts: Facts, ledger: Ledger, workspace: Workspace) -> Record:
    """The record with what is said of it as a person of this story needs it now."""
    if record.state != "unresolved" or not record.message:
        return record
    found = _JOBS.search(record.message)
    jobs = found[1].split(", ") if found else []
    owned = ledger.owned(facts.provider, jobs)
    message = _JOBS.sub(_named([job for job in jobs if job not in owned], jobs), record.message) if owned else None
    return replace(record, message=spelled_out(message or record.message, story, workspace, free=facts.free))


def _named(left: list[str], jobs: list[str]) -> str:
    if not left:
        return f"a job, though those that it could be are other scenes' by now ({', '.join(jobs)})"
    return f"job {left[0]}" if len(left) == 1 else f"any of the jobs {', '.join(left)}"


def spelled_out(message: str, story: Story, workspace: Workspace, *, free: bool) -> str:
    """The same words with this story's commands. A worker has the file of an order, which is nothing to a person."""
    if story.path.resolve().is_relative_to(workspace.orders.resolve()) or not _COMMAND.search(message):
        return message
    told = _COMMAND.sub(lambda found: command(found[1], story, found[2], found[3], free=free), message)
    return _WHOSE.sub("", told)
