"""Answers that go on for a while: what becomes of a song (server-sent events); its stems as a ZIP file."""

from __future__ import annotations

import asyncio
import json
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from .job import Job
from .jobs import Jobs

_LOOK_SECONDS = 0.2
_ALIVE_SECONDS = 15.0  # proxies and browsers take a silent connection for a dead one
_CHUNK = 1 << 18
_NO_DATE = (1980, 1, 1, 0, 0, 0)


async def events(jobs: Jobs, job: Job, shown: Callable[[Job], Mapping[str, Any]]) -> AsyncIterator[str]:
    """`progress` whenever something has changed, then `stem` for each stem, and at last the state's name.

    Each event has the song as GET shows it, or the stem as it stands there.
    """
    last: Mapping[str, Any] | None = None
    told = time.monotonic()
    yield "retry: 2000\n\n"
    while not job.over and not jobs.stopping:
        now = shown(job)
        if now != last:
            last, told = now, time.monotonic()
            yield _event("progress", now)
        elif time.monotonic() - told > _ALIVE_SECONDS:
            told = time.monotonic()
            yield ": still here\n\n"
        await asyncio.sleep(_LOOK_SECONDS)
    now = shown(job)
    for stem in now["stems"]:
        yield _event("stem", stem)
    yield _event(str(now["state"]) if job.over else "stopping", now)


def _event(name: str, data: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


class _Chunks:
    """A file that is only written to; what was written is taken away."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def zipped(files: Mapping[str, Path]) -> Generator[bytes, None, None]:
    """A ZIP file of these, piece by piece, not compressed: sound hardly is any smaller.

    All are opened at once, so that nothing is missing at the end of an answer.

    Raises:
        OSError: one cannot be opened.
    """
    with ExitStack() as stack:
        opened: dict[str, IO[bytes]] = {
            name: stack.enter_context(path.open("rb")) for name, path in files.items()
        }
        kept = stack.pop_all()
    return _zipped(opened, files, kept)


def _zipped(
    opened: Mapping[str, IO[bytes]], files: Mapping[str, Path], kept: ExitStack
) -> Generator[bytes, None, None]:
    chunks = _Chunks()
    with kept, zipfile.ZipFile(chunks, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for name, file in opened.items():
            entry = zipfile.ZipInfo(name, _NO_DATE)
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w", force_zip64=files[name].stat().st_size > 1 << 31) as target:
                while data := file.read(_CHUNK):
                    target.write(data)
                    yield chunks.take()
        archive.close()
        yield chunks.take()
