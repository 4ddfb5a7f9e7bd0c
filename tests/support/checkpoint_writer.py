"""Writes TensorFlow checkpoints (V2 and V1) for the tests: independent of the reader, able to err."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spleeterrt.models.checksum import crc32c

MAGIC = 0xDB4775248B80FB57
DTYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "float16": 19}


def masked_crc(data: bytes) -> int:
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def header(shards: int = 1, endianness: int = 0) -> bytes:
    return field(1, shards) + (field(2, endianness) if endianness else b"") + field(3, field(1, 1))


def entry(dtype: int, shape: Iterable[int], shard: int, offset: int, size: int, crc: int) -> bytes:
    dims = b"".join(field(2, field(1, n)) for n in shape)
    return (
        field(1, dtype)
        + field(2, dims)
        + (field(3, shard) if shard else b"")
        + (field(4, offset) if offset else b"")
        + field(5, size)
        + varint(6 << 3 | 5)
        + struct.pack("<I", crc)
    )


def block(items: Iterable[tuple[bytes, bytes]], restart_interval: int = 16) -> bytes:
    out, restarts, before = bytearray(), [], b""
    for count, (key, value) in enumerate(items):
        shared = 0
        if count % restart_interval == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    restarts = restarts or [0]
    return bytes(out) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def table(items: list[tuple[bytes, bytes]], block_items: int = 40, compression: int = 0) -> bytes:
    """A whole table file: data blocks of `block_items` entries each, metaindex, index, footer."""
    out = bytearray()

    def add(contents: bytes) -> bytes:
        handle = varint(len(out)) + varint(len(contents))
        kind = bytes([compression])
        out.extend(contents + kind + struct.pack("<I", masked_crc(contents + kind)))
        return handle

    index = []
    for start in range(0, len(items), block_items):
        part = items[start : start + block_items]
        index.append((part[-1][0], add(block(part))))
    handles = add(block([])) + add(block(index, 1))
    return bytes(out) + handles.ljust(40, b"\0") + struct.pack("<Q", MAGIC)


Change = Callable[[str, dict[str, Any]], None]


def slice_proto(extents: Iterable[tuple[int, int] | None]) -> bytes:
    """`TensorSliceProto`; None: all of a dimension."""
    parts = [b"" if extent is None else field(1, extent[0]) + field(2, extent[1]) for extent in extents]
    return b"".join(field(1, part) for part in parts)


def small_key(name: str, extents: Iterable[tuple[int, int]]) -> bytes:
    """A part's key, of numbers from -64 to 63."""
    numbers = [number for extent in extents for number in extent]
    return b"\0" + name.encode() + b"\0\1\1" + bytes([len(numbers) // 2, *(0x80 ^ n & 0xFF for n in numbers)])


def halves(value: np.ndarray) -> list[tuple[list[tuple[int, int]], np.ndarray]]:
    """Two parts along the last dimension: extents and numbers."""
    whole = [(0, size) for size in value.shape[:-1]]
    middle = value.shape[-1] // 2
    cuts = [(0, middle), (middle, value.shape[-1] - middle)]
    return [([*whole, cut], value[..., cut[0] : sum(cut)]) for cut in cuts]


def write_checkpoint(
    folder: Path,
    tensors: Mapping[str, np.ndarray],
    *,
    prefix: str = "model",
    shards: int = 1,
    state: str | None = None,
    change: Change | None = None,
    block_items: int = 40,
    compression: int = 0,
    endianness: int = 0,
    partitioned: Iterable[str] = (),
) -> Path:
    """Write `tensors` by their checkpoint names; `change(name, fields)` may falsify an entry.

    partitioned: of these, each half on its own, as partitioned variables are saved.

    Returns the path of the index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = [bytearray() for _ in range(shards)]
    items = [(b"", header(shards, endianness))]
    for name in sorted(partitioned):
        slices = b""
        for extents, part in halves(tensors[name]):
            raw, offset = np.ascontiguousarray(part).tobytes(), len(data[0])
            data[0] += raw
            items.append(
                (small_key(name, extents), entry(1, part.shape, 0, offset, len(raw), masked_crc(raw)))
            )
            slices += field(7, slice_proto(extents))
        items.append((name.encode(), entry(1, tensors[name].shape, 0, 0, 0, 0) + slices))
    for number, name in enumerate(sorted(set(tensors) - set(partitioned))):
        raw = np.ascontiguousarray(tensors[name]).tobytes()
        shard = number % shards
        fields: dict[str, Any] = {
            "dtype": DTYPES[tensors[name].dtype.name],
            "shape": tensors[name].shape,
            "shard": shard,
            "offset": len(data[shard]),
            "size": len(raw),
            "crc": masked_crc(raw),
        }
        data[shard] += raw
        extra = b""
        if change:
            change(name, fields)
            extra = fields.pop("extra", b"")
        items.append((name.encode(), entry(**fields) + extra))
    index = folder / f"{prefix}.index"
    index.write_bytes(table(sorted(items), block_items, compression))
    for shard, content in enumerate(data):
        (folder / f"{prefix}.data-{shard:05d}-of-{shards:05d}").write_bytes(content)
    write_state(folder, prefix if state is None else state)
    return index


def write_state(folder: Path, name: str) -> None:
    """The file that names the checkpoint, unless `name` is empty."""
    if name:
        (folder / "checkpoint").write_text(
            f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n'
        )


def write_v1(
    folder: Path,
    tensors: Mapping[str, np.ndarray],
    *,
    prefix: str = "model",
    shards: int = 0,
    partitioned: Iterable[str] = (),
    change: Callable[[str, bytes], bytes] = lambda name, value: value,
) -> list[Path]:
    """Write `tensors` as a V1 checkpoint: one file, or so many shards. Returns their paths.

    change: makes of a record another one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = shards or 1
    metas, records = [b""] * count, [[] for _ in range(count)]
    for number, name in enumerate(sorted(tensors)):
        value, shard = tensors[name], number % count
        parts = halves(value) if name in partitioned else [([(0, -1)] * value.ndim, value)]
        dims = b"".join(field(2, field(1, size)) for size in value.shape)
        meta = field(1, name.encode()) + field(2, dims) + field(3, DTYPES[value.dtype.name])
        for extents, part in parts:
            proto = slice_proto(None if length < 0 else (start, length) for start, length in extents)
            meta += field(4, proto)
            kind = 5 if value.dtype == np.float32 else 10  # float_val, int64_val
            content = (
                part.astype("<f4").tobytes() if kind == 5 else b"".join(map(varint, part.ravel().tolist()))
            )
            saved = field(1, name.encode()) + field(2, proto) + field(3, field(kind, content))
            records[shard].append((small_key(name, extents), change(name, field(2, saved))))
        metas[shard] += field(1, meta)
    paths = []
    for shard in range(count):
        name = f"{prefix}-{shard:05d}-of-{shards:05d}" if shards else prefix
        header = change("", field(1, metas[shard] + field(2, field(1, 1))))
        paths.append(folder / name)
        paths[-1].write_bytes(table([(b"", header), *sorted(records[shard])], 1))
    write_state(folder, f"/elsewhere/{prefix}-?????-of-{shards:05d}" if shards else prefix)
    return paths


def checkpoint_names(kind: str, stem: int) -> list[str]:
    """The checkpoint's layer names of one kind of one stem, in order."""
    count = {"conv2d": 7, "batch_normalization": 12, "conv2d_transpose": 6}[kind]
    numbers = range(stem * count, (stem + 1) * count)
    return [f"{kind}_{n}" if n else kind for n in numbers]


def random_tensors(stems: int, filters: tuple[int, ...], seed: int = 0) -> dict[str, np.ndarray]:
    """Random float32 tensors of a whole model, by their checkpoint names."""
    rng = np.random.default_rng(seed)
    f1, f2, f3, f4, f5, f6 = filters
    encoder = [(2, f1), (f1, f2), (f2, f3), (f3, f4), (f4, f5), (f5, f6)]
    decoder = [(f6, f5), (2 * f5, f4), (2 * f4, f3), (2 * f3, f2), (2 * f2, f1), (2 * f1, 1)]
    tensors: dict[str, np.ndarray] = {"global_step": np.array(7, dtype=np.int64)}

    def add(name: str, *shape: int) -> None:
        tensors[name] = rng.uniform(0.5, 1.5, shape).astype(np.float32)

    for stem in range(stems):
        convolutions = checkpoint_names("conv2d", stem)
        for name, (n_in, n_out) in zip(convolutions, encoder, strict=False):
            add(f"{name}/kernel", 5, 5, n_in, n_out)
            add(f"{name}/bias", n_out)
        add(f"{convolutions[6]}/kernel", 4, 4, 1, 2)
        add(f"{convolutions[6]}/bias", 2)
        for name, (n_in, n_out) in zip(checkpoint_names("conv2d_transpose", stem), decoder, strict=True):
            add(f"{name}/kernel", 5, 5, n_out, n_in)
            add(f"{name}/bias", n_out)
        norms = checkpoint_names("batch_normalization", stem)
        for name, (_, n_out) in zip(norms, encoder + decoder, strict=True):
            for part in ("beta", "gamma", "moving_mean", "moving_variance"):
                add(f"{name}/{part}", n_out)
    return tensors
