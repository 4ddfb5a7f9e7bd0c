"""A small HTTP service that separates songs, with nothing but Python's standard library around the engine.

    python batch_service.py FOLDER [--port 8080] [--model MODEL] [--waiting 8] [--keep 20] [--most-mb 500]

    curl --data-binary @song.mp3 http://127.0.0.1:8080/songs     {"id": "5f0c...", "status": "waiting"}
    curl http://127.0.0.1:8080/songs/5f0c...                     {"status": "done", "stems": ["vocals", ...]}
    curl -O http://127.0.0.1:8080/songs/5f0c.../vocals.flac
    curl -X DELETE http://127.0.0.1:8080/songs/5f0c...           cancels, or removes the stems

Memory stays constant: one model, loaded once; uploads and results are streamed to and from files; one song is
separated at a time, on all cores; at most `--waiting` songs wait, then the answer is 503; the newest `--keep`
results are kept, and an upload has at most `--most-mb`. A bad song fails alone, with its reason. SIGTERM and
Ctrl-C stop the service within a segment. Results of an earlier run stay in FOLDER, but are not served.
It trusts its network: put a proxy that knows your users in front of it.
"""

from __future__ import annotations

import argparse
import json
import queue
import re
import secrets
import shutil
import signal
import sys
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from spleeterrt import SeparationCancelled, Separator, SpleeterError

CHUNK = 1 << 16


@dataclass
class Job:
    folder: Path
    status: str = "waiting"  # working, done, failed
    done: float = 0.0  # of 1
    error: str | None = None
    stems: tuple[str, ...] = ()
    cancel: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        return self.status in ("done", "failed")

    def answer(self) -> dict[str, Any]:
        return {"status": self.status, "progress": self.done, "error": self.error, "stems": self.stems}


class Refused(Exception):
    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Jobs:
    """The songs by their id, and the one thread that separates them in turn."""

    def __init__(self, separator: Separator, folder: Path, waiting: int, keep: int) -> None:
        self._separator, self._folder, self._keep = separator, folder, keep
        self._jobs: dict[str, Job] = {}  # oldest first
        self._queue: queue.Queue[Job | None] = queue.Queue(waiting)
        self._lock = threading.Lock()
        self._worker = threading.Thread(target=self._work)
        self._worker.start()

    def place(self) -> tuple[str, Job]:
        """A new job with a folder for its song; nobody sees it before `add`."""
        if self._queue.full():
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many songs wait; try again later")
        key = secrets.token_hex(16)
        job = Job(self._folder / key)
        job.folder.mkdir(parents=True)
        return key, job

    def add(self, key: str, job: Job) -> None:
        with self._lock:
            try:
                self._queue.put_nowait(job)
            except queue.Full:
                raise Refused(
                    HTTPStatus.SERVICE_UNAVAILABLE, "too many songs wait; try again later"
                ) from None
            self._jobs[key] = job
            over = [name for name, old in self._jobs.items() if old.over]
            surplus = [self._jobs.pop(name) for name in over[: max(0, len(over) - self._keep)]]
        for old in surplus:
            shutil.rmtree(old.folder, ignore_errors=True)

    def get(self, key: str) -> Job:
        with self._lock:
            if key not in self._jobs:
                raise Refused(HTTPStatus.NOT_FOUND, "no such song")
            return self._jobs[key]

    def remove(self, key: str) -> None:
        job = self.get(key)
        job.cancel.set()
        with self._lock:
            self._jobs.pop(key, None)
        if job.over:
            shutil.rmtree(job.folder, ignore_errors=True)  # else the worker does

    def close(self) -> None:
        with self._lock:
            for job in self._jobs.values():
                job.cancel.set()
        self._queue.put(None)  # waits for a place: cancelled songs make one at once
        self._worker.join()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            if not job.cancel.is_set():
                self._separate(job)
            (job.folder / "song").unlink(missing_ok=True)
            if job.cancel.is_set():
                shutil.rmtree(job.folder, ignore_errors=True)

    def _separate(self, job: Job) -> None:
        def progress(done: float, total: float | None) -> None:
            job.done = done / total if total else 0.0

        job.status = "working"
        try:
            files = self._separator.separate_to_file(
                str(job.folder / "song"),
                str(job.folder),
                codec="flac",
                filename_format="{instrument}.{codec}",
                progress=progress,
                cancel=job.cancel,
            )
            job.stems, job.done, job.status = tuple(files), 1.0, "done"
        except SeparationCancelled:
            job.error, job.status = "cancelled", "failed"
        except SpleeterError as error:  # whatever a song can be to blame for
            job.error, job.status = str(error).replace(str(job.folder / "song"), "the song"), "failed"
        except Exception as error:  # a full disk, no memory: the service goes on
            job.error, job.status = f"{type(error).__name__}: {error}", "failed"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds without a byte
    jobs: Jobs
    most_bytes: int

    def do_POST(self) -> None:
        self._guarded(self._post)

    def do_GET(self) -> None:
        self._guarded(self._get)

    def do_DELETE(self) -> None:
        self._guarded(self._delete)

    def _guarded(self, method: Any) -> None:
        try:
            method()
        except Refused as refusal:
            self.close_connection = True  # what is left of the request is not read
            self._json(refusal.status, {"error": str(refusal)})
        except OSError as error:
            self.close_connection = True
            self.log_error("%s: %s", self.path, error)

    def _post(self) -> None:
        if self.path != "/songs":
            raise Refused(HTTPStatus.NOT_FOUND, "POST /songs")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "Content-Length is needed")
        if not 0 < int(length) <= self.most_bytes:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"1 to {self.most_bytes} bytes are taken")
        key, job = self.jobs.place()
        try:
            left = int(length)
            with open(job.folder / "song", "wb") as file:
                while left > 0 and (piece := self.rfile.read(min(left, CHUNK))):
                    file.write(piece)
                    left -= len(piece)
            if left:
                raise Refused(HTTPStatus.BAD_REQUEST, "the upload broke off")
            self.jobs.add(key, job)
        except BaseException:
            shutil.rmtree(job.folder, ignore_errors=True)
            raise
        self._json(HTTPStatus.ACCEPTED, {"id": key, **job.answer()})

    def _get(self) -> None:
        match = re.fullmatch(r"/songs/([0-9a-f]{32})(?:/([^/]+)\.flac)?", self.path)
        if match is None:
            raise Refused(HTTPStatus.NOT_FOUND, "GET /songs/ID or /songs/ID/STEM.flac")
        job = self.jobs.get(match[1])
        if match[2] is None:
            self._json(HTTPStatus.OK, job.answer())
        elif match[2] not in job.stems:
            raise Refused(HTTPStatus.NOT_FOUND, f"no such stem; the song is {job.status}")
        else:
            with open(job.folder / f"{match[2]}.flac", "rb") as file:
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", "audio/flac")
                self.send_header("Content-Length", str((job.folder / f"{match[2]}.flac").stat().st_size))
                self.end_headers()
                shutil.copyfileobj(file, self.wfile, CHUNK)

    def _delete(self) -> None:
        match = re.fullmatch(r"/songs/([0-9a-f]{32})", self.path)
        if match is None:
            raise Refused(HTTPStatus.NOT_FOUND, "DELETE /songs/ID")
        self.jobs.remove(match[1])
        self._json(HTTPStatus.OK, {"status": "removed"})

    def _json(self, status: HTTPStatus, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def main() -> int:
    parser = argparse.ArgumentParser(description="Separates songs that come by HTTP.")
    parser.add_argument("folder", type=Path, help="for songs and stems")
    parser.add_argument("--host", default="127.0.0.1", help="(%(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="(%(default)s; 0: any that is free)")
    parser.add_argument("--model", default="starter:4stems", help="(%(default)s)")
    parser.add_argument("--waiting", type=int, default=8, help="songs that may wait (%(default)s)")
    parser.add_argument("--keep", type=int, default=20, help="results that are kept (%(default)s)")
    parser.add_argument("--most-mb", type=int, default=500, help="of an upload (%(default)s)")
    arguments = parser.parse_args()
    try:
        separator = Separator(arguments.model)
    except SpleeterError as error:
        print(f"batch_service: {error}", file=sys.stderr)
        return 1
    Handler.jobs = Jobs(separator, arguments.folder, max(1, arguments.waiting), max(0, arguments.keep))
    Handler.most_bytes = arguments.most_mb * 1_000_000
    try:
        with ThreadingHTTPServer((arguments.host, arguments.port), Handler) as server:
            stop = lambda *_: threading.Thread(target=server.shutdown).start()  # noqa: E731
            signal.signal(signal.SIGINT, stop)
            signal.signal(signal.SIGTERM, stop)
            print(f"http://{arguments.host}:{server.server_port}/songs", flush=True)
            server.serve_forever(poll_interval=0.1)
    except OSError as error:
        print(f"batch_service: {arguments.host}:{arguments.port}: {error}", file=sys.stderr)
        return 1
    finally:
        Handler.jobs.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
