"""From the written story to the final one: defaults, prompts, and every check that needs more than one value.

What lives here: decisions about meaning. What may not: YAML, pydantic's ways, how problems look.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from storychain.catalogue import DEFAULT_MODEL, PROMPT_MAX, PROMPT_MIN
from storychain.story.finish import LONGEST_CAPTION, Finisher
from storychain.story.format import DEFAULT_ATTEMPTS, JOINS, ON_FAILURE
from storychain.story.matrix import NAME
from storychain.story.model import Join, OnFailure, Scene, Story
from storychain.story.problems import did_you_mean, quoted
from storychain.story.starting import find_start
from storychain.story.texts import Texts
from storychain.story.values import MOST_ATTEMPTS, joined_up
from storychain.story.words import ENOUGH, Filled

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path

    from storychain.catalogue import Catalogue, Model
    from storychain.story.finishing import Handover, Transition
    from storychain.story.format import WrittenScene, WrittenStory
    from storychain.story.matrix import Row
    from storychain.story.parsing import Places
    from storychain.story.problems import Path as StoryPath

LONGEST_ID = 64
"""Most characters of a scene's id."""

_SECONDS = re.compile(r"0*([1-9][0-9]{0,3})s?")


def resolve(
    written: WrittenStory, places: Places, source: str, path: Path, catalogue: Catalogue, row: Row | None = None
) -> Story:
    """Return the final story, with a row's own variables; it may be used only if `places` holds no problem then."""
    model = _model(written.model or DEFAULT_MODEL, places, catalogue)
    own = {name: value for name, value in row.variables.items() if name in (written.vars or {})} if row else {}
    texts = Texts(places, source, {**(written.vars or {}), **own}, own.keys())
    texts.check_variables()
    finisher = Finisher(places, texts, path)
    return Story(
        name=f"{path.stem}-{row.name}" if row else path.stem,
        path=path,
        title=joined_up(texts.fill(("title",), written.title).text) if written.title else path.stem,
        model=model.name if model else "",
        aspect_ratio=_aspect_ratio(written.aspect_ratio, model, places),
        scenes=_Scenes(written, places, texts, model, finisher).all(),
        start=find_start(written.start, places, path) if written.start else None,
        budget=written.budget,
        film=finisher.finishing(written.film),
        row=row,
        idle=tuple(name for name in written.vars or {} if name not in texts.used and name != NAME),
    )


def _model(name: str, places: Places, catalogue: Catalogue) -> Model | None:
    if name not in catalogue:
        known = ", ".join(catalogue)
        places.add(("model",), f"unknown model {quoted(name)} (known: {known}){did_you_mean(name, catalogue)}")
    return catalogue.get(name)


def _aspect_ratio(ratio: str | None, model: Model | None, places: Places) -> str:
    if model and ratio is not None and ratio not in model.aspect_ratios:
        allowed = ", ".join(model.aspect_ratios)
        places.add(("aspect_ratio",), f"{model.name} makes {allowed}, not {quoted(ratio)}")
    return ratio or (model.aspect_ratios[0] if model else "")


@dataclass(frozen=True, slots=True)
class _Usually:
    """What a scene is that does not say otherwise."""

    seconds: int
    style: Filled
    on_failure: OnFailure
    handover: Handover
    transition: Transition | None
    transition_seconds: Fraction


@dataclass(frozen=True, slots=True)
class _Scenes:
    """The scenes of one story on their way."""

    written: WrittenStory
    places: Places
    texts: Texts
    model: Model | None
    finisher: Finisher

    def all(self) -> tuple[Scene, ...]:
        seconds = self._seconds(("duration",), self.written.duration)
        usual = seconds or (self.model.durations[0] if self.model else 0)
        style = self.texts.fill(("style",), self.written.style or "")
        film, finisher = self.written.film, self.finisher
        length = finisher.transition_length(film)
        usually = _Usually(
            seconds=usual,
            style=style,
            on_failure=self._on_failure(("on_failure",), self.written.on_failure) or "stop",
            handover=finisher.handover(("handover",), self.written.handover) or "report",
            transition=finisher.transition(("film", "transition"), film.transition, length) if film else None,
            transition_seconds=length,
        )
        scenes = enumerate(zip(self._ids(), self.written.scenes, strict=True))
        return tuple(self._scene(number, name, scene, usually) for number, (name, scene) in scenes)

    def _scene(self, number: int, name: str, scene: WrittenScene, usually: _Usually) -> Scene:
        at: StoryPath = ("scenes", number)
        text, prompt = self._prompt((*at, "prompt"), scene.prompt, usually.style)
        fallbacks = self._fallbacks((*at, "fallback_prompts"), scene, prompt, usually.style)
        finisher = self.finisher
        if scene.narration is not None and scene.narration_file is not None:
            self.places.add((*at, "narration_file"), "the scene has narration already; keep one of them", on_key=True)
        return Scene(
            id=name,
            prompt=prompt,
            text=text,
            seconds=self._seconds((*at, "duration"), scene.duration) or usually.seconds,
            join=self._join(number, scene),
            attempts=scene.attempts or min(MOST_ATTEMPTS, DEFAULT_ATTEMPTS + len(fallbacks)),
            fallbacks=fallbacks,
            on_failure=self._on_failure((*at, "on_failure"), scene.on_failure) or usually.on_failure,
            caption=finisher.words((*at, "caption"), scene.caption),
            narration=finisher.words((*at, "narration"), scene.narration, 4 * LONGEST_CAPTION),
            narration_file=finisher.file((*at, "narration_file"), scene.narration_file, "sound"),
            transition=self._transition((*at, "transition"), scene.transition, usually),
            handover=finisher.handover((*at, "handover"), scene.handover) or usually.handover,
            takes=scene.takes or 1,
            hold=bool(scene.hold),
        )

    def _transition(self, at: StoryPath, written: str | None, usually: _Usually) -> Transition | None:
        if written is None:
            return usually.transition
        return self.finisher.transition(at, written, usually.transition_seconds)

    def _prompt(self, at: StoryPath, words: str, style: Filled) -> tuple[str, str]:
        """Return a prompt's own text and what is sent: variables filled in, style joined, its length checked."""
        filled = self.texts.fill(at, words)
        text = joined_up(filled.text)
        prompt = joined_up(f"{text} {style.text}")
        self._check_length(at, text, prompt, made_up=bool(style.text) or filled.used)
        return text, prompt

    def _fallbacks(self, at: StoryPath, scene: WrittenScene, prompt: str, style: Filled) -> tuple[str, ...]:
        """Return what may be sent in place of the prompt; words that were refused once need not be said again."""
        said = [prompt]
        for number, words in enumerate(scene.fallback_prompts or ()):
            _, fallback = self._prompt((*at, number), words, style)
            if fallback in said:
                before = f"fallback_prompts[{said.index(fallback) - 1}]" if fallback != prompt else "the prompt"
                self.places.add((*at, number), f"says the same as {before}; other words may pass where those did not")
            said.append(fallback)
        return tuple(said[1:])

    def _on_failure(self, at: StoryPath, written: str | None) -> OnFailure | None:
        if written is not None and written not in ON_FAILURE:
            expected = " or ".join(ON_FAILURE)
            self.places.add(at, f"expected {expected}, found {quoted(written)}{did_you_mean(written, ON_FAILURE)}")
        return cast("OnFailure | None", written)

    def _check_length(self, at: StoryPath, text: str, prompt: str, *, made_up: bool) -> None:
        length = len(prompt)
        if not text:
            self.places.add(at, "is empty; say what happens in the scene")
        elif not PROMPT_MIN <= length <= PROMPT_MAX:
            after = " once variables and style are joined in" if made_up else ""
            size = f"{length:,}" if length <= ENOUGH else f"over {ENOUGH:,}"
            self.places.add(at, f"is {size} characters long{after}; a prompt has {PROMPT_MIN} to {PROMPT_MAX:,}")

    def _seconds(self, at: StoryPath, written: str | None) -> int | None:
        """Return whole seconds, or None when nothing usable is written."""
        if written is None:
            return None
        found = _SECONDS.fullmatch(written)
        seconds = int(found[1]) if found else None
        allowed = ", ".join(f"{choice}s" for choice in self.model.durations) if self.model else ""
        if seconds is None:
            expected = f"one of {allowed}" if allowed else "whole seconds such as 8s"
            self.places.add(at, f"expected {expected}, found {quoted(written)}")
        elif self.model and seconds not in self.model.durations:
            self.places.add(at, f"{self.model.name} makes {allowed}, not {seconds}s")
        return seconds

    def _join(self, number: int, scene: WrittenScene) -> Join:
        at: StoryPath = ("scenes", number, "join")
        join = scene.join or "extend"
        if join not in JOINS:
            self.places.add(at, f"expected {', '.join(JOINS)}, found {quoted(join)}{did_you_mean(join, JOINS)}")
        elif number == 0 and join == "last_frame":
            self.places.add(at, "the first scene has no video before it; to begin with a picture use start.image")
        elif number == 0 and join == "cut" and self.written.start and not self.written.start.include:
            self.places.add(at, "the first scene cuts, so start would never be used; remove one of them")
        return cast("Join", join)

    def _ids(self) -> list[str]:
        """Return the scenes' ids; each must be well formed and its own."""
        ids = [scene.id or f"scene-{number}" for number, scene in enumerate(self.written.scenes, start=1)]
        seen: dict[str, int] = {}
        for number, name in enumerate(ids):
            wrong = _malformed(name)
            first = seen.setdefault(unicodedata.normalize("NFC", name), number)
            if not wrong and first != number:
                wrong = f"the id {quoted(name)} is taken by scenes[{first}]; ids are unique"
            if wrong:
                self.places.add(("scenes", number, "id"), wrong)
        return ids


def _malformed(name: str) -> str | None:
    """Return what is wrong with an id, or None."""
    if len(name) > LONGEST_ID:
        return f"is {len(name):,} characters long; an id has at most {LONGEST_ID}"
    if name[0] in ".-":
        return f"an id does not begin with {quoted(name[0])}"
    for character in name:
        if character not in "-_." and unicodedata.category(character)[0] not in "LMN":
            return f"{quoted(character)} cannot be in an id; letters, digits, - _ and . can"
    return None
