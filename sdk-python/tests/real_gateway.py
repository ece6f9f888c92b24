"""The gateway's program in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from queue import Queue
from typing import Any


class RealGateway:
    """A gateway with a store of its own."""

    def __init__(self, program: Path, folder: Path, settings: str) -> None:
        self._program = program
        self._folder = folder
        self._listen = "127.0.0.1:0"
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self.configure(settings)

    def configure(self, settings: str) -> None:
        """Writes the configuration, with which the gateway starts the next time."""
        folder = self._folder
        store, secret = f"redb:{folder / 'gateway.redb'}", "a secret of the tests, of more than 32 bytes"
        config = f'{settings}\nstore.url = "{store}"\nauth.jwt_secret = "{secret}"\n'
        (folder / "gateway.toml").write_text(config)

    def run(self) -> None:
        """Starts the gateway, or starts it again on the same port with the same data."""
        command: list[str | Path] = [self._program, "serve", "--dev", "--config", "gateway.toml", "--listen", self._listen]
        process = subprocess.Popen(
            command,
            cwd=self._folder,
            env=os.environ | {"GATEWAY_LOG__FORMAT": "json"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._process = process
        found: Queue[str] = Queue()

        def read() -> None:
            log, address = "", ""
            assert process.stdout is not None
            with process.stdout as output:
                for line in output:
                    log += line if not address else ""
                    match = re.search(r"127\.0\.0\.1:[1-9][0-9]*", line)
                    if match and not address:
                        address = match.group()
                        found.put(address)
            if not address:
                found.put(f"the gateway ended:\n{log}")

        self._reader = threading.Thread(target=read, daemon=True, name="test-log")
        self._reader.start()
        self._listen = found.get(timeout=30)
        assert "\n" not in self._listen, self._listen
        while True:
            assert process.poll() is None, "the gateway ended before it was ready"
            try:
                with urllib.request.urlopen(f"http://{self._listen}/health/ready") as response:
                    if response.status == 200:
                        return
            except OSError:
                # It does not listen yet, or is not ready: the address is asked until it is.
                time.sleep(0.001)

    def kill(self) -> None:
        """Ends the gateway as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._reader is not None:
                self._reader.join()
            self._process = None

    @property
    def address(self) -> str:
        """The host and the port."""
        return self._listen

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"ws://{self._listen}/ws"

    def post(self, path: str, body: Any) -> Any:
        """Sends JSON to the gateway, and returns its answer."""
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"http://{self._listen}{path}", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.status} {error.read().decode()}") from error

    def token(self, user: str, **claims: Any) -> str:
        """Returns a token of a user for everything, with more claims."""
        body = {
            "userId": user,
            "clans": ["*"],
            "topics": {"orders": ["*"]},
            "calls": {"orders": ["place", "cancel"]},
            **claims,
        }
        token: str = self.post("/dev/token", body)["token"]
        return token

    def notify(self, user: str, title: str) -> None:
        """Sends a notification."""
        self.post("/dev/notifications", {"userId": user, "title": title, "message": "m"})
