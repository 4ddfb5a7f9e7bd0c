"""TensorFlow checkpoints (V2, "tensor bundle"), read from the format itself.

A checkpoint is `<prefix>.index` and shards `<prefix>.data-0000i-of-0000n`. The shards are raw
little-endian tensors. The index is a LevelDB-style table: blocks of prefix-compressed keys, each
block with a masked CRC-32C, an index block that lists the data blocks, and a footer. Its values are
protocol buffers: `BundleHeaderProto` under the empty key, `BundleEntryProto` under each tensor's name.

Sources: TensorFlow `core/util/tensor_bundle`, `core/lib/io/{format,block,table}.cc`,
`core/protobuf/tensor_bundle.proto`; LevelDB `doc/table_format.md`.
"""

from __future__ import annotations

import contextlib
import io
import math
import mmap
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..config import DEPTH, OFFICIAL_CONFIGS, ModelConfig
from ..errors import ModelError
from .checksum import masked_crc32c
from .weights import (
    LAYERS_PER_STEM,
    StemWeights,
    Tensor,
    check_finite,
    check_shape,
    checkpoint_name,
    expected_shapes,
    layer_name,
)

_TABLE_MAGIC = 0xDB4775248B80FB57
_FOOTER_SIZE = 48  # two block handles, padded to 40 bytes, and the magic
_BLOCK_TRAILER = 5  # compression type and checksum
_FLOAT = 1  # DT_FLOAT
_STRING = 7  # DT_STRING: its bytes are laid out, and checksummed, in another way
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
        sliced: a partitioned variable, whose values lie under other keys.
    """

    dtype: int
    shape: tuple[int, ...]
    shard: Path
    offset: int
    size: int
    crc32c: int
    sliced: bool = False

    @property
    def dtype_name(self) -> str:
        return _DTYPES.get(self.dtype, (f"type {self.dtype}", 0))[0]


class _Malformed(Exception):
    """The bytes do not follow the format; the caller adds the file's name."""


# Protocol buffers and varints


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned varint: value and the position after it."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise _Malformed("a varint runs past its end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Fields of a protocol buffer message: number and value (bytes if length-delimited)."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(data, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise _Malformed(f"unknown protocol buffer wire type {wire}")
        if length > len(data) - at:
            raise _Malformed("a protocol buffer field runs past its end")
        chunk = data[at : at + length]
        at += length
        yield number, chunk if wire == 2 else int.from_bytes(chunk, "little")


def _number(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise _Malformed("expected a number in a protocol buffer, got bytes")
    return value - (1 << 64) if value >> 63 else value  # int64 travels as its two's complement


def _message(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise _Malformed("expected a message in a protocol buffer, got a number")
    return value


def _parse_shape(data: bytes) -> tuple[int, ...]:
    """`TensorShapeProto`: dim = 2 {size = 1}, unknown_rank = 3."""
    shape = []
    for number, value in _fields(data):
        if number == 2:
            size = 0
            for part, dim in _fields(_message(value)):
                if part == 1:
                    size = _number(dim)
            if size < 0:
                raise _Malformed("a tensor's shape is not known")
            shape.append(size)
        elif number == 3 and value:
            raise _Malformed("a tensor's rank is not known")
    return tuple(shape)


def _parse_header(data: bytes) -> int:
    """`BundleHeaderProto`: num_shards = 1, endianness = 2 (0 is little). Returns the number of shards."""
    shards = 0
    for number, value in _fields(data):
        if number == 1:
            shards = _number(value)
        elif number == 2 and value:
            raise _Malformed("big-endian checkpoints are not supported")
    if not 0 < shards < 100_000:
        raise _Malformed(f"the header names {shards} data shards")
    return shards


def _parse_entry(data: bytes, prefix: Path, shards: int) -> Entry:
    """`BundleEntryProto`: dtype 1, shape 2, shard_id 3, offset 4, size 5, crc32c 6, slices 7."""
    dtype = shard = offset = size = crc = 0
    shape: tuple[int, ...] = ()
    sliced = False
    for number, value in _fields(data):
        if number == 1:
            dtype = _number(value)
        elif number == 2:
            shape = _parse_shape(_message(value))
        elif number == 3:
            shard = _number(value)
        elif number == 4:
            offset = _number(value)
        elif number == 5:
            size = _number(value)
        elif number == 6:
            crc = _number(value)
        elif number == 7:
            sliced = True
    if not 0 <= shard < shards:
        raise _Malformed(f"shard {shard} of {shards}")
    if offset < 0 or size < 0:
        raise _Malformed(f"offset {offset}, size {size}")
    width = _DTYPES.get(dtype, ("", 0))[1]
    if width and not sliced and size != width * math.prod(shape):
        raise _Malformed(f"{size} bytes for shape {shape} of {_DTYPES[dtype][0]}")
    path = prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}")
    return Entry(dtype, shape, path, offset, size, crc, sliced)


# The table


def _read_block(table: bytes, offset: int, size: int) -> bytes:
    """A block's contents, checksum verified. `table` ends before the footer."""
    if offset + size + _BLOCK_TRAILER > len(table):
        raise _Malformed(f"a block of {size} bytes at {offset} runs past the end of the table")
    contents = table[offset : offset + size + 1]  # the checksum covers the compression type too
    (stored,) = struct.unpack_from("<I", table, offset + size + 1)
    if masked_crc32c(contents) != stored:
        raise _Malformed(f"the checksum of the block at {offset} is wrong")
    if contents[-1] != 0:
        raise _Malformed(f"the block at {offset} is compressed (type {contents[-1]}), which is not supported")
    return contents[:-1]


def _block_items(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; each key shares a prefix with the key before it."""
    if len(block) < 4:
        raise _Malformed("a block is too short")
    (restarts,) = struct.unpack_from("<I", block, len(block) - 4)
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise _Malformed("a block's restart array is longer than the block")
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        unshared, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or unshared + length > end - at:
            raise _Malformed("a block's entry runs past its end")
        key = key[:shared] + block[at : at + unshared]
        at += unshared
        yield key, block[at : at + length]
        at += length


def _table_items(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a whole table file, in order; every block's checksum is verified."""
    if len(data) < _FOOTER_SIZE:
        raise _Malformed(f"{len(data)} bytes are too few for a checkpoint index: is it truncated?")
    table, footer = data[:-_FOOTER_SIZE], data[-_FOOTER_SIZE:]
    if struct.unpack("<Q", footer[-8:])[0] != _TABLE_MAGIC:
        raise _Malformed("no table footer at the end: not a checkpoint index, or truncated")
    handles = []
    at = 0
    for _ in range(4):
        value, at = _varint(footer[:-8], at)
        handles.append(value)
    if any(footer[at:-8]):
        raise _Malformed("the table footer is damaged")
    meta_offset, meta_size, index_offset, index_size = handles
    _read_block(table, meta_offset, meta_size)  # holds nothing of use: read for its checksum
    for _, handle in _block_items(_read_block(table, index_offset, index_size)):
        offset, at = _varint(handle, 0)
        size, _ = _varint(handle, at)
        yield from _block_items(_read_block(table, offset, size))


def read_index(path: Path) -> dict[str, Entry]:
    """Read a checkpoint's `.index`: tensor names and where each tensor lies.

    Raises:
        ModelError: the file is missing, truncated or damaged, or of an unsupported kind.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot read the checkpoint index: {error.strerror or error}") from error
    prefix = path.with_name(path.name.removesuffix(".index"))
    entries: dict[str, Entry] = {}
    shards = 0
    name = "the table"
    try:
        for key, value in _table_items(data):
            # Keys of slices are binary; their names are never asked for.
            name = key.decode("utf-8", "backslashreplace")
            if not key:
                name = "the header"
                shards = _parse_header(value)
            elif not shards:
                raise _Malformed("the table does not begin with a header")
            else:
                entries[name] = _parse_entry(value, prefix, shards)
    except _Malformed as error:
        raise ModelError(f"{path}: corrupt checkpoint index, at {name}: {error}") from error
    if not shards:
        raise ModelError(f"{path}: corrupt checkpoint index: it has no header")
    return entries


# The folder

_STATE_PATH = re.compile(rb"""^\s*model_checkpoint_path\s*:\s*(["'])((?:[^"'\\\n]|\\.)*)\1""", re.MULTILINE)


def _unescape(match: re.Match[bytes]) -> bytes:
    code = match.group(1)
    return bytes([int(code, 8) & 0xFF]) if code[0] in b"01234567" else code


def index_files(folder: Path) -> list[Path]:
    """The checkpoint indexes in a folder, by name; macOS' `._*` companions are not any."""
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.name.endswith(".index") and not path.name.startswith("._")
        )
    except OSError:
        return []


def find_index(folder: Path) -> Path:
    """The `.index` of the folder's checkpoint: the one the `checkpoint` state file names, else the only one.

    The state file may hold a path of the machine that trained the model: only its last part counts.

    Raises:
        ModelError: no index, several without a state file, or not the one that the state file names.
    """
    found = index_files(folder)
    state = folder / "checkpoint"
    try:
        match = _STATE_PATH.search(state.read_bytes())
    except OSError:
        match = None
    if match:
        named = re.sub(rb"\\([0-7]{1,3}|.)", _unescape, match.group(2))
        prefix = re.split(r"[/\\]", named.decode("utf-8", "replace"))[-1]
        path = folder / f"{prefix}.index"
        if path not in found:
            raise ModelError(f"{path}: missing; {state} names this checkpoint")
        return path
    if not found:
        raise ModelError(f"{folder}: no checkpoint here (no .index file)")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ModelError(f"{folder}: several checkpoints ({names}) and no `checkpoint` file that names one")
    return found[0]


def check_extents(index: Mapping[str, Entry]) -> None:
    """Check, without reading them, that the shards hold every tensor of the index.

    Raises:
        ModelError: a shard is missing or too short; names the file and a tensor it should hold.
    """
    sizes: dict[Path, int] = {}
    for name, entry in index.items():
        if entry.shard not in sizes:
            try:
                sizes[entry.shard] = entry.shard.stat().st_size
            except OSError as error:
                raise ModelError(f"{entry.shard}: missing data shard (holds tensor {name})") from error
        if entry.offset + entry.size > sizes[entry.shard]:
            raise ModelError(
                f"{entry.shard}: truncated: tensor {name} ends at byte {entry.offset + entry.size}, "
                f"the file has {sizes[entry.shard]}"
            )


class LazyStem(Mapping[str, Tensor]):
    """One stem's tensors, each read and checked when it is asked for, and not kept.

    Raises:
        ModelError: on access: names the file and the tensor: truncated, wrong checksum, not finite.
    """

    def __init__(self, entries: Mapping[str, tuple[Entry, str]], hint: str = "") -> None:
        self._entries = entries
        self._hint = hint

    def __getitem__(self, name: str) -> Tensor:
        entry, where = self._entries[name]
        try:
            tensor = _memory(entry.size).view("<f4").reshape(entry.shape)
            with _open(entry.shard) as file:
                _fill(file, entry, tensor.reshape(-1).view(np.uint8).data, where)
            if masked_crc32c(tensor) != entry.crc32c:
                raise ModelError(f"{where}: wrong checksum, the file is corrupt")
            check_finite(where, tensor)
        except ModelError as error:
            if not self._hint:
                raise
            raise ModelError(f"{error}\n{self._hint}") from error
        return tensor.astype(np.float32, copy=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _memory(size: int) -> npt.NDArray[np.uint8]:
    """Bytes to read into; large ones are given back to the system when the array goes, whatever the
    allocator would keep.
    """
    if size < 1 << 20 or not hasattr(mmap, "MAP_ANONYMOUS"):
        return np.empty(size, np.uint8)
    try:
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"{size} bytes for a tensor: {error}") from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # not on this kernel; merely slower
            memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.uint8)


def open_checkpoint(folder: Path, config: ModelConfig, hint: str = "") -> dict[str, LazyStem]:
    """A model's tensors by stem, then by the name they would have in a stem alone.

    The index is checked against the configuration and the shards' sizes; the tensors are read on access.

    Args:
        hint: what the user can do about an error found then.

    Raises:
        ModelError: names the file and the tensor: damaged or truncated index, missing shard or tensor,
            wrong dtype or shape.
    """
    index_path = find_index(folder)
    index = read_index(index_path)
    shapes = expected_shapes(config)
    stems = len(config.instruments)
    beyond = checkpoint_name("conv2d/kernel", stems)
    if beyond in index:
        raise ModelError(
            f"{index_path}: holds more stems than the configuration's {stems} "
            f"({', '.join(config.instruments)}): {beyond} is there. A ratio mask over some of the stems "
            "would be wrong"
        )
    wanted: dict[str, dict[str, tuple[Entry, str]]] = {}
    for number, stem in enumerate(config.instruments):
        wanted[stem] = {}
        for name, shape in shapes.items():
            stored = checkpoint_name(name, number)
            where = f"{index_path}: stem {stem!r}, tensor {stored}"
            entry = index.get(stored)
            if entry is None:
                raise ModelError(f"{where}: missing")
            if entry.dtype != _FLOAT:
                raise ModelError(f"{where}: expected float32, got {entry.dtype_name}")
            check_shape(where, shape, entry.shape)
            if entry.sliced:
                raise ModelError(f"{where}: partitioned variables are not supported")
            wanted[stem][name] = (entry, f"{entry.shard}: stem {stem!r}, tensor {stored}")
    check_extents(index)
    return {stem: LazyStem(entries, hint) for stem, entries in wanted.items()}


def read_checkpoint(folder: Path, config: ModelConfig) -> dict[str, StemWeights]:
    """All of a model's tensors, in memory: float32, by stem and name.

    Raises:
        ModelError: as `open_checkpoint`, and what is wrong with any tensor.
    """
    return {stem: dict(tensors) for stem, tensors in open_checkpoint(folder, config).items()}


def verify_checksums(index: Mapping[str, Entry]) -> int:
    """Check the checksum of every tensor in the index, the optimiser's too.

    Returns:
        The number of tensors checked.

    Raises:
        ModelError: names the file and the tensor.
    """
    check_extents(index)
    checked = 0
    with ExitStack() as stack:
        files: dict[Path, io.BufferedReader] = {}
        for name, entry in index.items():
            if entry.dtype == _STRING or entry.sliced:
                continue
            if entry.shard not in files:
                files[entry.shard] = stack.enter_context(_open(entry.shard))
            where = f"{entry.shard}: tensor {name}"
            data = np.empty(entry.size, dtype=np.uint8)
            _fill(files[entry.shard], entry, data.data, where)
            if masked_crc32c(data) != entry.crc32c:
                raise ModelError(f"{where}: wrong checksum, the file is corrupt")
            checked += 1
    return checked


def _open(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise ModelError(f"{path}: cannot read the data shard: {error.strerror or error}") from error


def _fill(file: io.BufferedReader, entry: Entry, buffer: memoryview, where: str) -> None:
    """Read an entry's bytes into `buffer`, which has its size."""
    try:
        file.seek(entry.offset)
        got = file.readinto(buffer)
    except OSError as error:
        raise ModelError(f"{where}: cannot be read: {error.strerror or error}") from error
    if got != entry.size:
        raise ModelError(f"{where}: truncated: {got} of {entry.size} bytes")


def infer_config(index: Mapping[str, Entry], origin: object = "checkpoint") -> ModelConfig:
    """A configuration for a checkpoint that comes without one.

    The number of stems follows from the tensors and the widths from their shapes; all that a checkpoint
    does not say (stem names, activations, softmax) is that of the official model of as many stems.

    Raises:
        ModelError: not a Spleeter checkpoint, or there is no official model of as many stems.
    """
    counts = set()
    for kind, per_stem in LAYERS_PER_STEM.items():
        part = "gamma" if kind == "batch_normalization" else "kernel"
        layers = 0
        while f"{layer_name(kind, layers)}/{part}" in index:
            layers += 1
        counts.add(layers / per_stem)
    hint = "put the model's Spleeter config.json into its folder"
    if len(counts) != 1 or not (stems := counts.pop()) or stems != int(stems):
        raise ModelError(f"{origin}: the tensors are not those of a Spleeter U-Net; {hint}")
    official = OFFICIAL_CONFIGS.get(f"{int(stems)}stems")
    if official is None:
        raise ModelError(f"{origin}: a model of {int(stems)} stems, whose names are not known; {hint}")
    filters = []
    for k in range(DEPTH):
        name = f"{layer_name('conv2d', k)}/kernel"
        shape = index[name].shape
        if len(shape) != 4 or shape[3] <= 0:
            raise ModelError(f"{origin}: tensor {name}: expected shape (5, 5, in, out), got {shape}")
        filters.append(shape[3])
    return official.replace(model_dir="", conv_n_filters=tuple(filters))


__all__ = [
    "Entry",
    "LazyStem",
    "check_extents",
    "find_index",
    "index_files",
    "infer_config",
    "open_checkpoint",
    "read_checkpoint",
    "read_index",
    "verify_checksums",
]
