"""Ctrl-C and SIGTERM for as long as something runs, and as they were before afterwards."""

from __future__ import annotations

import signal
import threading
from abc import ABC, abstractmethod
from types import FrameType
from typing import Any, TypeVar

_Self = TypeVar("_Self", bound="SignalHandler")


class SignalHandler(ABC):
    """A context in which SIGINT and SIGTERM go to `handle`; without effect but in the main thread."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}

    @abstractmethod
    def handle(self, number: int, frame: FrameType | None) -> None:
        """Called in the main thread, between two instructions of Python."""

    def __enter__(self: _Self) -> _Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self.handle)
        return self

    def __exit__(self, *error: object) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
