"""The disk: what is on it after a power cut, when it is full, and what rots.

A segment is safe once its bytes and its name were synced, which is what `workspace.settle` is for; anything else in
the folders of segments may be gone, torn or blank after a power cut. SQLite keeps what it has committed if it syncs at
each commit: that is looked up on every connection, and where it does not hold the ledger goes back to its last sync.
"""

import errno
from contextlib import contextmanager

UNSAFE = ("segments", "sources", "prepared", "frames", "joining")


class Disk:
    """A workspace's folder and what of it would survive."""

    def __init__(self, root, rng):
        self.root = root
        self.rng = rng
        self.synced = {}
        self.weakly_synced = False

    def settled(self, final):
        """A file was synced and got its name."""
        self.synced[final] = final.read_bytes()

    def opened(self, connection):
        """Look at how a connection syncs."""
        if connection.execute("PRAGMA synchronous").fetchone()[0] < 2:
            self.weakly_synced = True

    def lose_power(self):
        """Lose what was not synced; all processes on this disk are dead."""
        for folder in UNSAFE:
            for path in sorted((self.root / folder).rglob("*")):
                if path.is_file() and self.synced.get(path) != path.read_bytes():
                    self._tear(path)
        if self.weakly_synced:
            for path in self.root.glob("ledger.sqlite3*"):
                path.unlink()

    def _tear(self, path):
        data = path.read_bytes()
        match self.rng.randrange(4):
            case 0:
                path.unlink()
            case 1:
                path.write_bytes(data[: self.rng.randrange(len(data) + 1)])
            case 2:
                path.write_bytes(bytes(len(data)))
            case _:
                pass  # it had reached the disk after all

    def copy_ledger(self):
        """The ledger's files as they are; nobody has them open."""
        return {path: path.read_bytes() for path in self.root.glob("ledger.sqlite3*")}

    def put_back(self, copy):
        """Put a copy of the ledger back, as after a disaster: what happened since is forgotten."""
        for path in self.root.glob("ledger.sqlite3*"):
            path.unlink()
        for path, data in copy.items():
            path.write_bytes(data)

    def rot(self):
        """Flip a bit of a stored segment; its size and looks stay. One that a lost power tore has none left to flip."""
        stored = [path for path in sorted((self.root / "segments").glob("*.mp4")) if path.stat().st_size > 20]
        if stored:
            path = self.rng.choice(stored)
            data = bytearray(path.read_bytes())
            data[self.rng.randrange(8, len(data) - 12)] ^= 1
            path.write_bytes(data)


def full():
    """What a full disk says."""
    return OSError(errno.ENOSPC, "No space left on device")


@contextmanager
def failing_writes(connection):
    """SQLite on a disk that fails: every statement meanwhile is interrupted, and its transaction rolled back."""
    connection.set_progress_handler(lambda: 1, 1)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 1)
