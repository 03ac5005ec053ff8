"""A cutting room without ffmpeg: a segment is a few bytes with a checksum, a film is its segments in a row."""

import hashlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from fractions import Fraction

from storychain.errors import MediaError
from storychain.media.edit import Edit
from storychain.media.film import FilmFacts
from storychain.media.form import Form
from storychain.media.prepare import Prepared
from storychain.media.seam import Seam
from storychain.media.soundtrack import Soundtrack
from storychain.media.timeline import Shot, begins
from tests.world.account import decodes, frame, is_whole

FORM = Form(
    "h264", 160, 90, Fraction(25), "yuv420p", Fraction(1), full_range=False, matrix="bt709", transfer="ordinary"
)


@dataclass(frozen=True)
class Measured:
    """As much of a probe as the chain looks at."""

    seconds: Fraction = Fraction(4)
    fps: Fraction = Fraction(25)


class Room:
    """Implements CuttingRoom for one process."""

    def __init__(self, process):
        self._process = process

    async def prepare(self, segment, folder, *, strict=True, matroska=False, on_sound=None):
        await self._process.reach("prepare")
        data = segment.read_bytes()
        folder.mkdir(parents=True, exist_ok=True)
        picture, sha256 = folder / "picture", hashlib.sha256(data).hexdigest()
        prepared = Prepared(folder, picture, picture, Measured(), sha256=sha256, sound_sha256=sha256)
        if on_sound is not None:  # of damaged ones as well: damage is seen later
            on_sound(replace(prepared, sha256=""))
            await self._process.reach("foreseen")
        if not (is_whole(data) if strict else decodes(data)):
            raise MediaError("the video is damaged", where=segment.name)
        picture.write_bytes(data)
        return prepared

    async def last_frame(self, video, png):
        await self._process.reach("last frame")
        aside = png.with_suffix(".aside")
        aside.write_bytes(frame(video.read_bytes()))
        aside.replace(png)
        self._process.world.disk.settled(png)

    @asynccontextmanager
    async def soundtrack(self, folder, gain):
        yield _Sound(self._process, folder)

    async def seam(self, before, after):
        await self._process.reach("seam")
        return Seam("tail", 0, 1.0, 0.0)

    async def ending(self, segment):
        endings = self._process.world.endings
        if endings is None:
            return None
        await self._process.reach("ending")
        return "it ends in black" if endings.random() < 0.3 else None

    def heard(self, clips):
        return tuple(clip.prepared.sound for clip in clips)

    async def gain(self, clips, loudness):
        return None

    @property
    def version(self):
        return "0"

    def beside(self, film):
        return Beside(self._process, film)

    def edit(self, clips, *, drawn):
        shots = tuple(Shot(number, 0, int(clip.prepared.probe.seconds * 25)) for number, clip in enumerate(clips))
        return Edit(FORM, shots, tuple(begins(shots)))

    async def draw_ahead(self, clips, dress, wanted):
        await self._process.reach("draw ahead")

    async def assemble(self, clips, out, *, title, note, dress, sound, on_progress):
        await self._process.reach("assemble")
        self._process.world.disk_trouble(MediaError("cannot be written: No space left on device", where=str(out)))
        aside = out.with_suffix(f".{self._process.number}")
        aside.write_bytes(b"".join(clip.prepared.picture.read_bytes() for clip in clips))
        await self._process.reach("film written")
        aside.replace(out)
        await self._process.reach("film named")
        on_progress(1.0)
        return FilmFacts(self.edit(clips, drawn=False), len(clips), 0, 0, out.stat().st_size)


class Beside:
    """What lies beside a film: empty files."""

    def __init__(self, process, film):
        self._process = process
        self._film = film

    def remove(self, kinds):
        """Nothing that was asked for before is asked for no more: stories stay as they are."""

    async def poster(self, avoid):
        return await self._made("jpg")

    async def sheet(self, title, scenes):
        return await self._made("sheet.jpg")

    async def _made(self, ending):
        await self._process.reach(ending)
        out = self._film.with_suffix(f".{ending}")
        out.write_bytes(b"")
        return out


class _Sound:
    def __init__(self, process, folder):
        self._process = process
        self._folder = folder
        self._sounds = []

    async def add(self, heard):
        await self._process.reach("sound")
        self._sounds.append(heard)

    async def finished(self):
        return Soundtrack(self._folder / "sound", tuple(self._sounds))
