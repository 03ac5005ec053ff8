"""The plan, by property: what an edit changes and what keys depend on; and what it says of each state."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storychain.catalogue import MODELS
from storychain.plan import Action, Facts, chains, keys, next_prompt, plan, quote
from storychain.records import LIVE, NOTHING, Record
from storychain.story.model import Scene, Source, Start, Story

PROMPTS = st.text(alphabet="abcdef ", min_size=5, max_size=12)


@st.composite
def scenes(draw):
    count = draw(st.integers(1, 8))
    return tuple(
        Scene(
            id=f"s{n}",
            prompt=f"{n} {draw(PROMPTS)}",
            text="",
            seconds=draw(st.sampled_from((5, 8, 10))),
            join=draw(st.sampled_from(("extend", "last_frame", "cut"))) if n else "extend",
            attempts=1,
        )
        for n in range(count)
    )


@st.composite
def stories(draw):
    return Story("tale", Path("/tale.yaml"), "Tale", "pixverse5.5", "16:9", draw(scenes()), None, None)


def edited(story, index, **changes):
    told = list(story.scenes)
    told[index] = replace(told[index], **changes)
    return replace(story, scenes=tuple(told))


def descendants(story, index):
    """The scene itself and all that continue from it: up to the next cut."""
    last = index + 1
    while last < len(story.scenes) and story.scenes[last].join != "cut":
        last += 1
    return set(range(index, last))


@given(stories(), st.data())
def test_an_edit_invalidates_exactly_its_descendants(story, data):
    index = data.draw(st.integers(0, len(story.scenes) - 1))
    change = data.draw(st.sampled_from(({"prompt": "something else"}, {"seconds": 4})))
    before, after = keys(story, Facts("p")), keys(edited(story, index, **change), Facts("p"))
    assert {n for n in range(len(before)) if before[n] != after[n]} == descendants(story, index)


@given(stories())
def test_what_is_not_asked_of_the_provider_changes_no_key(story):
    other = replace(
        story,
        name="other",
        path=Path("/elsewhere/other.yaml"),
        title="Another",
        budget=Decimal(3),
        scenes=tuple(
            replace(scene, id=f"x{scene.id}", attempts=4, text="…", fallbacks=("milder",), on_failure="placeholder")
            for scene in story.scenes
        ),
    )
    assert keys(story, Facts("p")) == keys(other, Facts("p"))


@given(stories())
def test_providers_models_and_ratios_share_nothing(story):
    variants = [
        keys(story, Facts("p")),
        keys(story, Facts("q")),
        keys(replace(story, model="veo3.1"), Facts("p")),
        keys(replace(story, aspect_ratio="9:16"), Facts("p")),
    ]
    assert len({key for variant in variants for key in variant}) == sum(len(set(variant)) for variant in variants)


@given(stories(), stories())
def test_stories_with_the_same_opening_share_its_keys(one, two):
    opening = one.scenes[:1]
    first = replace(one, scenes=opening + one.scenes[1:])
    second = replace(two, scenes=opening + tuple(replace(scene, join="extend") for scene in two.scenes))
    assert keys(first, Facts("p"))[0] == keys(second, Facts("p"))[0]


@given(stories())
def test_every_cut_begins_a_chain_and_nothing_is_lost(story):
    steps = plan(story, Facts("p"))
    found = chains(steps)
    assert [step for chain in found for step in chain] == list(steps)
    assert len(found) == 1 + sum(scene.join == "cut" for scene in story.scenes[1:])
    assert all(step.parent for chain in found for step in chain[1:])
    assert not any(chain[0].parent for chain in found)


# Placeholders


def given_up(story, lost):
    """The plan of a story in which the scenes named in `lost` have used up their tries, whatever they continue."""
    scenes = tuple(replace(scene, on_failure="placeholder") for scene in story.scenes)
    facts = Facts("p", start=("sha256:1",) if story.start else ())
    while True:
        steps = plan(replace(story, scenes=scenes), facts)
        new = {step.key for step in steps} - set(facts.records)
        if not new:
            return steps, facts
        failed = {step.key for step in steps if step.scene.id in lost}
        told = {key: Record("failed", failures=1, message="no") if key in failed else NOTHING for key in new}
        facts = replace(facts, records={**facts.records, **told})


def without(story, lost):
    """The story as if it had never had those scenes; a chain that loses its first scene still begins with a cut."""
    kept, cut = [], False
    for scene in story.scenes:
        cut = cut or scene.join == "cut"
        if scene.id not in lost:
            kept.append(replace(scene, join="cut") if cut and kept else scene)
            cut = False
    return replace(story, scenes=tuple(kept))


@given(stories(), st.data())
def test_what_follows_a_placeholder_is_asked_for_as_if_that_scene_were_not_there(story, data):
    lost = set(data.draw(st.lists(st.sampled_from([scene.id for scene in story.scenes]))))
    steps, _ = given_up(story, lost)
    held = {step.scene.id for step in steps if step.action is Action.PLACEHOLDER}
    rest = [step for step in steps if step.scene.id not in held]
    # Two scenes may be one and the same request: what is lost for one of them is lost for both.
    assert held >= lost
    shorter = without(story, held)
    assert tuple(step.key for step in rest) == keys(shorter, Facts("p"))
    assert quote(steps).submits == len({step.key for step in rest})


@settings(max_examples=50)
@given(stories(), st.data())
def test_what_is_paid_as_the_story_has_it_is_kept_whatever_comes_before_it(story, data):
    paid = data.draw(st.integers(0, len(story.scenes) - 1))
    lost = {scene.id for scene in story.scenes[:paid]}
    written = keys(story, Facts("p"))[paid]
    _, facts = given_up(story, lost)
    records = {**facts.records, written: Record(data.draw(st.sampled_from(sorted(LIVE))), present=True)}
    scenes = tuple(replace(scene, on_failure="placeholder") for scene in story.scenes)
    assert plan(replace(story, scenes=scenes), replace(facts, records=records))[paid].key == written


@settings(max_examples=50)
@given(stories(), st.data())
def test_a_retry_asks_for_the_story_as_it_is_written_until_the_try_is_used_up(story, data):
    lost = set(data.draw(st.lists(st.sampled_from([scene.id for scene in story.scenes]), min_size=1)))
    steps, facts = given_up(story, lost)
    scenes = tuple(replace(scene, on_failure="placeholder") for scene in story.scenes)
    again = plan(replace(story, scenes=scenes), replace(facts, retry_failed=True))
    assert tuple(step.key for step in again) == keys(story, Facts("p"))
    assert all(step.action is Action.SUBMIT for step in again)
    used_up = frozenset(step.key for step in steps if step.action is Action.PLACEHOLDER) | {
        step.key for step in again if facts.records.get(step.key, NOTHING).failures
    }
    assert plan(replace(story, scenes=scenes), replace(facts, retry_failed=True, given_up=used_up))[0].action == (
        Action.PLACEHOLDER if story.scenes[0].id in lost else Action.SUBMIT
    )


STARTED = Story(
    "tale",
    Path("/tale.yaml"),
    "Tale",
    "pixverse5.5",
    "16:9",
    tuple(Scene(name, f"prompt {name}", name, 8, "extend", 1, on_failure="placeholder") for name in "abc"),
    Start("video", (Source("clip.mp4", Path("/clip.mp4"), None),), include=True),
    None,
)


def test_where_the_first_scene_is_lost_the_next_begins_from_the_start_file():
    steps, _ = given_up(STARTED, {"a"})
    assert [step.from_start for step in steps] == [True, True, False]
    assert steps[1].parent is None
    assert steps[1].key == keys(replace(STARTED, scenes=STARTED.scenes[1:]), Facts("p", start=("sha256:1",)))[0]
    assert steps[2].parent == steps[1].key


def test_a_first_scene_that_cuts_does_not_begin_from_the_start_file():
    story = edited(STARTED, 0, join="cut")
    (step, *_) = plan(story, Facts("p", start=("sha256:1",)))
    assert not step.from_start
    assert step.key == keys(replace(story, start=None), Facts("p"))[0]


WORDS = Scene("a", "one", "one", 8, "extend", 3, ("two", "three"))


@pytest.mark.parametrize(
    ("objected", "barred", "wanted"),
    [
        ("", "", "one"),
        ("one", "", "two"),
        ("one two", "one", "three"),
        ("one two three", "", "three"),
        ("one two three", "three", "two"),
        ("one two three", "one two three", None),
        ("three elsewhere", "", "one"),
    ],
)
def test_which_words_come_next(objected, barred, wanted):
    record = Record("failed", objected=frozenset(objected.split()), barred=frozenset(barred.split()))
    assert next_prompt(WORDS, record) == wanted


def test_words_that_were_all_turned_down_are_given_up_whatever_tries_are_left():
    (key,) = keys(replace(ONE, scenes=(WORDS,)), Facts("p"))
    every = frozenset(WORDS.prompts)
    record = Record("refused", objected=every, barred=every, message="no", prompt="three")
    (step,) = plan(replace(ONE, scenes=(WORDS,)), Facts("p", records={key: record}))
    assert step.action is Action.FAILED
    assert step.reason == "refused before it was paid: no (said of fallback prompt 2)"


def test_a_start_file_is_known_by_what_it_is():
    story = Story(
        "tale",
        Path("/tale.yaml"),
        "Tale",
        "veo3.1",
        "16:9",
        (Scene("a", "prompt", "prompt", 8, "extend", 1),),
        Start("video", (Source("clip.mp4", Path("/clip.mp4"), None),), include=True),
        None,
    )
    one = keys(story, Facts("p", start=("sha256:1",)))
    assert one == keys(story, Facts("p", start=("sha256:1",)))
    assert one != keys(story, Facts("p", start=("sha256:2",)))
    assert one != keys(replace(story, start=None), Facts("p"))
    assert one == keys(replace(story, start=replace(story.start, include=False)), Facts("p", start=("sha256:1",)))


SCENE = Scene("a", "prompt", "prompt", 8, "extend", 2)
ONE = Story("tale", Path("/tale.yaml"), "Tale", "pixverse5.5", "16:9", (SCENE,), None, None)


@pytest.mark.parametrize(
    ("record", "action", "credits_"),
    [
        (Record("none"), Action.SUBMIT, Decimal("12.8")),
        (Record("stored", present=True), Action.REUSE, 0),
        (Record("stored", present=False), Action.RESUME, 0),
        (Record("completed"), Action.RESUME, 0),
        (Record("submitted", job_id="j"), Action.RESUME, 0),
        (Record("intended"), Action.RESUME, Decimal("12.8")),
        (Record("unresolved", message="which?"), Action.UNRESOLVED, 0),
        (Record("failed", failures=1, message="words"), Action.SUBMIT, Decimal("12.8")),
        (Record("failed", failures=2, message="words"), Action.FAILED, 0),
        (Record("refused"), Action.SUBMIT, Decimal("12.8")),
        (Record("abandoned"), Action.SUBMIT, Decimal("12.8")),
    ],
    ids=lambda value: value.state if isinstance(value, Record) else None,
)
def test_each_state_has_its_action_and_price(record, action, credits_):
    (key,) = keys(ONE, Facts("p"))
    (step,) = plan(ONE, Facts("p", records={key: record}))
    assert (step.action, step.credits) == (action, credits_)
    assert step.reason


def test_a_quote_counts_a_shared_segment_once_and_every_allowed_try():
    steps = plan(ONE, Facts("p"))
    cost = quote([*steps, *steps])
    assert (cost.submits, cost.credits, cost.most) == (1, Decimal("12.8"), Decimal("25.6"))


def test_an_unknown_price_is_unknown_and_not_zero():
    dear = {**MODELS, "pixverse5.5": replace(MODELS["pixverse5.5"], credits_per_second=None)}
    steps = plan(ONE, Facts("p", catalogue=dear))
    assert steps[0].credits is None
    assert quote(steps).total is None
    assert quote(steps).unknown == 1


def test_free_is_free():
    steps = plan(ONE, Facts("studio", free=True))
    assert quote(steps).total == 0


TWO_CHAINS = tuple(
    Scene(id=f"s{n}", prompt=f"Scene {n}.", text="", seconds=5, join="cut" if n == 3 else "extend", attempts=1)
    for n in range(4)
)


@pytest.mark.parametrize(
    ("record", "action", "why"),
    [
        (Record("failed", failures=1, message="no"), Action.FAILED, "scene s1 is given up, so nothing more is bought"),
        (Record("unresolved", message="?"), Action.UNRESOLVED, "scene s1 is in doubt, so nothing more is bought"),
    ],
)
def test_nothing_more_is_bought_of_a_story_that_cannot_be_finished(record, action, why):
    scenes = (*TWO_CHAINS[:3], replace(TWO_CHAINS[3], takes=3))
    story = Story("tale", Path("/tale.yaml"), "Tale", "pixverse5.5", "16:9", scenes, None, None)
    had = dict(zip(keys(story, Facts("p")), (Record("stored", present=True), record), strict=False))
    steps = plan(story, Facts("p", records=had))
    assert [step.action for step in steps] == [Action.REUSE, action, Action.BLOCKED, Action.BLOCKED]
    assert [step.reason for step in steps[2:]] == [why, why]
    assert [one.action for one in steps[3].beside] == [Action.BLOCKED] * 2
    assert (quote(steps).submits, quote(steps).total) == (0, 0)
    doubt = {steps[3].key: Record("intended")}
    assert quote(plan(story, Facts("p", records=had | doubt))).total == 0
    assert quote(plan(story, Facts("p", records=doubt))).submits == 6
