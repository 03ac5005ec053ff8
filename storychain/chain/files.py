"""Which files a story leaves where its film goes, by their names alone. Looks at nothing, makes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storychain.media.outputs.names import beside

if TYPE_CHECKING:
    from pathlib import Path

    from storychain.story.model import Story


def kinds_of(story: Story) -> list[str]:
    """What a story asks for beside its film."""
    told = story.film
    captioned = told.subtitles != "off" and any(scene.caption for scene in story.scenes)
    asked = {"srt": captioned, "vtt": captioned, "poster": told.poster, "sheet": told.contact_sheet}
    return [*(kind for kind, wanted in asked.items() if wanted), *(master.kind for master in told.formats)]


def films_of(story: Story, film: Path) -> list[Path]:
    """All videos that a story may leave: its film, its free preview, and the copies of both in other formats."""
    films = [film, preview_of(film)]
    return [
        *films,
        *(path for one in films for kind in kinds_of(story) if (path := beside(one, kind)).suffix == ".mp4"),
    ]


def preview_of(film: Path) -> Path:
    """Where a free preview goes that must not replace a film that was paid for."""
    return film.with_name(f"{film.stem}.preview.mp4")
