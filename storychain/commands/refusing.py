"""A command with `--json` that is refused as a whole: its readers get a document all the same."""

from __future__ import annotations

from storychain.errors import StorychainError
from storychain.report.documents import dumped, refusal_document
from storychain.terminal import if_anybody_reads


def in_json(error: StorychainError) -> None:
    """Print what a command was refused for."""
    with if_anybody_reads():
        print(dumped(refusal_document(error)))
