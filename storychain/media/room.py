"""The cutting room: everything the chain asks of media, behind one object that knows its ffmpeg.

The chain is handed one of these rather than calling the functions, so that its decisions can be played through by the
thousand without a single video.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Protocol, Unpack

from storychain.media import film, prepare, soundtrack
from storychain.media.alongside import Alongside
from storychain.media.aside import folder_aside
from storychain.media.dressing import Dress
from storychain.media.edit import Clip, Edit, edit_of, heard_in
from storychain.media.evening import same_colours, same_loudness
from storychain.media.film import FilmFacts
from storychain.media.form import Form
from storychain.media.looks.ending import ending_of
from storychain.media.outputs.masters import kept_in, ratio_of
from storychain.media.outputs.overlays import card_png, check_picture
from storychain.media.prepare import Prepared, Preparing
from storychain.media.seam import Seam, find_seam
from storychain.media.sound import duration
from storychain.media.sound.loudness import gain_for
from storychain.media.sound.stretch import Heard
from storychain.media.sound.voice import find_speaker
from storychain.media.soundtrack import Soundtrack
from storychain.media.stills import still
from storychain.media.tool import Ffmpeg


class SoundInTheMaking(Protocol):
    """A soundtrack that takes segments in story order."""

    async def add(self, heard: Heard) -> None:
        """Encode the next stretch."""

    async def finished(self) -> Soundtrack:
        """Close it."""


class CuttingRoom(Protocol):
    """What the chain asks of media. Every method may raise MediaError."""

    async def prepare(self, segment: Path, folder: Path, **how: Unpack[Preparing]) -> Prepared:
        """Check a segment and make it ready for joining."""

    async def last_frame(self, video: Path, png: Path) -> None:
        """Write the last picture of a video."""

    async def seam(self, before: Prepared, after: Prepared) -> Seam:
        """How a segment begins against the one before it."""

    async def paint_card(
        self, title: str, subtitle: str, form: Form, seconds: Fraction, out: Path, shape: str = ""
    ) -> None:
        """Write a video of a card of words, in a form that drawn pictures can stand in.

        Of one that is painted for a `shape`, such as 9:16, only the middle is going to be seen.
        """

    async def speak(self, text: str, speaker: str, voice: str, words_per_minute: int, out: Path) -> None:
        """Write spoken words as a WAV."""

    async def seconds_of(self, sound: Path) -> Fraction:
        """How long a sound file lasts."""

    async def check_picture(self, picture: Path) -> None:
        """Look at a still picture that will be laid over a film."""

    def beside(self, film: Path) -> Alongside:
        """What can be made beside a finished film."""

    @property
    def version(self) -> str:
        """The ffmpeg's version."""

    def heard(self, clips: Sequence[Clip]) -> tuple[Heard, ...]:
        """What is heard of each clip in a film of them."""

    async def gain(self, clips: Sequence[Clip], loudness: float | None) -> float | None:
        """The gain (dB) that brings a film of the clips to a loudness (LUFS); None where none is asked for."""

    async def matched(
        self, clips: Sequence[Clip], going_on: Sequence[bool], *, color: bool, loudness: bool
    ) -> list[Clip]:
        """The clips with steps between them evened out, where they go on from the one before."""

    async def ending(self, segment: Prepared) -> str | None:
        """What is wrong with how a segment ends, for a person; None where another may continue it."""

    def soundtrack(self, folder: Path, gain: float | None) -> AbstractAsyncContextManager[SoundInTheMaking]:
        """Open a soundtrack in a folder."""

    def edit(self, clips: Sequence[Clip], *, drawn: bool) -> Edit:
        """Which stretches of the clips a film of them shows, and when."""

    async def draw_ahead(self, clips: Sequence[Clip], dress: Dress, wanted: Callable[[], bool]) -> None:
        """Draw what a film that begins with the clips will need, as long as it is wanted."""

    async def assemble(
        self,
        clips: Sequence[Clip],
        out: Path,
        *,
        title: str,
        note: str,
        dress: Dress,
        sound: Soundtrack | None,
        on_progress: Callable[[float], None],
    ) -> FilmFacts:
        """Join clips into a film."""


@dataclass(frozen=True, slots=True)
class FfmpegRoom:
    """The cutting room there is; `environ` is where programs that speak are looked for, and theirs."""

    ffmpeg: Ffmpeg
    environ: Mapping[str, str] = field(default_factory=dict)

    async def prepare(self, segment: Path, folder: Path, **how: Unpack[Preparing]) -> Prepared:
        """See `prepare.prepare`."""
        return await prepare.prepare(self.ffmpeg, segment, folder, **how)

    async def last_frame(self, video: Path, png: Path) -> None:
        """See `prepare.last_frame`."""
        await prepare.last_frame(self.ffmpeg, video, png)

    async def seam(self, before: Prepared, after: Prepared) -> Seam:
        """See `seam.find_seam`."""
        return await asyncio.to_thread(find_seam, before.picture, after.picture)

    async def paint_card(
        self, title: str, subtitle: str, form: Form, seconds: Fraction, out: Path, shape: str = ""
    ) -> None:
        """See `overlays.card_png` and `stills.still`."""
        size = (form.width, form.height)
        within = kept_in(ratio_of(shape), size, form.sample_aspect_ratio) if shape else None
        with folder_aside(out.parent) as aside:
            await card_png(title, subtitle, size, aside / "card.png", within)
            await still(self.ffmpeg, aside / "card.png", form, max(1, round(seconds * form.fps)), out)

    async def speak(self, text: str, speaker: str, voice: str, words_per_minute: int, out: Path) -> None:
        """See `voice.find_speaker`."""
        found = find_speaker(speaker, self.environ, voice=voice, words_per_minute=words_per_minute)
        await found.speak(text, out)

    async def seconds_of(self, sound: Path) -> Fraction:
        """See `duration.seconds_of`."""
        return await asyncio.to_thread(duration.seconds_of, sound)

    async def check_picture(self, picture: Path) -> None:
        """See `overlays.check_picture`."""
        await asyncio.to_thread(check_picture, picture)

    def beside(self, film: Path) -> Alongside:
        """See `alongside`."""
        return Alongside(self.ffmpeg, film)

    @property
    def version(self) -> str:
        """See `tool.Ffmpeg`."""
        return self.ffmpeg.version

    async def matched(
        self, clips: Sequence[Clip], going_on: Sequence[bool], *, color: bool, loudness: bool
    ) -> list[Clip]:
        """See `evening`."""
        made = await same_loudness(self.ffmpeg, clips) if loudness else list(clips)
        return await same_colours(self.ffmpeg, made, going_on) if color else made

    async def ending(self, segment: Prepared) -> str | None:
        """See `looks.ending`."""
        return (await ending_of(segment.picture)).reason

    def heard(self, clips: Sequence[Clip]) -> tuple[Heard, ...]:
        """See `edit.heard_in`."""
        return heard_in(edit_of(clips), clips) if clips else ()

    async def gain(self, clips: Sequence[Clip], loudness: float | None) -> float | None:
        """See `loudness.gain_for`."""
        return await gain_for(self.ffmpeg, self.heard(clips), loudness)

    def soundtrack(self, folder: Path, gain: float | None) -> AbstractAsyncContextManager[SoundInTheMaking]:
        """See `soundtrack.soundtrack`."""
        return soundtrack.soundtrack(self.ffmpeg, folder, gain)

    def edit(self, clips: Sequence[Clip], *, drawn: bool) -> Edit:
        """See `edit.edit_of`."""
        return edit_of(clips, drawn=drawn)

    async def draw_ahead(self, clips: Sequence[Clip], dress: Dress, wanted: Callable[[], bool]) -> None:
        """See `film.draw_ahead`."""
        await film.draw_ahead(self.ffmpeg, clips, dress, wanted)

    async def assemble(
        self,
        clips: Sequence[Clip],
        out: Path,
        *,
        title: str,
        note: str,
        dress: Dress,
        sound: Soundtrack | None,
        on_progress: Callable[[float], None],
    ) -> FilmFacts:
        """See `film.assemble`."""
        return await film.assemble(
            self.ffmpeg,
            clips,
            out,
            title=title,
            note=note,
            dress=dress,
            sound=sound,
            on_progress=on_progress,
        )
