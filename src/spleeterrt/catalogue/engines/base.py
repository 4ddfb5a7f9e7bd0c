"""What an engine is: it takes tasks and gives rows, or says that one is lost; the rest is the scheduler's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, TypeAlias

from ..job import Task
from ..rows import Row


class Lost(NamedTuple):
    """A task whose worker died, or that raised."""

    reason: str


Outcome: TypeAlias = "list[Row] | Lost"


class Engine(ABC):
    """Runs `run_task`. Used by one thread; a context manager."""

    @abstractmethod
    def capacity(self) -> int:
        """How many tasks run at the same time, now."""

    @abstractmethod
    def submit(self, task: Task) -> None: ...

    @abstractmethod
    def wait(self, seconds: float) -> list[tuple[Task, Outcome]]:
        """The tasks that have ended since the last call; it waits for one for at most so long.

        Raises:
            SpleeterError: there are no workers any more, nor will there be.
        """

    @abstractmethod
    def stop(self) -> None:
        """Give up what has not begun, and what runs if that can be; `wait` reports those tasks, too."""

    @abstractmethod
    def close(self) -> None:
        """End the workers that this engine has started."""

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
