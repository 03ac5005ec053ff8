"""The report: a story's film, strip, prompts, seams, credits and warnings as files that open from disk, without a
server. It shares templates, styles and views with the page.

A story becomes `NAME/index.html` with its media beside it, or the one file `NAME.html` that holds everything.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote as quoted

from markupsafe import Markup

from storychain.errors import DiskTrouble
from storychain.media.aside import folder_aside, give_name, write_whole
from storychain.review.charts import drift_svg
from storychain.review.rendering import STATIC, part, rendered
from storychain.review.serving import Stills, segment_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from storychain.review.view import FilmView, StoryView, TakeView
    from storychain.workspace import Workspace

_SCRIPTS = ("transport.js", "player.js", "keys.js")
"""Modules that a report needs, each after those it imports; browsers load no modules from a disk."""

_BEGIN = """
const root = document.querySelector("[data-player]");
keys(root ? player(root) : null);
"""

_KINDS = {".jpg": "image/jpeg", ".mp4": "video/mp4"}


async def write_report(
    stories: Sequence[StoryView], workspace: Workspace, out: Path, *, single_file: bool = False
) -> Path:
    """Write the report of each story into the folder `out`, and of several an index; the file to open.

    Raises MediaError, DiskTrouble.
    """
    stills = Stills(workspace)
    for story in stories:
        pictures = await _pictures(story, stills)
        await asyncio.to_thread(_write_story, story, pictures, workspace, out, single_file, len(stories) > 1)
    if len(stories) > 1:
        index = out / "index.html"
        await asyncio.to_thread(_write_index, stories, workspace, index, single_file)
        return index
    return _page(stories[0], out, single_file=single_file)


def _page(story: StoryView, out: Path, *, single_file: bool) -> Path:
    return out / f"{story.name}.html" if single_file else out / story.name / "index.html"


async def _pictures(story: StoryView, stills: Stills) -> dict[tuple[str, str, str], Path]:
    """The stills a report of the story shows, drawn where they were not yet."""
    shown = [scene.take for scene in story.scenes if scene.take is not None and scene.ready]
    wanted = [(take.media, where, "small") for take in shown for where in ("first", "middle", "last")]
    wanted += [(take.media, "first", "large") for take in shown[:1]]
    found = await asyncio.gather(*(stills.path(*one) for one in wanted))
    return dict(zip(wanted, found, strict=True))


@dataclass(slots=True)
class Enclosed:
    """Addresses within a report: of files beside the page, which are collected in `files`, or the bytes themselves."""

    workspace: Workspace
    pictures: dict[tuple[str, str, str], Path]
    single_file: bool
    many: bool
    at_index: bool = False
    alive: bool = False
    files: dict[str, Path] = field(default_factory=dict)

    def index(self) -> str:
        """See Addresses."""
        if self.at_index or not self.many:
            return "#main"
        return "index.html" if self.single_file else "../index.html"

    def story(self, story: StoryView) -> str:
        """See Addresses; as seen from the index."""
        name = quoted(story.name, safe="")
        return f"{name}.html" if self.single_file else f"{name}/index.html"

    def film(self, story: StoryView, film: FilmView) -> str:  # noqa: ARG002 - a report is of one story
        """See Addresses."""
        return self._enclosed("film.mp4", film.path)

    def video(self, take: TakeView) -> str:
        """See Addresses."""
        return self._enclosed(f"{take.media}.mp4", segment_path(self.workspace, take.media))

    def still(self, take: TakeView, where: str, size: str = "small") -> str:
        """See Addresses."""
        return self._enclosed(f"{take.media}-{where}-{size}.jpg", self.pictures[take.media, where, size])

    def _enclosed(self, name: str, file: Path) -> str:
        if self.single_file:
            return f"data:{_KINDS[file.suffix]};base64,{base64.b64encode(file.read_bytes()).decode()}"
        self.files[name] = file
        return f"media/{name}"


def _write_story(
    story: StoryView,
    pictures: dict[tuple[str, str, str], Path],
    workspace: Workspace,
    out: Path,
    single_file: bool,
    many: bool,
) -> None:
    to = Enclosed(workspace, pictures, single_file, many)
    drift = drift_svg(story.drift) if story.drift else None
    page = _page(story, out, single_file=single_file)
    try:
        text = rendered(
            "report.html",
            story=story,
            film=story.film,
            serial=0,
            to=to,
            drift=drift,
            till=None,
            said=None,
            **_enclosing(),
        )
        for name, file in to.files.items():
            _copy(file, page.parent / "media" / name)
        _write(text, page)
        _sweep(page.parent / "media", to.files)
    except OSError as error:
        raise DiskTrouble.of(error) from error


def _write_index(stories: Sequence[StoryView], workspace: Workspace, page: Path, single_file: bool) -> None:
    pictures = {
        (scene.take.media, "middle", "small"): workspace.thumbnail(f"{scene.take.media}-middle-320")
        for story in stories
        for scene in story.scenes
        if scene.take is not None and scene.ready
    }
    to = Enclosed(workspace, pictures, single_file, many=True, at_index=True)
    rows = [part("_row.html", story=story, serial=0, to=to, later=False) for story in stories]
    text = rendered("report_index.html", rows=rows, stories=stories, to=to, **_enclosing())
    for name, file in to.files.items():
        _copy(file, page.parent / "media" / name)
    _write(text, page)


def _copy(file: Path, name: Path) -> None:
    with folder_aside(name.parent) as aside:
        shutil.copyfile(file, aside / "copy")
        give_name(aside / "copy", name)


def _write(text: str, name: Path) -> None:
    write_whole(name, text.encode("utf-8", "backslashreplace"))


_OURS = re.compile(r"[0-9a-f]{32}(\.[0-9]+)?(-[a-z]+-[a-z]+\.jpg|\.mp4)|film\.mp4")


def _sweep(folder: Path, kept: dict[str, Path]) -> None:
    """Remove media of an earlier report that this one does not show."""
    for file in folder.glob("*"):
        if file.name not in kept and _OURS.fullmatch(file.name):
            with suppress(FileNotFoundError):  # another process writes the same report
                file.unlink()


def _enclosing() -> dict[str, Markup]:
    """The style sheet and the script, to stand in the page; and the script's hash: nothing else may run in it."""
    script = "\n".join([*(_plain((STATIC / name).read_text("utf-8")) for name in _SCRIPTS), _BEGIN])
    script = f"(() => {{\n{script}}})();\n"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = (STATIC / "review.css").read_text("utf-8")
    return {"script": Markup(script), "style": Markup(style), "digest": Markup(digest)}  # noqa: S704 - files of ours


def _plain(module: str) -> str:
    """A module's text as part of a plain script."""
    lines = (line for line in module.splitlines() if not line.startswith("import "))
    return "\n".join(line.removeprefix("export ") for line in lines)
