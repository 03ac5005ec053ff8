"""The report: files that open from disk, with everything in them, and nothing of them is markup but ours."""

import re
import shutil

import pytest

from tests.reviewing import MARKUP, tale
from tests.stage import story_file


@pytest.fixture(scope="module")
def rendered(shared_desk):
    tale(shared_desk)
    return shared_desk


def local_addresses(text):
    return {one for one in re.findall(r'(?:src|poster|data-src)="([^"]+)"', text) if not one.startswith("data:")}


def test_a_report_is_a_folder_that_has_all_it_shows(rendered):
    told = rendered.run("report", "tale.yaml")
    assert told.returncode == 0, told.stderr
    page = rendered.folder / told.stdout.strip()
    assert page == rendered.folder / "reports" / "tale" / "index.html"
    text = page.read_text()
    found = local_addresses(text)
    assert "media/film.mp4" in found
    assert all((page.parent / one).is_file() for one in found)
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    assert MARKUP not in text
    assert "120 credits spent" in text


def test_what_an_earlier_report_had_is_gone_from_the_next(rendered):
    assert rendered.run("report", "tale.yaml", "--out", "again").returncode == 0
    media = rendered.folder / "again" / "tale" / "media"
    old, foreign = media / f"{'0' * 32}-first-small.jpg", media / "notes.txt"
    for file in (old, foreign):
        file.write_bytes(b"x")
    assert rendered.run("report", "tale.yaml", "--out", "again").returncode == 0
    assert not old.exists()
    assert foreign.exists()


def test_a_single_file_holds_everything(rendered):
    told = rendered.run("report", "tale.yaml", "--single-file", "--out", "single")
    assert told.returncode == 0, told.stderr
    page = rendered.folder / "single" / "tale.html"
    assert told.stdout.strip() == "single/tale.html"
    text = page.read_text()
    assert not local_addresses(text)
    assert "data:video/mp4;base64," in text
    assert [one.name for one in page.parent.iterdir()] == ["tale.html"]


def test_several_stories_get_an_index(rendered):
    story_file(rendered.folder, 2, name="unbought")
    told = rendered.run("report", "tale.yaml", "unbought.yaml", "--out", "several")
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == "several/index.html"
    index = rendered.folder / "several" / "index.html"
    text = index.read_text()
    for address in re.findall(r'href="([^"#]+)"', text):
        assert (index.parent / address).is_file(), address
    assert all((index.parent / one).is_file() for one in local_addresses(text))
    assert "Nothing to see yet" in (index.parent / "unbought" / "index.html").read_text()


def test_only_our_own_script_may_run(rendered):
    import base64
    import hashlib

    rendered.run("report", "tale.yaml", "--out", "guarded")
    text = (rendered.folder / "guarded" / "tale" / "index.html").read_text()
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_a_story_that_cannot_be_read_is_told_before_anything_is_written(rendered):
    (rendered.folder / "wrong.yaml").write_text("scenes: 3\n")
    told = rendered.run("report", "wrong.yaml", "--out", "wrong")
    assert told.returncode == 2
    assert not (rendered.folder / "wrong").exists()


def test_a_report_needs_no_ffmpeg_and_no_network(rendered):
    shutil.rmtree(rendered.folder / ".storychain" / "thumbnails", ignore_errors=True)
    told = rendered.run("report", "tale.yaml", "--out", "offline", PICTORY_API_BASE_URL="http://127.0.0.1:9", PATH="")
    assert told.returncode == 0, told.stderr
