"""A `spleeterrt serve` in a process of its own, and what tests ask of it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

START_SECONDS = 60
MODEL = "starter:2stems"
USUAL = ("-p", MODEL, "--threads", "1", "--port", "0")  # two threads wait for each other on busy machines


class Service:
    """Attributes:
    log: what it has said on standard error so far.
    folder: where its songs are.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._log = folder.with_name(f"{folder.name}-{time.monotonic_ns()}.log")
        command = [sys.executable, "-m", "spleeterrt", "serve", *USUAL, "--folder", str(folder)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *options],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline() if ready else ""
        assert line.startswith("http://"), self.log
        self.address = line.split()[0].rstrip("/")
        self.port = int(self.address.rpartition(":")[2])

    @property
    def log(self) -> str:
        return self._log.read_text()

    def files(self) -> list[str]:
        """All files and folders of all servers in its folder, but for those of runs themselves."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.glob("run-*/*"))

    def ask(self, method: str, address: str, **settings: Any) -> requests.Response:
        return requests.request(method, self.address + address, timeout=60, **settings)

    def song(self, content: Any, address: str = "/songs", **settings: Any) -> dict[str, Any]:
        """Send a song that is taken."""
        answer = self.ask("POST", address, data=content, **settings)
        assert answer.status_code == 202, answer.text
        shown: dict[str, Any] = answer.json()
        assert answer.headers["Location"] == shown["url"]
        return shown

    def wait(self, song: dict[str, Any], *states: str) -> dict[str, Any]:
        """Until it is in one of these states, by default over."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            shown: dict[str, Any] = self.ask("GET", song["url"]).json()
            if shown["state"] in (states or ("done", "failed", "cancelled")):
                return shown
            time.sleep(0.02)
        raise AssertionError(shown)

    def events(self, song: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        with self.ask("GET", song["events"], stream=True) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            name = ""
            for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def served(folder: Path, *options: str) -> Iterator[Service]:
    service = Service(folder, *options)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.end()
        assert service.process.stdout is not None
        service.process.stdout.close()
