"""The manifest: a folder of fragments, each written whole by one task; what they say together.

    part-<task>.jsonl          rows of a task's songs (or .parquet)
    compact-<digest>.jsonl     rows of many fragments, which are removed then

Fragments need no order and no lock. A song may have rows in several of them (a retry, a node that was thought
dead): one that says done goes before one that says failed, and a later attempt before an earlier one.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import SpleeterError
from .files import Files
from .job import KEY_BYTES, Song, identity
from .places import files_of
from .rows import DONE, ENDINGS, Row, decode, encode

FOLDER = "_spleeterrt"  # below the output: of what is no stem
_PART, _COMPACT = "part-", "compact-"
_AT_ONCE = 256  # fragments in memory
_COMPACT_ROWS = 50_000  # of a compacted file
_NOTED = 20  # faults that are told one by one

logger = logging.getLogger("spleeterrt")


class Manifest:
    """The fragments in one folder, of this machine or of object storage.

    Attributes:
        faults: messages about fragments that were passed over, of the last reading.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self.faults: list[str] = []
        self._files: Files = files_of(place)

    def write(self, task: str, rows: Sequence[Row], kind: str) -> None:
        """A task's fragment in one step, in the place of what it wrote before.

        Raises:
            StorageError: it cannot be written.
        """
        self._write(f"{_PART}{task}{ENDINGS[kind]}", rows, kind)

    def _write(self, name: str, rows: Iterable[Row], kind: str) -> None:
        self._files.write(self._files.join(self.place, name), encode(rows, kind))

    def ask(self, name: str, wanted: bool) -> None:
        """Put a file that asks workers to stop beside the fragments, or take it away."""
        uri = self._files.join(self.place, name)
        if name and wanted:
            self._files.write(uri, b"")
        elif name:
            self._files.remove(uri)

    def is_asked(self, name: str) -> bool:
        return bool(name) and self._files.exists(self._files.join(self.place, name))

    def task_rows(self, task: str, kind: str) -> list[Row]:
        """What the fragment of this very task says; nothing where there is none that can be read."""
        name = f"{_PART}{task}{ENDINGS[kind]}"
        (data,) = self._files.read([self._files.join(self.place, name)])
        if data is None:
            return []
        try:
            return list(decode(data, name))
        except ValueError:
            return []

    def fragments(self) -> list[str]:
        """Names of the files, those that are no fragments left out, with a word about them."""
        names = self._files.names(self.place)
        ours = [n for n in names if n.startswith((_PART, _COMPACT)) and n.endswith(tuple(ENDINGS.values()))]
        for name in sorted({*names} - {*ours}):
            if not name.startswith((".", "stop-")):
                self._fault(name, "not a fragment of a manifest")
        return ours

    def rows(self) -> Iterator[Row]:
        """All rows, fragment by fragment; what cannot be read is told and passed over.

        Raises:
            StorageError: the folder cannot be listed.
        """
        for _, rows, _ in self._read():
            yield from rows

    def _read(self) -> Iterator[tuple[str, list[Row], bool]]:
        """(fragment, its rows, whether it could be read to its end)."""
        self.faults.clear()
        names = self.fragments()
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            contents = self._files.read([self._files.join(self.place, name) for name in some])
            for index, name in enumerate(some):
                data, contents[index] = contents[index], None
                yield self._decoded(name, data)

    def _decoded(self, name: str, data: bytes | None) -> tuple[str, list[Row], bool]:
        rows: list[Row] = []
        if data is None:
            self._fault(name, "cannot be read")
            return name, rows, False
        try:
            rows.extend(decode(data, name))
        except (ValueError, SpleeterError) as error:
            self._fault(name, f"{error}; {len(rows)} of its rows count")
            return name, rows, False
        return name, rows, True

    def _fault(self, name: str, what: str) -> None:
        self.faults.append(f"{self._files.join(self.place, name)}: passed over: {what}")
        if len(self.faults) <= _NOTED:
            logger.warning("%s", self.faults[-1])

    def compact(self, kind: str) -> tuple[int, int]:
        """Put the rows of all fragments into few files, one row a song and identity, and remove the fragments
        that could be read whole. For a manifest that no run is writing to.

        Returns:
            How many fragments there were, and how many rows there are.
        """
        keep = _winners(self._read)
        before = [name for name, whole in keep.fragments if whole]
        made: list[str] = []
        rows: list[Row] = []
        count = 0

        def flush() -> None:
            digest = hashlib.sha256(
                "\n".join(f"{row.uri} {row.finished}" for row in rows).encode()
            ).hexdigest()
            made.append(f"{_COMPACT}{digest[:24]}{ENDINGS[kind]}")
            self._write(made[-1], rows, kind)
            rows.clear()

        for name, some, _ in self._read():
            for index, row in enumerate(some):
                if keep.wins(row, name, index):
                    rows.append(row)
                    count += 1
                if len(rows) == _COMPACT_ROWS:
                    flush()
        if rows:
            flush()
        for name in before:
            if name not in made:
                self._files.remove(self._files.join(self.place, name))
        return len(keep.fragments), count


@dataclass
class _Winners:
    """Which of several rows of a song is kept; only songs that have several take more than 32 bytes."""

    fragments: list[tuple[str, bool]] = field(default_factory=list)
    best: dict[bytes, tuple[tuple[bool, int], str, int]] = field(default_factory=dict)

    def wins(self, row: Row, fragment: str, index: int) -> bool:
        best = self.best.get(row.key + row.identity)
        return best is None or best[1:] == (fragment, index)


def _winners(read: Callable[[], Iterator[tuple[str, list[Row], bool]]]) -> _Winners:
    keep, keys = _Winners(), bytearray()
    for name, rows, whole in read():
        keep.fragments.append((name, whole))
        for row in rows:
            keys += row.key + row.identity
    ordered = np.sort(np.frombuffer(keys, f"S{2 * KEY_BYTES}"))
    several = set(map(_padded, ordered[1:][ordered[1:] == ordered[:-1]]))
    for name, rows, _ in read() if several else ():
        for index, row in enumerate(rows):
            key = row.key + row.identity
            if key in several:
                standing = ((row.status == DONE, row.attempt), name, index)
                keep.best[key] = max(keep.best.get(key, standing), standing)
    return keep


def _padded(key: bytes) -> bytes:
    """NumPy leaves out zeros at the end."""
    return key.ljust(2 * KEY_BYTES, b"\0")


class History:
    """What a manifest says of songs, in some 40 bytes for each.

    Args:
        rows: of the manifest, in any order.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        keys, identities = bytearray(), bytearray()
        attempts, done = bytearray(), bytearray()
        for row in rows:
            keys += row.key
            identities += row.identity
            attempts.append(min(row.attempt, 255))
            done.append(row.status == DONE)
        dtype = f"V{KEY_BYTES}"
        # As bytes they sort like numbers of so many digits; a void has no order in NumPy.
        order = np.argsort(np.frombuffer(keys, f"S{KEY_BYTES}"), kind="stable")
        self._keys = np.frombuffer(keys, f"S{KEY_BYTES}")[order]
        self._identities = np.frombuffer(identities, dtype)[order]
        self._attempts = np.frombuffer(attempts, np.uint8)[order]
        self._done = np.frombuffer(done, np.bool_)[order]

    def __len__(self) -> int:
        return len(self._keys)

    def _span(self, key: bytes) -> range:
        probe = np.array([key], self._keys.dtype)
        first = int(np.searchsorted(self._keys, probe, "left")[0])
        return range(first, int(np.searchsorted(self._keys, probe, "right")[0]))

    def done(self, key: bytes) -> tuple[bytes, ...]:
        """Identities of the song that are done."""
        return tuple(self._identities[row].tobytes() for row in self._span(key) if self._done[row])

    def is_done(self, key: bytes, song: Song) -> bool:
        return identity(song.size, song.etag) in self.done(key)

    def failures(self, key: bytes, song: Song) -> int:
        """In how many attempts the song, as it is now, has failed."""
        same = identity(song.size, song.etag)
        rows = [row for row in self._span(key) if not self._done[row]]
        unknown = song.size is None
        return max(
            (int(self._attempts[r]) for r in rows if unknown or self._identities[r].tobytes() == same),
            default=0,
        )
