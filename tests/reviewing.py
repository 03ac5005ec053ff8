"""The review page in a process of its own, and a client that was let in."""

import contextlib
import signal
from urllib.parse import urlsplit

import httpx

MARKUP = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"


class Review:
    """`storychain review`, as a person starts it."""

    def __init__(self, desk, *arguments, **environ):
        self.process = desk.start("review", "--no-open", *arguments, **environ)
        self.address = self.process.stdout.readline().strip()
        assert self.address, self.process.stderr.read()
        parts = urlsplit(self.address)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.clients = []

    def client(self):
        """A browser that opened the address; as often as one likes with --token."""
        client = httpx.Client(base_url=self.origin, follow_redirects=True, timeout=30)
        self.clients.append(client)
        answer = client.get(self.address)
        assert answer.status_code == 200, answer.text
        return client

    def close(self):
        for client in self.clients:
            client.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=20)
        assert self.process.returncode == 0


@contextlib.contextmanager
def reviewing(desk, *arguments, **environ):
    review = Review(desk, *arguments, **environ)
    try:
        yield review
    finally:
        review.close()


def tale(desk, scenes=3, *, name="tale", **top):
    """A story with markup in its title and its first prompt, rendered."""
    from tests.stage import story_file

    told = [{"id": f"s{n}", "prompt": f"Scene number {n} of a tale by the sea."} for n in range(1, scenes + 1)]
    told[0]["prompt"] = f"A first scene {MARKUP} by the sea."
    path = story_file(desk.folder, told, name=name, title=f"A tale of {MARKUP}", **top)
    done = desk.run("run", path, "--yes")
    assert done.returncode == 0, done.stderr
    return path
