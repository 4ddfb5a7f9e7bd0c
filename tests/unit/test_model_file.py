"""Model files as programs without Python read them: the same model, and no harm from any file."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spleeterrt import Model, ModelConfig
from spleeterrt._kernels import nn
from spleeterrt.models import load
from spleeterrt.models.checksum import crc32c
from spleeterrt.models.packed import save_packed
from spleeterrt.network.method_plan import Plan, make_plan, network_of
from support import reference
from support.examples import examples, some

pytestmark = pytest.mark.skipif(not nn.FAST_ISAS, reason="no fast kernels in this build")

FILTERS = (1, 2, 2, 3, 3, 4)
CONFIG = ModelConfig(
    instruments=("vocals", "le reste: été"),
    model_dir="mine",
    sample_rate=48000,
    frame_length=3000,
    frame_step=750,
    T=128,
    F=1088,
    separation_exponent=1.5,
    mask_extension="average",
    model_type="unet.softmax_unet",
    conv_activation="ELU",
    deconv_activation="LeakyReLU",
    conv_n_filters=FILTERS,
)


def save(path: Path, config: ModelConfig) -> dict[str, dict[str, np.ndarray]]:
    weights = reference.random_weights(config.instruments, config.conv_n_filters, 5)
    save_packed(path, config, weights)
    return weights


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save(path, CONFIG)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, original: bytes) -> Path:
    (tmp_path / "model.safetensors").write_bytes(original)
    return tmp_path / "model.safetensors"


# --- the same model ---------------------------------------------------------------------------


@pytest.mark.parametrize("isa", nn.FAST_ISAS)
@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        ModelConfig(instruments=("a", "b"), conv_n_filters=(16, 32, 64, 128, 32, 160)),
        ModelConfig(instruments=("a",), conv_n_filters=(17, 5, 130, 129, 48, 33), conv_activation="ReLU"),
    ],
    ids=["all fields", "usual", "odd widths"],
)
def test_arenas_and_configuration_are_the_models(
    tmp_path: Path, isa: str, low_memory: bool, config: ModelConfig
) -> None:
    weights = save(tmp_path / "m.safetensors", config)
    model = Model(config, weights, plan=make_plan(config, isa, low_memory))
    fields, network, plan, arenas, (fft_length, bins) = nn.load_model_file(
        str(tmp_path / "m.safetensors"), isa, low_memory
    )
    assert fields == {name: getattr(config, name) for name in fields}
    assert network == network_of(config)
    assert (fft_length, bins) == (config.fft_length, config.bins)
    assert Plan(*plan) == model._plan
    assert len(arenas) == len(config.instruments)
    for arena, expected in zip(arenas, model._weights, strict=True):
        assert arena == expected.tobytes()


def test_as_many_stems_as_there_may_be(tmp_path: Path) -> None:
    """With the longest names, and more numbers in the header than other dtypes have."""
    names = tuple(f"{number:02}" + "é" * 99 for number in range(64))
    config = ModelConfig(instruments=names, conv_n_filters=FILTERS)
    path = tmp_path / "model.safetensors"
    save_packed(path, config, reference.random_weights(names, FILTERS, 5), "int8")
    assert nn.load_model_file(str(path))[0]["instruments"] == names
    assert tuple(load(path)[1]) == names


def test_every_field_is_read(path: Path) -> None:
    """A field that a configuration gains must be known here, too."""
    fields, network, *_ = nn.load_model_file(str(path))
    of_network = {"n_channels", "conv_n_filters", "conv_activation", "deconv_activation"}
    assert len(network) == len(of_network)
    assert {*fields, *of_network} == {*ModelConfig.__dataclass_fields__}


def test_instruction_set(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPLEETERRT_ISA", raising=False)
    assert nn.load_model_file(str(path))[2][1] == nn.FAST_ISAS[0]
    monkeypatch.setenv("SPLEETERRT_ISA", nn.FAST_ISAS[-1])
    assert nn.load_model_file(str(path))[2][1] == nn.FAST_ISAS[-1]
    assert nn.load_model_file(str(path), nn.FAST_ISAS[0])[2][1] == nn.FAST_ISAS[0]  # an argument wins
    for isa, message in (
        ("reference", "reference path"),
        ("sse9", "SPLEETERRT_ISA: expected one of .*'sse9'"),
    ):
        monkeypatch.setenv("SPLEETERRT_ISA", isa)
        with pytest.raises(ValueError, match=message):
            nn.load_model_file(str(path))
    with pytest.raises(ValueError, match=r"instruction set: expected one of .*'mmx'"):
        nn.load_model_file(str(path), "mmx")


# --- files that are not models ----------------------------------------------------------------


def split(raw: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def join(header: Any, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def refused(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"model\.safetensors: .*{message}"):
        nn.load_model_file(str(path))


KERNEL = "vocals/conv2d_1/kernel"


def edited(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(header: dict[str, Any]) -> None:
        header[KERNEL][key] = value

    return edit


def without(name: str) -> Callable[[dict[str, Any]], None]:
    def edit(header: dict[str, Any]) -> None:
        del header[name]

    return edit


def moved(header: dict[str, Any]) -> None:
    """Another tensor's bytes: both lie where they may, but share them."""
    header[KERNEL]["data_offsets"] = header["vocals/conv2d/bias"]["data_offsets"]


def shared(header: dict[str, Any]) -> None:
    """Two tensors of one size, on the same bytes."""
    other = header["vocals/batch_normalization_1/beta"]
    header["vocals/conv2d_1/bias"]["data_offsets"] = other["data_offsets"]


def renamed(header: dict[str, Any]) -> None:
    header["other"] = header.pop(KERNEL)


HUGE = 1 << 62
IN_KERNEL = "tensor 'vocals/conv2d_1/kernel'"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (renamed, "stem 'vocals', tensor conv2d_1/kernel: missing"),
        (edited("dtype", "U32"), r"stem 'vocals', tensor conv2d_1/kernel: expected float32 \(F32\), .*'U32'"),
        (edited("dtype", "F64"), f"{IN_KERNEL}: its bytes do not fit its shape"),
        (edited("dtype", "F16"), f"{IN_KERNEL}: its bytes do not fit its shape"),
        (edited("dtype", "I8"), f"{IN_KERNEL}: its bytes do not fit its shape"),
        (edited("dtype", "F6_E2M3"), f"{IN_KERNEL}: its bytes do not fit its shape"),
        (edited("dtype", "f32"), f"{IN_KERNEL}: an unknown dtype: 'f32'"),
        (edited("dtype", 5), f"{IN_KERNEL}: dtype, shape or data_offsets"),
        (edited("dtype", None), f"{IN_KERNEL}: dtype, shape or data_offsets"),
        (
            edited("shape", [5, 5, 2, 1]),
            r"conv2d_1/kernel: expected shape \(5, 5, 1, 2\), got \(5, 5, 2, 1\)",
        ),
        (edited("shape", [50]), r"conv2d_1/kernel: expected shape \(5, 5, 1, 2\), got \(50,\)"),
        (edited("shape", [HUGE, HUGE]), f"{IN_KERNEL}: shape: expected an integer"),
        (edited("shape", [-1, -50]), f"{IN_KERNEL}: shape: expected an integer, not negative"),
        (edited("shape", [1 << 32, 1 << 32, 50]), f"{IN_KERNEL}: its bytes do not fit its shape"),
        (edited("shape", [1 << 53, 1 << 53, 0]), f"{IN_KERNEL}: its bytes do not fit its shape"),
        (edited("shape", [5, 5, 1, 2.0]), f"{IN_KERNEL}: shape: expected an integer"),
        (edited("shape", "5522"), f"{IN_KERNEL}: dtype, shape or data_offsets"),
        (edited("shape", [5, 5, 1, 2.5]), f"{IN_KERNEL}: shape: expected an integer"),
        (edited("shape", [5, 5, 1, True]), f"{IN_KERNEL}: shape: expected an integer"),
        (edited("data_offsets", [0, HUGE]), f"{IN_KERNEL}: data_offsets: expected an integer"),
        (edited("data_offsets", [0, 1 << 50]), f"{IN_KERNEL}: its bytes lie outside"),
        (edited("data_offsets", [-4, 196]), f"{IN_KERNEL}: data_offsets: expected an integer, not negative"),
        (edited("data_offsets", [200, 0]), f"{IN_KERNEL}: its bytes lie outside"),
        (edited("data_offsets", [1e300, 2]), f"{IN_KERNEL}: data_offsets: expected an integer"),
        (edited("data_offsets", [0, 1, 2]), f"{IN_KERNEL}: dtype, shape or data_offsets"),
        (edited("data_offsets", {}), f"{IN_KERNEL}: dtype, shape or data_offsets"),
        (moved, f"{IN_KERNEL}: its bytes do not fit its shape"),
        (shared, "do not follow those of the one before"),
        (without(KERNEL), "do not follow those of the one before"),
        (lambda header: header.update({KERNEL: [1]}), f"{IN_KERNEL}: not described by an object"),
        (without("__metadata__"), "not a model file of spleeterrt"),
        (lambda header: header.update(__metadata__=None), "not a model file of spleeterrt"),
        (lambda header: header.update(__metadata__=3), "__metadata__ is not an object"),
    ],
)
def test_lying_headers(
    path: Path, original: bytes, edit: Callable[[dict[str, Any]], None], message: str
) -> None:
    header, data = split(original)
    edit(header)
    refused(path, join(header, data), message)


def test_bytes_that_do_not_fit_the_shape(path: Path, original: bytes) -> None:
    """All bytes belong to some tensor, but not to the one whose shape wants them."""
    header, data = split(original)
    end = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    last = next(n for n, e in header.items() if n != "__metadata__" and e["data_offsets"][1] == end)
    header[last]["data_offsets"][1] -= 4
    refused(path, join(header, data[:-4]), "its bytes do not fit its shape")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "does not begin with {"),
        (b"{", "not JSON"),
        (b"\0" * 50, "does not begin with {"),
        (b"[]", "does not begin with {"),
        (b" {}", "does not begin with {"),
        (b"{} {}", "something follows"),
        (b"{}\0", "something follows"),
        (b"{}", "something follows the last tensor"),
        (b'{"a": 1e999}', "a number beyond a double"),
        (b'{"a": 01}', "not a number: '01'"),
        (b'{"a": 1.}', "not a number: '1.'"),
        (b'{"a": -0}', "not a number: '-0'"),
        (b'{"a": [1e+]}', r"not a number: '1e\+'"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": "\t"}', "not JSON"),
        (b'{"a": "\\ud800"}', "not JSON"),
        (b'{"a": 1, "b": {"c": 2, "\\u0063": 3}}', "twice: 'c'"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a": "\xc3', "not UTF-8"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"a":[' * 100_000, "nested too deeply"),
        (b'{"' + b"\\" * 99_999, "not JSON"),
        (b'{"a": "' + b"x" * (1 << 23) + b'"}', "header is too long"),
        (b'{"a": [' + b"0," * (1 << 17) + b"0]}", "more than 131072 values"),
    ],
    ids=itertools.count(),
)
def test_headers_that_are_not(path: Path, header: bytes, message: str) -> None:
    refused(path, join(header, bytes(100)), message)


@pytest.mark.parametrize("length", [1 << 20, 1 << 40, (1 << 63) - 1, (1 << 64) - 1, (1 << 64) - 8])
def test_lengths_of_headers(path: Path, original: bytes, length: int) -> None:
    refused(path, length.to_bytes(8, "little") + original[8:], "longer than the file")


def test_truncated_files(path: Path, original: bytes) -> None:
    for length in [*range(12), 100, *range(1000, len(original), 997), len(original) - 1]:
        refused(path, original[:length], "")
    refused(path, original + b"\0", "something follows the last tensor")


def test_flipped_bytes_are_found(path: Path, original: bytes) -> None:
    start = 8 + int.from_bytes(original[:8], "little")
    positions = [*range(0, start, 7), *range(start, len(original), 211), len(original) - 1]
    for at in some(positions):
        damaged = bytearray(original)
        damaged[at] ^= 0x04
        refused(path, bytes(damaged), "")


def test_a_flipped_byte_of_a_tensor_names_it(path: Path, original: bytes) -> None:
    header, _ = split(original)
    damaged = bytearray(original)
    damaged[-len(split(original)[1]) + header[KERNEL]["data_offsets"][0]] ^= 1
    refused(path, bytes(damaged), "stem 'vocals', tensor conv2d_1/kernel: wrong checksum")


def test_values_that_are_not_finite(path: Path, original: bytes) -> None:
    """With a right checksum."""
    for value in (np.nan, np.inf):
        header, data = split(original)
        begin, end = header[KERNEL]["data_offsets"]
        tensor = np.frombuffer(data[begin:end], np.float32).copy()
        tensor[7] = value
        checksums = json.loads(header["__metadata__"]["crc32c"])
        checksums[KERNEL] = crc32c(tensor)
        header["__metadata__"]["crc32c"] = json.dumps(checksums)
        refused(
            path, join(header, data[:begin] + tensor.tobytes() + data[end:]), "conv2d_1/kernel: .*not finite"
        )


# --- metadata and configurations --------------------------------------------------------------


def with_metadata(raw: bytes, **changes: Any) -> bytes:
    header, data = split(raw)
    header["__metadata__"].update(changes)
    return join(header, data)


def with_config(raw: bytes, text: str) -> bytes:
    """Another configuration, its checksum right."""
    header, _ = split(raw)
    checksums = json.loads(header["__metadata__"]["crc32c"])
    checksums[""] = crc32c(text.encode())
    return with_metadata(raw, config=text, crc32c=json.dumps(checksums))


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format": "pt"}, "not a model file of spleeterrt"),
        ({"format": 7}, "__metadata__: 'format' is not a string"),
        ({"other": None}, "__metadata__: 'other' is not a string"),
        ({"version": "2"}, "version 2 of the format"),
        ({"config": "{}"}, "wrong checksum of the configuration"),
        ({"config": ""}, "wrong checksum of the configuration"),
        ({"crc32c": "{}"}, "wrong checksum of the configuration"),
        ({"crc32c": "[]"}, "crc32c is not a JSON object"),
        ({"crc32c": "?"}, "crc32c is not JSON"),
        ({"crc32c": "[" * 99}, "crc32c is nested too deeply"),
    ],
)
def test_other_metadata(path: Path, original: bytes, metadata: dict[str, Any], message: str) -> None:
    refused(path, with_metadata(original, **metadata), message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instrument_list": None}, "instrument_list"),
        ({"instrument_list": []}, "instrument_list"),
        ({"instrument_list": "vocals"}, "instrument_list"),
        ({"instrument_list": ["vocals", 3]}, "not a name"),
        ({"instrument_list": ["vocals", ".."]}, "not a name of a stem: '..'"),
        ({"instrument_list": ["a/b"]}, "not a name of a stem: 'a/b'"),
        ({"instrument_list": ["a\0b"]}, "not a name"),
        ({"instrument_list": ["a", "a"]}, "twice: 'a'"),
        ({"instrument_list": [f"s{k}" for k in range(65)]}, "at most 64 stems"),
        ({"instrument_list": ["vocals", "other"]}, "stem 'other', tensor conv2d/kernel: missing"),
        ({"sample_rate": 0}, "sample_rate"),
        ({"sample_rate": 1e18}, "sample_rate"),
        ({"sample_rate": "44100"}, "sample_rate: expected an integer"),
        ({"frame_length": 1 << 17}, "frame_length"),
        ({"frame_length": -1}, "frame_length"),
        ({"frame_step": 4000}, "frame_step"),
        ({"T": 100}, "multiples of 64"),
        ({"T": 1 << 15}, "T to be"),
        ({"F": 2112}, "F to be an integer from 1 to 2049"),
        ({"F": True}, "F: expected an integer"),
        ({"n_channels": 1}, "n_channels"),
        ({"n_channels": 3}, "n_channels"),
        ({"separation_exponent": 0}, "separation_exponent"),
        ({"separation_exponent": 11}, "separation_exponent"),
        ({"separation_exponent": "2"}, "separation_exponent"),
        ({"mask_extension": "mirror"}, "mask_extension: .*'mirror'"),
        ({"mask_extension": 1}, "mask_extension: expected a string"),
        ({"model": 3}, "model: expected an object"),
        ({"model": {"type": "unet.other"}}, "model type: .*'unet.other'"),
        ({"model": {"params": []}}, "params: expected an object"),
        ({"model": {"params": {"conv_n_filters": [1, 2]}}}, "conv_n_filters"),
        ({"model": {"params": {"conv_n_filters": [1, 2, 3, 4, 5, 0]}}}, "conv_n_filters"),
        ({"model": {"params": {"conv_n_filters": [1, 2, 3, 4, 5, 65537]}}}, "conv_n_filters"),
        ({"model": {"params": {"conv_n_filters": [1, 2, 3, 4, 5, 2**40]}}}, "conv_n_filters"),
        # Not refused for its size but because the tensors are others, before memory is taken.
        ({"model": {"params": {"conv_n_filters": [65536] * 6}}}, "expected shape .*65536"),
    ],
)
def test_other_configurations(path: Path, original: bytes, changes: dict[str, Any], message: str) -> None:
    config = {**CONFIG.to_dict(), **changes}
    refused(path, with_config(original, json.dumps(config)), message)


def test_defaults_and_unknown_names_are_spleeters(tmp_path: Path) -> None:
    config = ModelConfig(instruments=("a",), conv_n_filters=FILTERS)
    path = tmp_path / "model.safetensors"
    save(path, config)
    network = {"conv_n_filters": [*FILTERS], "conv_activation": "Swish", "deconv_activation": 5, "x": [{}]}
    text = json.dumps({"instrument_list": ["a"], "model": {"params": network}, "train_csv": None})
    expected = ModelConfig.from_dict(json.loads(text))
    path.write_bytes(with_config(path.read_bytes(), text))
    fields, numbers, *_ = nn.load_model_file(str(path))
    assert fields == {name: getattr(expected, name) for name in fields}
    assert numbers == network_of(expected)


# --- anything at all --------------------------------------------------------------------------


@settings(
    max_examples=examples(300),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_damage_is_refused_or_harmless(path: Path, original: bytes, data: st.DataObject) -> None:
    content = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)) | st.integers(0, 600))
        size = data.draw(st.integers(0, 40))
        content[at : at + size] = data.draw(st.binary(max_size=40) | st.sampled_from([b"", b"{", b"]", b"0"]))
    path.write_bytes(content)
    message = f"{path}: "
    try:
        nn.load_model_file(str(path))
    except ValueError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")


def test_things_that_are_not_files(tmp_path: Path) -> None:
    for place, message in (
        (tmp_path / "none.safetensors", r"none\.safetensors: no such file"),
        (tmp_path, "not a file"),
    ):
        with pytest.raises(ValueError, match=message):
            nn.load_model_file(str(place))
    if os.name == "posix":
        with pytest.raises(ValueError, match="/dev/zero: not a file"):
            nn.load_model_file("/dev/zero")


LIMITED = """
import resource, sys
from spleeterrt._kernels import nn
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), used + (64 << 20)))
for path in sys.argv[1:]:
    try:
        nn.load_model_file(path)
    except ValueError as error:
        print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and limits of memory")
@pytest.mark.skipif("libasan" in os.environ.get("LD_PRELOAD", ""), reason="sanitizers take all addresses")
def test_no_file_takes_much_memory(tmp_path: Path, original: bytes) -> None:
    """Files that claim to be large, in 64 MB: refused for what they say, not for lack of memory."""
    header, data = split(original)
    header[KERNEL]["shape"] = [1 << 50]
    wide = {**CONFIG.to_dict(), "model": {"params": {"conv_n_filters": [65536] * 6}}}
    contents = {
        "shape": join(header, data),
        "widths": with_config(original, json.dumps(wide)),
        "length": (1 << 45).to_bytes(8, "little") + original[8:],
        "lists": join(b'{"a": [' + b"[]," * 300_000 + b"0]}", data),
    }
    paths = []
    for name, content in contents.items():
        paths.append(tmp_path / f"{name}.safetensors")
        paths[-1].write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    messages = done.stdout.splitlines()
    assert len(messages) == len(paths)
    assert not any("not enough memory" in message for message in messages), messages
