"""Files made aside: whole or not at all, nothing left lying about, and the place of a film tried before it is paid."""

import os
import time

import pytest

from storychain.chain.preflight import check_place
from storychain.errors import DiskTrouble, UsageError
from storychain.media.aside import folder_aside, write_whole


def test_a_file_is_written_over_an_older_one_in_one_step(tmp_path):
    path = tmp_path / "new" / "folder" / "it's a page.html"
    write_whole(path, b"first")
    with path.open("rb") as older:
        write_whole(path, b"second")
        assert older.read() == b"first"
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_others_may_read_stays_one(tmp_path):
    write_whole(tmp_path / "page", b"for a web server")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "page").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(DiskTrouble, match="Is a directory") as caught:
        write_whole(tmp_path / "taken", b"text")
    assert caught.value.where == str(tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_what_a_killed_process_left_is_swept_a_day_later(tmp_path):
    old, fresh, folder = tmp_path / ".making-old", tmp_path / ".making-fresh", tmp_path / ".making-folder"
    old.write_bytes(b"half")
    fresh.write_bytes(b"half")
    folder.mkdir()
    (folder / "half").write_bytes(b"half")
    yesterday = time.time() - 25 * 3600
    for left in (old, folder):
        os.utime(left, (yesterday, yesterday))
    with folder_aside(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".making-fresh"]


def test_a_name_of_a_film_is_tried_unless_it_is_as_plain_as_one_that_was_taken(tmp_path):
    films = tmp_path / "films"
    check_place(films / "tale.mp4")
    check_place(films / "another-tale_2.mp4")
    with pytest.raises(UsageError, match="File name too long"):
        check_place(films / f"{'é' * 125}.mp4")
    (films / "tale.mp4").mkdir()
    with pytest.raises(UsageError, match=r"tale\.mp4 is a folder"):
        check_place(films / "tale.mp4")
    (films / "tale.mp4").rmdir()
    films.rmdir()
    films.write_text("no folder any more")
    with pytest.raises(UsageError, match="it is a file"):
        check_place(films / "tale.mp4")
