"""A paid request over TLS that breaks: only a handshake that failed proves that nothing was sent."""

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading

import pytest

ASK = """
import asyncio, sys
from storychain.pictory import Patience, Pictory
from storychain.provider import SegmentRequest

async def ask(url):
    async with Pictory(url, "pictai_0123456789", patience=Patience(silence=5)) as client:
        return await client.submit(SegmentRequest("A kite over the dunes.", "veo3.1", "16:9", 4))

for url in sys.argv[1:]:
    print(type(asyncio.run(ask(url))).__name__)
"""

ACCEPTED = json.dumps({"data": {"jobId": "job-1"}}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(ACCEPTED), ACCEPTED)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command.split(), *files], check=True, capture_output=True, timeout=60)
    return folder


class Records:
    """The server's end of one TLS connection, whose records can be spoilt before they leave."""

    def __init__(self, connection, context):
        self.connection = connection
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def do(self, step):
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self.connection.sendall(self.outgoing.read())
                if not (came := self.connection.recv(65536)):
                    raise ConnectionError("the client is gone") from None
                self.incoming.write(came)
            else:
                self.connection.sendall(self.outgoing.read())
                return done

    def record(self, data):
        self.tls.write(data)
        return bytearray(self.outgoing.read())


def whole(records):
    return records.record(ANSWER)


def cut(records):
    return records.record(ANSWER[:-5])


def spoilt(records):
    record = records.record(ANSWER)
    record[-3] ^= 0xFF
    return record


def rubbish(_records):
    return b"this was never a record of TLS, nor will it be"


def silent(_records):
    return b""


@contextlib.contextmanager
def tls_server(certificate, answer):
    """A server that takes one request whole and answers it with bytes of its own; yields its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    def speak():
        connection, _ = listening.accept()
        connection.settimeout(20)
        with connection, contextlib.suppress(OSError):
            records = Records(connection, context)
            records.do(records.tls.do_handshake)
            records.do(lambda: records.tls.read(65536))
            connection.sendall(answer(records))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        yield f"https://localhost:{listening.getsockname()[1]}"
        thread.join(30)


def outcomes(certificate, *urls):
    """Ask in a process of its own: certificates are read once in each."""
    environ = {"SSL_CERT_FILE": str(certificate / "cert.pem"), "PATH": ""}
    command = [sys.executable, "-c", ASK, *urls]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_whatever_breaks_after_the_handshake_leaves_the_answer_lost(certificate):
    answers = {whole: "Accepted", cut: "AnswerLost", spoilt: "AnswerLost", rubbish: "AnswerLost", silent: "AnswerLost"}
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(tls_server(certificate, answer)) for answer in answers]
        assert outcomes(certificate, *urls) == list(answers.values())


def test_a_certificate_for_another_host_ends_the_handshake_before_the_request(certificate):
    with tls_server(certificate, whole) as url:
        assert outcomes(certificate, url.replace("localhost", "127.0.0.1")) == ["TurnedAway"]
