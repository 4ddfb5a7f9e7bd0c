"""Tasks into an engine, a bounded number at a time; rows out of it; retries, counts and the end."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from .._version import __version__
from ..atomic import sweep
from ..errors import SpleeterError, error_message
from ..watching import CancelEvent
from .engines import Engine, Lost
from .job import Job, Song, Task
from .manifest import Manifest
from .places import is_remote
from .plan import Plan, stem_uris
from .rows import DONE, FAILED, SKIPPED, Row

AHEAD = 2  # tasks in flight for each that can run
MOST_SONGS = 100  # of a task
_TASKS = 10_000  # that a large catalogue is divided into
_WAIT_SECONDS = 0.5
_RETRIED = ("storage", "unexpected", "worker")  # what may go well the next time
_WORKER_DIED = "worker"

logger = logging.getLogger("spleeterrt")


def songs_per_task(songs: int) -> int:
    """Few for a small catalogue, so that all workers have some; more for a large one, for fewer fragments."""
    return max(1, min(MOST_SONGS, songs // _TASKS))


@dataclass
class Counts:
    """Of songs, so far.

    Attributes:
        total: listed.
        done, failed, skipped: in this run; skipped are those that were done before.
        seconds: of audio that was separated.
    """

    total: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> int:
        return max(self.total - self.done - self.failed - self.skipped, 0)

    @property
    def songs_per_hour(self) -> float:
        worked = self.done + self.failed
        return worked * 3600 / max(time.monotonic() - self.started, 1e-3)

    @property
    def seconds_left(self) -> float | None:
        """None where nothing is known yet."""
        rate = self.songs_per_hour
        return self.left * 3600 / rate if rate else None


class Run:
    """One run over a plan.

    Args:
        plan: what is to be done.
        engine: where tasks run.
        on_row: told every row in the end of its song, and of those that are skipped or refused.
        on_progress: called now and then.
        per_task: songs of a task; None: by `songs_per_task`.
    """

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        on_row: Callable[[Row], object],
        on_progress: Callable[[Counts], object] = lambda _: None,
        per_task: int | None = None,
    ) -> None:
        self._plan, self._engine = plan, engine
        self._on_row, self._on_progress = on_row, on_progress
        self._per_task = per_task or songs_per_task(plan.total)
        self._again: deque[Task] = deque()
        self._flying = 0
        self._deserted: set[Path] = set()  # folders in which workers have died
        self.most_flying = 0
        self.counts = Counts(plan.total + len(plan.faults))

    def go(self, stop: CancelEvent) -> Counts:
        """Until all songs are done or given up, or `stop` is set: then running songs come to their end or are
        cancelled, as the engine can.

        Raises:
            SpleeterError: the engine has no workers any more.
        """
        job = self._plan.job
        for fault in self._plan.faults:
            self._refuse(job, Song(fault.name), fault.message, "invalid")
        tasks = self._tasks()
        stopping = False
        while True:
            if stop.is_set() and not stopping:
                stopping = True
                self._ask_to_stop(job)
            while not stopping and self._flying < self._bound() and (task := self._next(tasks)) is not None:
                self._engine.submit(task)
                self._flying += 1
                self.most_flying = max(self.most_flying, self._flying)
            if not self._flying:
                break
            for task, outcome in self._engine.wait(_WAIT_SECONDS):
                self._flying -= 1
                self._take(task, outcome, stopping)
            self._on_progress(self.counts)
        for folder in self._deserted:
            sweep(folder)  # also of those that lived on for a while
        if stopping:
            Manifest(job.manifest).ask(job.stop_name, False)
        return self.counts

    def _bound(self) -> int:
        return max(1, self._engine.capacity()) * AHEAD

    def _ask_to_stop(self, job: Job) -> None:
        try:
            Manifest(job.manifest).ask(job.stop_name, True)
        except SpleeterError as error:
            logger.warning("running tasks cannot be asked to stop: %s", error)
        self._engine.stop()

    def _next(self, tasks: Iterator[Task]) -> Task | None:
        return self._again.popleft() if self._again else next(tasks, None)

    def _tasks(self) -> Iterator[Task]:
        job = self._plan.job
        songs: list[Song] = []
        for song, what, message in self._plan.verdicts():
            if what == "todo":
                songs.append(song)
            elif what in ("done", "again"):
                self._skip(job, song)
            else:
                self._refuse(job, song, message, "invalid")
            if len(songs) == self._per_task:
                yield Task(job, songs)
                songs = []
        if songs:
            yield Task(job, songs)

    def _take(self, task: Task, outcome: list[Row] | Lost, stopping: bool) -> None:
        if isinstance(outcome, Lost):
            self._lost(task, outcome, stopping)
            return
        by_uri = {row.uri: row for row in outcome}
        for song in task.songs:
            row = by_uri.get(song.uri)
            if row is None:  # it was stopped before
                if not stopping:
                    self._again.append(Task(task.job, [song]))
            elif row.status == FAILED and self._may_try_again(song, row.error_code) and not stopping:
                logger.warning("%s: attempt %d failed: %s", song.uri, song.attempt, row.error)
                self._again.extend(Task(task.job, [song]).apart())
            else:
                self._end(row)

    def _may_try_again(self, song: Song, code: str | None) -> bool:
        return code in _RETRIED and song.attempt < self._plan.attempts

    def _lost(self, task: Task, lost: Lost, stopping: bool) -> None:
        """The task's worker is gone, or its fragment could not be written: its songs are tried again one by
        one, so that the one that kills workers is found; what it had done before has its rows."""
        if stopping:
            return
        logger.warning(
            "%s: a task of %d songs is done again: %s", task.songs[0].uri, len(task.songs), lost.reason
        )
        rows = Manifest(task.job.manifest).task_rows(task.name, task.job.fragments)
        done = {row.uri: row for row in rows if row.status == DONE}
        for song in task.songs:
            self._deserted |= self._folders(task.job, song)
            if song.uri in done:
                self._end(done[song.uri])
            elif self._may_try_again(song, _WORKER_DIED):
                self._again.extend(Task(task.job, [song]).apart())
            else:
                self._give_up(task, song, lost.reason)

    def _folders(self, job: Job, song: Song) -> set[Path]:
        """Where the stems of a song are written, if it is on this machine."""
        if is_remote(job.output):
            return set()
        with contextlib.suppress(SpleeterError):
            return {Path(uri).parent for uri in stem_uris(job, song, self._plan.stems).values()}
        return set()

    def _give_up(self, task: Task, song: Song, why: str) -> None:
        row = self._failed(task.job, song, why, _WORKER_DIED)
        try:
            Manifest(task.job.manifest).write(Task(task.job, [song]).name, [row], task.job.fragments)
        except SpleeterError as error:
            logger.warning("%s: its row cannot be written: %s", song.uri, error_message(error))
        self._end(row)

    def _refuse(self, job: Job, song: Song, message: str, code: str) -> None:
        self._end(self._failed(job, song, message, code))

    def _skip(self, job: Job, song: Song) -> None:
        self._end(replace(self._failed(job, song, "", ""), status=SKIPPED, error=None, error_code=None))

    def _failed(self, job: Job, song: Song, message: str, code: str) -> Row:
        return Row(
            song.uri,
            song.folder,
            song.size,
            song.etag,
            job.model_digest,
            job.options_digest,
            FAILED,
            error=message,
            error_code=code,
            attempt=song.attempt,
            version=__version__,
            finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )

    def _end(self, row: Row) -> None:
        counts = self.counts
        if row.status == DONE:
            counts.done += 1
            counts.seconds += row.seconds
            counts.cpu_seconds += row.cpu_seconds
        elif row.status == SKIPPED:
            counts.skipped += 1
        else:
            counts.failed += 1
        self._on_row(row)
