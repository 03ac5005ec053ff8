"""Which frames a film shows, and which of them have to be drawn anew: pure decisions over frame numbers.

Everything here counts frames at the film's one rate. What can be copied is copied; what a transition, a layer, a fade
or a cut off the key frames touches is drawn, from the last frame before it that a copy can end with to the first key
frame after it and no further. No file is opened here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Source:
    """A video that shots are taken from: at which of its frames a copy can begin, and before which it can end."""

    keys: tuple[int, ...]
    stops: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shot:
    """Frames `begin` up to `end` of a source, which come in over the last `blend` frames of the shot before.

    `transition` is the name of how they do. `redrawn` shots are drawn throughout.
    """

    source: int
    begin: int
    end: int
    blend: int = 0
    transition: str = "fade"
    redrawn: bool = False

    @property
    def frames(self) -> int:
        """How many frames it has, blended ones included."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Span:
    """Frames `begin` up to `end` of the film."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Copied:
    """A piece of the film whose packets are copied: from a key frame of a source up to where a copy of it can end."""

    source: int
    begin: int
    end: int

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Drawn:
    """A piece of the film that is drawn: shots of which each comes in over the one before; `at` is its first frame."""

    at: int
    shots: tuple[Shot, ...]

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return sum(shot.frames - shot.blend for shot in self.shots)


Piece = Copied | Drawn


@dataclass(slots=True)
class _Pieces:
    """Pieces in the making: what is drawn gathers until something is copied or a hard cut comes."""

    made: list[Piece] = field(default_factory=list)
    drawn: list[Shot] = field(default_factory=list)
    place: int = 0

    def draw(self, shot: Shot) -> None:
        if shot.frames > 0:
            self.drawn.append(shot)

    def copy(self, piece: Copied) -> None:
        self.flush()
        self.made.append(piece)
        self.place += piece.frames

    def flush(self) -> None:
        if self.drawn:
            piece = Drawn(self.place, tuple(self.drawn))
            self.made.append(piece)
            self.place += piece.frames
            self.drawn = []


def begins(shots: Sequence[Shot]) -> list[int]:
    """The film's frame at which each shot begins to be seen, and the film's length at the end."""
    places = [0]
    for number, shot in enumerate(shots):
        over = shots[number + 1].blend if number + 1 < len(shots) else 0
        places.append(places[-1] + shot.frames - over)
    return places


def settled(shots: Sequence[Shot]) -> tuple[Shot, ...]:
    """The shots with blends no longer than what is there: at most half of either shot, and none on the first."""
    kept: list[Shot] = []
    for shot in shots:
        most = min(shot.frames, kept[-1].frames) // 2 if kept else 0
        kept.append(replace(shot, blend=min(shot.blend, most)))
    return tuple(kept)


def pieces_of(shots: Sequence[Shot], sources: Sequence[Source], touched: Sequence[Span] = ()) -> tuple[Piece, ...]:
    """The film's pieces in order; `touched` are the spans of the film that layers or fades change."""
    places = begins(shots)
    making = _Pieces()
    for number, shot in enumerate(shots):
        if shot.blend == 0:
            making.flush()  # a hard cut: what is drawn on its other side begins with a key frame of its own
        over = shots[number + 1].blend if number + 1 < len(shots) else 0
        alone = Span(shot.begin + shot.blend, shot.end - over)
        here = [_moved(span, shot.begin - places[number]) for span in touched]
        free = [] if shot.redrawn else [*_untouched(alone, here)]
        _lay(making, shot, [copy for span in free if (copy := _copyable(shot.source, span, sources[shot.source]))])
    making.flush()
    return tuple(making.made)


def _lay(making: _Pieces, shot: Shot, copies: Sequence[Copied]) -> None:
    """Draw what lies between the copies, and copy those."""
    begin, blend = shot.begin, shot.blend
    for copy in copies:
        making.draw(replace(shot, begin=begin, end=copy.begin, blend=blend))
        making.copy(copy)
        begin, blend = copy.end, 0
    making.draw(replace(shot, begin=begin, blend=blend))


def _moved(span: Span, by: int) -> Span:
    return Span(span.begin + by, span.end + by)


def _untouched(span: Span, touched: Sequence[Span]) -> Iterator[Span]:
    """What is left of a span without the touched ones."""
    begin = span.begin
    for other in sorted(touched, key=lambda one: one.begin):
        if other.end <= begin or other.begin >= span.end:
            continue
        if other.begin > begin:
            yield Span(begin, other.begin)
        begin = max(begin, other.end)
    if begin < span.end:
        yield Span(begin, span.end)


def _copyable(number: int, span: Span, source: Source) -> Copied | None:
    """The longest run within a span that can be copied, or None."""
    first = next((key for key in source.keys if key >= span.begin), None)
    last = max((stop for stop in source.stops if stop <= span.end), default=0)
    return Copied(number, first, last) if first is not None and last > first else None
