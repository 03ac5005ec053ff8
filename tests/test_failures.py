"""When the provider says no: other words, another try, a stop or a placeholder; and what is paid for each."""

import asyncio
import json
import re
import subprocess
import sys
from itertools import product

import av
import pytest

from storychain.chain import events as ev
from storychain.errors import CapReached, GenerationFailed
from storychain.ledger import Caps, Ledger
from storychain.plan import Action
from storychain.provider import about_words
from storychain.report.documents import run_document
from storychain.story import load_story, template
from tests.desk import Studio, opened_desk
from tests.stage import PRICE, frames_of, stage, story_file

MILDER = ["She climbs the stairs while the wind rises.", "She climbs the stairs."]
STORM = {"id": "s2", "prompt": "She reaches the lamp room in a storm."}
DAWN, CALM = {"id": "s1", "prompt": "A lighthouse at dawn."}, {"id": "s3", "prompt": "The sea is calm again."}


async def _rendered(tmp_path, scenes, *, faults, top=None, **changes):
    async with stage(tmp_path, faults=faults) as at:
        outcome = await at.render(story_file(tmp_path, scenes, **(top or {})), **changes)
        return outcome, dict(at.counts), [job["body"]["prompt"] for job in reversed(await at.jobs())], at.told


def rendered(tmp_path, scenes, **options):
    """Render a story once; the outcome, the studio's counts, the prompts of its jobs in order, and what was told."""
    return asyncio.run(_rendered(tmp_path, scenes, **options))


# Other words


def test_words_that_are_refused_are_followed_by_the_next(tmp_path):
    outcome, counts, prompts, told = rendered(
        tmp_path, [{**STORM, "fallback_prompts": MILDER}], faults={"job.failed": "@1,2"}
    )
    assert outcome.status == "done"
    assert prompts == [STORM["prompt"], *MILDER]
    assert counts["accepted"] == 3
    assert outcome.steps[0].record.prompt == MILDER[1]
    failed = [event.message for event in told if isinstance(event, ev.SceneFailed)]
    assert "[CONTENT_MODERATED]" in failed[0]
    assert "said of its prompt); fallback prompt 1 is next" in failed[0]
    assert "said of fallback prompt 1); fallback prompt 2 is next" in failed[1]


def test_words_that_are_not_even_taken_cost_no_try(tmp_path):
    scene = {**STORM, "fallback_prompts": MILDER, "attempts": 1}
    outcome, counts, prompts, _ = rendered(tmp_path, [scene], faults={"submit.400_words": "@1,2"})
    assert outcome.status == "done"
    assert prompts == [MILDER[1]]
    assert (counts["submits"], counts["accepted"], outcome.spent) == (3, 1, PRICE)


def test_another_take_whose_words_are_not_taken_is_told_of_once(tmp_path):
    outcome, _, _, told = rendered(tmp_path, [{**STORM, "takes": 2}], faults={"submit.400_words": "@2"})
    assert outcome.status == "done"
    refused = [event for event in told if "CONTENT_POLICY_VIOLATION" in getattr(event, "message", "")]
    assert [(type(event), event.take) for event in refused] == [(ev.SceneFailed, 2)]


@pytest.mark.slow
def test_a_failure_that_is_not_about_words_keeps_the_words(tmp_path):
    scene = {**STORM, "fallback_prompts": MILDER}
    outcome, _, prompts, _ = rendered(tmp_path, [scene], faults={"job.failed_internal": "@1"})
    assert outcome.status == "done"
    assert prompts == [STORM["prompt"], STORM["prompt"]]


@pytest.mark.parametrize(
    ("attempts", "tried"),
    [
        pytest.param(1, [STORM["prompt"]], marks=pytest.mark.slow),
        pytest.param(2, [STORM["prompt"], MILDER[0]], marks=pytest.mark.slow),
        (4, [STORM["prompt"], *MILDER, MILDER[1]]),
    ],
)
def test_attempts_count_all_prompts_together(tmp_path, attempts, tried):
    scene = {**STORM, "fallback_prompts": MILDER, "attempts": attempts}
    outcome, counts, prompts, _ = rendered(tmp_path, [scene], faults={"job.failed": 1.0})
    assert outcome.status == "failed"
    assert prompts == tried
    assert counts["accepted"] == attempts


def test_a_refusal_names_the_scene_the_code_the_prompt_and_the_price_of_another_try(tmp_path):
    async def play():
        path = story_file(tmp_path, [{**STORM, "fallback_prompts": MILDER[:1]}])
        async with stage(tmp_path, faults={"submit.400_words": 1.0}) as at:
            outcome = await at.render(path)
            assert isinstance(outcome.error, GenerationFailed)
            told = str(outcome.error)
            for word in ("tale, scene s2", "[CONTENT_POLICY_VIOLATION]", "fallback prompt 1", f"for {PRICE} credits"):
                assert word in told
            assert outcome.steps[0].action is Action.FAILED
            assert "said of fallback prompt 1" in outcome.steps[0].reason
            assert at.counts["submits"] == 2
            again = await at.render(path)
            assert isinstance(again.error, GenerationFailed)
            assert at.counts["submits"] == 2
            added = await at.render(story_file(tmp_path, [{**STORM, "fallback_prompts": MILDER}]))
            assert added.steps[0].key == outcome.steps[0].key
            assert at.counts["submits"] == 3

    asyncio.run(play())


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("CONTENT_MODERATED", None),
        ("5009", "NSFW content detected"),
        ("PROHIBITED_CONTENT", ""),
        (None, "The prompt was rejected by the safety system"),
        ("400", "Your request violates our usage guidelines"),
        ("invalid_prompt", "prompt blocked: words not allowed"),
        (None, "output flagged by Responsible AI practices"),
    ],
)
def test_refusals_of_words_are_known(code, message):
    assert about_words(code, message)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (None, None),
        ("5001", "INTERNAL_ERROR: the video could not be generated."),
        ("INVALID_REQUEST_BODY", "Invalid request body."),
        ("5002", "RENDER_FAILED: content could not be written"),
        ("TIMEOUT", "the model is under moderate load, retry policy exhausted"),
        ("500", "context deadline exceeded, request rejected"),
        ("UNSUPPORTED", "Unsupported content-type of extendVideoUrl"),
    ],
)
def test_other_failures_are_not_taken_for_them(code, message):
    assert not about_words(code, message)


# Placeholders


def chapters_of(film):
    with av.open(str(film)) as container:
        return [chapter["metadata"]["title"] for chapter in container.chapters()]


TALE = [DAWN, STORM, CALM]
HOLD = {"on_failure": "placeholder"}


def test_a_placeholder_makes_the_film_and_what_follows_continues_the_last_segment(tmp_path):
    async def play():
        path = story_file(tmp_path, TALE, **HOLD)
        async with stage(tmp_path, faults={"job.failed": "@2"}) as at:
            outcome = await at.render(path)
            assert (outcome.status, outcome.error) == ("done", None)
            assert frames_of(outcome.film) == 3 * 4 * 24
            assert chapters_of(outcome.film) == ["s1", "s2 (placeholder)", "s3"]
            assert at.counts["accepted"] == 3
            calm, _, dawn = await at.jobs()
            assert dawn["id"] in calm["body"]["extendVideoUrl"]
            assert [step.action for step in outcome.steps] == [Action.REUSE, Action.PLACEHOLDER, Action.REUSE]
            assert not at.workspace.segment(outcome.steps[1].key).exists()
            (story,) = run_document([outcome], at.workspace)["stories"]
            assert [segment["status"] for segment in story["segments"]] == ["stored", "placeholder", "stored"]
            assert (story["segments"][1]["credits"], story["segments"][1]["path"]) == (0, None)
            assert "scene s2 is a placeholder: failed 1 of 1 tries: [CONTENT_MODERATED]" in story["warnings"][0]
            assert f"--retry-failed`: {2 * PRICE} credits" in story["warnings"][1]
            assert [event.scene for event in at.told if isinstance(event, ev.StoodIn)] == ["s2"]
            before, made = dict(at.counts), outcome.film.stat().st_mtime_ns
            again = await at.render(path)
            assert (again.status, dict(at.counts)) == ("done", before)
            assert again.film.stat().st_mtime_ns == made

    asyncio.run(play())


@pytest.mark.slow
def test_a_retry_that_succeeds_takes_the_placeholders_place_and_one_that_fails_changes_nothing(tmp_path):
    async def play():
        path = story_file(tmp_path, TALE, **HOLD)
        async with stage(tmp_path, faults={"job.failed": "@2,4"}) as at:
            first = await at.render(path)
            data = first.film.read_bytes()
            failed = await at.render(path, retry_failed=True)
            assert (failed.status, at.counts["accepted"]) == ("done", 4)
            assert failed.film.read_bytes() == data
            assert failed.steps[2].key == first.steps[2].key
            made = await at.render(path, retry_failed=True)
            assert (made.status, made.planned, made.spent, made.warnings) == ("done", 2 * PRICE, 2 * PRICE, ())
            assert at.counts["accepted"] == 6
            assert chapters_of(made.film) == ["s1", "s2", "s3"]
            calm, storm, *_ = await at.jobs()
            assert storm["id"] in calm["body"]["extendVideoUrl"]

    asyncio.run(play())


@pytest.mark.slow
def test_a_story_of_placeholders_only_is_still_a_film(tmp_path):
    scenes = [{**DAWN, "duration": "4s"}, {**STORM, "join": "cut"}]
    outcome, counts, _, _ = rendered(tmp_path, scenes, faults={"submit.400_words": 1.0}, top=HOLD)
    assert outcome.status == "done"
    assert (counts["accepted"], outcome.spent) == (0, 0)
    assert frames_of(outcome.film) == 2 * 4 * 24
    assert len(outcome.warnings) == 3


@pytest.mark.slow
def test_a_scene_that_must_be_had_stops_the_story_although_another_need_not(tmp_path):
    scenes = [DAWN, {**STORM, "join": "cut", "on_failure": "stop"}]
    outcome, counts, _, _ = rendered(tmp_path, scenes, faults={"job.failed": 1.0}, top=HOLD)
    assert outcome.status == "failed"
    assert "s2" in str(outcome.error)
    assert counts["accepted"] == 2
    assert outcome.film is None


@pytest.mark.slow
def test_placeholders_in_a_row_are_all_passed_over(tmp_path):
    scenes = [DAWN, STORM, {"id": "b", "prompt": "Thunder over the bay."}, {**CALM, "join": "last_frame"}]
    outcome, counts, _, _ = rendered(tmp_path, scenes, faults={"job.failed": "@2,3"}, top=HOLD)
    assert outcome.status == "done"
    assert counts["accepted"] == 4
    assert chapters_of(outcome.film) == ["s1", "s2 (placeholder)", "b (placeholder)", "s3"]
    assert outcome.steps[3].parent == outcome.steps[0].key


@pytest.mark.slow
def test_the_other_chains_go_on_when_a_scene_is_given_up(tmp_path):
    scenes = [DAWN, CALM, {**STORM, "join": "cut"}, {"id": "b", "prompt": "Thunder over the bay."}]
    outcome, counts, _, _ = rendered(tmp_path, scenes, faults={"job.failed": "@1"}, top=HOLD)
    assert outcome.status == "done"
    assert counts["accepted"] == 4
    assert sum(step.action is Action.PLACEHOLDER for step in outcome.steps) == 1


@pytest.mark.slow
def test_no_cap_is_passed_because_of_failures(tmp_path):
    scenes = [DAWN, {**STORM, "fallback_prompts": MILDER}, CALM]
    faults = {"job.failed": "@2,3,4"}
    outcome, counts, _, _ = rendered(tmp_path, scenes, faults=faults, top=HOLD, caps=Caps(run=4 * PRICE))
    assert isinstance(outcome.error, CapReached)
    assert counts["accepted"] == 4


@pytest.mark.slow
def test_a_placeholder_is_like_the_segments_around_it(tmp_path):
    outcome, _, _, _ = rendered(
        tmp_path, TALE, faults={"job.failed": "@2", "media.fps30": 1.0}, top={**HOLD, "aspect_ratio": "9:16"}
    )
    with av.open(str(outcome.film)) as film:
        picture = film.streams.video[0]
        assert (picture.width, picture.height, picture.average_rate) == (90, 160, 30)
    assert frames_of(outcome.film) == 3 * 4 * 30


# Crashes


class Stand:
    """A studio in which every job of some occasions fails, and a runner that can be killed at any outside act."""

    def __init__(self, folder, fault):
        home = folder / "studio"
        home.mkdir()
        self.studio = Studio(home, "--fault", fault)
        command = [sys.executable, "-m", "tests.crash_runner"]
        self.runner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.runner.stdin.close()
        self.runner.wait(timeout=30)
        self.runner.stdout.close()
        self.studio.close()

    def order(self, story, workspace, **death):
        told = {"workspace": str(workspace), "story": str(story), "base_url": self.studio.base_url, **death}
        self.runner.stdin.write(json.dumps(told) + "\n")
        self.runner.stdin.flush()
        return json.loads(self.runner.stdout.readline())

    def killed_everywhere(self, story, folder, acts):
        """Kill a run before and after each act in a workspace of its own, run again; the paid jobs of each."""
        for number, (act, occurrence, after) in enumerate(product(*acts, [False, True])):
            paid, workspace = self.studio.counts()["accepted"], folder / f"workspace{number}"
            died = self.order(story, workspace, act=act, occurrence=occurrence, after=after)
            again = self.order(story, workspace)
            told = (act, occurrence, after, again)
            if died["killed"]:
                yield told, self.studio.counts()["accepted"] - paid, Ledger(workspace / "ledger.sqlite3")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_between_a_refusal_and_the_next_words_it_goes_on_with_the_right_ones(tmp_path):
    story = story_file(tmp_path, [{**STORM, "fallback_prompts": MILDER[:1]}])
    acts = ["failed", "admit", "submit", "submitted", "completed", "stored"], [1, 2]
    killed = 0
    with Stand(tmp_path, "job.failed=@" + ",".join(map(str, range(1, 100, 2)))) as stand:
        for told, paid, ledger in stand.killed_everywhere(story, tmp_path, acts):
            killed += 1
            assert told[-1]["status"] == "done", told
            assert paid == 2, told
            words = [record.prompt for record in ledger.story_records("pictory", "tale") if record.job_id]
            assert words == [STORM["prompt"], MILDER[0]], told
            ledger.close()
    assert killed == 18


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_around_a_placeholder_nothing_is_paid_twice_and_the_film_is_the_same(tmp_path):
    story = story_file(tmp_path, TALE, **HOLD)
    acts = ["failed", "admit", "submit", "submitted", "stored", "remember_film"], [1, 3]
    killed = 0
    with Stand(tmp_path, "job.failed=@" + ",".join(map(str, range(2, 200, 3)))) as stand:
        for told, paid, ledger in stand.killed_everywhere(story, tmp_path, acts):
            assert told[-1]["status"] == "done", told
            assert paid == 3, told
            killed += 1
            ledger.close()
    films = [film.read_bytes() for film in tmp_path.glob("workspace*/films/tale.mp4")]
    assert len(films) >= killed > 12
    assert len(set(films)) == 1


# What people see


@pytest.mark.slow
def test_a_film_with_a_placeholder_is_done_and_a_person_notices(tmp_path):
    with opened_desk(tmp_path, "--fault", "job.failed=@2") as desk:
        story_file(desk.folder, TALE, **HOLD)
        done = desk.run("run", "tale.yaml", "--max-credits", "120", "--quiet")
        assert (done.returncode, done.stdout) == (0, f"{desk.folder}/films/tale.mp4\n")
        assert "tale/s2: a placeholder takes its place in the film: failed 1 of 1 tries" in done.stderr
        plan, status = desk.run("plan", "tale.yaml").stdout, desk.run("status", "tale.yaml").stdout
        assert "Nothing to pay" in plan
        assert "a free card stands in for it: failed 1 of 1 tries: [CONTENT_MODERATED]" in plan
        assert "done, 120 credits spent" in status
        assert "--retry-failed`: 80 credits" in status
        document = json.loads(desk.run("status", "tale.yaml", "--json").stdout)["stories"][0]
        assert (document["segments"][1]["status"], len(document["warnings"])) == ("placeholder", 2)
        asked = desk.run("run", "tale.yaml", "--retry-failed")
        assert asked.returncode == 5
        assert "--retry-failed --max-credits 80" in asked.stderr


def test_of_a_story_with_a_scene_that_is_given_up_nothing_is_priced_and_the_command_that_helps_is_named(tmp_path):
    with opened_desk(tmp_path, "--fault", "job.failed=@1") as desk:
        path = story_file(desk.folder, TALE)
        assert desk.run("run", path, "--max-credits", "120").returncode == 3
        (plan,) = json.loads(desk.run("plan", path, "--json").stdout)["stories"]
        assert [one["action"] for one in plan["scenes"]] == ["failed", "blocked", "blocked"]
        assert (plan["credits"], {one["credits"] for one in plan["scenes"]}) == (0, {0})
        said = desk.run("plan", path).stdout
        assert "scene s1 is given up, so nothing more is bought" in said
        assert "Nothing to pay." in said
        advice = f"`storychain run {path} --retry-failed` tries once more what was given up: 120 credits"
        assert advice in desk.run("status", path).stdout
        assert advice in desk.run("assemble", path).stderr
        stopped = desk.run("run", path, "--json")
        assert stopped.returncode == 3, stopped.stderr
        assert "3 scenes. Nothing to pay." in stopped.stderr
        assert json.loads(stopped.stdout)["stories"][0]["credits"] == {"planned": 0, "spent": 0}
        assert desk.studio.counts()["accepted"] == 1
        assert "--retry-failed --max-credits 120" in desk.run("run", path, "--retry-failed").stderr


def test_what_a_free_preview_advises_is_free_as_well(plain):
    path = story_file(plain.folder, [DAWN, STORM], **HOLD)
    preview = ["run", "tale.yaml", "--local", "--scale", "0.125", "--fault"]
    told = json.loads(plain.run(*preview, "job.failed=@2", "--json").stdout)["stories"][0]["warnings"]
    advice = f"or try again with `storychain run {path} --retry-failed --local`"
    assert told[-1].endswith(advice)
    status = plain.run("status", "tale.yaml", "--local").stdout
    assert advice in status
    assert "done, free preview\n" in status
    (plain.folder / "films" / "tale.mp4").unlink()
    for asked in (["--local"], []):  # without it as well, where the preview is all there is
        status = plain.run("status", "tale.yaml", *asked).stdout
        assert f"1 of 2 segments here; `storychain run {path} --local` goes on" in status


def test_the_hints_of_the_template_about_failures_work(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(
        re.sub(r"^    # (fallback_prompts:|  - She|on_failure:)", r"    \1", template("x"), flags=re.MULTILINE)
    )
    scene = load_story(path).scenes[-1]
    assert (len(scene.fallbacks), scene.on_failure) == (1, "placeholder")
    assert scene.fallbacks[0].endswith("gentle camera movement.")
