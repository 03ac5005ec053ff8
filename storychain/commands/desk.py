"""What most commands need at hand: the settings, the workspace, the stories named on the command line, the ledger."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from storychain.errors import UsageError
from storychain.locks import Held, lock_now
from storychain.printable import visible
from storychain.settings import Settings, for_programs, read_settings
from storychain.story.advice import places_given
from storychain.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from storychain.commands.selection import Found
    from storychain.ledger import Ledger
    from storychain.locks import Lock
    from storychain.plan import Facts, Step
    from storychain.records import Chosen
    from storychain.story.model import Story

PAID = "pictory"
FREE = "studio"

_FLAGS = (
    "workspace",
    "out",
    "poll",
    "jobs",
    "submit_lanes",
    "log_file",
    "metrics_file",
    "ping_url",
    "notify_on",
    "webhook_url",
    "webhook_listen",
    "engine",
    "temporal_address",
    "temporal_namespace",
    "temporal_task_queue",
)


@dataclass(frozen=True, slots=True)
class Desk:
    """Settings and workspace of one command."""

    settings: Settings
    workspace: Workspace
    model: str | None = None
    """The model that stories are made by in place of their own."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Where programs are looked for, and what they are started with: nothing secret."""

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The workspace's ledger, or the one several machines share; made if there is none."""
        from storychain.ledger import Ledger  # noqa: PLC0415 - not every command has one

        ledger = Ledger(self.workspace.ledger, url=self.settings.url, lease=self.settings.lease)
        try:
            yield ledger
        finally:
            ledger.close()

    @contextmanager
    def ledger_if_any(self) -> Iterator[Ledger | None]:
        """The ledger for those who only look: looking makes no files."""
        if self.settings.url is None and not self.workspace.ledger.exists():
            yield None
            return
        with self.ledger() as ledger:
            yield ledger

    def lost_attempts(self, ledger: Ledger | None) -> int:
        """How many attempts the ledger has forgotten; one that is gone has forgotten all, which its mark knows."""
        if ledger is not None:
            return ledger.lost_attempts()
        from storychain.ledger import mark_beside  # noqa: PLC0415

        return mark_beside(self.workspace.ledger).read()

    def key_held(self, ledger: Ledger, key: str) -> AbstractContextManager[None]:
        """Hold a segment against every run, or raise Held."""
        lock = self.workspace.key_lock(key)
        return _held(ledger, lock, lock.name)

    def story_held(self, ledger: Ledger, story: Story, *, free: bool) -> AbstractContextManager[None]:
        """Hold a story against every run, or raise Held."""
        name = f"story-{FREE if free else PAID}-{story.name}"
        return _held(ledger, self.workspace.story_lock(story.path, story.name), name)

    def facts(
        self,
        story: Story,
        ledger: Ledger | None,
        *,
        free: bool,
        retry_failed: bool = False,
        choices: Mapping[str, Chosen] | None = None,
    ) -> Facts:
        """All the plan may know about a story; with `choices` as if these had been chosen, too."""
        from storychain.chain.survey import survey  # noqa: PLC0415

        return survey(
            story,
            provider=FREE if free else PAID,
            free=free,
            ledger=ledger,
            workspace=self.workspace,
            catalogue=self.settings.catalogue,
            retry_failed=retry_failed,
            choices=choices,
        )

    def plan(self, story: Story, ledger: Ledger | None, *, free: bool, retry_failed: bool = False) -> tuple[Step, ...]:
        """The plan of a story as things stand."""
        from storychain.plan import plan  # noqa: PLC0415

        return plan(story, self.facts(story, ledger, free=free, retry_failed=retry_failed))

    def shows_preview(self, ledger: Ledger | None, story: str, *, local: bool) -> bool:
        """Whether the free preview is meant: where it is asked for, or all there is of a story."""
        known = ledger.stories() if ledger else ()
        return local or ((FREE, story) in known and (PAID, story) not in known)

    def takes_preview(self, ledger: Ledger | None, story: Story, *, local: bool) -> bool:
        """The same; where nobody asked for it, that is said: stand-ins are not to be taken for what is bought."""
        preview = self.shows_preview(ledger, story.name, local=local)
        if preview and not local:
            print(preview_words(story.name), file=sys.stderr)
        return preview

    def find(self, paths: Sequence[str], matrix: str | None = None) -> Found:
        """Read the stories that a command line names, as far as they can be read. Raises UsageError."""
        from storychain.commands.selection import find  # noqa: PLC0415

        if "" in paths or matrix == "":
            raise _empty("--matrix" if matrix == "" else "a story's name")
        found = find(paths, matrix, self.settings.catalogue)
        return replace(found, stories=self.as_made_here(found.stories))

    def as_made_here(self, stories: Sequence[Story]) -> tuple[Story, ...]:
        """Stories as the model makes them that was asked for in place of their own, if any. Raises UsageError."""
        if self.model is None:
            return tuple(stories)
        from storychain.takes import made_by  # noqa: PLC0415

        return tuple(made_by(story, self.model, self.settings.catalogue) for story in stories)

    def stories(self, paths: Sequence[str], matrix: str | None = None) -> tuple[Story, ...]:
        """Load stories; the problems of all of them are told together."""
        return self.find(paths, matrix).all()

    def story(self, arguments: argparse.Namespace) -> Story:
        """Load the one story that a command is about; of a table the row that is named. Raises UsageError."""
        from storychain.commands.selection import the_one  # noqa: PLC0415

        return the_one(self.find([arguments.story], arguments.matrix), arguments.row)


def preview_words(story: str) -> str:
    """What is said where a story's free preview is meant though nobody asked for it."""
    return visible(f"storychain: {story}: nothing of it is bought; this is its free preview")


@contextmanager
def _held(ledger: Ledger, lock: Lock, name: str) -> Iterator[None]:
    """Hold what a lock stands for, and what other machines call `name`; or raise Held."""
    from storychain.ledger import relying_on  # noqa: PLC0415

    with lock_now(lock):
        if ledger.claims is None:
            yield
            return
        claim = ledger.claims.take(name)
        if claim is None:
            raise Held
        try:
            with relying_on(claim):
                yield
        finally:
            ledger.claims.release(claim)


def _empty(what: str) -> UsageError:
    return UsageError(
        f"{what} is empty", next_step="Perhaps it is a variable that is not set. Name one, or leave it out."
    )


def desk(arguments: argparse.Namespace) -> Desk:
    """Read the settings a command line asks for."""
    flags = {name: getattr(arguments, name, None) for name in _FLAGS}
    for name, value in flags.items():
        if value == "":
            raise _empty(f"--{name.replace('_', '-')}")
    places_given(workspace=flags["workspace"], out=flags["out"])
    settings = read_settings(flags, os.environ, Path.cwd())
    if getattr(arguments, "local", False):
        # A preview's studio lives on this machine alone, and so does what it made.
        settings = replace(settings, url=None, store=None)
    return Desk(settings, Workspace(settings.workspace), getattr(arguments, "model", None), for_programs(os.environ))


def keep_to_ourselves() -> None:
    """Take secrets out of the environment, once they are read: what others start for us is to have none either."""
    for secret in os.environ.keys() - for_programs(os.environ).keys():
        del os.environ[secret]
