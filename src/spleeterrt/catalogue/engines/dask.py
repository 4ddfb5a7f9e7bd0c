"""Dask: workers of a scheduler that is there already, or of this machine."""

from __future__ import annotations

import logging
import queue
from typing import Any

from ...errors import SpleeterError, error_message
from ...parallel import usual_threads
from ..job import Task
from ..worker import run_task
from .base import Engine, Lost, Outcome

_CONNECT_SECONDS = 30


class DaskEngine(Engine):
    """A future for each task, released as soon as it has ended: Dask repeats tasks of workers that die, and
    all whose results it still keeps there."""

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        try:
            from distributed import Client, LocalCluster
        except ImportError as error:
            raise SpleeterError("the engine dask needs Dask: pip install 'spleeterrt[dask]'") from error
        self._cluster: Any = None
        if address is None:
            self._cluster = LocalCluster(
                n_workers=usual_threads()[0] if workers is None else workers,
                threads_per_worker=1,
                dashboard_address=None,
                silence_logs=logging.ERROR,
            )
        try:
            self._client: Any = Client(
                self._cluster or address, timeout=_CONNECT_SECONDS, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise SpleeterError(f"{address}: no Dask scheduler answers: {error}") from error
        self._futures: dict[str, tuple[Any, Task]] = {}
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()

    def capacity(self) -> int:
        return sum(self._client.nthreads().values())

    def submit(self, task: Task) -> None:
        future = self._client.submit(run_task, task, pure=False)
        self._futures[future.key] = future, task
        future.add_done_callback(lambda done: self._ended.put(done.key))

    def wait(self, seconds: float) -> list[tuple[Task, Outcome]]:
        ended: list[tuple[Task, Outcome]] = []
        try:
            key = self._ended.get(timeout=seconds)
            while True:
                if key in self._futures:
                    future, task = self._futures.pop(key)
                    ended.append((task, _outcome(future)))
                    future.release()
                key = self._ended.get_nowait()
        except queue.Empty:
            return ended

    def stop(self) -> None:
        """Tasks that run come to the end of the song at hand."""
        running = {key for keys in self._client.processing().values() for key in keys}
        for key, (future, _) in list(self._futures.items()):
            if key not in running:
                future.cancel()
                self._ended.put(key)

    def close(self) -> None:
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def _outcome(future: Any) -> Outcome:
    if future.status == "finished":
        try:
            rows: list[Any] = future.result(timeout=60)
            return rows
        except Exception as error:  # its worker died before the result was here
            return Lost(error_message(error))
    if future.status == "error":
        return Lost(error_message(future.exception()))
    return Lost(future.status)
