"""The timeline as OpenTimelineIO: one picture track, one sound track, every take a media reference of its clip.

Needs the package opentimelineio (extra `otio`): it keeps the schema's versions, which other programs look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storychain.errors import UsageError
from storychain.export.timeline import Placed, metadata_of, seam_text

if TYPE_CHECKING:
    from fractions import Fraction

    from storychain.export.timeline import Item, Media, Seam, Take, Timeline

_NAMESPACE = "storychain"
_PLAIN = ("", "fade")
"""Transitions that editing programs know as a dissolve."""


def otio_text(timeline: Timeline) -> str:
    """The timeline as an .otio document. Raises UsageError where opentimelineio is not installed."""
    return _Writer(timeline, _library()).text()


def _library() -> Any:
    try:
        import opentimelineio  # noqa: PLC0415 - an extra, wanted by this format alone
    except ImportError as error:
        raise UsageError(
            "OpenTimelineIO is not installed",
            where="--to otio",
            next_step="pip install 'storychain[otio]', or export --to fcpxml, edl or csv, which need nothing more.",
        ) from error
    return opentimelineio


class _Writer:
    """Writes one timeline; `otio` is the library."""

    def __init__(self, timeline: Timeline, otio: Any) -> None:
        self._timeline = timeline
        self._schema = otio.schema
        self._time = otio.opentime
        self._to_json = otio.adapters.write_to_string

    def text(self) -> str:
        timeline = self._timeline
        made = self._schema.Timeline(name=timeline.title)
        about = {"story": timeline.name, "rate": str(timeline.fps), "recipe": timeline.recipe}
        made.metadata[_NAMESPACE] = {name: value for name, value in about.items() if value}
        made.tracks.append(self._track("V1", self._schema.TrackKind.Video))
        if any(item.media is not None and item.media.channels for item in timeline.items):
            made.tracks.append(self._track("A1", self._schema.TrackKind.Audio))
        return f"{self._to_json(made, 'otio_json', indent=2)}\n"

    def _track(self, name: str, kind: str) -> Any:
        track = self._schema.Track(name=name, kind=kind)
        sound = kind == self._schema.TrackKind.Audio
        for placed in self._timeline.placed():
            if placed.item.blend:
                track.append(self._transition(placed))
            track.append(self._item(placed, sound=sound))
        return track

    def _item(self, placed: Placed, *, sound: bool) -> Any:
        item = placed.item
        if item.media is None or (sound and not item.media.channels):
            made = self._schema.Gap(name=item.name, source_range=self._range(0, placed.frames, self._timeline.fps))
        else:
            made = self._schema.Clip(
                name=item.name, source_range=self._range(placed.first, placed.frames, self._timeline.fps)
            )
            made.set_media_references(*self._references(item))
        if not sound:
            made.markers.extend(self._markers(item, placed.first))
        made.metadata[_NAMESPACE] = self._about(item)
        return made

    def _references(self, item: Item) -> tuple[dict[str, Any], str]:
        """Every take there is a file of; the one shown stands under the key that simple readers look at."""
        active = self._schema.Clip.DEFAULT_MEDIA_KEY
        references = {active: self._reference(item, item.take)}
        references |= {f"take {take.number}": self._reference(item, take) for take in item.others if take.media}
        return references, active

    def _reference(self, item: Item, take: Take) -> Any:
        media: Media | None = take.media
        assert media is not None
        made = self._schema.ExternalReference(
            target_url=media.uri, available_range=self._range(0, media.frames, media.fps)
        )
        made.name = f"{item.name} take {take.number}"
        made.metadata[_NAMESPACE] = metadata_of(item, take)
        return made

    def _about(self, item: Item) -> dict[str, Any]:
        told: dict[str, Any] = {**metadata_of(item, item.take), "missing": item.missing}
        told["seam"] = _seam(item.seam) if item.seam else None
        told["transition"] = {"name": item.transition, "frames": item.blend} if item.blend else None
        return {name: value for name, value in told.items() if value not in (None, "")}

    def _markers(self, item: Item, first: int) -> list[Any]:
        """The seam at a clip's first frame; at a gap's, why it is one."""
        notes: list[tuple[str, str, dict[str, Any]]] = []
        if item.missing:
            notes.append(("RED", f"missing: {item.missing}", {}))
        if item.kind == "placeholder" and not item.missing:
            notes.append(("RED", "placeholder", {}))
        if item.seam:
            smooth = item.seam.kind in ("tail", "cut")
            notes.append(("GREEN" if smooth else "YELLOW", f"seam: {seam_text(item.seam)}", _seam(item.seam)))
        begin = 0 if item.missing else first
        spot = self._range(begin, 1, self._timeline.fps)
        return [
            self._schema.Marker(name=words, color=color, marked_range=spot, metadata={_NAMESPACE: about})
            for color, words, about in notes
        ]

    def _transition(self, placed: Placed) -> Any:
        types = self._schema.TransitionTypes
        made = self._schema.Transition(
            name=placed.item.transition or "fade",
            transition_type=types.SMPTE_Dissolve if placed.item.transition in _PLAIN else types.Custom,
            in_offset=self._moment(placed.lead, self._timeline.fps),
            out_offset=self._moment(placed.trail, self._timeline.fps),
        )
        made.metadata[_NAMESPACE] = {"transition": placed.item.transition or "fade"}
        return made

    def _moment(self, frame: int, fps: Fraction) -> Any:
        return self._time.RationalTime(frame, float(fps))

    def _range(self, begin: int, frames: int, fps: Fraction) -> Any:
        return self._time.TimeRange(self._moment(begin, fps), self._moment(frames, fps))


def _seam(seam: Seam) -> dict[str, Any]:
    told = {"kind": seam.kind, "frames": seam.frames, "confidence": seam.confidence}
    return {name: value for name, value in told.items() if value is not None}
