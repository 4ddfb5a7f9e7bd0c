"""Rows of the manifest, and fragments of them as bytes: JSON lines, or Parquet with pyarrow."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import SpleeterError
from .job import identity, song_key

DONE, FAILED, SKIPPED = "done", "failed", "skipped"
ENDINGS = {"jsonl": ".jsonl", "parquet": ".parquet"}


@dataclass(frozen=True)
class StemRow:
    """A stem's file: its URI, bytes, and levels in dB relative to full scale (None: silence)."""

    stem: str
    uri: str
    bytes: int
    peak_db: float | None = None
    rms_db: float | None = None


@dataclass(frozen=True)
class Row:
    """What became of a song.

    Attributes:
        uri, folder, size, etag: as of `Song`; size and etag as they were when it was read.
        model, options: digests.
        status: `"done"` or `"failed"`.
        stems: in the model's order.
        seconds: of audio.
        cpu_seconds, wall_seconds: of its separation, with reading and writing.
        sample_rate: Hz of the stems' files.
        warnings: about the song.
        error_code: `"audio"`, `"model"`, `"storage"`, `"invalid"`, `"unexpected"`, or `"worker"` where the
            worker died; None if it is done.
        error: the message.
        attempt: in which it was, from 1 on.
        version: of spleeterrt.
        finished: when, in UTC.
    """

    uri: str
    folder: str
    size: int | None
    etag: str
    model: str
    options: str
    status: str
    stems: Sequence[StemRow] = ()
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    sample_rate: int | None = None
    warnings: Sequence[str] = field(default_factory=tuple)
    error_code: str | None = None
    error: str | None = None
    attempt: int = 1
    version: str = ""
    finished: str = ""

    @property
    def key(self) -> bytes:
        """As `Job.key`."""
        return song_key(self.uri, self.model, self.options)

    @property
    def identity(self) -> bytes:
        return identity(self.size, self.etag)

    def to_dict(self) -> dict[str, Any]:
        # Not `asdict`, which copies every value deeply: this is done for millions.
        return {**vars(self), "stems": [dict(vars(s)) for s in self.stems], "warnings": list(self.warnings)}

    @classmethod
    def from_dict(cls, values: Any) -> Row:
        """
        Raises:
            ValueError: not a row; of a later version further fields are ignored.
        """
        if not isinstance(values, Mapping):
            raise ValueError("not an object")
        known = {name: values[name] for name in _NAMES if name in values}
        for name, kind in _NEEDED.items():
            if not isinstance(known.get(name), kind) or isinstance(known[name], bool):
                raise ValueError(f"{name!r} is missing or of the wrong kind")
        if known["status"] not in (DONE, FAILED):
            raise ValueError(f"unknown status {known['status']!r}")
        try:
            known["stems"] = tuple(
                StemRow(**{name: stem.get(name) for name in _STEM_NAMES}) for stem in known["stems"]
            )
        except (AttributeError, TypeError) as error:
            raise ValueError("'stems' is of the wrong kind") from error
        known["warnings"] = tuple(known.get("warnings") or ())
        return cls(**known)


_NAMES = tuple(entry.name for entry in fields(Row))
_STEM_NAMES = tuple(entry.name for entry in fields(StemRow))
_NEEDED: dict[str, Any] = {
    "uri": str,
    "etag": str,
    "size": (int, type(None)),
    "model": str,
    "options": str,
    "status": str,
    "stems": (list, tuple),
    "attempt": int,
}


def encode(rows: Iterable[Row], kind: str) -> bytes:
    """A fragment of `kind`, `"jsonl"` or `"parquet"`."""
    if kind == "jsonl":
        return b"".join(json.dumps(row.to_dict()).encode() + b"\n" for row in rows)
    pyarrow, parquet = _pyarrow()
    file = io.BytesIO()
    table = pyarrow.Table.from_pylist([row.to_dict() for row in rows], _schema(pyarrow))
    parquet.write_table(table, file, compression="zstd")
    return file.getvalue()


def decode(data: bytes, name: str) -> Iterator[Row]:
    """The rows of a fragment, by its name's ending.

    Raises:
        ValueError: a row, or all that follows, cannot be read; those before it are good.
    """
    if name.endswith(".parquet"):
        yield from map(Row.from_dict, _parquet_rows(data))
        return
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line:
            continue
        try:
            yield Row.from_dict(json.loads(line))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error


def _parquet_rows(data: bytes) -> Iterator[Any]:
    pyarrow, parquet = _pyarrow()
    try:
        for batch in parquet.ParquetFile(io.BytesIO(data)).iter_batches(1000):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(str(error)) from error


def _schema(pyarrow: Any) -> Any:
    text, real, whole = pyarrow.string(), pyarrow.float64(), pyarrow.int64()
    stem = [("stem", text), ("uri", text), ("bytes", whole), ("peak_db", real), ("rms_db", real)]
    kinds = dict.fromkeys(_NAMES, text)
    kinds |= dict.fromkeys(("size", "sample_rate", "attempt"), whole)
    kinds |= dict.fromkeys(("seconds", "cpu_seconds", "wall_seconds"), real)
    kinds |= {"stems": pyarrow.list_(pyarrow.struct(stem)), "warnings": pyarrow.list_(text)}
    return pyarrow.schema([(name, kinds[name]) for name in _NAMES])


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise SpleeterError("Parquet needs pyarrow: pip install 'spleeterrt[parquet]'") from error
    return pyarrow, parquet
