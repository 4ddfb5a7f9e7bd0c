"""Keys one by one, without echo, from a terminal that is as before whenever this program does not use it."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Protocol


class Keys(Protocol):
    away: bool
    """The terminal is at somebody else's disposal: the program runs in the background."""
    resumed: bool
    """It was, or the program had been stopped (Ctrl-Z), since this was last set to False."""

    def wait(self, seconds: float) -> bool:
        """Until a key is pressed, or the time is over."""

    def read(self) -> str:
        """The keys that were pressed."""


class NoKeys:
    away = resumed = False

    def wait(self, seconds: float) -> bool:
        time.sleep(seconds)
        return False

    def read(self) -> str:
        return ""


if sys.platform == "win32":
    import msvcrt

    class WindowsKeys:
        away = resumed = False

        def wait(self, seconds: float) -> bool:
            end = time.monotonic() + seconds
            while not msvcrt.kbhit():
                if time.monotonic() >= end:
                    return False
                time.sleep(0.02)
            return True

        def read(self) -> str:
            key = msvcrt.getwch()
            if key in "\0\xe0":  # an arrow or the like: its second half would pass for a letter
                msvcrt.getwch()
                return ""
            return key

    @contextmanager
    def terminal_keys() -> Iterator[Keys]:
        yield WindowsKeys() if sys.stdin is not None and sys.stdin.isatty() else NoKeys()

else:
    import termios
    import tty

    class TerminalKeys:
        """The terminal's mode is changed only while this is its foreground job: to change it from the
        background would stop the program. Shells set it anew when a job stops, and do not put it back at
        `fg`.
        """

        def __init__(self, descriptor: int) -> None:
            self.away = self.resumed = False
            self._descriptor = descriptor
            self._before: list[Any] | None = None  # the mode to come back to, while ours is set
            self._handlers = {
                number: signal.signal(number, handler)
                for number, handler in ((signal.SIGTSTP, self._stop), (signal.SIGCONT, self._continue))
                if signal.getsignal(number) != signal.SIG_IGN
            }

        def wait(self, seconds: float) -> bool:
            self.away = not self._foreground()
            if self.away:
                self.resumed = True
                time.sleep(seconds)
                return False
            self._take()
            pressed = bool(select.select([self._descriptor], [], [], seconds)[0])
            # Stopped and continued meanwhile: what it saw were lines for the shell, and to read would block.
            return pressed and self._before is not None and self._foreground()

        def read(self) -> str:
            # Nothing: the terminal is gone, and SIGHUP is on its way.
            return os.read(self._descriptor, 64).decode(errors="ignore") or "q"

        def close(self) -> None:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            self._give_back()

        def _take(self) -> None:
            if self._before is None:
                try:
                    self._before = termios.tcgetattr(self._descriptor)
                    tty.setcbreak(self._descriptor, termios.TCSADRAIN)
                except termios.error:
                    self._before = None  # the next wait tries again

        def _give_back(self) -> None:
            before, self._before = self._before, None
            if before is not None and self._foreground():
                with suppress(termios.error):
                    termios.tcsetattr(self._descriptor, termios.TCSADRAIN, before)

        def _foreground(self) -> bool:
            try:
                return os.tcgetpgrp(self._descriptor) == os.getpgrp()
            except OSError:
                return False

        def _stop(self, number: int, frame: FrameType | None) -> None:
            self._give_back()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)  # here it stands still until SIGCONT
            signal.signal(number, self._stop)

        def _continue(self, number: int, frame: FrameType | None) -> None:
            self.resumed = True
            self._before = None  # what is set now is the shell's

    @contextmanager
    def terminal_keys() -> Iterator[Keys]:
        """Of standard input, if it is a terminal and this its foreground job."""
        try:
            descriptor = sys.stdin.fileno()
            foreground = os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp()
        except (AttributeError, OSError, ValueError):
            foreground = False
        if not foreground:
            yield NoKeys()
            return
        keys = TerminalKeys(descriptor)
        try:
            yield keys
        finally:
            keys.close()


__all__ = ["Keys", "NoKeys", "terminal_keys"]
