"""What engines call: `run_task`, a function of this module, which a process imports, to load the model once.

    fetch (remote) -> separate_to_file -> put each stem (remote) -> the task's fragment

A song never raises: what goes wrong is its row. Repeats are harmless: names follow from the song alone.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..atomic import sweep, temporary
from ..audio.file_objects import renamed
from ..errors import SeparationCancelled, SpleeterError, StorageError, error_code, error_message, reason
from ..models.mapped import load_mapped
from ..models.sources import configuration
from ..network.modes import plan_mode
from ..separator import Separator
from ..watching import Cancel, stopper
from .files import Stat, StoredFiles
from .job import Job, Song, Task, identity
from .manifest import Manifest
from .places import files_of, is_remote, store_of
from .plan import stem_uris
from .rows import DONE, FAILED, SKIPPED, Row, StemRow

if TYPE_CHECKING:
    from ..file_job import SeparatedFiles

WRITE_SECONDS = 60.0  # after so long a task writes down what it has done so far

_lock = threading.Lock()
_separators: dict[str, Separator] = {}  # of this process: the latest one


def run_task(task: Task, cancel: Cancel | None = None) -> list[Row]:
    """Separate the songs of a task and write their fragment of the manifest. Any engine may call it, again
    and again, in any process of any machine that reaches input, output, manifest and model.

    Args:
        cancel: asks to stop; what is done so far is written down.

    Returns:
        The rows of the songs that were gone through: also those of the same task that an earlier call, which
        did not come to its end, had done; as `"skipped"` those that `Song.known` tells to be done.

    Raises:
        StorageError: the fragment cannot be written.
    """
    job, stop = task.job, stopper(cancel)
    manifest = Manifest(job.manifest)
    before = {row.uri: row for row in manifest.task_rows(task.name, job.fragments) if row.status == DONE}
    rows: list[Row] = []
    written, wrote_at = 0, time.monotonic()
    for song in task.songs:
        if stop() or (rows and manifest.is_asked(job.stop_name)):
            break
        row = before.get(song.uri)
        if row is None or not _is_of(row, song):
            try:
                row = separate_song(song, job, cancel)
            except SeparationCancelled:
                break
        rows.append(row)
        if time.monotonic() - wrote_at > WRITE_SECONDS:
            written, wrote_at = _write(manifest, task, rows), time.monotonic()
    if written < len(rows):
        _write(manifest, task, rows)
    return rows


def _is_of(row: Row, song: Song) -> bool:
    """Whether the row is of the song as it is now."""
    size, etag = (song.size, song.etag) if song.size is not None else files_of(song.uri).stat(song.uri)
    return row.identity == identity(size, etag)


def _write(manifest: Manifest, task: Task, rows: list[Row]) -> int:
    kept = [row for row in rows if row.status != SKIPPED]
    if kept:
        manifest.write(task.name, kept, task.job.fragments)
    return len(rows)


def separate_song(song: Song, job: Job, cancel: Cancel | None = None) -> Row:
    """Separate one song; what goes wrong is told by the row. The manifest is left alone.

    Raises:
        SeparationCancelled: `cancel` asked it to stop; nothing half-written is left.
    """
    started, cpu = time.monotonic(), time.process_time()
    row = Row(
        song.uri,
        song.folder,
        song.size,
        song.etag,
        job.model_digest,
        job.options_digest,
        FAILED,
        attempt=song.attempt,
        version=__version__,
    )
    with _warnings() as warnings:
        try:
            stat = files_of(song.uri).stat(song.uri)
            row = replace(row, size=stat.size, etag=stat.etag)
            if song.known and identity(stat.size, stat.etag) in song.known:
                row = replace(row, status=SKIPPED)
            else:
                row = _separated(row, song, stat, job, cancel, warnings)
        except SeparationCancelled:
            raise
        except Exception as error:
            row = replace(row, error_code=error_code(error), error=error_message(error))
    return replace(
        row,
        warnings=tuple(warnings),
        cpu_seconds=round(time.process_time() - cpu, 3),
        wall_seconds=round(time.monotonic() - started, 3),
        finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


def _separated(row: Row, song: Song, stat: Stat, job: Job, cancel: Cancel | None, warnings: list[str]) -> Row:
    separator = separator_of(job)
    uris = stem_uris(job, song, separator.stems)
    origin, store = store_of(song.uri), store_of(job.output)
    seconds = 0.0
    passes = 2 if job.settings.get("MWF") else 1

    def progress(done: float, _total: float | None) -> None:
        nonlocal seconds
        seconds = done / passes

    with ExitStack() as stack:
        scratch = stack.enter_context(_scratch(song, job))
        source = song.uri
        if scratch is not None and origin is not None:
            source = _fetch(origin, song, stat, scratch)
        target = scratch / "stems" if scratch is not None and store is not None else None
        place = files_of(job.output).join(job.output, song.folder)

        def told(messages: Iterable[str]) -> list[str]:
            """With the names that the user knows, not those of copies."""
            named = renamed(messages, source, song.uri)
            return named if target is None else renamed(named, target, place)

        try:
            made = separator.separate_to_file(
                source, target or place, progress=progress, cancel=cancel, **job.files
            )
        except SpleeterError as error:
            error.args = tuple(told(map(str, error.args)))
            raise
        finally:
            warnings[:] = told(warnings)
        sizes = {stem: path.stat().st_size for stem, path in made.items()}
        if store is not None:
            for stem, path in made.items():
                if job.uploads:
                    store.abort_uploads(uris[stem])
                store.put(path, uris[stem])
        else:
            uris = {stem: str(path) for stem, path in made.items()}
    return replace(
        row,
        status=DONE,
        stems=_stem_rows(made, uris, sizes),
        seconds=round(seconds, 3),
        sample_rate=made.sample_rate,
    )


def _stem_rows(
    made: SeparatedFiles, uris: Mapping[str, str], sizes: Mapping[str, int]
) -> tuple[StemRow, ...]:
    levels = made.levels or {}
    return tuple(StemRow(stem, uris[stem], sizes[stem], *levels.get(stem, (None, None))) for stem in made)


def separator_of(job: Job) -> Separator:
    """The separator of this process for a job: one thread, weights shared with other workers here."""
    key = f"{job.model_digest} {job.options_digest}"
    with _lock:
        if key not in _separators:
            settings: dict[str, Any] = dict(job.settings)
            low_memory = settings.get("low_memory", False)
            wanted = {name: settings[name] for name in _MODE_SETTINGS if name in settings}
            networks = plan_mode(config=configuration(job.model), **{"mode": "ratio", **wanted}).networks
            model = load_mapped(job.model, job.model_digest, low_memory=low_memory, networks=networks)
            _separators.clear()
            _separators[key] = Separator(model, threads=1, **settings)
        return _separators[key]


_MODE_SETTINGS = ("mode", "stems", "residual", "above_band", "full_band", "two_stems")


# --- what is on this machine for a while ----------------------------------------------------


@contextmanager
def _scratch(song: Song, job: Job) -> Iterator[Path | None]:
    """A folder for copies, if one is needed; a killed worker's is removed by the next one that needs one."""
    if not (is_remote(song.uri) or is_remote(job.output)):
        yield None
        return
    home = Path(tempfile.gettempdir())
    sweep(home)
    folder = temporary(home)
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be made: {reason(error)}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fetch(origin: StoredFiles, song: Song, stat: Stat, scratch: Path) -> str:
    """A copy of the song under its own name, in a folder named as its own is: names of stems may use both."""
    folder, _, name = song.uri.rpartition("/")
    parent = folder.rpartition("/")[2]
    if name in ("", ".", "..") or "\0" in name or os.sep in name:
        raise SpleeterError(f"{song.uri}: its name cannot be that of a file")
    place = scratch / "song" / (parent if parent not in ("", ".", "..") else "-")
    try:
        place.mkdir(parents=True)
        origin.fetch(song.uri, place / name, stat)
    except OSError as error:
        raise StorageError(f"{song.uri}: cannot be copied to {scratch}: {reason(error)}") from error
    return str(place / name)


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Messages of warnings that this thread gives."""
    handler = _Collector()
    logger = logging.getLogger("spleeterrt")
    logger.addHandler(handler)
    try:
        yield handler.messages
    finally:
        logger.removeHandler(handler)


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.messages.append(record.getMessage())
