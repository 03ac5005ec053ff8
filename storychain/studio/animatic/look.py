"""What a prompt's words look like: mood, palette, terrain, weather. Pure: words and a seed in, data out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Palette:
    """Four colours of one light: sky above, sky at the horizon, the light itself, the nearest shadow."""

    zenith: Colour
    horizon: Colour
    light: Colour
    shadow: Colour


@dataclass(frozen=True, slots=True)
class Look:
    """How a segment is painted. `sun` is the light's place as parts of width and height; `chord` is in Hz."""

    mood: str
    palette: Palette
    terrain: str
    weather: str
    lighthouse: bool
    boat: bool
    sun: tuple[float, float]
    chord: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class World:
    """What runs on along a chain: the seed of the land, how far along it we are (frames), and what kind it is."""

    seed: int
    frame: int = 0
    terrain: str = ""
    lighthouse: bool = False

    def tag(self) -> str:
        """As written into a file's metadata, for the segment that continues it."""
        return f"stand-in world={self.seed}.{self.frame}.{self.terrain}.{self.lighthouse:d}"

    @classmethod
    def read(cls, tag: str) -> World | None:
        """The world that `tag` wrote, if it is one."""
        found = re.search(r"world=(\d{1,19})\.(\d{1,9})\.([a-z]*)\.([01])", tag)
        if found is None or found[3] not in _TERRAINS:
            return None
        return cls(int(found[1]), int(found[2]), found[3], found[4] == "1")

    def after(self, look: Look, frames: int) -> World:
        """The world as the segment after one of `frames` frames finds it."""
        return World(self.seed, (self.frame + frames) % 10**8, look.terrain, look.lighthouse)


def _rgb(*codes: str) -> Palette:
    colours = [(int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)) for code in codes]
    return Palette(*colours)


_PALETTES: Mapping[str, Palette] = {
    "dawn": _rgb("3f4d78", "f3b48a", "ffe6bd", "2a2340"),
    "day": _rgb("3d78a6", "cfe2e2", "fff6dc", "1c3a48"),
    "dusk": _rgb("2c2552", "ea7a5c", "ffc98f", "1b132c"),
    "night": _rgb("070d20", "27406f", "dfe9ff", "04070f"),
    "storm": _rgb("18222d", "6a7f90", "d4e2ec", "0c1218"),
    "fog": _rgb("64727a", "c3c8c2", "f7f3e6", "2b3436"),
    "snow": _rgb("587290", "dde6ee", "ffffff", "2c4058"),
    "lamp": _rgb("23120f", "b9682f", "ffd691", "120907"),
    "deep": _rgb("052c3a", "2b8790", "b8fff0", "02151c"),
    "space": _rgb("05040f", "43256b", "d6c8ff", "020207"),
    "meadow": _rgb("4f8a8c", "e9e4b2", "fff6c8", "1a3628"),
    "desert": _rgb("5a6f95", "f0c08a", "fff0c9", "4a2a24"),
}

_GROUND: Mapping[str, tuple[Colour, Colour]] = {
    "desert": ((243, 216, 172), (112, 62, 44)),
    "hills": ((218, 228, 196), (28, 62, 48)),
    "forest": ((205, 224, 205), (16, 50, 42)),
}
"""Colour at the horizon and of the nearest ground, by terrain."""

_MOOD_WORDS: Mapping[str, tuple[int, str]] = {
    "storm": (4, "storm thunder lightning rain gale tempest hurricane squall downpour raging"),
    "dawn": (4, "daylight dawn sunrise morning daybreak first-light awakens wakes breakfast"),
    "dusk": (4, "dusk sunset evening twilight golden-hour sundown autumn"),
    "night": (4, "night midnight moon moonlight moonlit stars starry dark neon"),
    "snow": (4, "snow winter ice frozen frost blizzard glacier arctic"),
    "fog": (3, "fog mist misty haze grey gray smoke overcast cloudy"),
    "deep": (3, "underwater reef coral dive diver submarine whale"),
    "space": (3, "space planet galaxy orbit astronaut cosmos nebula comet spaceship rocket"),
    "desert": (2, "desert dune dunes sand canyon camel"),
    "meadow": (3, "meadow field garden spring grass flowers green farm vineyard leaf leaves"),
    "lamp": (2, "lamp lamplight lantern candle candlelight fire hearth kitchen cafe coffee oven"),
    "day": (3, "day noon sun sunny bright blue sky summer clear calm"),
}

_TERRAINS: Mapping[str, str] = {
    "sea": "sea ocean wave waves ship boat lighthouse harbour harbor beach shore coast island sail bay lake whale reef",
    "city": "city street streets skyline building office rooftop skyscraper towers station neon traffic downtown",
    "forest": "forest tree trees woods pine jungle grove fox deer cabin",
    "mountains": "mountain mountains peak cliff summit alpine glacier ridge climb climber canyon volcano",
    "desert": "desert dune dunes sand camel",
    "room": "kitchen interior desk cafe studio workshop bakery oven cup coffee product bottle shoe sneaker bedroom",
    "hills": "hill hills meadow field valley farm village road path garden vineyard train balloon",
}
_WEATHER: Mapping[str, str] = {"storm": "rain", "snow": "snow", "night": "stars", "space": "stars", "lamp": "dust"}
_OVER = re.compile(r"\bafter the \w+|\b\w+ (?:has|have|had|is|are) (?:passed|over|gone|cleared|ended)\b")
"""What is said to be over is not to be seen."""

_ROOTS = (110, 123, 131, 147, 98)
_MAJOR, _MINOR = (1.0, 1.5, 2.0, 2.5, 3.0), (1.0, 1.5, 2.0, 2.4, 3.0)
_SOMBRE = {"storm", "night", "fog", "space", "deep"}


def seed_of(*parts: str) -> int:
    """A seed that any machine finds again."""
    return int.from_bytes(hashlib.sha256("\n".join(parts).encode()).digest()[:6], "big")


def look_for(prompt: str, world: World) -> Look:
    """How to paint `prompt` in `world`."""
    words = re.findall(r"[a-z]+(?:-[a-z]+)?", _OVER.sub(" ", prompt.lower()))
    mood = _mood(words, seed_of(prompt))
    terrain = _terrain(words) or world.terrain or ("hills", "sea", "mountains")[world.seed % 3]
    return Look(
        mood=mood,
        palette=_palette(mood, terrain),
        terrain=terrain,
        weather=_weather(mood, words),
        lighthouse=_has_lighthouse(words, terrain, world),
        boat=terrain == "sea" and bool({"boat", "boats", "ship", "sail", "sails", "sailing"} & set(words)),
        sun=(0.24 + 0.52 * (world.seed % 97) / 96, _sun_height(mood)),
        chord=_chord(world.seed, mood),
    )


def _has_lighthouse(words: list[str], terrain: str, world: World) -> bool:
    """Where one is named; and it goes on standing there while the sea goes on."""
    stands = world.lighthouse and terrain == world.terrain
    return stands or "lighthouse" in words or ("keeper" in words and terrain == "sea")


def _palette(mood: str, terrain: str) -> Palette:
    """By day the land has a colour of its own."""
    palette, ground = _PALETTES[mood], _GROUND.get(terrain)
    if mood != "day" or ground is None:
        return palette
    return Palette(palette.zenith, ground[0], palette.light, ground[1])


def _mood(words: list[str], seed: int) -> str:
    """Hour and weather before air and place, and these before the light of a lamp; then what is said most or first."""
    said = {mood: hits for mood, (_, known) in _MOOD_WORDS.items() if (hits := _hits(words, known))}
    if not said:
        return ("dawn", "day", "dusk", "meadow")[seed % 4]
    return max(said, key=lambda mood: (_MOOD_WORDS[mood][0], said[mood], -_first(words, _MOOD_WORDS[mood][1])))


def _terrain(words: list[str]) -> str:
    scores = {terrain: _hits(words, known) for terrain, known in _TERRAINS.items()}
    best = max(scores, key=lambda terrain: (scores[terrain], -_first(words, _TERRAINS[terrain])))
    return best if scores[best] else ""


def _weather(mood: str, words: list[str]) -> str:
    if "rain" in words or "raining" in words:
        return "rain"
    return _WEATHER.get(mood, "dust" if mood in {"dusk", "meadow", "desert"} else "clear")


def _hits(words: list[str], known: str) -> int:
    return sum(word in known.split() for word in words)


def _first(words: list[str], known: str) -> int:
    return next((place for place, word in enumerate(words) if word in known.split()), len(words))


def _sun_height(mood: str) -> float:
    return {"day": 0.2, "night": 0.2, "meadow": 0.26, "space": 0.3, "deep": 0.04, "lamp": 0.34}.get(mood, 0.47)


def _chord(seed: int, mood: str) -> tuple[int, ...]:
    """Whole hertz: after whole seconds every tone is back at its zero, so a chord runs through a seam."""
    root = _ROOTS[seed % len(_ROOTS)]
    return tuple(round(root * step) for step in (_MINOR if mood in _SOMBRE else _MAJOR))
