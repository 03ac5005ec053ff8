"""The house guards itself: which room may import which, the one door to each outside thing, and what is nowhere."""

import ast
import functools
import gc
import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import storychain
from storychain import errors

HOUSE = Path(storychain.__file__).parent
TESTS = Path(__file__).parent
MODULES = sorted(HOUSE.rglob("*.py"))

WORDS = {"errors", "catalogue", "printable", "records", "provider"}
"""Rooms with nothing but words in them: whoever needs them may use them, as long as they use only each other."""

MAY_IMPORT = {
    "errors": set(),
    "catalogue": {"errors"},
    "printable": set(),
    "records": set(),
    "provider": {"errors"},
    "locks": set(),
    "syncing": set(),
    "serving": {"errors"},
    "workspace": {"errors", "locks", "syncing"},
    "settings": {"errors", "catalogue", "printable"},
    "story": {"errors", "catalogue", "printable"},
    "plan": {"errors", "catalogue", "printable", "records", "story"},
    "standing": {"plan"},
    "takes": {"errors", "catalogue", "records", "story", "plan"},
    "ledger": {"errors", "records", "provider", "locks", "syncing"},
    "lettering": set(),
    "media": {"errors", "lettering", "syncing"},
    "pictory": {"errors", "printable", "provider", "locks", "syncing"},
    "studio": {"errors", "catalogue", "lettering", "locks", "serving"},
    "export": {"errors", "media"},
    "workers": {"errors", "ledger"},
    "store": {"errors", "printable", "syncing"},
    "hooks": {"errors", "serving"},
    "chain": WORDS | {"hooks", "plan", "takes", "story", "ledger", "media", "export", "locks", "store", "workspace"},
    "directing": WORDS | {"plan", "takes", "story", "ledger", "chain", "workspace"},
    "report": WORDS | {"plan", "story", "ledger", "chain", "workspace"},
    "review": WORDS
    | {"plan", "standing", "takes", "directing", "story", "ledger", "media", "chain", "export", "locks", "workspace"}
    | {"report", "serving"},
    "unattended": WORDS | {"plan", "chain", "report"},
    "commands": WORDS
    | {
        "plan",
        "standing",
        "takes",
        "directing",
        "story",
        "ledger",
        "media",
        "locks",
        "terminal",
        "workspace",
        "settings",
        "pictory",
        "studio",
        "chain",
        "export",
        "workers",
        "store",
        "hooks",
        "report",
        "review",
        "unattended",
        "cli",
    },
    "arguments": set(),
    "terminal": {"printable"},
    "cli": {"errors", "terminal", "arguments"},
    "__main__": {"cli"},
    "api": WORDS | {"plan", "story", "chain", "commands", "arguments", "cli"},
    "__init__": {"api"},
}
"""Imports run one way. `commands` may see `cli` for its parser alone; `cli` opens commands by name, when asked for."""

DOORS = {
    "yaml": {"story"},
    "httpx": {"pictory", "studio", "unattended"},
    "tenacity": {"pictory"},
    "sqlite3": {"ledger"},
    "psycopg": {"ledger"},
    "pgqueuer": {"workers"},
    "temporalio": {"workers"},
    "fsspec": {"store"},
    "av": {"media", "studio"},
    "ffmpeg": {"media", "studio"},
    "imageio_ffmpeg": {"media"},
    "subprocess": {"media", "studio"},
    "starlette": {"serving", "studio", "hooks", "review"},
    "uvicorn": {"serving", "studio"},
    "jinja2": {"review"},
    "markupsafe": {"review"},
    "PIL": {"lettering", "media", "studio"},
    "rich": {"report"},
    "dotenv": {"settings"},
    "shtab": {"commands"},
    "argparse": {"arguments", "cli", "commands", "api"},
    "fcntl": {"locks"},
    "opentimelineio": {"export"},
    "c2pa": {"export"},
    "cryptography": {"export"},
    "apprise": {"unattended"},
}
"""Each outside thing, and the rooms that have a door to it. The studio is the other side of the wire, with its own.
So are monitors: what is said to them goes nowhere near the API's key and its law of what may be sent twice."""


def room(path: Path) -> str:
    first = path.relative_to(HOUSE).parts[0]
    return first.removesuffix(".py")


@functools.cache
def tree(path: Path) -> ast.Module:
    # What is thrown away meanwhile may be told with a traceback, for which Python 3.11 parses, too: it cannot do both.
    gc.disable()
    try:
        return ast.parse(path.read_text("utf-8"))
    finally:
        gc.enable()


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every absolute module name a file imports, type checking and lazy imports included, with its line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            if node.module == "storychain":
                yield from ((node.lineno, f"storychain.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, str(node.module)


def named(path: Path) -> str:
    return str(path.relative_to(HOUSE.parent))


def told(offenders: Iterable[str]) -> None:
    """Fail with every offender, a line each."""
    found = list(offenders)
    assert not found, "\n" + "\n".join(found)


def test_imports_run_one_way():
    told(
        f"{named(path)}:{line}: {room(path)} may not import {parts[1]}"
        for path in MODULES
        for line, name in imported(path)
        if (parts := name.split("."))[0] == "storychain"
        and len(parts) > 1
        and parts[1] not in (room(path), "__version__")
        and parts[1] not in MAY_IMPORT[room(path)]
    )


def test_each_outside_thing_has_one_door():
    told(
        f"{named(path)}:{line}: {name} belongs to {doors}"
        for path in MODULES
        for line, name in imported(path)
        if (doors := DOORS.get(name.split(".")[0])) and room(path) not in doors
    )


def test_every_room_is_on_the_map():
    assert {room(path) for path in MODULES} == set(MAY_IMPORT)


def test_a_module_says_what_lives_there():
    told(named(path) for path in MODULES if not ast.get_docstring(tree(path)))


def test_modules_and_functions_stay_small():
    told(named(path) for path in MODULES if len(path.read_text("utf-8").splitlines()) > 400)
    told(
        f"{named(path)}:{node.lineno} {node.name} is long"
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno > 60
    )


def catches_everything(node: ast.AST) -> bool:
    """Whether this is an `except` that keeps whatever it catches."""
    if not isinstance(node, ast.ExceptHandler):
        return False
    wide = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
    return wide and not any(isinstance(part, ast.Raise) and part.exc is None for part in ast.walk(node))


def test_everything_is_caught_in_one_place_only():
    told(
        f"{named(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(tree(path))
        if catches_everything(node) and named(path) != "storychain/cli.py"
    )


def test_the_environment_is_read_where_commands_are():
    told(
        f"{named(path)} reads {name}"
        for path in MODULES
        for name in ("os.environ", "os.getenv", "sys.argv", "sys.exit")
        if room(path) not in ("cli", "commands") and name in path.read_text("utf-8")
    )


def test_names_say_what_things_are():
    vague = re.compile(r"(Manager|Helper|Service|Handler|Util)s?$")
    told(named(path) for path in MODULES if path.stem in ("utils", "util", "common", "misc", "helpers"))
    told(
        f"{named(path)}:{node.lineno} {node.name}"
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and vague.search(node.name)
    )


def all_errors() -> list[type[errors.StorychainError]]:
    return [
        item for item in vars(errors).values() if inspect.isclass(item) and issubclass(item, errors.StorychainError)
    ]


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_speaks_and_has_a_code_scripts_know(kind):
    error = kind("what happened", where="the place", next_step="what to do")
    assert str(error) == "the place: what happened\n  what to do"
    assert kind.exit_code in {1, 2, 3, 4, 5, 6, 7, 75, 130}
    assert inspect.getdoc(kind)


def test_what_a_package_offers_is_sorted_and_there():
    for path in HOUSE.rglob("__init__.py"):
        for node in tree(path).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names = ast.literal_eval(node.value)
                assert names == sorted(names, key=lambda name: (name.islower(), not name.isupper(), name))


def test_tests_patch_nothing():
    banned = re.compile(r"unittest\.mock|monkeypatch\.setattr|\bmocker\b")
    for path in TESTS.rglob("*.py"):
        if path != Path(__file__):
            assert not banned.search(path.read_text("utf-8")), path.name


def test_nothing_is_left_unfinished():
    unfinished = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")
    for path in MODULES:
        assert not unfinished.search(path.read_text("utf-8")), named(path)
