"""Coefficient files of the original real-time engine, against a writer of plain loops."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spleeterrt import Model, ModelConfig, ModelError, Separator, SpleeterError, load_model, models
from spleeterrt.models import coefficients
from spleeterrt.network.config import OFFICIAL_CONFIGS
from spleeterrt.network.layers import fold_batch_norm
from support import reference
from support.golden import CASES, case
from support.tolerances import NETWORK, close

FILTERS = (3, 5, 2, 4, 3, 6)
CONFIG = ModelConfig(instruments=("vocals", "accompaniment"), conv_n_filters=FILTERS, T=64, F=64)
FULL_SIZE = ModelConfig(instruments=("vocals", "accompaniment"))


def plain(tensors: dict[str, np.ndarray]) -> Iterator[float]:
    """A stem's numbers one by one, in the file's order."""

    def norm(k: int) -> Iterator[float]:
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        values = [tensors[f"{reference.numbered('batch_normalization', k)}/{name}"] for name in names]
        gamma, beta, mean, variance = (value.astype(np.float64) for value in values)
        scale = gamma / np.sqrt(variance + 1e-3)
        yield from beta - mean * scale
        yield from scale

    def convolution(name: str) -> Iterator[float]:
        kernel = tensors[f"{name}/kernel"]  # [time, frequency, in, out]
        times, frequencies, into, out = kernel.shape
        for o in range(out):
            for i in range(into):
                for t in range(times):
                    for f in range(frequencies):
                        yield kernel[t, f, i, o]
        yield from tensors[f"{name}/bias"]

    def transposed(name: str) -> Iterator[float]:
        kernel = tensors[f"{name}/kernel"]  # [time, frequency, out, in]
        times, frequencies, out, into = kernel.shape
        for i in range(into):
            for o in range(out):
                for t in range(times):
                    for f in range(frequencies):
                        yield kernel[t, f, o, i]
        yield from tensors[f"{name}/bias"]

    for k in range(6):
        yield from convolution(reference.numbered("conv2d", k))
        if k < 5:
            yield from norm(k)
    for k in range(6):
        yield from transposed(reference.numbered("conv2d_transpose", k))
        yield from norm(6 + k)
    yield from convolution("conv2d_6")


def plain_file(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    path.write_bytes(b"".join(struct.pack("<f", value) for value in plain(tensors)))
    return path


@pytest.fixture(scope="module")
def weights() -> dict[str, Any]:
    return reference.random_weights(CONFIG.instruments, FILTERS, 7)


@pytest.fixture
def files(tmp_path: Path, weights: dict[str, Any]) -> dict[str, Path]:
    return {stem: plain_file(tmp_path / f"{stem}.bin", tensors) for stem, tensors in weights.items()}


def magnitudes(frames: int = 64, bins: int = 64) -> np.ndarray:
    return np.random.default_rng(1).random((2, frames, bins, 2), np.float32) * 10


def same_output(first: Model, second: Model, frames: int = 64, bins: int = 64) -> None:
    x = magnitudes(frames, bins)
    assert first.instruments == second.instruments
    expected, got = first.predict(x), second.predict(x)
    for stem in expected:
        np.testing.assert_array_equal(got[stem], expected[stem])


# --- the layout -------------------------------------------------------------------------------


def test_size_with_spleeters_widths() -> None:
    assert coefficients.count(FULL_SIZE) == 9_822_725
    assert 4 * coefficients.count(FULL_SIZE) == 39_290_900


def test_written_as_by_plain_loops(tmp_path: Path, weights: dict[str, Any]) -> None:
    """To the bit: a number is rounded once, whoever folds."""
    paths = coefficients.save_coefficients(tmp_path / "new" / "folder", CONFIG, weights)
    assert [path.name for path in paths] == ["vocals.dat", "accompaniment.dat", "config.json"]
    for path, tensors in zip(paths, weights.values(), strict=False):
        expected = plain_file(tmp_path / "plain", tensors).read_bytes()
        assert len(expected) == 4 * coefficients.count(CONFIG)
        assert path.read_bytes() == expected
    assert ModelConfig.from_file(paths[-1]) == CONFIG
    assert {path.name for path in paths[0].parent.iterdir()} == {path.name for path in paths}


@pytest.mark.parametrize("activation", [("LeakyReLU", "ReLU"), ("ELU", "ELU")])
def test_read_it_is_the_network(
    files: dict[str, Path], weights: dict[str, Any], activation: tuple[str, str]
) -> None:
    """The network in float64 on the tensors that the plain writer had; time and frequency are not alike."""
    config = CONFIG.replace(conv_activation=activation[0], deconv_activation=activation[1])
    model = load_model(files, config=config)
    assert model.config == config
    x = magnitudes(128, 64)
    expected = reference.estimates(config, weights, x)
    for stem, estimate in zip(config.instruments, expected, strict=True):
        close(model.predict(x)[stem], estimate, NETWORK, scale=x.max())
    same_output(Model(config, weights), model)


def test_folding_what_was_read_gives_it_back() -> None:
    """For all kinds of numbers, to the bit."""
    bits = np.random.default_rng(0).integers(0, 1 << 32, 1_000_000, dtype=np.uint32)
    powers = np.ldexp(1.0, np.arange(-149, 128)).astype(np.float32)
    values = np.concatenate([bits.view(np.float32), powers, -powers])
    values = values[np.isfinite(values)]
    zeros, variance = np.zeros_like(values), np.full_like(values, coefficients._VARIANCE)
    scale, shift = fold_batch_norm(values, values[::-1], zeros, variance)
    np.testing.assert_array_equal(scale, values)
    np.testing.assert_array_equal(shift, values[::-1])


# --- both ways --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_golden_checkpoints_there_and_back(tmp_path: Path, name: str) -> None:
    """Folding rounds as the network itself does: the output keeps its bits, and a second time the files."""
    source = case(name) / "config.json"
    original = load_model(source)
    folder = models.convert(source, tmp_path / "out", format="coefficients")
    files = {stem: folder / f"{stem}.dat" for stem in original.instruments}
    again = load_model(files, config=source)
    assert again.config == original.config
    same_output(original, again)
    same_output(original, load_model(folder))
    same_output(original, load_model(folder / "config.json"))
    packed = models.convert(files, tmp_path / "m.safetensors", config=source)
    same_output(original, load_model(packed))
    twice = models.convert(packed, tmp_path / "twice", format="coefficients")
    for path in files.values():
        assert (twice / path.name).read_bytes() == path.read_bytes()


def test_full_size(tmp_path: Path) -> None:
    """One stem's tensors under two names: Spleeter's configuration is found by the stems."""
    tensors = reference.random_weights(("vocals",), FULL_SIZE.conv_n_filters)["vocals"]
    weights = dict.fromkeys(FULL_SIZE.instruments, tensors)
    original = Model(FULL_SIZE, weights)
    coefficients.save_coefficients(tmp_path, FULL_SIZE, weights)
    files = {stem: tmp_path / f"{stem}.dat" for stem in FULL_SIZE.instruments}
    assert {file.stat().st_size for file in files.values()} == {39_290_900}
    model = load_model(files)
    assert model.config == OFFICIAL_CONFIGS["2stems"]
    same_output(original, model, 64, 128)


def test_a_folder_is_a_model(tmp_path: Path, weights: dict[str, Any]) -> None:
    config = CONFIG.replace(mask_extension="average", sample_rate=32000)
    coefficients.save_coefficients(tmp_path, config, weights)
    info = models.verify(tmp_path)
    assert (info.kind, info.config, info.path) == ("coefficients", config, tmp_path)
    assert info.bytes == 2 * 4 * coefficients.count(config)
    assert info.tensors == 2 * 48
    assert models.configuration(tmp_path) == config
    assert Separator(tmp_path).sample_rate == 32000


def test_a_folder_with_some_of_its_files(
    tmp_path: Path, weights: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is none, also where its configuration names a checkpoint that is here: that is another model."""
    monkeypatch.setenv("MODEL_PATH", str(tmp_path))
    shutil.copytree(case("tiny-2stems"), tmp_path / "checkpoint")
    folder = tmp_path / "mine"
    config = ModelConfig.from_file(case("tiny-2stems") / "config.json").replace(model_dir="checkpoint")
    models.convert(tmp_path / "checkpoint", folder, format="coefficients")
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    assert models.info(folder).kind == "coefficients"
    (folder / "accompaniment.dat").unlink()
    for source in (folder, folder / "config.json"):
        with pytest.raises(ModelError, match=r"not found: accompaniment\.dat"):
            load_model(source)
    (folder / "vocals.dat").unlink()
    assert models.info(folder).kind == "TensorFlow checkpoint"


def test_a_checkpoint_beside_the_files_comes_first(tmp_path: Path) -> None:
    """Whether the folder or its configuration is named."""
    folder = tmp_path / "both"
    models.convert(case("tiny-2stems"), folder, format="coefficients")
    (folder / "config.json").unlink()
    shutil.copytree(case("tiny-2stems"), folder, dirs_exist_ok=True)
    for source in (folder, folder / "config.json"):
        assert models.info(source).kind == "TensorFlow checkpoint"


def test_only_the_networks_that_run_are_read(files: dict[str, Path], weights: dict[str, Any]) -> None:
    files["accompaniment"].write_bytes(b"damaged")
    model = load_model(files, config=CONFIG, networks=["vocals"])
    whole = Model(CONFIG, weights)
    x = magnitudes()
    np.testing.assert_array_equal(model.predict(x)["vocals"], whole.predict(x)["vocals"])
    with pytest.raises(ModelError, match=r"accompaniment\.bin"):
        load_model(files, config=CONFIG)


def test_a_folders_own_configuration_stays(tmp_path: Path, weights: dict[str, Any]) -> None:
    text = json.dumps({**CONFIG.to_dict(), "train_csv": "mine.csv"})
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json is another model's"):
        coefficients.save_coefficients(tmp_path, CONFIG.replace(T=128), weights)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    coefficients.save_coefficients(tmp_path, CONFIG, weights)
    assert (tmp_path / "config.json").read_text() == text
    same_output(Model(CONFIG, weights), load_model(tmp_path))


# --- configurations ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stems", "official"),
    [
        (("vocals", "accompaniment"), "2stems"),
        (("accompaniment", "vocals"), "2stems"),
        (("other", "drums", "bass", "vocals"), "4stems"),
        (("vocals", "drums", "bass", "other", "piano"), "5stems"),
    ],
)
def test_spleeters_stems(stems: tuple[str, ...], official: str) -> None:
    assert coefficients.default_config(stems) == OFFICIAL_CONFIGS[official]


@pytest.mark.parametrize(
    ("count", "activation", "softmax"), [(2, "LeakyReLU", False), (4, "ELU", False), (5, "ELU", True)]
)
def test_other_stems_by_their_number(count: int, activation: str, softmax: bool) -> None:
    stems = tuple(f"stem {k}" for k in range(count))
    config = coefficients.default_config(stems)
    assert config.instruments == stems
    assert (config.conv_activation, config.softmax) == (activation, softmax)


@pytest.mark.parametrize("count", [1, 3, 6])
def test_numbers_that_spleeter_has_not(files: dict[str, Path], count: int) -> None:
    source = {f"stem {k}": files["vocals"] for k in range(count)}
    with pytest.raises(ModelError, match=f"no model of {count} stem.*name a configuration"):
        load_model(source)
    model = load_model(source, config=CONFIG)
    assert model.config == CONFIG.replace(instruments=tuple(source))


def test_ways_to_name_a_configuration(tmp_path: Path, files: dict[str, Path]) -> None:
    named = CONFIG.replace(conv_activation="ELU")
    (tmp_path / "my.json").write_text(json.dumps(named.to_dict()))
    for config in (named, tmp_path / "my.json", str(tmp_path / "my.json")):
        assert load_model(files, config=config).config == named
    with pytest.raises(ModelError, match=r"vocals\.bin: expected the 39290900 bytes"):
        load_model(files, config="spleeter:4stems")
    with pytest.raises(ModelError, match=r"did you mean spleeter:4stems\?"):
        load_model(files, config="spleeter:4stem")
    with pytest.raises(SpleeterError, match=r"none\.json not found"):
        load_model(files, config="none.json")
    with pytest.raises(ModelError, match=r"config: expected a ModelConfig, .*got \{\}"):
        load_model(files, config={})


def test_a_softmax_wants_all_stems(files: dict[str, Path]) -> None:
    config = CONFIG.replace(model_type="unet.softmax_unet")
    with pytest.raises(ModelError, match="expected 2 stems, got 1"):
        load_model({"vocals": files["vocals"]}, config=config)
    assert load_model(files, config=config).config == config


def test_other_sources_have_their_own_configuration(tmp_path: Path, weights: dict[str, Any]) -> None:
    coefficients.save_coefficients(tmp_path, CONFIG, weights)
    (tmp_path / "a.onnx").touch()
    for source in (tmp_path, "spleeter:2stems", {"a": tmp_path / "a.onnx"}):
        with pytest.raises(ModelError, match="own configuration"):
            load_model(source, config=CONFIG)


# --- files that are none ----------------------------------------------------------------------


@pytest.mark.parametrize("change", [-4, -1, 1, 4, None])
def test_sizes(files: dict[str, Path], change: int | None) -> None:
    path = files["accompaniment"]
    whole = path.read_bytes()
    content = b"" if change is None else whole[:change] if change < 0 else whole + bytes(change)
    path.write_bytes(content)
    numbers = coefficients.count(CONFIG)
    with pytest.raises(ModelError) as error:
        load_model(files, config=CONFIG)
    message = str(error.value)
    assert f"{path}: expected the {4 * numbers} bytes of a coefficient file ({numbers} float32" in message
    assert f"for filters 3, 5, 2, 4, 3, 6), got {len(content)};" in message
    assert "conv_n_filters" in message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(files: dict[str, Path], value: float) -> None:
    path = files["vocals"]
    path.write_bytes(path.read_bytes()[:-4] + struct.pack("<f", value))
    with pytest.raises(ModelError, match=r"vocals\.bin: holds values that are not finite"):
        load_model(files, config=CONFIG)


def test_files_that_are_missing_or_of_two_kinds(tmp_path: Path, files: dict[str, Path]) -> None:
    for path, message in ((tmp_path / "none", "no such file"), (tmp_path, "not a file")):
        with pytest.raises(ModelError, match=f"accompaniment: {path}: {message}"):
            load_model({**files, "accompaniment": path}, config=CONFIG)
    (tmp_path / "other.onnx").touch()
    with pytest.raises(ModelError, match="ONNX and other files in one model"):
        load_model({**files, "accompaniment": tmp_path / "other.onnx"}, config=CONFIG)


@pytest.mark.parametrize("stem", ["a/b", "", ".."])
def test_names_that_are_none(files: dict[str, Path], stem: str) -> None:
    with pytest.raises(SpleeterError, match="stem names"):
        load_model({stem: files["vocals"]}, config=CONFIG)


def test_files_that_are_no_paths() -> None:
    with pytest.raises(ModelError, match="is not a model"):
        load_model({"vocals": 3})  # type: ignore[dict-item]


def test_statistics_that_cannot_be_folded(tmp_path: Path, weights: dict[str, Any]) -> None:
    bad = {stem: dict(tensors) for stem, tensors in weights.items()}
    bad["accompaniment"]["batch_normalization_7/moving_variance"] = -np.ones(4, np.float32)
    with pytest.raises(ModelError, match=r"stem 'accompaniment', batch_normalization_7: its s.*not finite"):
        coefficients.save_coefficients(tmp_path / "out", CONFIG, bad)
    assert not (tmp_path / "out").exists()


def test_formats_and_dtypes(tmp_path: Path, files: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="format: expected one of safetensors, coefficients, got 'dat'"):
        models.convert(files, tmp_path / "out", format="dat", config=CONFIG)
    with pytest.raises(ModelError, match="coefficient files are float32, not int8"):
        models.convert(files, tmp_path / "out", format="coefficients", dtype="int8", config=CONFIG)
    with pytest.raises(ModelError, match="holds a checkpoint; choose another folder"):
        models.convert(files, case("tiny-2stems"), format="coefficients", config=CONFIG)
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match=r"vocals\.dat: cannot write"):
        models.convert(files, tmp_path / "file", format="coefficients", config=CONFIG)
