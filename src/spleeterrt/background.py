"""Reading ahead and writing behind: a thread at each end of a loop, with a bounded queue in between.

    with ReadAhead(blocks) as blocks, WriteBehind(write) as later:
        for item in work(blocks):
            later(item)

An error of either thread is raised in the loop; leaving the `with` block ends the threads, whatever
happened (one that waits inside a read ends with that read). Where the system gives no more threads, the
loop reads or writes itself.
Ctrl-C is the main thread's, so it never falls into a callback of an audio library there.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class _Closed(Exception):
    """The other end of the channel is gone."""


class _Channel(Generic[T]):
    """A bounded queue that either end can close."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._items: deque[T] = deque()
        self._ended = self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> None:
        """Waits for room; `_Closed` where nobody takes items any more."""
        with self._changed:
            while len(self._items) >= self._depth and not self._closed:
                self._changed.wait()
            if self._closed:
                raise _Closed
            self._items.append(item)
            self._changed.notify_all()

    def take(self) -> T:
        """Waits for an item; `_Closed` after the last one."""
        with self._changed:
            while not self._items and not (self._ended or self._closed):
                self._changed.wait()
            if self._closed or not self._items:
                raise _Closed
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def end(self) -> None:
        """Nothing more comes; what is there can be taken."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more is put or taken."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()


class _Worker(ABC, Generic[T]):
    """A thread at one end of a channel."""

    def __init__(self, name: str, depth: int) -> None:
        self._channel: _Channel[T] = _Channel(depth)
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._name = name

    def _start(self) -> bool:
        """Whether the system gives the thread."""
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # "can't start new thread"
            return False
        self._thread = thread
        return True

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        except _Closed:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self._finish()

    @abstractmethod
    def _work(self) -> None:
        """What the thread does."""

    def _finish(self) -> None:
        """Tell the other end that the thread is done."""

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error


class ReadAhead(_Worker[T]):
    """Iterates over `items` in a thread, up to `depth` items ahead of the loop."""

    def __init__(self, items: Iterable[T], depth: int = 2) -> None:
        super().__init__("spleeterrt-read", depth)
        self._items = items

    def _work(self) -> None:
        try:
            for item in self._items:
                self._channel.put(item)
                del item
        finally:
            self._close()

    def _close(self) -> None:
        if isinstance(self._items, Generator):
            self._items.close()  # here and now: it may hold a file open

    def _finish(self) -> None:
        self._channel.end()

    def __enter__(self) -> Iterator[T]:
        return self._taken() if self._start() else iter(self._items)

    def _taken(self) -> Iterator[T]:
        while True:
            try:
                item = self._channel.take()
            except _Closed:
                self._raise()
                return
            yield item
            del item

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()
        if self._thread is None:
            self._close()
        self._join()


class WriteBehind(_Worker[T]):
    """Calls `write` with items in a thread, up to `depth` items behind the loop."""

    def __init__(self, write: Callable[[T], object], depth: int = 2) -> None:
        super().__init__("spleeterrt-write", depth)
        self._write = write

    def _work(self) -> None:
        while True:
            item = self._channel.take()
            self._write(item)
            del item

    def _finish(self) -> None:
        self._channel.close()

    def __enter__(self) -> Callable[[T], object]:
        return self._put if self._start() else self._write

    def _put(self, item: T) -> None:
        try:
            self._channel.put(item)
        except _Closed:
            self._raise()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._channel.end()
        else:
            self._channel.close()
        try:
            self._join()
        except BaseException:  # Ctrl-C
            self._channel.close()
            self._join()
            raise
        if kind is None:
            self._raise()
