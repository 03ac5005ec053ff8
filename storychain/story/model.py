"""A story as the rest of the program sees it: frozen, checked, final.

What lives here: plain dataclasses with every default filled in, every variable substituted and every file found.
What may not: YAML, pydantic, files, decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from storychain.story.finishing import Finishing, Handover, Transition

if TYPE_CHECKING:
    from storychain.story.matrix import Row

Join = Literal["extend", "last_frame", "cut"]
"""How a scene begins: continues the video before it, starts from that video's last picture, or starts afresh."""

OnFailure = Literal["stop", "placeholder"]
"""What becomes of a scene that cannot be had: no film is made, or a free card stands in for it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file or address a chain starts from; exactly one of `path` and `url` is set."""

    written: str
    """As the story has it: what an address is known by, and what messages say."""
    path: Path | None
    """Absolute; was an existing, non-empty regular file of the right kind when the story was read."""
    url: str | None
    """An http or https address as it is sent."""


@dataclass(frozen=True, slots=True)
class Start:
    """How the first scene begins: one source for `video` and `image`, one to three for `references`."""

    kind: Literal["video", "image", "references"]
    sources: tuple[Source, ...]
    include: bool
    """The source video opens the film; only ever true for `video`."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One prompt and how its segment is made."""

    id: str
    """Unique in its story; letters and digits of any script, `-`, `_`, `.`; at most 64 characters."""
    prompt: str
    """What is sent: variables substituted, style joined, 5 to 5,000 characters."""
    text: str
    """The scene's own words, variables substituted, without the style."""
    seconds: int
    join: Join
    """On the first scene `extend` means: from the story's start, if it has one."""
    attempts: int
    """Paid tries this scene may ever use, all its prompts together, 1 to 10."""
    fallbacks: tuple[str, ...] = ()
    """What is sent in place of `prompt`, in this order, when the provider refuses the words; made up like it."""
    on_failure: OnFailure = "stop"
    caption: str = ""
    """Shown as a subtitle; empty for none."""
    narration: str = ""
    """Spoken over the scene by the narrator; empty for none."""
    narration_file: Path | None = None
    """Heard over the scene in place of a narrator."""
    transition: Transition | None = None
    """How it follows the scene before; None is a hard cut."""
    handover: Handover = "report"
    takes: int = 1
    """Takes that are bought side by side, until one of them is picked."""
    hold: bool = False
    """What continues it is not bought before it is approved."""
    take: int = 1
    """Tells takes of the same words apart; the story file says nothing of it."""

    @property
    def prompts(self) -> tuple[str, ...]:
        """Everything that may be sent for this scene, first choice first."""
        return (self.prompt, *self.fallbacks)


@dataclass(frozen=True, slots=True)
class Story:
    """One story file, checked against the catalogue."""

    name: str
    """The file's name without its ending, and that of its row where it is one of a table; the film is called so."""
    path: Path
    """Absolute path of the story file."""
    title: str
    model: str
    aspect_ratio: str
    scenes: tuple[Scene, ...]
    start: Start | None
    budget: Decimal | None
    """Most credits this story may ever cost; None: no limit of its own."""
    film: Finishing = field(default_factory=Finishing)
    other_model: str = ""
    """The model that makes it in place of the one in its file, where somebody asked for that."""
    row: Row | None = None
    """The row of a table whose variables it has."""
    idle: tuple[str, ...] = ()
    """Its variables that are in no text."""

    @property
    def edition(self) -> str:
        """What its film is called and what is chosen for it goes by: made by another model it is another edition."""
        return f"{self.name}.{self.other_model}" if self.other_model else self.name
