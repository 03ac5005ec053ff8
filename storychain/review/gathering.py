"""Gathering: stories, ledger and disk into views; what has not changed since is not looked at again.

A story is looked at anew when its file changed, an attempt of it (or of a story that shares a segment with it) moved
on, somebody said something of a take, or its film or its measures did. One thread at a time.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from storychain.chain.recipe import film_path
from storychain.chain.survey import survey
from storychain.directing import Table, table_of
from storychain.errors import InvalidStory, StorychainError
from storychain.review.story_view import Sources, story_view
from storychain.review.view import Line, SpentView, StoryView, Unreadable, WorkspaceView

if TYPE_CHECKING:
    from storychain.catalogue import Catalogue
    from storychain.ledger import Entry, FilmRecord, Ledger
    from storychain.story.model import Story
    from storychain.workspace import Workspace

_DAYS = 62
"""Days that are shown of what was spent, at the most."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look: `paths` lists the story files there are now, `load` reads one (the `matrix` makes several of it).

    `ledger` opens the ledger if there is one; `free` and `paid` are the providers' names. With `local` the free
    preview is shown even of stories that were bought.
    """

    paths: Callable[[], Sequence[Path]]
    load: Callable[[Path], Sequence[Story]]
    ledger: Callable[[], Ledger | None]
    workspace: Workspace
    out: Path
    catalogue: Catalogue
    paid: str
    free: str
    local: bool = False
    matrix: Path | None = None


@dataclass(slots=True)
class _File:
    """A story file as it was read."""

    signature: object
    stories: tuple[Story, ...] = ()
    problem: str = ""


@dataclass(slots=True)
class _Kept:
    """A view, what it was made from, and the keys that were looked up for it."""

    fingerprint: object
    view: StoryView
    keys: frozenset[str] = field(default_factory=frozenset)


class Views:
    """The views of all stories, made anew where something changed."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._turn = threading.Lock()
        self._files: dict[Path, _File] = {}
        self._kept: dict[str, _Kept] = {}
        self._broken: dict[str, Unreadable] = {}
        self._serials: dict[str, int] = {}
        self._changes = 0
        self._version: object = None
        self._pulse: Mapping[tuple[str, str], object] = {}
        self._said: Mapping[tuple[str, str], object] = {}
        self._films: Mapping[str, Sequence[FilmRecord]] = {}

    def look(self) -> dict[str, int]:
        """Look what changed: a number a story, which grows with each change of it. Raises StorychainError."""
        with self._turn:
            self._look()
            return dict(self._serials)

    def serial(self, name: str) -> int:
        """The number of a story's last change."""
        return self._serials.get(name, 0)

    def workspace(self) -> WorkspaceView:
        """Every story, those that need somebody first. Raises StorychainError."""
        with self._turn:
            self._look()
            stories = sorted((kept.view for kept in self._kept.values()), key=_urgency)
            ledger = self.places.ledger()
            spent = ledger.spent(self.places.paid) if ledger else Decimal(0)
            return WorkspaceView(tuple(stories), tuple(self._broken.values()), spent)

    def story(self, name: str) -> StoryView | Unreadable | None:
        """One story as it is now. Raises StorychainError."""
        with self._turn:
            self._look()
            kept = self._kept.get(name)
            return kept.view if kept else self._broken.get(name)

    def table(self, name: str) -> Table | None:
        """A story with all that was taken of it, as the ledger has it at this moment. Raises StorychainError."""
        with self._turn:
            self._look()
            story = self.written(name)
            return self._table(story, self.places.ledger()) if story else None

    def written(self, name: str) -> Story | None:
        """A story as its file said it at the last look."""
        return next((one for file in self._files.values() for one in file.stories if one.name == name), None)

    def spent(self) -> SpentView:
        """What was spent, by day and by story. Raises StorychainError."""
        ledger = self.places.ledger()
        if ledger is None:
            return SpentView(Decimal(0), Decimal(0), Decimal(0), (), ())
        by_day, by_story = (ledger.books(self.places.paid, 0, by) for by in ("day", "story"))
        today = ledger.today()
        return SpentView(
            total=sum((one.total for one in by_story), Decimal(0)),
            today=next((one.total for one in by_day if one.name == today), Decimal(0)),
            failed=sum((one.failed for one in by_story), Decimal(0)),
            days=_every_day(_lines(by_day), today),
            stories=_lines(by_story),
        )

    def _look(self) -> None:
        stories = self._read_files()
        ledger = self.places.ledger()
        version = ledger.version() if ledger else None
        if version != self._version or ledger is None:
            self._pulse = ledger.pulse() if ledger else {}
            self._said = ledger.decisions.pulse() if ledger else {}
            self._films = ledger.films() if ledger else {}
            self._version = version
        gone = [name for name in self._kept if name not in stories]
        for name in gone:
            del self._kept[name]
            del self._serials[name]
        stale = {name for name, story in stories.items() if self._fingerprint(story) != self._seen(name)}
        shared = {key for name in stale if name in self._kept for key in self._kept[name].keys}
        stale |= {name for name, kept in self._kept.items() if name not in stale and not shared.isdisjoint(kept.keys)}
        changed = [name for name in stale if self._renew(stories[name], ledger)]
        for name in changed:
            self._changes += 1
            self._serials[name] = self._changes

    def _seen(self, name: str) -> object:
        return self._kept[name].fingerprint if name in self._kept else None

    def _renew(self, story: Story, ledger: Ledger | None) -> bool:
        """Make a story's view anew; whether there is another one now. What is wrong with it is told in its place."""
        fingerprint = self._fingerprint(story)
        try:
            view, keys = self._view(story, ledger)
        except StorychainError as error:
            self._kept.pop(story.name, None)
            self._serials.pop(story.name, None)
            self._broken[story.name] = Unreadable(story.name, str(story.path), str(error))
            return False
        before = self._kept.get(story.name)
        self._kept[story.name] = _Kept(fingerprint, view, keys)
        self._broken.pop(story.name, None)
        return before is None or before.view != view

    def _view(self, story: Story, ledger: Ledger | None) -> tuple[StoryView, frozenset[str]]:
        places, table = self.places, self._table(story, ledger)
        film = film_path(ledger, places.out, story.edition, free=table.facts.free)
        view = story_view(table, Sources(ledger, places.workspace, film, self._films.get(story.name, ()), places.paid))
        return view, frozenset(step.key for step in table.steps)

    def _table(self, story: Story, ledger: Ledger | None) -> Table:
        places, free = self.places, self._is_free(story.name)
        facts = survey(
            story,
            provider=places.free if free else places.paid,
            free=free,
            ledger=ledger,
            workspace=places.workspace,
            catalogue=places.catalogue,
        )
        return table_of(story, facts, ledger, places.workspace)

    def _is_free(self, name: str) -> bool:
        known = self._pulse
        return self.places.local or ((self.places.free, name) in known and (self.places.paid, name) not in known)

    def _fingerprint(self, story: Story) -> object:
        places, name = self.places, story.name
        provider = places.free if self._is_free(name) else places.paid
        # A film is in place before it is on record, and is not told of before that.
        recorded = tuple(self._films.get(name, ()))
        watched = [Path(film.path) for film in recorded]
        watched.append(places.workspace.inspection(provider, story.edition))
        watched += [source.path for source in story.start.sources if source.path] if story.start else []
        pulse = self._pulse.get((provider, name))
        said = {self._said.get((provider, one)) for one in (name, story.edition)}
        # The story itself is in it: equal stories are equal, whatever happened to their file.
        return (story, provider, pulse, said, recorded, *map(_signature, watched))

    def _read_files(self) -> dict[str, Story]:
        """Every story by name, from files that changed since. Two of a name: the first counts, the other is told."""
        paths = self.places.paths()
        files = {path: self._file(path) for path in paths}
        self._files = files
        stories: dict[str, Story] = {}
        broken = [(path, file) for path, file in files.items() if file.problem]
        self._broken = {path.stem: Unreadable(path.stem, str(path), file.problem) for path, file in broken}
        for path, file in files.items():
            for story in file.stories:
                if stories.setdefault(story.name, story) is not story:
                    told = f"{stories[story.name].path} and this one would both become {story.name}.mp4; rename one."
                    self._broken[f"{story.name} ({path.parent.name})"] = Unreadable(story.name, str(path), told)
        return stories

    def _file(self, path: Path) -> _File:
        matrix = self.places.matrix
        signature = (_signature(path), _signature(matrix) if matrix else None)
        known = self._files.get(path)
        if known is not None and known.signature == signature and signature[0] is not None:
            return known
        try:
            return _File(signature, tuple(self.places.load(path)))
        except InvalidStory as error:
            return _File(signature, problem=str(error))


def _signature(path: Path) -> object:
    """What changes when a file does; None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


_ORDER = (
    "unresolved",
    "failed",
    "waiting for approval",
    "in flight",
    "unfinished",
    "film to be joined",
    "done",
    "not begun",
)


def _urgency(view: StoryView) -> tuple[int, str]:
    return (_ORDER.index(view.state) if view.state in _ORDER else 3, view.name)


def _every_day(lines: Sequence[Line], today: str) -> tuple[Line, ...]:
    """A line a day, from the first up to today, those on which nothing was spent included."""
    last = dt.date.fromisoformat(today)
    known = {line.name: line for line in lines}
    first = min((dt.date.fromisoformat(name) for name in known), default=last)
    first = max(first, last - dt.timedelta(days=_DAYS - 1))
    names = [(first + dt.timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]
    return tuple(known.get(name) or Line(name, 0, Decimal(0), Decimal(0), 0.0) for name in names)


def _lines(entries: Iterable[Entry]) -> tuple[Line, ...]:
    found = list(entries)
    most = max((one.total for one in found), default=Decimal(0)) or Decimal(1)
    return tuple(Line(one.name, one.segments, one.total, one.failed, float(one.total / most)) for one in found)
