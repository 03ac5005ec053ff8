"""What a command with many stories asks of its process: all the open files the system allows, and little sweeping."""

from __future__ import annotations

import contextlib
import gc
import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storychain.story.model import Story

_OWN = 400
"""Connections, pipes to programs, the ledger, threads: what does not grow with the stories."""

_A_STORY, _A_CHAIN = 2, 3
"""A story's own lock and what it writes; of each chain the locks of two scenes, and a segment on its way in."""

_CHAINS = 8
"""Chains of a story that is not known yet."""


def files_of(stories: Iterable[Story], at_once: int) -> int:
    """Files that so many of the stories need at a time, at most."""
    needs = sorted((_A_STORY + _A_CHAIN * _chains(story) for story in stories), reverse=True)
    return _OWN + sum(needs[:at_once])


def files_of_any(at_once: int) -> int:
    """The same of stories that are not known yet."""
    return _OWN + at_once * (_A_STORY + _A_CHAIN * _CHAINS)


def _chains(story: Story) -> int:
    return 1 + sum(scene.join == "cut" for scene in story.scenes[1:])


def allow_files(count: int) -> None:
    """Let this process have `count` files open, or as many as the system lets it; never fewer than before.

    Systems hand programs a small number of which each may have more for the asking.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with contextlib.suppress(OSError, ValueError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


_YOUNG, _OLDER, _OLD = 20_000, 20, 100
"""New objects after which they are looked through for garbage, and how many times that until older ones are, too."""


def collect_seldom() -> None:
    """Look for garbage more seldom than Python does: of a thousand stories each look goes through all that is kept.

    It saves a tenth of the processor time, for 3 MB of memory.
    """
    gc.set_threshold(_YOUNG, _OLDER, _OLD)
