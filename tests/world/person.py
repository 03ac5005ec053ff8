"""The person whom the program asks: reads each question, looks into the account, and says what is true."""

from storychain.ledger import Purchase
from storychain.plan import Facts, keys
from tests.world.invariants import ours, rows


def answer_questions(world):
    """Settle every question truthfully; how many there were."""
    if not world.ledger_path.exists():
        return 0
    asked = rows(world, "SELECT * FROM attempts WHERE state = 'unresolved'")
    ledger = world.program.ledger(world.ledger_path, lambda: world.now)
    forgotten = ledger.lost_attempts()
    for row in asked:
        _fair_question(world, row)
    for row in asked:
        _settle(world, ledger, row)
    if forgotten:
        _remind(world, ledger)
    ledger.close()
    return len(asked) + bool(forgotten)


def _settle(world, ledger, row):
    """Say which job an attempt is, or have it bought again where there is none."""
    mine = [job for job in _unowned(world, besides=row["id"]) if job.prompt == row["request"]]
    if mine and row["job_id"] != mine[-1].id:
        world.tell(f"a person adopts {mine[-1].id} for {row['request']!r}")
        ledger.adopt(row["id"], mine[-1].id)
    else:
        world.tell(f"a person has {row['request']!r} bought again")
        world.bought_again[row["request"]] = world.bought_again.get(row["request"], 0) + 1
        ledger.abandon(row["id"])


def _unowned(world, besides=0):
    """Our jobs whose video can still be had and that belong to no attempt but the one told."""
    owned = {row["job_id"] for row in rows(world, "SELECT job_id FROM attempts WHERE id != ?", besides)}
    return [job for job in ours(world) if job.id not in owned and not world.account.is_cleaned(job, world.now)]


_NAMING = "SELECT 1 FROM attempts WHERE message LIKE ?"


def _fair_question(world, row):
    """Whether the provider's books leave no other way than to ask."""
    named = [job for job in world.account.jobs if job.id in (row["message"] or "") or job.id == row["job_id"]]
    foreign = any(job.stranger for job in named)
    removed = any(world.account.is_cleaned(job, world.now) for job in named)
    # Of several requests whose answers were lost at once nobody can tell from here which job is whose.
    several = world.most_lanes > 1 and any(job.prompt != row["request"] for job in named)
    shared = world.most_lanes > 1 and len(rows(world, _NAMING, *[f"%{job.id}%" for job in named[:1]])) > 1
    if not foreign and not removed and not world.restored and not several and not shared:
        world.violated("questions", f"{row['request']!r}: {row['message']}")


def _remind(world, ledger):
    """Give a ledger that was put back from a copy the jobs it has forgotten; once all are given, the rest is accepted.

    The newest come first, as they are shown: what was bought again was bought because the one before it was no good.
    A scene that follows another job cannot take one: that is left until a run has seen how the other one ended.
    """
    given = [_give(world, ledger, job) for job in reversed(_unowned(world)) if not job.fails]
    if all(given):
        world.tell("a person accepts what else was forgotten")
        ledger.accept_loss()
        _accept_the_gone(world)


def _accept_the_gone(world):
    """A forgotten job whose video is gone at the provider can be given to no scene: accepting is to buy it again."""
    owned = {row["job_id"] for row in rows(world, "SELECT job_id FROM attempts")}
    for job in ours(world):
        if job.id not in owned and not job.fails and world.account.is_cleaned(job, world.now):
            world.bought_again[job.prompt] = world.bought_again.get(job.prompt, 0) + 1


def _give(world, ledger, job):
    """Say which scene a forgotten job has made; whether that is now on record."""
    purchase = _purchase_of(world, job)
    record = ledger.record(purchase.key)
    world.tell(f"a person says that {job.id} is {job.prompt!r}, which is {record.state}")
    if record.state in ("none", "failed", "refused", "abandoned"):
        ledger.take_over(purchase, job.id)
    elif record.state in ("intended", "unresolved"):
        ledger.adopt(record.attempt, job.id)
    else:
        return record.state != "submitted"
    return True


def _purchase_of(world, job):
    """What a job was bought for, as the program would call it."""
    for story in world.cast.stories:
        for scene, key in zip(story.scenes, keys(story, Facts("pictory", start=world.start_of(story))), strict=True):
            if scene.prompt == job.prompt:
                return Purchase(
                    key=key,
                    provider="pictory",
                    story=story.name,
                    scene=scene.id,
                    run="adopted",
                    model=story.model,
                    seconds=scene.seconds,
                    prompt=scene.prompt,
                    price=job.price,
                    watermark=(),
                )
    raise LookupError(job.prompt)
