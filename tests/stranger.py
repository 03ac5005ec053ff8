"""A stranger's server: raw bytes over real sockets, written by hand, so that nothing of ours answers for the API."""

import asyncio
import contextlib
import gzip
import json
from dataclasses import dataclass, field

from storychain.pictory import Patience, Pictory

KEY = "pictai_0123456789_a-very-secret-key"
QUICK = Patience(attempts=3, seconds=5, first=0.005, most=0.01, silence=2, whole=4, transfer=8)


@dataclass
class Asked:
    """One request as it came over the wire."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name):
        """The only header of this name, or None."""
        found = [value for known, value in self.headers if known.lower() == name.lower()]
        assert len(found) < 2, f"{name} was sent twice"
        return found[0] if found else None

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Stranger:
    """What the server was asked, and what it answers: raw bytes in turn, the last one again and again.

    An answer may be a function of what was asked; `{origin}` in headers stands for this server.
    """

    answers: list[object]
    origin: str = ""
    asked: list[Asked] = field(default_factory=list)

    async def speak(self, reader, writer):
        asked = await _read(reader)
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(asked)
        if callable(answer):
            answer = answer(asked)
        if asyncio.iscoroutine(answer):
            answer = await answer
        writer.write(answer.replace(b"{origin}", self.origin.encode()))


async def _read(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = [(line.partition(":")[0], line.partition(":")[2].strip()) for line in head[1:] if line]
    sizes = [int(value) for name, value in headers if name.lower() == "content-length"]
    return Asked(head[0], headers, await reader.readexactly(sizes[0]) if sizes else b"")


@contextlib.asynccontextmanager
async def serving(speak):
    """Let `speak(reader, writer)` answer every connection to a port of its own; yields its address."""
    speaking = set()

    async def connected(reader, writer):
        speaking.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await speak(reader, writer)
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        for task in speaking:
            task.cancel()
        await asyncio.gather(*speaking, return_exceptions=True)
        await listening.wait_closed()


@contextlib.asynccontextmanager
async def stranger(*answers):
    """Serve the given answers on a port of its own."""
    server = Stranger(list(answers))
    async with serving(server.speak) as server.origin:
        yield server


def raw(status, body=b"", *, length=True, **headers):
    """An answer in bytes; header names are written with underscores."""
    lines = [f"HTTP/1.1 {status} Whatever", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}"] if length else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def said(value, status=200, **headers):
    """A JSON answer; text is taken as it is."""
    body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
    return raw(status, body, Content_Type="application/json", **headers)


def zipped(value):
    """A JSON answer that was compressed on its way."""
    return raw(200, gzip.compress(json.dumps(value).encode()), Content_Encoding="gzip")


def chunked(*parts, end=b"0\r\n\r\n", **headers):
    """An answer without a length, in pieces; without its `end` it was cut off."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end
    return raw(200, body, length=False, Transfer_Encoding="chunked", **headers)


def ask(call, *answers, patience=QUICK):
    """Let a client ask a stranger: what came of it (an exception as it is) and the stranger."""

    async def play():
        async with stranger(*answers) as server, Pictory(f"{server.origin}/base", KEY, patience=patience) as client:
            try:
                outcome = await call(client, server)
            except Exception as error:  # noqa: BLE001 - whatever it was, the test looks at it
                outcome = error
            return outcome, server

    return asyncio.run(play())
