"""From measures to findings: what is too much, and the sentence that says it. Pure; no file is opened here.

The limits are set so that footage that goes on undisturbed, cut in two anywhere, has no finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING

from storychain.media.looks.hearing import FLOOR

if TYPE_CHECKING:
    from storychain.media.looks.seams import SeamMeasures
    from storychain.media.looks.segments import SegmentMeasures
    from storychain.media.looks.stretches import Stretch


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that a measure may be before it is a finding, in `unit`; `about` says of what, for a person."""

    most: float
    unit: str
    about: str


LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        "brightness": Limit(
            4.0, "levels of 255", "step in mean brightness at a seam, beyond what changes nearby anyway"
        ),
        "contrast": Limit(1.25, "times", "change of contrast at a seam, up or down"),
        "colour": Limit(3.0, "CIEDE2000", "step in mean colour at a seam, brightness left out"),
        "sharpness": Limit(2.0, "times", "change of fine detail at a seam, up or down"),
        "motion": Limit(6.0, "times", "change of movement at a seam, up or down"),
        "jump": Limit(3.0, "times", "what changes across a seam, over the movement on either side"),
        "loudness": Limit(8.0, "LU", "step in loudness at a seam, over a second on each side"),
        "repeated": Limit(0, "frames", "frames shown again or standing still after a seam"),
        "black-seam": Limit(1, "frames", "black frames that touch a seam"),
        "black": Limit(0.2, "s", "black in a segment"),
        "frozen": Limit(1.0, "s", "standing picture in a segment that moves elsewhere"),
        "still": Limit(0, "", "segment in which nothing moves"),
        "flicker": Limit(4.0, "levels of 255", "how far the light swings where it flickers"),
        "cuts": Limit(0, "cuts", "cuts in a segment that should be one take"),
        "silent": Limit(0, "", "segment without anything to hear"),
        "silence": Limit(2.0, "s", "silence in a segment that sounds elsewhere"),
        "clipped": Limit(0.0005, "of all samples", "samples in runs at the ceiling"),
    }
)
"""What is measured against what, by the names that `--fail-on` takes."""

OF_CUTS = frozenset({"loudness", "black-seam"})
"""What is a finding at a seam that is meant to be a cut as well."""

_JUMP_DISTANCE = 0.2
"""Distance of the two frames at a seam below which a sudden step is a gesture, no jump."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is too much: its name among the limits, its value and the limit, the sentence, where it is.

    `stretches` are in the segment's own time; a seam's findings have none.
    """

    name: str
    value: float
    most: float
    sentence: str
    stretches: tuple[Stretch, ...] = ()


def findings_of_seam(
    seam: SeamMeasures, *, cut: bool = False, limits: Mapping[str, Limit] = LIMITS
) -> tuple[Finding, ...]:
    """What is too much at a seam, in the order of `LIMITS`; `cut` says that another view is meant to begin there."""
    found = (Finding(name, value, limits[name].most, told) for name, value, told in _seam(seam) if name in limits)
    return tuple(one for one in found if one.value > one.most and (not cut or one.name in OF_CUTS))


def findings_of_segment(segment: SegmentMeasures, *, limits: Mapping[str, Limit] = LIMITS) -> tuple[Finding, ...]:
    """What is too much in a segment, in the order of `LIMITS`."""
    found = (
        Finding(name, value, limits[name].most, told, where)
        for name, value, told, where in (*_pictures(segment), *_sounds(segment))
        if name in limits
    )
    return tuple(one for one in found if one.value > one.most)


def _seam(seam: SeamMeasures) -> Iterator[tuple[str, float, str]]:
    step = seam.brightness_step
    beyond = max(0.0, abs(step) - seam.brightness_drift)
    yield "brightness", beyond, f"the picture gets {abs(step):.0f} levels {'brighter' if step > 0 else 'darker'}"
    more, times = _either(seam.contrast_ratio)
    yield "contrast", times, f"the picture has {times:.1f} times {'more' if more else 'less'} contrast"
    hue = f" towards {seam.towards}" if seam.towards else ""
    yield "colour", seam.tint_step, f"the colours shift{hue} (by {seam.tint_step:.1f}, CIEDE2000)"
    more, times = _either(seam.sharpness_ratio)
    yield "sharpness", times, f"the picture gets {'sharper' if more else 'softer'}, {times:.1f} times in fine detail"
    more, times = _either(seam.motion_ratio)
    yield "motion", times, f"things suddenly move {times:.0f} times {'more' if more else 'less'}"
    jump = seam.jump_ratio if seam.distance > _JUMP_DISTANCE else 0.0
    yield "jump", jump, f"the picture jumps, {jump:.0f} times as far as anything moves around it"
    yield "loudness", abs(seam.loudness_step), _loudness(seam)
    once = seam.repeated == 1
    yield "repeated", seam.repeated, "a frame is shown twice" if once else f"{seam.repeated} frames show nothing new"
    black = seam.black_before + seam.black_after
    yield "black-seam", black, f"{black} frames are black"


def _either(ratio: float) -> tuple[bool, float]:
    """Whether it is more, and how many times."""
    return ratio >= 1, ratio if ratio >= 1 else 1 / ratio if ratio > 0 else inf


def _loudness(seam: SeamMeasures) -> str:
    if seam.loudness_after <= FLOOR:
        return "the sound stops"
    if seam.loudness_before <= FLOOR:
        return "the sound sets in"
    return f"the sound gets {abs(seam.loudness_step):.0f} LU {'louder' if seam.loudness_step > 0 else 'quieter'}"


def _pictures(segment: SegmentMeasures) -> Iterator[tuple[str, float, str, tuple[Stretch, ...]]]:
    black, where = _longest(segment.black), _places(segment.black)
    yield "black", black, f"the picture is black {where}", segment.black
    yield "frozen", _longest(segment.frozen), f"the picture stands still {_places(segment.frozen)}", segment.frozen
    yield "still", float(not segment.moves and segment.frames > 1), "nothing ever moves", ()
    flickers = sorted(segment.flicker, key=lambda one: one.levels)
    if flickers:
        worst, stretches = flickers[-1], tuple(one.stretch for one in segment.flicker)
        how = f"{worst.per_second:.0f} times a second, by {worst.levels:.0f} levels"
        yield "flicker", worst.levels, f"the light flickers {how} {_places(stretches)}", stretches
    times = [number / segment.fps for number in segment.cuts]
    views = "another view begins" if len(times) == 1 else "other views begin"
    yield "cuts", len(times), f"{views} at {_listed([f'{time:.1f}' for time in times])} s", ()


def _sounds(segment: SegmentMeasures) -> Iterator[tuple[str, float, str, tuple[Stretch, ...]]]:
    sound = segment.sound
    yield "silent", float(sound.silent), "there is no sound" if sound.missing else "there is nothing to hear", ()
    if not sound.silent:
        told = f"there is silence {_places(sound.silences)}"
        yield "silence", _longest(sound.silences), told, sound.silences
    told = f"the sound is driven into the ceiling {_places(sound.clippings)}"
    yield "clipped", sound.clipped, told, sound.clippings


def _longest(stretches: tuple[Stretch, ...]) -> float:
    return max((one.seconds for one in stretches), default=0.0)


def _places(stretches: tuple[Stretch, ...]) -> str:
    if len(stretches) == 1:
        return f"from {stretches[0].begin_seconds:.1f} to {stretches[0].end_seconds:.1f} s"
    return f"at {_listed([f'{one.begin_seconds:.1f}-{one.end_seconds:.1f}' for one in stretches])} s"


def _listed(words: list[str], most: int = 4) -> str:
    """Words in a row; of many, the first and how many more."""
    if len(words) > most:
        words = [*words[: most - 1], f"{len(words) - most + 1} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
