"""Looking at a story's stored segments: how each is, and how each goes on from the one before. Nothing is changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from storychain.chain.blocked import brought_on
from storychain.chain.finishing import draws
from storychain.chain.opening import opening_of
from storychain.chain.recipe import film_path
from storychain.chain.run import Run
from storychain.chain.seams import (
    NOTHING_NEW,
    left_out,
    less_than_all,
    seam_between,
    seam_with_unshown,
    shows_nothing_new,
)
from storychain.errors import MediaError
from storychain.locks import lock
from storychain.media.edit import Clip
from storychain.media.looks import drift
from storychain.media.looks.drift import draw_drift
from storychain.media.looks.frames import Shown
from storychain.media.looks.limits import Finding, Limit, findings_of_seam, findings_of_segment
from storychain.media.looks.seam_picture import draw_seam
from storychain.media.looks.seams import SeamMeasures, measure_seam
from storychain.media.looks.segments import SegmentMeasures, measure_segment
from storychain.plan import Action
from storychain.story.naming import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from storychain.ledger import SeamRecord
    from storychain.media.prepare import Prepared
    from storychain.plan import Facts, Step
    from storychain.story.finishing import Transition
    from storychain.story.model import Story

_AT_ONCE = 2
"""Segments and seams measured side by side; decoding takes a core each."""


@dataclass(frozen=True, slots=True)
class LookedAt:
    """A segment: the scene's name, its measures, what is too much, and its key ("" of a video the story opens with).

    It comes in `at` a second of the film, without the seconds `left_out` at its head; None where one before it is not
    here.
    """

    name: str
    measures: SegmentMeasures
    findings: tuple[Finding, ...]
    key: str = ""
    left_out: float = 0.0
    at: float | None = None


@dataclass(frozen=True, slots=True)
class SeamLookedAt:
    """A seam: the scenes before and after it, how the later begins, the measures, what is too much, its picture."""

    before: str
    after: str
    cut: bool
    kept: bool
    found: SeamRecord | None
    measures: SeamMeasures
    findings: tuple[Finding, ...]
    picture: Path | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """All of a story that is here; `missing` names the scenes that are not. `chart` is of the drift over the film.

    `preview` says that it is of the free preview.
    """

    story: Story
    segments: tuple[LookedAt, ...]
    seams: tuple[SeamLookedAt, ...]
    missing: tuple[str, ...]
    chart: Path | None
    preview: bool

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that is too much."""
        looked: tuple[LookedAt | SeamLookedAt, ...] = (*self.segments, *self.seams)
        return tuple(finding for one in looked for finding in one.findings)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A segment as the film shows it; `seam` is how it begins against the one before, `cut` that it is meant to cut.

    What is `kept` goes on from another take than the one shown before it: its seam is judged like a cut, and `seam` is
    against that take.
    """

    name: str
    prepared: Prepared
    begin: int = 0
    cut: bool = False
    kept: bool = False
    seam: SeamRecord | None = None
    follows: bool = True
    key: str = ""
    blend: Fraction = Fraction(0)
    """Seconds in which it comes in over the end of the one before."""

    @property
    def shown(self) -> Shown:
        return Shown.of(self.prepared, self.begin)


async def inspect(
    run: Run,
    story: Story,
    facts: Facts,
    steps: Sequence[Step],
    limits: Mapping[str, Limit],
    *,
    pictures: bool,
) -> Inspection:
    """Measure a story's segments and seams; with `pictures` each seam is drawn. Raises MediaError if none is here."""
    seen = await _seen(run, story, facts, steps)
    if not seen:
        raise MediaError(
            "no segment of it is here",
            where=story.name,
            next_step=f"{brought_on(story, facts, steps, workers=run.locks.shared)}.",
        )
    room = asyncio.Semaphore(_AT_ONCE)
    folder = film_path(run.ledger, run.out, story.edition, free=run.provider.free).with_suffix(".seams")

    async def segment(one: _Seen, at: float | None) -> LookedAt:
        async with room:
            measures = await measure_segment(one.prepared.picture, one.prepared.sound)
        left_out = float(one.begin / one.prepared.probe.fps)
        return LookedAt(one.name, measures, findings_of_segment(measures, limits=limits), one.key, left_out, at)

    async def seam(number: int, before: _Seen, after: _Seen) -> SeamLookedAt:
        async with room:
            measures = await measure_seam(before.shown, after.shown)
            findings = findings_of_seam(measures, cut=after.cut, limits=limits)
            if shows_nothing_new(after.seam, after.prepared):
                findings = _nothing_new(after.prepared, findings, limits)
            png = folder / f"{number:03}-{shortened(before.name)}-{shortened(after.name)}.png" if pictures else None
            if png is not None:
                names = (before.name, after.name)
                meant = {"cut": after.cut, "kept": after.kept}
                await draw_seam(before.shown, after.shown, measures, png, names=names, **meant, limits=limits)
        return SeamLookedAt(before.name, after.name, after.cut, after.kept, after.seam, measures, findings, png)

    pairs = [pair for pair in pairwise(seen) if pair[1].follows]
    if pictures:
        folder.mkdir(parents=True, exist_ok=True)
    times = _times(run, story, seen)
    gapless = sum(1 for _ in takewhile(lambda one: one.follows, seen))
    known = [*times[:gapless], *[None] * (len(seen) - gapless)]
    segments = await asyncio.gather(*map(segment, seen, known))
    seams = await asyncio.gather(*(seam(number, *pair) for number, pair in enumerate(pairs, 1)))
    chart = folder / "drift.png" if pictures and len(pairs) == len(seen) - 1 and pairs else None
    if chart is not None:
        scenes = [
            drift.Scene(one.name, looked.measures, one.begin, cut=one.cut)
            for one, looked in zip(seen, segments, strict=True)
        ]
        steps_between = [one.measures for one in seams]
        await draw_drift(scenes, steps_between, chart, begins=times, limits=limits)
    here = {one.name for one in seen}
    missing = tuple(step.scene.id for step in steps if step.scene.id not in here)
    return Inspection(story, tuple(segments), tuple(seams), missing, chart, run.provider.free)


def _nothing_new(segment: Prepared, findings: Sequence[Finding], limits: Mapping[str, Limit]) -> tuple[Finding, ...]:
    """What is found at the seam of a segment that repeats the one before from end to end: that, in place of repeats."""
    repeated = Finding("repeated", segment.probe.frames, limits["repeated"].most, NOTHING_NEW)
    return (*(one for one in findings if one.name != "repeated"), repeated)


def _times(run: Run, story: Story, seen: Sequence[_Seen]) -> list[float]:
    """The film's seconds at which each comes in, and its end: behind a title card, and over the end of the one before.

    Reckoned from what is here: the film itself may not be made yet.
    """
    skips = [one.begin / one.prepared.probe.fps for one in seen]
    clips = [Clip(one.prepared, one.name, skip, one.blend) for one, skip in zip(seen, skips, strict=True)]
    edit = run.room.edit(clips, drawn=draws(story))
    lead = story.film.title_card.seconds if story.film.title_card else Fraction(0)
    lead -= min(seen[0].blend, lead / 2, edit.shots[0].frames / edit.form.fps / 2)
    return [float(lead + edit.at(number)) for number in range(len(seen) + 1)]


async def _seen(run: Run, story: Story, facts: Facts, steps: Sequence[Step]) -> list[_Seen]:
    """The segments that are here, in the film's order, each from where it shows something new."""
    seen: list[_Seen] = []
    if story.start is not None and story.start.include:
        seen.append(_Seen("opening", await opening_of(run, story, facts), blend=_blend(story.film.transition)))
    follows = True
    for place, step in enumerate(steps):
        if step.action is not Action.REUSE:
            follows = False
            continue
        path = run.workspace.segment(step.key)
        async with lock(run.workspace.key_lock(step.key)):
            prepared = await run.room.prepare(path, run.workspace.prepared(step.key), strict=False)
        cut = step.scene.join == "cut" or (place == 0 and not step.from_start)
        seam = None
        continues = step.parent == steps[place - 1].key if place else step.from_start
        if step.continued is not None:
            seam = await seam_with_unshown(run, step.continued, prepared)
        elif follows and seen and continues and not cut:
            seam = await seam_between(run, seen[-1].prepared, prepared)
        begin = round(less_than_all(left_out(seam, doubled=story.film.drop_doubled), prepared) * prepared.probe.fps)
        kept = step.continued is not None
        cut = cut or not continues
        blend = _blend(step.scene.transition)
        seen.append(_Seen(step.scene.id, prepared, begin, cut, kept, seam, follows, step.key, blend))
        follows = True
    return seen


def _blend(transition: Transition | None) -> Fraction:
    return transition.seconds if transition else Fraction(0)
