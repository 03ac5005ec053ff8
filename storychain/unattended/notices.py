"""Notifications: a title and a few lines to wherever apprise can send them. The one door to apprise.

Its addresses hold passwords and tokens, so they are never shown: a service is called by its place and its scheme.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from storychain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Notices:
    """Services that are told how a run ended."""

    def __init__(self, urls: Sequence[str], warn: Callable[[str], None]) -> None:
        """Look at every address. Raises UsageError where apprise is missing or knows no such address."""
        apprise = _library()
        self._warn = warn
        self._failure, self._success = apprise.NotifyType.FAILURE, apprise.NotifyType.SUCCESS
        self._services = [(_name(place, url), _service(apprise, place, url)) for place, url in enumerate(urls, 1)]

    def send(self, title: str, body: str, *, well: bool) -> list[threading.Thread]:
        """Tell every service, side by side; the threads that do it may be left behind."""
        kind = self._success if well else self._failure
        threads = [
            threading.Thread(target=self._send, args=(*service, title, body, kind), daemon=True)
            for service in self._services
        ]
        for thread in threads:
            thread.start()
        return threads

    def _send(self, name: str, service: Any, title: str, body: str, kind: Any) -> None:
        try:
            sent = bool(service.notify(body=body, title=title, notify_type=kind, body_format="text"))
        except (OSError, ValueError, TypeError, RuntimeError):
            # What a plug-in raises may quote its address.
            sent = False
        if not sent:
            self._warn(f"{name} could not be notified; the run is not affected")


def _library() -> Any:
    try:
        import apprise  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise UsageError(
            "notifications cannot be sent without apprise",
            next_step="pip install 'storychain[notify]', or take `notify` out of the settings. Nothing was bought.",
        ) from error
    # It logs addresses it cannot use; whatever else logs here is not to show them.
    logging.getLogger("apprise").propagate = False
    return apprise


def _service(apprise: Any, place: int, url: str) -> Any:
    """One service by itself: apprise would send to several by threads of its own, which are waited for at the end."""
    service = apprise.Apprise()
    if not service.add(url) or len(service) != 1:
        raise UsageError(
            f"{_name(place, url)} has an address that apprise does not understand",
            next_step="See github.com/caronc/apprise for how addresses are written. Nothing was bought.",
        )
    return service


def _name(place: int, url: str) -> str:
    scheme, found, _ = url.partition("://")
    kind = f" ({scheme})" if found and scheme.isascii() and scheme.isalnum() and len(scheme) <= 20 else ""
    return f"service {place} of `notify`{kind}"
