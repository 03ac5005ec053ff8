"""What must be true, whatever happens. Each has a name, a plain sentence and a function that looks.

What the API makes impossible to promise: its job list tells neither what was asked nor by whom. If a stranger's job
appears on the account while one of our answers is in doubt, and ours was never accepted, the stranger's is the only
candidate and is adopted; so its video may end up in the film. Nothing is paid twice by that. If ours was accepted too
there are two candidates, and a person is asked. A ledger put back from a copy has forgotten what failed tries have
cost; its caps count from what it knows. Assumed of the provider: a request is accepted at most a few seconds
after its connection ended, and the list shows a job within the rest of the settling time.
"""

import datetime
import sqlite3
from collections import Counter
from decimal import Decimal

from storychain.errors import AccountError, CapReached, GenerationFailed, Unresolved
from tests.world.account import PER_SECOND, frame

ADMITTED = 300
"""Seconds between a request's admission and its acceptance at most: what spans midnight counts for the day before."""

SENTENCES = {
    "written": "When a paid request leaves, its own attempt is in doubt, and no more of them than there are lanes.",
    "once": "No key has more than one job that did not fail, unless a person or the story said to buy it again.",
    "tries": "No key has more jobs than its story's attempts, unless a person said to buy it again.",
    "owned": "Every accepted job belongs to an attempt, or a question names it, or its attempt is still in doubt.",
    "caps": "No cap (run, story, day, month) is passed by what the provider's books took for it.",
    "books": "The ledger never says less than the books; where the provider tells its prices, it says the same.",
    "continues": "Each segment begins from the video or the last picture of the segment before it.",
    "film": "A film that is done is exactly its scenes' own segments in order.",
    "arrives": "In calm weather every story is done, unless its own failures, questions or caps or the quota stop it.",
    "questions": "A person is asked only where strangers, a removed file or several lanes leave no other way.",
    "words": "Only errors with a message for a person end a story; nothing else leaves the chain.",
    "outcome": "An outcome's status, film and error agree.",
    "silence": "No task's exception is dropped unseen.",
    "ends": "Every run ends.",
    "calm": "Nobody is cancelled who was not interrupted.",
}
"""Every invariant in a sentence."""


def rows(world, query, *values):
    """Ask the ledger's file, past the program."""
    connection = sqlite3.connect(world.ledger_path)
    try:
        connection.row_factory = sqlite3.Row
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()


def at_a_post(world, process, body):
    """Written before it is paid, and nothing else in doubt but in other lanes."""
    open_rows = rows(world, "SELECT request, run, lane FROM attempts WHERE state = 'intended'")
    mine = [row for row in open_rows if row["request"] == body["prompt"]]
    lanes = [row["lane"] for row in open_rows]
    # Takes side by side are asked for in the same words, and each may have a lane.
    if not mine or len(open_rows) > world.most_lanes or len(set(lanes)) != len(lanes):
        world.violated("written", f"{len(open_rows)} open, {len(mine)} of them for {body['prompt']!r} at a request")


def after_runs(world, processes):
    """What holds at any time: money, and how runs end."""
    _paid_once(world)
    caps_of_runs(world, processes)
    for process in processes:
        for outcome in process.outcomes:
            outcome_agrees(world, process, outcome)


def outcome_agrees(world, process, outcome):
    good = outcome.status == "done"
    agree = good == (outcome.error is None) and good == (outcome.film is not None)
    failed = isinstance(outcome.error, GenerationFailed)
    if not agree or (outcome.status == "failed") != failed:
        world.violated("outcome", f"{outcome.story.name}: {outcome.status}, {outcome.film}, {outcome.error}")


def ours(world):
    return [job for job in world.account.jobs if not job.stranger]


def _paid_once(world):
    _note_rejected(world)
    by_prompt = {}
    for job in ours(world):
        by_prompt.setdefault(job.prompt, []).append(job)
    for prompt, jobs in by_prompt.items():
        again = world.bought_again.get(prompt, 0)
        retaken = len(world.rejected[prompt])
        whole = [job for job in jobs if not job.fails]
        if len(whole) > 1 + again + retaken:
            world.violated("once", f"{prompt!r} was paid {len(whole)} times: {[job.id for job in whole]}")
        if len(jobs) > world.cast.attempts[prompt] + again and not world.restored:
            world.violated("tries", f"{prompt!r} was tried {len(jobs)} times")


def _note_rejected(world):
    """Note jobs given up for how they end; a ledger that was put back has forgotten them, the world has not."""
    for row in rows(world, "SELECT request, job_id FROM attempts WHERE code = 'REJECTED'"):
        world.rejected[row["request"]].add(row["job_id"])


def caps_of_runs(world, processes):
    for process in processes:
        cap = process.caps.run
        taken = sum((job.charged for job in ours(world) if job.poster is process), Decimal(0))
        if cap is not None and taken > cap:
            world.violated("caps", f"p{process.number} took {taken} of {cap}")


def at_the_end(world, process, history):
    """What holds when nothing is left to do."""
    _continues(world)
    money_at_the_end(world, history)
    for outcome in process.outcomes:
        if outcome.status == "done":
            _film(world, outcome)
        else:
            _stopped(world, history, outcome)
    if not process.outcomes:
        world.violated("arrives", f"the last run told nothing: {process.error}")


def money_at_the_end(world, history):
    """Every job is somebody's, and no cap was passed."""
    _owned(world)
    if not world.restored:  # a ledger that has forgotten does not know what failed tries have cost
        _books(world)
        _caps_of_stories(world)
        _caps_of_days(world, history)


def _owned(world):
    attempts = rows(world, "SELECT * FROM attempts")
    owned = {row["job_id"] for row in attempts}
    for job in ours(world):
        if job.fails and world.restored:
            continue  # forgotten, and there is nothing of it to give back
        if world.restored and world.rejected[job.prompt]:
            continue  # the copy holds the take before it, and a scene needs no two
        in_question = [row for row in attempts if job.id in (row["message"] or "")]
        in_doubt = [
            row for row in attempts if row["state"] in ("intended", "unresolved") and row["request"] == job.prompt
        ]
        if job.id not in owned and not in_question and not in_doubt and not world.bought_again.get(job.prompt):
            world.violated("owned", f"nobody knows of {job.id} for {job.prompt!r}")


def _continues(world):
    begun = {}
    for job in ours(world):
        begun.setdefault(job.prompt, []).append(job.video)
    strangers = {job.video for job in world.account.jobs if job.stranger}
    for job in ours(world):
        join, parent = world.cast.parents.get(job.prompt, (None, None))
        if parent is None:
            continue
        sources = {*begun.get(parent, ()), *strangers}
        fitting = {frame(data) for data in sources} if join == "last_frame" else sources
        if job.begins not in fitting:
            world.violated("continues", f"{job.prompt!r} begins from {job.begins!r:.60}")


def _books(world):
    taken = sum((job.charged for job in ours(world)), Decimal(0))
    query = "SELECT SUM(COALESCE(charged, quoted)) AS told FROM attempts WHERE state != 'refused'"
    told = Decimal(rows(world, query)[0]["told"] or 0) / 1000
    strangers = any(job.stranger for job in world.account.jobs)
    if told < taken and not strangers:
        world.violated("books", f"the provider took {taken}, the ledger says {told}")
    settled = not rows(
        world, "SELECT 1 FROM attempts WHERE state IN ('intended', 'submitted', 'unresolved', 'abandoned')"
    )
    if settled and world.account.weather.credits_told and not strangers and told != taken:
        world.violated("books", f"all is settled; the provider took {taken}, the ledger says {told}")


def _caps_of_stories(world):
    owner = {row["job_id"]: row["story"] for row in rows(world, "SELECT job_id, story FROM attempts")}
    for story in world.cast.stories:
        taken = sum((job.charged for job in ours(world) if owner.get(job.id) == story.name), Decimal(0))
        if story.budget is not None and taken > story.budget:
            world.violated("caps", f"{story.name} took {taken} of {story.budget}")


def _caps_of_days(world, history):
    if world.weather.clocks:
        return  # which day it is is then a matter of opinion
    days, months = Counter(), Counter()
    for job in ours(world):
        moment = datetime.datetime.fromtimestamp(job.accepted - ADMITTED, datetime.UTC)
        if moment.date() == datetime.datetime.fromtimestamp(job.accepted, datetime.UTC).date():
            days[moment.date()] += job.charged
            months[moment.year, moment.month] += job.charged
    for cap, spans in ((history.day, days), (history.month, months)):
        worst = max(spans, key=spans.get, default=None)
        if cap is not None and worst is not None and spans[worst] > cap:
            world.violated("caps", f"{worst} took {spans[worst]} of {cap}")


def _film(world, outcome):
    film_of(world, outcome, [_segments_of(world, prompt) for prompt in world.cast.scenes(outcome.story)])


def film_of(world, outcome, expected):
    """A film is its segments in order: of each, any of the videos it may be."""
    start = outcome.story.start
    if start is not None and start.include:
        source = start.sources[0]
        data = source.path.read_bytes() if source.path else world.cast.public["/start/start.mp4"]
        expected = [{data}, *expected]
    film = outcome.film.read_bytes()
    for segments in expected:
        found = next((data for data in segments if film.startswith(data)), None)
        if found is None:
            return world.violated("film", f"{outcome.story.name} goes on with {film[:50]!r}")
        film = film[len(found) :]
    if film:
        world.violated("film", f"{outcome.story.name} has {len(film)} bytes too many")
    return None


def _segments_of(world, prompt):
    """The videos a scene's segment may be: those of its own jobs, or a stranger's where the API left no way to tell."""
    return {job.video for job in world.account.jobs if (job.prompt == prompt and not job.fails) or job.stranger}


def _stopped(world, history, outcome):
    """Whether what stops a story in calm weather is what the books say."""
    story, error = outcome.story, outcome.error
    prompts = world.cast.scenes(story)
    match error:
        case GenerationFailed():
            failed = {prompt: sum(job.fails for job in ours(world) if job.prompt == prompt) for prompt in prompts}
            allowed = {scene.prompt: scene.attempts for scene in story.scenes}
            strangers = any(job.stranger and job.fails for job in world.account.jobs)
            fair = strangers or any(
                failed[prompt] + len(world.rejected[prompt]) >= allowed[prompt] for prompt in prompts
            )
        case CapReached():
            fair = _caps_are_reached(world, history, story)
        case AccountError():
            left = sum((_cost_left(world, each) for each in world.cast.stories), Decimal(0))
            fair = world.account.used + left > world.account.limit
        case Unresolved():
            fair = world.account.weather.retention is not None
        case _:
            fair = False
    if not fair:
        world.violated("arrives", f"{story.name} is {outcome.status}: {type(error).__name__} {error}")


def _cost_left(world, story):
    """Credits of the scenes a story still has to buy."""
    kept = {row["request"] for row in rows(world, "SELECT request FROM attempts WHERE state = 'stored'")}
    price = PER_SECOND[story.model]
    return sum((price * scene.seconds for scene in story.scenes if scene.prompt not in kept), Decimal(0))


def _caps_are_reached(world, history, story):
    """Whether what is left of a story would pass a cap; promised credits count as spent."""
    query = "SELECT story, COALESCE(charged, quoted) AS credits FROM attempts WHERE state != 'refused'"
    spent = Counter()
    for row in rows(world, query):
        spent[row["story"]] += Decimal(row["credits"]) / 1000
    left = _cost_left(world, story)
    others = sum((_cost_left(world, each) for each in world.cast.stories), Decimal(0))
    if story.budget is not None and spent[story.name] + left > story.budget:
        return True
    return any(cap is not None and spent.total() + others > cap for cap in (history.day, history.month))
