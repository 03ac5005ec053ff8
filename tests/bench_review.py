"""How long the review page takes with many stories: `python -m tests.bench_review --stories 200 --scenes 20`.

The stories are bought on paper: their attempts are in the ledger, and one small video stands for all their segments.
Where there is a Chromium, it says how soon there is something to see, and how smoothly the list scrolls.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import statistics
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import httpx
from playwright.sync_api import sync_playwright

from storychain.ledger import Caps, Ledger, Purchase
from storychain.plan import Facts, plan
from storychain.provider import Job
from storychain.story import load_story
from storychain.workspace import Workspace
from tests import clips
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
    video = clips.make(folder / "segment.mp4", seconds=4, size=(320, 180)).read_bytes()
    sha256 = hashlib.sha256(video).hexdigest()
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
            workspace.segment(step.key).write_bytes(video)
            ledger.stored(attempt, sha256, len(video))
    ledger.close()


def timed(what: str, client: httpx.Client, path: str) -> None:
    begun = time.perf_counter()
    answer = client.get(path)
    took = time.perf_counter() - begun
    assert answer.status_code == 200
    print(f"{what:32} {took * 1000:7.0f} ms  {len(answer.content) / 1000:7.0f} kB")


_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
_LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
_SCROLL = """() => new Promise((done) => {
  const gaps = [];
  let last = performance.now();
  const step = (now) => {
    gaps.push(now - last);
    last = now;
    const before = scrollY;
    scrollBy({ top: 60, behavior: "instant" });
    if (scrollY === before) done(gaps.slice(1)); else requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""
_PAGES = {"the list": "/", "a story": "/stories/story-007", "a scene": "/stories/story-007/scenes/s7"}


def looked_at(review: Review) -> None:
    """What a browser says."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("no Chromium: how soon it shows something is not measured")
        return
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800}, base_url=review.origin)
        page.goto(review.address)
        for what, path in _PAGES.items():
            painted, loaded = [], []
            for _ in range(5):
                page.goto(path, wait_until="load")
                page.wait_for_timeout(200)
                painted.append(page.evaluate(_PAINTED))
                loaded.append(page.evaluate(_LOADED))
            first, all_ = statistics.median(painted), statistics.median(loaded)
            print(f"{what + ', first paint':32} {first:7.0f} ms    all of it {all_:7.0f} ms")
        page.goto("/")
        gaps = sorted(page.evaluate(_SCROLL))
        usual, late = statistics.median(gaps), gaps[len(gaps) * 99 // 100]
        print(f"{'scrolling the list, a frame':32} {usual:7.0f} ms    99 % in     {late:7.0f} ms")
        print(f"{'':32} {len(gaps)} frames, {sum(gap > 50 for gap in gaps)} over 50 ms, {gaps[-1]:.0f} ms at most")
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stories", type=int, default=200)
    parser.add_argument("--scenes", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as named:
        folder = Path(named)
        bought(folder, options.stories, options.scenes)
        begun = time.perf_counter()
        review = Review(Desk(folder, _Nowhere()), "--host", "127.0.0.1", "--token")
        print(f"{'from the command to its address':32} {(time.perf_counter() - begun) * 1000:7.0f} ms")
        looked_at(review)
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
