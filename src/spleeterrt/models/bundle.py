"""The index of a TensorFlow checkpoint: which tensors it holds, and where their bytes are.

A V2 checkpoint ("tensor bundle") is `<prefix>.index` and shards `<prefix>.data-0000i-of-0000n` of raw
little-endian tensors. The index is a table (`table`) of protocol buffers: `BundleHeaderProto` under the empty
key, `BundleEntryProto` under each tensor's name. The parts of a partitioned variable have their own entries.

Sources: TensorFlow `core/util/tensor_bundle`, `core/protobuf/tensor_bundle.proto`,
`core/framework/{tensor_shape,tensor_slice}.proto`, `core/util/saved_tensor_slice_util.cc`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from ..errors import ModelError
from ..regular import read_regular
from .table import Malformed, fields, message, number, read_items

INDEX_SUFFIX = ".index"
LARGEST_INDEX = 16 << 20
MOST_DIMENSIONS = 32
MOST_SLICES = 10_000  # of one variable
FLOAT = 1  # DT_FLOAT
STRING = 7  # DT_STRING: its bytes are laid out, and checksummed, in another way
ALL = -1  # the length of a part along a dimension that is not partitioned
Extents: TypeAlias = tuple[tuple[int, int], ...]
"""Start and length of a part, for each dimension."""

_DTYPES = {
    1: ("float32", 4),
    2: ("float64", 8),
    3: ("int32", 4),
    4: ("uint8", 1),
    5: ("int16", 2),
    6: ("int8", 1),
    7: ("string", 0),
    8: ("complex64", 8),
    9: ("int64", 8),
    10: ("bool", 1),
    14: ("bfloat16", 2),
    17: ("uint16", 2),
    18: ("complex128", 16),
    19: ("float16", 2),
    22: ("uint32", 4),
    23: ("uint64", 8),
}


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies.

    Attributes:
        dtype: TensorFlow's `DataType` number; 1 is float32.
        shard: path of the data file.
        offset, size: bytes within the shard.
        crc32c: masked CRC-32C of those bytes.
        parts: of a partitioned variable: region and place of each part; `size` is 0 then.
    """

    dtype: int
    shape: tuple[int, ...]
    shard: Path
    offset: int
    size: int
    crc32c: int
    parts: tuple[tuple[tuple[slice, ...], Entry], ...] = ()

    @property
    def dtype_name(self) -> str:
        return _DTYPES.get(self.dtype, (f"type {self.dtype}", 0))[0]


def parse_shape(data: bytes) -> tuple[int, ...]:
    """`TensorShapeProto`: dim = 2 {size = 1}, unknown_rank = 3."""
    shape: list[int] = []
    for part, value in fields(data):
        if part == 2:
            size = 0
            for key, dim in fields(message(value)):
                if key == 1:
                    size = number(dim)
            if size < 0:
                raise Malformed("a tensor's shape is not known")
            if len(shape) == MOST_DIMENSIONS:
                raise Malformed(f"a tensor of more than {MOST_DIMENSIONS} dimensions")
            shape.append(size)
        elif part == 3 and value:
            raise Malformed("a tensor's rank is not known")
    return tuple(shape)


def parse_slice(data: bytes) -> Extents:
    """`TensorSliceProto`: extent = 1 {start = 1, length = 2; without one: all}."""
    extents: list[tuple[int, int]] = []
    for part, value in fields(data):
        if part != 1:
            continue
        start, length = 0, ALL
        for key, given in fields(message(value)):
            if key == 1:
                start = number(given)
            elif key == 2:
                length = number(given)
        if start < 0 or length < ALL or len(extents) == MOST_DIMENSIONS:
            raise Malformed(f"a slice of {length} from {start}")
        extents.append((start, length))
    return tuple(extents)


def _parse_header(data: bytes) -> int:
    """`BundleHeaderProto`: num_shards = 1, endianness = 2 (0 is little). Returns the number of shards."""
    shards = 0
    for part, value in fields(data):
        if part == 1:
            shards = number(value)
        elif part == 2 and value:
            raise Malformed("big-endian checkpoints are not supported")
    if not 0 < shards < 100_000:
        raise Malformed(f"the header names {shards} data shards")
    return shards


def _parse_entry(data: bytes, prefix: Path, shards: int) -> tuple[Entry, list[Extents]]:
    """`BundleEntryProto`: dtype 1, shape 2, shard_id 3, offset 4, size 5, crc32c 6, slices 7."""
    numbers = dict.fromkeys((1, 3, 4, 5, 6), 0)
    shape: tuple[int, ...] = ()
    slices: list[Extents] = []
    for part, value in fields(data):
        if part in numbers:
            numbers[part] = number(value)
        elif part == 2:
            shape = parse_shape(message(value))
        elif part == 7:
            slices.append(parse_slice(message(value)))
    dtype, shard, offset, size, crc = numbers.values()
    if not 0 <= shard < shards:
        raise Malformed(f"shard {shard} of {shards}")
    if offset < 0 or size < 0:
        raise Malformed(f"offset {offset}, size {size}")
    width = _DTYPES.get(dtype, ("", 0))[1]
    if width and not slices and size != width * math.prod(shape):
        raise Malformed(f"{size} bytes for shape {shape} of {_DTYPES[dtype][0]}")
    path = prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}")
    return Entry(dtype, shape, path, offset, size, crc), slices


def read_bundle(path: Path) -> dict[str, Entry]:
    """Read a V2 checkpoint's `.index`: tensor names and where each tensor lies.

    Raises:
        ModelError: the file is missing, truncated or damaged, or of an unsupported kind.
    """
    try:
        data = read_regular(path, LARGEST_INDEX)
    except OSError as error:
        raise ModelError(f"{path}: cannot read the checkpoint index: {error.strerror or error}") from error
    prefix = path.with_name(path.name.removesuffix(INDEX_SUFFIX))
    entries: dict[str, Entry] = {}
    pieces: dict[bytes, Entry] = {}
    sliced: dict[str, list[Extents]] = {}
    shards = 0
    name = "the table"
    try:
        for key, value, _ in read_items(io.BytesIO(data), len(data)):
            name = key.decode("utf-8", "backslashreplace")
            if not key:
                name = "the header"
                shards = _parse_header(value)
            elif not shards:
                raise Malformed("the table does not begin with a header")
            elif key[0] == 0:  # a part of a partitioned variable
                pieces[key], _ = _parse_entry(value, prefix, shards)
            else:
                entries[name], slices = _parse_entry(value, prefix, shards)
                if slices:
                    sliced[name] = slices
        for name, slices in sliced.items():
            entries[name] = _join(name, entries[name], slices, pieces)
    except Malformed as error:
        raise ModelError(f"{path}: corrupt checkpoint index, at {name[:200]}: {error}") from error
    if not shards:
        raise ModelError(f"{path}: corrupt checkpoint index: it has no header")
    return entries


def _join(name: str, entry: Entry, slices: list[Extents], pieces: Mapping[bytes, Entry]) -> Entry:
    """A partitioned variable, with the parts that lie under keys of their own."""
    parts = []
    for extents in slices:
        piece = pieces.get(slice_key(name, extents))
        if piece is None:
            raise Malformed("a part of this partitioned variable is missing")
        parts.append((extents, piece))
    return with_parts(entry, parts)


def with_parts(entry: Entry, parts: Sequence[tuple[Extents, Entry]]) -> Entry:
    """A tensor that is made of parts, which have to cover it."""
    if len(parts) > MOST_SLICES:
        raise Malformed(f"{len(parts)} parts")
    resolved = []
    covered = 0
    for extents, piece in parts:
        if len(extents) != len(entry.shape):
            raise Malformed(f"a part of {len(extents)} dimensions of a tensor of {len(entry.shape)}")
        region = []
        for (start, length), size in zip(extents, entry.shape, strict=True):
            stop = size if length == ALL else start + length
            if not 0 <= start <= stop <= size:
                raise Malformed(f"a part from {start} to {stop} of {size}")
            region.append(slice(start, stop))
        shape = tuple(cut.stop - cut.start for cut in region)
        width = _DTYPES.get(entry.dtype, ("", 0))[1]
        if piece.size != width * math.prod(shape):
            raise Malformed(f"{piece.size} bytes for a part of shape {shape}")
        covered += math.prod(shape)
        resolved.append((tuple(region), replace(piece, shape=shape, dtype=entry.dtype)))
    if covered != math.prod(entry.shape):
        raise Malformed(
            f"its parts hold {covered} of the {math.prod(entry.shape)} numbers of shape {entry.shape}"
        )
    return replace(entry, size=0, parts=tuple(resolved))


def slice_key(name: str, extents: Extents) -> bytes:
    """The key of a part of a variable (TensorFlow `core/lib/strings/ordered_code.cc`)."""
    text = name.encode().replace(b"\0", b"\0\xff")
    rank = len(extents).to_bytes((len(extents).bit_length() + 7) // 8, "big")
    key = b"\0" + text + b"\0\1" + bytes([len(rank)]) + rank
    return key + b"".join(_ordered(value) for extent in extents for value in extent)


def _ordered(value: int) -> bytes:
    """A number such that larger ones sort behind smaller ones: as many leading ones as it has bytes."""
    length = 1 + (value if value >= 0 else ~value).bit_length() // 7
    header = ((1 << length) - 1) << (7 * length)
    return (value ^ header if value >= 0 else (value + (1 << 8 * length)) ^ header).to_bytes(length, "big")
