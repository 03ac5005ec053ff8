"""Evening out what differs between the clips of a film: colours at the seams, loudness from scene to scene.

What is found becomes filters and gains of the clips; nothing is drawn or mixed here.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from storychain.media.conform import conform
from storychain.media.edit import edit_of, heard_in
from storychain.media.looks.frames import Shown
from storychain.media.looks.matching import ColourShift, colour_shift
from storychain.media.sound.loudness import STEP, blocks_of, integrated, loudness_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.media.edit import Clip
    from storychain.media.tool import Ffmpeg

_MOST = 9.0
"""dB by which a scene is made louder or quieter at the most: beyond, it is meant to differ."""


async def same_colours(ffmpeg: Ffmpeg, clips: Sequence[Clip], going_on: Sequence[bool]) -> list[Clip]:
    """Grade each clip that goes on from the one before so that its colours meet those it follows.

    `going_on` says of each clip whether it does. Raises MediaError.
    """
    edit = edit_of(clips, drawn=True)
    alike = [await conform(ffmpeg, clip.prepared, edit.form) for clip in clips]
    graded: list[Clip] = []
    shift: ColourShift | None = None
    for number, (clip, shot) in enumerate(zip(clips, edit.shots, strict=True)):
        if number == 0 or not going_on[number]:
            shift = None
            graded.append(clip)
            continue
        before = Shown.of(alike[number - 1], edit.shots[number - 1].begin, edit.shots[number - 1].end)
        shift = await colour_shift(before, Shown.of(alike[number], shot.begin, shot.end), shift)
        graded.append(replace(clip, grade=shift.filters))
    return graded


async def same_loudness(ffmpeg: Ffmpeg, clips: Sequence[Clip]) -> list[Clip]:
    """Give each clip the gain that makes it as loud as the usual one; silent ones stay silent. Raises MediaError."""
    heard = heard_in(edit_of(clips), clips)
    levels = [
        integrated(np.asarray(blocks_of([replace(one, overlap=0)], [await loudness_of(ffmpeg, one.sound)])))
        for one in heard
    ]
    sounding = [level for level in levels if level > -math.inf]
    if not sounding:
        return list(clips)
    usual = median(sounding)
    return [replace(clip, gain=_gain(usual - level)) for clip, level in zip(clips, levels, strict=True)]


def _gain(missing: float) -> float:
    return 0.0 if missing == math.inf else max(-_MOST, min(_MOST, round(missing / STEP) * STEP))
