"""A desk: a folder with stories, storychain run in it as a person would, and a studio in a process of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import httpx

from tests.stage import FFMPEG, RENDERS

KEY = "pictai_a-secret-nobody-may-see"


class Studio:
    """A studio in a process of its own, as `storychain studio` opens it."""

    def __init__(self, home, *options):
        command = [sys.executable, "-m", "storychain", "studio", "--home", str(home), "--scale", "0.125"]
        command += ["--renders", str(RENDERS), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=home)
        self.base_url = self.process.stdout.readline().strip()
        self.origin = self.base_url.removesuffix("/pictoryapis")

    def counts(self):
        return self._told("counts")

    def jobs(self):
        return self._told("jobs")

    def _told(self, what):
        return httpx.get(f"{self.origin}/studio/{what}", headers={"User-Agent": "a-test/1.0"}).json()

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)


class Desk:
    """A folder with stories in it, and storychain run in it as a person would."""

    def __init__(self, folder, studio):
        self.folder = folder
        self.studio = studio

    def environ(self, **changes):
        told = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONPATH": os.environ.get("PYTHONPATH"),  # where the code that is tested is not what is installed
            "STORYCHAIN_FFMPEG": str(FFMPEG),
            "PICTORY_API_BASE_URL": self.studio.base_url,
            "PICTORY_API_KEY": KEY,
            "STORYCHAIN_POLL": "0.1",
            "STORYCHAIN_SETTLE": "0.5",
            "STORYCHAIN_SILENCE": "5",
            **changes,
        }
        return {name: value for name, value in told.items() if value is not None}

    def start(self, *arguments, stdin=subprocess.DEVNULL, **environ):
        command = [sys.executable, "-m", "storychain", *map(str, arguments)]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environ(**environ),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments, stdin=None, **environ):
        process = self.start(*arguments, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE, **environ)
        out, err = process.communicate(stdin, timeout=240)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@contextlib.contextmanager
def opened_desk(within, *options):
    """A desk and the studio that it asks, opened with options."""
    home, folder = within / "studio", within / "desk"
    home.mkdir()
    folder.mkdir()
    studio = Studio(home, *options)
    try:
        yield Desk(folder, studio)
    finally:
        studio.close()


def until(true, seconds=90, said=str):
    """Wait for something another process does; what it `said` meanwhile explains why it did not."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, said()
        time.sleep(0.05)
