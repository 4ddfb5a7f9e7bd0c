"""The TensorFlow checkpoint reader: real files of TensorFlow, written ones, and damaged ones."""

from __future__ import annotations

import math
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spleeterrt.errors import ModelError
from spleeterrt.models import checkpoint
from spleeterrt.models.checkpoint import (
    check_extents,
    find_index,
    infer_config,
    open_checkpoint,
    read_checkpoint,
    read_index,
    verify_checksums,
)
from spleeterrt.models.checksum import crc32c, extend, masked_crc32c
from spleeterrt.network.config import OFFICIAL_CONFIGS, ModelConfig
from spleeterrt.network.tensors import check_weights, checkpoint_name, expected_shapes
from support.checkpoint_writer import field, masked_crc, random_tensors, write_checkpoint
from support.examples import some
from support.golden import case

OFFICIAL_INDEX = Path(__file__).parents[1] / "data" / "official-2stems.index"
FILTERS = (1, 2, 2, 3, 3, 4)
CONFIG = ModelConfig(instruments=("vocals", "rest"), conv_n_filters=FILTERS)
DATA_FILE = "model.data-00000-of-00001"


@pytest.fixture
def tensors() -> dict[str, np.ndarray]:
    return random_tensors(2, FILTERS)


@pytest.fixture
def folder(tmp_path: Path, tensors: dict[str, np.ndarray]) -> Path:
    write_checkpoint(tmp_path / "model", tensors)
    return tmp_path / "model"


def assert_same(weights: dict[str, dict[str, np.ndarray]], tensors: dict[str, np.ndarray]) -> None:
    for number, stem in enumerate(CONFIG.instruments):
        assert list(weights[stem]) == list(expected_shapes(CONFIG))
        for name, value in weights[stem].items():
            assert value.dtype == np.float32
            np.testing.assert_array_equal(value, tensors[checkpoint_name(name, number)])


def test_crc32c_vectors() -> None:
    # RFC 3720, appendix B.4.
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert crc32c(array) == crc32c(array.tobytes())
    assert masked_crc32c(b"123456789") == masked_crc(b"123456789") != crc32c(b"123456789")


def bit_by_bit(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_crc32c_of_any_length_and_place() -> None:
    data = np.random.default_rng(5).integers(0, 256, 90, np.uint8)
    for first in range(9):
        for last in [*range(first, first + 20), 90]:
            assert crc32c(data[first:last]) == bit_by_bit(data[first:last].tobytes())
    for cut in range(0, 91, 7):
        assert extend(crc32c(data[:cut]), data[cut:]) == bit_by_bit(data.tobytes())
    data.flags.writeable = False
    assert crc32c(data) == crc32c(bytes(data))


# The official 2stems model's index


def test_official_index_names_and_shapes() -> None:
    index = read_index(OFFICIAL_INDEX)
    filters = [16, 32, 64, 128, 256, 512]
    expected: dict[str, tuple[int, ...]] = {"global_step": ()}
    for stem in (0, 1):
        channels = 2
        for k, n in enumerate(filters):
            layer = f"conv2d_{7 * stem + k}" if 7 * stem + k else "conv2d"
            expected |= {f"{layer}/kernel": (5, 5, channels, n), f"{layer}/bias": (n,)}
            channels = n
        expected |= {f"conv2d_{7 * stem + 6}/kernel": (4, 4, 1, 2), f"conv2d_{7 * stem + 6}/bias": (2,)}
        inputs = [512, 512, 256, 128, 64, 32]
        outputs = [256, 128, 64, 32, 16, 1]
        for k, (n_in, n_out) in enumerate(zip(inputs, outputs, strict=True)):
            layer = f"conv2d_transpose_{6 * stem + k}" if 6 * stem + k else "conv2d_transpose"
            expected |= {f"{layer}/kernel": (5, 5, n_out, n_in), f"{layer}/bias": (n_out,)}
        for k, n in enumerate(filters + outputs):
            layer = f"batch_normalization_{12 * stem + k}" if 12 * stem + k else "batch_normalization"
            for part in ("beta", "gamma", "moving_mean", "moving_variance"):
                expected[f"{layer}/{part}"] = (n,)
    assert {name: entry.shape for name, entry in index.items()} == expected


def test_official_index_extents_and_checksums() -> None:
    index = read_index(OFFICIAL_INDEX)
    end = 0
    for entry in sorted(index.values(), key=lambda entry: entry.offset):
        assert entry.offset == end  # the tensors tile the file
        assert entry.size == math.prod(entry.shape) * (4 if entry.dtype_name == "float32" else 8)
        assert entry.shard.name == "official-2stems.data-00000-of-00001"
        end = entry.offset + entry.size
    assert [name for name, entry in index.items() if entry.dtype_name != "float32"] == ["global_step"]
    beta, gamma = index["batch_normalization/beta"], index["batch_normalization/gamma"]
    # Read off the file's bytes: 35 4d 17 20 ac and 35 9d 75 d4 ea.
    assert (beta.offset, beta.size, beta.crc32c) == (0, 64, 0xAC20174D)
    assert (gamma.offset, gamma.size, gamma.crc32c) == (64, 64, 0xEAD4759D)


def test_official_index_has_what_the_official_config_needs() -> None:
    index = read_index(OFFICIAL_INDEX)
    config = OFFICIAL_CONFIGS["2stems"]
    for stem in range(2):
        for name, shape in expected_shapes(config).items():
            assert index[checkpoint_name(name, stem)].shape == shape
    assert infer_config(index) == config.replace(model_dir="")
    # 9.8 million numbers a stem, the unused batch normalisation of e6 included.
    assert sum(math.prod(shape) for shape in expected_shapes(config).values()) == 9_826_759


# Golden checkpoints, written by TensorFlow


@pytest.mark.parametrize("name", ["tiny-2stems", "tiny-4stems", "tiny-5stems"])
def test_golden_checkpoints(name: str) -> None:
    folder = case(name)
    config = ModelConfig.from_file(folder / "config.json")
    weights = read_checkpoint(folder, config)
    check_weights(config, weights, folder)
    for stem in config.instruments:
        for tensor, value in weights[stem].items():
            # The ranges that make_golden.py drew from.
            low, high = {"moving_variance": (0.5, 2), "gamma": (0.5, 1.5)}.get(tensor.split("/")[1], (-2, 2))
            assert low <= value.min() <= value.max() <= high, tensor
    assert len({stem["conv2d/kernel"].tobytes() for stem in weights.values()}) == len(config.instruments)
    index = read_index(find_index(folder))
    assert verify_checksums(index) == len(index)
    inferred = infer_config(index)
    for key in ("instruments", "conv_n_filters", "conv_activation", "deconv_activation", "model_type"):
        assert getattr(inferred, key) == getattr(config, key)


# Written checkpoints


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("block_items", [1, 40, 1000])
def test_round_trip(tmp_path: Path, tensors: dict[str, np.ndarray], shards: int, block_items: int) -> None:
    # What training leaves in a checkpoint besides the weights.
    extra = {
        "beta1_power": np.array(0.9, dtype=np.float32),
        "conv2d/kernel/Adam": np.full((5, 5, 2, 1), np.nan, dtype=np.float32),
    }
    write_checkpoint(tmp_path, {**tensors, **extra}, shards=shards, block_items=block_items)
    assert_same(read_checkpoint(tmp_path, CONFIG), tensors)
    assert verify_checksums(read_index(find_index(tmp_path))) == len(tensors) + 2


def test_stems_follow_the_instrument_list(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    weights = read_checkpoint(folder, CONFIG.replace(instruments=("rest", "vocals")))
    np.testing.assert_array_equal(weights["rest"]["conv2d/bias"], tensors["conv2d/bias"])
    np.testing.assert_array_equal(weights["vocals"]["conv2d_6/bias"], tensors["conv2d_13/bias"])
    np.testing.assert_array_equal(
        weights["vocals"]["batch_normalization_11/beta"], tensors["batch_normalization_23/beta"]
    )
    np.testing.assert_array_equal(
        weights["vocals"]["conv2d_transpose/bias"], tensors["conv2d_transpose_6/bias"]
    )


def test_memory_is_the_weights_and_little_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them for `read_checkpoint`, one at a time for `open_checkpoint`."""
    monkeypatch.setattr(checkpoint, "_memory", lambda size: np.empty(size, np.uint8))  # which is traced
    filters = (16, 32, 64, 128, 128, 128)
    tensors = random_tensors(2, filters)
    write_checkpoint(tmp_path, tensors)
    total = sum(value.nbytes for value in tensors.values())
    largest = max(value.nbytes for value in tensors.values())
    config = CONFIG.replace(conv_n_filters=filters)
    del tensors
    read_checkpoint(tmp_path, config)  # imports and caches

    def peak(read: Callable[[], object]) -> int:
        tracemalloc.start()
        try:
            assert read()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def one_at_a_time() -> int:
        stems = open_checkpoint(tmp_path, config).values()
        return sum(stem[name].size for stem in stems for name in stem)

    assert total <= peak(lambda: read_checkpoint(tmp_path, config)) <= total + largest + 500_000
    assert largest <= peak(one_at_a_time) <= 1.5 * largest + 500_000


def test_a_tensor_is_read_when_it_is_asked_for(folder: Path) -> None:
    stems = open_checkpoint(folder, CONFIG, hint="do this")
    whole = read_checkpoint(folder, CONFIG)
    assert {stem: list(tensors) for stem, tensors in stems.items()} == {
        stem: list(tensors) for stem, tensors in whole.items()
    }
    for stem, tensors in stems.items():
        for name, tensor in tensors.items():
            assert tensor.dtype == np.float32
            np.testing.assert_array_equal(tensor, whole[stem][name])
    data = folder / "model.data-00000-of-00001"
    raw = bytearray(data.read_bytes())
    raw[len(raw) // 3] ^= 1
    data.write_bytes(raw)
    with pytest.raises(ModelError, match="checksum, the file is corrupt\ndo this"):
        [tensor for tensors in stems.values() for tensor in tensors.values()]


@pytest.mark.parametrize("size", [0, 4, 4096, 1 << 20, 3 << 20])
def test_memory_to_read_into(size: int) -> None:
    memory = checkpoint._memory(size)
    assert memory.size == size
    memory[:] = 7
    assert memory.view("<f4").size == size // 4


# Which checkpoint


@pytest.mark.parametrize(
    "state",
    ["new", "/elsewhere/models/new", r"C:\\models\\new", "./new", r"/m\303\251lodie/new"],
)
def test_the_state_file_chooses(tmp_path: Path, tensors: dict[str, np.ndarray], state: str) -> None:
    write_checkpoint(tmp_path, random_tensors(2, FILTERS, seed=5), prefix="old", state="")
    write_checkpoint(tmp_path, tensors, prefix="new", state=state)
    assert find_index(tmp_path).name == "new.index"
    assert_same(read_checkpoint(tmp_path, CONFIG), tensors)


def test_without_a_state_file_a_sole_index_counts(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    write_checkpoint(tmp_path, tensors, prefix="model.ckpt-100", state="")
    (tmp_path / "._model.ckpt-100.index").write_bytes(b"finder")
    assert_same(read_checkpoint(tmp_path, CONFIG), tensors)
    write_checkpoint(tmp_path, tensors, prefix="model.ckpt-200", state="")
    with pytest.raises(ModelError, match=r"several.*ckpt-100.*ckpt-200"):
        find_index(tmp_path)


def test_a_named_index_that_is_missing(folder: Path) -> None:
    (folder / "checkpoint").write_text('model_checkpoint_path: "other"\n')
    with pytest.raises(ModelError, match=r"other\.index.*missing"):
        read_checkpoint(folder, CONFIG)


def test_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no checkpoint here"):
        read_checkpoint(tmp_path, CONFIG)
    with pytest.raises(ModelError, match="no checkpoint here"):
        read_checkpoint(tmp_path / "none", CONFIG)


# Damage


def test_every_flipped_byte_of_an_index_is_found(folder: Path) -> None:
    path = folder / "model.index"
    whole = path.read_bytes()
    for at in some(range(len(whole))):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"model\.index"):
            read_index(path)


def test_truncated_index(folder: Path) -> None:
    path = folder / "model.index"
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 5), *range(len(whole) - 60, len(whole))]:
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"model\.index"):
            read_index(path)


def test_the_official_index_with_flipped_bytes(tmp_path: Path) -> None:
    whole = (OFFICIAL_INDEX).read_bytes()
    path = tmp_path / "model.index"
    for at in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"model\.index"):
            read_index(path)


def test_a_flipped_byte_of_any_tensor_is_found(folder: Path) -> None:
    path = folder / DATA_FILE
    whole = path.read_bytes()
    for name, entry in read_index(folder / "model.index").items():
        if name == "global_step":
            continue
        damaged = bytearray(whole)
        damaged[entry.offset + entry.size // 2] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ModelError) as error:
            read_checkpoint(folder, CONFIG)
        message = str(error.value)
        number = int(re.findall(r"_(\d+)/", name)[0]) if re.search(r"_\d+/", name) else 0
        layers = 12 if name.startswith("batch") else 6 if "transpose" in name else 7
        assert DATA_FILE in message
        assert f"tensor {name}:" in message
        assert "checksum" in message
        assert f"stem {CONFIG.instruments[number // layers]!r}" in message


def test_damage_to_other_tensors_only_matters_to_verification(folder: Path) -> None:
    path = folder / DATA_FILE
    index = read_index(folder / "model.index")
    damaged = bytearray(path.read_bytes())
    damaged[index["global_step"].offset] ^= 1
    path.write_bytes(damaged)
    read_checkpoint(folder, CONFIG)
    with pytest.raises(ModelError, match=r"global_step.*checksum"):
        verify_checksums(index)


def test_truncated_shard(folder: Path) -> None:
    path = folder / DATA_FILE
    whole = path.read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=rf"{DATA_FILE}: truncated: tensor \w+"):
            read_checkpoint(folder, CONFIG)


def test_missing_shard(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    write_checkpoint(tmp_path, tensors, shards=2)
    (tmp_path / "model.data-00001-of-00002").unlink()
    with pytest.raises(ModelError, match=r"model\.data-00001-of-00002: missing data shard .holds tensor"):
        read_checkpoint(tmp_path, CONFIG)
    with pytest.raises(ModelError, match="missing"):
        check_extents(read_index(tmp_path / "model.index"))


def test_missing_tensor(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    del tensors["batch_normalization_14/gamma"]
    write_checkpoint(tmp_path, tensors)
    with pytest.raises(
        ModelError, match=r"model\.index: stem 'rest', tensor batch_normalization_14/gamma: missing"
    ):
        read_checkpoint(tmp_path, CONFIG)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "conv2d_9/kernel",
            np.zeros((5, 5, 3, 2), "f4"),
            r"expected shape \(5, 5, 2, 2\), got \(5, 5, 3, 2\)",
        ),
        ("conv2d_9/kernel", np.zeros((5, 5, 2, 2), "f2"), "expected float32, got float16"),
        ("conv2d_9/kernel", np.zeros((5, 5, 2, 2), "f8"), "expected float32, got float64"),
        ("conv2d_9/kernel", np.full((5, 5, 2, 2), np.nan, "f4"), "not finite"),
        ("conv2d_9/kernel", np.full((5, 5, 2, 2), -np.inf, "f4"), "not finite"),
    ],
)
def test_unfit_tensors(
    tmp_path: Path, tensors: dict[str, np.ndarray], name: str, value: np.ndarray, message: str
) -> None:
    write_checkpoint(tmp_path, {**tensors, name: value})
    with pytest.raises(ModelError, match=rf"model.*stem 'rest', tensor {name}: .*{message}"):
        read_checkpoint(tmp_path, CONFIG)


def test_entries_that_contradict_themselves(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    target = "conv2d_1/bias"

    def read_with(**fields: Any) -> None:
        def change(name: str, entry: dict[str, Any]) -> None:
            if name == target:
                entry.update(fields)

        write_checkpoint(tmp_path, tensors, change=change)
        read_checkpoint(tmp_path, CONFIG)

    read_with()
    for fields, message in (
        ({"size": 4}, rf"model\.index.*{target}.*4 bytes for shape \(2,\)"),
        ({"shard": 1}, rf"model\.index.*{target}.*shard 1 of 1"),
        ({"offset": 2**64 - 8}, rf"model\.index.*{target}.*offset -8"),
        ({"offset": 2**40}, rf"{DATA_FILE}: truncated: tensor {target}"),
        ({"shape": (2**64 - 1, 2)}, rf"model\.index.*{target}.*shape is not known"),
        ({"crc": 1}, rf"{DATA_FILE}: stem 'vocals', tensor {target}: wrong checksum"),
        ({"extra": field(7, b"")}, rf"{target}: a part of this partitioned variable is missing"),
    ):
        with pytest.raises(ModelError, match=message):
            read_with(**fields)


def test_unsupported_tables(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    path = write_checkpoint(tmp_path, tensors, compression=1)
    with pytest.raises(ModelError, match=r"model\.index.*compressed"):
        read_index(path)
    path = write_checkpoint(tmp_path, tensors, endianness=1)
    with pytest.raises(ModelError, match=r"model\.index.*big-endian"):
        read_index(path)
    path.write_bytes(b"\0" * 4096)
    with pytest.raises(ModelError, match=r"model\.index.*not a checkpoint index"):
        read_index(path)


# Configurations from tensors


@pytest.mark.parametrize("stems", [2, 4, 5])
def test_infer_config(tmp_path: Path, stems: int) -> None:
    config = infer_config(read_index(write_checkpoint(tmp_path, random_tensors(stems, FILTERS))))
    assert config == OFFICIAL_CONFIGS[f"{stems}stems"].replace(model_dir="", conv_n_filters=FILTERS)


def test_infer_config_asks_for_a_configuration(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    three = write_checkpoint(tmp_path, random_tensors(3, FILTERS))
    with pytest.raises(ModelError, match=r"here: a model of 3 stems.*config\.json"):
        infer_config(read_index(three), "here")
    del tensors["conv2d_transpose_11/kernel"]
    for unfit in (tensors, {"x": np.zeros(3, "f4")}):
        with pytest.raises(ModelError, match=r"not those of a Spleeter U-Net.*config\.json"):
            infer_config(read_index(write_checkpoint(tmp_path, unfit)))


# check_weights


def test_check_weights(folder: Path) -> None:
    weights = read_checkpoint(folder, CONFIG)
    check_weights(CONFIG, weights, "file")
    name = "conv2d_transpose_5/kernel"
    right = weights["rest"][name]
    wrong: list[tuple[Any, str]] = [
        (right[..., :1], "expected shape"),
        (right.astype(np.float64), "expected float32"),
        (np.full_like(right, np.inf), "not finite"),
    ]
    for value, message in wrong:
        weights["rest"][name] = value
        with pytest.raises(ModelError, match=rf"file: stem 'rest', tensor {name}: .*{message}"):
            check_weights(CONFIG, weights, "file")
    del weights["rest"][name]
    with pytest.raises(ModelError, match=rf"file: stem 'rest', tensor {name}: missing"):
        check_weights(CONFIG, weights, "file")
    del weights["rest"]
    with pytest.raises(ModelError, match="file: no weights for stem 'rest'"):
        check_weights(CONFIG, weights, "file")
