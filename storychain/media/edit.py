"""The edit: which stretch of each clip a film shows, in which form, and when. Decided from what probes told; no files.

A clip may begin later than its segment does, where the segment's beginning only repeats what was shown; and it may come
in over the end of the clip before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from storychain.media.form import Form, common_form
from storychain.media.sound.stretch import Cut, Heard, heard_of
from storychain.media.timeline import Shot, begins, settled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from storychain.media.pieces import Filter
    from storychain.media.prepare import Prepared


@dataclass(frozen=True, slots=True)
class Clip:
    """A prepared segment in a film, and the title of its chapter.

    Its first `skip` seconds are left out. It comes in over the last `blend` seconds of the clip before, by the
    `transition` of that name. `grade` are filters its pictures go through, `gain` is in dB on its sound.
    """

    prepared: Prepared
    title: str
    skip: Fraction = Fraction(0)
    blend: Fraction = Fraction(0)
    transition: str = "fade"
    grade: tuple[Filter, ...] = ()
    gain: float = 0.0


@dataclass(frozen=True, slots=True)
class Edit:
    """A film's shots, one a clip, at the rate of its `form`; `places` are the frames where they begin, and its end."""

    form: Form
    shots: tuple[Shot, ...]
    places: tuple[int, ...]

    @property
    def frames(self) -> int:
        """The film's length."""
        return self.places[-1]

    @property
    def seconds(self) -> Fraction:
        """The film's length."""
        return self.frames / self.form.fps

    def at(self, number: int) -> Fraction:
        """Seconds at which a clip begins to be seen; of the number after the last, the film's length."""
        return self.places[number] / self.form.fps


def edit_of(clips: Sequence[Clip], *, drawn: bool = False) -> Edit:
    """The edit of clips in their order; `drawn` says that something is going to be laid over them."""
    form = common_form([clip.prepared.probe.form for clip in clips], [clip.prepared.probe.seconds for clip in clips])
    if drawn or any(clip.skip or clip.blend or clip.grade for clip in clips):
        form = _takes_drawn(form)
    shots = settled([_shot(number, clip, form) for number, clip in enumerate(clips)])
    return Edit(form, shots, tuple(begins(shots)))


def _takes_drawn(form: Form) -> Form:
    """A form that pictures of our own can stand in beside copied ones."""
    return form if form.codec == "h264" and not form.parameters else form.as_target()


def _shot(number: int, clip: Clip, form: Form) -> Shot:
    frames = frames_in(clip.prepared, form)
    begin = min(round(clip.skip * form.fps), frames - 1)
    return Shot(number, begin, frames, round(clip.blend * form.fps), clip.transition, bool(clip.grade))


def heard_in(edit: Edit, clips: Sequence[Clip], sounds: Sequence[Path] | None = None) -> tuple[Heard, ...]:
    """What is heard of each clip, just as long as its pictures are seen; of other `sounds` (48 kHz WAVs) if given."""
    fps = edit.form.fps
    used = sounds or [clip.prepared.sound for clip in clips]
    return heard_of(
        [
            Cut(sound, shot.begin / fps, shot.frames / fps, shot.blend / fps, clip.gain)
            for shot, sound, clip in zip(edit.shots, used, clips, strict=True)
        ]
    )


def frames_in(prepared: Prepared, form: Form) -> int:
    """How many frames a segment has once it is in this form."""
    if prepared.probe.form == form:
        return prepared.probe.frames
    return max(1, round(prepared.probe.seconds * form.fps))
