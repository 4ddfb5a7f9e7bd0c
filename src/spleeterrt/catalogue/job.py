"""What is to be done: songs, what is the same for all of them, and the parts that workers get at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

KEY_BYTES = 16


@dataclass(frozen=True)
class Song:
    """A song to separate.

    Attributes:
        uri: of its file: a path of this machine, or what fsspec opens (`s3://bucket/song.flac`).
        folder: where its stems go below the output, with `/` between the parts.
        size: bytes; None: not known, the worker asks.
        etag: changes with the content: the store's ETag, or the time of the last change; "": not known.
        attempt: from 1 on, those of earlier runs counted.
        known: identities (`identity`) of this file that are done already, for a worker that has to ask for
            size and etag first.
    """

    uri: str
    folder: str = ""
    size: int | None = None
    etag: str = ""
    attempt: int = 1
    known: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Job:
    """What is the same for all songs; pickles small.

    Attributes:
        model: what `load_model` takes; the same model on every machine.
        model_digest: of the model (`models.mapped.model_digest`).
        output: folder or URI below which the stems go, named as `separate` names them.
        manifest: folder or URI of the fragments.
        settings: arguments of `Separator`, but for the model and `threads`.
        files: arguments of `separate_to_file` that say how songs are read and stems written.
        fragments: how fragments are written, `"jsonl"` or `"parquet"`.
        uploads: whether there are unfinished uploads below the output, which those who write the same file
            end.
        run: a name of this run, no part of the digests; "": workers cannot be asked to stop.
    """

    model: str
    model_digest: str
    output: str
    manifest: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    fragments: str = "jsonl"
    uploads: bool = False
    run: str = ""

    @property
    def stop_name(self) -> str:
        """A file beside the fragments whose existence asks workers to stop after the song at hand."""
        return f"stop-{self.run}" if self.run else ""

    @property
    def options_digest(self) -> str:
        """What tells these options from others that give other files: SHA-256, in hex."""
        facts: dict[str, Any] = {"settings": dict(self.settings), "files": dict(self.files)}
        if not self.manifest.startswith(self.output):  # it may be one for several outputs
            facts["output"] = self.output
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()

    def key(self, uri: str) -> bytes:
        """What a song's rows are found by: the same song, model and options."""
        return song_key(uri, self.model_digest, self.options_digest)


@dataclass(frozen=True)
class Task:
    """Some songs for one call of `worker.run_task`, whose rows are one fragment."""

    job: Job
    songs: Sequence[Song]

    @property
    def name(self) -> str:
        """Of the fragment: in a run the same songs in the same attempt have the same one."""
        job = self.job
        songs = [(song.uri, song.size, song.etag, song.attempt) for song in self.songs]
        facts = (job.model_digest, job.options_digest, job.run, songs)
        return hashlib.sha256(repr(facts).encode("utf-8", "surrogateescape")).hexdigest()[:24]

    def apart(self) -> list[Task]:
        """A task for each song, in its next attempt."""
        return [Task(self.job, [replace(song, attempt=song.attempt + 1)]) for song in self.songs]


def song_key(uri: str, model_digest: str, options_digest: str) -> bytes:
    return _digest(uri, model_digest, options_digest)


def identity(size: int | None, etag: str) -> bytes:
    """Of the content of a file, as far as its store tells."""
    return _digest(str(size), etag)


def _digest(*parts: str) -> bytes:
    text = "\0".join(parts).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=KEY_BYTES).digest()
