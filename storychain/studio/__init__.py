"""The studio: a local server that speaks the Pictory API and renders free stand-in segments.

Rooms: `server` (sockets), `app` and its doors (`submitting`, `jobs_door`, `uploads`, `delivery`, `console`), `floor`
(carries jobs out), `shelf` (what is on disk), `faults`, `counts`, and the renderer, `animatic`.
Nothing here may import the client, the plan, the ledger or the story: the studio is the other side of the wire, and
shared parsing would hide a misunderstanding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storychain.studio.faults import FAULTS, parse_faults
    from storychain.studio.options import Options
    from storychain.studio.placeholder import paint_placeholder
    from storychain.studio.server import Running, serve

__all__ = ["FAULTS", "Options", "Running", "paint_placeholder", "parse_faults", "serve"]

_ROOMS = {
    "FAULTS": "faults",
    "Options": "options",
    "Running": "server",
    "paint_placeholder": "placeholder",
    "parse_faults": "faults",
    "serve": "server",
}


def __getattr__(name: str) -> Any:
    """Open a room when it is first asked for: the sockets and the renderer are slow to import."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
