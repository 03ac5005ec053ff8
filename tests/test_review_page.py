"""The review page in a real browser: Debian's Chromium, driven by Playwright.

Left out where there is no Chromium; where CI is set it has to be there.
"""

import os
import shutil
import time

import pytest

from tests.reviewing import MARKUP, Review, reviewing, tale
from tests.stage import story_file

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "no Chromium is installed (apt-get install chromium): the review page is not tested in a browser"

if CHROMIUM is None and os.environ.get("CI") != "true":
    pytest.skip(MISSING, allow_module_level=True)

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

SERIOUS = ("serious", "critical")
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def browser():
    assert CHROMIUM is not None, MISSING
    with playwright.sync_playwright() as driver:
        # Its sandbox wants rights that containers have not.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--mute-audio"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def review(shared_desk):
    tale(shared_desk)
    assert shared_desk.run("inspect", "tale.yaml", "--no-pictures").returncode == 0
    review = Review(shared_desk, "--host", "127.0.0.1", "--token")
    yield review
    review.close()


@pytest.fixture
def opened(browser, review):
    """Open a path in a new page; whatever the page complains of fails the test."""
    contexts, complaints = [], []

    def open_(path, size=DESK, **options):
        context = browser.new_context(viewport=size, base_url=review.origin, **options)
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{path}?token={review.address.partition('token=')[2]}")
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.reload()
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not complaints


def until(page, true, seconds=15):
    """Wait for something in the page. Playwright's own way of it asks for `eval`, which our pages forbid."""
    ends = time.monotonic() + seconds
    while not page.evaluate(true):
        assert time.monotonic() < ends, true
        page.wait_for_timeout(20)


def ready(page):
    """Wait until the page's script has run and every video shows a picture."""
    page.wait_for_load_state()
    until(page, "[...document.querySelectorAll('video')].every((one) => one.readyState >= 2)")


def test_the_address_bar_keeps_no_token(browser, review):
    page = browser.new_page()
    page.goto(review.address)
    assert page.url == f"{review.origin}/"
    page.close()


def test_a_film_plays_and_seeks(opened):
    page = opened("/stories/tale")
    ready(page)
    page.keyboard.press("Space")
    until(page, "document.querySelector('video').currentTime > 0.4")
    page.keyboard.press("k")
    assert page.evaluate("document.querySelector('video').paused")
    page.get_by_role("link", name="Scene 3, s3: ready").first.click()
    until(page, "Math.abs(document.querySelector('video').currentTime - 8) < 0.2")
    page.wait_for_selector(".tile.here[data-scene='3']")
    page.locator("[data-scrub]").fill("0.25")
    until(page, "Math.abs(document.querySelector('video').currentTime - 3) < 0.1")
    page.wait_for_selector(".tile.here[data-scene='1']")


def test_frames_are_stepped_one_by_one(opened):
    page = opened("/stories/tale")
    ready(page)
    fps = page.evaluate("Number(document.querySelector('[data-player]').dataset.fps)")
    frame = f"Math.floor(document.querySelector('video').currentTime * {fps} + 0.01)"
    for count in (1, 2, 3):
        page.keyboard.press(".")
        until(page, f"{frame} === {count}")
    page.keyboard.press(",")
    until(page, f"{frame} === 2")
    assert page.locator("[data-time]").first.evaluate("(one) => one.value") == "00:00:00:02"


def test_it_is_shuttled_by_j_k_and_l(opened):
    page = opened("/stories/tale")
    ready(page)
    page.keyboard.press("l")
    page.keyboard.press("l")
    assert page.evaluate("document.querySelector('video').playbackRate") == 2
    until(page, "document.querySelector('video').currentTime > 1")
    page.keyboard.press("j")
    until(page, "document.querySelector('video').currentTime < 0.6")
    page.keyboard.press("k")


def test_without_a_film_scenes_play_in_a_row(opened, shared_desk):
    story_file(shared_desk.folder, 3, name="short")
    assert shared_desk.run("run", "short.yaml", "--yes", "--select", "short:+s2").returncode == 0
    page = opened("/stories/short")
    ready(page)
    page.keyboard.press("]")
    page.wait_for_selector(".tile.here[data-scene='2']")
    page.keyboard.press("[")
    page.wait_for_selector(".tile.here[data-scene='1']")
    page.locator("[data-scrub]").fill("0.45")
    page.keyboard.press("Space")
    page.wait_for_selector(".tile.here[data-scene='2']")


def test_a_seam_is_looped_and_flipped(opened):
    page = opened("/stories/tale/seams/1")
    ready(page)
    page.keyboard.press("x")
    page.wait_for_selector("video.shown[data-side=after]")
    page.keyboard.press("Space")
    page.wait_for_selector("video.shown[data-side=before]")
    page.wait_for_selector("video.shown[data-side=after]")
    page.wait_for_selector("video.shown[data-side=before]")


def test_an_approval_survives_a_reload_and_a_comment_leads_to_its_second(opened):
    page = opened("/stories/tale/scenes/s2")
    ready(page)
    page.get_by_label("Note on take 1").fill(MARKUP)
    page.get_by_role("button", name="Approve").click()
    page.locator(".tag.approved").first.wait_for()
    page.reload()
    page.locator(".tag.approved").first.wait_for()
    ready(page)
    for _ in range(3):
        page.keyboard.press(".")
    # All three steps have to be told: after the first one the field says less than what is waited for below.
    until(page, "document.querySelector('[data-second]').value > 0.1")
    page.get_by_label("Comment on take 1").fill("here it blinks")
    page.get_by_role("button", name="Comment").click()
    page.get_by_text("here it blinks").wait_for()
    ready(page)
    page.locator("[data-at]").click()
    until(page, "document.querySelector('video').currentTime > 0.1")
    assert MARKUP in page.locator("main").inner_text()


def test_what_one_said_oneself_is_no_news_and_what_others_say_is(opened, shared_desk):
    story_file(shared_desk.folder, [{"id": "s1", "prompt": "A weir that no other story has."}], name="mine")
    assert shared_desk.run("run", "mine.yaml", "--yes").returncode == 0
    page = opened("/stories/mine/scenes/s1")
    page.wait_for_selector(".live.on")
    news = "new Promise((told) => new EventSource('/events').addEventListener('serials', () => told(1)))"
    for word, said in (("Reject", "rejected"), ("Approve", "approved")):
        page.get_by_role("button", name=word).click()
        page.locator(f"h3 .tag.{said}").wait_for()
        page.wait_for_selector(".live.on")
        page.evaluate(news)  # the page's own come before these
        assert page.locator("[data-changed]").is_hidden()
    assert shared_desk.run("reject", "mine.yaml", "s1").returncode == 0
    page.locator("[data-changed]").wait_for()


def test_takes_play_in_step(opened, shared_desk):
    story_file(shared_desk.folder, [{"id": "s1", "prompt": "A pier that no other story has."}], name="twice")
    assert shared_desk.run("run", "twice.yaml", "--yes").returncode == 0
    assert shared_desk.run("retake", "twice.yaml", "s1", "--yes").returncode == 0
    page = opened("/stories/twice/scenes/s1")
    ready(page)
    assert page.locator("video").count() == 2
    page.keyboard.press("Space")
    until(page, "Math.min(...[...document.querySelectorAll('video')].map((one) => one.currentTime)) > 0.6")
    page.keyboard.press("k")
    times = "[...document.querySelectorAll('video')].map((one) => one.currentTime)"
    apart = f"(Math.max(...{times}) - Math.min(...{times}))"
    assert page.evaluate(apart) < 0.15
    page.locator("[data-scrub]").fill("0.5")
    until(page, f"{apart} === 0 && document.querySelector('video').currentTime > 1.9")


def test_news_arrive_without_being_asked_for(opened, shared_desk):
    story_file(shared_desk.folder, 1, name="soon")
    page = opened("/stories/soon")
    page.wait_for_selector(".live.on")
    assert shared_desk.run("run", "soon.yaml", "--yes").returncode == 0
    page.wait_for_selector(".standing .s-done", timeout=15_000)
    page.wait_for_selector("[data-player]", timeout=15_000)


def test_a_new_story_appears_in_the_list(opened, shared_desk):
    page = opened("/")
    page.wait_for_selector(".live.on")
    path = story_file(shared_desk.folder, 1, name="fresh", title="Freshly written")
    page.get_by_role("link", name="Freshly written").wait_for(timeout=15_000)
    page.evaluate("document.body.dataset.same = '1'")
    assert shared_desk.run("run", "fresh.yaml", "--yes").returncode == 0
    page.locator(".row", has_text="Freshly written").locator(".s-done").wait_for(timeout=15_000)
    assert page.evaluate("document.body.dataset.same") == "1"  # the row was renewed, not the page
    path.unlink()
    page.get_by_role("link", name="Freshly written").wait_for(state="detached", timeout=15_000)


def test_a_long_list_shows_strips_as_one_comes_to_them(browser, desk):
    for number in range(40):
        story_file(desk.folder, 2, name=f"story-{number:02}", title=f"Story {number}")
    with reviewing(desk) as review:
        page = browser.new_page(viewport=DESK)
        page.goto(review.address)
        page.wait_for_selector(".live.on")
        assert page.locator(".row").count() == 40
        last = page.locator(".row").last
        assert last.locator(".tile").count() == 0
        last.scroll_into_view_if_needed()
        last.locator(".tile").first.wait_for()
        page.close()


@pytest.mark.parametrize("path", ["/", "/stories/tale", "/stories/tale/scenes/s1"])
def test_markup_in_a_story_stays_text(opened, path):
    page = opened(path)
    page.wait_for_timeout(300)
    assert page.title() != "owned"
    assert page.locator("main script, main img[src=x]").count() == 0
    assert "<script>" in page.locator("main").inner_text()


PATHS = ("/", "/stories/tale", "/stories/tale/scenes/s1", "/stories/tale/seams/1", "/spent")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_nobody_is_shut_out(opened, path, size):
    """What axe finds, wide and narrow; and a phone never scrolls sideways."""
    from axe_playwright_python.sync_playwright import Axe

    page = opened(path, size)
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found if one["impact"] in SERIOUS]
    assert not serious
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= size["width"]


def test_the_keyboard_gets_everywhere_and_is_seen(opened):
    page = opened("/stories/tale")
    ready(page)
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        told = page.evaluate(
            "(() => { const one = document.activeElement; if (one === document.body) return null;"
            " one.dataset.reached = '1'; const drawn = getComputedStyle(one);"
            " return drawn.outlineStyle !== 'none' && drawn.outlineWidth !== '0px'; })()"
        )
        if told is None:
            break
        assert told, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        reached.add(page.evaluate("document.activeElement.outerHTML"))
    missed = page.evaluate(
        "[...document.querySelectorAll('main a[href], button, input, select, summary')]"
        ".filter((one) => one.offsetParent && !one.dataset.reached && !one.disabled).map((one) => one.outerHTML)"
    )
    assert not missed
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog[open]", state="detached")


def test_who_wants_no_motion_gets_none(opened):
    page = opened("/", reduced_motion="reduce")
    moving = (
        "[...document.querySelectorAll('*')].filter((one) => getComputedStyle(one).animationName !== 'none').length"
    )
    assert page.evaluate(moving) == 0


@pytest.mark.parametrize("single", [False, True], ids=["folder", "single"])
def test_a_report_plays_from_disk(browser, review, shared_desk, single):
    out = "single" if single else "folder"
    told = shared_desk.run("report", "tale.yaml", "--out", out, *["--single-file"] * single)
    page = browser.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto((shared_desk.folder / told.stdout.strip()).as_uri())
    ready(page)
    page.keyboard.press("Space")
    until(page, "document.querySelector('video').currentTime > 0.2")
    page.keyboard.press("Space")
    page.locator("[data-scrub]").fill("0.9")
    until(page, "document.querySelector('video').currentTime > 10")
    assert page.evaluate("[...document.images].every((one) => one.loading === 'lazy' || one.naturalWidth > 0)")
    assert not complaints
    page.close()
