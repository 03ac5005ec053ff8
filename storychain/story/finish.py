"""From what is written under `film:` to the final values: times, levels, names and files, each checked at its place.

What lives here: decisions about meaning. What may not: YAML, pydantic's ways, how problems look.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, cast

from storychain.story.finishing import (
    COPIES,
    CORNERS,
    DOUBLED,
    FITS,
    FORMAT_RATIOS,
    HANDOVERS,
    MATCHES,
    NO_TRANSITION,
    SUBTITLES,
    TRANSITIONS,
    Finishing,
    Handover,
    Master,
    MusicBed,
    Narrator,
    TitleCard,
    Transition,
    Watermark,
)
from storychain.story.problems import did_you_mean, quoted
from storychain.story.starting import Unusable, find_file
from storychain.story.values import joined_lines, joined_up

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from storychain.story.film_format import (
        WrittenCard,
        WrittenFilm,
        WrittenMusic,
        WrittenNarrator,
        WrittenWatermark,
    )
    from storychain.story.parsing import Places
    from storychain.story.problems import Path as StoryPath
    from storychain.story.starting import Medium
    from storychain.story.texts import Texts

_SECONDS = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)s?")
_NUMBER = re.compile(r"[-+]?[0-9]{1,4}(?:\.[0-9]{1,3})?")
_LANGUAGE = re.compile(r"[a-z]{3}")

LONGEST_CAPTION = 500
"""Most characters of a caption, of a card's words, and of what is spoken in one scene times four."""

_USUAL_TRANSITION = Fraction(1, 2)


class Finisher:
    """Reads how the film of one story is finished; what is wrong becomes problems in `places`."""

    def __init__(self, places: Places, texts: Texts, story: Path) -> None:
        self._places = places
        self._texts = texts
        self._story = story

    def finishing(self, written: WrittenFilm | None) -> Finishing:
        """All of `film:`."""
        if written is None:
            return Finishing()
        at: StoryPath = ("film",)
        match = self._one_of((*at, "match"), written.match, MATCHES) or "none"
        subtitles = self._one_of((*at, "subtitles"), written.subtitles, SUBTITLES) or "soft"
        return Finishing(
            transition=self.transition((*at, "transition"), written.transition, self._length(written)),
            title_card=self._card((*at, "title_card"), written.title_card),
            end_card=self._card((*at, "end_card"), written.end_card),
            music=self._music((*at, "music"), written.music),
            narrator=self._narrator((*at, "narrator"), written.narrator),
            subtitles=cast("Literal['soft', 'burned', 'off']", subtitles),
            language=self._language((*at, "language"), written.language),
            loudness=self._loudness((*at, "loudness"), written.loudness),
            drop_doubled=self._one_of((*at, "doubled_frames"), written.doubled_frames, DOUBLED) == "drop",
            fade_in=self._time((*at, "fade_in"), written.fade_in, Fraction(0), most=30),
            fade_out=self._time((*at, "fade_out"), written.fade_out, Fraction(0), most=30),
            watermark=self._watermark((*at, "watermark"), written.watermark),
            match_color=match in ("color", "both"),
            match_loudness=match in ("loudness", "both"),
            formats=self._formats((*at, "formats"), written.formats or ()),
            poster=written.poster is not False,
            contact_sheet=written.contact_sheet is not False,
            chapters=written.chapters is not False,
        )

    def transition(self, at: StoryPath, written: str | None, seconds: Fraction) -> Transition | None:
        """A transition by its name, or None for a hard cut."""
        name = self._one_of(at, written, (NO_TRANSITION, *TRANSITIONS))
        return Transition(TRANSITIONS[name], seconds) if name in TRANSITIONS and seconds else None

    def _length(self, written: WrittenFilm) -> Fraction:
        return self._time(("film", "transition_duration"), written.transition_duration, _USUAL_TRANSITION, most=5)

    def transition_length(self, written: WrittenFilm | None) -> Fraction:
        """Seconds of the story's transitions."""
        return self._length(written) if written else _USUAL_TRANSITION

    def handover(self, at: StoryPath, written: str | None) -> Handover | None:
        """What becomes of a segment that ends badly."""
        return cast("Handover | None", self._one_of(at, written, HANDOVERS))

    def words(self, at: StoryPath, written: str | None, most: int = LONGEST_CAPTION, *, in_lines: bool = False) -> str:
        """Text for people, variables filled in; `in_lines` keeps its lines."""
        if written is None:
            return ""
        filled = self._texts.fill(at, written).text
        text = joined_lines(filled) if in_lines else joined_up(filled)
        if len(text) > most:
            self._places.add(at, f"is {len(text):,} characters long; at most {most:,}")
        if not text:
            self._places.add(at, "is empty; write something or remove the key")
        return text

    def file(self, at: StoryPath, written: str | None, medium: Medium) -> Path | None:
        """A file beside the story."""
        if written is None or self._places.flawed(at):
            return None
        try:
            return find_file(written, medium, self._story)
        except Unusable as unusable:
            self._places.add(at, str(unusable))
            return None

    def _card(self, at: StoryPath, written: WrittenCard | None) -> TitleCard | None:
        if written is None:
            return None
        if written.text is None:
            self._places.add(at, "needs a text")
        return TitleCard(
            self.words((*at, "text"), written.text, in_lines=True),
            self.words((*at, "subtitle"), written.subtitle, in_lines=True),
            self._time((*at, "duration"), written.duration, Fraction(3), least=Fraction(1, 2), most=30),
        )

    def _music(self, at: StoryPath, written: WrittenMusic | None) -> MusicBed | None:
        if written is None:
            return None
        if written.file is None:
            self._places.add(at, "needs a file")
        file = self.file((*at, "file"), written.file, "sound")
        volume = self._number((*at, "volume"), written.volume, -12, -60, 12, unit="dB")
        fade = self._time((*at, "fade"), written.fade, Fraction(2), most=30)
        return MusicBed(file, volume, written.duck is not False, fade) if file else None

    def _narrator(self, at: StoryPath, written: WrittenNarrator | None) -> Narrator:
        if written is None:
            return Narrator()
        usual = Narrator()
        speed = self._number((*at, "speed"), written.speed, usual.speed, 80, 400)
        return Narrator(written.speaker or usual.speaker, written.voice or usual.voice, round(speed))

    def _watermark(self, at: StoryPath, written: WrittenWatermark | None) -> Watermark | None:
        if written is None:
            return None
        if written.file is None:
            self._places.add(at, "needs a file")
        file = self.file((*at, "file"), written.file, "image")
        corner = self._one_of((*at, "corner"), written.corner, CORNERS) or "bottom-right"
        width = self._number((*at, "width"), written.width, 12, 1, 100, unit="%")
        opacity = self._number((*at, "opacity"), written.opacity, 70, 1, 100, unit="%")
        return Watermark(file, corner, width / 100, opacity / 100) if file else None

    def _formats(self, at: StoryPath, written: Sequence[str]) -> tuple[Master, ...]:
        found: list[Master] = []
        for number, words in enumerate(written):
            kind, _, fit = " ".join(words.split()).partition(" ")
            known = (*FORMAT_RATIOS, *COPIES)
            if kind not in known:
                expected = f"expected {', '.join(known)}, found {quoted(words)}"
                self._places.add((*at, number), f"{expected}{did_you_mean(kind, known)}")
            elif fit and (fit not in FITS or kind in COPIES):
                self._places.add((*at, number), f"after an aspect ratio comes crop or blur, not {quoted(fit)}")
            elif any(one.kind == kind for one in found):
                self._places.add((*at, number), f"{kind} is asked for already")
            else:
                found.append(Master(kind, "blur" if fit == "blur" else "crop"))
        return tuple(found)

    def _loudness(self, at: StoryPath, written: str | None) -> float | None:
        if written == "off":
            return None
        return self._number(at, written, -14, -40, -5, "LUFS from -40 to -5, or off", unit="LUFS")

    def _language(self, at: StoryPath, written: str | None) -> str:
        if written is not None and not _LANGUAGE.fullmatch(written):
            self._places.add(at, f"expected three letters such as eng or deu, found {quoted(written)}")
        return written or "eng"

    def _one_of(self, at: StoryPath, written: str | None, names: Sequence[str]) -> str | None:
        if written is not None and written not in names:
            self._places.add(at, f"expected {', '.join(names)}, found {quoted(written)}{did_you_mean(written, names)}")
            return None
        return written

    def _time(
        self, at: StoryPath, written: str | None, usual: Fraction, *, least: Fraction = Fraction(0), most: int
    ) -> Fraction:
        if written is None:
            return usual
        found = _SECONDS.fullmatch(written)
        seconds = Fraction(found[1]) if found else None
        if seconds is None or not least <= seconds <= most:
            span = f"{float(least):g}s to {most}s"
            self._places.add(at, f"expected seconds such as 0.5s, {span}, found {quoted(written)}")
            return usual
        return seconds

    def _number(
        self,
        at: StoryPath,
        written: str | None,
        usual: float,
        least: float,
        most: float,
        expected: str = "",
        unit: str = "",
    ) -> float:
        """A number, which may be followed by its unit."""
        if written is None:
            return usual
        plain = written.removesuffix(unit).rstrip()
        number = float(plain) if _NUMBER.fullmatch(plain) else None
        if number is None or not least <= number <= most:
            wanted = expected or f"a number from {least:g} to {most:g}"
            self._places.add(at, f"expected {wanted}, found {quoted(written)}")
            return usual
        return number
