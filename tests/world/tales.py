"""Stories made from a seed: chains, cuts, last frames, shared openings, start files; each prompt names its segment."""

from dataclasses import dataclass, field
from decimal import Decimal

from storychain.story.model import Scene, Source, Start, Story
from tests.world.account import frame, video

MODELS = (("veo3.1_fast", 4), ("pixverse5.5", 5))


@dataclass
class Cast:
    """The stories of a schedule and what must become of them.

    `parents` says for each prompt whose video (its prompt, or the bytes of a start file) it has to begin from, and how.
    """

    stories: list = field(default_factory=list)
    parents: dict = field(default_factory=dict)
    attempts: dict = field(default_factory=dict)
    """Prompt → most paid tries any story allows."""
    public: dict = field(default_factory=dict)
    """Start files that have an address: path → bytes."""

    def scenes(self, story):
        return [scene.prompt for scene in story.scenes]


def cast(rng, folder, endings=None):
    """Write the stories of a schedule; their start files go into `folder`.

    With `endings`, some scenes are to be taken again where they end badly.
    """
    made = Cast()
    model, seconds = rng.choice(MODELS)
    start = _start(rng, folder, made)
    shared = rng.random() < 0.4
    opening = None
    for number in range(rng.choice((1, 1, 1, 1, 2, 2, 3))):
        scenes, count = [], rng.choice((1, 2, 2, 2, 3, 4))
        for place in range(count):
            if shared and opening and place < min(2, count, len(opening)):
                scenes.append(opening[place])
                continue
            join = rng.choice(("extend", "extend", "extend", "last_frame", "cut")) if place else "extend"
            prompt = f"Scene {place} of tale {number} by the sea"
            handover = "retake" if endings and endings.random() < 0.4 else "report"
            attempts = rng.choice((1, 1, 2, 3))
            scenes.append(Scene(f"s{place}", prompt, prompt, seconds, join, attempts, handover=handover))
        opening = opening or scenes
        path = folder / f"tale{number}.yaml"
        budget = None
        if rng.random() < 0.2:
            price = Decimal(40) if model == "veo3.1_fast" else Decimal(8)
            budget = price * rng.randint(1, count + 2)
        begins = start if shared or number == 0 else None
        made.stories.append(
            Story(f"tale{number}", path, f"Tale {number}", model, "16:9", tuple(scenes), begins, budget)
        )
        _note_parents(made, made.stories[-1])
    return made


def _note_parents(made, story):
    for place, scene in enumerate(story.scenes):
        made.attempts[scene.prompt] = max(made.attempts.get(scene.prompt, 0), scene.attempts)
        if place and scene.join != "cut":
            made.parents[scene.prompt] = (scene.join, story.scenes[place - 1].prompt)


def _start(rng, folder, made):
    """Usually none; else a video or image, local or with an address."""
    kind = rng.choice((None, None, None, "video", "image"))
    if kind is None:
        return None
    data = video("start") if kind == "video" else frame(b"start")
    name = "start.mp4" if kind == "video" else "start.png"
    include = kind == "video" and rng.random() < 0.5
    if rng.random() < 0.5:
        path = folder / name
        path.write_bytes(data)
        return Start(kind, (Source(name, path, None),), include)
    made.public[f"/start/{name}"] = data
    url = f"https://files.test/start/{name}"
    return Start(kind, (Source(url, None, url),), include)
