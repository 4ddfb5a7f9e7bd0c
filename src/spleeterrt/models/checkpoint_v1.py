"""TensorFlow's V1 checkpoints: one file, or shards `<prefix>-0000i-of-0000n`, each a table of tensors.

A table (`table`) holds `SavedTensorSlices` messages: under the empty key what tensors there are, under every
other key the numbers of a part of one, which mostly is all of it. They are packed, so each part is a range of
bytes of the file, as in a V2 checkpoint; its checksum is that of its block.

Source: TensorFlow `core/util/saved_tensor_slice.proto`, `core/util/tensor_slice_writer.cc`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import ModelError
from ..regular import open_regular
from .bundle import FLOAT, Entry, Extents, parse_shape, parse_slice, with_parts
from .checksum import masked_crc32c
from .table import MAGIC, MOST_ENTRIES, Item, Malformed, fields, message, number, placed_fields, read_items

_SHARD = re.compile(r"(.*)-(?:\d{5}|\?{5})-of-(\d{5})")  # question marks in the state file
_FLOAT_VALUES = 5  # of TensorProto


def v1_shards(folder: Path, prefix: str) -> list[Path]:
    """The files of the V1 checkpoint `prefix` in a folder: itself or its shards; empty if there is none."""
    prefix = _prefix_of_shard(prefix) or prefix
    single = folder / prefix
    if is_table(single):
        return [single]
    try:
        shards = sorted(path for path in folder.iterdir() if _prefix_of_shard(path.name) == prefix)
    except OSError:
        return []
    return shards if shards and all(map(is_table, shards)) else []


def _prefix_of_shard(name: str) -> str | None:
    match = _SHARD.fullmatch(name)
    return match[1] if match else None


def is_table(path: Path) -> bool:
    """Whether a file ends as a table does."""
    try:
        with open_regular(path) as file:
            file.seek(-8, os.SEEK_END)
            return file.read(8) == MAGIC.to_bytes(8, "little")
    except OSError:
        return False


def read_v1(path: Path) -> dict[str, Entry]:
    """Read where the tensors of a V1 checkpoint lie.

    path: its file, or the first of its shards.

    Raises:
        ModelError: a file is missing, truncated or damaged.
    """
    paths = [path]
    if match := _SHARD.fullmatch(path.name):
        count = int(match[2])
        paths = v1_shards(path.parent, match[1])
        if len(paths) != count:
            raise ModelError(f"{path}: {len(paths)} of the checkpoint's {count} shards are there")
    found: dict[str, tuple[int, tuple[int, ...]]] = {}
    parts: dict[str, list[tuple[Extents, Entry]]] = {}
    for shard in paths:
        at = "the table"
        try:
            with open_regular(shard) as file:
                for item in read_items(file, os.fstat(file.fileno()).st_size):
                    at = item.key.decode("utf-8", "backslashreplace") or "the header"
                    if not item.key:
                        found.update(_parse_meta(item.value))
                    else:
                        name, extents, entry = _parse_part(item, shard)
                        parts.setdefault(name, []).append((extents, entry))
        except OSError as error:
            raise ModelError(f"{shard}: cannot read the checkpoint: {error.strerror or error}") from error
        except Malformed as error:
            raise ModelError(f"{shard}: corrupt V1 checkpoint, at {at[:200]!r}: {error}") from error
    entries = {}
    for name, (dtype, shape) in found.items():
        whole = Entry(dtype, shape, paths[0], 0, 0, 0)
        try:
            # Others than float32 are only counted: nothing here reads them.
            entries[name] = _whole(whole, parts.get(name, [])) if dtype == FLOAT else whole
        except Malformed as error:
            raise ModelError(f"{path}: corrupt V1 checkpoint, at {name[:200]!r}: {error}") from error
    return entries


def _whole(entry: Entry, parts: list[tuple[Extents, Entry]]) -> Entry:
    joined = with_parts(entry, parts)
    if len(joined.parts) != 1:
        return joined
    return joined.parts[0][1]


def _parse_meta(value: bytes) -> dict[str, tuple[int, tuple[int, ...]]]:
    """`SavedTensorSlices`: meta = 1 {tensor = 1 {name 1, shape 2, type 3}}. Type and shape by name."""
    found = {}
    metas = [message(meta) for key, meta in fields(value) if key == 1]
    for tensor in (message(tensor) for meta in metas for key, tensor in fields(meta) if key == 1):
        name, dtype, shape = "", 0, tuple[int, ...]()
        for key, given in fields(tensor):
            if key == 1:
                name = message(given).decode("utf-8", "backslashreplace")
            elif key == 2:
                shape = parse_shape(message(given))
            elif key == 3:
                dtype = number(given)
        found[name] = dtype, shape
        if len(found) > MOST_ENTRIES:
            raise Malformed("more tensors than a checkpoint has")
    return found


def _parse_part(item: Item, path: Path) -> tuple[str, Extents, Entry]:
    """`SavedTensorSlices`: data = 2 {name 1, slice 2, data 3 {float_val = 5, packed}}."""
    name, extents = "", tuple[tuple[int, int], ...]()
    start, values = item.offset, b""
    data, data_at = _only(item.value, 2)
    for key, given in fields(data):
        if key == 1:
            name = message(given).decode("utf-8", "backslashreplace")
        elif key == 2:
            extents = parse_slice(message(given))
    tensor, tensor_at = _only(data, 3)
    if any(key == _FLOAT_VALUES for key, _ in fields(tensor)):
        values, at = _only(tensor, _FLOAT_VALUES)
        start = item.offset + data_at + tensor_at + at
    return name, extents, Entry(FLOAT, (), path, start, len(values), masked_crc32c(values))


def _only(data: bytes, wanted: int) -> tuple[bytes, int]:
    """The field of this number, and its position."""
    found = [(message(value), at) for key, value, at in placed_fields(data) if key == wanted]
    if len(found) != 1:
        raise Malformed(f"{len(found)} fields {wanted} of a part, expected one")
    return found[0]
