"""What became of the files of a run: for people, for machines (JSON), or in Spleeter's own words."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import AudioError, ModelError, SpleeterError, error_code, error_message
from .errors import FAILED, usage_error
from .system import peak_memory
from .terminal import logger, printable, say

if TYPE_CHECKING:
    from ..file_job import SeparatedFiles


@dataclass
class Report:
    """What became of the files.

    Attributes:
        as_json: an object a line on standard output, whose warnings do not depend on `quiet`.
        mode: of the separation.
        quiet: nothing for people but errors.
        spleeter_log: the lines that Spleeter itself prints, on standard output.
        warnings: messages of all warnings, which others append to.
        total: how many files there are to separate; known after a while.
        seconds: of audio, of the file at hand.
    """

    as_json: bool
    mode: str
    quiet: bool = False
    spleeter_log: bool = False
    warnings: list[str] = field(default_factory=list)
    total: int = 0
    seconds: float = 0.0
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _load_seconds: float = 0.0
    _begun: float = field(default_factory=time.monotonic)
    _of_the_run: list[str] | None = None  # warnings of no file in particular
    _replaces: bool = False

    @contextmanager
    def checking(self) -> Iterator[None]:
        """While what the user asked for is looked at: an error is one of usage, and of no file."""
        try:
            yield
        except SpleeterError as error:
            self._print_failure(None, error)
            if isinstance(error, ModelError):
                raise
            raise usage_error(error) from error

    @contextmanager
    def loading(self) -> Iterator[None]:
        """While the model is loaded; its failure is one of no file in particular."""
        begun = time.monotonic()
        try:
            yield
        except (ModelError, AudioError) as error:
            self._print_failure(None, error)
            raise
        except SpleeterError as error:  # settings that do not go together
            self._print_failure(None, error)
            raise usage_error(error) from error
        except Exception as error:
            self._print_failure(None, error)
            raise
        self._load_seconds = time.monotonic() - begun

    def begin(self, paths: Mapping[str, Path]) -> None:
        """The next file, whose stems go to `paths`."""
        if self._of_the_run is None:
            self._of_the_run = list(self.warnings)
        self.warnings.clear()
        self._begun, self.seconds = time.monotonic(), 0.0
        self._replaces = any(os.path.lexists(path) for path in paths.values())

    def _all_warnings(self) -> list[str]:
        """Those of the run and of the file at hand, each once."""
        return list(dict.fromkeys([*(self._of_the_run or ()), *self.warnings]))

    def succeed(self, song: str, files: SeparatedFiles, project: Path | None = None) -> None:
        """`project`: the file of a set for another program."""
        self.done.append(song)
        if self._replaces:
            self.replaced.append(song)
        if self.spleeter_log:
            for path in files.values():
                say(f"INFO:spleeter:File {path} written succesfully")
        wall = time.monotonic() - self._begun
        if self.as_json:
            result = {
                "file": song,
                "status": "done",
                "mode": self.mode,
                "stems": _absolute(files),
                "replaced": self._replaces,
                "sample_rate": files.sample_rate,
                "clipped": files.clipped,
                "gain": files.gain,
                "vocals_activity": files.vocals_activity and os.path.abspath(files.vocals_activity),
                "project": project and os.path.abspath(project),
                "seconds": round(self.seconds, 3),
                "wall_seconds": round(wall, 3),
                "load_seconds": round(self._load_seconds, 3),
                "peak_memory_bytes": peak_memory(),
                "warnings": self._all_warnings(),
            }
            click.echo(json.dumps(result))
        else:
            self._line(song, f"{_clock(self.seconds)} of audio in {wall:.1f} s")

    def skip(self, song: str, stems: Mapping[str, Path]) -> None:
        """All stems of this one are there."""
        self.skipped.append(song)
        if self.as_json:
            result = {"file": song, "status": "skipped", "stems": _absolute(stems)}
            click.echo(json.dumps({**result, "warnings": self._all_warnings()}))
        else:
            self._line(song, "skipped, all its stems are there")

    def _line(self, song: str, what: str) -> None:
        """One of many files, where no progress bar shows it."""
        terminal = sys.stderr is not None and sys.stderr.isatty()
        if self.total > 1 and not (self.quiet or self.spleeter_log or terminal):
            say(f"[{self._count()}/{self.total}] {printable(song)}: {what}")

    @property
    def number(self) -> int:
        """Of the file at hand, from 1."""
        return self._count() + 1

    def _count(self) -> int:
        return len(self.done) + len(self.failed) + len(self.skipped)

    def fail(self, song: str, error: Exception) -> None:
        self.failed.append(song)
        message = error_message(error)
        if song not in message:
            message = f"{song}: {message}"
        shown = message.replace(song, printable(song))  # no second line out of a name
        say(f"Error: {shown}", err=True)
        if self.spleeter_log:
            say(f"ERROR:spleeter:{shown}")
        logger.info("where it failed", exc_info=error)
        self._print_failure(song, error)

    def _print_failure(self, song: str | None, error: Exception) -> None:
        if self.as_json:
            problem = {"code": error_code(error), "message": error_message(error)}
            result = {"file": song, "status": "failed", "error": problem, "warnings": self._all_warnings()}
            click.echo(json.dumps(result))

    def note(self, message: str) -> None:
        """What people may want to know, and machines need not."""
        if not self.quiet:
            say(message, err=True)

    def interrupted(self, output: str, skip_existing: bool) -> None:
        """After Ctrl-C: what there is already, and how to go on."""
        if self.total > 1:
            ready = len(self.done) + len(self.skipped)
            self.note(
                f"{ready} of {self.total} files are done{f'; the stems are in {output}' if ready else ''}"
            )
            if ready:
                again = "again" if skip_existing else "with --skip-existing"
                self.note(f"to do the rest, run the same command {again}")

    def finish(self, output: str) -> None:
        if self.replaced:
            count = _files(len(self.replaced))
            self.note(f"{count} had earlier results, which were replaced; --skip-existing keeps them")
        if not (self.quiet or self.as_json or self.spleeter_log) and (self.done or self.skipped):
            skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
            seconds = time.monotonic() - self._started
            say(f"{_files(len(self.done))} separated in {seconds:.1f} s{skipped}; the stems are in {output}")
        if self.failed:
            if self._count() > 1:
                say(f"{len(self.failed)} of {self._count()} files failed:", err=True)
                for song in self.failed:
                    say(f"  {printable(song)}", err=True)
            raise click.exceptions.Exit(FAILED)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def _absolute(stems: Mapping[str, Path]) -> dict[str, str]:
    return {stem: os.path.abspath(path) for stem, path in stems.items()}
