"""ModelConfig: the official configurations, Spleeter's JSON and its validation."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spleeterrt import kernels
from spleeterrt._kernels import nn
from spleeterrt.errors import ConfigError, SpleeterError
from spleeterrt.models.onnx_network import ONNX_ACTIVATIONS
from spleeterrt.network import costs
from spleeterrt.network.config import ACTIVATIONS, OFFICIAL_CONFIGS, ModelConfig, check_network_size

SPLEETER_2STEMS = {  # the embedded configuration of Spleeter 2.4.2, as it is
    "train_csv": "path/to/train.csv",
    "validation_csv": "path/to/test.csv",
    "model_dir": "2stems",
    "mix_name": "mix",
    "instrument_list": ["vocals", "accompaniment"],
    "sample_rate": 44100,
    "frame_length": 4096,
    "frame_step": 1024,
    "T": 512,
    "F": 1024,
    "n_channels": 2,
    "separation_exponent": 2,
    "mask_extension": "zeros",
    "learning_rate": 1e-4,
    "batch_size": 4,
    "training_cache": "training_cache",
    "validation_cache": "validation_cache",
    "train_max_steps": 1000000,
    "throttle_secs": 300,
    "random_seed": 0,
    "save_checkpoints_steps": 150,
    "save_summary_steps": 5,
    "model": {"type": "unet.unet", "params": {}},
}


def changed(**changes: Any) -> dict[str, Any]:
    return {**SPLEETER_2STEMS, **changes}


def test_spleeters_own_configuration_is_the_official_one() -> None:
    assert ModelConfig.from_dict(SPLEETER_2STEMS) == OFFICIAL_CONFIGS["2stems"]


def test_official_configurations() -> None:
    assert set(OFFICIAL_CONFIGS) == {f"{n}stems{rate}" for n in (2, 4, 5) for rate in ("", "-16kHz")}
    stems = {
        "2": ("vocals", "accompaniment"),
        "4": ("vocals", "drums", "bass", "other"),
        "5": ("vocals", "piano", "drums", "bass", "other"),
    }
    for name, config in OFFICIAL_CONFIGS.items():
        assert config.instruments == stems[name[0]]
        assert (1536 if name.endswith("16kHz") else 1024) == config.F
        assert config.model_dir == name[:6]  # the 16 kHz models share the weights
        assert config.softmax == (name[0] == "5")
        activations = (config.conv_activation, config.deconv_activation)
        assert activations == (("LeakyReLU", "ReLU") if name[0] == "2" else ("ELU", "ELU"))
        assert (config.T, config.frame_length, config.frame_step, config.bins) == (512, 4096, 1024, 2049)


@pytest.mark.parametrize("name", OFFICIAL_CONFIGS)
def test_dictionary_round_trip(name: str) -> None:
    config = OFFICIAL_CONFIGS[name].replace(conv_n_filters=(1, 2, 3, 4, 5, 6), mask_extension="average")
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_unknown_activations_mean_spleeters_defaults() -> None:
    model = {"type": "unet.unet", "params": {"conv_activation": "GELU", "deconv_activation": "GELU"}}
    config = ModelConfig.from_dict(changed(model=model))
    assert (config.conv_activation, config.deconv_activation) == ("LeakyReLU", "ReLU")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_known_everywhere(name: str) -> None:
    model = {"type": "unet.unet", "params": {"conv_activation": name, "deconv_activation": name}}
    config = ModelConfig.from_dict(changed(model=model))
    assert (config.conv_activation, config.deconv_activation) == (name, name), "ModelConfig.from_dict"
    assert nn.activation_code(name) > 0, "activation_code in network.cpp"
    assert name in costs.ACTIVATION, "network/costs.py"
    assert name in get_args(get_args(kernels.Activation)[0]), "the type in kernels.py"
    assert name in ONNX_ACTIVATIONS, "models/onnx_network.py"
    assert name in re.split(r"\W+", ModelConfig.__doc__ or ""), "the docstring of ModelConfig"
    assert name in re.split(r"\W+", kernels.activate.__doc__ or ""), "the docstring of kernels.activate"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instrument_list": []}, "instrument_list"),
        ({"instrument_list": ["a", "a"]}, "distinct"),
        ({"instrument_list": [1]}, "instrument_list"),
        ({"instrument_list": [*map(str, range(65))]}, "at most 64 stems, got 65"),
        ({"T": 100}, "T (frames)"),
        ({"F": 0}, "F (bins)"),
        ({"F": 4096}, "F <= 2049"),
        ({"frame_step": 8192}, "frame_step"),
        ({"frame_step": 0}, "frame_step"),
        ({"sample_rate": "fast"}, "fast"),
        ({"n_channels": 1}, "n_channels"),
        ({"separation_exponent": 0}, "separation_exponent"),
        ({"mask_extension": "ones"}, "mask_extension"),
        ({"model": {"type": "blstm.blstm"}}, "blstm"),
        ({"model": {"params": {"conv_n_filters": [1, 2]}}}, "conv_n_filters"),
        ({"model": 5}, "model configuration"),
        ({"instrument_list": ["a\0b"]}, "file names"),
        ({"instrument_list": ["\ud800"]}, "file names"),
        ({"instrument_list": ["a\nb"]}, "file names"),
        ({"instrument_list": ["a" * 201]}, "file names"),
        ({"instrument_list": ["\u00e9" * 101]}, "file names"),
        ({"instrument_list": [".."]}, "file names"),
        ({"model_dir": "a\0b"}, "model_dir"),
        ({"model_dir": "\ud800"}, "model_dir"),
        ({"model_dir": "a/" + "b" * 300}, "model_dir"),
        ({"model_dir": ["2stems"]}, "model_dir"),
    ],
)
def test_unusable_values(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpleeterError) as error:
        ModelConfig.from_dict(changed(**changes))
    assert message in str(error.value)


def test_names_in_any_language() -> None:
    config = ModelConfig.from_dict(
        changed(instrument_list=["Stimme", "\u6b4c\u58f0", "a b"], model_dir="m/\u00e9")
    )
    assert config.instruments == ("Stimme", "\u6b4c\u58f0", "a b")
    assert ModelConfig.from_dict(changed(model_dir=None)).model_dir == ""


def test_a_missing_key_is_named() -> None:
    with pytest.raises(SpleeterError, match="instrument_list"):
        ModelConfig.from_dict({"model_dir": "2stems"})


def test_replace_validates() -> None:
    with pytest.raises(SpleeterError, match="T"):
        OFFICIAL_CONFIGS["2stems"].replace(T=65)


def test_fft_length_is_the_next_power_of_two() -> None:
    config = OFFICIAL_CONFIGS["2stems"]
    assert config.replace(frame_length=4095).fft_length == 4096
    assert config.replace(frame_length=4097).fft_length == 8192
    assert config.replace(frame_length=4097).bins == 4097


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(SPLEETER_2STEMS), encoding="utf-8")
    assert ModelConfig.from_file(path) == OFFICIAL_CONFIGS["2stems"]
    for content in (b"{", b"[1]", b"\xff\xfe", json.dumps(changed(T=1)).encode()):
        path.write_bytes(content)
        with pytest.raises(SpleeterError, match=r"config\.json"):
            ModelConfig.from_file(path)
    with pytest.raises(SpleeterError, match="not found"):
        ModelConfig.from_file(tmp_path / "none.json")


def test_only_small_regular_files_are_read(tmp_path: Path) -> None:
    """A pipe would wait for ever, a device never ends, nesting ends Python's stack."""
    path = tmp_path / "config.json"
    large = json.dumps(changed(note="x" * (1 << 20)))
    for content, message in ((large, "more than 1 MiB"), ("[" * 100_000, "recursion"), ('{"T": 1e999}', "")):
        path.write_text(content)
        with pytest.raises(ConfigError, match=rf"config\.json: .*{message}"):
            ModelConfig.from_file(path)
    with pytest.raises(ConfigError, match="directory"):
        ModelConfig.from_file(tmp_path)
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", Path("/dev/zero")):
            with pytest.raises(ConfigError, match="not a regular file"):
                ModelConfig.from_file(path)


@given(st.integers(-200, 5000), st.integers(-200, 5000))
def test_network_sizes(frames: int, bins: int) -> None:
    good = all(value > 0 and value % 64 == 0 for value in (frames, bins))
    if good:
        check_network_size(frames, bins)
    else:
        with pytest.raises(SpleeterError, match="multiple of 64"):
            check_network_size(frames, bins)
