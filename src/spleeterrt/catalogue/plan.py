"""Which songs are to be done: listed once into a temporary file, then without those done or in conflict.

In memory are eight bytes for each path of a stem, whatever the songs are called.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ..errors import SpleeterError
from ..output_paths import output_paths
from .files import Files
from .job import Job, Song
from .listing import Fault
from .manifest import History
from .places import as_prefix, files_of, is_remote

DEFAULT_ATTEMPTS = 3


class Verdict(NamedTuple):
    """Of a listed song: what is to be done with it.

    Attributes:
        what: `"todo"`, `"done"` (before), `"given up"`, `"conflict"` or `"again"` (listed twice).
        message: why, of the last three.
    """

    song: Song
    what: str
    message: str = ""


def stem_uris(job: Job, song: Song, stems: Sequence[str], files: Files | None = None) -> dict[str, str]:
    """Where the stems of a song go.

    Raises:
        SpleeterError: names that cannot be.
    """
    files = files_of(job.output) if files is None else files
    base = os.path.join(os.sep, "output")
    name = song.uri.replace("\\", "/") if is_remote(song.uri) else song.uri
    where = job.files
    paths = output_paths(name, base, where["filename_format"], where["codec"], stems)
    below = {stem: os.path.relpath(path, base).replace(os.sep, "/") for stem, path in paths.items()}
    return {stem: files.join(job.output, song.folder, path) for stem, path in below.items()}


@dataclass
class Plan:
    """The songs of a run.

    Args:
        job: what is the same for all.
        stems: names of those that are written.
        history: of the manifest.
        attempts: in how many a song may fail before it is given up.
        again: also songs that are done or given up.

    Attributes:
        total: how many songs were listed.
        faults: entries of the listing that are no songs.
    """

    job: Job
    stems: Sequence[str]
    history: History
    attempts: int = DEFAULT_ATTEMPTS
    again: bool = False
    total: int = 0
    faults: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._spool = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115 (see `close`)
        self._twice: set[int] = set()
        self._files = files_of(self.job.output)

    def close(self) -> None:
        self._spool.close()

    def list(self, songs: Iterable[Song | Fault], inside: str | None = None) -> None:
        """Take the listing in.

        Args:
            inside: the folder of the songs, where it is below the output; no stem goes there, as it would be
                a song of the next run.
        """
        targets, inputs = array("Q"), array("Q")
        apart = None if inside is None else as_prefix(inside)
        for song in songs:
            if isinstance(song, Fault):
                self.faults.append(song)
                continue
            uris: Iterable[str] = ()
            with contextlib.suppress(SpleeterError):  # told by the worker
                uris = stem_uris(self.job, song, self.stems, self._files).values()
            if apart is not None and (path := next((p for p in uris if p.startswith(apart)), None)):
                message = f"{path} would be a song of the next run; choose an output apart from the input"
                self.faults.append(Fault(song.uri, message))
                continue
            self.total += 1
            json.dump([song.uri, song.folder, song.size, song.etag], self._spool)
            self._spool.write("\n")
            inputs.append(_hash(song.uri))
            targets.extend(map(_hash, uris))
        self._spool.flush()
        self._twice = _twice(targets) | _both(targets, inputs)
        self._inputs = self._find_inputs() if self._twice else {}

    def _find_inputs(self) -> dict[int, str]:
        return {at: song.uri for song in self._songs() if (at := _hash(song.uri)) in self._twice}

    def _songs(self) -> Iterator[Song]:
        self._spool.seek(0)
        for line in self._spool:
            uri, folder, size, etag = json.loads(line)
            yield Song(uri, folder, size, etag)

    def verdicts(self) -> Iterator[Verdict]:
        """Of every listed song, in order; each is made when it is asked for."""
        taken: dict[int, tuple[str, str]] = {}
        for song in self._songs():
            conflict = self._conflict(song, taken) if self._twice else None
            if conflict is not None:
                yield conflict
                continue
            yield self._judged(song)

    def _conflict(self, song: Song, taken: dict[int, tuple[str, str]]) -> Verdict | None:
        try:
            paths = stem_uris(self.job, song, self.stems, self._files).values()
        except SpleeterError:
            return None
        suspects = {at: path for path in paths if (at := _hash(path)) in self._twice}
        for at, path in suspects.items():
            if self._inputs.get(at) == path:
                return Verdict(song, "conflict", f"{path} would replace an input; choose another output")
            other, theirs = taken.get(at, ("", ""))
            if theirs == path and other == song.uri:
                return Verdict(song, "again")
            if theirs == path:
                return Verdict(
                    song,
                    "conflict",
                    f"{path} would hold a stem of {other}, too; use {{foldername}} in --filename_format, or "
                    "a column folder",
                )
        taken.update({at: (song.uri, path) for at, path in suspects.items()})
        return None

    def _judged(self, song: Song) -> Verdict:
        key = self.job.key(song.uri)
        if self.again or not len(self.history):
            return Verdict(song, "todo")
        if song.size is None and (known := self.history.done(key)):
            song = replace(song, known=known)
        elif self.history.is_done(key, song):
            return Verdict(song, "done")
        failures = self.history.failures(key, song)
        if failures >= self.attempts:
            return Verdict(
                song, "given up", f"it has failed in {failures} attempts; --again tries it once more"
            )
        return Verdict(replace(song, attempt=failures + 1), "todo")


def _hash(path: str) -> int:
    text = path.encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _twice(values: array[int]) -> set[int]:
    ordered = np.sort(np.frombuffer(values, np.uint64)) if values else np.empty(0, np.uint64)
    return set(map(int, ordered[1:][ordered[1:] == ordered[:-1]]))


def _both(first: array[int], second: array[int]) -> set[int]:
    if not first or not second:
        return set()
    return set(map(int, np.intersect1d(np.frombuffer(first, np.uint64), np.frombuffer(second, np.uint64))))
