"""Ray: a cluster that is there already, or one of this machine."""

from __future__ import annotations

import os
from typing import Any

from ...errors import SpleeterError, error_message
from ...parallel import usual_threads
from ..job import Task
from ..worker import run_task
from .base import Engine, Lost, Outcome


class RayEngine(Engine):
    """A Ray task of one CPU for each task, without Ray's own retries: the scheduler's are bounded, and find
    the song that kills workers."""

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise SpleeterError("the engine ray needs Ray: pip install 'spleeterrt[ray]'") from error
        self._ray: Any = ray
        self._ours = not ray.is_initialized()
        own: dict[str, Any] = {}
        if address is None:
            own = {"num_cpus": usual_threads()[0] if workers is None else workers, "include_dashboard": False}
        if self._ours:
            try:
                ray.init(address=address or "local", logging_level="ERROR", log_to_driver=False, **own)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise SpleeterError(f"{address or 'Ray'}: {error}") from error
        self._remote: Any = ray.remote(num_cpus=1, max_retries=0)(run_task)
        self._tasks: dict[Any, Task] = {}

    def capacity(self) -> int:
        return int(self._ray.cluster_resources().get("CPU", 0))

    def submit(self, task: Task) -> None:
        self._tasks[self._remote.remote(task)] = task

    def wait(self, seconds: float) -> list[tuple[Task, Outcome]]:
        references = list(self._tasks)
        if not references:
            return []
        ready, _ = self._ray.wait(references, num_returns=1, timeout=seconds)
        if ready:  # and what else has ended
            ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        return [(self._tasks.pop(reference), self._outcome(reference)) for reference in ready]

    def _outcome(self, reference: Any) -> Outcome:
        try:
            rows: list[Any] = self._ray.get(reference)
            return rows
        except Exception as error:
            return Lost(error_message(error).split("\n")[0])

    def stop(self) -> None:
        """Tasks that run are interrupted, as by Ctrl-C: nothing half-written is left."""
        for reference in self._tasks:
            self._ray.cancel(reference, force=False)

    def close(self) -> None:
        if self._ours:
            self._ray.shutdown()
