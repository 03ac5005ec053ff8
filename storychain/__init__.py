"""storychain: a YAML story in, one film out, nothing paid twice.

For programs and notebooks what the command line does: `await storychain.render("tale.yaml", max_credits=120)`, and
`async with storychain.rendering("tale.yaml", local=True) as events` to see it happen. See `storychain.api`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storychain.api import (
        Event,
        Outcome,
        Rendering,
        Step,
        Story,
        StorychainError,
        load,
        load_rows,
        plan_of,
        render,
        rendering,
    )

__version__ = "0.1.0"
__all__ = [
    "Event",
    "Outcome",
    "Rendering",
    "Step",
    "Story",
    "StorychainError",
    "__version__",
    "load",
    "load_rows",
    "plan_of",
    "render",
    "rendering",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: `--help` is not to wait for it."""
    if name in __all__:
        return getattr(import_module("storychain.api"), name)
    raise AttributeError(f"module 'storychain' has no attribute '{name}'")
