"""What a command with many stories asks of its process: little sweeping."""

from __future__ import annotations

import gc

_YOUNG, _OLDER, _OLD = 20_000, 20, 100
"""New objects after which they are looked through for garbage, and how many times that until older ones are, too."""


def collect_seldom() -> None:
    """Look for garbage more seldom than Python does: of a thousand stories each look goes through all that is kept.

    It saves a tenth of the processor time, for 3 MB of memory.
    """
    gc.set_threshold(_YOUNG, _OLDER, _OLD)
