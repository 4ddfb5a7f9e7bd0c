"""Weights that processes share: the same samples as with weights of their own, from a file made once."""

from __future__ import annotations

import logging
import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest

from spleeterrt import ModelError, Separator, load_model
from spleeterrt.models import convert, mapped
from spleeterrt.models.mapped import load_mapped, model_digest
from support.golden import case

SOURCE = str(case("tiny-4stems") / "config.json")


def same(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(one[stem], two[stem]) for stem in one)


def test_mapped_weights_give_the_same_samples(tmp_path: Path, music: np.ndarray):
    digest = model_digest(SOURCE)
    expected = Separator(SOURCE, threads=1).separate(music)
    for _ in range(2):
        model = load_mapped(SOURCE, digest, folder=tmp_path)
        assert same(Separator(model, threads=2).separate(music), expected)
        assert not model.packed_weights.flags.writeable
        assert model.packed_weights.ctypes.data % 64 == 0
        (path,) = tmp_path.iterdir()  # no leftovers, made once
        assert model.origin == path
    assert same(Separator(pickle.loads(pickle.dumps(model)), threads=1).separate(music), expected)
    part = load_mapped(SOURCE, digest, networks=["drums"], folder=tmp_path)
    assert part.networks == ("drums",)
    low = load_mapped(SOURCE, digest, low_memory=True, folder=tmp_path)
    plain = load_model(SOURCE, low_memory=True)
    assert same(Separator(low, threads=1).separate(music), Separator(plain, threads=1).separate(music))
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, music: np.ndarray, damage: str):
    digest = model_digest(SOURCE)
    path = load_mapped(SOURCE, digest, folder=tmp_path).origin
    assert path is not None
    data = bytearray(path.read_bytes())
    path.unlink()
    data[1000] ^= 1
    path.write_bytes(data[:-50] if damage == "cut" else data)
    model = load_mapped(SOURCE, digest, folder=tmp_path)
    assert same(Separator(model, threads=1).separate(music), Separator(SOURCE, threads=1).separate(music))


def test_the_digest_is_of_the_model_and_not_of_its_file(tmp_path: Path):
    packed = tmp_path / "model.safetensors"
    convert(SOURCE, packed)
    assert model_digest(packed) == model_digest(SOURCE)
    assert model_digest(str(case("tiny-2stems") / "config.json")) != model_digest(SOURCE)
    with pytest.raises(ModelError, match="another model"):
        load_mapped(SOURCE, "0" * 64, folder=tmp_path)


def test_without_a_place_for_the_file_weights_are_ones_own(
    tmp_path: Path, music: np.ndarray, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING, "spleeterrt"):
        model = load_mapped(SOURCE, model_digest(SOURCE), folder=tmp_path / "file" / "weights")
    assert "cannot be written" in caplog.text
    assert same(Separator(model, threads=1).separate(music), Separator(SOURCE, threads=1).separate(music))


def test_files_that_nobody_uses_are_removed(tmp_path: Path):
    old, new = tmp_path / "a.weights", tmp_path / "b.weights"
    for path in (old, new):
        path.write_bytes(b"x")
    long_ago = time.time() - mapped.KEPT_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    load_mapped(SOURCE, model_digest(SOURCE), folder=tmp_path)
    assert not old.exists()
    assert new.exists()
