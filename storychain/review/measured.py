"""What `inspect` wrote down of a story: findings and courses, read back. Measures nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storychain.media.looks.colour import delta_e
from storychain.review.view import Course, DriftView

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_QUIETEST = -60.0
"""LUFS at which the curve of loudness ends; below, there is nothing to compare."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Segments by key, and seams by the keys before and after, as the document of `inspect` has them."""

    segments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seams: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)


def read_measured(path: Path) -> Measured:
    """What is written there; nothing where there is nothing, or nothing that can be made sense of. Raises nothing."""
    try:
        document = json.loads(path.read_bytes())
        segments = {one["key"]: one for one in document["segments"] if one["key"]}
        keys = {one["scene"]: one["key"] for one in document["segments"]}
        seams = {(keys[one["before"]], keys[one["after"]]): one for one in document["seams"]}
    except (OSError, ValueError, KeyError, TypeError):
        return Measured()
    return Measured(segments, seams)


def sentences(told: Mapping[str, Any]) -> tuple[str, ...]:
    """What was found to be too much."""
    return tuple(str(finding.get("sentence", "")) for finding in told.get("findings", ()))


def drift_of(measured: Measured, scenes: Sequence[tuple[str, str]]) -> DriftView | None:
    """The courses over the film, of scenes (name and key); None where two of them or more are not measured."""
    known = [(name, measured.segments[key]) for name, key in scenes if key in measured.segments]
    if len(known) < 2 or len(known) < len(scenes):
        return None
    begins = [0.0]
    light: list[list[tuple[float, float]]] = []
    colour: list[list[tuple[float, float]]] = []
    loud: list[list[tuple[float, float]]] = []
    first: tuple[float, ...] | None = None
    for _, segment in known:
        measures, left_out = segment["measures"], float(segment.get("left_out") or 0)
        # Where it is not known when the film shows it, it comes after the one before.
        at = begins[-1] = float(begins[-1] if segment.get("at") is None else segment["at"])
        points = [point for point in measures["course"] if point["seconds"] >= left_out]
        light.append([(at + point["seconds"] - left_out, point["brightness"]) for point in points])
        for point in measures["course"][:1]:
            first = first or tuple(point["colour"])
        colour.append([(at + point["seconds"] - left_out, _shift(first, point["colour"])) for point in points])
        # Each block of 400 ms is drawn at its middle.
        heard = [(at + number / 10 + 0.2 - left_out, level) for number, level in enumerate(measures["sound"]["course"])]
        loud.append([(time, max(_QUIETEST, level or _QUIETEST)) for time, level in heard if time >= at])
        begins.append(at + float(measures["seconds"]) - left_out)
    courses = (
        Course("Brightness", "levels of 255", 40, _frozen(light)),
        Course("Colour", "CIEDE2000 from the first picture", 8, _frozen(colour)),
        Course("Loudness", "LUFS", 24, _frozen(loud)),
    )
    return DriftView(tuple(name for name, _ in known), tuple(begins), courses)


def _shift(first: Sequence[float] | None, colour: Sequence[float]) -> float:
    """How far a colour is from the first one, lightness left out."""
    if first is None:
        return 0.0
    return delta_e((first[0], first[1], first[2]), (first[0], colour[1], colour[2]))


def _frozen(curves: Sequence[Sequence[tuple[float, float]]]) -> tuple[tuple[tuple[float, float], ...], ...]:
    return tuple(tuple(curve) for curve in curves)
