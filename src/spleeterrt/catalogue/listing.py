"""INPUT: a folder tree, a pattern, a file or a table of songs (CSV, JSON lines, Parquet), here or remote."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ..audio.song_names import audio_suffixes, is_clutter
from ..audio.stem_files import is_stem_file
from ..errors import ArgumentError, SpleeterError, StorageError, reason
from .files import Found, before_magic
from .job import Song
from .places import as_prefix, files_of, has_magic, is_remote, normal, store_of
from .rows import _pyarrow

TABLES = (".csv", ".jsonl", ".ndjson", ".parquet")


class Fault(NamedTuple):
    """An entry that is no song, and why."""

    name: str
    message: str


def list_songs(source: str, without: str | None = None, *, stem_files: bool = True) -> Iterator[Song | Fault]:
    """The songs of INPUT, as they are found; nothing is kept.

    Args:
        source: a folder or a prefix of object storage (all below it, by the endings of audio files), a
            pattern of names (`**` for any folders), a table with a column `uri`, or one audio file.
        without: a place whose files are none: the output.
        stem_files: folders and patterns give stem files, too; not where such are made.

    Raises:
        SpleeterError: there is no such place, or a table without the column.
    """
    files = files_of(source)
    if has_magic(source):
        yield from _songs(files.glob(source), without, stem_files)
    elif files.is_folder(normal(source)):
        yield from _songs(files.walk(normal(source)), without, stem_files)
    else:
        stat = files.stat(normal(source))
        if source.lower().endswith(TABLES):
            yield from _table(normal(source))
        else:
            yield Song(normal(source), "", stat.size, stat.etag)


def folder_inside(source: str, output: str) -> str | None:
    """The folder of the songs, if INPUT is a folder or a pattern inside OUTPUT: then what is in OUTPUT cannot
    be left out.

    Args:
        output: as `normal` calls it.

    Raises:
        ArgumentError: it is OUTPUT itself.
    """
    if has_magic(source):
        folder = normal(before_magic(source) or os.curdir)
    elif files_of(source).is_folder(normal(source)):
        folder = normal(source)
    else:
        return None
    if folder == output:
        pattern = has_magic(source)
        meant = "INPUT looks for songs in OUTPUT" if pattern else "INPUT and OUTPUT are the same folder"
        raise ArgumentError(
            f"{output}: {meant}, so the next run would take stems for songs; "
            "choose another OUTPUT (it may be inside INPUT)"
        )
    return folder if folder.startswith(as_prefix(output)) else None


def _songs(found: Iterable[Found], without: str | None, stem_files: bool) -> Iterator[Song]:
    suffixes = audio_suffixes()
    own = None if without is None else as_prefix(without)
    for uri, folder, stat in found:
        name = uri.replace("\\", "/").rpartition("/")[2]
        ours = (own is not None and uri.startswith(own)) or (not stem_files and is_stem_file(name))
        if name.lower().endswith(suffixes) and not is_clutter(name) and not ours:
            yield Song(uri, folder, stat.size, stat.etag)


# --- tables -----------------------------------------------------------------------------


def _table(table: str) -> Iterator[Song | Fault]:
    with _here(table) as path, _as_table(table):
        rows = {".csv": _csv, ".parquet": _parquet}.get(path.suffix.lower(), _json_lines)(path)
        for number, row in enumerate(rows, 1):
            where = f"{table}, row {number}"
            try:
                yield _song(row, table)
            except (SpleeterError, ValueError, TypeError) as error:
                yield Fault(where, str(error))


@contextmanager
def _as_table(table: str) -> Iterator[None]:
    try:
        yield
    except (UnicodeDecodeError, csv.Error) as error:
        raise ArgumentError(f"{table}: not a table in UTF-8: {error}") from error
    except OSError as error:
        raise StorageError(f"{table}: cannot be read: {reason(error)}") from error


@contextmanager
def _here(table: str) -> Iterator[Path]:
    """The table as a file of this machine."""
    store = store_of(table)
    if store is None:
        yield Path(table)
        return
    with tempfile.TemporaryDirectory(prefix="spleeterrt-") as folder:
        path = Path(folder) / table.rpartition("/")[2]
        store.fetch(table, path, store.stat(table))
        yield path


def _song(row: Any, table: str) -> Song:
    if isinstance(row, Exception):
        raise row
    uri = row.get("uri") if isinstance(row, dict) else None
    if not isinstance(uri, str) or not uri.strip():
        raise ArgumentError("no uri")
    uri = uri.strip()
    if not is_remote(uri) and not uri.startswith("/"):
        beside = table.rpartition("/")[0] if is_remote(table) else str(Path(table).parent)
        uri = files_of(table).join(beside, uri)
    folder = str(row.get("folder") or "").replace("\\", "/").strip("/")
    if ".." in folder.split("/") or "\0" in folder:
        raise ArgumentError(f"folder {folder!r} would leave the output")
    size, etag = row.get("size"), str(row.get("etag") or "")
    return Song(normal(uri), folder, None if size in (None, "") else int(size), etag)


def _csv(path: Path) -> Iterator[Any]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if "uri" not in (reader.fieldnames or ()):
            raise ArgumentError(
                f"{path}: expected a first line with a column uri (and size, etag, folder), got "
                f"{', '.join(reader.fieldnames or ()) or 'nothing'}"
            )
        yield from reader


def _json_lines(path: Path) -> Iterator[Any]:
    with open(path, "rb") as file:
        for line in file:
            if line.strip():
                try:
                    yield json.loads(line)
                except ValueError as error:
                    yield ValueError(f"not JSON: {error}")


def _parquet(path: Path) -> Iterator[Any]:
    pyarrow, parquet = _pyarrow()
    try:
        with parquet.ParquetFile(path) as file:
            columns = [name for name in ("uri", "size", "etag", "folder") if name in file.schema_arrow.names]
            if "uri" not in columns:
                raise ArgumentError(
                    f"{path}: expected a column uri, got {', '.join(file.schema_arrow.names)}"
                )
            for batch in file.iter_batches(10_000, columns=columns):
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise StorageError(f"{path}: cannot be read: {error}") from error
