"""What is advised is given word for word: by a shell that takes spaces apart, for the film that was meant."""

import re
import shlex

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
