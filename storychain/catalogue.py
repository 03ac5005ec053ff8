"""What the provider sells, as data: models, aspect ratios, durations, credits per second, prompt limits.

Prices and models change; this table is the one place to change them, and `storychain.toml` may add or replace
models (`[models.NAME]`). No decisions are made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

PROMPT_MIN = 5
"""Fewest characters of a prompt (API reference of `POST /v1/aistudio/videos`)."""

PROMPT_MAX = 5000
"""Most characters of a prompt (same source)."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model: the ratios and whole seconds it makes, and its price.

    `credits_per_second` is None where no price is known; such a quote is shown as unknown, never as zero.
    """

    name: str
    aspect_ratios: tuple[str, ...]
    durations: tuple[int, ...]
    credits_per_second: Decimal | None

    def credits(self, seconds: int) -> Decimal | None:
        """Price of one segment of `seconds` in credits, or None where the price is unknown."""
        return None if self.credits_per_second is None else self.credits_per_second * seconds


Catalogue = Mapping[str, Model]
"""Models by name."""

MODELS: Catalogue = {
    model.name: model
    for model in (
        Model("veo3.1", ("16:9", "9:16"), (4, 6, 8), Decimal(20)),
        Model("veo3.1_fast", ("16:9", "9:16"), (4, 6, 8), Decimal(10)),
        Model("pixverse5.5", ("16:9", "9:16", "1:1", "3:4", "4:3"), (5, 8, 10), Decimal("1.6")),
    )
}

DEFAULT_MODEL = "pixverse5.5"
"""The model of a story that names none (also the API's own default)."""
