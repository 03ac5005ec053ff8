"""What is advised is given word for word: by a shell that takes spaces apart, for the film that was meant."""

import html
import json
import re
import shlex

from tests.reviewing import reviewing
from tests.stage import story_file

TALE = [{"id": "one", "prompt": "A ${what} at dawn."}, {"id": "two", "prompt": "The same ${what} at noon."}]


def advised(text):
    """The commands in backquotes, as the words that a shell makes of them."""
    return [shlex.split(words) for words in re.findall(r"`storychain ([^`]+)`", text)]


def test_a_story_in_a_folder_with_a_space_of_another_model_and_a_table_is_advised_as_it_was_given(plain):
    folder = plain.folder / "Mara's tales"
    folder.mkdir()
    path = story_file(folder, TALE, vars={"what": "harbour"})
    table = plain.folder / "all of them.csv"
    table.write_text("name,what\nsea,sea\n", "utf-8")
    meant = ["--model", "veo3.1", "--matrix", table]
    status = plain.run("status", path, "--local", *meant)
    assert status.returncode == 0, status.stderr
    (words,) = advised(status.stdout)
    assert words == ["run", str(path), "--local", *map(str, meant)]
    (elsewhere,) = advised(plain.run("status", path, "--local", "--workspace", "a b", "--out", "c").stdout)
    assert elsewhere == ["run", str(path), "--local", "--workspace", "a b", "--out", "c"]
    followed = plain.run(*words, "--scale", "0.125")
    assert followed.returncode == 0, followed.stderr
    assert followed.stdout == f"{plain.folder}/films/tale-sea.veo3.1.mp4\n"
    for command in (["export", path, "--to", "edl", "--model", "veo3.1"], ["inspect", path]):
        refused = plain.run(*command)
        assert refused.returncode != 0
        (words,) = advised(refused.stderr)
        assert words[:2] == ["run", str(path)]
        assert words[2:] == (command[4:] if command[0] == "export" else [])


def test_a_new_storys_first_command_is_advised_so_that_it_works(plain):
    (plain.folder / "new tales").mkdir()
    made = plain.run("new", "new tales/tale")
    (words,) = advised(made.stderr)
    assert words == ["run", "new tales/tale.yaml", "--local"]
    assert plain.run("check", words[1]).returncode == 0


def test_a_story_that_waits_for_a_person_is_not_said_to_go_on_by_a_run(plain):
    path = story_file(plain.folder, [{**TALE[0], "hold": True, "prompt": "A harbour."}, {**TALE[1], "prompt": "Noon."}])
    waiting = plain.run("run", path, "--local", "--scale", "0.125")
    assert waiting.returncode == 0, waiting.stderr
    status = plain.run("status", path, "--local").stdout
    assert "1 of 2 segments here; scene one is not approved yet" in status
    assert "goes on" not in status
    (told,) = json.loads(plain.run("status", path, "--local", "--json").stdout)["stories"]
    assert [(one["status"], one["action"]) for one in told["segments"]] == [("stored", "reuse"), ("planned", "hold")]


def test_a_scene_of_a_row_is_approved_and_taken_again_as_it_is_advised(plain):
    """Of a table one row is meant, and nothing of the others is chosen or rendered."""
    path = story_file(plain.folder, [{**TALE[0], "hold": True}, TALE[1]], name="towns", vars={"what": "harbour"})
    table = plain.folder / "towns.csv"
    table.write_text("name,what\nsea,sea\nhill,hill\n", "utf-8")
    waiting = plain.run("run", path, "--local", "--scale", "0.125", "--matrix", table)
    approving = [words for words in advised(waiting.stderr) if words[0] == "approve"]
    row = ["--local", "--matrix", str(table), "--row"]
    assert sorted(approving) == [["approve", str(path), "one", *row, f"towns-{name}"] for name in ("hill", "sea")]
    which = plain.run("approve", path, "one", "--local", "--matrix", table)
    assert (which.returncode, "which row is meant? towns-sea, towns-hill" in which.stderr) == (2, True), which.stderr
    said = plain.run(*max(approving))
    assert said.returncode == 0, said.stderr
    listed = json.loads(plain.run("takes", path, *row, "towns-hill", "--json").stdout)
    assert [take["verdict"] for take in listed["scenes"][0]["takes"]] == [None]
    again = plain.run("retake", path, "two", *row, "towns-sea", "--scale", "0.125")
    assert again.stdout == f"{plain.folder}/films/towns-sea.mp4\n", again.stderr
    with reviewing(plain, path, "--matrix", table, "--local") as review:
        client = review.client()
        page = html.unescape(client.get("/stories/towns-sea/scenes/two").text)
        assert f"storychain retake {path.name} two --local --matrix {table} --row towns-sea" in page
        page = html.unescape(client.get("/stories/towns-sea").text)
        assert f"storychain inspect {path.name} --local --matrix {table}" in page


def test_of_several_stories_or_none_it_is_asked_which_is_meant(plain):
    several = plain.folder / "several"
    several.mkdir()
    for name in ("a", "b"):
        story_file(several, TALE[:1], name=name, vars={"what": "harbour"})
    for command in (["takes"], ["pick", "one", "1"], ["promote", "--model", "veo3.1"], ["export", "--to", "edl"]):
        refused = plain.run(command[0], several, *command[1:])
        assert (refused.returncode, "which story is meant? a, b" in refused.stderr) == (2, True), refused.stderr
    none = plain.run("takes", "-", stdin="")
    assert (none.returncode, "no story is named" in none.stderr) == (2, True), none.stderr


def test_who_did_not_ask_for_the_free_preview_is_told_that_it_is_meant(plain):
    path = story_file(plain.folder, [{**TALE[0], "prompt": "A pier that nobody else has."}], name="stand-in")
    assert plain.run("run", path, "--local", "--scale", "0.125").returncode == 0
    words = "storychain: stand-in: nothing of it is bought; this is its free preview\n"
    gate = plain.run("inspect", path, "--no-pictures", "--json", "--fail-on", "black-seam")
    assert (gate.returncode, gate.stderr) == (0, words)
    assert json.loads(gate.stdout)["stories"][0]["preview"] is True
    listed = plain.run("takes", path, "--json")
    assert (listed.stderr, json.loads(listed.stdout)["preview"]) == (words, True)
    written = plain.run("export", path, "--to", "csv", "--json")
    assert (written.stderr, json.loads(written.stdout)["preview"]) == (words, True)
    for command in (["approve", path, TALE[0]["id"]], ["report", path]):
        assert plain.run(*command).stderr.startswith(words)
    assert plain.run("takes", path, "--local").stderr == ""
