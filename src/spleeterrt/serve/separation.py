"""One song of a service: `Separator.separate_to_file` within limits, and what is said of it to clients."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import SeparationCancelled, SpleeterError, error_code
from ..file_job import ReadOptions
from ..separator import Separator
from .job import Failure
from .limits import Limits

if TYPE_CHECKING:
    from ..network.model import Model
    from .job import Job

logger = logging.getLogger("spleeterrt")


class _Stop(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Separation:
    """Separates songs one after the other, in one thread.

    Separators share the model's weights; the last one is kept, since most songs are asked for alike, and
    with it the buffers of its networks.
    """

    def __init__(self, model: Model, threads: int, low_memory: bool, limits: Limits) -> None:
        self._model, self._threads, self._low_memory, self._limits = model, threads, low_memory, limits
        self._separator: Separator | None = None
        self._settings: Any = None
        logger.addFilter(_warnings)  # once, however many there are

    def run(self, job: Job) -> Failure | None:
        """Separate the song of a job, and put the files' names and sizes into it; never raises."""
        try:
            with _warnings.of(job):
                self._run(job)
        except _Stop as stop:
            return stop.failure
        except SeparationCancelled:
            return Failure("cancelled", "The song was cancelled.")
        except SpleeterError as error:
            if _is_full(error):
                return Failure("disk-full", "There is no room left on the server for the stems.")
            return Failure(error_code(error), cleaned(str(error), job))
        except Exception:  # no memory, or a mistake of ours: the service goes on
            logger.exception("song %s", job.id[:8])
            return Failure("unexpected", "The separation failed; the server's log says why.")
        return None

    def _run(self, job: Job) -> None:
        options = job.options
        assert options is not None
        self._check_length(job)
        deadline = time.monotonic() + self._limits.timeout
        most = self._limits.seconds * options.passes
        stopped: list[_Stop] = []  # what `cancel` said yes for

        def progress(done: float, total: float | None) -> None:
            job.done, job.seconds = done, total
            if done > most:
                stopped.append(self._too_long())

        def cancel() -> bool:
            if not stopped and time.monotonic() > deadline:
                stopped.append(_Stop(Failure("timeout", "The separation takes longer than is allowed here.")))
            return bool(stopped) or job.cancel.is_set()

        try:
            files = self._separator_for(options.separator).separate_to_file(
                str(job.song),
                str(job.folder),
                filename_format="{instrument}.{codec}",
                progress=progress,
                cancel=cancel,
                **options.files,
            )
        except SeparationCancelled:
            if stopped and not job.cancel.is_set():
                raise stopped[0] from None
            raise
        if job.seconds is None:
            job.seconds = job.done
        job.sizes = {path.name: path.stat().st_size for path in files.values()}
        job.stems = {path.name: stem for stem, path in files.items()}
        job.files = {path.name: path for path in files.values()}

    def _check_length(self, job: Job) -> None:
        assert job.options is not None
        with ReadOptions(**job.options.reading).open(job.song) as song:
            frames, rate = song.likely_frames, song.source_rate
        if frames is not None and frames > self._limits.seconds * rate:
            raise self._too_long()

    def _too_long(self) -> _Stop:
        return _Stop(
            Failure("too-long", f"The song is longer than {self._limits.seconds:g} s; ask for a part of it.")
        )

    def _separator_for(self, settings: Any) -> Separator:
        if self._separator is None or self._settings != settings:
            if self._separator is not None:
                self._separator.close()
            self._separator = Separator(
                self._model, threads=self._threads, low_memory=self._low_memory, **settings
            )
            self._settings = settings
        return self._separator


def cleaned(message: str, job: Job) -> str:
    """A message without the server's paths."""
    message = message.replace(str(job.song), "the song").replace(f"{job.folder}/", "")
    return message.replace(str(job.folder), "the results").replace(str(job.folder.parent), "the server")


def _is_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


class _Warnings(logging.Filter):
    """What the thread of a song warns of belongs to the song, not to the server's log."""

    def __init__(self) -> None:
        super().__init__()
        self._jobs: dict[int, Job] = {}  # by thread

    @contextmanager
    def of(self, job: Job) -> Iterator[None]:
        self._jobs[threading.get_ident()] = job
        try:
            yield
        finally:
            del self._jobs[threading.get_ident()]

    def filter(self, record: logging.LogRecord) -> bool:
        job = self._jobs.get(record.thread or 0)
        if job is None or record.levelno > logging.WARNING:
            return True
        if record.levelno == logging.WARNING:
            job.warnings.append(cleaned(record.getMessage(), job))
        return False


_warnings = _Warnings()
