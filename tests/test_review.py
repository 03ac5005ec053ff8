"""The review page over real sockets: who gets in, what is served, what is never markup, how news arrive."""

import asyncio
import json
import re
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

import storychain
from storychain.ledger import Caps, Ledger, Purchase
from storychain.locks import lock_now
from storychain.provider import Job
from storychain.records import Chosen
from storychain.review.guard import Door
from storychain.review.live import News
from storychain.workspace import Workspace
from tests.reviewing import MARKUP, reviewing, tale
from tests.stage import story_file


@pytest.fixture(scope="module")
def page(shared_desk):
    """The page of a desk with one rendered story of three scenes."""
    tale(shared_desk)
    with reviewing(shared_desk) as review:
        review.let_in = review.client()
        yield review


def key_of(client, number=1):
    (first, *rest) = dict.fromkeys(re.findall(r"/stills/([0-9a-f]{32})/", client.get("/stories/tale").text))
    return [first, *rest][number - 1]


# Who gets in


def test_the_address_lets_one_browser_in_and_is_worth_nothing_then(page):
    again = httpx.get(page.address, follow_redirects=True)
    assert again.status_code == 401
    cookie = next(iter(page.let_in.cookies.jar))
    assert cookie.name.startswith("storychain_review_")
    assert page.let_in.get("/").status_code == 200


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_have_no_use_of(shared_desk):
    with reviewing(shared_desk) as review:
        answer = httpx.get(review.address)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie


@pytest.mark.parametrize(
    "path", ["/", "/stories/tale", "/spent", "/events", "/media/x.mp4", "/stories/tale/films/tale.mp4"]
)
def test_without_a_token_nothing_is_shown(page, path):
    assert httpx.get(page.origin + path).status_code == 401
    assert httpx.get(page.origin + path, params={"token": "guessed"}).status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1:1", "127.0.0.1.evil.example", ""])
def test_a_name_that_leads_here_from_elsewhere_is_refused(page, host):
    assert page.let_in.get("/", headers={"Host": host}).status_code == 400
    assert page.let_in.get("/static/review.css", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
    ],
)
def test_another_site_changes_nothing(page, headers):
    assert page.let_in.post("/stories/tale", headers=headers).status_code == 403


def test_a_post_of_our_own_gets_past_the_door(page):
    assert page.let_in.post("/stories/tale", headers={"Origin": page.origin}).status_code == 405


def test_others_are_let_in_only_where_that_was_said(shared_desk):
    refused = shared_desk.run("review", "--no-open", "--host", "0.0.0.0")
    assert refused.returncode == 2
    assert "--token" in refused.stderr
    with reviewing(shared_desk, "--host", "0.0.0.0", "--token") as review:
        here = review.address.replace("0.0.0.0", "127.0.0.1")
        for _ in range(2):
            assert httpx.get(here, follow_redirects=True).status_code == 200


# What is said of every answer


@pytest.mark.parametrize("path", ["/", "/stories/tale", "/stories/none", "/static/review.css"])
def test_nothing_foreign_is_loaded_or_run(page, path):
    answer = page.let_in.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize(
    "path", ["/", "/stories/tale", "/stories/tale/scenes/s1", "/stories/tale/seams/1", "/spent", "/stories/tale/scenes"]
)
def test_pages_hold_no_script_no_style_and_no_handler_of_their_own(page, path):
    text = page.let_in.get(path).text
    assert MARKUP not in text
    assert not re.search(
        r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=(?!alert)", text.replace("onerror=alert(1)", "")
    )
    if path != "/spent" and not path.endswith("seams/1"):
        assert "&lt;script&gt;" in text


def test_errors_are_pages_too(page):
    for path in ("/stories/none", "/stories/tale/scenes/none", "/stories/tale/seams/9", f"/media/{'0' * 32}.mp4"):
        answer = page.let_in.get(path)
        assert answer.status_code == 404
        assert "All stories" in answer.text


# Media


def test_a_video_is_served_in_ranges(page):
    client = page.let_in
    whole = client.get(f"/media/{key_of(client)}.mp4")
    assert whole.headers["content-type"] == "video/mp4"
    part = client.get(f"/media/{key_of(client)}.mp4", headers={"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert part.content == whole.content[10:20]
    film = client.get("/stories/tale/films/tale.mp4", headers={"Range": "bytes=0-3"})
    assert (film.status_code, len(film.content)) == (206, 4)


def test_a_still_is_small_and_drawn_once(page, shared_desk):
    client, key = page.let_in, key_of(page.let_in)
    answer = client.get(f"/stills/{key}/last-small.jpg")
    assert answer.headers["content-type"] == "image/jpeg"
    assert len(answer.content) < 40_000
    (drawn,) = (shared_desk.folder / ".storychain" / "thumbnails").glob(f"{key}-last-*.jpg")
    before = drawn.stat().st_mtime_ns
    assert client.get(f"/stills/{key}/last-small.jpg").content == answer.content
    assert drawn.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "path",
    [
        "/media/..%2f..%2fledger.sqlite3.mp4",
        "/media/../../etc/passwd",
        "/stills/..%2f..%2fx/first-small.jpg",
        "/static/..%2f..%2fguard.py",
        "/static/%2e%2e/guard.py",
    ],
)
def test_no_path_leads_to_the_disk(page, path):
    assert page.let_in.get(path).status_code in (400, 404)


# What is shown


def test_the_list_and_the_story_tell_how_things_stand(page):
    listed = page.let_in.get("/").text
    assert "3 of 3 scenes" in listed
    assert "120 credits" in listed
    story = page.let_in.get("/stories/tale").text
    assert story.count('class="tile') == 3
    assert 'data-chapter="3"' in story
    assert "s2, s3" in page.let_in.get("/stories/tale/scenes/s1").text  # they continue from it
    assert "120" in page.let_in.get("/spent").text


def test_what_inspect_measured_is_shown_and_nothing_is_measured_here(page, shared_desk):
    assert "storychain inspect" in page.let_in.get("/stories/tale").text
    assert shared_desk.run("inspect", "tale.yaml", "--no-pictures").returncode == 0
    story = page.let_in.get("/stories/tale").text
    assert '<svg class="drift"' in story
    assert "Loudness, LUFS" in page.let_in.get("/stories/tale/seams/1").text


def test_files_that_are_no_stories_are_passed_over_and_broken_ones_told(page, shared_desk):
    (shared_desk.folder / "compose.yaml").write_text("services: {}\n")
    (shared_desk.folder / "broken.yaml").write_text("title: x\nscenes:\n  - promt: <b>bold</b>\n")
    listed = page.let_in.get("/").text
    assert "compose" not in listed
    assert "did you mean &#39;prompt&#39;" in listed
    assert "<b>bold</b>" not in listed
    assert page.let_in.get("/stories/broken").status_code == 422
    (shared_desk.folder / "broken.yaml").unlink()
    assert "broken" not in page.let_in.get("/").text


def test_an_empty_folder_has_a_page_and_looking_makes_no_files(plain):
    with reviewing(plain) as review:
        client = review.client()
        assert "storychain new" in client.get("/").text
        assert "Nothing was spent yet" in client.get("/spent").text
    assert not (plain.folder / ".storychain").exists()


# What people say


def post(page, path, **fields):
    form = {"Origin": page.origin, "Content-Type": "application/x-www-form-urlencoded"}
    return page.let_in.post(path, data=fields, headers=form)


def test_a_verdict_and_a_comment_are_on_record_and_shown(page, shared_desk):
    about = f"/stories/tale/scenes/s1/takes/{key_of(page.let_in)}"
    done = post(page, f"{about}/verdict", verdict="rejected", note=f"too dark {MARKUP}")
    assert (done.status_code, done.url.path) == (200, "/stories/tale/scenes/s1")
    assert post(page, f"{about}/comment", text="the gull blinks", second="1.5").status_code == 200
    shown = page.let_in.get("/stories/tale/scenes/s1").text
    assert "too dark &lt;script&gt;" in shown
    assert 'data-at="1.5"' in shown
    told = json.loads(shared_desk.run("takes", "tale.yaml", "--json").stdout)
    (take,) = told["scenes"][0]["takes"]
    assert take["verdict"] == "rejected"
    assert [one["second"] for one in take["remarks"]] == [None, 1.5]
    post(page, f"{about}/verdict", verdict="approved")
    assert 'class="tag approved"' in page.let_in.get("/stories/tale").text


@pytest.mark.parametrize(
    ("what", "fields", "status"),
    [
        ("verdict", {"verdict": "perhaps"}, 400),
        ("comment", {"text": "  "}, 400),
        ("comment", {"text": "x", "second": "inf"}, 400),
        ("comment", {"text": "x" * 5000}, 400),
        ("comment", {"text": "x" * 70_000}, 413),
        ("comment", {"text": "x", "second": "500"}, 400),
        ("comment", {f"field-{n}": "x" for n in range(21)}, 400),
        ("erase", {}, 404),
    ],
)
def test_what_makes_no_sense_is_refused(page, what, fields, status):
    about = f"/stories/tale/scenes/s1/takes/{key_of(page.let_in)}"
    assert post(page, f"{about}/{what}", **fields).status_code == status


def test_a_take_nobody_bought_is_not_judged(page):
    assert post(page, f"/stories/tale/scenes/s1/takes/{'0' * 32}/verdict", verdict="approved").status_code == 400
    assert post(page, "/stories/tale/scenes/none/takes/x/verdict", verdict="approved").status_code == 400


def test_a_page_that_may_not_spend_has_no_way_to(page):
    assert page.let_in.get("/stories/tale/buy").status_code == 404
    assert post(page, "/stories/tale/buy", token="x").status_code == 404
    assert "--allow-spend" in page.let_in.get("/stories/tale/scenes/s1").text


# Buying


def until(true, seconds=40):
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.1)


def test_nothing_is_bought_without_a_cap(shared_desk):
    for arguments in (["--allow-spend"], ["--max-credits", "10"], ["--allow-spend", "--max-credits", "10", "--local"]):
        assert shared_desk.run("review", "--no-open", *arguments).returncode == 2


def offered(client, path):
    text = client.get(path).text
    return re.search(r'name="token" value="([^"]+)"', text), text


def test_a_price_is_agreed_to_once_and_the_cap_holds(desk):
    story_file(desk.folder, 2, name="bought")
    with reviewing(desk, "--allow-spend", "--max-credits", "100") as page:
        page.let_in = page.client()
        token, text = offered(page.let_in, "/stories/bought/buy")
        assert "80 credits" in text
        for _ in range(3):
            assert post(page, "/stories/bought/buy", token=token[1]).status_code == 200
        until(lambda: "2 of 2 scenes" in page.let_in.get("/stories/bought/row").text)
        until(lambda: "s-done" in page.let_in.get("/stories/bought/row").text)
        assert desk.studio.counts()["submits"] == 2
        # What is offered for one story buys nothing of another, and what was refused may be agreed to later.
        story_file(desk.folder, 1, name="other")
        token, _ = offered(page.let_in, "/stories/bought/buy")
        for _ in range(2):
            wrong = post(page, "/stories/other/buy", token=token[1])
            assert (wrong.status_code, "for another story" in wrong.text) == (409, True)
        assert post(page, "/stories/bought/buy", token=token[1]).status_code == 200
        # One more take of the first scene, with what continues it, is more than is left.
        token, text = offered(page.let_in, "/stories/bought/buy?scene=s1")
        assert token is None
        assert "more than this page may spend" in text
        assert post(page, "/stories/bought/buy", token="made-up").status_code == 409
        assert desk.studio.counts()["submits"] == 2


def test_a_retake_in_other_words_is_bought_and_another_take_shown(desk):
    story_file(desk.folder, 2, name="again")
    assert desk.run("run", "again.yaml", "--yes").returncode == 0
    with reviewing(desk, "--allow-spend", "--max-credits", "100") as page:
        page.let_in = page.client()
        scene = "/stories/again/scenes/s2"
        token, text = offered(page.let_in, "/stories/again/buy?scene=s2&prompt=A+lantern+on+the+quay.")
        assert "40 credits" in text
        with lock_now(Workspace(desk.folder / ".storychain").story_lock(desk.folder / "again.yaml", "again")):
            held = post(page, "/stories/again/buy", token=token[1])
        assert (held.status_code, "would not know of what is chosen now" in held.text) == (409, True)
        assert "A lantern on the quay." in text
        post(page, "/stories/again/buy", token=token[1])
        until(lambda: page.let_in.get(scene).text.count("<video") == 2)
        until(lambda: "s-done" in page.let_in.get("/stories/again/row").text)
        shown = page.let_in.get(scene).text
        assert "<ins>A lantern" in shown
        first = re.findall(r"takes/([0-9a-f]{32})/pick", shown)
        assert len(first) == 1
        assert post(page, f"{scene}/takes/{first[0]}/pick").status_code == 200
        assert re.findall(r"takes/([0-9a-f]{32})/pick", page.let_in.get(scene).text) != first
        assert desk.studio.counts()["submits"] == 3


def test_what_budget_or_caps_do_not_let_be_bought_is_not_offered(desk):
    path = story_file(desk.folder, 2, name="dear", budget=100)
    assert desk.run("run", path, "--yes").returncode == 0
    other = [{"id": f"s{n}", "prompt": f"Pier {n} of a harbour that no other story has."} for n in (1, 2, 3)]
    story_file(desk.folder, other, name="long", budget=100)
    with reviewing(desk, "--allow-spend", "--max-credits", "500") as page:
        client = page.client()
        for asked, spent in (("dear/buy?scene=s2", 80), ("long/buy", 0)):
            token, text = offered(client, f"/stories/{asked}")
            assert token is None
            assert f"budget is 100 credits: {spent} are spent" in text
            assert "<code>budget</code>" in text
        story_file(desk.folder, 2, name="dear", budget=120)
        assert offered(client, "/stories/dear/buy?scene=s2")[0]
    with reviewing(desk, "--allow-spend", "--max-credits", "500", STORYCHAIN_MAX_CREDITS_PER_DAY="100") as page:
        token, text = offered(page.client(), "/stories/dear/buy?scene=s2")
        assert token is None
        assert "cap leaves 20 credits, and scene s2 costs 40" in text


def test_what_was_wrong_with_a_rendering_is_told_until_the_story_stands_otherwise(desk):
    scenes = [
        {"id": "one", "prompt": "A bell on a buoy, rung by the swell.", "hold": True},
        {"id": "two", "prompt": "A dinghy follows the sound of it."},
    ]
    story_file(desk.folder, scenes, name="held")
    assert desk.run("run", "held.yaml", "--yes").returncode == 0
    told = '<p class="reason">scene one is not approved yet</p>'
    with reviewing(desk, "--allow-spend", "--max-credits", "80") as page:
        page.let_in = page.client()
        token, _ = offered(page.let_in, "/stories/held/buy")
        post(page, "/stories/held/buy", token=token[1])
        until(lambda: 'role="alert"' in page.let_in.get("/stories/held").text)
        shown = page.let_in.get("/stories/held").text
        assert told in shown
        assert "one</code> lets it go on." in shown
        assert "`" not in shown
        # What is said of a take is none of it, nor what becomes of other stories.
        key = re.search(r"/stills/([0-9a-f]{32})/", shown)[1]
        post(page, f"/stories/held/scenes/one/takes/{key}/comment", text="dark")
        story_file(desk.folder, [{"id": "s1", "prompt": "A slipway that no other story has."}], name="besides")
        assert desk.run("run", "besides.yaml", "--yes").returncode == 0
        assert told in page.let_in.get("/stories/held").text
        post(page, f"/stories/held/scenes/one/takes/{key}/verdict", verdict="approved")
        approved = page.let_in.get("/stories/held").text
        assert 'role="alert"' not in approved
        assert "40 credits to pay" in approved


# News


def test_a_film_that_is_on_record_only_after_it_is_in_place_is_seen(page, shared_desk):
    told = Ledger(shared_desk.folder / ".storychain" / "ledger.sqlite3")
    record = told.film(shared_desk.folder / "films" / "tale.mp4")
    told.remember_film(replace(record, recipe="another"), "tale", "x")
    assert "film to be joined" in page.let_in.get("/stories/tale/row").text
    told.remember_film(record, "tale", "x")
    assert "film to be joined" not in page.let_in.get("/stories/tale/row").text
    told.close()


def events(client, found, enough):
    with client.stream("GET", "/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line[6:]))
                if enough(found):
                    return


def test_what_another_process_does_is_news(page, shared_desk):
    story_file(shared_desk.folder, 1, name="later")
    page.let_in.get("/")
    found = []
    begun = threading.Event()

    def enough(found):
        begun.set()
        return "later" in found[-1] and found[-1]["later"] > min(one.get("later", 1e9) for one in found)

    listening = threading.Thread(target=events, args=(page.let_in, found, enough), daemon=True)
    listening.start()
    assert begun.wait(20)
    assert shared_desk.run("run", "later.yaml", "--yes").returncode == 0
    listening.join(20)
    assert not listening.is_alive(), found
    assert "1 of 1 scene" in page.let_in.get("/stories/later/row").text


def test_while_nobody_listens_nothing_is_looked_at():
    class Counted:
        looks = 0

        def look(self):
            self.looks += 1
            return {"tale": self.looks // 3}

    async def listened():
        views = Counted()
        news = News(views, each=0.01)
        told = []
        async with asyncio.timeout(10):
            listening = news.stream()
            async for event in listening:
                told.append(event)
                if len(told) == 3:
                    break
            await listening.aclose()
        await asyncio.sleep(0.1)
        seen = views.looks
        await asyncio.sleep(0.1)
        assert views.looks == seen
        assert news.listeners == 0
        assert told[0].startswith("retry: ")
        assert [json.loads(event.split("data: ")[1]) for event in told[1:]] == [{"tale": 0}, {"tale": 1}]

    asyncio.run(listened())


@pytest.mark.parametrize(
    ("host", "asked", "known"),
    [
        ("127.0.0.1", "localhost:8000", True),
        ("127.0.0.1", "LOCALHOST:8000", True),
        ("127.0.0.1", "[::1]:8000", True),
        ("127.0.0.1", "10.0.0.7:8000", False),
        ("0.0.0.0", "10.0.0.7:8000", True),
        ("0.0.0.0", "[fe80::1]:8000", True),
        ("0.0.0.0", "printer.local:8000", False),
        ("192.168.1.7", "192.168.1.7:8000", True),
        ("192.168.1.7", "192.168.1.8:8000", False),
        ("127.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1:08000", True),
        ("127.0.0.1", "127.0.0.1:8000@evil.example:8000", False),
    ],
)
def test_which_names_are_ours(host, asked, known):
    assert Door(host, 8000).knows_host(asked) is known


def test_a_token_never_leads_elsewhere(page):
    answer = httpx.get(f"{page.origin}//evil.example/x", params={"token": "x"}, cookies=page.let_in.cookies)
    assert (answer.status_code, answer.headers["location"]) == (303, "/evil.example/x")


@pytest.mark.slow
def test_what_the_page_needs_is_in_the_wheel(tmp_path):
    house = Path(storychain.__file__).parent
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, house.parent]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    shipped = [file for folder in ("templates", "static") for file in (house / "review" / folder).iterdir()]
    assert len(shipped) > 20
    assert {f"storychain/review/{file.parent.name}/{file.name}" for file in shipped} <= names


def test_the_page_closes_while_somebody_listens(shared_desk):
    begun = threading.Event()
    with reviewing(shared_desk) as review:
        listener = httpx.Client(base_url=review.origin, cookies=review.client().cookies, timeout=30)
        listening = threading.Thread(target=events, args=(listener, [], lambda _: begun.set()), daemon=True)
        listening.start()
        assert begun.wait(20)
    listening.join(10)
    assert not listening.is_alive()
    listener.close()


def test_what_others_write_is_seen_by_the_ledgers_version_and_pulse(tmp_path, url):
    ours, theirs = (Ledger(tmp_path / "ledger.sqlite3", url=url) for _ in range(2))
    versions = [ours.version()]
    assert ours.version() == versions[0]
    purchase = Purchase("k" * 32, "p", "tale", "s1", "run", "m", 4, "words", Decimal(1), ())
    attempt = theirs.admit(purchase, Caps(), 4).attempt
    versions.append(ours.version())
    pulses = [ours.pulse()[("p", "tale")]]
    theirs.submitted(attempt, "job")
    pulses.append(ours.pulse()[("p", "tale")])
    theirs.completed(attempt, Job("job", "completed", url="https://example.com/x.mp4"))
    pulses.append(ours.pulse()[("p", "tale")])
    ours.decisions.remark("p", "tale", "s1", "k" * 32, verdict="approved")
    versions.append(ours.version())
    theirs.decisions.choose("p", "tale", {"s1": Chosen(take=2)})
    versions.append(ours.version())
    assert len(set(versions)) == 4
    assert len(set(pulses)) == 3
    assert ours.decisions.pulse() == {("p", "tale"): 2}
    assert ours.records(["k" * 32, "none"]).keys() == {"k" * 32}
    for ledger in (ours, theirs):
        ledger.close()


# Films of other editions


def test_all_films_of_a_story_are_on_its_page(desk):
    """What was bought, a draft by another model and the free preview: each in the player, none in another's place."""
    path = tale(desk, 2)
    assert desk.run("run", path, "--yes", "--model", "pixverse5.5").returncode == 0
    assert desk.run("run", path, "--local").returncode == 0
    folder = desk.folder / "films"
    names = ["tale", "tale.pixverse5.5", "tale.preview"]
    with reviewing(desk, "--out", folder) as review:
        client = review.client()
        page = client.get("/stories/tale").text
        assert [page.count(f"/stories/tale/films/{name}.mp4") for name in names] == [1, 0, 0]
        for name in names:
            shown = client.get("/stories/tale", params={} if name == "tale" else {"film": name}).text
            assert f"/stories/tale/films/{name}.mp4" in shown
            assert "The scenes have changed since" not in shown
            assert shown.count('aria-current="true"') == 1
            assert client.get(f"/stories/tale/films/{name}.mp4").content == (folder / f"{name}.mp4").read_bytes()
        assert "free preview, " in page
        assert client.get("/stories/tale", params={"film": "../tale"}).status_code == 404
        (folder / "tale.preview.mp4").unlink()
        assert client.get("/stories/tale/films/tale.preview.mp4").status_code == 404
        assert "free preview, " not in client.get("/stories/tale").text


def test_a_row_that_is_added_to_a_table_is_a_story_at_once(desk):
    path = story_file(desk.folder, [{"prompt": "A ${animal} by the sea."}], vars={"animal": "dog"})
    table = desk.folder / "rows.csv"
    table.write_text("animal\ncat\n", "utf-8")
    with reviewing(desk, path, "--matrix", table) as review:
        client = review.client()
        before = client.get("/").text.count("data-story=")
        table.write_text("animal\ncat\nhorse\n", "utf-8")
        assert (before, client.get("/").text.count("data-story=")) == (1, 2)
