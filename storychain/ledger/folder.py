"""Folders that outlive a power cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.syncing import sync

if TYPE_CHECKING:
    from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make a folder that is still there after a power cut: a synced file in a forgotten folder is forgotten too."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)
