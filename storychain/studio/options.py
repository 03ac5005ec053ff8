"""What a studio can be told when it is opened. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from storychain.catalogue import MODELS, Catalogue


@dataclass(frozen=True, slots=True)
class Options:
    """One studio.

    `ffmpeg` is started with `environ`; None: with that of this process. `home` keeps jobs, uploads and media and is
    taken up again by the next studio over it. `faults` maps names of `faults.FAULTS` to a probability or to `"@N"`
    (exactly the Nth occasion). `latency` is the fewest seconds a job stays in progress, `url_ttl` the seconds a
    result's address lives, `scale` the size of the pictures relative to 720p, `slow` the seconds that a slow answer
    takes longer. `key` None takes any that begins as keys do; `jobs_at_once` None accepts any number of jobs (two are
    rendered at a time in any case). `renders` is a folder of finished renders, which several studios may share: what is
    there already is not rendered again. `stand_in` is a file that every job delivers in place of a render, for
    measuring what it costs to ask for thousands; sources are looked at all the same.
    """

    home: Path
    ffmpeg: Path
    environ: Mapping[str, str] | None = field(default=None, repr=False)
    faults: Mapping[str, float | str] = field(default_factory=dict)
    seed: int = 0
    latency: float = 0.0
    url_ttl: float = 86400.0
    scale: float = 1.0
    page_size: int = 20
    credits_limit: Decimal = Decimal(22000)
    key: str | None = None
    jobs_at_once: int | None = None
    slow: float = 2.0
    renders: Path | None = None
    stand_in: Path | None = None
    models: Catalogue = field(default_factory=lambda: MODELS)
