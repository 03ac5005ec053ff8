"""The command `export`: a story's film as a timeline for editing programs, from what is on this disk alone."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from storychain.chain.blocked import brought_on
from storychain.chain.recipe import film_path
from storychain.commands.desk import desk
from storychain.directing import table_of
from storychain.errors import DiskTrouble, MediaError, UsageError
from storychain.export.arranging import Part, arranged
from storychain.export.edl import edl_texts
from storychain.export.fcpxml import fcpxml_text
from storychain.export.lock import lock_path, read_lock
from storychain.export.otio import otio_text
from storychain.export.takes import csv_text
from storychain.export.timeline import Media, Take
from storychain.media.aside import folder_aside, write_whole
from storychain.media.probe import probe
from storychain.plan import Action
from storychain.printable import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storychain.directing import Table
    from storychain.export.lock import Stretch
    from storychain.export.timeline import Timeline
    from storychain.plan import Step
    from storychain.records import Record
    from storychain.workspace import Workspace

_ENDINGS = {"otio": ".otio", "fcpxml": ".fcpxml", "edl": ".edl", "csv": ".csv"}
_BEGINNINGS = {
    "otio": rb'\{\s*"OTIO_SCHEMA"',
    "fcpxml": rb"<\?xml[^>]*>\s*<!DOCTYPE fcpxml>",
    "edl": rb"TITLE: ",
    "csv": rb"\xef\xbb\xbfposition,",
}
"""How files of ours begin: those may be written over, and no others."""


def export(arguments: argparse.Namespace) -> int:
    """Write a story's timeline beside its film, or to --out."""
    if arguments.out_file == "-" and arguments.json:
        raise UsageError("`--out -` and --json both write to stdout; use one of them")
    at = desk(arguments)
    story = at.story(arguments)
    with at.ledger_if_any() as ledger:
        free = at.takes_preview(ledger, story, local=arguments.local)
        facts = at.facts(story, ledger, free=free)
        table = table_of(story, facts, ledger, at.workspace)
        film = film_path(ledger, at.settings.out, story.edition, free=free)
    cutting = _Cutting(at.workspace, table, workers=at.settings.url is not None)
    timeline = cutting.timeline(lock_path(film))
    texts, written = _texts(arguments.to, timeline, cutting.unused()), list[Path]()
    if arguments.out_file == "-":
        sys.stdout.write("".join(texts))
    else:
        written = _write(texts, _out(arguments, film), arguments.to)
    _tell(timeline, written, preview=free, as_json=arguments.json)
    return 0


def _look(file: Path) -> Media | None:
    """What a video is; None where it cannot be read, and then that is said."""
    try:
        facts = probe(file, matroska=True)
    except MediaError as error:
        print(f"storychain: left out: {error}", file=sys.stderr)
        return None
    frames = facts.frames if facts.constant_rate else max(1, round(facts.seconds * facts.fps))
    size = (facts.width, facts.height) if facts.rotation % 180 == 0 else (facts.height, facts.width)
    sound = (facts.audio.channels, facts.audio.rate) if facts.audio else (0, 0)
    return Media(file.resolve(), facts.fps, frames, *size, *sound)


class _Cutting:
    """One story as it stands, and what its files are; looking at those takes 16 ms each for 8 s of 720p."""

    def __init__(self, workspace: Workspace, table: Table, *, workers: bool) -> None:
        self._brought = brought_on(table.story, table.facts, table.steps, workers=workers)
        self._workspace = workspace
        self._story = table.story
        self._start = table.facts.start
        self._steps = table.steps
        self._records = table.attempts
        self._numbers = {(one.step.scene.id, take.key): take.number for one in table.scenes for take in one.takes}
        keys = [record.key for record in (*(step.record for step in self._steps), *self._records) if record.present]
        files = [workspace.segment(key) for key in dict.fromkeys(keys)]
        files += [self._opening_file()] if self._opens() and self._opening_file().exists() else []
        self._media = {file: _look(file) for file in files}

    def timeline(self, lock: Path) -> Timeline:
        """The timeline, with what the film's lock file knows of it. Raises UsageError where nothing is here."""
        parts = [self._opening()] if self._opens() else []
        parts += [self._scene(step) for step in self._steps]
        shown = [part.take.media for part in parts if part.take.media]
        if not shown:
            raise UsageError(
                "there is nothing to export yet: no segment is here",
                where=self._story.name,
                next_step=f"{self._brought}.",
            )
        fps, width, height = _usual(shown)
        about = {"name": self._story.name, "title": self._story.title}
        return arranged(parts, read_lock(lock), **about, fps=fps, size=(width, height), card=self._card)

    def _opens(self) -> bool:
        return self._story.start is not None and self._story.start.include

    def _opening_file(self) -> Path:
        assert self._story.start is not None
        return self._story.start.sources[0].path or self._workspace.source(self._start[0])

    def _opening(self) -> Part:
        media = self._media.get(self._opening_file())
        key = hashlib.sha256(self._start[0].encode()).hexdigest()[:32]
        sha256 = self._start[0].removeprefix("sha256:") if self._start[0].startswith("sha256:") else None
        take = Take(key, media=media, state="given", sha256=sha256)
        length = media.seconds if media else Fraction(1)
        return Part("opening", "opening", take, length, missing="" if media else "it is not fetched yet")

    def _scene(self, step: Step) -> Part:
        scene, record = step.scene, step.record
        stands_in = step.action is Action.PLACEHOLDER
        number = self._numbers[scene.id, step.key]
        take = Take(step.key, number, "planned", prompt=scene.prompt, model=step.model, seconds=scene.seconds)
        if stands_in:
            take = replace(take, state="placeholder", prompt=scene.text, model=None, message=record.message)
        elif record.attempt:
            take = self._take(record, number)
        others = [
            one for one in self._records if one.scene == scene.id and (stands_in or one.attempt != record.attempt)
        ]
        # What was never taken on is no take, and has no number.
        numbered = [(one, self._numbers.get((scene.id, one.key))) for one in others]
        return Part(
            scene.id,
            "placeholder" if stands_in else "scene",
            take,
            Fraction(scene.seconds),
            tuple(self._take(one, number) for one, number in numbered if number),
            "" if take.media else _why(step),
        )

    def _take(self, record: Record, number: int) -> Take:
        """An attempt on record, and its file where it is here: another attempt's may have taken its place."""
        return Take(
            key=record.key,
            number=number,
            state=record.state,
            media=self._media.get(self._workspace.segment(record.key)) if record.present else None,
            job_id=record.job_id,
            model=record.model or None,
            prompt=record.prompt,
            credits=record.credits,
            seconds=record.seconds,
            sha256=record.sha256,
            message=record.message,
        )

    def _card(self, stretch: Stretch) -> Media | None:
        """A file the lock names, if it is one of this workspace: a lock file may come from anywhere."""
        root = self._workspace.root.resolve()
        file = (root / stretch.file).resolve()
        return _look(file) if stretch.file and file.is_relative_to(root) and file.is_file() else None

    def unused(self) -> list[tuple[str, Take]]:
        """Takes of scenes that the story no longer has, oldest first."""
        scenes, keys = {step.scene.id for step in self._steps}, {step.key for step in self._steps}
        left = [one for one in self._records if one.scene not in scenes and one.key not in keys]
        numbers: dict[str, dict[str, int]] = {}
        for one in left:
            numbers.setdefault(one.scene, {}).setdefault(one.key, len(numbers[one.scene]) + 1)
        return [(one.scene, self._take(one, numbers[one.scene][one.key])) for one in left]


def _usual(shown: Sequence[Media]) -> tuple[Fraction, int, int]:
    """The rate and size of most clips; among equals the earliest. So the film has them, too, once it is joined."""
    kinds = [(media.fps, media.width, media.height) for media in shown]
    return max(kinds, key=kinds.count)


def _why(step: Step) -> str:
    return "its file cannot be read" if step.action is Action.REUSE else step.reason


def _texts(to: str, timeline: Timeline, unused: Sequence[tuple[str, Take]]) -> list[str]:
    match to:
        case "otio":
            return [otio_text(timeline)]
        case "fcpxml":
            return [fcpxml_text(timeline)]
        case "edl":
            return edl_texts(timeline)
    return [csv_text(timeline, unused)]


def _out(arguments: argparse.Namespace, film: Path) -> Path:
    return Path(arguments.out_file) if arguments.out_file else film.with_suffix(_ENDINGS[arguments.to])


def _write(texts: Sequence[str], out: Path, to: str) -> list[Path]:
    """Write what there is into `out`, or into numbered files of that name if it is more than one.

    Raises UsageError where something else than an earlier export has that name.
    """
    names = [out] if len(texts) == 1 else [out.with_stem(f"{out.stem}-{number}") for number in range(1, len(texts) + 1)]
    if not out.name or out.is_dir():
        raise UsageError("this is a folder", where=str(out), next_step="Give a file's name to --out.")
    _check_folder(out.parent)
    for name in names:
        _check_free(name, to)
    for text, name in zip(texts, names, strict=True):
        write_whole(name, text.encode())
    return names


def _check_folder(folder: Path) -> None:
    """Raise UsageError where nothing can be written."""
    try:
        with folder_aside(folder):
            return
    except DiskTrouble as error:
        step = "Let --out name a file in a folder that is there, or can be made, and is ours to write in."
        raise UsageError(error.what, where=str(folder), next_step=step) from error


def _check_free(name: Path, to: str) -> None:
    """Raise UsageError where a file is that would be lost."""
    try:
        with name.open("rb") as file:
            head = file.read(200)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"cannot be written over: {error.strerror}", where=str(name)) from error
    if head and not re.match(_BEGINNINGS[to], head):
        raise UsageError(
            f"a file is there, and it is no {to} that was exported before",
            where=str(name),
            next_step="Give --out the name of a file that is not there yet. Nothing was written.",
        )


def _tell(timeline: Timeline, written: Sequence[Path], *, preview: bool, as_json: bool) -> None:
    gaps = [item for item in timeline.items if item.media is None]
    if as_json:
        about = {
            "story": timeline.name,
            "preview": preview,
            "files": [str(path) for path in written],
            "rate": str(timeline.fps),
            "frames": timeline.frames,
            "clips": len(timeline.items) - len(gaps),
            "missing": [{"scene": item.name, "reason": item.missing} for item in gaps],
        }
        print(json.dumps(about, indent=2))
        return
    for item in gaps:
        print(f"storychain: {visible(item.name)} is a gap: {visible(item.missing)}", file=sys.stderr)
    for path in written:
        print(path)
