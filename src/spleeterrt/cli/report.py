"""What became of the files of a run, for people and for machines."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from .errors import FAILED, error_code, error_message
from .terminal import printable, say

logger = logging.getLogger("spleeterrt")


@dataclass
class Report:
    """What became of the files: for people, or (`as_json`) an object a line on standard output."""

    as_json: bool
    mode: str
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0  # of audio, of the file at hand
    _load_seconds: float = 0.0
    _begun: float = field(default_factory=time.monotonic)
    _warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.as_json:
            logger.addHandler(_Collector(self._warnings))

    @contextmanager
    def loading(self) -> Iterator[None]:
        """While the model is loaded; its failure is one of no file in particular."""
        self.begin()
        try:
            yield
        except Exception as error:
            self._print(None, error)
            raise
        self._load_seconds = time.monotonic() - self._begun

    def begin(self) -> None:
        self._begun, self.seconds = time.monotonic(), 0.0
        self._warnings.clear()

    def succeed(self, song: str, stems: dict[str, Path], rate: Callable[[], int]) -> None:
        self.done.append(song)
        if not self.as_json:
            return
        result = {
            "file": song,
            "status": "done",
            "mode": self.mode,
            "stems": {stem: os.path.abspath(path) for stem, path in stems.items()},
            "sample_rate": rate(),
            "seconds": round(self.seconds, 3),
            "wall_seconds": round(time.monotonic() - self._begun, 3),
            "load_seconds": round(self._load_seconds, 3),
            "peak_memory_bytes": _peak_memory(),
            "warnings": list(self._warnings),
        }
        click.echo(json.dumps(result))

    def fail(self, song: str, error: Exception) -> None:
        self.failed.append(song)
        message = error_message(error)
        if song not in message:
            message = f"{song}: {message}"
        say(f"Error: {message}", err=True)
        logger.info("where it failed", exc_info=error)
        self._print(song, error)

    def _print(self, song: str | None, error: Exception) -> None:
        if self.as_json:
            problem = {"code": error_code(error), "message": error_message(error)}
            click.echo(json.dumps({"file": song, "status": "failed", "error": problem}))

    def finish(self, output: str, quiet: bool) -> None:
        if not quiet and not self.as_json and self.done:
            count = "1 file" if len(self.done) == 1 else f"{len(self.done)} files"
            say(f"{count} separated in {time.monotonic() - self.started:.1f} s; the stems are in {output}")
        if self.failed:
            if len(self.failed) + len(self.done) > 1:
                say(f"{len(self.failed)} of {len(self.failed) + len(self.done)} files failed:", err=True)
                for song in self.failed:
                    say(f"  {printable(song)}", err=True)
            raise click.exceptions.Exit(FAILED)


class _Collector(logging.Handler):
    """Keeps the warnings for `--json`."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self._messages.append(record.getMessage())


def _peak_memory() -> int | None:
    """Bytes of this process at most so far; None where the system does not say."""
    try:
        # Not getrusage on Linux: what the parent had before it became this program counts there.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    except (ImportError, OSError, ValueError):
        return None
