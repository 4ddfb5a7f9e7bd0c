"""Jobs in the background, one after the other, and waiting for them."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypeVar

from .audio.resample import checked_number
from .errors import SpleeterError
from .parallel import started_pool

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

T = TypeVar("T")

logger = logging.getLogger("spleeterrt")


class BackgroundJobs:
    """What a `Separator` does with synchronous=False: one thread, made when it is needed."""

    def __init__(self) -> None:
        self._worker: ThreadPoolExecutor | None = None
        self._worker_process = 0
        self._tasks: list[Future[Any]] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As `close`; where an error is on its way already, those of the jobs are only logged."""
        try:
            self.close()
        except Exception as other:
            if kind is None:
                raise
            logger.warning("a separation in the background failed: %s", other)

    def join(self, timeout: float | None = 200) -> None:
        """Wait for what was started with synchronous=False.

        Raises:
            Exception: the first error of these jobs; further ones are logged.
            SpleeterError: a job needs longer than `timeout` seconds.
        """
        if timeout is not None:
            timeout = checked_number(timeout, "timeout")
        with self._lock:
            tasks = self._tasks if self._worker_process == os.getpid() else []
        done, running = wait(tasks, timeout)
        with self._lock:
            self._tasks = [task for task in self._tasks if task not in done]
        failures = [task.exception() for task in tasks if task in done]
        errors = [failure for failure in failures if failure is not None]
        for other in errors[1:]:
            logger.warning("a further separation in the background failed: %s", other)
        if errors:
            raise errors[0]
        if running:
            raise SpleeterError(f"join: a separation is still running after {timeout} s")

    def close(self) -> None:
        """Wait for what was started with synchronous=False, and end the thread. More may be started
        afterwards.

        Raises:
            SpleeterError: what went wrong in such a job first; all have ended.
        """
        try:
            self.join(None)
        finally:
            with self._lock:
                worker, self._worker = self._worker, None
                ours = self._worker_process == os.getpid()
            if worker is not None and ours:
                worker.shutdown()

    def _do(self, job: Callable[[], T], synchronous: bool) -> T | None:
        if synchronous:
            return job()
        task = self._submit(job)
        with self._lock:
            self._tasks.append(task)
        return None

    def _submit(self, job: Callable[[], Any]) -> Future[Any]:
        with self._lock:
            if self._worker is None or self._worker_process != os.getpid():
                # A forked child has the parent's pool without its worker.
                self._worker = started_pool(1, "spleeterrt")
                self._worker_process = os.getpid()
                self._tasks = []
            if self._worker is not None:
                return self._worker.submit(job)
        done: Future[Any] = Future()  # the system gives no thread: here and now
        try:
            done.set_result(job())
        except Exception as error:
            done.set_exception(error)
        return done
