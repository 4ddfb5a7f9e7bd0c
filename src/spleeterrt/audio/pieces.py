"""Parts of a file as a file of their own, for libsndfile: `PieceFile`."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

from .sequential import VirtualFile

_BUFFER = 1 << 16  # bytes read at a time: MP3 is asked for in pieces of a few bytes
_FIRST_SEARCH, _SEARCH = 1 << 12, 1 << 20  # bytes read at a time: a match is often near


@dataclass(frozen=True)
class Span:
    """Bytes `[start, start + size)` of a file."""

    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size

    def __len__(self) -> int:
        return self.size


Piece = bytes | Span


class PieceFile(VirtualFile):
    """Bytes, and spans of a file, one behind the other.

    Args:
        path: of the file.
        pieces: of which the virtual file consists.
        apparent: the size that it claims to have, if that is another one.
    """

    def __init__(self, path: Path, pieces: Sequence[Piece], apparent: int | None = None) -> None:
        super().__init__(open(path, "rb", buffering=0))  # noqa: SIM115 (closed by close)
        self._pieces = [piece for piece in pieces if len(piece)]
        self._starts = [0, *accumulate(map(len, self._pieces))]
        self._size = self._starts[-1]
        self._apparent = self._size if apparent is None else apparent
        self._position = 0
        self._buffer, self._buffered = b"", 0  # and where it begins

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = max(0, offset + (0, self._position, self._apparent)[whence])
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        try:
            if self.first_error() is not None:
                return 0
            wanted, done = len(buffer), 0
            while done < wanted:
                data = self._some(wanted - done)
                if not data:
                    break
                buffer[done : done + len(data)] = data
                done += len(data)
                self._position += len(data)
            return done
        except BaseException as error:
            self.fail(error)
            return 0

    def _some(self, most: int) -> bytes:
        """From the position on; empty at the end."""
        at = self._position - self._buffered
        if not 0 <= at < len(self._buffer):
            if self._position >= self._size:
                return self._beyond(most)
            self._fill()
            at = self._position - self._buffered
        return self._buffer[at : at + most]

    def _beyond(self, most: int) -> bytes:
        """What a file that claims to be larger has at its end, where decoders look for tags."""
        if self._position < self._apparent - 128 or self._apparent <= self._size:
            return b""
        return bytes(min(most, max(0, self._apparent - self._position)))

    def _fill(self) -> None:
        index = bisect_right(self._starts, self._position) - 1
        piece, start = self._pieces[index], self._starts[index]
        if isinstance(piece, bytes):
            self._buffer, self._buffered = piece, start
            return
        inside = self._position - start
        self._file.seek(piece.start + inside)
        data = self._file.read(min(_BUFFER, piece.size - inside))
        if not data:
            raise OSError("it became shorter meanwhile")
        self._buffer, self._buffered = data, self._position


def find_all(file: BinaryIO, pattern: bytes, start: int, end: int) -> Iterator[int]:
    """Positions of a pattern in `[start, end)` of a file, in constant memory."""
    keep = len(pattern) - 1
    at, rest = start, b""
    most = _FIRST_SEARCH
    while at < end:
        file.seek(at)
        data = file.read(min(most, end - at))
        most = min(2 * most, _SEARCH)
        if not data:
            return
        at += len(data)
        data = rest + data
        found = data.find(pattern)
        while found >= 0:
            yield at - len(data) + found
            found = data.find(pattern, found + 1)
        rest = data[-keep:] if keep else b""


def skip_id3(file: BinaryIO, at: int) -> int:
    """Where the ID3v2 tags that begin there end."""
    while True:
        file.seek(at)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3" or max(head[6:]) > 0x7F:
            return at
        size = (head[6] << 21) | (head[7] << 14) | (head[8] << 7) | head[9]
        at += 10 + size + (10 if head[5] & 0x10 else 0)
