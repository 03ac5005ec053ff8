"""Joining stretches of sound, to the sample and a piece at a time, so that a long film takes no more memory.

Seams are heard by nobody: a hard join fades from the earlier sound carried on to the later one, an overlap from one to
the other at equal power. Nothing is encoded here.
"""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING, cast

import numpy as np

from storychain.errors import MediaError
from storychain.media.recipes import SOUND_RATE
from storychain.media.sound.extend import CONTEXT, carried_on

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from storychain.media.sound.stretch import Heard

    Samples = NDArray[np.float64]

CHANNELS = 2
_SCALE = 32_768
_CHUNK = 1 << 16
"""Samples that are handed on at once."""

_SEAM = SOUND_RATE * 30 // 1000
"""Samples over which the later sound of a hard join fades in: short enough to blur nothing that is said."""

_EDGE = SOUND_RATE // 100
"""Samples over which the film's sound begins and ends."""

_GAP = SOUND_RATE // 10
"""Most samples of silence at a seam that are filled: sound tracks end a packet or two before their pictures, and their
encoders' delay may begin them late. Longer silences are meant."""

_HUSH = 1.5 / _SCALE
"""What is no louder is silence: the last bit of 16."""

_GONE = "Prepare the segment again: remove its folder and run again."


class Joiner:
    """Takes stretches in the film's order and hands on their joined samples: float arrays of n by 2, full scale 1.

    Half of a stretch is kept back until it is known how the next one comes in. `written` counts the samples handed on,
    `peak` is the largest of them.
    """

    def __init__(self) -> None:
        self.written = 0
        self.peak = 0.0
        self._recent: Samples = np.zeros((0, CHANNELS))
        self._last: Heard | None = None
        self._done = 0

    def add(self, heard: Heard) -> Iterator[Samples]:
        """Samples that are settled once `heard` is known. Raises MediaError where it is not there, or not as said."""
        _check(heard)
        before, taken = self._last, 0
        if before is None:
            if heard.overlap:
                raise MediaError("nothing comes before the first sound", where=str(heard.sound))
            taken = min(_EDGE, heard.samples // 2)
            yield from self._hand_on(read(heard, 0, taken) * _rise(taken))
        elif heard.overlap:
            yield from self._overlap(before, heard)
            taken = heard.overlap
        else:
            taken = yield from self._hard_join(before, heard)
        self._last, self._done = heard, max(taken, heard.samples // 2)
        yield from self._body(heard, taken, self._done)

    def end(self) -> Iterator[Samples]:
        """What was kept back of the last stretch, faded out."""
        if self._last is None:
            return
        last, edge = self._last, min(_EDGE, self._last.samples - self._done)
        self._last = None
        yield from self._body(last, self._done, last.samples - edge)
        yield from self._hand_on(read(last, last.samples - edge, edge) * _rise(edge)[::-1])

    def _overlap(self, before: Heard, heard: Heard) -> Iterator[Samples]:
        over = heard.overlap
        if over > before.samples - self._done or over > (heard.samples + 1) // 2:
            raise MediaError("a sound comes in over more than half of another", where=str(heard.sound))
        yield from self._body(before, self._done, before.samples - over)
        out, into = _fades(over)
        yield from self._hand_on(out * read(before, before.samples - over, over) + into * read(heard, 0, over))

    def _hard_join(self, before: Heard, heard: Heard) -> Generator[Samples, None, int]:
        """What was kept back, then the beginning of `heard` over the earlier sound carried on; returns its length."""
        seam = min(_SEAM, before.samples // 2, heard.samples // 2)
        tail = min(_GAP, before.samples - self._done)
        late = _silence(read(before, before.samples - tail, tail)[::-1])
        yield from self._body(before, self._done, before.samples - late)
        early = _silence(read(heard, 0, min(_GAP, heard.samples // 2 - seam)))
        on = carried_on(self._recent, late + early + seam)
        yield from self._hand_on(on[: late + early])
        yield from self._hand_on(_even(on[late + early :], read(heard, early, seam)))
        return early + seam

    def _body(self, heard: Heard, begin: int, end: int) -> Iterator[Samples]:
        for place in range(begin, end, _CHUNK):
            yield from self._hand_on(read(heard, place, min(_CHUNK, end - place)), mixed=False)

    def _hand_on(self, samples: Samples, *, mixed: bool = True) -> Iterator[Samples]:
        if not len(samples):
            return
        if mixed:
            # To the steps of the sources, so that the last bits of a sum, which depend on the machine, do not show.
            samples = np.rint(samples * _SCALE) / _SCALE
        self.written += len(samples)
        self.peak = max(self.peak, float(np.abs(samples).max()))
        self._recent = np.concatenate([self._recent, samples[-CONTEXT:]])[-CONTEXT:]
        yield samples


def joined(heard: Sequence[Heard]) -> Iterator[Samples]:
    """The samples of stretches that are all here. Raises MediaError."""
    joiner = Joiner()
    for one in heard:
        yield from joiner.add(one)
    yield from joiner.end()


def length_of(sound: Path) -> int:
    """Samples in a WAV of ours. Raises MediaError where it is none."""
    try:
        with wave.open(str(sound), "rb") as opened:
            form = (opened.getframerate(), opened.getnchannels(), opened.getsampwidth())
            frames = opened.getnframes()
    except (OSError, EOFError, wave.Error) as error:
        raise MediaError(f"this sound cannot be read: {error}", where=str(sound), next_step=_GONE) from error
    if form != (SOUND_RATE, CHANNELS, 2):
        raise MediaError(f"this sound is not 48 kHz stereo of 16 bits but {form}", where=str(sound), next_step=_GONE)
    return frames


def _check(heard: Heard) -> None:
    length = length_of(heard.sound)
    if heard.samples < 1 or min(heard.begin, heard.overlap) < 0 or heard.begin + heard.samples > length + _SEAM:
        what = f"samples {heard.begin} to {heard.begin + heard.samples} are wanted of a sound that has {length}"
        raise MediaError(what, where=str(heard.sound), next_step=_GONE)


def read(heard: Heard, place: int, count: int) -> Samples:
    """`count` samples of a stretch from `place` on; silence after the end of its WAV."""
    with wave.open(str(heard.sound), "rb") as opened:
        opened.setpos(min(heard.begin + place, opened.getnframes()))
        found = np.frombuffer(opened.readframes(count), "<i2").reshape(-1, CHANNELS) / _SCALE
    if heard.gain:
        found = found * 10 ** (heard.gain / 20)
    return np.pad(found, ((0, count - len(found)), (0, 0)))


def _silence(samples: Samples) -> int:
    """How many samples it is silent before the first sound; none if it is so throughout."""
    loud = np.flatnonzero((np.abs(samples) > _HUSH).any(axis=1))
    return int(loud[0]) if len(loud) else 0


def _rise(count: int) -> Samples:
    """Factors from 0 to 1, level at both ends."""
    return cast("Samples", np.sin(np.pi / 2 * (np.arange(count) + 0.5) / count)[:, None] ** 2)


def _fades(count: int) -> tuple[Samples, Samples]:
    """Factors of the earlier and the later sound, whose squares make one."""
    turn = np.pi / 2 * _rise(count)
    return np.cos(turn), np.sin(turn)


def _even(earlier: Samples, later: Samples) -> Samples:
    """A crossfade whose power goes evenly from the one's to the other's, even where they are alike.

    Equal power is right for sounds that have nothing to do with each other. A tone that goes on would swell, and one
    that goes on in the opposite phase would dip: what they have in common is measured and made up for.
    """
    if not len(later):
        return later  # stretches of a sample each have no room for a fade
    out, into = _fades(len(later))
    shared = 2 * out * into * (earlier * later).mean()
    wanted = out**2 * (earlier**2).mean() + into**2 * (later**2).mean()
    power = np.maximum(wanted + shared, wanted / 4)  # at most doubled
    factor = np.sqrt(np.divide(wanted, power, out=np.ones_like(wanted), where=power > 0))
    return cast("Samples", factor * (out * earlier + into * later))
