"""Which stories a command is about, and which of their scenes: folders, lists, tables, states, names."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from storychain.chain.choice import Choice
from storychain.errors import InvalidStory, UsageError
from storychain.plan import Action
from storychain.printable import listed
from storychain.standing import under_way
from storychain.story.naming import ENDINGS

if TYPE_CHECKING:
    from storychain.catalogue import Catalogue
    from storychain.errors import StorychainError
    from storychain.plan import Step
    from storychain.story.model import Story


@dataclass(frozen=True, slots=True)
class Found:
    """Stories that could be read, and what is wrong with those that could not, by path or, of a row, by name."""

    stories: tuple[Story, ...]
    unreadable: Mapping[str, StorychainError] = field(default_factory=dict)

    def all(self) -> tuple[Story, ...]:
        """Every story. Raises InvalidStory with the problems of all that could not be read."""
        if self.unreadable:
            raise InvalidStory("\n\n".join(str(error) for error in self.unreadable.values()))
        return self.stories

    def of_row(self, row: str | None) -> tuple[Story, ...]:
        """The row of a table that is named, whatever is wrong with others; every story where none is.

        Raises as `all`, and the error of the row that is named.
        """
        if row is None:
            return self.all()
        if row in self.unreadable:
            raise self.unreadable[row]
        return tuple(story for story in self.stories if story.name == row)

    def any(self) -> tuple[Story, ...]:
        """The stories that could be read. Raises InvalidStory where some are named and none could."""
        return self.stories or self.all()


def find(named: Sequence[str], matrix: str | None, catalogue: Catalogue) -> Found:
    """Read the stories a command line names: files, folders of them, `-` for a list on stdin. Raises UsageError."""
    from storychain.story import load_story, load_table  # noqa: PLC0415 - pydantic takes longer than `--help` may

    paths = [str(path) for path in paths_of(named)]
    if matrix is not None and len(paths) != 1:
        raise UsageError(f"--matrix makes films of one story, and {len(paths)} are named")
    stories: list[Story] = []
    unreadable: dict[str, StorychainError] = {}
    for path in paths:
        try:
            if matrix is None:
                stories.append(load_story(Path(path), catalogue))
            else:
                of_rows, unfit = load_table(Path(path), Path(matrix), catalogue)
                stories += of_rows
                unreadable |= unfit
        except InvalidStory as error:
            unreadable[path] = error
    by_name(stories)
    return Found(tuple(stories), unreadable)


def paths_of(named: Iterable[str], *, empty: bool = False) -> list[Path]:
    """The story files a command line names, each once; folders without any are fine if `empty`. Raises UsageError.

    A file is one whichever way leads to it; by a link of another name it is another story, since stories are called
    after their files.
    """
    once: dict[tuple[str, str], Path] = {}
    for path in map(Path, _paths(list(named), empty=empty)):
        once.setdefault((_file(path), path.stem), path)
    return list(once.values())


def _file(path: Path) -> str:
    """The file behind a path, links followed as far as they lead."""
    try:
        return os.path.realpath(path)
    except ValueError:  # no file has such a name, which is told where it is read
        return str(path)


def _paths(named: Sequence[str], *, empty: bool) -> Iterable[str]:
    others = len(named) > 1
    for name in named:
        if name == "-":
            if isinstance(sys.stdin, io.TextIOWrapper):
                sys.stdin.reconfigure(errors="surrogateescape")  # one name that is no text must not hide the others
            yield from (line.rstrip("\r\n") for line in sys.stdin if line.strip())
        elif _is_folder(name):
            inside = sorted(str(path) for path in Path(name).iterdir() if _is_story(path))
            if not inside and not empty and not others:
                raise UsageError(f"{name}: no story files (*.yaml) in this folder")
            # One that is empty keeps back no other: it is told where it is read.
            yield from inside if inside or empty else [name]
        else:
            yield name


def _is_story(path: Path) -> bool:
    """Whether a folder's entry is meant to be a story; a link that leads nowhere is, and cannot be read."""
    if path.suffix not in ENDINGS or path.name.startswith("."):
        return False
    try:
        return path.is_file() or (path.is_symlink() and not path.exists())
    except OSError:  # it leads to where we may not look, which is told where it is read
        return True


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:  # as above; or no file has so long a name
        return False


def by_name(stories: Sequence[Story]) -> dict[str, Story]:
    """Stories by what their films are called, each once. Raises UsageError where two would be called alike."""
    named: dict[str, Story] = {}
    for story in stories:
        other = named.setdefault(story.name, story)
        if other is story:
            continue
        if _file(other.path) != _file(story.path):
            raise UsageError(
                f"{other.path} and {story.path} would both become {story.name}.mp4",
                next_step="Rename one of them, or run them apart with different --out and --workspace.",
            )
        if replace(story, path=other.path) != other:
            raise UsageError(f"{other.path} is given twice, and not with the same words", next_step="Read it once.")
    _check_files(named)
    return named


def _check_files(stories: Mapping[str, Story]) -> None:
    """Raise UsageError where one story's copies or preview would be called as another one's film."""
    from storychain.chain.files import films_of  # noqa: PLC0415 - pydantic takes longer than `--help` may

    for name, story in stories.items():
        for path in films_of(story, Path(f"{name}.mp4")):
            other = stories.get(path.name.removesuffix(".mp4"), story)
            if other is not story:
                raise UsageError(
                    f"{path.name} would be the film of {called(other)}, and lie beside the film of {called(story)}",
                    next_step="Rename one of them, or run them apart with different --out.",
                )


def called(story: Story) -> str:
    """What a person knows a story by: its file, and its row where it is one of a table."""
    return f"{story.path} ({story.name})" if story.row else str(story.path)


def the_one(found: Found, row: str | None) -> Story:
    """The only story there is, or that row of it. Raises UsageError."""
    stories = found.of_row(row)
    if len(stories) != 1:
        raise which(stories or found.stories)
    return stories[0]


def which(stories: Sequence[Story]) -> UsageError:
    """What is said where one of these had to be named."""
    if not stories:
        return UsageError("no story is named")
    names = listed([story.name for story in stories])
    if any(story.row for story in stories):
        return UsageError(f"which row is meant? {names}", next_step="Name it with --row NAME, as `status` shows it.")
    return UsageError(f"which story is meant? {names}", next_step="Name its file, without --row.")


STATES = ("failed", "unfinished", "new")


def is_in_state(story: Story, steps: Sequence[Step], state: str) -> bool:
    """Whether a story's plan is in one of STATES: something was given up; it is begun; nothing was bought for it.

    Segments that it shares with others and that were bought for those do not begin it.
    """
    steps = [step for step in steps if step.record.story in ("", story.name) or step.action is not Action.REUSE]
    actions = {step.action for step in steps}
    match state:
        case "failed":
            return bool(actions & {Action.FAILED, Action.UNRESOLVED, Action.PLACEHOLDER})
        case "unfinished":
            had = any(step.record.state == "stored" for step in steps)
            return any(under_way(step) for step in steps) or (had and bool(actions & {Action.SUBMIT, Action.BLOCKED}))
    return Action.SUBMIT in actions and actions <= {Action.SUBMIT, Action.HOLD}


@dataclass(frozen=True, slots=True)
class _Pick:
    """One `--select`: a story, and the scene with what comes before or after it; no scene means all."""

    story: str
    scene: str | None
    before: bool
    after: bool


def choice_of(selected: Sequence[str], stories: Sequence[Story], *, resume_only: bool) -> Choice:
    """What a run may buy; `selected` are STORY, STORY:SCENE, STORY:SCENE+ or STORY:+SCENE. Raises UsageError."""
    if not selected:
        return Choice(buys=not resume_only)
    named = {story.name: story for story in stories}
    scenes: dict[str, frozenset[str]] = {}
    for pick in (_pick(text, named) for text in selected):
        if pick.story not in named:
            known = ", ".join(list(named)[:8])
            raise UsageError(f"--select: no story '{pick.story}' among those named ({known})")
        scenes[pick.story] = scenes.get(pick.story, frozenset()) | _scenes(named[pick.story], pick)
    return Choice(buys=not resume_only, scenes=scenes)


def selects_one_of(text: str, stories: Sequence[Story]) -> bool:
    """Whether a `--select` means one of the stories."""
    names = {story.name for story in stories}
    return _pick(text, names).story in names


def _pick(text: str, known: Collection[str]) -> _Pick:
    """What one `--select` means; of the `known` stories the one of the longest name, which may hold colons itself."""
    if (whole := _named(text, known)) in known:
        return _Pick(whole, None, before=True, after=True)
    colons = [place for place, character in enumerate(text) if character == ":"]
    if not colons:
        return _Pick(whole, None, before=True, after=True)
    last = colons[-1]
    colon = next((place for place in reversed(colons) if _named(text[:place], known) in known), last)
    name, scene = _named(text[:colon], known), text[colon + 1 :]
    return _Pick(name, scene.strip("+"), before=scene.startswith("+"), after=scene.endswith("+"))


def _named(text: str, known: Collection[str]) -> str:
    """The story's name where its file may stand."""
    return Path(text).stem if text.endswith(ENDINGS) and text not in known else text


def _scenes(story: Story, pick: _Pick) -> frozenset[str]:
    ids = [scene.id for scene in story.scenes]
    if pick.scene is None:
        return frozenset(ids)
    if pick.scene not in ids:
        known = ", ".join(ids[:8])
        raise UsageError(f"--select: the story '{story.name}' has no scene '{pick.scene}' (it has {known})")
    place = ids.index(pick.scene)
    return frozenset(ids[0 if pick.before else place : len(ids) if pick.after else place + 1])


def check_reach(story: Story, steps: Sequence[Step], choice: Choice) -> None:
    """Refuse to begin where a chosen scene continues one that is neither paid nor chosen."""
    chosen = choice.scenes.get(story.name) if choice.scenes is not None else None
    if not chosen or not choice.buys:
        return
    kept = {step.scene.id for step in choice.of(story.name, steps)}
    for place, step in enumerate(steps):
        if step.scene.id in chosen and step.scene.id not in kept:
            raise UsageError(
                f"--select: scene {step.scene.id} continues {steps[place - 1].scene.id}, which is not bought yet",
                where=story.name,
                next_step=f"Select what comes before it too: --select {story.name}:+{step.scene.id}",
            )
