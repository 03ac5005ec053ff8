"""storychain as a library: awaited, watched event by event, stopped, and refused without consent."""

import asyncio
import json
import subprocess
import sys
from decimal import Decimal

import pytest

import storychain
import storychain.api
from storychain.chain import events as ev
from storychain.errors import ConsentNeeded, Interrupted, InvalidStory, UsageError
from tests.desk import KEY
from tests.monitors import monitor
from tests.stage import FFMPEG, story_file


@pytest.fixture
def home(desk, monkeypatch):
    """The desk's folder and studio, as this process' own."""
    monkeypatch.chdir(desk.folder)
    for name, value in desk.environ(PICTORY_API_KEY=KEY, STORYCHAIN_FFMPEG=str(FFMPEG)).items():
        monkeypatch.setenv(name, value)
    return desk


def test_a_story_is_rendered_and_watched(home):
    path = story_file(home.folder, 2)

    async def play():
        async with storychain.rendering(path, max_credits=80) as running:
            seen = [event async for event in running]
            (outcome,) = await running.outcomes()
        return outcome, seen

    outcome, seen = asyncio.run(play())
    assert (outcome.status, outcome.spent) == ("done", Decimal(80))
    assert outcome.film.exists()
    kinds = [type(event) for event in seen]
    assert kinds[0] is ev.StoryBegan
    assert kinds.count(ev.Stored) == 2
    assert ev.FilmReady in kinds
    heard = []
    (again,) = asyncio.run(storychain.render(storychain.load(path), on_event=heard.append))
    assert (again.status, again.spent) == ("done", Decimal(0))
    assert [type(event) for event in heard] == [ev.FilmReady]
    assert home.studio.counts()["accepted"] == 2


def test_rows_of_a_program_make_a_film_each_and_share_what_they_ask_for_alike(home):
    scenes = [{"prompt": "A quay by night."}, {"prompt": "${who} buys ${loaves} loaves."}]
    path = story_file(home.folder, scenes, vars={"who": "Somebody", "loaves": "no"})
    rows = [{"name": "ada", "who": "Ada", "loaves": 3}, {"who": None, "loaves": float("nan")}]
    stories = storychain.load_rows(path, rows)
    outcomes = asyncio.run(storychain.render(*stories, max_credits=120))
    assert [outcome.film.name for outcome in outcomes] == ["tale-ada.mp4", "tale-002.mp4"]
    assert [story.scenes[1].prompt for story in stories] == ["Ada buys 3 loaves.", "Somebody buys no loaves."]
    assert home.studio.counts()["accepted"] == 3
    table = home.folder / "rows.csv"
    table.write_text("name,who,loaves\nada,Ada,3\n")
    (again,) = asyncio.run(storychain.render(*storychain.load_rows(path, table)))
    assert (again.status, again.spent) == ("done", Decimal(0))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "at least one row"),
        ([{"who": ["a"]}], "row 1: who is neither a text nor a number"),
        ([{"who": True}], "row 1: who is neither a text nor a number"),
        ([{"who": "a"}, {"whom": "b"}], "no variable 'whom'"),
        ([{"name": "a"}, {"name": "a"}], "the rows: the name 'a' is there 2 times"),
        ([{1: "a"}], "row 1: the name 1 is no text"),
        ([{"who": "a\0"}], "row 1: column 'who' holds the control character U+0000"),
    ],
)
def test_rows_that_are_none_are_refused(home, rows, says):
    path = story_file(home.folder, [{"prompt": "${who} walks."}], vars={"who": "Somebody"})
    with pytest.raises(UsageError) as caught:
        storychain.load_rows(path, rows)
    assert says in str(caught.value)


def test_nothing_is_spent_without_consent(home):
    path = story_file(home.folder, 2)
    assert [str(step.action) for step in storychain.plan_of(path)] == ["submit", "submit"]
    with pytest.raises(ConsentNeeded) as caught:
        asyncio.run(storychain.render(path))
    assert "80 credits" in str(caught.value)
    assert "max_credits=" in str(caught.value)
    with pytest.raises(ConsentNeeded):
        asyncio.run(storychain.render(path, max_credits=79))
    with pytest.raises(UsageError):
        asyncio.run(storychain.render())
    (home.folder / "bad.yaml").write_text("scenes: 3")
    with pytest.raises(InvalidStory):
        asyncio.run(storychain.render("bad.yaml", any_price=True))
    assert home.studio.counts()["submits"] == 0


def test_leaving_early_stops_in_good_order_and_the_next_run_goes_on(home):
    path = story_file(home.folder, 3)

    async def play():
        async with storychain.rendering(path, any_price=True) as running:
            async for event in running:
                if isinstance(event, ev.Submitted):
                    return

    asyncio.run(play())
    (outcome,) = asyncio.run(storychain.render(path, max_credits=80))
    assert outcome.status == "done"
    assert home.studio.counts()["accepted"] == 3


def test_an_error_of_who_listens_is_raised(home):
    """By the iterator, or where nobody iterates on leaving the block; once."""
    path = story_file(home.folder, 1)

    def trips(event):
        if isinstance(event, ev.StoryBegan):
            raise LookupError("a listener of mine")

    async def heard(watch):
        async with storychain.rendering(path, max_credits=40, on_event=trips) as running:
            await watch(running)
        return running

    async def iterates(running):
        assert [type(event) async for event in running] == [ev.StoryBegan]

    async def waits(running):
        with pytest.raises(LookupError):
            await running.outcomes()
        assert [type(event) async for event in running] == [ev.StoryBegan]

    async def looks_away(_):
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})

    async def leaves_at_once(running):
        async for event in running:
            assert isinstance(event, ev.StoryBegan)
            return

    for watch in (iterates, looks_away, leaves_at_once):
        with pytest.raises(LookupError, match="a listener of mine"):
            asyncio.run(heard(watch))
    asyncio.run(heard(waits))
    assert home.studio.counts()["submits"] == 0


def test_what_was_left_early_has_outcomes_as_an_interrupted_run_has(home):
    done, path = story_file(home.folder, 1, name="first"), story_file(home.folder, 3)
    asyncio.run(storychain.render(done, max_credits=40))

    async def play(leave_at):
        async with storychain.rendering(path, done, path, any_price=True) as running:
            async for event in running:
                if isinstance(event, leave_at):
                    break
        return await running.outcomes(), [event async for event in running]

    async def left_at_once():
        async with storychain.rendering(path, any_price=True) as running:
            pass
        return await running.outcomes()

    (left,) = asyncio.run(left_at_once())
    assert (left.status, left.spent, left.error.exit_code) == ("stopped", 0, 130)
    outcomes, _ = asyncio.run(play(ev.Submitted))
    assert [one.status for one in outcomes] == ["stopped", "done", "stopped"]
    assert isinstance(outcomes[0].error, Interrupted)
    assert outcomes[0].spent == Decimal(40)
    assert outcomes[1].film.exists()


def test_whoever_the_settings_name_is_told(home, monkeypatch, capfd):
    path = story_file(home.folder, 1)

    async def left_early():
        async with storychain.rendering(path, max_credits=40) as running:
            async for event in running:
                if isinstance(event, ev.Submitted):
                    return

    with monitor() as check, monitor() as service:
        (home.folder / "storychain.toml").write_text(
            f'log_file = "log.jsonl"\nmetrics_file = "m.prom"\nping_url = "{check.origin}/a-check"\n'
            f'notify = ["{service.origin.replace("http", "json")}"]\n'
        )
        with pytest.raises(ConsentNeeded):
            asyncio.run(storychain.render(path))
        asyncio.run(left_early())
        asyncio.run(storychain.render(path, local=True, out="previews"))
        asyncio.run(storychain.render(path, max_credits=40))
        monkeypatch.setenv("STORYCHAIN_LOG_FILE", "nowhere/log.jsonl")
        with pytest.raises(UsageError, match="the log file cannot be written"):
            asyncio.run(storychain.render(path, max_credits=40))
    log = [json.loads(line) for line in (home.folder / "log.jsonl").read_text("utf-8").splitlines()]
    assert [one["exit_code"] for one in log if one["event"] == "RunEnded"] == [5, 130, 0, 0]
    assert len({one["run"] for one in log}) == 4
    assert [one["job_id"] for one in log if one["event"] == "Submitted" and one["credits"]]
    assert check.paths == ["/a-check/5", "/a-check/start", "/a-check/130", "/a-check/start", "/a-check", "/a-check/2"]
    assert [heard.json["title"] for heard in service.heard] == [
        "storychain: not run (exit code 5)",
        "storychain: 1 stopped (exit code 130)",
        "storychain: not run (exit code 2)",
    ]
    assert "storychain_run_credits_spent" in (home.folder / "m.prom").read_text("utf-8")
    assert capfd.readouterr() == ("", "")


def test_parts_and_previews(home):
    path = story_file(home.folder, 2)
    (part,) = asyncio.run(storychain.render(path, select=["tale:s1"], max_credits=40))
    assert (part.film, part.error.exit_code) == (None, 0)
    (preview,) = asyncio.run(storychain.render(path, local=True, out="previews"))
    assert preview.film.parent.name == "previews"
    assert home.studio.counts()["accepted"] == 1


REFUSED = [
    ({"model": "veo9"}, "unknown model 'veo9'"),
    ({"max_credit": 5}, "Did you mean 'max_credits'?"),
    ({"modle": "pixverse5.5"}, "Did you mean 'model'?"),
    ({"json": True}, "there is no option 'json'"),
    ({"verbose": True}, "there is no option 'verbose'"),
    ({"matrix": "x.csv"}, "load_rows(story, table) makes a story of each row"),
    ({"yes": True}, "any_price=True"),
    ({"help": True}, "there is no option 'help'"),
    ({"max_credits": -5}, "--max-credits: '-5' is not a number of credits"),
    ({"max_credits": "abc"}, "'abc' is not a number of credits"),
    ({"max_credits": float("nan")}, "'nan' is not a number of credits"),
    ({"max_credits": True}, "max_credits: True is not a number"),
    ({"any_price": 1}, "any_price: 1 is not True or False"),
    ({"local": "yes"}, "local: 'yes' is not True or False"),
    ({"jobs": False}, "jobs: False is not a number"),
    ({"poll": "soon"}, "'soon' is not a number"),
    ({"select": []}, "nothing is selected"),
    ({"select": "tale:s9"}, "has no scene 's9'"),
]


def test_options_that_cannot_be_meant_are_refused_in_silence(home, capfd):
    path = story_file(home.folder, 1)
    for options, words in REFUSED:
        for ask in (storychain.plan_of, lambda *given, **told: asyncio.run(storychain.render(*given, **told))):
            with pytest.raises(UsageError) as caught:
                ask(path, **options)
            assert words in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert home.studio.counts()["submits"] == 0


def test_what_is_planned_is_what_is_bought(home):
    """By another model, of one scene, and of a story that is given twice."""
    path = story_file(home.folder, 2, duration="8s", model="veo3.1")
    draft = {"model": "pixverse5.5", "select": "tale:s1"}
    assert [(step.scene.id, step.credits) for step in storychain.plan_of(path, **draft)] == [("s1", Decimal("12.8"))]
    assert storychain.plan_of(path, resume_only=True) == ()
    read = storychain.load(path)
    twice = (path, f"./nowhere/../{path.name}", read)
    (home.folder / "nowhere").mkdir()
    outcomes = asyncio.run(storychain.render(*twice, max_credits=26, model="pixverse5.5"))
    assert [(outcome.status, outcome.spent) for outcome in outcomes] == [("done", Decimal("25.6"))] * 3
    assert {outcome.film.name for outcome in outcomes} == {"tale.pixverse5.5.mp4"}
    assert home.studio.counts()["accepted"] == 2
    story_file(home.folder, 1)
    with pytest.raises(UsageError, match="is given twice, and not with the same words"):
        asyncio.run(storychain.render(read, path, any_price=True))
    (home.folder / "other").mkdir()
    with pytest.raises(UsageError, match=r"would both become tale\.mp4"):
        asyncio.run(storychain.render(path, story_file(home.folder / "other", 1), any_price=True))
    assert home.studio.counts()["submits"] == 2


def test_importing_it_is_quick_and_typed():
    command = [sys.executable, "-c", "import storychain, sys; print(len(sys.modules), storychain.__version__)"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(told[0]) < 150
    assert (storychain.__file__ and __import__("pathlib").Path(storychain.__file__).with_name("py.typed")).exists()
    assert sorted(storychain.__all__) == sorted([*storychain.api.__all__, "__version__"])
    with pytest.raises(AttributeError):
        _ = storychain.rendr
