"""TensorFlow checkpoints, read from the format itself: finding them, and their tensors as a model's.

V2 (`bundle`) and V1 (`checkpoint_v1`), as `tf.compat.v1.train.Saver` and Spleeter's training write them.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import ModelError
from ..network.config import DEPTH, OFFICIAL_CONFIGS, ModelConfig
from ..network.tensors import (
    LAYERS_PER_STEM,
    StemWeights,
    Tensor,
    check_finite_tensor,
    check_shape,
    checkpoint_name,
    expected_shapes,
    layer_name,
)
from ..regular import open_regular, read_regular
from .bundle import FLOAT, INDEX_SUFFIX, STRING, Entry, read_bundle
from .checkpoint_v1 import read_v1, v1_shards
from .checksum import extend, mask, masked_crc32c

# The folder

_STATE_PATH = re.compile(rb"""^\s*model_checkpoint_path\s*:\s*(["'])((?:[^"'\\\n]|\\.)*)\1""", re.MULTILINE)


STATE = "checkpoint"
_CHUNK = 1 << 20
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_OBJECT_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
LARGEST_STATE = 1 << 20


def _unescape(match: re.Match[bytes]) -> bytes:
    code = match.group(1)
    return bytes([int(code, 8) & 0xFF]) if code[0] in b"01234567" else code


def index_files(folder: Path) -> list[Path]:
    """The indexes of V2 checkpoints in a folder, by name; empty files and macOS' `._*` companions are not
    any."""
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.name.endswith(INDEX_SUFFIX)
            and not path.name.startswith("._")
            and path.is_file()
            and path.stat().st_size
        )
    except OSError:
        return []


def _named(folder: Path) -> str | None:
    """The prefix of the checkpoint that the folder's state file names."""
    try:
        match = _STATE_PATH.search(read_regular(folder / STATE, LARGEST_STATE))
    except OSError:
        return None
    if match is None:
        return None
    named = re.sub(rb"\\([0-7]{1,3}|.)", _unescape, match.group(2))
    return re.split(r"[/\\]", named.decode("utf-8", "replace"))[-1]


def _v1_index(folder: Path) -> Path | None:
    """The file (or the first shard) of the folder's V1 checkpoint: the one that the state file names."""
    named = _named(folder)
    shards = v1_shards(folder, named) if named and "\0" not in named else []
    return shards[0] if shards else None


def has_checkpoint(folder: Path) -> bool:
    """Whether a folder counts as a model: it holds a checkpoint's index, or a V1 checkpoint."""
    return bool(index_files(folder)) or _v1_index(folder) is not None


def find_index(folder: Path) -> Path:
    """The `.index` of the folder's checkpoint: the one the `checkpoint` state file names, else the only one.
    Of a V1 checkpoint its file, or the first of its shards.

    The state file may hold a path of the machine that trained the model: only its last part counts.

    Raises:
        ModelError: no index, several without a state file, or not the one that the state file names.
    """
    found = index_files(folder)
    named = _named(folder)
    if named is not None:
        path = folder / f"{named}{INDEX_SUFFIX}"
        if path in found:
            return path
        if (v1 := _v1_index(folder)) is not None:
            return v1
        raise ModelError(f"{path}: missing or empty; {folder / STATE} names this checkpoint")
    if not found:
        raise ModelError(f"{folder}: no checkpoint here (no {INDEX_SUFFIX} file, or an empty one)")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ModelError(f"{folder}: several checkpoints ({names}) and no `{STATE}` file that names one")
    return found[0]


def read_index(path: Path) -> dict[str, Entry]:
    """Read what a checkpoint holds, and where: tensors by name.

    path: what `find_index` gives.

    Raises:
        ModelError: a file is missing, truncated or damaged, or of an unsupported kind.
    """
    return read_bundle(path) if path.name.endswith(INDEX_SUFFIX) else read_v1(path)


# The tensors


def _pieces(entry: Entry) -> list[Entry]:
    """The parts of a partitioned variable; else the entry itself."""
    return [piece for _, piece in entry.parts] or [entry]


def check_extents(index: Mapping[str, Entry]) -> None:
    """Check, without reading them, that the shards hold every tensor of the index, one behind the other.

    Raises:
        ModelError: a shard is missing or too short, or tensors overlap; names the file and a tensor.
    """
    by_shard: dict[Path, list[tuple[int, int, str]]] = {}
    for name, entry in index.items():
        for piece in _pieces(entry):
            by_shard.setdefault(piece.shard, []).append((piece.offset, piece.size, name))
    for shard, places in by_shard.items():
        places.sort()
        with _open(shard, places[0][2]) as file:
            size = os.fstat(file.fileno()).st_size
        end, before = 0, ""
        for offset, length, name in places:
            if offset + length > size:
                raise ModelError(
                    f"{shard}: truncated: tensor {name} ends at byte {offset + length}, the file has {size}"
                )
            if length and offset < end:
                raise ModelError(f"{shard}: tensor {name} begins at byte {offset}, inside of tensor {before}")
            if length:
                end, before = offset + length, name


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
            if entry.parts:
                tensor = np.full(entry.shape, np.nan, np.float32)  # which a part that is missing leaves
                for region, piece in entry.parts:
                    tensor[region] = _read(piece, where)
            else:
                tensor = _read(entry, where)
            check_finite_tensor(where, tensor)
        except ModelError as error:
            if not self._hint:
                raise
            raise ModelError(f"{error}\n{self._hint}") from error
        return tensor.astype(np.float32, copy=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _read(entry: Entry, where: str) -> Tensor:
    """A float32 tensor, or a part of one, checksum verified."""
    tensor = _memory(entry.size).view("<f4").reshape(entry.shape)
    with _open(entry.shard) as file:
        _fill(file, entry, tensor.reshape(-1).view(np.uint8).data, where)
    if masked_crc32c(tensor) != entry.crc32c:
        raise ModelError(f"{where}: wrong checksum, the file is corrupt")
    return tensor


def _memory(size: int) -> npt.NDArray[np.uint8]:
    """Bytes to read into; large ones are given back to the system when the array goes, whatever the
    allocator would keep.
    """
    if size < 1 << 20 or not hasattr(mmap, "MAP_ANONYMOUS"):
        return np.empty(size, np.uint8)
    try:
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise ModelError(f"no memory for the {size} bytes of a tensor: {error}") from error
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
                _check_not_of_objects(index, index_path)
                raise ModelError(f"{where}: missing")
            if entry.dtype != FLOAT:
                raise ModelError(f"{where}: expected float32, got {entry.dtype_name}")
            check_shape(where, shape, entry.shape)
            wanted[stem][name] = (entry, f"{_pieces(entry)[0].shard}: stem {stem!r}, tensor {stored}")
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
    for name, entry in index.items():
        if entry.dtype == STRING:
            continue
        for piece in _pieces(entry):
            where = f"{piece.shard}: tensor {name}"
            if piece.size and _checksum(piece, where) != piece.crc32c:
                raise ModelError(f"{where}: wrong checksum, the file is corrupt")
        checked += 1
    return checked


def _checksum(entry: Entry, where: str) -> int:
    """Of an entry's bytes, read in pieces."""
    buffer = np.empty(min(entry.size, _CHUNK), np.uint8)
    crc, left = 0, entry.size
    with _open(entry.shard) as file:
        file.seek(entry.offset)
        while left:
            chunk = buffer[: min(left, _CHUNK)]
            if file.readinto(chunk.data) != len(chunk):
                raise ModelError(f"{where}: truncated: {entry.size - left} of {entry.size} bytes")
            crc, left = extend(crc, chunk), left - len(chunk)
    return mask(crc)


def _open(path: Path, tensor: str = "") -> io.BufferedReader:
    try:
        return open_regular(path)
    except FileNotFoundError as error:
        holds = f" (holds tensor {tensor})" if tensor else ""
        raise ModelError(f"{path}: missing data shard{holds}") from error
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


def _check_not_of_objects(index: Mapping[str, Entry], origin: object) -> None:
    """Raise `ModelError` for a checkpoint whose tensors are named by Python objects."""
    if any(name == _OBJECT_GRAPH or name.endswith(_OBJECT_VALUE) for name in index):
        raise ModelError(
            f"{origin}: an object-based checkpoint (of tf.train.Checkpoint or Keras' save_weights), whose "
            "tensors have other names than Spleeter's; save the model with tf.compat.v1.train.Saver, as "
            "Spleeter does"
        )


def infer_config(index: Mapping[str, Entry], origin: object = "checkpoint") -> ModelConfig:
    """A configuration for a checkpoint that comes without one.

    The number of stems follows from the tensors and the widths from their shapes; all that a checkpoint
    does not say (stem names, activations, softmax) is that of the official model of as many stems.

    Raises:
        ModelError: not a Spleeter checkpoint, or there is no official model of as many stems.
    """
    _check_not_of_objects(index, origin)
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
    "has_checkpoint",
    "index_files",
    "infer_config",
    "open_checkpoint",
    "read_checkpoint",
    "read_index",
    "verify_checksums",
]
