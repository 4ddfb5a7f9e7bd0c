"""LevelDB-style tables of protocol buffers, the containers of TensorFlow's checkpoints, read without trust.

A table is blocks of prefix-compressed keys, each block with a masked CRC-32C, an index block that lists the
data blocks, and a footer. What a file can make a reader do is bounded: blocks do not overlap, keys ascend,
and there is a limit to their number, length and sum.

Sources: TensorFlow `core/lib/io/{format,block,table}.cc`; LevelDB `doc/table_format.md`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, NamedTuple

import numpy as np

from .checksum import masked_crc32c

MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES = 48  # two block handles, padded to 40 bytes, and the magic
MOST_ENTRIES = 100_000  # Spleeter's own have at most some thousand, with the optimiser's
LONGEST_KEY = 4096
MOST_KEY_BYTES = 16 << 20  # of all keys, each written out
LARGEST_BLOCK = 256 << 20
_TRAILER = 5  # compression type and checksum


class Malformed(Exception):
    """The bytes do not follow the format; the caller adds the file's name."""


class Item(NamedTuple):
    """A key, its value, and where that lies in the file."""

    key: bytes
    value: bytes
    offset: int


# Protocol buffers and varints


def varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Read an unsigned varint: value and the position after it."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("a varint runs past its end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Fields of a protocol buffer message: number and value (bytes if length-delimited)."""
    for number, value, _ in placed_fields(data):
        yield number, value


def placed_fields(data: bytes) -> Iterator[tuple[int, int | bytes, int]]:
    """As `fields`, each with the position of its value."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            start = at
            value, at = varint(data, at)
            yield number, value, start
            continue
        if wire == 2:
            length, at = varint(data, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise Malformed(f"unknown protocol buffer wire type {wire}")
        if length > len(data) - at:
            raise Malformed("a protocol buffer field runs past its end")
        chunk = data[at : at + length]
        yield number, chunk if wire == 2 else int.from_bytes(chunk, "little"), at
        at += length


def number(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise Malformed("expected a number in a protocol buffer, got bytes")
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value  # int64 travels as its two's complement


def message(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise Malformed("expected a message in a protocol buffer, got a number")
    return value


# Blocks


def read_items(file: IO[bytes], size: int) -> Iterator[Item]:
    """Keys and values of a table file of `size` bytes, in order; every block's checksum is verified.

    Raises:
        Malformed: it is none, is damaged, or is larger in some respect than a checkpoint can be.
    """
    if size < FOOTER_BYTES:
        raise Malformed(f"{size} bytes are too few for a checkpoint index: is it truncated?")
    table = _Blocks(file, size - FOOTER_BYTES)
    meta, index = _read_footer(table.footer())
    table.read(*meta)  # holds nothing of use: read for its checksum
    entries = key_bytes = end = 0
    before: bytes | None = None
    for handle in _block_items(table.read(*index), 0):
        offset, at = varint(handle.value, 0)
        length, _ = varint(handle.value, at)
        if offset < end:
            raise Malformed("its blocks overlap or are out of order")
        end = offset + length + _TRAILER
        for item in _block_items(table.read(offset, length), offset):
            entries, key_bytes = entries + 1, key_bytes + len(item.key)
            if entries > MOST_ENTRIES or key_bytes > MOST_KEY_BYTES:
                raise Malformed("more entries than a checkpoint has")
            if before is not None and item.key <= before:
                raise Malformed("its keys are out of order")
            before = item.key
            yield item


def _read_footer(footer: bytes) -> tuple[tuple[int, int], tuple[int, int]]:
    """Offset and size of the meta and the index block."""
    if struct.unpack("<Q", footer[-8:])[0] != MAGIC:
        raise Malformed("no table footer at the end: not a checkpoint index, or truncated")
    handles = []
    at = 0
    for _ in range(4):
        value, at = varint(footer[:-8], at)
        handles.append(value)
    if any(footer[at:-8]):
        raise Malformed("the table footer is damaged")
    return (handles[0], handles[1]), (handles[2], handles[3])


class _Blocks:
    """The blocks of an open file, which end at byte `end`."""

    def __init__(self, file: IO[bytes], end: int) -> None:
        self._file, self._end = file, end

    def footer(self) -> bytes:
        return self._read(self._end, FOOTER_BYTES)

    def read(self, offset: int, size: int) -> bytes:
        """A block's contents, checksum verified."""
        if offset + size + _TRAILER > self._end:
            raise Malformed(f"a block of {size} bytes at {offset} runs past the end of the table")
        if size > LARGEST_BLOCK:
            raise Malformed(f"a block of {size} bytes at {offset} is too large")
        contents = self._read(offset, size + _TRAILER)
        (stored,) = struct.unpack_from("<I", contents, size + 1)
        if (
            masked_crc32c(np.frombuffer(contents, np.uint8, size + 1)) != stored
        ):  # of the compression type, too
            raise Malformed(f"the checksum of the block at {offset} is wrong")
        if contents[size] != 0:
            raise Malformed(
                f"the block at {offset} is compressed (type {contents[size]}), which is not supported"
            )
        return contents[:size]

    def _read(self, offset: int, size: int) -> bytes:
        try:
            self._file.seek(offset)
            contents = self._file.read(size)
        except OSError as error:
            raise Malformed(f"cannot be read: {error.strerror or error}") from error
        if len(contents) != size:
            raise Malformed("it became shorter while it was read")
        return contents


def _block_items(block: bytes, offset: int) -> Iterator[Item]:
    """Keys and values of a block at `offset`; each key shares a prefix with the key before it."""
    if len(block) < 4:
        raise Malformed("a block is too short")
    (restarts,) = struct.unpack_from("<I", block, len(block) - 4)
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise Malformed("a block's restart array is longer than the block")
    at, key = 0, b""
    while at < end:
        shared, at = varint(block, at)
        unshared, at = varint(block, at)
        length, at = varint(block, at)
        if shared > len(key) or unshared + length > end - at:
            raise Malformed("a block's entry runs past its end")
        if shared + unshared > LONGEST_KEY:
            raise Malformed(f"a key of {shared + unshared} bytes")
        key = key[:shared] + block[at : at + unshared]
        at += unshared
        yield Item(key, block[at : at + length], offset + at)
        at += length
