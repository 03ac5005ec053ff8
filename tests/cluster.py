"""A PostgreSQL server of the tests' own: made in a temporary folder, on the loopback, gone when they end."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path

BINARIES = next(
    (
        found
        for found in [
            *sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True),
            *(Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)),
        ]
        if (found / "initdb").exists() and (found / "postgres").exists()
    ),
    None,
)
MISSING = "no PostgreSQL server on this machine (on Debian: apt-get install postgresql)"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _other_user():
    """Whom the server runs as: it refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    return {}


class Cluster:
    """One server with a database for each test."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.user = _other_user()
        if self.user:
            os.chown(folder, self.user["user"], self.user["group"])
        self._call("initdb", "-D", folder / "data", "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync")
        with (folder / "data" / "postgresql.conf").open("a") as file:
            # The tests kill processes, not the machine: without syncing they take a third of the time.
            file.write("fsync = off\nfull_page_writes = off\nmax_connections = 100\nshared_buffers = 16MB\n")
            file.write(f"listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nport = {self.port}\n")
        self.start()

    def _call(self, program, *arguments):
        command = [str(BINARIES / program), *map(str, arguments)]
        environ = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        done = subprocess.run(
            command, check=False, cwd=self.folder, env=environ, capture_output=True, text=True, **self.user
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _control(self, *arguments):
        # The server must not keep our pipes open, so its words go into its log.
        self._call("pg_ctl", "-D", self.folder / "data", "-s", "-w", "-l", self.folder / "log", *arguments)

    def start(self):
        self._control("start")

    def stop(self, how="immediate"):
        """`immediate` is a crash: nothing is finished, the next start recovers from the log."""
        self._control("stop", "-m", how)

    def restart(self, how="immediate"):
        self.stop(how)
        self.start()

    def address(self, database):
        return f"postgresql://tests@127.0.0.1:{self.port}/{database}"

    def connect(self, database="postgres"):
        import psycopg

        return psycopg.connect(self.address(database), autocommit=True)

    def database(self):
        """A new database; its address."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        with self.connect() as rows:
            rows.execute(f"CREATE DATABASE {name}")
        return self.address(name)

    def close(self):
        with contextlib.suppress(AssertionError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def opened_cluster():
    folder = Path(tempfile.mkdtemp(prefix="storychain-pg-"))
    folder.chmod(0o755)
    return Cluster(folder)
