"""The studio's accounts of what was asked of it, for tests that assert on the money. Counts only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Counts:
    """Requests by kind since the studio was opened; `as_json` is what `/studio/counts` answers."""

    plain: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    polls_by_job: Counter[str] = field(default_factory=Counter)
    defaults_used: Counter[str] = field(default_factory=Counter)
    dropped_fields: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Every count by name; kinds never met are there as zero."""
        named = {name: self.plain[name] for name in KINDS}
        return named | {
            "refused": dict(self.refused),
            "polls_by_job": dict(self.polls_by_job),
            "defaults_used": dict(self.defaults_used),
            "dropped_fields": dict(self.dropped_fields),
        }


KINDS = (
    "submits",
    "accepted",
    "polls",
    "lists",
    "downloads",
    "pictures",
    "bytes",
    "upload_urls",
    "uploads",
    "cleans",
    "quotas",
    "usages",
    "renders",
    "webhooks",
    "webhooks_failed",
    "bugs",
)
"""Plain counts: `submits` received whatever came of them, `downloads` of videos, `bytes` sent of all media."""
