"""Every error a person can meet: what happened, where, what to do next, and the exit code scripts rely on.

Nothing here knows how an error came about; the rooms that raise them do. `cli` alone turns them into text and a
status. Messages never contain the API key or the query string of a signed address.
"""

from __future__ import annotations

from typing import ClassVar


class StorychainError(Exception):
    """Base of all errors with a message for a person.

    `what` says what happened, `where` names the story, scene or file, `next_step` says what to do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str | None = None, next_step: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        first = f"{self.where}: {self.what}" if self.where else self.what
        return f"{first}\n  {self.next_step}" if self.next_step else first


class UsageError(StorychainError):
    """The command line or a setting is wrong."""

    exit_code = 2


class InvalidStory(StorychainError):
    """A story file that cannot be used; `what` lists every problem with its place."""

    exit_code = 2


class GenerationFailed(StorychainError):
    """The provider refused or failed a scene."""

    exit_code = 3


class MediaError(StorychainError):
    """A video, sound or picture is not what it should be, or ffmpeg could not do its work."""

    exit_code = 3


class DiskTrouble(StorychainError):
    """A file cannot be read or written: the disk is full or broken, or the folder is not ours."""

    @classmethod
    def of(cls, error: OSError) -> DiskTrouble:
        """The system's own words for a person."""
        return cls(
            f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error),
            next_step="What is paid is on record; mend this and run again.",
        )


class OutOfTime(StorychainError):
    """Time was up before the work was done; running again goes on."""

    exit_code = 4


class StoreTrouble(OutOfTime):
    """The shared place cannot be read or written."""


class ProviderUnreachable(OutOfTime):
    """The API could not be reached, or kept failing, for as long as we were willing to try."""


class LedgerUnreachable(OutOfTime):
    """The database that holds the ledger could not be reached for as long as we were willing to try."""


class QueueUnreachable(OutOfTime):
    """What brings stories to workers could not be reached."""


class ConsentNeeded(StorychainError):
    """Credits would be spent and nobody has agreed to it."""

    exit_code = 5


class CapReached(StorychainError):
    """A cap on credits (run, story, day or month) leaves no room for the next scene."""

    exit_code = 5


class Unresolved(StorychainError):
    """It cannot be told whether a paid job exists, or a paid result is gone; a person has to settle it."""

    exit_code = 6


class MovedOn(StorychainError):
    """The ledger's attempt is no longer in the state somebody believed it to be in."""


class AccountError(StorychainError):
    """The API key is missing or refused, or the account's credits are used up."""

    exit_code = 7


class StoryHeld(StorychainError):
    """Another run holds this story."""

    exit_code = 75


class Interrupted(StorychainError):
    """Ctrl-C or SIGTERM: everything paid is on record, the next run goes on."""

    exit_code = 130
