"""What the commands share of terminal and process: file names, progress bars, logging, Ctrl-C."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TextIO, TypeAlias

import click

from ..errors import SpleeterError
from ..signals import SignalHandler

Draw: TypeAlias = Callable[[float, "float | None"], None]  # of a progress bar

logger = logging.getLogger("spleeterrt")


def printable(text: str, *, lines: bool = False) -> str:
    """No control characters and no undecodable bytes of a file name reach the terminal.

    lines: of a message of several lines; their ends stay.
    """
    kept = "\n" if lines else ""
    return "".join(c if c.isprintable() or c in kept else "\N{REPLACEMENT CHARACTER}" for c in text)


def say(message: str, *, err: bool = False) -> None:
    """Print a message for people; where the terminal is gone, or nobody reads, the work goes on.

    Raises:
        OSError: standard output cannot be written for another reason (a full disk).
    """
    try:
        click.echo(printable(message, lines=True), err=err)
    except OSError as error:
        if not err and error.errno not in (errno.EIO, errno.EPIPE):
            raise


def check_folder() -> None:
    try:
        os.getcwd()
    except OSError as error:  # MKL would end the process
        raise SpleeterError(f"the current folder cannot be read: {error.strerror}") from error


def configure_logging(verbose: bool, quiet: bool) -> None:
    handler: logging.Handler = (
        logging.NullHandler() if sys.stderr is None else logging.StreamHandler(sys.stderr)
    )
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING)
    logger.propagate = False


@contextmanager
def progress_bar(song: str, number: int, count: int, quiet: bool) -> Iterator[Draw | None]:
    """A bar in seconds of audio with the time left, on a terminal; nothing in a pipe."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    name = printable(Path(song).name)
    label = f"[{number}/{count}] {name}" if count > 1 else name
    known = "{desc} {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]"
    unknown = "{desc} {n:.0f} s of audio [{elapsed}]"
    bar = tqdm(
        total=None,
        desc=label if len(label) <= 40 else label[:39] + "…",
        bar_format=unknown,
        leave=False,
        file=_Terminal(sys.stderr),
    )

    def update(done: float, total: float | None) -> None:
        if total is not None and bar.total != total:
            bar.total, bar.bar_format = total, known
        bar.update(done - bar.n)

    try:
        yield update
    finally:
        bar.close()


class _Terminal:
    """A terminal that may go away: then what is drawn is lost, and nothing else."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.encoding = file.encoding

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()

    def fileno(self) -> int:
        return self._file.fileno()

    def isatty(self) -> bool:
        return self._file.isatty()


class Interruption(SignalHandler):
    """The first signal asks the separation to stop between two segments, where nothing is half done (inside a
    callback of an audio library an exception would be lost); the second one raises.
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked = False

    def is_set(self) -> bool:
        return self._asked

    def handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
