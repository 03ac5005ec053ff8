"""The lock file of a film: of every frame, which segment it came from, with its prompt, job and credits.

`NAME.lock.json` lies beside `NAME.mp4`. It holds no time of day and no folder of this machine, so that equal films have
equal lock files. Field names are a contract: add, never rename.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from storychain.export.timeline import Kind, Seam, plain_number
from storychain.media.aside import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from storychain.media.edit import Edit

FORMAT = 1
"""Counts up when a reader of the lock files before could be misled by new ones."""

_STEERING = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON lets pass and a terminal acts on, or no encoding takes; all of it stands inside strings."""

_MOST_BYTES = 64 << 20
"""Of a lock file; 500 scenes with prompts of the longest kind have a twentieth."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames `begin` up to `end` of a film, which show its source from frame `source_begin` on, all at the film's rate.

    Its first `blend` frames are shared with the stretch before, by the `transition` of that name. `key` is the
    segment's, else what names the source; `file` its place in the workspace (with `/`), empty where it has none.
    `credits` is what it was bought for, 0 where it was free.
    """

    kind: Kind
    scene: str
    begin: int = 0
    end: int = 0
    source_begin: int = 0
    key: str = ""
    take: int = 1
    file: str = ""
    sha256: str | None = None
    job_id: str | None = None
    prompt: str = ""
    model: str | None = None
    credits: Decimal | None = None
    seam: Seam | None = None
    blend: int = 0
    transition: str = ""

    @property
    def frames(self) -> int:
        """How many frames it has, shared ones included."""
        return self.end - self.begin

    @property
    def source_end(self) -> int:
        """The frame of its source before which it ends."""
        return self.source_begin + self.frames


@dataclass(frozen=True, slots=True)
class Lock:
    """What is read back of a lock file."""

    story: str
    fps: Fraction
    frames: int
    recipe: str
    film_sha256: str
    film_size: int
    stretches: tuple[Stretch, ...]
    beside: tuple[str, ...] = ()
    """What was made beside the film, by the words of `media.outputs.names`."""


def stretches_of(edit: Edit, told: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """The stretches of a film's clips, `told` one a clip without their frames: those are in the film's `edit`."""
    return tuple(
        replace(
            one,
            begin=place,
            end=place + shot.frames,
            source_begin=shot.begin,
            blend=shot.blend,
            transition=shot.transition if shot.blend else "",
        )
        for one, shot, place in zip(told, edit.shots, edit.places, strict=False)
    )


def lock_path(film: Path) -> Path:
    """Where the lock file of a film lies."""
    return film.with_suffix(".lock.json")


def lock_document(
    stretches: Sequence[Stretch],
    *,
    story: str,
    title: str,
    fps: Fraction,
    film: str,
    film_sha256: str,
    film_size: int,
    recipe: str,
    ffmpeg: str,
    storychain: str,
    beside: Sequence[str] = (),
) -> dict[str, Any]:
    """The lock file of the film named `film` (its file's name alone); `ffmpeg` and `storychain` are versions.

    `beside` says what was made beside the film.

    Raises ValueError unless the stretches cover the film from its first frame on, each beginning where the one before
    ends but for the frames they share: a lock file with a hole would be worse than none.
    """
    _check_whole(stretches)
    frames = stretches[-1].end
    return {
        "format": FORMAT,
        "story": story,
        "title": title,
        "film": {
            "file": film,
            "sha256": film_sha256,
            "size": film_size,
            "rate": str(fps),
            "frames": frames,
            "seconds": _seconds(frames, fps),
        },
        "credits": _number(_spent(stretches)),
        "made_by": {"storychain": storychain, "ffmpeg": ffmpeg, "recipe": recipe},
        "beside": list(beside),
        "stretches": [_written(stretch, fps) for stretch in stretches],
    }


def lock_text(document: dict[str, Any]) -> str:
    """The text of a lock file: of the same document always the same, and readable whatever people wrote."""
    written = json.dumps(document, ensure_ascii=False, indent=2)
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", written) + "\n"


def write_lock(film: Path, document: dict[str, Any]) -> Path:
    """Write the lock file of `film` beside it, whole or not at all, and return its path. Raises DiskTrouble."""
    path = lock_path(film)
    write_whole(path, lock_text(document).encode())
    return path


def _check_whole(stretches: Sequence[Stretch]) -> None:
    end = 0
    for stretch in stretches:
        if stretch.begin != end - stretch.blend or stretch.end <= stretch.begin or stretch.source_begin < 0:
            raise ValueError(f"{stretch.scene}: frames {stretch.begin} to {stretch.end} do not follow on frame {end}")
        end = stretch.end
    if not stretches or stretches[0].blend:
        raise ValueError("a film begins with a stretch that shares no frames")


def _spent(stretches: Iterable[Stretch]) -> Decimal | None:
    """Credits of all segments, each once however often it is seen; None where one's are unknown."""
    bought = {stretch.key: stretch.credits for stretch in stretches if stretch.kind == "scene"}
    known = [credits_ for credits_ in bought.values() if credits_ is not None]
    return sum(known, Decimal(0)) if len(known) == len(bought) else None


def _written(stretch: Stretch, fps: Fraction) -> dict[str, Any]:
    seam = stretch.seam
    return {
        "kind": stretch.kind,
        "placeholder": stretch.kind == "placeholder",
        "scene": stretch.scene,
        "begin": _seconds(stretch.begin, fps),
        "end": _seconds(stretch.end, fps),
        "begin_frame": stretch.begin,
        "end_frame": stretch.end,
        "source": {
            "begin_frame": stretch.source_begin,
            "end_frame": stretch.source_end,
            "file": stretch.file or None,
            "sha256": stretch.sha256,
        },
        "key": stretch.key,
        "take": stretch.take,
        "job_id": stretch.job_id,
        "model": stretch.model,
        "credits": _number(stretch.credits),
        "prompt": stretch.prompt,
        "seam": None if seam is None else {"kind": seam.kind, "frames": seam.frames, "confidence": seam.confidence},
        "transition": {"name": stretch.transition, "frames": stretch.blend} if stretch.blend else None,
    }


def _seconds(frame: int, fps: Fraction) -> float:
    return round(float(frame / fps), 6)


def _number(value: Decimal | None) -> int | float | None:
    return None if value is None else plain_number(value)


# Reading back


class _Written(BaseModel):
    """Anything in a lock file: what is not known is of a later version and passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class _WrittenSource(_Written):
    begin_frame: int = Field(ge=0)
    file: str | None = None
    sha256: str | None = None


class _WrittenSeam(_Written):
    kind: str
    frames: int = Field(ge=0)
    confidence: float | None = None


class _WrittenTransition(_Written):
    name: str
    frames: int = Field(ge=1)


class _WrittenStretch(_Written):
    kind: Kind
    scene: str
    begin_frame: int = Field(ge=0)
    end_frame: int
    source: _WrittenSource
    key: str
    take: int = 1
    job_id: str | None = None
    model: str | None = None
    credits: float | None = None
    prompt: str = ""
    seam: _WrittenSeam | None = None
    transition: _WrittenTransition | None = None


class _WrittenMaking(_Written):
    recipe: str


class _WrittenFilm(_Written):
    sha256: str
    size: int
    rate: str = Field(pattern=r"^[1-9][0-9]{0,8}(/[1-9][0-9]{0,8})?$")
    frames: int


class _WrittenLock(_Written):
    format: int = Field(le=FORMAT)
    story: str
    film: _WrittenFilm
    made_by: _WrittenMaking
    beside: list[Annotated[str, Field(pattern=r"^([a-z]+|[0-9]+:[0-9]+)$")]] = []
    stretches: list[_WrittenStretch] = Field(min_length=1)


class _WrittenHead(_Written):
    format: int = Field(le=FORMAT)
    made_by: _WrittenMaking


def _bytes_of(path: Path) -> bytes:
    """Raises ValueError of a file that is too large to be a lock file, as pydantic does of one that is none."""
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{path} has more than {_MOST_BYTES} bytes")
    return path.read_bytes()


def recipe_in(path: Path) -> str | None:
    """The recipe that a lock file is of, without a look at the rest; None as in `read_lock`."""
    try:
        return _WrittenHead.model_validate_json(_bytes_of(path)).made_by.recipe
    except (OSError, ValueError):
        return None


def read_lock(path: Path) -> Lock | None:
    """Read a lock file back; None where there is none, or none that can be made sense of. Raises nothing."""
    try:
        written = _WrittenLock.model_validate_json(_bytes_of(path))
        stretches = tuple(_read(stretch) for stretch in written.stretches)
        _check_whole(stretches)
    except (OSError, ValueError):
        return None
    if stretches[-1].end != written.film.frames:
        return None
    film = written.film
    fps, recipe = Fraction(film.rate), written.made_by.recipe
    return Lock(written.story, fps, film.frames, recipe, film.sha256, film.size, stretches, tuple(written.beside))


def _read(written: _WrittenStretch) -> Stretch:
    seam, transition = written.seam, written.transition
    return Stretch(
        kind=written.kind,
        scene=written.scene,
        begin=written.begin_frame,
        end=written.end_frame,
        source_begin=written.source.begin_frame,
        key=written.key,
        take=written.take,
        file=written.source.file or "",
        sha256=written.source.sha256,
        job_id=written.job_id,
        prompt=written.prompt,
        model=written.model,
        credits=None if written.credits is None else Decimal(str(written.credits)).normalize() + 0,
        seam=None if seam is None else Seam(seam.kind, seam.frames, seam.confidence),
        blend=transition.frames if transition else 0,
        transition=transition.name if transition else "",
    )
