"""Templates and what they may ask: words for numbers and times, and the addresses of what they show.

Everything a template is given is text until it says otherwise, and none says otherwise of words people or providers
wrote: only charts, which are drawn here, are markup.
"""

from __future__ import annotations

import difflib
import functools
import re
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote as quoted

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from storychain import __version__
from storychain.report.text import credits_text, duration_text

if TYPE_CHECKING:
    from storychain.review.view import FilmView, SceneView, SeamView, StoryView, TakeView

HERE = Path(__file__).parent
STATIC = HERE / "static"


class Addresses(Protocol):
    """Where things are found from a page: at the server, or in the folder of a report."""

    alive: bool
    """Whether there is a server that answers, with news and with pages of scenes."""

    def index(self) -> str:
        """The list of stories."""

    def story(self, story: StoryView) -> str:
        """A story's page."""

    def film(self, story: StoryView, film: FilmView) -> str:
        """One of a story's films."""

    def video(self, take: TakeView) -> str:
        """A take's video."""

    def still(self, take: TakeView, where: str, size: str = "small") -> str:
        """A picture of a take: `first`, `middle` or `last`, `small` or `large`."""


class Served:
    """Addresses at the server."""

    alive = True

    def index(self) -> str:
        """See Addresses."""
        return "/"

    def story(self, story: StoryView) -> str:
        """See Addresses."""
        return f"/stories/{quoted(story.name, safe='')}"

    def scene(self, story: StoryView, scene: SceneView) -> str:
        """A scene's page, with its takes side by side."""
        return f"{self.story(story)}/scenes/{quoted(scene.id, safe='')}"

    def seam(self, story: StoryView, seam: SeamView) -> str:
        """A seam's page."""
        return f"{self.story(story)}/seams/{seam.number}"

    def film(self, story: StoryView, film: FilmView) -> str:
        """See Addresses."""
        return f"{self.story(story)}/films/{quoted(film.name, safe='')}.mp4?v={film.version}"

    def showing(self, story: StoryView, film: FilmView) -> str:
        """A story's page with one of its films in the player."""
        return self.story(story) + ("" if film == story.film else f"?film={quoted(film.name, safe='')}")

    def video(self, take: TakeView) -> str:
        """See Addresses."""
        return f"/media/{take.media}.mp4?v={take.version}"

    def still(self, take: TakeView, where: str, size: str = "small") -> str:
        """See Addresses."""
        return f"/stills/{take.media}/{where}-{size}.jpg?v={take.version}"

    def facts(self, take: TakeView) -> str:
        """Frames a second and length of a take's video."""
        return f"/media/{take.media}.json?v={take.version}"


@functools.cache
def environment() -> Environment:
    """The templates."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        credits=_credits,
        clock=clock,
        duration=duration_text,
        ratio=_ratio,
        plural=_plural,
        day=_day,
        commands=_commands,
    )
    made.globals.update(version=__version__, diff=words_apart)
    return made


def rendered(template: str, **told: Any) -> str:
    """A page."""
    return environment().get_template(template).render(**told)


def part(template: str, **told: Any) -> Markup:
    """A part of a page, to stand in another: it is escaped already."""
    return Markup(rendered(template, **told))  # noqa: S704 - a template of ours made it


def _credits(value: Decimal | None) -> str:
    """Credits as people say them, without zeros that say nothing."""
    plain = value is not None and value == value.to_integral_value()
    return credits_text(value.to_integral_value() if value is not None and plain else value)


def clock(seconds: float) -> str:
    """A moment of a video: `1:05`."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def _ratio(text: str) -> str:
    """An aspect ratio as a class of the style sheet names it."""
    return "r" + re.sub(r"[^0-9]", "x", text)


def _day(moment: float) -> str:
    """When something was said, by this machine's clock."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def _commands(text: str) -> Markup:
    """A sentence in which what stands in backquotes is told apart from it."""
    return Markup(_QUOTED.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - it is escaped


_QUOTED = re.compile(r"`([^`]+)`")


def _plural(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


_WORD = re.compile(r"\S+\s*|\s+")


def words_apart(before: str, after: str) -> list[tuple[str, str]]:
    """Two texts as stretches: (`same`, `gone` or `new`, words)."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    stretches: list[tuple[str, str]] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            stretches.append(("same", "".join(old[a:b])))
            continue
        if b > a:
            stretches.append(("gone", "".join(old[a:b])))
        if d > c:
            stretches.append(("new", "".join(new[c:d])))
    return stretches
