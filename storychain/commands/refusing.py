"""A command with `--json` that is refused as a whole: its readers get a document all the same."""

from __future__ import annotations

from contextlib import suppress

from storychain.errors import StorychainError
from storychain.report.documents import dumped, refusal_document


def in_json(error: StorychainError) -> None:
    """Print what a command was refused for."""
    with suppress(BrokenPipeError):
        print(dumped(refusal_document(error)))
