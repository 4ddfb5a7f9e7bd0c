"""The signals that end a program, for as long as something runs, and as they were before afterwards."""

from __future__ import annotations

import signal
import threading
from abc import ABC, abstractmethod
from types import FrameType
from typing import Any, TypeVar

_Self = TypeVar("_Self", bound="SignalHandler")

# Ctrl-C and `kill`; then a terminal that was closed or lost, Ctrl-\, and Ctrl-Break on Windows.
_ASKED = ("SIGINT", "SIGTERM")
_LOST = ("SIGHUP", "SIGQUIT", "SIGBREAK")


def ending_signals() -> tuple[int, ...]:
    """The signals that end a program here; not those of a lost terminal that `nohup` (or a shell, of what
    runs in its background) has set to be ignored."""
    asked = [getattr(signal, name) for name in _ASKED]
    lost = [getattr(signal, name) for name in _LOST if hasattr(signal, name)]
    return tuple(asked + [number for number in lost if signal.getsignal(number) != signal.SIG_IGN])


class SignalHandler(ABC):
    """A context in which `ending_signals` go to `handle`; without effect but in the main thread."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}

    @abstractmethod
    def handle(self, number: int, frame: FrameType | None) -> None:
        """Called in the main thread, between two instructions of Python."""

    def __enter__(self: _Self) -> _Self:
        if threading.current_thread() is threading.main_thread():
            for number in ending_signals():
                self._before[number] = signal.signal(number, self.handle)
        return self

    def __exit__(self, *error: object) -> None:
        while self._before:
            signal.signal(*self._before.popitem())


class Ending(SignalHandler):
    """Every signal that ends a program does so as Ctrl-C does: what is half done is cleared up.

    Only Ctrl-C does so again meanwhile: of a terminal that is closed both the system and the shell send a
    SIGHUP. After `over` nothing does.
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked = self._over = False

    def over(self) -> None:
        self._over = True

    def handle(self, number: int, frame: FrameType | None) -> None:
        again, self._asked = self._asked, True
        if not self._over and (not again or number == signal.SIGINT):
            raise KeyboardInterrupt
