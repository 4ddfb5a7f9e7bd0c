"""ONNX files: what is exported runs elsewhere, and files of others are read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from spleeterrt import ModelError, load_model
from spleeterrt.cli import cli
from spleeterrt.models import configuration, convert, export, info, verify
from spleeterrt.network.config import OFFICIAL_CONFIGS
from support.checkpoint_writer import random_tensors, write_checkpoint
from support.golden import case
from support.tolerances import NETWORK, close

onnx = pytest.importorskip("onnx")

SHERPA = Path(__file__).parents[1] / "data" / "sherpa"
STEMS = ("vocals", "accompaniment")


def onnx_runtime(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: x}), strict=True))


def open_vino(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    openvino = pytest.importorskip("openvino")
    model = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {output.any_name: value for output, value in model([x]).items()}


def reference(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    """onnx's own evaluator, in numpy."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(str(path))
    return dict(zip(evaluator.output_names, evaluator.run(None, {"magnitude": x}), strict=True))


@pytest.mark.parametrize("run", [onnx_runtime, open_vino])
@pytest.mark.parametrize("name", ["tiny-2stems", "tiny-4stems", "tiny-5stems"])
def test_export_gives_what_predict_gives(
    name: str, run: Callable[[Path, np.ndarray], dict[str, np.ndarray]], tmp_path: Path
) -> None:
    model = load_model(case(name) / "config.json")
    paths = export(case(name) / "config.json", tmp_path)
    stems = model.instruments
    assert [path.name for path in paths] == (
        ["stems.onnx"] if model.config.softmax else [f"{stem}.onnx" for stem in stems]
    )
    rng = np.random.default_rng(0)
    for shape in ((1, model.config.T, model.config.F, 2), (3, 64, 128, 2), (2, 128, 64, 2)):
        x = rng.random(shape, np.float32)
        expected = model.predict(x)
        got = {key: value for path in paths for key, value in run(path, x).items()}
        assert list(got) == list(stems)
        for stem in stems:
            close(got[stem], expected[stem], NETWORK, scale=1)


def test_export_by_the_specification(tmp_path: Path) -> None:
    model = load_model(case("tiny-2stems") / "config.json")
    x = np.random.default_rng(0).random((1, 64, 64, 2), np.float32)
    for path in export(case("tiny-2stems") / "config.json", tmp_path):
        onnx.checker.check_model(str(path), full_check=True)
        for stem, value in reference(path, x).items():
            close(value, model.predict(x)[stem], NETWORK, scale=1)


@pytest.mark.parametrize("name", ["tiny-2stems", "tiny-4stems", "tiny-5stems"])
def test_exported_files_are_models(name: str, tmp_path: Path) -> None:
    source = case(name) / "config.json"
    model = load_model(source)
    paths = export(source, tmp_path)
    x = np.random.default_rng(0).random((1, 64, 128, 2), np.float32)
    sources: list[Any] = [tmp_path]
    if model.config.softmax:
        sources.append(paths[0])
    else:
        sources.append({path.stem: path for path in reversed(paths)})
    for other in sources:
        again = load_model(other)
        assert again.config == model.config
        for stem, expected in model.predict(x).items():
            np.testing.assert_array_equal(again.predict(x)[stem], expected)
    assert info(tmp_path).kind == "ONNX"
    assert verify(tmp_path).parameters == info(source).parameters
    assert configuration(tmp_path) == model.config


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_export_of_small_weights(dtype: str, tmp_path: Path) -> None:
    """What a file of rounded weights is in memory is what is exported."""
    small = convert(case("tiny-2stems") / "config.json", tmp_path / "small.safetensors", dtype=dtype)
    model = load_model(small)
    export(small, tmp_path / "onnx")
    x = np.random.default_rng(0).random((1, 64, 128, 2), np.float32)
    again = load_model(tmp_path / "onnx").predict(x)
    exact = load_model(case("tiny-2stems") / "config.json").predict(x)
    for stem, expected in model.predict(x).items():
        np.testing.assert_array_equal(again[stem], expected)
        assert (expected != exact[stem]).any()


def test_one_stem_alone(tmp_path: Path) -> None:
    """A single file of ours says which model it comes from, but is a model of its one stem."""
    export(case("tiny-2stems") / "config.json", tmp_path)
    assert load_model(tmp_path / "vocals.onnx").instruments == ("vocals",)


def like_sherpas(folder: Path, stems: int = 2, **changes: Any) -> Path:
    """A narrow model with the sizes of spleeter:2stems, or with other ones."""
    filters = (1, 2, 2, 3, 3, 4)
    write_checkpoint(folder / "model", random_tensors(stems, filters))
    official = OFFICIAL_CONFIGS[f"{stems}stems"]
    config = official.replace(conv_n_filters=filters, model_dir=str(folder / "model"), **changes)
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    return folder / "config.json"


def test_export_for_sherpa(tmp_path: Path) -> None:
    """What sherpa-onnx asks of a file, what the network makes of it, and our own reader."""
    source = like_sherpas(tmp_path)
    paths = export(source, tmp_path / "onnx", layout="sherpa")
    assert [path.name for path in paths] == ["vocals.onnx", "accompaniment.onnx"]
    model, again = load_model(source), load_model(tmp_path / "onnx")
    assert again.config.replace(model_dir="") == model.config.replace(model_dir="")
    x = np.random.default_rng(0).random((2, 512, 1024, 2), np.float32)
    expected = model.predict(x)
    for path in paths:
        file = onnx.load(str(path))
        metadata = {entry.key: entry.value for entry in file.metadata_props}
        assert metadata.items() >= {"model_type": "spleeter", "sample_rate": "44100", "stems": "2"}.items()
        assert [(entry.domain, entry.version) for entry in file.opset_import] == [("", 13)]
        for (value,), name in ((file.graph.input, "x"), (file.graph.output, "y")):
            shape = [dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim]
            assert (value.name, shape) == (name, [2, "num_splits", 512, 1024])
        got = onnx_runtime(path, np.ascontiguousarray(x.transpose(3, 0, 1, 2)))["y"]
        close(got.transpose(1, 2, 3, 0), expected[path.stem], NETWORK, scale=1)
        np.testing.assert_array_equal(again.predict(x)[path.stem], expected[path.stem])


@pytest.mark.parametrize(
    ("stems", "changes", "message"),
    [
        (4, {}, "separates vocals and accompaniment; this model's stems are vocals, drums, bass, other"),
        (2, {"T": 64}, "needs T 512, as spleeter:2stems has; this model has T 64"),
        (2, {"F": 1536, "mask_extension": "average"}, "this model has F 1536, mask_extension average"),
        (2, {"model_type": "unet.softmax_unet"}, "one network per stem"),
    ],
)
def test_models_that_sherpa_does_not_take(
    stems: int, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    source = like_sherpas(tmp_path, stems, **changes)
    result = CliRunner().invoke(cli, ["models", "export", "--layout", "sherpa", str(source), str(tmp_path)])
    assert result.exit_code == 1
    assert message in result.output
    assert not list(tmp_path.glob("*.onnx"))


def test_unknown_layout(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected one of spleeterrt, sherpa, got 'shepra'"):
        export(case("tiny-2stems") / "config.json", tmp_path, layout="shepra")


# --- files of others ----------------------------------------------------------------


@pytest.mark.parametrize("variant", ["", ".fp16"])
def test_sherpas_layout(variant: str) -> None:
    """Made by PyTorch's exporter, and what PyTorch computes with the weights that are in the file."""
    expected = np.load(SHERPA / "expected.npz")
    model = load_model({stem: SHERPA / f"{stem}{variant}.onnx" for stem in STEMS})
    assert model.instruments == STEMS
    assert (model.config.T, model.config.F) == (64, 128)
    assert (model.config.conv_activation, model.config.deconv_activation) == ("LeakyReLU", "ReLU")
    x = np.ascontiguousarray(expected["x"].transpose(1, 2, 3, 0))
    for stem, got in model.predict(x).items():
        close(got.transpose(3, 0, 1, 2), expected[stem + variant], NETWORK, scale=x.max())


def test_sherpas_folder(tmp_path: Path) -> None:
    """As unpacked: the stems' names are those of the files, float32 before float16."""
    model = load_model(SHERPA)
    assert model.instruments == STEMS
    exact = load_model({stem: SHERPA / f"{stem}.onnx" for stem in STEMS})
    x = np.random.default_rng(0).random((1, 64, 64, 2), np.float32)
    np.testing.assert_array_equal(model.predict(x)["vocals"], exact.predict(x)["vocals"])
    done = CliRunner().invoke(
        cli,
        [
            "models",
            "convert",
            *(str(SHERPA / f"{s}.fp16.onnx") for s in STEMS),
            str(tmp_path / "m.safetensors"),
        ],
    )
    assert done.exit_code == 0, done.output
    half = load_model({stem: SHERPA / f"{stem}.fp16.onnx" for stem in STEMS})
    again = load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(x)["vocals"], half.predict(x)["vocals"])
    assert again.config == half.config


def test_convert_of_several(tmp_path: Path) -> None:
    run = CliRunner().invoke
    vocals = str(SHERPA / "vocals.onnx")
    for sources, message in (
        ([vocals, str(SHERPA / "vocals.fp16.onnx")], "several files of one stem"),
        ([vocals, str(case("tiny-2stems"))], "only ONNX files can be several"),
    ):
        done = run(cli, ["models", "convert", *sources, str(tmp_path / "m.safetensors")])
        assert done.exit_code == 1
        assert message in done.stderr


def test_damaged_and_mixed_files(tmp_path: Path) -> None:
    export(case("tiny-2stems") / "config.json", tmp_path)
    vocals = tmp_path / "vocals.onnx"
    with pytest.raises(ModelError, match="another kind of network"):
        load_model({"vocals": vocals, "accompaniment": SHERPA / "accompaniment.onnx"})
    with pytest.raises(ModelError, match="no such file"):
        load_model({"vocals": tmp_path / "none.onnx"})
    vocals.write_bytes(vocals.read_bytes()[:-100])
    with pytest.raises(ModelError, match="not a readable ONNX file"):
        load_model(tmp_path)
    vocals.write_bytes(b"")
    with pytest.raises(ModelError, match=r"vocals\.onnx"):
        load_model(tmp_path)


def test_export_command(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "tiny", random_tensors(2, (1, 2, 2, 3, 3, 4)))
    out = tmp_path / "deep" / "out"
    done = CliRunner().invoke(cli, ["models", "export", str(tmp_path / "tiny"), str(out)])
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(out / "vocals.onnx"), str(out / "accompaniment.onnx")]
    assert sorted(path.name for path in out.iterdir()) == ["accompaniment.onnx", "vocals.onnx"]
    convert(out, tmp_path / "again.safetensors")
    (tmp_path / "file").touch()
    done = CliRunner().invoke(cli, ["models", "export", str(tmp_path / "tiny"), str(tmp_path / "file")])
    assert done.exit_code == 1
    assert "cannot write" in done.stderr


def test_without_the_package() -> None:
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "from spleeterrt import load_model, ModelError\n"
        "try:\n    load_model(sys.argv[1])\nexcept ModelError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(SHERPA)], capture_output=True, text=True, check=True
    )
    assert 'pip install "spleeterrt[onnx]"' in done.stdout
