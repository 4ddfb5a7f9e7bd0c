"""File descriptors that a signal can stop between two samples."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

from ..signals import SignalHandler

_ATOMIC = getattr(select, "PIPE_BUF", 512)  # bytes that a pipe takes whole or not at all
_HANGUP = getattr(signal, "SIGHUP", None)
BINARY = getattr(os, "O_BINARY", 0)


class Interruption(SignalHandler):
    """The first signal that ends programs ends the stream between two samples and wakes whoever waits;
    another one raises KeyboardInterrupt wherever the program is.

    SIGHUP does not insist: of a terminal that is closed both the system and the shell send one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked = self._signalled = self._raises = False
        self._wakeup: int | None = None
        self._waits = os.name == "posix"  # elsewhere `select` knows sockets only
        if self._waits:
            self._read, self._write = os.pipe()
            os.set_blocking(self._write, False)  # which Windows has from Python 3.12 on

    def is_set(self) -> bool:
        return self._asked

    def stop(self) -> None:
        """As a signal does."""
        self._asked = True
        if self._waits:
            with contextlib.suppress(BlockingIOError):
                os.write(self._write, b"x")

    def wait(
        self, *, read: int | None = None, write: int | None = None, seconds: float | None = None
    ) -> bool:
        """Wait until a descriptor is ready, or the time is over; False: it is time to stop."""
        if self._asked:
            return False
        if self._waits:
            reads = [self._read] if read is None else [self._read, read]
            ready, _, _ = select.select(reads, [] if write is None else [write], [], seconds)
            if self._read in ready:
                self._asked = True
        elif seconds is not None:
            threading.Event().wait(seconds)
        return not self._asked

    @contextlib.contextmanager
    def raising(self) -> Iterator[None]:
        """For calls that wait and cannot be woken."""
        self._raises = True
        try:
            yield
        finally:
            self._raises = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        insists = self._signalled and number != _HANGUP
        if insists or self._raises:
            raise KeyboardInterrupt
        self._signalled |= number != _HANGUP
        self._asked = True

    def __enter__(self) -> Interruption:
        if self._waits and threading.current_thread() is threading.main_thread():
            # The C part of the handler writes to the pipe, so that no signal falls between a look and a wait.
            self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        if self._wakeup is not None:
            signal.set_wakeup_fd(self._wakeup)
        # Threads that wait may still look at the pipe: it stays open, and readable.


def write_units(
    descriptor: int, data: bytes, unit: int, interruption: Interruption, *, head: int = 0
) -> None:
    """Write all, or, if it is time to stop, whole units of so many bytes.

    head: bytes of a header that the first unit follows: it goes out with as many units as a pipe takes whole,
    because there are readers that want samples in their first read.
    """
    view, done = memoryview(data), 0
    while done < len(view):
        within = (done - head) % unit if done >= head else done
        if within == 0 and not interruption.wait(write=descriptor):
            return
        last = max(head, done - within if done >= head else 0)  # the unit that `done` is in, or the first one
        end = last + max(1, (done + _ATOMIC - last) // unit) * unit
        try:
            done += os.write(descriptor, view[done:end])
        except BlockingIOError:
            if within:
                _wait_for_room(descriptor)


def _wait_for_room(descriptor: int) -> None:
    if os.name == "posix":
        select.select([], [descriptor], [])
    else:
        time.sleep(0.01)


def descriptor_number(path: str) -> int | None:
    """The number of the open descriptor that a path names, as the shell's `<(...)` and `>(...)` do.

    Opening such a path again would wait for a pipe's other end, which may have gone already.
    """
    if path in ("/dev/stdin", "/dev/stdout"):
        return int(path == "/dev/stdout")
    match = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d{1,6})", path)
    return int(match[1]) if match else None


def write_all(descriptor: int, data: bytes) -> int:
    view, done = memoryview(data), 0
    while done < len(view):
        done += os.write(descriptor, view[done:])
    return done


def appends(descriptor: int) -> bool:
    """Whether writing goes to the end wherever one seeks (`>>`)."""
    if os.name != "posix":
        return False
    import fcntl

    return bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND)


def set_binary(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(descriptor, os.O_BINARY)
