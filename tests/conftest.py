"""What holds for every test: nothing of the person's own settings reaches them, and renders are shared."""

import os
import shutil

import pytest

OWN = [name for name in os.environ if name.startswith(("STORYCHAIN_", "PICTORY_")) and name != "STORYCHAIN_TEST_RUN"]


def pytest_configure(config: pytest.Config) -> None:
    for name in OWN:
        if name != "STORYCHAIN_FFMPEG":
            del os.environ[name]
    os.environ.setdefault("STORYCHAIN_TEST_RUN", str(os.getpid()))


def pytest_unconfigure(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        from tests.stage import RENDERS

        shutil.rmtree(RENDERS, ignore_errors=True)
