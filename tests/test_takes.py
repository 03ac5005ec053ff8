"""Takes: bought side by side, picked, taken again, approved; what is paid stays paid, what is stale is told first."""

import asyncio
import json
import re
import shlex
from dataclasses import replace

import pytest

from storychain.chain.choice import WaitsForApproval
from storychain.chain.events import Stored
from storychain.errors import UsageError
from storychain.locks import lock_now
from storychain.plan import Action, Facts, keys, plan, quote, with_beside
from storychain.records import Chosen, Record
from storychain.report.lines import line
from storychain.story import load_story
from storychain.takes import as_called_now, made_by, prompt_of, retaken, stale, takes_of
from storychain.workspace import Workspace
from tests.stage import PRICE, frames_of, stage, story_file

SCENES = [
    {"id": "one", "prompt": "A harbour at dawn."},
    {"id": "two", "prompt": "The boat leaves the harbour."},
    {"id": "three", "prompt": "The open sea, calm."},
]
SEGMENT = 4 * 24


def with_takes(count):
    return [SCENES[0], {**SCENES[1], "takes": count}, SCENES[2]]


def on_hold():
    return [SCENES[0], {**SCENES[1], "hold": True}, SCENES[2]]


def told(process):
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def takes(desk, path, *options):
    """Every scene's takes, as the command lists them."""
    found = told(desk.run("takes", path, "--json", *options))
    return {one["scene"]: one["takes"] for one in found["scenes"]}


def shown(desk, path, *options):
    """The number of the take that is shown of each scene."""
    listed = takes(desk, path, *options)
    return {scene: next(one["take"] for one in found if one["shown"]) for scene, found in listed.items()}


def accepted(desk):
    return desk.studio.counts()["accepted"]


# Side by side


def test_takes_are_bought_side_by_side_once_and_the_first_is_shown(tmp_path):
    async def play():
        async with stage(tmp_path) as at:
            path = story_file(tmp_path, with_takes(3))
            story = load_story(path)
            outcome = await at.render(path)
            assert (outcome.status, frames_of(outcome.film)) == ("done", 3 * SEGMENT)
            assert at.counts["accepted"] == 5
            assert at.counts["credits_debited"] == 5 * PRICE
            bodies = [job["body"] for job in await at.jobs()]
            beside = [body for body in bodies if body["prompt"] == story.scenes[1].prompt]
            assert len(beside) == 3
            assert len({body["extendVideoUrl"] for body in beside}) == 1
            stored = [event.take for event in at.told if isinstance(event, Stored) and event.scene == "two"]
            assert sorted(stored) == [1, 2, 3]
            assert any(line(event).startswith("tale/two, take 3: submitted") for event in at.told)
            assert (await at.render(path)).status == "done"
            assert at.counts["accepted"] == 5

    asyncio.run(play())


def test_a_take_beside_that_fails_is_told_and_stops_nothing(tmp_path):
    async def play():
        async with stage(tmp_path, faults={"job.failed": "@2"}) as at:
            path = story_file(tmp_path, [{**SCENES[0]}, {**SCENES[1], "takes": 2, "attempts": 1}])
            outcome = await at.render(path)
            failed = [one for step in outcome.steps for one in step.beside if one.action is Action.FAILED]
            if outcome.status == "failed":  # the shown one drew the short straw: the other is there to be picked
                assert [one.record.state for one in outcome.steps[1].beside] == ["stored"]
            else:
                assert len(failed) == 1
            counted = at.counts["accepted"]
            assert counted == 3
            assert (await at.render(path)).status == outcome.status
            assert at.counts["accepted"] == counted

    asyncio.run(play())


def test_of_a_scene_that_was_chosen_no_takes_are_bought_beside(tmp_path):
    story = load_story(story_file(tmp_path, with_takes(3)))
    steps = plan(story, Facts("p"))
    assert [len(step.beside) for step in steps] == [0, 2, 0]
    assert quote(steps).credits == 5 * PRICE
    assert len({one.key for one in with_beside(steps)}) == 5
    chosen = plan(story, Facts("p", choices={"two": Chosen(take=2)}))
    assert [len(step.beside) for step in chosen] == [0, 0, 0]
    assert chosen[1].key == steps[1].beside[0].key
    assert chosen[0].key == steps[0].key
    assert chosen[2].key != steps[2].key


# On hold


def test_a_scene_on_hold_lets_nothing_continue_it_before_it_is_approved(desk):
    path = story_file(desk.folder, on_hold())
    first = desk.run("run", path, "--max-credits", 200)
    assert first.returncode == 0, first.stderr
    assert "scene two is not approved yet" in first.stderr
    assert "storychain approve" in first.stderr
    assert not first.stdout
    assert accepted(desk) == 2
    assert desk.run("run", path, "--max-credits", 200).returncode == 0
    assert accepted(desk) == 2
    said = desk.run("approve", path, "two", "--note", "<b>calm</b>")
    assert said.returncode == 0, said.stderr
    done = desk.run("run", path, "--max-credits", 200)
    assert done.stdout.strip().endswith("tale.mp4")
    assert accepted(desk) == 3
    (take,) = takes(desk, path)["two"]
    assert (take["verdict"], take["remarks"][0]["text"]) == ("approved", "<b>calm</b>")


def test_nothing_more_continues_a_take_that_is_rejected(desk):
    path = story_file(desk.folder, SCENES)
    assert desk.run("run", path, "--max-credits", 200, "--select", "tale:two", "--select", "tale:one").returncode == 0
    assert desk.run("reject", path, "one", "--note", "too dark").returncode == 0
    held = desk.run("run", path, "--max-credits", 200)
    assert "scene one is rejected" in held.stderr
    assert accepted(desk) == 2
    assert desk.run("reject", path, "three").returncode == 2  # there is nothing to judge


def test_what_waits_is_an_outcome_of_its_own(tmp_path):
    async def play():
        async with stage(tmp_path) as at:
            outcome = await at.render(story_file(tmp_path, on_hold()))
            assert isinstance(outcome.error, WaitsForApproval)
            assert outcome.error.exit_code == 0
            assert [step.action for step in outcome.steps] == [Action.REUSE, Action.REUSE, Action.HOLD]

    asyncio.run(play())


# Taken again, picked


def test_a_retake_says_first_what_it_makes_stale_and_what_that_costs(desk):
    path = story_file(desk.folder, SCENES)
    assert desk.run("run", path, "--max-credits", 200).returncode == 0
    film = (desk.folder / "films" / "tale.mp4").read_bytes()
    asked = desk.run("retake", path, "two", "--prompt", "The boat stays where it is.")
    assert asked.returncode == 5
    assert "to be bought again, since it continues it: three" in asked.stderr
    assert f"To pay for 2 scenes: {2 * PRICE}" in asked.stderr
    assert "--max-credits" in asked.stderr
    assert shown(desk, path) == {"one": 1, "two": 1, "three": 1}
    again = ("retake", path, "two", "--prompt", "The boat stays where it is.", "--max-credits", 2 * PRICE)
    assert desk.run(*again).returncode == 0
    assert accepted(desk) == 5
    assert shown(desk, path) == {"one": 1, "two": 2, "three": 2}
    picked = desk.run("pick", path, "two", 1)
    assert picked.returncode == 0, picked.stderr
    assert shown(desk, path) == {"one": 1, "two": 1, "three": 1}  # what continued it then is found again
    done = desk.run("run", path)
    assert done.returncode == 0, done.stderr
    assert accepted(desk) == 5
    assert (desk.folder / "films" / "tale.mp4").read_bytes() == film
    assert desk.run("pick", path, "two", 2).returncode == 0
    assert shown(desk, path) == {"one": 1, "two": 2, "three": 2}
    assert desk.run("run", path).returncode == 0
    assert accepted(desk) == 5


@pytest.mark.parametrize("again", [(), ("two",)], ids=["once", "and what follows"])
def test_of_takes_side_by_side_the_one_that_was_continued_is_found_again(desk, again):
    """Three takes of a scene are paid, and what follows of one of them: picking what came before asks for no more."""
    path = story_file(desk.folder, with_takes(3))
    assert desk.run("run", path, "--max-credits", 400).returncode == 0
    for scene in ("one", *again):
        assert desk.run("retake", path, scene, "--prompt", "In other words.", "--max-credits", 400).returncode == 0
    bought = accepted(desk)
    assert desk.run("pick", path, "one", 1).returncode == 0
    assert shown(desk, path) == {"one": 1, "two": 1, "three": 1}
    done = desk.run("run", path)
    assert done.returncode == 0, done.stderr
    assert accepted(desk) == bought


def test_a_draft_that_is_picked_is_as_long_as_it_is(desk):
    path = story_file(desk.folder, SCENES[:2])
    assert desk.run("run", path, "--max-credits", 200).returncode == 0
    assert desk.run("run", path, "--max-credits", 200, "--model", "pixverse5.5").returncode == 0
    assert [one["seconds"] for one in takes(desk, path)["one"]] == [4, 5]
    picked = desk.run("pick", path, "one", 2)
    assert "Scene one is take 2, by pixverse5.5, now." in picked.stderr
    assert f"`storychain run {path}` makes the film" in picked.stderr
    assert [one["seconds"] for one in takes(desk, path)["one"]] == [4, 5]
    drafted = desk.run("pick", path, "one", 2, "--model", "pixverse5.5")
    assert f"`storychain run {path} --model pixverse5.5` makes the film, for nothing" in drafted.stderr
    planned = told(desk.run("plan", path, "--json"))
    assert [one["seconds"] for one in planned["stories"][0]["scenes"]] == [5, 4]


def test_a_take_that_is_not_shown_is_approved_by_its_number_and_shown_then(desk):
    path = story_file(desk.folder, SCENES[:2])
    assert desk.run("run", path, "--max-credits", 200).returncode == 0
    assert desk.run("retake", path, "two", "--max-credits", PRICE).returncode == 0
    assert desk.run("reject", path, "two").returncode == 0
    said = desk.run("approve", path, "two", 1)
    assert said.returncode == 0, said.stderr
    assert shown(desk, path) == {"one": 1, "two": 1}
    assert accepted(desk) == 3


def test_a_retake_says_what_waits_for_an_approval_and_is_not_in_its_price(desk):
    path = story_file(desk.folder, on_hold())
    assert desk.run("run", path, "--max-credits", 200).returncode == 0
    assert desk.run("approve", path, "two").returncode == 0
    assert desk.run("run", path, "--max-credits", 200).returncode == 0
    asked = desk.run("retake", path, "one")
    assert "to be bought again, since it continues it: two." in asked.stderr
    assert "once what it continues is approved: three." in asked.stderr
    assert f"To pay for 2 scenes: {2 * PRICE}" in asked.stderr
    assert accepted(desk) == 3


def test_what_follows_a_retake_may_be_kept_for_nothing(desk):
    path = story_file(desk.folder, SCENES)
    assert desk.run("run", path, "--max-credits", 200).returncode == 0
    kept = desk.run("retake", path, "two", "--keep-after", "--max-credits", PRICE)
    assert kept.returncode == 0, kept.stderr
    assert accepted(desk) == 4
    assert shown(desk, path) == {"one": 1, "two": 2, "three": 1}
    film = desk.folder / "films" / "tale.mp4"
    assert frames_of(film) == 3 * SEGMENT - round(0.4 * 24)  # the dissolve that covers the seam
    assert desk.run("run", path).returncode == 0
    assert accepted(desk) == 4
    looked = desk.run("inspect", path, "--no-pictures")
    assert "kept, from another take" in looked.stdout, looked.stderr
    # Taking the scene before it again lets go of what was kept.
    asked = desk.run("retake", path, "one")
    assert f"To pay for 3 scenes: {3 * PRICE}" in asked.stderr


def test_what_was_kept_after_a_take_is_had_again_for_nothing_by_the_command_that_is_told(desk):
    path = story_file(desk.folder, SCENES)
    assert desk.run("run", path, "--max-credits", 200).returncode == 0
    assert desk.run("retake", path, "two", "--keep-after", "--max-credits", PRICE).returncode == 0
    assert "for nothing" in desk.run("pick", path, "two", 1).stderr
    back = desk.run("pick", path, "two", 2)
    (command,) = re.findall(r"may follow it for nothing: `storychain (.*)`", back.stderr)
    assert desk.run(*shlex.split(command)).returncode == 0
    assert desk.run("run", path).returncode == 0
    assert shown(desk, path) == {"one": 1, "two": 2, "three": 1}
    assert accepted(desk) == 4


def test_a_retake_that_is_begun_is_gone_on_with_rather_than_begun_anew(desk):
    path = story_file(desk.folder, SCENES)
    assert desk.run("run", path, "--max-credits", 200).returncode == 0
    again = ("retake", path, "three", "--max-credits", PRICE)
    begun = desk.run(*again, PICTORY_API_BASE_URL="http://127.0.0.1:9/pictoryapis")
    assert begun.returncode != 0
    assert f"`storychain run {path}` buys it. To pay for 1 scene: {PRICE} credits." in begun.stderr
    assert f"`storychain pick {path} three 1` shows scene three as before." in begun.stderr
    assert accepted(desk) == 3
    assert desk.run(*again).returncode == 0
    assert accepted(desk) == 4
    assert shown(desk, path)["three"] == 2


def test_what_cannot_be_bought_is_not_chosen(desk):
    path = story_file(desk.folder, SCENES[:2], budget=float(3 * PRICE))
    assert desk.run("run", path, "--max-credits", 200).returncode == 0
    agreed = ("retake", path, "one", "--max-credits", 200)
    poor = desk.run(*agreed)
    assert (poor.returncode, "budget" in poor.stderr) == (5, True)
    unasked = desk.run(*agreed[:3])
    assert (unasked.returncode, unasked.stderr) == (5, poor.stderr), "nobody has to agree to what cannot be had"
    story_file(desk.folder, SCENES[:2])
    assert desk.run(*agreed, PICTORY_API_KEY="").returncode == 7
    spent = desk.run(*agreed, STORYCHAIN_MAX_CREDITS_PER_DAY=str(2 * PRICE + 1))
    assert (spent.returncode, "leaves 1 credit, and scene one costs 40" in spent.stderr) == (5, True), spent.stderr
    with lock_now(Workspace(desk.folder / ".storychain").story_lock(path, "tale")):
        held = desk.run(*agreed)
    assert (held.returncode, "would not know of what is chosen now" in held.stderr) == (75, True), held.stderr
    assert shown(desk, path) == {"one": 1, "two": 1}
    assert desk.run("run", path, "--max-credits", 200).returncode == 0
    assert accepted(desk) == 2


def test_what_is_bought_along_with_a_retake_for_the_first_time_is_not_called_stale(desk):
    path = story_file(desk.folder, SCENES)
    assert desk.run("run", path, "--max-credits", 200, "--select", "tale:one").returncode == 0
    asked = desk.run("retake", path, "one")
    assert "Stale" not in asked.stderr
    assert "Bought along with it, as it is not bought yet: two, three." in asked.stderr
    assert f"To pay for 3 scenes: {3 * PRICE}" in asked.stderr
    empty = desk.run("retake", path, "one", "--prompt", " ")
    assert (empty.returncode, "the prompt has no words" in empty.stderr) == (2, True)


def test_a_take_of_another_branch_is_shown_as_it_is(desk):
    path = story_file(desk.folder, SCENES[:2])
    assert desk.run("run", path, "--max-credits", 200).returncode == 0
    assert desk.run("retake", path, "one", "--max-credits", 200).returncode == 0
    assert shown(desk, path) == {"one": 2, "two": 2}
    picked = desk.run("pick", path, "two", 1)
    assert "continue another take" in picked.stderr
    assert shown(desk, path) == {"one": 2, "two": 1}
    assert desk.run("run", path).returncode == 0
    assert accepted(desk) == 4


def test_a_take_of_which_there_is_nothing_is_neither_approved_nor_picked(desk):
    path = story_file(desk.folder, on_hold())
    assert desk.run("run", path, "--local", "--fault", "job.failed=@2").returncode == 3
    for command in (("approve", path, "two"), ("pick", path, "two", 1)):
        refused = desk.run(*command, "--local")
        assert (refused.returncode, "is failed: there is nothing to show" in refused.stderr) == (2, True)
    again = desk.run("retake", path, "two", "--local")
    assert again.returncode == 0, again.stderr
    # What is refused has done nothing: the words are looked at before the take is picked.
    assert desk.run("retake", path, "two", "--local").returncode == 0
    assert desk.run("approve", path, "two", 2, "--local", "--note", "x" * 4001).returncode == 2
    assert shown(desk, path, "--local")["two"] == 3
    assert desk.run("approve", path, "two", 2, "--local").returncode == 0
    assert shown(desk, path, "--local")["two"] == 2


def test_a_pick_says_what_follows_it_and_what_is_missing_elsewhere(desk):
    path = story_file(desk.folder, SCENES)
    assert desk.run("run", path, "--local").returncode == 0
    story_file(desk.folder, [{**SCENES[0], "prompt": "A harbour at noon."}, *SCENES[1:]])
    last = desk.run("pick", path, "three", 1, "--local")
    assert "continues it:" not in last.stderr
    assert "Not made yet of the rest of the story: one, two." in last.stderr
    assert f"`storychain run {path} --local` makes the film, for nothing." in last.stderr


def test_what_cannot_be_chosen_is_refused_in_words(desk):
    path = story_file(desk.folder, SCENES)
    for command, words in (
        (("pick", path, "two", 7), "scene two has no take 7"),
        (("pick", path, "nine", 1), "there is no scene 'nine'"),
        (("pick", path, "two", 1), "not bought yet"),
        (("retake", path, "nine"), "there is no scene 'nine'"),
        (("retake", path, "two", "--prompt", "x" * 5001), "a prompt has 5 to 5,000"),
        (("promote", path, "--model", "veo9"), "unknown model 'veo9'"),
        (("promote", path, "--model", "veo3.1"), "no scene is approved"),
    ):
        refused = desk.run(*command)
        assert (refused.returncode, words in refused.stderr) == (2, True), refused.stderr
    assert accepted(desk) == 0


def test_a_take_that_another_story_has_bought_is_a_take_all_the_same_and_a_retake_is_a_new_one(desk):
    one, other = (story_file(desk.folder, SCENES[:2], name=name) for name in ("one", "other"))
    assert desk.run("run", one, other, "--max-credits", 200).returncode == 0
    assert accepted(desk) == 2
    assert desk.run("retake", one, "one", "--max-credits", 2 * PRICE).returncode == 0
    assert desk.run("reject", one, "one").returncode == 0
    assert f"To pay for 2 scenes: {2 * PRICE}" in desk.run("retake", other, "one").stderr
    assert desk.run("retake", other, "one", "--max-credits", 2 * PRICE).returncode == 0
    assert accepted(desk) == 6
    keys = [takes(desk, path)["one"][1]["key"] for path in (one, other)]
    assert len(set(keys)) == 2
    for path in (one, other):
        assert [take["shown"] for take in takes(desk, path)["one"]] == [False, True]
        assert desk.run("pick", path, "one", 1).returncode == 0
        assert shown(desk, path) == {"one": 1, "two": 1}
    assert accepted(desk) == 6


# The file is edited between runs


def in_words(desk, path, scene):
    """What a scene would be asked for with, and what is to be done for it."""
    (planned,) = told(desk.run("plan", path, "--json", "--show-prompts"))["stories"]
    return next((one["prompt"], one["action"]) for one in planned["scenes"] if one["scene"] == scene)


def test_what_was_chosen_holds_for_the_words_that_the_file_had(desk):
    path = story_file(desk.folder, SCENES[:2])
    assert desk.run("run", path, "--max-credits", 200).returncode == 0
    again = ("retake", path, "two", "--prompt", "The boat stays.", "--max-credits", PRICE)
    assert desk.run(*again).returncode == 0
    assert in_words(desk, path, "two") == ("The boat stays.", "reuse")
    story_file(desk.folder, [SCENES[0], {**SCENES[1], "prompt": "The boat sinks."}])
    assert in_words(desk, path, "two") == ("The boat sinks.", "submit")
    assert desk.run("retake", path, "two", "--max-credits", PRICE).returncode == 0
    assert next(job["body"]["prompt"] for job in desk.studio.jobs()) == "The boat sinks."
    assert shown(desk, path)["two"] == 3
    story_file(desk.folder, SCENES[:2])
    assert in_words(desk, path, "two") == ("The boat stays.", "reuse")
    assert desk.run("run", path).returncode == 0
    assert accepted(desk) == 4


def test_a_scene_of_another_name_is_the_same_scene(desk):
    path = story_file(desk.folder, SCENES)
    assert desk.run("run", path, "--max-credits", 200).returncode == 0
    again = ("--prompt", "The boat hurries.", "--max-credits", 2 * PRICE)
    assert desk.run("retake", path, "two", *again).returncode == 0
    assert desk.run("approve", path, "two").returncode == 0
    story_file(desk.folder, [SCENES[0], {**SCENES[1], "id": "tempest"}, SCENES[2]])
    listed = takes(desk, path)["tempest"]
    assert [(one["take"], one["shown"], one["verdict"]) for one in listed] == [(1, False, None), (2, True, "approved")]
    assert desk.run("run", path).returncode == 0
    assert accepted(desk) == 5
    assert desk.run("pick", path, "tempest", 1).returncode == 0
    assert shown(desk, path) == {"one": 1, "tempest": 1, "three": 1}
    assert f"To pay for 2 scenes: {2 * PRICE}" in desk.run("retake", path, "tempest", *again[:2]).stderr
    assert desk.run("retake", path, "tempest", *again).returncode == 0
    assert accepted(desk) == 7
    assert shown(desk, path) == {"one": 1, "tempest": 3, "three": 3}


# Rehearse cheap, promote dear


def test_a_draft_is_promoted_scene_by_scene_price_first(desk):
    path = story_file(desk.folder, SCENES, model="veo3.1")
    drafted = desk.run("run", path, "--model", "pixverse5.5", "--max-credits", 24)
    assert drafted.returncode == 0, drafted.stderr
    assert drafted.stdout.strip().endswith("tale.pixverse5.5.mp4")
    assert desk.studio.counts()["credits_debited"] == 24
    draft = ("--model", "pixverse5.5")
    again = ("retake", path, "two", "--prompt", "The boat hurries away.", *draft, "--max-credits", 16)
    assert desk.run(*again).returncode == 0
    for scene in ("one", "two"):
        assert desk.run("approve", path, scene, *draft).returncode == 0
    asked = desk.run("promote", path, "--model", "veo3.1", "--from", "pixverse5.5")
    assert asked.returncode == 5
    assert "To pay for 2 scenes: 160 credits" in asked.stderr
    done = desk.run("promote", path, "--model", "veo3.1", "--from", "pixverse5.5", "--max-credits", 160)
    assert done.returncode == 0, done.stderr
    assert "not bought, as asked: three" in done.stderr
    assert desk.studio.counts()["credits_debited"] == 40 + 160
    dear = takes(desk, path)
    assert dear["two"][-1]["prompt"] == "The boat hurries away."
    assert [one["state"] for one in dear["three"] if one["shown"]] == ["none"]
    # The draft is as it was, and choosing for one edition chooses nothing for the other.
    assert desk.run("run", path, *draft).returncode == 0
    assert desk.studio.counts()["credits_debited"] == 200
    assert desk.run("run", path, "--max-credits", 80).returncode == 0
    assert {one.name for one in (desk.folder / "films").glob("*.mp4")} == {"tale.mp4", "tale.pixverse5.5.mp4"}


def test_a_promotion_says_what_waits_and_what_it_makes_stale(desk):
    path = story_file(desk.folder, [SCENES[0], {**SCENES[1], "takes": 2, "hold": True}, SCENES[2]])
    assert desk.run("run", path, "--local").returncode == 0
    none = desk.run("promote", path, "--local", "--model", "pixverse5.5")
    assert f"Approve some with `storychain approve {path} SCENE --local`" in none.stderr
    for scene in ("two", "one"):
        assert desk.run("approve", path, scene, "--local").returncode == 0
    assert desk.run("run", path, "--local").returncode == 0
    assert desk.run("approve", path, "three", "--local").returncode == 0
    asked = desk.run("promote", path, "--local", "--model", "pixverse5.5")
    assert asked.returncode == 0, asked.stderr
    assert "By pixverse5.5: one, two, three." in asked.stderr
    assert "In several takes side by side: two (2)." in asked.stderr
    assert "Not bought before what it continues is approved: three." in asked.stderr
    by = ("--local", "--model", "pixverse5.5")
    for command in (
        ("approve", path, "two"),
        ("run", path),
        ("retake", path, "one", "--prompt", "A harbour by night."),
    ):
        assert desk.run(*command, *by).returncode == 0
    # Promoted in the words of the draft, which are others.
    again = desk.run("promote", path, "one", *by)
    assert "Stale by that, since it continues it, and not bought with it: two" in again.stderr, again.stderr
    assert accepted(desk) == 0


def test_another_model_makes_scenes_as_long_as_it_can(tmp_path):
    story = load_story(
        story_file(tmp_path, [{**SCENES[0], "duration": 6}, {**SCENES[1], "duration": 8}], model="veo3.1")
    )
    draft = made_by(story, "pixverse5.5", Facts("p").catalogue)
    assert [scene.seconds for scene in draft.scenes] == [8, 8]
    assert (draft.edition, story.edition) == ("tale.pixverse5.5", "tale")
    assert made_by(story, "veo3.1", Facts("p").catalogue) is story
    square = replace(draft, aspect_ratio="1:1")
    with pytest.raises(UsageError, match="makes 16:9, 9:16, not 1:1"):
        made_by(square, "veo3.1", Facts("p").catalogue)


# The pure part


@pytest.mark.parametrize("scene", ["one", "two", "three"])
def test_choosing_changes_no_key_before_the_scene_and_every_key_after_it(tmp_path, scene):
    story = load_story(story_file(tmp_path, SCENES))
    facts = Facts("p")
    before = keys(story, facts)
    after = keys(story, replace(facts, choices=retaken(story, facts, (), scene)))
    place = [one.id for one in story.scenes].index(scene)
    assert after[:place] == before[:place]
    assert not set(after[place:]) & set(before)


def test_what_is_stale_is_what_continues_a_scene_up_to_the_next_cut(tmp_path):
    story = load_story(story_file(tmp_path, [*SCENES, {"id": "four", "prompt": "Home again.", "join": "cut"}]))
    facts = Facts("p")
    before = plan(story, facts)
    paid = {step.key: Record("stored", attempt=1, key=step.key) for step in before if step.scene.id != "three"}
    facts = replace(facts, records=paid)
    before = plan(story, facts)
    after = plan(story, replace(facts, choices=retaken(story, facts, (), "two")))
    assert [step.scene.id for step in stale(before, after)] == ["two"]  # the third was not paid before either


def test_scenes_that_are_called_by_their_number_are_told_by_their_words(tmp_path):
    """Another scene before them gives them other names; of scenes of the same words nobody can tell."""
    before = ["A harbour.", "The sea.", "The sea."]
    attempts = [Record("stored", attempt=n, scene=f"scene-{n}", asked=words) for n, words in enumerate(before, 1)]
    story = load_story(story_file(tmp_path, [{"prompt": words} for words in ["A street.", *before]]))
    assert [one.scene for one in as_called_now(story, attempts)] == ["scene-2", "scene-2", "scene-3"]


def test_a_kept_segment_that_is_not_paid_after_all_is_asked_for_as_ever(tmp_path):
    story = load_story(story_file(tmp_path, SCENES))
    plain = plan(story, Facts("p"))
    gone = {"k": Record("abandoned", attempt=3, key="k", scene="two")}
    steps = plan(story, Facts("p", records=gone, choices={"two": Chosen(kept="k")}))
    assert [step.key for step in steps] == [step.key for step in plain]


def test_words_of_ones_own_are_sent_in_the_story_s_style(tmp_path):
    story = load_story(story_file(tmp_path, SCENES, style="In soft light."))
    scene = story.scenes[0]
    assert prompt_of(scene, " A storm\n breaks. ") == "A storm breaks. In soft light."
    assert prompt_of(scene, scene.prompt) == scene.prompt
    with pytest.raises(UsageError):
        prompt_of(scene, "  ")


def test_takes_are_counted_as_they_were_first_asked_for(tmp_path):
    story = load_story(story_file(tmp_path, SCENES))
    steps = plan(story, Facts("p"))
    attempts = [
        Record("failed", attempt=1, key="a", scene="two", prompt="First."),
        Record("stored", attempt=2, key="b", scene="two", prompt="Second."),
        Record("stored", attempt=3, key="a", scene="two", prompt="First."),
        Record("refused", attempt=4, key="c", scene="two", prompt="Never taken on."),
    ]
    found = takes_of(steps, attempts, ())[1]
    assert [(take.number, take.key, take.shown) for take in found.takes] == [
        (1, "a", False),
        (2, "b", False),
        (3, steps[1].key, True),
    ]
    assert found.takes[0].record.attempt == 3


def test_of_a_scene_that_is_given_up_another_take_that_is_here_is_named_first(plain):
    path = story_file(plain.folder, [SCENES[0] | {"takes": 2}, SCENES[1]], name="sides")
    studio = ("--local", "--scale", "0.125")
    assert "To pay for 2 scenes (3 takes): 120 credits." in plain.run("plan", path).stdout
    run = plain.run("run", path, *studio, "--fault", "job.failed=@1")
    pick = f"`storychain pick {path} one 2 --local`"
    assert run.returncode == 3
    assert f"  {pick} shows scene one as its take 2, which costs nothing more. " in run.stderr
    for look in ("status", "plan"):
        assert (
            f"{pick} shows scene one as its take 2, which costs nothing more; `storychain run"
            in plain.run(look, path, "--local").stdout
        )
    assert plain.run("pick", path, "one", 2, "--local").returncode == 0
    done = plain.run("run", path, *studio, "--json")
    (story,) = json.loads(done.stdout)["stories"]
    assert (done.returncode, story["status"]) == (0, "done")
