"""The songs of a service: a bounded queue, the threads that separate, and results that stay for a while.

    reserve -> (the song is written to job.song) -> submit -> a worker -> done, failed or cancelled -> expired

Knows nothing of HTTP. All methods may be called from any thread.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..parallel import no_threads
from .job import CANCELLED, DONE, FAILED, OVER, WAITING, WORKING, Job
from .limits import MOST_KEPT, Limits, Refused, gone, stopping
from .separation import Separation

if TYPE_CHECKING:
    from ..network.model import Model
    from .options import SongOptions

CLOSE_SECONDS = 15.0  # how long the end waits for songs to stop, which they do between two segments

Report = Callable[[str], object]


class Jobs:
    """Threads that separate songs one after the other.

    Args:
        folder: for songs and stems.
        workers: how many songs are separated at the same time.
        threads: of each of them.
        report: gets a line for each song that is over.
    """

    def __init__(
        self,
        model: Model,
        folder: Path,
        limits: Limits,
        *,
        workers: int = 1,
        threads: int = 1,
        low_memory: bool = False,
        report: Report = lambda _line: None,
    ) -> None:
        self.model, self.limits, self.threads = model, limits, threads
        self.workers = workers
        self._folder, self._low_memory, self._report = folder, low_memory, report
        self._jobs: dict[str, Job] = {}  # oldest first
        self._waiting: deque[Job] = deque()
        self._uploads = 0
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._took = 0.0  # seconds of a song, lately
        self._threads = [
            threading.Thread(target=self._work, name=f"spleeterrt-job-{n}", daemon=True)
            for n in range(workers)
        ]
        self._threads.append(threading.Thread(target=self._expire, name="spleeterrt-expiry", daemon=True))
        try:
            for thread in self._threads:
                thread.start()
        except RuntimeError as error:  # "can't start new thread"
            self.stop()
            raise no_threads() from error

    @property
    def alive(self) -> bool:
        """Whether songs can be taken and are worked on."""
        return not self._stopping.is_set() and all(thread.is_alive() for thread in self._threads)

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def counts(self) -> dict[str, int]:
        with self._changed:
            states = [job.state for job in self._jobs.values()]
            return {"uploading": self._uploads} | {
                state: states.count(state) for state in (WAITING, WORKING, *OVER)
            }

    def reserve(self) -> Job:
        """A place in the queue, with a folder for a song that is yet to come: `submit` or `discard` it.

        Raises:
            Refused: the queue or the disk is full.
            OSError: the folder cannot be made.
        """
        with self._changed:
            if self._stopping.is_set():
                raise stopping()
            self._check_room()
            job = Job(self._folder)
            self._uploads += 1
            self._jobs[job.id] = job
        try:
            job.folder.mkdir(mode=0o700)
        except BaseException:
            self.discard(job)
            raise
        return job

    def _check_room(self) -> None:
        if len(self._waiting) + self._uploads >= self.limits.queue:
            raise self._busy("queue-full", "Too many songs are waiting; try again later.", self._wait())
        if sum(job.size for job in self._jobs.values()) >= self.limits.disk:
            raise self._busy("disk-full", "Too many results are kept; try again later.", self._until_expiry())
        if len(self._jobs) >= MOST_KEPT:
            useless = next((job for job in self._jobs.values() if job.over and job.state != DONE), None)
            if useless is None:
                raise self._busy(
                    "too-many", "Too many results are kept; try again later.", self._until_expiry()
                )
            del self._jobs[useless.id]

    @staticmethod
    def _busy(code: str, message: str, seconds: float) -> Refused:
        return Refused(503, code, message, {"Retry-After": str(max(1, min(3600, math.ceil(seconds))))})

    def _wait(self) -> float:
        """Seconds until a place is free, about."""
        return self._took / self.workers if self._took else 5.0

    def _until_expiry(self) -> float:
        first = min((job.finished for job in self._jobs.values() if job.finished), default=time.time())
        return first + self.limits.keep - time.time()

    def submit(self, job: Job, options: SongOptions) -> None:
        """Let a song that is there be separated."""
        with self._changed:
            if self._stopping.is_set():
                raise stopping()
            self._uploads -= 1
            job.options, job.state = options, WAITING
            self._waiting.append(job)
            self._changed.notify()

    def discard(self, job: Job) -> None:
        """Forget a song that has not come."""
        with self._changed:
            if job.state is None and self._jobs.pop(job.id, None) is not None:
                self._uploads -= 1
        shutil.rmtree(job.folder, ignore_errors=True)

    def get(self, id: str) -> Job:
        """Raises `Refused` where there is none."""
        with self._changed:
            job = self._jobs.get(id)
        if job is None or job.state is None:
            raise gone()
        return job

    def position(self, job: Job) -> int | None:
        """How many songs come before it; None: it does not wait."""
        with self._changed:
            return self._waiting.index(job) if job in self._waiting else None

    @contextmanager
    def reading(self, job: Job) -> Iterator[None]:
        """The files of a job stay as long as they are read.

        Raises:
            Refused: they are gone.
        """
        with self._changed:
            if job.removed:
                raise gone()
            job.readers += 1
        try:
            yield
        finally:
            with self._changed:
                job.readers -= 1
            self._tidy(job)

    def remove(self, job: Job) -> None:
        """Cancel a song, and forget it and its results."""
        job.cancel.set()
        with self._changed:
            self._jobs.pop(job.id, None)
            job.removed = True
            if job in self._waiting:
                self._waiting.remove(job)
                job.state = CANCELLED
        self._tidy(job)

    def _tidy(self, job: Job) -> None:
        """Remove the files of a job that is of no use any more, if nobody is at them."""
        with self._changed:
            over = job.removed and job.over and not job.readers
        if over:
            shutil.rmtree(job.folder, ignore_errors=True)

    def stop(self) -> None:
        """Take no more songs and cancel all; returns at once."""
        self._stopping.set()
        with self._changed:
            for job in self._jobs.values():
                job.cancel.set()
            self._waiting.clear()
            self._changed.notify_all()

    def close(self) -> bool:
        """Stop, and wait until nothing is worked on any more; whether that is so."""
        self.stop()
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    # --- threads ------------------------------------------------------------------

    def _expire(self) -> None:
        while not self._stopping.wait(min(1.0, self.limits.keep / 4)):
            before = time.time() - self.limits.keep
            with self._changed:
                old = [job for job in self._jobs.values() if job.finished and job.finished < before]
            for job in old:
                self.remove(job)

    def _work(self) -> None:
        separation = Separation(self.model, self.threads, self._low_memory, self.limits)
        while True:
            with self._changed:
                while not self._waiting and not self._stopping.is_set():
                    self._changed.wait()
                if self._stopping.is_set():
                    return
                job = self._waiting.popleft()
                job.state = WORKING
            self._separate(separation, job)
            del job

    def _separate(self, separation: Separation, job: Job) -> None:
        started = time.monotonic()
        outcome = separation.run(job)
        seconds = time.monotonic() - started
        with contextlib.suppress(OSError):
            job.song.unlink(missing_ok=True)
        with self._changed:
            self._took = seconds if not self._took else 0.8 * self._took + 0.2 * seconds
            job.failure, job.finished = outcome, time.time()
            if job.cancel.is_set():
                job.state = CANCELLED
            else:
                job.state = DONE if outcome is None else FAILED
        if job.state != DONE:
            job.files = {}
            job.sizes = {}
            with self._changed:
                job.removed = True  # its files; what became of it is still told
        self._tidy(job)
        length = "" if job.seconds is None else f", {job.seconds:.1f} s of audio"
        told = "" if outcome is None or job.state == CANCELLED else f": {outcome.message}"
        self._report(f"{job.id[:8]} {job.state} after {seconds:.1f} s{length}{told}")
