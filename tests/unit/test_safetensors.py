"""Our own model files: exact, checked on loading, written in one step."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from spleeterrt.errors import ModelError
from spleeterrt.models.checkpoint import read_checkpoint
from spleeterrt.models.packed import read_header, read_packed, save_packed
from spleeterrt.network.config import ModelConfig
from spleeterrt.network.tensors import StemWeights
from support.checkpoint_writer import random_tensors, write_checkpoint
from support.examples import some

FILTERS = (1, 2, 2, 3, 3, 4)
CONFIG = ModelConfig(
    instruments=("vocals", "rest"),
    conv_n_filters=FILTERS,
    conv_activation="ELU",
    mask_extension="average",
    model_dir="mine",
)


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, StemWeights]:
    write_checkpoint(tmp_path / "checkpoint", random_tensors(2, FILTERS))
    return read_checkpoint(tmp_path / "checkpoint", CONFIG)


@pytest.fixture
def path(tmp_path: Path, weights: dict[str, StemWeights]) -> Path:
    save_packed(tmp_path / "model.safetensors", CONFIG, weights)
    return tmp_path / "model.safetensors"


def header_of(path: Path) -> tuple[dict[str, Any], int]:
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + length]), 8 + length


def test_round_trip(path: Path, weights: dict[str, StemWeights]) -> None:
    config, loaded = read_packed(path)
    assert config == CONFIG
    assert list(loaded) == ["vocals", "rest"]
    for stem, tensors in weights.items():
        assert set(loaded[stem]) == set(tensors)
        for name, value in tensors.items():
            assert loaded[stem][name].dtype == np.float32
            np.testing.assert_array_equal(loaded[stem][name], value)


def test_layout(path: Path, weights: dict[str, StemWeights]) -> None:
    header, _ = header_of(path)
    metadata = header.pop("__metadata__")
    assert (metadata["format"], metadata["version"]) == ("spleeterrt", "1")
    assert ModelConfig.from_dict(json.loads(metadata["config"])) == CONFIG
    assert set(header) == {f"{stem}/{name}" for stem in weights for name in weights[stem]}
    assert header["rest/conv2d_3/kernel"]["dtype"] == "F32"
    config, dtypes = read_header(path)
    assert config == CONFIG
    assert dtypes == dict.fromkeys(header, "float32")


def test_written_in_one_step(
    path: Path, weights: dict[str, StemWeights], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ModelError, match=r"model\.safetensors: cannot write.*No space"):
        save_packed(path, CONFIG.replace(mask_extension="zeros"), weights)
    assert path.read_bytes() == before
    assert {entry.name for entry in path.parent.iterdir()} == {"checkpoint", "model.safetensors"}


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_permissions_are_those_of_any_new_file(path: Path) -> None:
    other = path.with_name("other")
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode


def test_no_folder_to_write_to(path: Path, weights: dict[str, StemWeights]) -> None:
    with pytest.raises(ModelError, match="cannot write"):
        save_packed(path.parent / "none" / "model.safetensors", CONFIG, weights)


def test_unfit_weights_are_not_written(tmp_path: Path, weights: dict[str, StemWeights]) -> None:
    weights["rest"]["conv2d/bias"][0] = np.nan
    target = tmp_path / "bad.safetensors"
    with pytest.raises(ModelError, match=r"bad\.safetensors: stem 'rest', tensor conv2d/bias: .*finite"):
        save_packed(target, CONFIG, weights)
    assert not target.exists()


def test_every_flipped_byte_is_found(path: Path) -> None:
    whole = path.read_bytes()
    _, start = header_of(path)
    for at in some([*range(0, start, 11), *range(start, len(whole), 211), len(whole) - 1]):
        damaged = bytearray(whole)
        damaged[at] ^= 0x04
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"model\.safetensors"):
            read_packed(path)


def test_a_flipped_byte_of_a_tensor_names_it(path: Path) -> None:
    header, start = header_of(path)
    begin, end = header["rest/conv2d_transpose_2/kernel"]["data_offsets"]
    damaged = bytearray(path.read_bytes())
    damaged[start + (begin + end) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(
        ModelError, match=r"model\.safetensors: stem 'rest', tensor conv2d_transpose_2/kernel: wrong checksum"
    ):
        read_packed(path)


def test_truncations(path: Path) -> None:
    whole = path.read_bytes()
    for length in [0, 1, 8, 100, *range(1000, len(whole), 1013), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"model\.safetensors"):
            read_packed(path)


def rewrite(path: Path, metadata: dict[str, str], **tensors: np.ndarray | None) -> None:
    """Write the file again with other metadata or tensors (`a__b` stands for `a/b`)."""
    header, _ = header_of(path)
    content = load_file(path)
    for key, value in tensors.items():
        name = key.replace("__", "/")
        if value is None:
            del content[name]
        else:
            content[name] = value
    save_file(content, path, {**header["__metadata__"], **metadata})


def test_other_safetensors_files(path: Path) -> None:
    save_file({"x": np.zeros(3, np.float32)}, path)
    with pytest.raises(ModelError, match=r"model\.safetensors: not a model file of spleeterrt"):
        read_packed(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"version": "2"}, "version 2"),
        ({"config": "{}"}, "checksum of the configuration"),
        ({"crc32c": "{}"}, "checksum of the configuration"),
        ({"crc32c": "[]"}, "corrupt metadata"),
        ({"crc32c": "?"}, "corrupt metadata"),
    ],
)
def test_other_metadata(path: Path, metadata: dict[str, str], message: str) -> None:
    rewrite(path, metadata)
    with pytest.raises(ModelError, match=rf"model\.safetensors: .*{message}"):
        read_packed(path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "missing"),
        (np.zeros(1, np.float16), r"expected float32 \(F32\), got 'F16'"),
        (np.zeros(1, np.float32), "wrong checksum"),
    ],
)
def test_other_tensors(path: Path, value: np.ndarray | None, message: str) -> None:
    rewrite(path, {}, vocals__conv2d__bias=value)
    with pytest.raises(ModelError, match=f"stem 'vocals', tensor conv2d/bias: {message}"):
        read_packed(path)


def test_shapes_are_checked(path: Path, weights: dict[str, StemWeights]) -> None:
    # The same bytes, and so the same checksum, in another shape.
    kernel = weights["vocals"]["conv2d_1/kernel"]
    rewrite(path, {}, vocals__conv2d_1__kernel=kernel.reshape(5, 5, 2, 1).copy())
    with pytest.raises(
        ModelError, match=r"conv2d_1/kernel: expected shape \(5, 5, 1, 2\), got \(5, 5, 2, 1\)"
    ):
        read_packed(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.safetensors"):
        read_packed(tmp_path / "none.safetensors")
