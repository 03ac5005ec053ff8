"""How captions become cues: cut to what fits on the screen, balanced in two lines, never over one another. Pure.

Lengths are in columns: a letter is one wide, a wide one (Chinese, Japanese, Korean, most emoji) two, a mark none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

USUAL_COLUMNS = 42
"""Columns of a line on a wide screen: what broadcasters and streaming services agree on, more or less."""

_LINES = 2
_APART = Fraction(1)
"""Seconds that a caption stands at least before one that begins during it takes its place."""

_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\ufeff]")
"""Marks that turn the direction of what follows until they are closed, which a line break would leave open."""

_SENTENCE, _CLAUSE = ".!?…。！？؟।։", ",;:—–、，；：،؛"  # noqa: RUF001
_CLOSING = "\"'”’»)]」』）】"  # noqa: RUF001
_NEVER_FIRST = "ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ々〻"
"""What does not begin a line of Japanese, beside closing punctuation."""


@dataclass(frozen=True, slots=True)
class Caption:
    """Words that are shown from `begin` up to `end`, seconds into the film."""

    begin: Fraction
    end: Fraction
    text: str


@dataclass(frozen=True, slots=True)
class Cue:
    """As much of a caption as is shown at once: one line or two, from `begin` up to `end`, seconds into the film."""

    begin: Fraction
    end: Fraction
    lines: tuple[str, ...]


def cues(
    captions: Sequence[Caption], *, until: Fraction | None = None, columns: int = USUAL_COLUMNS
) -> tuple[Cue, ...]:
    """Captions as cues of at most two lines of `columns`, in order of time, none before zero or after `until`.

    A long caption is cut into as few cues as hold it, at sentences and clauses where that can be, and its time shared
    out by their lengths. One that begins while another stands takes its place; where that leaves the other less than a
    second, both share the time they have. What has no words or no time is left out.
    """
    kept = [caption for one in captions if (caption := _within(one, until)) is not None]
    kept.sort(key=lambda caption: caption.begin)
    return tuple(cue for caption in _apart(kept) for cue in _cut(caption, columns))


def width(text: str) -> int:
    """Columns of a text."""
    return sum(_width(letter) for letter in text)


def right_to_left(text: str) -> bool:
    """Whether a text is to be read from right to left: whether its first letter with a direction is."""
    strong = (unicodedata.bidirectional(letter) for letter in text)
    return next((kind != "L" for kind in strong if kind in {"L", "R", "AL"}), False)


def _width(letter: str) -> int:
    if unicodedata.category(letter) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _within(caption: Caption, until: Fraction | None) -> Caption | None:
    end = caption.end if until is None else min(caption.end, until)
    begin, text = max(Fraction(0), caption.begin), _plain(caption.text)
    return Caption(begin, end, text) if text and end > begin else None


def _plain(text: str) -> str:
    """Composed letters, no controls, one space where there was any; spaces that do not break stay what they are."""
    composed = _BIDI.sub("", unicodedata.normalize("NFC", text))
    spaced = "".join(" " if _is_gap(letter) else letter for letter in composed)
    return " ".join(word for word in spaced.split(" ") if word)


def _is_gap(letter: str) -> bool:
    return letter not in "\u00a0\u202f" and unicodedata.category(letter) in {"Cc", "Cs", "Zs", "Zl", "Zp"}


def _apart(captions: Sequence[Caption]) -> list[Caption]:
    """Captions in order of time, none of them over another."""
    kept: list[Caption] = []
    for caption in captions:
        one = caption
        if kept and one.begin < kept[-1].end:
            before = kept.pop()
            place = one.begin
            if place - before.begin < min(_APART, before.end - before.begin):
                end = max(before.end, one.end)
                share = Fraction(width(before.text), width(before.text) + width(one.text))
                place, one = before.begin + (end - before.begin) * share, replace(one, end=end)
            kept.append(replace(before, end=place))
            one = replace(one, begin=place)
        kept.append(one)
    return [one for one in kept if one.end > one.begin]


def _cut(caption: Caption, columns: int) -> Iterator[Cue]:
    tokens = list(_tokens(caption.text, columns))
    parts = _parts(tokens, columns)
    weights = [max(1, width("".join(tokens[begin:end]))) for begin, end in parts]
    length, whole, place = caption.end - caption.begin, sum(weights), 0
    for (begin, end), weight in zip(parts, weights, strict=True):
        times = [caption.begin + length * Fraction(at, whole) for at in (place, place + weight)]
        place += weight
        yield Cue(times[0], times[1], _lines(tokens[begin:end], columns))


def _tokens(text: str, columns: int) -> Iterator[str]:
    """What may stand on a line by itself: words with the space after them; letters of scripts that need no spaces."""
    for word in text.split(" "):
        *pieces, last = _unbroken(word, columns)
        yield from pieces
        yield last + " "


def _unbroken(word: str, columns: int) -> Iterator[str]:
    """A word's pieces that must not be broken; one wider than a line is."""
    held = ""
    for letter in word:
        wide = width(held) + _width(letter) > columns
        if held and not _clings(letter) and not _opens(held[-1]) and (wide or _breaks(held[-1]) or _breaks(letter)):
            yield held
            held = ""
        held += letter
    yield held


def _breaks(letter: str) -> bool:
    """Whether lines break on either side of it: Chinese and Japanese do; Korean has spaces."""
    hangul = "\u1100" <= letter <= "\u11ff" or "\uac00" <= letter <= "\ud7a3"
    return unicodedata.east_asian_width(letter) in "WF" and not hangul


def _clings(letter: str) -> bool:
    """Marks, joiners and closing punctuation stay with what is before them."""
    kind = unicodedata.category(letter)
    return kind in {"Mn", "Mc", "Me", "Cf", "Pe", "Pf", "Po", "Sk"} or letter in _NEVER_FIRST


def _opens(letter: str) -> bool:
    return unicodedata.category(letter) in {"Ps", "Pi"} or letter == "\u200d"


def _parts(tokens: Sequence[str], columns: int) -> list[tuple[int, int]]:
    """Where tokens are cut, as spans of them: as few as hold all, each best ended where a sentence does, and even."""
    count = len(tokens)
    least = _fewest(tokens, columns)
    target = width("".join(tokens)) / least
    best: list[dict[int, tuple[float, int]]] = [{} for _ in range(count + 1)]
    best[0][0] = (0.0, 0)  # cost and the beginning of the last span, by how many spans end here
    for begin in range(count):
        if not best[begin]:
            continue
        for end in range(begin + 1, count + 1):
            if not _holds(tokens[begin:end], columns):
                break
            cost = 250 * (width("".join(tokens[begin:end])) / target - 1) ** 2
            cost += _ending(tokens[end - 1]) if end < count else 0
            for used, (before, _) in best[begin].items():
                known = best[end].get(used + 1)
                if used < least and (known is None or before + cost < known[0]):
                    best[end][used + 1] = (before + cost, begin)
    spans: list[tuple[int, int]] = []
    end = count
    for used in range(least, 0, -1):
        begin = best[end][used][1]
        spans.append((begin, end))
        end = begin
    return spans[::-1]


def _fewest(tokens: Sequence[str], columns: int) -> int:
    """How many cues are needed: each line as full as it gets."""
    lines, used = 1, 0
    for token in tokens:
        if used and used + width(token.rstrip(" ")) > columns:
            lines, used = lines + 1, 0
        used += width(token)
    return -(-lines // _LINES)


def _holds(tokens: Sequence[str], columns: int) -> bool:
    return len(tokens) == 1 or _fewest(tokens, columns) == 1


def _ending(token: str) -> float:
    """How bad it is to stop after a token."""
    last = token.rstrip(" ").rstrip(_CLOSING)[-1:]
    if last and last in _SENTENCE:
        return 0
    return 40 if last and last in _CLAUSE else 160


def _lines(tokens: Sequence[str], columns: int) -> tuple[str, ...]:
    """One line where that is enough, else two of about the same length, the second rather the longer."""
    whole = "".join(tokens).strip(" ")
    if width(whole) <= columns or len(tokens) == 1:
        return (whole,)

    def cost(place: int) -> float:
        first, second = (width("".join(part).strip(" ")) for part in (tokens[:place], tokens[place:]))
        over = max(0, first - columns) + max(0, second - columns)
        return 1000 * over + abs(first - second) + 2 * (first > second) + _ending(tokens[place - 1]) / 16

    place = min(range(1, len(tokens)), key=cost)
    return "".join(tokens[:place]).strip(" "), "".join(tokens[place:]).strip(" ")
