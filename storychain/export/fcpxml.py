"""The timeline as FCPXML 1.9, the oldest version that all of today's Final Cut Pro and DaVinci Resolve read.

Written here and not by OpenTimelineIO's adapter: that one writes 1.8, takes times through floating point, and knows
neither chapters nor dissolves. Times are rational numbers of seconds, whole frames each.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from storychain.export.timeline import metadata_of, nominal, seam_text

if TYPE_CHECKING:
    from storychain.export.timeline import Item, Media, Placed, Take, Timeline

_VERSION = "1.9"
_CONFORMED = {
    Fraction(24_000, 1001): "23.98",
    Fraction(30_000, 1001): "29.97",
    Fraction(48_000, 1001): "47.95",
    Fraction(60_000, 1001): "59.94",
    **{Fraction(rate): str(rate) for rate in (24, 25, 30, 48, 50, 60)},
}
"""How the format names the rates of media that differ from their timeline's."""

_DISSOLVE = ("Cross Dissolve", "FxPlug:4731E73A-8DAC-4113-9A30-AE85B1761265")
_CROSSFADE = ("Audio Crossfade", "FFAudioTransition")
_KNOWN = {"scene": "com.apple.proapps.studio.scene", "take": "com.apple.proapps.studio.shot"}
"""Fields that Final Cut Pro has columns for."""


def fcpxml_text(timeline: Timeline) -> str:
    """The timeline as an .fcpxml document. Raises UsageError for a rate that editing programs do not have."""
    nominal(timeline.fps)
    return _Writer(timeline).text()


class _Writer:
    """Writes one timeline; resources get their numbers in the order in which they are first needed."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._root = ElementTree.Element("fcpxml", version=_VERSION)
        self._resources = ElementTree.SubElement(self._root, "resources")
        self._ids: dict[object, str] = {}

    def text(self) -> str:
        timeline = self._timeline
        form = self._format(timeline.fps, timeline.width, timeline.height)
        event = _under(_under(self._root, "library"), "event", name=timeline.title)
        project = _under(event, "project", name=timeline.title)
        sequence = _under(
            project,
            "sequence",
            format=form,
            duration=self._time(timeline.frames),
            tcStart="0s",
            tcFormat="NDF",
            audioLayout="stereo",
            audioRate="48k",
        )
        spine = _under(sequence, "spine")
        for placed in timeline.placed():
            if placed.item.blend:
                self._transition(spine, placed)
            self._item(spine, placed)
        for item in timeline.items:
            self._takes(event, item)
        ElementTree.indent(self._root)
        body = ElementTree.tostring(self._root, encoding="unicode")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{body}\n'

    # Resources

    def _format(self, fps: Fraction, width: int, height: int) -> str:
        known = self._ids.get((fps, width, height))
        if known:
            return known
        duration = f"{fps.denominator}/{fps.numerator}s"
        size = {"width": str(width), "height": str(height)}
        return self._resource((fps, width, height), "format", frameDuration=duration, **size)

    def _asset(self, item: Item, take: Take, media: Media) -> str:
        known = self._ids.get(media.path)
        if known:
            return known
        form = self._format(media.fps, media.width, media.height)
        sound = {
            "hasAudio": "1",
            "audioSources": "1",
            "audioChannels": str(media.channels),
            "audioRate": str(media.sample_rate),
        }
        number = self._resource(
            media.path,
            "asset",
            name=f"{item.name} take {take.number}",
            start="0s",
            duration=_seconds(media.frames, media.fps),
            hasVideo="1",
            format=form,
            videoSources="1",
            **(sound if media.channels else {}),
        )
        asset = self._resources[-1]
        _under(asset, "media-rep", kind="original-media", src=media.uri)
        _metadata(asset, item, take)
        return number

    def _effect(self, named: tuple[str, str]) -> str:
        return self._ids.get(named) or self._resource(named, "effect", name=named[0], uid=named[1])

    def _resource(self, what: object, tag: str, **attributes: str) -> str:
        number = f"r{len(self._ids) + 1}"
        self._ids[what] = number
        _under(self._resources, tag, id=number, **attributes)
        return number

    # The spine

    def _item(self, spine: ElementTree.Element, placed: Placed) -> None:
        item, span = placed.item, {"offset": self._time(placed.begin), "duration": self._time(placed.frames)}
        if item.media is None:
            made = _under(spine, "gap", name=item.name, start="0s", **span)
            _note(made, item.take.prompt)
            spot = {"start": "0s", "duration": self._time(1)}
            _under(made, "chapter-marker", value=item.name, posterOffset="0s", **spot)
            _under(made, "marker", value=f"missing: {item.missing}", **spot)
            return
        first = self._time(placed.first)
        asset = self._asset(item, item.take, item.media)
        made = _under(spine, "asset-clip", ref=asset, name=item.name, start=first, tcFormat="NDF", **span)
        self._inside(made, item.take, item.media)
        spot = {"start": first, "duration": self._time(1)}
        _under(made, "chapter-marker", value=item.name, posterOffset="0s", **spot)
        if item.seam:
            _under(made, "marker", value=f"seam: {seam_text(item.seam)}", **spot)
        if item.kind == "placeholder":
            _under(made, "marker", value="placeholder", **spot)

    def _inside(self, made: ElementTree.Element, take: Take, media: Media) -> None:
        """What comes first in a clip: its words, and that its rate is another than the timeline's."""
        _note(made, take.prompt)
        if media.fps != self._timeline.fps:
            rate = {"srcFrameRate": _CONFORMED[media.fps]} if media.fps in _CONFORMED else {}
            _under(made, "conform-rate", scaleEnabled="0", **rate)
        if (media.width, media.height) != (self._timeline.width, self._timeline.height):
            _under(made, "adjust-conform", type="fit")

    def _transition(self, spine: ElementTree.Element, placed: Placed) -> None:
        frames = placed.lead + placed.trail
        span = {"offset": self._time(placed.begin - placed.lead), "duration": self._time(frames)}
        made = _under(spine, "transition", name=_DISSOLVE[0], **span)
        _under(made, "filter-video", ref=self._effect(_DISSOLVE), name=_DISSOLVE[0])
        _under(made, "filter-audio", ref=self._effect(_CROSSFADE), name=_CROSSFADE[0])

    def _takes(self, event: ElementTree.Element, item: Item) -> None:
        """Takes that are not shown lie beside the project, as clips of their own."""
        for take in item.others:
            if take.media is None:
                continue
            asset = self._asset(item, take, take.media)
            length = _seconds(take.media.frames, take.media.fps)
            name = f"{item.name} take {take.number}"
            made = _under(event, "asset-clip", ref=asset, name=name, start="0s", duration=length, tcFormat="NDF")
            _note(made, take.prompt)

    def _time(self, frames: int) -> str:
        return _seconds(frames, self._timeline.fps)


def _seconds(frames: int, fps: Fraction) -> str:
    """Frames as seconds, exact, on the rate's own denominator: `8008/24000s`."""
    if frames * fps.denominator % fps.numerator == 0:
        return f"{frames * fps.denominator // fps.numerator}s"
    return f"{frames * fps.denominator}/{fps.numerator}s"


def _under(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, {name: _clean(value) for name, value in attributes.items()})


def _note(parent: ElementTree.Element, words: str) -> None:
    if words:
        _under(parent, "note").text = _clean(words)


def _metadata(parent: ElementTree.Element, item: Item, take: Take) -> None:
    told = {name: value for name, value in metadata_of(item, take).items() if name != "prompt"}
    made = _under(parent, "metadata")
    for name, value in told.items():
        if name in _KNOWN:
            _under(made, "md", key=_KNOWN[name], value=str(value))
        else:
            _under(made, "md", key=f"storychain.{name}", value=str(value), displayName=name.replace("_", " "))


def _clean(text: str) -> str:
    """`text` without what XML cannot hold, escaped or not: control characters, lone surrogates, two non-characters."""
    return "".join(sign for sign in text if sign in "\t\n\r" or (sign >= " " and not _unwritable(sign)))


def _unwritable(sign: str) -> bool:
    return "\ud800" <= sign <= "\udfff" or sign in "\ufffe\uffff"
