"""What the commands share of terminal and process: file names, progress bars, logging, Ctrl-C."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TextIO, TypeAlias

import click

from ..errors import SpleeterError, reader_gone
from ..signals import SignalHandler

Draw: TypeAlias = Callable[[float, "float | None"], None]  # of a progress bar

USUAL_COLUMNS = 80
WIDE = 64  # columns from which on a bar says everything
LEAST_BAR = 6
LONGEST_LABEL = 40

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
        if not err and error.errno != errno.EIO and not reader_gone(error):
            raise


def check_folder() -> None:
    try:
        os.getcwd()
    except OSError as error:  # MKL would end the process
        raise SpleeterError(f"the current folder cannot be read: {error.strerror}") from error


def configure_logging(verbose: bool = False, quiet: bool = False) -> list[str]:
    """Send the package's log, and Python's warnings with it, to standard error: warnings and what is worse,
    all with `verbose`, errors only when `quiet`.

    Returns:
        A list that the messages of all warnings are appended to, whatever is shown.
    """
    collector = _Collector()
    handlers: list[logging.Handler] = [collector]
    if sys.stderr is not None:
        shown = _BesideTheBar(sys.stderr)
        shown.setLevel(logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING)
        shown.setFormatter(_Formatter("%(levelname)s: %(message)s"))
        handlers.append(shown)
    logger.handlers[:] = handlers
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
    logger.propagate = False

    def show(message: Warning | str, category: type[Warning], *_where: object, **_file: object) -> None:
        logger.warning("%s: %s", category.__name__, message)

    warnings.showwarning = show
    return collector.messages


class _Collector(logging.Handler):
    """Keeps the warnings for `--json`."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), lines=True)


class _BesideTheBar(logging.StreamHandler):  # type: ignore[type-arg]
    """A message gets a line of its own, above the progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        bar = _bars[-1] if _bars else None
        if bar is not None:
            bar.clear()
        super().emit(record)
        if bar is not None:
            bar.refresh()


_bars: list[Any] = []  # that are drawn at the moment


@contextmanager
def progress_bar(song: str, number: int, count: int, quiet: bool) -> Iterator[Draw | None]:
    """A bar in seconds of audio with the time left, on a terminal; nothing in a pipe."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    name = printable(os.path.basename(song))
    label = f"[{number}/{count}] {name}" if count > 1 else name
    bar = tqdm(total=None, bar_format=" ", leave=False, file=_Terminal(sys.stderr))

    def update(done: float, total: float | None) -> None:
        bar.total = None if total is None else max(total, done)  # lengths may be estimates
        # Every time anew: the terminal may have got another size.
        bar.ncols = _columns() - len("^C ")  # which the terminal may put behind it
        bar.bar_format, room = _bar_format(bar.ncols, total)
        bar.set_description_str(shortened(label, room), refresh=False)
        bar.update(done - bar.n)

    _bars.append(bar)
    try:
        yield update
    finally:
        _bars.remove(bar)
        bar.close()


@contextmanager
def status_line(quiet: bool) -> Iterator[Callable[[str], object] | None]:
    """A line that is written anew, on a terminal; nothing in a pipe."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    bar = tqdm(total=None, bar_format="{desc}", leave=False, file=_Terminal(sys.stderr))
    _bars.append(bar)
    try:
        yield lambda text: bar.set_description_str(shortened(printable(text), _columns() - 1))
    finally:
        _bars.remove(bar)
        bar.close()


def _bar_format(columns: int, total: float | None) -> tuple[str, int]:
    """What a bar shows on a terminal of so many columns, and how many there are for the name."""
    if total is None:
        return "{desc} {n:.0f} s [{elapsed}]", max(columns - 18, 1)
    if columns >= WIDE:
        fixed = len(f" 100%|| {total:.0f}/{total:.0f} s of audio [00:00<00:00]") + LEAST_BAR
        return (
            "{desc} {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]",
            min(columns - fixed, LONGEST_LABEL),
        )
    return "{desc} {percentage:3.0f}%|{bar}| {remaining}", max(columns - 13 - LEAST_BAR, 1)


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or USUAL_COLUMNS
    except (OSError, ValueError):
        return USUAL_COLUMNS


def shortened(text: str, columns: int) -> str:
    """As much of a text as fits into so many columns of a terminal, and an ellipsis for the rest."""
    if sum(map(_width, text)) <= columns:
        return text
    taken, used = [], 1
    for character in text:
        used += _width(character)
        if used > columns:
            break
        taken.append(character)
    return "".join(taken) + "…"


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


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


class CancelOnSignal(SignalHandler):
    """A signal asks the separation to stop between two segments, where nothing is half done (inside a
    callback of an audio library an exception would be lost); a second Ctrl-C raises.
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked = False

    def is_set(self) -> bool:
        return self._asked

    def handle(self, number: int, frame: FrameType | None) -> None:
        # Others may come twice by themselves, SIGHUP from the system and from the shell.
        if self._asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked = True
