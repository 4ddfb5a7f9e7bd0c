"""What does `spleeterrt serve` answer, and how much memory does it need, when 50 clients come at once, ten of
them hostile?

    python bench/serve.py [--schemathesis ST] [--rounds 2]

Each good client sends a song of its own, comes again when it is told to, follows the events and compares what
it gets with what `separate_to_file` gives. The hostile ones do what HOSTILE says. Then the description
of the API is tried out by schemathesis, if its program is named. Results: bench/results/serve.md (`kept.py`).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
from common import ROOT
from kept import run_sections

sys.path.insert(0, str(ROOT / "tests"))
from spleeterrt import Separator
from support.service import MODEL, Service, served

CLIENTS, SECONDS = 50, 8.0
OPTIONS = ("--jobs", "2", "--max-queue", "12", "--max-size", "5M", "--max-seconds", "60")


def song(seed: int, seconds: float = SECONDS) -> bytes:
    rng = np.random.default_rng(seed)
    time_axis = np.arange(round(seconds * 44100)) / 44100
    tone = 0.3 * np.sin(2 * np.pi * (110 + 10 * seed) * time_axis)
    file = io.BytesIO()
    stereo = tone[:, None] + rng.normal(0, 0.05, (len(tone), 2))
    soundfile.write(file, stereo, 44100, format="WAV")
    return file.getvalue()


# What hostile clients do: each returns what it was answered.


def post(
    service: Service, content: bytes, address: str = "/songs", *, chunked: bool = False, **headers: str
) -> str:
    """Until there is a place."""
    while True:
        pieces = (content[start : start + 100_000] for start in range(0, len(content), 100_000))
        answer = service.ask("POST", address, data=pieces if chunked else content, headers=headers)
        if answer.status_code != 503:
            break
        time.sleep(float(answer.headers["Retry-After"]))
    if answer.status_code == 202:
        end = service.wait(answer.json())
        assert str(service.folder) not in json.dumps(end)
        more = [end["error"]["code"]] if end["error"] else [f'"{text}"' for text in end["warnings"]]
        return f"202, then {end['state']}" + (f" ({', '.join(more)})" if more else "")
    problem = answer.json()["error"]
    assert str(service.folder) not in problem["message"]
    return f"{answer.status_code} {problem['code']}"


def raw(service: Service, content: bytes, seconds: float = 0.0) -> str:
    with socket.create_connection(("127.0.0.1", service.port), 60) as connection:
        connection.sendall(content)
        if seconds:
            time.sleep(seconds)
            return "(hangs up)"
        return connection.recv(1000).split(b"\r\n")[0].decode()


def header_of_hours() -> bytes:
    """A WAV file that says it had 4 GB of sound."""
    head = bytearray(song(1, 0.1))
    head[4:8] = head[40:44] = (0xFFFFFFF0).to_bytes(4, "little")
    return bytes(head)


def silence_of_hours() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((8000 * 3600 * 5, 1), np.int16), 8000, format="FLAC")
    return file.getvalue()


HEAD = b"POST /songs HTTP/1.1\r\nHost: localhost\r\n"
HOSTILE: dict[str, Callable[[Service], str]] = {
    "no sound": lambda s: post(s, os.urandom(1_000_000)),
    "a header that promises hours": lambda s: post(s, header_of_hours()),
    "five hours of silence in one megabyte": lambda s: post(s, silence_of_hours()),
    "too large, and says so": lambda s: post(s, bytes(6_000_000)),
    "too large, in chunks": lambda s: post(s, bytes(20_000_000), chunked=True),
    "hangs up in the middle": lambda s: raw(
        s, HEAD + b"Content-Length: 4000000\r\n\r\n" + bytes(999_999), 1.0
    ),
    "sends a byte and waits": lambda s: raw(s, HEAD + b"Content-Length: 4000000\r\n\r\nx", 10.0),
    "no HTTP": lambda s: raw(s, os.urandom(10) + b"\r\n\r\n"),
    "another name (DNS rebinding)": lambda s: post(s, song(1), Host="evil.example"),
    "a form of another site": lambda s: post(s, song(1), Origin="http://evil.example"),
}


def good(service: Service, number: int, expected: bytes, statuses: Counter[str]) -> str:
    content = song(number)
    while True:
        answer = service.ask("POST", "/songs?stems=vocals", data=content)
        statuses[str(answer.status_code)] += 1
        if answer.status_code != 503:
            break
        time.sleep(float(answer.headers["Retry-After"]))
    assert answer.status_code == 202, answer.text
    *_, (state, end) = service.events(answer.json())
    assert state == "done", end
    same = service.ask("GET", end["stems"][0]["url"]).content == expected
    return "the right stem" if same else "ANOTHER STEM"


class Watch:
    """Highest memory and disk of a server."""

    def __init__(self, service: Service) -> None:
        self._service, self._over = service, threading.Event()
        self.threads = self.disk = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.2):
            self.threads = max(self.threads, int(self.status("Threads")))
            used = subprocess.run(
                ["du", "-sk", self._service.folder], capture_output=True, text=True, check=False
            )
            self.disk = max(self.disk, int(used.stdout.split()[0]) * 1024)

    def status(self, name: str) -> str:
        for line in Path(f"/proc/{self._service.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return line.split()[1]
        raise KeyError(name)

    @property
    def peak(self) -> float:
        """MB"""
        return int(self.status("VmHWM")) / 1e3

    def end(self) -> None:
        self._over.set()
        self._thread.join()


def load(folder: Path, rounds: int) -> list[str]:
    separator = Separator(MODEL, threads=1, stems=["vocals"])
    expected = []
    for number in range(CLIENTS - len(HOSTILE)):
        (folder / "song.wav").write_bytes(song(number))
        files = separator.separate_to_file(folder / "song.wav", folder)
        expected.append(files["vocals"].read_bytes())
    lines = [
        "| | peak memory (MB) | threads | disk (MB) | answers to uploads | in the end |",
        "|---|--:|--:|--:|---|---|",
    ]
    told: dict[str, Counter[str]] = {name: Counter() for name in HOSTILE}
    with served(folder / "songs", *OPTIONS) as service:
        watch = Watch(service)
        ends = Counter([good(service, 0, expected[0], Counter())])
        lines.append(_row("one song", watch, Counter(), ends))
        for round_ in range(rounds):
            statuses: Counter[str] = Counter()
            with ThreadPoolExecutor(CLIENTS) as pool:
                clients = [
                    pool.submit(good, service, number, one, statuses) for number, one in enumerate(expected)
                ]
                bad = {name: pool.submit(act, service) for name, act in HOSTILE.items()}
                ends = Counter(client.result() for client in clients)
                for name, result in bad.items():
                    told[name][result.result()] += 1
            lines.append(_row(f"{CLIENTS} at once, round {round_ + 1}", watch, statuses, ends))
        watch.end()
        assert service.end() == 0
        assert list(service.folder.iterdir()) == []
        assert "Traceback" not in service.log
    lines += ["", "| hostile client | was answered |", "|---|---|"]
    lines += [f"| {name} | {_told(answers)} |" for name, answers in told.items()]
    lines += ["", "At SIGTERM: exit code 0, no file left, no traceback in the log."]
    return lines


def _row(what: str, watch: Watch, statuses: Counter[str], ends: Counter[str]) -> str:
    figures = f"{watch.peak:.0f} | {watch.threads} | {watch.disk / 1e6:.0f}"
    return f"| {what} | {figures} | {_told(statuses)} | {_told(ends)} |"


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} x {what}" for what, count in sorted(counts.items()))


HOOKS = """
import os, pathlib, re, schemathesis

song = pathlib.Path(__file__).with_name("body.wav").read_bytes()
ready, name = os.environ["SONG"], "vocals.wav"


def odd(data):
    return sum(data) % 2


@schemathesis.hook
def map_body(context, body):
    # Every other song is one.
    if isinstance(body, dict):
        return {key: map_body(context, value) for key, value in body.items()}
    data = getattr(body, "data", None)  # bytes are wrapped
    return type(body)(song) if isinstance(data, bytes) and odd(data) else body


@schemathesis.hook
def map_path_parameters(context, parameters):
    # Every other one that is asked for is there and done; it is not removed.
    text = str((parameters or {}).get("id"))
    if context.operation.method.lower() == "delete" or not re.fullmatch("[0-9a-f]{32}", text):
        return parameters
    return {key: ready if key == "id" else name for key in parameters} if odd(text.encode()) else parameters
"""
# Options that exclude each other (400) are beyond what a schema can say.
SETTINGS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 404, 409, 503]
"""


def conform(folder: Path, program: str) -> list[str]:
    (folder / "hooks.py").write_text(HOOKS)
    (folder / "body.wav").write_bytes(song(0, 0.1))
    (folder / "schemathesis.toml").write_text(SETTINGS)
    with served(folder / "described", *OPTIONS) as service:
        ready = service.wait(service.song(song(0)))
        command = [
            program,
            "run",
            f"{service.address}/openapi.json",
            "--checks",
            "all",
            "--max-examples",
            "10",
        ]
        environment = {
            **os.environ,
            "SCHEMATHESIS_HOOKS": "hooks",
            "SONG": ready["id"],
            "PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}",
        }
        done = subprocess.run(
            [*command, "--no-color"], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        print(done.stdout, done.stderr)
        assert "Traceback" not in service.log
        ends = Counter(re.findall(r"^[0-9a-f]{8} (\w+) ", service.log, re.MULTILINE))
    assert list((folder / "described").iterdir()) == []
    version = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=True
    ).stdout.split()[-1]
    summary = [line.strip() for line in done.stdout.splitlines() if " generated, " in line]
    if not summary:
        raise SystemExit(f"{program}: exit code {done.returncode}")
    return [
        f"schemathesis {version} against `/openapi.json` (`--checks all --max-examples 10`): "
        f"{' '.join(summary)}; exit code {done.returncode}. What became of its songs: {_told(ends)}. No file "
        "left, no traceback in the log.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schemathesis", metavar="ST", help="its program, st")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    about = (
        f"`spleeterrt serve -p {MODEL} --threads 1 {' '.join(OPTIONS)}`; {CLIENTS - len(HOSTILE)} different "
        f"songs of {SECONDS:g} s, {len(song(0)) / 1e6:.1f} MB each."
    )
    with tempfile.TemporaryDirectory() as name:
        sections = {
            "uploads": lambda: "\n".join([about, "", *load(Path(name), arguments.rounds)]),
            "description": lambda: "\n".join(conform(Path(name), arguments.schemathesis)),
        }
        chosen = [*sections][: 2 if arguments.schemathesis else 1]
        packages = ("spleeterrt", "starlette", "uvicorn", "python-multipart")
        run_sections(
            "serve", "50 clients at once, ten of them hostile", sections, chosen, packages, by_name=False
        )


if __name__ == "__main__":
    main()
