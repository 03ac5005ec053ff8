"""Takes: what a scene was ever asked for as, and what choosing another one makes of a story.

Pure, like the plan: no clock, no disk, no network, no database. Choosing means another `Facts.choices`; what it costs
is what the plan says then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from storychain.catalogue import PROMPT_MAX, PROMPT_MIN
from storychain.errors import UsageError
from storychain.plan import Action, as_chosen, plan, step_of, with_beside
from storychain.records import LIVE, Chosen

if TYPE_CHECKING:
    from storychain.catalogue import Catalogue, Model
    from storychain.plan import Facts, Step
    from storychain.records import Record, Remark, Verdict
    from storychain.story.model import Scene, Story


@dataclass(frozen=True, slots=True)
class Take:
    """One take of a scene: a segment that was asked for, or is about to be.

    `number` counts a scene's takes as they were first asked for, from 1. `prompt` is what the scene's words were,
    `shown` whether the film shows it, `planned` whether the plan would buy it.
    """

    number: int
    key: str
    prompt: str
    model: str
    seconds: int
    record: Record
    shown: bool
    planned: bool
    verdict: Verdict | None
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class SceneTakes:
    """A scene as the plan has it, and all its takes; those of scenes no longer in the story are not told."""

    step: Step
    takes: tuple[Take, ...]

    @property
    def shown(self) -> Take:
        """The take that the film shows, or would."""
        return next(take for take in self.takes if take.shown)


def takes_of(steps: Sequence[Step], attempts: Sequence[Record], remarks: Sequence[Remark]) -> tuple[SceneTakes, ...]:
    """Every scene's takes; `attempts` are all of the story, oldest first, `remarks` all that was said of them."""
    return tuple(SceneTakes(step, _takes_of_scene(step, attempts, remarks)) for step in steps)


def _takes_of_scene(step: Step, attempts: Sequence[Record], remarks: Sequence[Remark]) -> tuple[Take, ...]:
    latest = {record.key: record for record in attempts if record.scene == step.scene.id and _was_asked(record)}
    own = {one.key: one for one in with_beside([step])}
    for key, one in own.items():
        latest[key] = one.record if one.record.state != "none" else replace(one.record, key=key)
    takes = []
    for number, (key, record) in enumerate(latest.items(), 1):
        said = tuple(remark for remark in remarks if remark.key == key)
        verdicts = [remark.verdict for remark in said if remark.verdict]
        asked = own.get(key)
        takes.append(
            Take(
                number=number,
                key=key,
                prompt=asked.scene.prompt if asked else record.asked or record.prompt,
                model=asked.model if asked else record.model,
                seconds=asked.scene.seconds if asked else record.seconds,
                record=record,
                shown=key == step.key,
                planned=asked is not None and asked.action is Action.SUBMIT,
                verdict=verdicts[-1] if verdicts else None,
                remarks=said,
            )
        )
    return tuple(takes)


def as_called_now(story: Story, attempts: Sequence[Record]) -> tuple[Record, ...]:
    """A story's attempts under the names that its scenes have now: a scene of the same words is the same scene."""
    words = {scene.id: scene.prompt for scene in story.scenes}
    alone = {prompt: name for name, prompt in words.items() if list(words.values()).count(prompt) == 1}
    asked: dict[str, list[str]] = {}
    for one in attempts:
        asked.setdefault(one.scene, []).append(one.asked or one.prompt)
    called = {
        name: name if words.get(name) in said else next((alone[one] for one in reversed(said) if one in alone), name)
        for name, said in asked.items()
    }
    return tuple(replace(one, scene=called[one.scene]) for one in attempts)


def _was_asked(record: Record) -> bool:
    """Whether an attempt left something to look at or to learn from."""
    return record.state not in ("refused", "abandoned") or bool(record.objected)


# Choosing


def retaken(
    story: Story,
    facts: Facts,
    attempts: Sequence[Record],
    scene: str,
    *,
    prompt: str | None = None,
    keep_after: bool = False,
) -> dict[str, Chosen]:
    """The choices by which a scene is taken again, in other words if a prompt is given.

    What continues it is then to be asked for anew, unless `keep_after`: then it is shown as it is. As long as the take
    that was chosen last is not here, in the same words, it is that one, so that the same command may be repeated.
    """
    steps = plan(story, facts)
    place = steps.index(step_of(steps, scene))
    before = facts.choices.get(scene, Chosen())
    if scene in facts.choices and prompt in (None, before.prompt) and not _is_had(steps[place].record):
        return {}
    highest = max((record.take for record in attempts if record.scene == scene), default=1)
    take = 1 + max(highest, *(one.scene.take for one in with_beside([steps[place]])))
    chosen = {scene: replace(before, take=take, prompt=before.prompt if prompt is None else prompt, kept=None)}
    if not keep_after:
        return _for_words(story, chosen | _let_go(facts, steps, place))
    for follower in rest_of_chain(steps, place)[:1]:
        if follower.record.state in LIVE:
            kept = facts.choices.get(follower.scene.id, Chosen(take=follower.scene.take))
            chosen[follower.scene.id] = replace(kept, kept=follower.key)
    return _for_words(story, chosen)


def picked(story: Story, facts: Facts, attempts: Sequence[Record], scene: str, take: Record) -> dict[str, Chosen]:
    """The choices by which a scene is shown as that take of it.

    Of what continued it then, whatever is paid is chosen along with it. A take that was made to continue something
    else than what is shown before it now is kept as it is.
    """
    steps = plan(story, facts)
    place = steps.index(step_of(steps, scene))
    # What is known is what the plan asks for as it is; other branches are among the attempts.
    facts = replace(facts, records={record.key: record for record in attempts} | dict(facts.records))
    choices = _let_go(facts, steps, place)
    shown = _chosen(written(story, scene), take)
    choices[scene] = shown
    if _planned(story, facts, choices, scene).key != take.key:
        choices[scene] = replace(shown, kept=take.key)
    key = take.key
    rest, paid = [step.scene.id for step in rest_of_chain(steps, place)], _continuations(attempts)
    for number, name in enumerate(rest):
        follower = _planned(story, facts, choices, name)
        if follower.record.state not in LIVE:
            made = paid.get((key, name))
            if not made:
                break
            furthest = max(reversed(made), key=lambda one: _reach(paid, one.key, rest[number + 1 :]))
            choices[name] = _chosen(written(story, name), furthest)
            follower = _planned(story, facts, choices, name)
        key = follower.key
    return _for_words(story, choices)


def promoted(story: Story, facts: Facts, takes: Sequence[SceneTakes], scenes: Sequence[str]) -> dict[str, Chosen]:
    """The choices by which an edition of a story asks for scenes in the words of their approved take, else the shown.

    `takes` may be of any edition. What was chosen for the edition before, in the same words, stays.
    """
    found = {one.step.scene.id: one for one in takes}
    choices = {}
    for name in scenes:
        approved = [take for take in found[name].takes if take.verdict == "approved"]
        words = (approved[-1] if approved else found[name].shown).prompt
        scene, before = written(story, name), facts.choices.get(name, Chosen())
        if as_chosen(scene, facts).prompt != words:
            choices[name] = replace(before, prompt=None if words == scene.prompt else words, kept=None)
    return _for_words(story, choices)


def prompt_of(scene: Scene, words: str) -> str:
    """What is sent for a scene in place of its own words: in the story's style, as those. Raises UsageError."""
    text = " ".join(words.split())
    style = scene.prompt.removeprefix(scene.text) if scene.text else ""
    prompt = text if text.endswith(style) else f"{text}{style}"
    if not text:
        raise UsageError("the prompt has no words", next_step="Say some, or leave --prompt out to take it in its own.")
    if not PROMPT_MIN <= len(prompt) <= PROMPT_MAX:
        raise UsageError(f"the prompt is {len(prompt):,} characters long; a prompt has {PROMPT_MIN} to {PROMPT_MAX:,}")
    return prompt


def stale(before: Sequence[Step], after: Sequence[Step]) -> tuple[Step, ...]:
    """What is paid as it was before a choice, and would have to be bought anew after it."""
    had = {step.scene.id: step for step in before if step.record.state in LIVE}
    bought = (Action.SUBMIT, Action.HOLD, Action.BLOCKED)
    return tuple(
        step
        for step in after
        if step.action in bought and (old := had.get(step.scene.id)) is not None and old.key != step.key
    )


# Editions


def made_by(story: Story, model: str, catalogue: Catalogue) -> Story:
    """The story as another model makes it, each scene as long as that model can. Raises UsageError."""
    sold = _model(catalogue, model)
    _check_ratio(story, sold)
    if model == story.model:
        return story
    scenes = tuple(replace(scene, seconds=_fitting_seconds(sold, scene.seconds)) for scene in story.scenes)
    return replace(story, model=model, scenes=scenes, other_model=model)


def _fitting_seconds(model: Model, seconds: int) -> int:
    """The shortest that the model makes and that is as long; its longest where nothing is."""
    return min((one for one in model.durations if one >= seconds), default=max(model.durations))


def _check_ratio(story: Story, model: Model) -> None:
    """Raise UsageError where the model does not make the story's shape."""
    if story.aspect_ratio not in model.aspect_ratios:
        raise UsageError(f"{model.name} makes {', '.join(model.aspect_ratios)}, not {story.aspect_ratio}")


def _model(catalogue: Catalogue, name: str) -> Model:
    if name not in catalogue:
        raise UsageError(f"unknown model '{name}'", next_step=f"Known models: {', '.join(catalogue)}.")
    return catalogue[name]


# Parts of it


def written(story: Story, name: str) -> Scene:
    """A scene as the story file has it."""
    return next(scene for scene in story.scenes if scene.id == name)


def _planned(story: Story, facts: Facts, choices: Mapping[str, Chosen], scene: str) -> Step:
    """The step of a scene under other choices."""
    return step_of(plan(story, replace(facts, choices={**facts.choices, **choices})), scene)


def rest_of_chain(steps: Sequence[Step], place: int) -> tuple[Step, ...]:
    """What continues the scene at `place`, directly or not."""
    rest = []
    for step in steps[place + 1 :]:
        if step.scene.join == "cut":
            break
        rest.append(step)
    return tuple(rest)


def _continuations(attempts: Sequence[Record]) -> dict[tuple[str, str], list[Record]]:
    """The paid takes of a scene that continue a segment, oldest first, by that segment's key and the scene."""
    found: dict[tuple[str, str], list[Record]] = {}
    for one in attempts:
        if one.state in LIVE and one.parent:
            found.setdefault((one.parent, one.scene), []).append(one)
    return found


def _reach(paid: Mapping[tuple[str, str], Sequence[Record]], key: str, rest: Sequence[str]) -> int:
    """How many of the scenes `rest`, one after the other, are paid as continuing the segment `key`."""
    ends = {key}
    for number, name in enumerate(rest):
        ends = {one.key for end in ends for one in paid.get((end, name), ())}
        if not ends:
            return number
    return len(rest)


def _let_go(facts: Facts, steps: Sequence[Step], place: int) -> dict[str, Chosen]:
    """The choices of what follows, where they keep something: it is to continue what is shown before it again."""
    return {
        step.scene.id: replace(chosen, kept=None)
        for step in rest_of_chain(steps, place)
        if (chosen := facts.choices.get(step.scene.id)) is not None and chosen.kept
    }


def _for_words(story: Story, choices: Mapping[str, Chosen]) -> dict[str, Chosen]:
    """The choices as ones for the words that the story file has now."""
    words = {scene.id: scene.prompt for scene in story.scenes}
    return {name: replace(chosen, written=words[name]) for name, chosen in choices.items()}


def _is_had(record: Record) -> bool:
    """Whether there is nothing to wait for or to try any more."""
    return record.state in ("stored", "failed", "unresolved")


def _chosen(scene: Scene, take: Record) -> Chosen:
    """The choice that asks for a scene, as the story file has it, as it was asked for then."""
    words = take.asked or take.prompt
    return Chosen(take=take.take, prompt=None if words == scene.prompt else words)
