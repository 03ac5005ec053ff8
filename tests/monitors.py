"""A monitor, or a service to be notified: a real HTTP server on the loopback that keeps what it was told."""

import contextlib
import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass
class Ping:
    """One request as it came."""

    path: str
    query: dict
    body: str
    agent: str

    @property
    def json(self):
        return json.loads(self.body)


class _Listener(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        ping = Ping(parts.path, query, body.decode(), self.headers.get("User-Agent", ""))
        self.server.monitor.heard.append(ping)
        statuses = self.server.monitor.statuses
        if self.server.monitor.silent:
            time.sleep(self.server.monitor.silent)
        with contextlib.suppress(ConnectionError):
            self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"OK")

    def log_message(self, *arguments):
        """Say nothing."""


class Monitor:
    """`heard` are its requests in order; it answers with `statuses` in turn, after `silent` seconds."""

    def __init__(self, *statuses, silent=0.0):
        self.heard = []
        self.statuses = list(statuses) or [200]
        self.silent = silent

    @property
    def paths(self):
        return [ping.path for ping in self.heard]


@contextlib.contextmanager
def monitor(*statuses, silent=0.0):
    """A monitor that listens; `origin` is its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Listener)
    server.daemon_threads = True
    server.monitor = Monitor(*statuses, silent=silent)
    server.monitor.origin = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.monitor
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
