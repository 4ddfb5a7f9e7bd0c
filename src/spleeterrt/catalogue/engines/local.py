"""Processes of this machine: one task each at a time; one that dies is replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from multiprocessing.connection import Connection, wait
from typing import Any

from ...errors import SpleeterError, error_message
from ...parallel import usual_threads
from ..job import Task
from ..worker import run_task
from .base import Engine, Lost, Outcome

_END_SECONDS = 10.0  # for a worker that has been asked to end
_HOPELESS = 3  # workers in a row, for each that there should be, that died without finishing a task


class LocalEngine(Engine):
    def __init__(self, workers: int | None = None) -> None:
        self._count = usual_threads()[0] if workers is None else workers
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._waiting: deque[Task] = deque()
        self._ended: list[tuple[Task, Outcome]] = []  # to be told by `wait`
        self._died_in_vain = 0

    def capacity(self) -> int:
        return self._count

    def submit(self, task: Task) -> None:
        self._waiting.append(task)

    def wait(self, seconds: float) -> list[tuple[Task, Outcome]]:
        self._deal()
        ended, self._ended = self._ended, []
        busy = {worker.connection: worker for worker in self._workers if worker.task is not None}
        sentinels = {worker.process.sentinel: worker for worker in self._workers}
        ready = wait([*busy, *sentinels], 0 if ended else seconds)
        for connection in ready:
            if connection in busy:
                ended += self._receive(busy[connection])
        for sentinel in ready:
            if sentinel in sentinels:
                ended += self._bury(sentinels[sentinel])
        self._deal()
        return ended

    def _deal(self) -> None:
        """Give waiting tasks to idle workers; start workers as long as there is something for them to do."""
        idle = [worker for worker in self._workers if worker.task is None]
        while self._waiting and (idle or len(self._workers) < self._count):
            if not idle:
                idle.append(_Worker(self._context))
                self._workers.append(idle[-1])
            if not idle.pop().give(self._waiting[0]):
                return  # it is dying: its sentinel will tell
            self._waiting.popleft()

    def _receive(self, worker: _Worker) -> list[tuple[Task, Outcome]]:
        try:
            outcome: Outcome = worker.connection.recv()
        except (EOFError, OSError):
            return []  # it died: told by its sentinel
        task, worker.task = worker.task, None
        self._died_in_vain = 0
        return [] if task is None else [(task, outcome)]

    def _bury(self, worker: _Worker) -> list[tuple[Task, Outcome]]:
        ended = self._receive(worker) if worker.task is not None and worker.connection.poll() else []
        self._workers.remove(worker)
        worker.process.join()
        worker.connection.close()
        if worker.task is not None:
            ended.append((worker.task, Lost(f"the worker died ({_died_of(worker.process.exitcode)})")))
        self._died_in_vain += not ended or isinstance(ended[0][1], Lost)
        if self._died_in_vain > _HOPELESS * (self._count + 1):
            raise SpleeterError(
                f"{self._died_in_vain} workers in a row have died ({_died_of(worker.process.exitcode)}): too "
                "little memory?"
            )
        return ended

    def stop(self) -> None:
        """Songs that are being separated are cancelled."""
        for worker in self._workers:
            worker.process.terminate()
        self._ended += [(task, Lost("stopped")) for task in self._waiting]
        self._waiting.clear()

    def close(self) -> None:
        for worker in self._workers:
            worker.connection.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_END_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()


class _Worker:
    """A process, and the task that it has."""

    def __init__(self, context: Any) -> None:
        self.task: Task | None = None
        self.connection: Connection
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, os.getpid()), name="spleeterrt-worker")
        self.process.start()
        theirs.close()

    def give(self, task: Task) -> bool:
        try:
            self.connection.send(task)
        except OSError:
            return False
        self.task = task
        return True


def _died_of(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _serve(connection: Connection, parent: int) -> None:
    """What a worker does until nobody gives it work any more."""
    asked = threading.Event()

    def ended() -> bool:  # orphans do not go on
        return asked.is_set() or (hasattr(os, "getppid") and os.getppid() != parent)

    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the parent decides
    while not ended():
        try:
            if not connection.poll(0.5):
                continue
            task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            outcome: Outcome = run_task(task, ended)
        except Exception as error:
            outcome = Lost(error_message(error))
        try:
            connection.send(outcome)
        except OSError:
            return
