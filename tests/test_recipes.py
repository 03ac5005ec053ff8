"""The recipes beside the stories run as they are written, where their engine is installed."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.stage import story_file

RECIPES = dict(
    re.findall(
        r"### (\w+)\n\n```python\n(.*?)```",
        (Path(__file__).parent.parent / "stories" / "README.md").read_text(),
        re.DOTALL,
    )
)

CALLED = {
    "Celery": "app.conf.task_always_eager = True\nfilms = [render.delay(path, local=True).get() for path in paths]",
    "Dask": "films = films(paths, local=True)",
    "Ray": "ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)\nfilms = films(paths, local=True)",
}


def test_there_is_a_recipe_an_engine():
    assert RECIPES.keys() == CALLED.keys()


@pytest.mark.slow
@pytest.mark.parametrize("engine", CALLED)
def test_a_recipe_renders(desk, engine):
    if find_spec(engine.lower()) is None:
        pytest.skip(f"{engine} is not installed")
    for name in ("one", "two"):
        story_file(desk.folder, 1, name=name)
    called = "if __name__ == '__main__':\n    paths = ['one.yaml', 'two.yaml']\n"
    called += "".join(f"    {line}\n" for line in CALLED[engine].splitlines())
    (desk.folder / "recipe.py").write_text(f"{RECIPES[engine]}\n{called}    print(*films, sep='\\n')\n")
    environ = {**desk.environ(), "PYTHONPATH": ":".join(sys.path[1:]), "CELERY_BROKER": "memory://"}
    command = [sys.executable, "recipe.py"]
    done = subprocess.run(
        command, cwd=desk.folder, env=environ, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    films = [Path(line) for line in done.stdout.splitlines() if line.endswith(".mp4")]
    assert [film.name for film in films] == ["one.mp4", "two.mp4"]
    assert all(film.exists() for film in films)
