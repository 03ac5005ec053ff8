"""Which engine brings orders to workers, by the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.errors import UsageError

if TYPE_CHECKING:
    from storychain.settings import Settings
    from storychain.workers import Engine


def engine_of(settings: Settings) -> Engine:
    """The engine that the settings name. Raises UsageError where it is not installed, or wrongly set."""
    assert settings.url is not None
    if settings.engine == "pgqueuer":
        from storychain.workers.queue import Queue  # noqa: PLC0415 - only one of them need be installed

        return Queue(settings.url)
    try:
        from storychain.workers.temporal.engine import Temporal  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "the engine temporal needs Temporal's SDK", next_step="Install it: pip install 'storychain[temporal]'"
        ) from error
    return Temporal(
        settings.temporal,
        address=settings.temporal_address,
        namespace=settings.temporal_namespace,
        task_queue=settings.temporal_task_queue,
    )
