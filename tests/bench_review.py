"""How long the review page takes with many stories: `python -m tests.bench_review --stories 200 --scenes 20`.

The stories are bought on paper: their attempts are in the ledger and small files stand for their segments.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import httpx

from storychain.ledger import Caps, Ledger, Purchase
from storychain.plan import Facts, plan
from storychain.provider import Job
from storychain.story import load_story
from storychain.workspace import Workspace
from tests.desk import Desk
from tests.reviewing import Review
from tests.stage import story_file


class _Nowhere:
    base_url = "http://127.0.0.1:9"


def bought(folder: Path, stories: int, scenes: int) -> None:
    """Stories with all their segments on record."""
    workspace = Workspace(folder / ".storychain")
    ledger = Ledger(workspace.ledger)
    (folder / "stories").mkdir()
    workspace.segment("x").parent.mkdir(parents=True)
    for number in range(stories):
        told = [{"id": f"s{n}", "prompt": f"Scene {n} of story {number}, by the sea."} for n in range(scenes)]
        story = load_story(story_file(folder / "stories", told, name=f"story-{number:03}", title=f"Story {number}"))
        for step in plan(story, Facts("pictory")):
            purchase = Purchase(
                step.key,
                "pictory",
                story.name,
                step.scene.id,
                "bench",
                step.model,
                4,
                step.scene.prompt,
                Decimal(40),
                (),
            )
            attempt = ledger.admit(purchase, Caps(), 10**6).attempt
            ledger.submitted(attempt, f"job-{step.key}")
            ledger.completed(attempt, Job(f"job-{step.key}", "completed", url="http://127.0.0.1:9/x"))
            workspace.segment(step.key).write_bytes(b"segment")
            ledger.stored(attempt, hashlib.sha256(b"segment").hexdigest(), 7)
    ledger.close()


def timed(what: str, client: httpx.Client, path: str) -> None:
    begun = time.perf_counter()
    answer = client.get(path)
    took = time.perf_counter() - begun
    assert answer.status_code == 200
    print(f"{what:32} {took * 1000:7.0f} ms  {len(answer.content) / 1000:7.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stories", type=int, default=200)
    parser.add_argument("--scenes", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as named:
        folder = Path(named)
        bought(folder, options.stories, options.scenes)
        begun = time.perf_counter()
        review = Review(Desk(folder, _Nowhere()))
        print(f"{'from the command to its address':32} {(time.perf_counter() - begun) * 1000:7.0f} ms")
        client = review.client()
        timed("the list, first", client, "/")
        timed("the list, again", client, "/")
        timed("a story", client, "/stories/story-007")
        timed("a scene", client, "/stories/story-007/scenes/s7")
        timed("what was spent", client, "/spent")
        with (folder / "stories" / "story-007.yaml").open("a") as file:
            file.write("\n# changed\n")
        timed("the list, one story changed", client, "/")
        review.close()


if __name__ == "__main__":
    main()
