"""A cutting room without media: four seconds a segment, no sound, nothing drawn; what films are, others say."""

from contextlib import asynccontextmanager
from fractions import Fraction
from types import SimpleNamespace

from storychain.media.edit import Edit
from storychain.media.film import FilmFacts
from storychain.media.form import Form
from storychain.media.seam import Seam
from storychain.media.timeline import Shot, begins

FORM = Form("h264", 160, 90, Fraction(24), "yuv420p", Fraction(1), False, "bt709", "bt709")
PROBE = SimpleNamespace(seconds=Fraction(4), fps=FORM.fps, form=FORM)


class PlainRoom:
    """As much of a CuttingRoom as needs no file."""

    version = "0"

    @asynccontextmanager
    async def soundtrack(self, folder, gain):
        yield self

    async def add(self, heard):
        """Nothing is heard."""

    async def finished(self):
        return None

    async def seam(self, before, after):
        return Seam("tail", 0, 1.0, 0.0)

    async def ending(self, segment):
        return None

    def heard(self, clips):
        return tuple(clip.prepared.sound for clip in clips)

    async def gain(self, clips, loudness):
        return None

    def beside(self, film):
        return self

    def remove(self, kinds):
        """Nothing lies beside a film."""

    async def draw_ahead(self, clips, dress, wanted):
        """Nothing is drawn."""

    def edit(self, clips, *, drawn):
        shots = tuple(Shot(number, 0, 4 * 24) for number, _ in enumerate(clips))
        return Edit(FORM, shots, tuple(begins(shots)))

    def joined(self, clips, out, words):
        """A film that is these words."""
        out.write_text(words, "utf-8")
        return FilmFacts(self.edit(clips, drawn=False), len(clips), 0, 0, out.stat().st_size)
