"""Charts as SVG, drawn here so that a page needs nothing but its style sheet for them.

Words in them are escaped; colours and weights are classes of the style sheet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from storychain.review.view import Course, DriftView, Line

_WIDE, _LEFT, _RIGHT = 1120, 132, 12
_BAND, _BETWEEN, _HEAD, _FOOT, _INSET = 112, 14, 34, 26, 16
"""Units of the drawing; it is scaled to the page's width."""


def drift_svg(drift: DriftView) -> Markup:
    """The courses over the film, a band each, with a line where scenes meet."""
    high = _HEAD + len(drift.courses) * (_BAND + _BETWEEN) - _BETWEEN + _FOOT
    whole = max(drift.begins[-1], 0.001)
    parts = [_scene_names(drift, whole)]
    for place, course in enumerate(drift.courses):
        parts.append(_band(course, _HEAD + place * (_BAND + _BETWEEN), drift.begins, whole))
    parts.append(_times(whole, high - 6))
    names = ", ".join(course.name.lower() for course in drift.courses)
    return Markup('<svg class="drift" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDE, high, f"Course of {names} over the film", Markup("").join(parts)
    )


def _x(time: float, whole: float) -> float:
    return _LEFT + (_WIDE - _LEFT - _RIGHT) * time / whole


def _scene_names(drift: DriftView, whole: float) -> Markup:
    names: list[Markup] = []
    for number, (name, begin, end) in enumerate(zip(drift.names, drift.begins, drift.begins[1:], strict=False), 1):
        left, room = _x(begin, whole), _x(end, whole) - _x(begin, whole)
        text = f"{number} {name}" if room > 7 * (len(name) + 4) else str(number) if room > 18 else ""
        names.append(_text(left + 6, 20, text, "name"))
    return Markup("").join(names)


def _band(course: Course, top: int, begins: Sequence[float], whole: float) -> Markup:
    values = [value for curve in course.curves for _, value in curve] or [0.0]
    middle, span = (min(values) + max(values)) / 2, max(max(values) - min(values), course.least)
    low = max(0.0, middle - span / 2) if min(values) >= 0 else middle - span / 2

    def y(value: float) -> float:
        return top + _BAND - _INSET - (_BAND - 2 * _INSET) * (value - low) / span

    parts = [
        Markup('<rect class="band" x="{}" y="{}" width="{}" height="{}"/>').format(
            _LEFT, top, _WIDE - _LEFT - _RIGHT, _BAND
        ),
        _text(0, top + 20, course.name, "title"),
        _text(0, top + 37, course.unit.split(" from ")[0], "unit"),
    ]
    for value in (low, low + span / 2, low + span):
        parts.append(_line(_LEFT, y(value), _WIDE - _RIGHT, y(value), "grid"))
        parts.append(_text(_LEFT - 8, y(value) + 4, f"{value:.0f}", "unit end"))
    parts += [_line(_x(time, whole), top, _x(time, whole), top + _BAND, "seam") for time in begins[1:-1]]
    parts += [_curve((_x(time, whole), y(value)) for time, value in curve) for curve in course.curves]
    return Markup("").join(parts)


def _curve(points: Iterable[tuple[float, float]]) -> Markup:
    return Markup('<polyline class="curve" points="{}"/>').format(" ".join(f"{x:.1f},{y:.1f}" for x, y in points))


def _times(whole: float, baseline: float) -> Markup:
    step = next(
        step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600) if whole / step <= 12 or step == 3600
    )
    times = range(0, int(whole) + 1, step)
    told = ((time, f"{time} s" if whole < 120 else f"{time // 60}:{time % 60:02d}") for time in times)
    return Markup("").join(
        _text(_x(time, whole), baseline, text, "unit middle" if time else "unit") for time, text in told
    )


def days_svg(days: Sequence[Line]) -> Markup:
    """Credits by day, a bar each."""
    high, foot, head = 200, 24, 18
    wide = (_WIDE - 2) / max(len(days), 30)
    parts = [_line(0, high - foot, _WIDE, high - foot, "grid")]
    every = max(1, len(days) // 8)
    for place, day in enumerate(days):
        tall = (high - foot - head) * day.share
        left = place * wide
        parts.append(
            Markup(
                '<rect class="day" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
            ).format(left + 2, high - foot - tall, max(2.0, wide - 4), tall, f"{day.name}: {day.total} credits")
        )
        if place % every == 0:
            parts.append(_text(left + 2, high - 6, day.name[5:], "unit"))
        if day.total and wide > 30:
            parts.append(_text(left + 2, high - foot - tall - 5, str(day.total), "unit"))
    told = f"Credits by day, from {days[0].name} to {days[-1].name}" if days else "Credits by day"
    return Markup('<svg class="days" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDE, high, told, Markup("").join(parts)
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(kind, x1, y1, x2, y2)


def _text(x: float, y: float, words: str, kind: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(kind, x, y, words)
