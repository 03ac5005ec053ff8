"""What holds for every test: nothing of the person's own settings reaches them, and renders are shared."""

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import BINARIES, MISSING, Cluster, opened_cluster
from tests.desk import Desk, opened_desk
from tests.stage import RENDERS

OURS = ("STORYCHAIN_TEST_RUN", "STORYCHAIN_FUZZ")
OWN = [name for name in os.environ if name.startswith(("STORYCHAIN_", "PICTORY_")) and name not in OURS]


def pytest_configure(config: pytest.Config) -> None:
    for name in OWN:
        if name != "STORYCHAIN_FFMPEG":
            del os.environ[name]
    os.environ.setdefault("STORYCHAIN_TEST_RUN", str(os.getpid()))


def pytest_unconfigure(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(RENDERS, ignore_errors=True)


class Unheard(logging.Handler):
    """Keeps what asyncio says of tasks and futures whose failure nobody asked for, when they are thrown away."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().endswith("exception was never retrieved"):
            self.said.append(self.format(record))


@pytest.fixture(scope="session")
def unheard() -> Iterator[Unheard]:
    handler = Unheard()
    logging.getLogger("asyncio").addHandler(handler)
    yield handler
    logging.getLogger("asyncio").removeHandler(handler)


@pytest.fixture(autouse=True)
def no_failure_goes_unheard(unheard: Unheard) -> Iterator[None]:
    """A task that fails and is not asked may be a payment that went wrong unseen. It is found whenever it is thrown
    away, so perhaps a test or two after the one that began it: the message names it."""
    yield
    said, unheard.said = unheard.said, []
    assert not said, "\n".join(said)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk with a studio of its own."""
    with opened_desk(tmp_path) as desk:
        yield desk


@pytest.fixture(scope="module")
def shared_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that the tests of a module share: for those that only look at what lies on it."""
    with opened_desk(tmp_path_factory.mktemp("shared")) as desk:
        yield desk


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server that all tests of a process share; each has databases of its own."""
    if BINARIES is None:
        pytest.skip(MISSING)
    cluster = opened_cluster()
    yield cluster
    cluster.close()


@pytest.fixture
def database(cluster: Cluster) -> str:
    """The address of an empty database."""
    return cluster.database()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Where a ledger is: None for a file, or the address of an empty database. Tests that ask for it run with both."""
    return None if request.param == "sqlite" else request.getfixturevalue("database")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk for commands that ask nobody: its API is at an address where nobody listens."""

    class Nowhere:
        base_url = "http://127.0.0.1:9"

    return Desk(tmp_path_factory.mktemp("plain"), Nowhere())
