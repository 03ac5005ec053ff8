"""Everything that is made beside one finished film, each at the place that bears its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from storychain.media.dressing import Dress, cues_of
from storychain.media.outputs.masters import Master, make_master
from storychain.media.outputs.names import beside
from storychain.media.outputs.poster import poster
from storychain.media.outputs.sheet import contact_sheet
from storychain.media.outputs.stills import Scene
from storychain.media.outputs.streaming import remove_stream
from storychain.media.outputs.subtitles import write_subtitles
from storychain.media.reshaping import Joined, dressed_anew

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from fractions import Fraction
    from pathlib import Path

    from storychain.media.edit import Edit
    from storychain.media.tool import Ffmpeg

Stretch = tuple[str, "Fraction", "Fraction"]
"""What a scene is called, and the seconds of the film at which it begins and ends."""


@dataclass(frozen=True, slots=True)
class Alongside:
    """A film, and what lies beside it. All methods write whole files or none, and raise MediaError or DiskTrouble."""

    ffmpeg: Ffmpeg
    film: Path

    async def subtitles(self, dress: Dress, edit: Edit) -> list[Path]:
        """The captions as .srt and .vtt."""
        srt, vtt = beside(self.film, "srt"), beside(self.film, "vtt")
        await write_subtitles(cues_of(dress, edit), srt, vtt)
        return [srt, vtt]

    async def poster(self, avoid: Sequence[tuple[Fraction, Fraction]] = ()) -> Path:
        """A still picture, from none of the stretches (seconds) to avoid."""
        out = beside(self.film, "poster")
        await poster(self.film, out, avoid=avoid)
        return out

    async def sheet(self, title: str, scenes: Sequence[Stretch]) -> Path:
        """A sheet with a picture of each scene."""
        out = beside(self.film, "sheet")
        await contact_sheet(self.film, out, [Scene(*scene) for scene in scenes], title=title)
        return out

    def remove(self, kinds: Iterable[str]) -> None:
        """Remove outputs of these kinds that are there. Raises OSError."""
        for kind in sorted(set(kinds)):
            out = beside(self.film, kind)
            if kind == "hls":
                remove_stream(out)
            elif out.is_file():
                out.unlink()

    async def master(
        self,
        kind: str,
        fit: Literal["crop", "blur"],
        scenes: Sequence[Stretch],
        on_progress: Callable[[float], None] | None = None,
        *,
        joined: Joined | None = None,
    ) -> Path:
        """The film in another format; in another shape with its words set for that, where it is told what they are."""
        out = beside(self.film, kind)
        if joined is not None:
            await dressed_anew(self.ffmpeg, self.film, out, kind, joined, on_progress=on_progress)
            return out
        shown = [Scene(*scene) for scene in scenes]
        await make_master(self.ffmpeg, self.film, out, Master(kind, fit), scenes=shown, on_progress=on_progress)
        return out
