"""Other kinds of checkpoints than the usual one, and tables made to waste time or memory."""

from __future__ import annotations

import os
import struct
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spleeterrt import models
from spleeterrt.errors import ModelError
from spleeterrt.models import bundle
from spleeterrt.models.checkpoint import (
    check_extents,
    find_index,
    has_checkpoint,
    read_checkpoint,
    read_index,
    verify_checksums,
)
from spleeterrt.network.config import ModelConfig
from spleeterrt.network.tensors import checkpoint_name
from support.checkpoint_writer import (
    MAGIC,
    block,
    entry,
    field,
    header,
    masked_crc,
    random_tensors,
    slice_proto,
    small_key,
    table,
    varint,
    write_checkpoint,
    write_state,
    write_v1,
)

FILTERS = (2, 2, 2, 3, 3, 4)
CONFIG = ModelConfig(instruments=("vocals", "accompaniment"), conv_n_filters=FILTERS)
PARTITIONED = ("conv2d_1/kernel", "conv2d_9/bias", "conv2d_transpose/kernel", "batch_normalization_3/gamma")


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    return random_tensors(2, FILTERS)


def assert_read(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    """Every tensor is what was written, and the folder is a model in every respect."""
    config, weights, _ = models.load(folder)
    assert config.replace(model_dir="") == CONFIG
    for number, stem in enumerate(CONFIG.instruments):
        for name, value in weights[stem].items():
            assert value.dtype == np.float32
            np.testing.assert_array_equal(value, tensors[checkpoint_name(name, number)])
    assert models.verify(folder).tensors == len(tensors)


# --- kinds --------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [0, 1, 3])
def test_v1(shards: int, tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    """As Saver(write_version=V1) writes it; no file of it ends in .index."""
    paths = write_v1(tmp_path, tensors, shards=shards)
    assert has_checkpoint(tmp_path)
    assert find_index(tmp_path) == paths[0]
    assert_read(tmp_path, tensors)


def test_partitioned_variables(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "v2", tensors, partitioned=PARTITIONED)
    assert_read(tmp_path / "v2", tensors)
    write_v1(tmp_path / "v1", tensors, partitioned=PARTITIONED)
    assert_read(tmp_path / "v1", tensors)


def test_keys_of_parts_are_tensorflows() -> None:
    """Read off files that TensorFlow 2.21 wrote."""
    for name, extents, key in (
        ("conv2d_1/bias", [(0, 2)], b"\x00conv2d_1/bias\x00\x01\x01\x01\x80\x82"),
        (
            "conv2d_3/kernel",
            [(0, 5), (0, 5), (0, 4), (3, 3)],
            b"\x00conv2d_3/kernel\x00\x01\x01\x04\x80\x85\x80\x85\x80\x84\x83\x83",
        ),
        ("big", [(0, 6667)], b"\x00big\x00\x01\x01\x01\x80\xda\x0b"),
        ("big", [(6667, 6667)], b"\x00big\x00\x01\x01\x01\xda\x0b\xda\x0b"),
        ("big", [(13334, 6666)], b"\x00big\x00\x01\x01\x01\xe04\x16\xda\n"),
    ):
        assert bundle.slice_key(name, tuple(extents)) == key
    assert small_key("x", [(0, -1)]) == bundle.slice_key("x", ((0, -1),))


def test_damaged_parts(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    write_checkpoint(tmp_path, tensors, partitioned=PARTITIONED)
    data = tmp_path / "model.data-00000-of-00001"
    raw = bytearray(data.read_bytes())
    raw[3] ^= 1  # of the first part
    data.write_bytes(raw)
    with pytest.raises(ModelError, match=r"tensor batch_normalization_3/gamma: wrong checksum"):
        read_checkpoint(tmp_path, CONFIG)
    with pytest.raises(ModelError, match=r"tensor batch_normalization_3/gamma: wrong checksum"):
        verify_checksums(read_index(find_index(tmp_path)))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([[(0, 1)]], "its parts hold 1 of the 3 numbers"),
        ([[(0, 2)], [(2, 2)]], "a part from 2 to 4 of 3"),
        ([[(0, 2)], [(2, 1)], [(0, 1)]], "its parts hold 4 of the 3 numbers"),
        ([[(0, 1), (0, 1)]], "a part of 2 dimensions of a tensor of 1"),
    ],
)
def test_parts_that_do_not_fit(parts: list[list[tuple[int, int]]], message: str, tmp_path: Path) -> None:
    entries = [(b"", header())]
    slices = b""
    for extents in parts:
        size = 4 * int(np.prod([length for _, length in extents]))
        entries.append((small_key("x", extents), entry(1, [size // 4], 0, 0, size, 0)))
        slices += field(7, slice_proto(extents))
    entries.append((b"x", entry(1, [3], 0, 0, 0, 0) + slices))
    (tmp_path / "model.index").write_bytes(table(sorted(entries)))
    with pytest.raises(ModelError, match=rf"model\.index: corrupt checkpoint index, at x: {message}"):
        read_index(tmp_path / "model.index")


def test_parts_that_overlap_leave_a_gap(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    """Two halves that are the same half: as many numbers as it needs, but not all of them."""
    name = "conv2d_2/bias"
    first, second = (field(1, start) + field(2, 1) for start in (0, 1))
    write_v1(tmp_path, tensors, partitioned=[name], change=lambda _, value: value.replace(second, first))
    with pytest.raises(ModelError, match=rf"tensor {name}: holds values that are not finite"):
        read_checkpoint(tmp_path, CONFIG)


def test_damaged_v1(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    """Every byte is under a checksum; a missing shard is missed."""
    (path,) = write_v1(tmp_path / "one", tensors)
    whole = path.read_bytes()
    for at in range(0, len(whole), 211):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match="model"):
            read_checkpoint(tmp_path / "one", CONFIG)
    paths = write_v1(tmp_path / "three", tensors, shards=3)
    paths[1].unlink()
    with pytest.raises(ModelError, match="2 of the checkpoint's 3 shards"):
        read_checkpoint(tmp_path / "three", CONFIG)


def test_v1_records_that_err(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    def instead(*parts: bytes) -> Callable[[str, bytes], bytes]:
        record = field(2, field(1, b"conv2d/bias") + b"".join(parts))
        return lambda name, value: record if name == "conv2d/bias" else value

    for change, message in (
        (instead(field(3, b""), field(3, b"")), "2 fields 3 of a part"),
        (
            instead(field(2, field(1, b"")), field(3, field(5, b"1234"))),
            r"4 bytes for a part of shape \(2,\)",
        ),
        (lambda name, value: value if name else field(1, field(1, field(1, b"conv2d/bias"))), ": missing"),
        (lambda name, value: value if name else field(1, 5), "expected a message"),
    ):
        write_v1(tmp_path, tensors, change=change)
        with pytest.raises(ModelError, match=message):
            read_checkpoint(tmp_path, CONFIG)


def test_object_based_checkpoints_are_named(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    named = {f"model/{name}/.ATTRIBUTES/VARIABLE_VALUE": value for name, value in tensors.items()}
    write_checkpoint(tmp_path, named)
    for read in (lambda: read_checkpoint(tmp_path, CONFIG), lambda: models.load(tmp_path)):
        with pytest.raises(
            ModelError, match=r"model\.index: an object-based checkpoint .*compat\.v1\.train\.Saver"
        ):
            read()


def test_an_empty_index_is_no_model(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    write_checkpoint(tmp_path, tensors)
    (tmp_path / "model.index").write_bytes(b"")
    assert not has_checkpoint(tmp_path)
    with pytest.raises(ModelError, match=r"model\.index: missing or empty"):
        find_index(tmp_path)
    with pytest.raises(ModelError, match="no checkpoint in this folder"):
        models.load(tmp_path)


# --- an assumed configuration -------------------------------------------------------


def test_what_is_assumed_of_a_training_is_said(
    tensors: dict[str, np.ndarray], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A checkpoint does not hold T, F or the STFT's sizes; of Spleeter's own download they are known."""
    write_checkpoint(tmp_path / "official", tensors)
    models.load(tmp_path / "official")
    assert not caplog.records
    write_checkpoint(tmp_path / "training", tensors, prefix="model.ckpt-100")
    models.load(tmp_path / "training")
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "no config.json" in record.message
    assert "frame_length 4096, frame_step 1024, T 512, F 1024" in record.message
    assert "spleeter:2stems" in record.message


# --- tables that waste --------------------------------------------------------------


def table_of(blocks: list[bytes], handles: list[tuple[int, int]] | None = None) -> bytes:
    """A table of these blocks; `handles` may list others than there are."""
    out, places = bytearray(), []

    def add(contents: bytes) -> tuple[int, int]:
        place = len(out), len(contents)
        out.extend(contents + b"\0" + struct.pack("<I", masked_crc(contents + b"\0")))
        return place

    for contents in blocks:
        places.append(add(contents))
    meta = add(block([]))
    listed = [
        (struct.pack(">I", k), b"".join(map(varint, place))) for k, place in enumerate(handles or places)
    ]
    index = add(block(listed, 1))
    return bytes(out) + b"".join(map(varint, (*meta, *index))).ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def long_shared_keys() -> bytes:
    """20,000 entries of 4 bytes, each with a key of 4 kB."""
    entries = varint(0) + varint(4000) + varint(0) + b"k" * 4000
    entries += b"".join(
        varint(4000) + varint(3) + varint(0) + struct.pack(">I", k)[1:] for k in range(20_000)
    )
    return table_of([block([(b"", header())]), entries + struct.pack("<II", 0, 1)])


def items(*entries: tuple[bytes, bytes]) -> bytes:
    return block([(b"", header()), *entries])


WASTEFUL: dict[str, tuple[Callable[[], bytes], str]] = {
    "a block listed a thousand times": (
        lambda: table_of([items()], [(0, len(items()))] * 1000),
        "overlap or are out of order",
    ),
    "keys out of order": (lambda: table_of([items((b"b", b""), (b"a", b""))]), "out of order"),
    "a key twice": (lambda: table_of([items((b"a", b""), (b"a", b""))]), "out of order"),
    "a long key": (lambda: table_of([items((b"a" * 5000, b""))]), "a key of 5000 bytes"),
    "long keys that share": (long_shared_keys, "more entries than a checkpoint has"),
    "many dimensions": (
        lambda: table_of([items((b"a", entry(1, [1] * 33, 0, 0, 4, 0)))]),
        "more than 32 dimensions",
    ),
    "many restarts": (lambda: table_of([struct.pack("<I", 2**31)]), "restart array is longer"),
    "compressed": (lambda: table([(b"", header())], compression=1), "compressed"),
    "a vast block": (lambda: table_of([items()], [(0, 2**40)]), "runs past the end"),
    "a vast offset": (lambda: table_of([items()], [(2**63, 5)]), "runs past the end"),
    "many shards": (lambda: table_of([block([(b"", header(100_000))])]), "names 100000 data shards"),
}  # fmt: skip


@pytest.mark.parametrize("name", WASTEFUL)
def test_wasteful_tables(name: str, tmp_path: Path) -> None:
    content, message = WASTEFUL[name]
    (tmp_path / "model.index").write_bytes(content())
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=rf"model\.index: .*{message}"):
            read_index(tmp_path / "model.index")
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_only_small_regular_indexes_are_read(tmp_path: Path) -> None:
    index = tmp_path / "model.index"
    with index.open("wb") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(ModelError, match="more than 16 MiB"):
        read_index(index)
    if sys.platform != "win32":
        index.unlink()
        os.mkfifo(index)
        with pytest.raises(ModelError, match="not a regular file"):
            read_index(index)
        assert not has_checkpoint(tmp_path)


def test_tensors_that_overlap_are_not_read_again_and_again(tmp_path: Path) -> None:
    """Ten thousand names for one megabyte would be ten gigabytes to verify."""
    (tmp_path / "model.data-00000-of-00001").write_bytes(bytes(1 << 20))
    place = entry(1, [1 << 18], 0, 0, 1 << 20, 0)
    names = (f"t{k:05d}".encode() for k in range(10_000))
    (tmp_path / "model.index").write_bytes(table([(b"", header()), *((name, place) for name in names)]))
    index = read_index(tmp_path / "model.index")
    for check in (check_extents, verify_checksums):
        with pytest.raises(ModelError, match="begins at byte 0, inside of tensor t00000"):
            check(index)


def test_a_shard_that_is_no_file(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    write_checkpoint(tmp_path, tensors)
    data = tmp_path / "model.data-00000-of-00001"
    data.unlink()
    data.mkdir()
    with pytest.raises(ModelError, match=r"data-00000-of-00001: cannot read the data shard"):
        read_checkpoint(tmp_path, CONFIG)
    if sys.platform != "win32":
        data.rmdir()
        data.symlink_to("/dev/zero")
        with pytest.raises(ModelError, match="not a regular file"):
            read_checkpoint(tmp_path, CONFIG)


def test_a_state_file_with_odd_names(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    write_checkpoint(tmp_path, tensors)
    for name in ("..", "a\\000b", "x" * 5000, "/dev/zero"):
        write_state(tmp_path, name)
        with pytest.raises(ModelError, match="missing or empty"):
            find_index(tmp_path)
