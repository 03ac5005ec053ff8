"""A wire between a program and its database that can be cut at a chosen word, or go dead for a while."""

import contextlib
import select
import socket
import threading
import time
from urllib.parse import urlsplit

WAYS = ("before", "after", "silently")
"""Cut before the word arrives; after it arrived, so that its answer is lost; or for the program alone, before the
word arrives, so that the server goes on believing in the connection."""


class Wire:
    """Forwards a loopback port to a server. `cut` says what happens to the next message that has a word in it."""

    def __init__(self, url):
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._cut = None
        self._open = []
        self._dead_until = 0.0
        self.cuts = 0
        self.url = f"postgresql://{parts.username}@127.0.0.1:{self._listening.getsockname()[1]}{parts.path}"
        self.url += "?sslmode=disable&gssencmode=disable"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, word, way):
        with self._lock:
            self._cut = (word.encode(), way)

    def go_dead(self, seconds):
        """Carry nothing for so long, while both ends go on believing in their connections."""
        self._dead_until = time.monotonic() + seconds

    def break_all(self):
        """End every connection; new ones may be made."""
        self._end(*self._open)

    def _alive(self):
        while (left := self._dead_until - time.monotonic()) > 0:
            time.sleep(min(0.05, left))

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                self._alive()
                try:
                    far = socket.create_connection(self._server)
                except OSError:
                    near.close()
                    continue
                self._open += [near, far]
                threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near, far):
        with contextlib.suppress(OSError, ValueError):  # closed from elsewhere
            while True:
                self._alive()
                ready, _, _ = select.select([near, far], [], [], 0.1)
                for one in ready:
                    data = one.recv(65536)
                    if not data:
                        return self._end(near, far)
                    if one is far:
                        near.sendall(data)
                    elif way := self._is_to_be_cut(data):
                        return self._end_cut(near, far, data, way)
                    else:
                        far.sendall(data)

    def _is_to_be_cut(self, data):
        with self._lock:
            if self._cut is None or self._cut[0] not in data:
                return None
            way, self._cut = self._cut[1], None
            self.cuts += 1
            return way

    def _end_cut(self, near, far, data, way):
        if way == "after":
            far.sendall(data)
            far.recv(65536)  # it is done, and nobody is told
        near.close()
        if way != "silently":
            far.close()

    def _end(self, *sockets):
        for one in sockets:
            one.close()

    def close(self):
        self._listening.close()
        self._end(*self._open)
