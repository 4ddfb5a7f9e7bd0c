"""Model files with small weights: float16, and int8 with scales, for both readers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from spleeterrt import Model, ModelConfig, load_model
from spleeterrt._kernels import nn
from spleeterrt.arrays import aligned_empty
from spleeterrt.errors import ArgumentError, ModelError, SpleeterError
from spleeterrt.models import load
from spleeterrt.models.checksum import crc32c
from spleeterrt.models.packed import read_packed, save_packed, stored_dtype
from spleeterrt.models.quantized import channel_axis, choose_dtypes, scale_name, to_int8
from spleeterrt.network.layers import channels
from spleeterrt.network.method_plan import Plan, make_plan, network_of
from spleeterrt.network.tensors import expected_shapes
from support import reference
from support.examples import sized
from support.tolerances import HALF, UNIT

FILTERS = (3, 5, 2, 4, 3, 4)
CONFIG = ModelConfig(instruments=("vocals", "rest"), conv_n_filters=FILTERS)
KERNEL, TRANSPOSED = "conv2d_2/kernel", "conv2d_transpose_1/kernel"

needs_fast = pytest.mark.skipif(not nn.FAST_ISAS, reason="no fast kernels in this build")


@pytest.fixture(scope="module")
def weights() -> dict[str, Any]:
    return reference.random_weights(CONFIG.instruments, FILTERS, 3)


@pytest.fixture(params=["float16", "int8"])
def small(request: pytest.FixtureRequest, tmp_path: Path, weights: dict[str, Any]) -> Path:
    path = tmp_path / f"{request.param}.safetensors"
    save_packed(path, CONFIG, weights, request.param)
    return path


@pytest.fixture
def int8(tmp_path: Path, weights: dict[str, Any]) -> Path:
    path = tmp_path / "model.safetensors"
    save_packed(path, CONFIG, weights, "int8")
    return path


def metadata_of(path: Path) -> dict[str, Any]:
    raw = path.read_bytes()
    header: dict[str, Any] = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    return header


# --- what is stored ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", [KERNEL, TRANSPOSED])
def test_a_weight_is_off_by_half_a_step_at_most(name: str) -> None:
    """Channel by channel in plain numpy. Channels differ by far in size: along another axis it would fail."""
    axis = channel_axis(name)
    rng = np.random.default_rng(0)
    shape = (5, 5, 7, 6)
    sizes = np.logspace(-4, 3, shape[axis]).reshape([-1 if k == axis else 1 for k in range(4)])
    tensor = (rng.standard_normal(shape) * sizes).astype(np.float32)
    integers, scales = to_int8(tensor, axis)
    assert (integers.dtype, integers.shape, scales.shape) == (np.int8, shape, (shape[axis],))
    for k in range(shape[axis]):
        exact = np.take(tensor, k, axis).astype(np.float64)
        steps = np.take(integers, k, axis).astype(np.float64)
        assert np.abs(steps).max() == 127
        assert scales[k] == np.float32(np.abs(exact).max() / 127)
        # Half a step, and the rounding of a quotient of up to 127 steps.
        assert np.abs(exact - steps * scales[k]).max() <= scales[k] * (0.5 + 127 * 2 * UNIT)


def test_silent_and_tiny_channels() -> None:
    tensor = np.zeros((5, 5, 2, 3), np.float32)
    tensor[1, 2, 1, 1] = 1e-42  # below the least normal number
    tensor[..., 2] = -2.0
    integers, scales = to_int8(tensor, 3)
    assert (scales > 0).all()
    assert not integers[..., :2].any()
    np.testing.assert_array_equal(integers[..., 2] * scales[2], tensor[..., 2])


@pytest.mark.parametrize(
    ("name", "axis"), [("conv2d/kernel", 3), ("conv2d_6/kernel", 3), ("conv2d_transpose_5/kernel", 2)]
)
def test_scales_belong_to_output_channels(name: str, axis: int) -> None:
    """The axis along which the kernel is as long as the bias."""
    shapes = [shape for layer in nn.tensor_shapes((2, (3, 5, 7, 9, 11, 13), 1, 2)) for shape in layer.items()]
    kernel, bias = dict(shapes)[name], dict(shapes)[name.replace("kernel", "bias")]
    assert channel_axis(name) == axis
    assert kernel[axis] == bias[0]


def test_kernels_are_small_and_the_rest_is_exact(small: Path, weights: dict[str, Any]) -> None:
    dtype = small.stem
    stored = load_file(small)
    config, loaded = read_packed(small)
    assert config == CONFIG
    assert stored_dtype(small) == dtype
    scales = 0
    for stem, tensors in weights.items():
        assert loaded[stem].keys() == tensors.keys()
        for name, exact in tensors.items():
            got = loaded[stem][name]
            assert got.dtype == np.float32
            if not name.endswith("/kernel"):
                assert stored[f"{stem}/{name}"].dtype == np.float32
                np.testing.assert_array_equal(got, exact)
                continue
            outer = name == "conv2d_6/kernel"  # the only one under a 32nd of all with these widths
            assert stored[f"{stem}/{name}"].dtype == ("float16" if outer else dtype)
            if dtype == "float16" or outer:
                assert (np.abs(got - exact) <= HALF * np.abs(exact) + 2.0**-25).all()
            else:
                scale = stored[f"{stem}/{name}_scale"]
                scales += 1
                assert (scale.dtype, scale.shape) == (np.float32, (exact.shape[channel_axis(name)],))
                steps = scale[:, None] if channel_axis(name) == 2 else scale
                assert (np.abs(got - exact) <= steps * (0.5 + 127 * 2 * UNIT)).all()
    assert len(stored) == sum(map(len, weights.values())) + scales
    assert metadata_of(small)["__metadata__"]["version"] == "1"


def test_outer_layers_of_an_int8_model() -> None:
    """With Spleeter's widths: 4 % of the numbers."""
    shapes = expected_shapes(ModelConfig(instruments=("a",)))
    dtypes = choose_dtypes(shapes, "int8")
    half = {name for name, dtype in dtypes.items() if dtype == "float16"}
    names = ["conv2d", *(f"conv2d_{k}" for k in (1, 2, 3, 6)), *(f"conv2d_transpose_{k}" for k in (3, 4, 5))]
    assert half == {f"{name}/kernel" for name in names}
    numbers = {name: np.prod(shape) for name, shape in shapes.items()}
    assert sum(numbers[name] for name in half) < 0.041 * sum(numbers.values())
    for dtype in ("float32", "float16"):
        assert {choose_dtypes(shapes, dtype)[name] for name in half} == {dtype}
    assert {dtype for name, dtype in dtypes.items() if not name.endswith("/kernel")} == {"float32"}


def test_saved_again_it_stays(small: Path, tmp_path: Path) -> None:
    """What was rounded once is not rounded further: float16 not at all, int8 by the scale's last digit."""
    _, once = read_packed(small)
    save_packed(tmp_path / "again.safetensors", CONFIG, once, small.stem)
    _, twice = read_packed(tmp_path / "again.safetensors")
    for stem, tensors in once.items():
        for name, value in tensors.items():
            tolerance = 4 * UNIT if small.stem == "int8" else 0
            np.testing.assert_allclose(twice[stem][name], value, rtol=tolerance)


def test_numbers_that_float16_does_not_hold(tmp_path: Path, weights: dict[str, Any]) -> None:
    large = {stem: dict(tensors) for stem, tensors in weights.items()}
    large["rest"][KERNEL] = large["rest"][KERNEL] * np.float32(1e6)
    path = tmp_path / "large.safetensors"
    with pytest.raises(ModelError, match=r"large\.safetensors: stem 'rest', tensor conv2d_2/kernel: .*65504"):
        save_packed(path, CONFIG, large, "float16")
    assert not any(tmp_path.iterdir())
    save_packed(path, CONFIG, large, "int8")  # not an outer layer
    large["rest"]["conv2d_6/kernel"] = large["rest"]["conv2d_6/kernel"] * np.float32(1e6)
    with pytest.raises(ModelError, match=r"tensor conv2d_6/kernel: .*65504; take float32"):
        save_packed(path, CONFIG, large, "int8")


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "", None])
def test_other_dtypes(tmp_path: Path, weights: dict[str, Any], dtype: Any) -> None:
    with pytest.raises(ModelError, match="dtype: expected one of float32, float16, int8, got"):
        save_packed(tmp_path / "model.safetensors", CONFIG, weights, dtype)


# --- both readers -----------------------------------------------------------------------------


def bits_of(model: Model, frames: int = 64, bins: int = 128) -> dict[str, bytes]:
    x = np.abs(np.random.default_rng(0).standard_normal((2, frames, bins, 2), np.float32))
    return {stem: estimate.tobytes() for stem, estimate in model.predict(x, 1).items()}


def check_bits(path: Path, monkeypatch: pytest.MonkeyPatch, isa: str, low_memory: bool, **sizes: int) -> None:
    """A model whose weights stay small computes what one computes whose weights were made float32 first."""
    monkeypatch.setenv("SPLEETERRT_ISA", isa)
    config, weights = read_packed(path)
    expanded = Model(config, weights, plan=make_plan(config, isa, low_memory))
    model = load_model(path, low_memory=low_memory)
    assert {*model._plan.types} != {"float32"}
    assert model.packed_weights.nbytes < 0.6 * expanded.packed_weights.nbytes
    assert bits_of(model, **sizes) == bits_of(expanded, **sizes)
    _, _, plan, arenas, _ = nn.load_model_file(str(path), isa, low_memory)
    assert Plan(*plan) == model._plan
    assert [row.tobytes() for row in model.packed_weights] == arenas


@needs_fast
@pytest.mark.parametrize("isa", nn.FAST_ISAS)
@pytest.mark.parametrize("low_memory", [False, True])
def test_small_weights_give_the_bits_of_float32(
    small: Path, monkeypatch: pytest.MonkeyPatch, isa: str, low_memory: bool
) -> None:
    check_bits(small, monkeypatch, isa, low_memory)


WIDTHS = {
    "odd": (17, 5, 130, 129, 48, 33),
    "deep and staged, deep and lazy": (16, 48, 80, 128, 144, 160),
    "wide": (32, 64, 128, 160, 96, 256),
}


@needs_fast
@pytest.mark.parametrize("isa", nn.FAST_ISAS)
@pytest.mark.parametrize("dtype", ["float16", "int8"])
@pytest.mark.parametrize("widths", WIDTHS.values(), ids=WIDTHS)
def test_other_widths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isa: str, dtype: str, widths: tuple[int, ...]
) -> None:
    config = ModelConfig(instruments=("a", "b"), conv_n_filters=widths, conv_activation="ELU")
    path = tmp_path / "model.safetensors"
    save_packed(path, config, reference.random_weights("ab", widths, 2), dtype)
    for low_memory in (False, True):
        check_bits(path, monkeypatch, isa, low_memory, frames=sized(128, 64), bins=64)


@needs_fast
@pytest.mark.parametrize("isa", nn.FAST_ISAS)
def test_the_starter_keeps_its_bits(monkeypatch: pytest.MonkeyPatch, isa: str) -> None:
    """Int8 in part; narrow, and so small in part only."""
    monkeypatch.setenv("SPLEETERRT_ISA", isa)
    config, weights, _ = load("starter:4stems")
    expanded = Model(config, weights, plan=make_plan(config, isa))
    model = load_model("starter:4stems")
    assert {"float16", "int8"} <= {*model._plan.types}
    assert bits_of(model) == bits_of(expanded)


@needs_fast
def test_stems_that_are_stored_differently(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer's weights stay small where all stems' are alike."""
    path = tmp_path / "model.safetensors"
    config = ModelConfig(instruments=("a", "b"), conv_n_filters=FILTERS)
    save_packed(path, config, reference.random_weights("ab", FILTERS), "float16")
    _, weights = read_packed(path)
    replaced(path, "b/conv2d_4/kernel", weights["b"]["conv2d_4/kernel"])
    model = load_model(path)
    assert model._plan.types[3:6] == ("float16", "float32", "float16")
    expanded = Model(config, weights)
    assert bits_of(model) == bits_of(expanded)


@needs_fast
def test_small_tensors_are_packed_as_files_are(small: Path) -> None:
    model, stems = load_model(small), read_packed(small)[1]
    stored = load_file(small)
    for layer, names in enumerate(nn.tensor_shapes(network_of(CONFIG))):
        if model._plan.types[layer] == "float32":
            continue
        for name in (next(iter(names)), scale_name(next(iter(names)))):
            for stem in stems:
                if f"{stem}/{name}" in stored:
                    stems[stem][name] = stored[f"{stem}/{name}"]
    plain = Model(model.config, stems, plan=model._plan)
    np.testing.assert_array_equal(plain.packed_weights.view(np.uint32), model.packed_weights.view(np.uint32))
    with pytest.raises(ArgumentError, match=r"/kernel: expected (float16|int8), as the plan keeps it, got"):
        Model(model.config, read_packed(small)[1], plan=model._plan)


@needs_fast
@pytest.mark.parametrize("isa", nn.FAST_ISAS)
def test_every_small_number(isa: str) -> None:
    """All finite float16 (subnormals, zeros of both signs) and all int8, with denormal numbers off."""
    size = 16 * 25 * 16
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    out, scales = aligned_empty((size,)), np.empty(16, np.float32)
    for part in np.resize(halves, (-(-halves.size // size), size)):
        nn.expand(isa, "float16", part.view(np.uint8), scales, out)
        np.testing.assert_array_equal(out.view(np.uint32), part.astype(np.float32).view(np.uint32))
    scales = np.random.default_rng(0).uniform(1e-3, 1e-2, 16).astype(np.float32)
    steps = np.resize(np.arange(-128, 128, dtype=np.int8).repeat(17), (size // 16, 16))
    nn.expand(isa, "int8", steps.reshape(-1).view(np.uint8), scales, out)
    np.testing.assert_array_equal(out.view(np.uint32), (steps * scales).reshape(-1).view(np.uint32))
    assert len({*steps[:, 0]}) == 256


@needs_fast
@pytest.mark.parametrize("isa", nn.FAST_ISAS)
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_how_weights_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isa: str, dtype: str) -> None:
    """SPLEETERRT_PLAN: other memory, the same bits."""
    widths = (16, 32, 48, 64, 96, 128)
    config, path = ModelConfig(instruments=("a",), conv_n_filters=widths), tmp_path / "model.safetensors"
    save_packed(path, config, reference.random_weights("a", widths, 4), dtype)
    monkeypatch.setenv("SPLEETERRT_ISA", isa)
    models = {}
    for kept in ("auto", "stored", "plain"):
        monkeypatch.setenv("SPLEETERRT_PLAN", kept)
        models[kept] = load_model(path)
    sizes = {kept: model.packed_weights.nbytes for kept, model in models.items()}
    originals = 4 * sum(25 * into * out for into, out in channels(config, isa)[1:-2])
    assert sizes["stored"] > 1.5 * originals
    assert sizes["plain"] < (1.02 if dtype == "float32" else 0.35) * originals
    assert sizes["auto"] == sizes["stored" if dtype == "float32" else "plain"]
    assert {*models["stored"]._plan.types} == {"float32"}
    assert "staged4" in models["plain"]._plan.methods
    assert bits_of(models["auto"]) == bits_of(models["stored"]) == bits_of(models["plain"])
    monkeypatch.setenv("SPLEETERRT_PLAN", "small")
    with pytest.raises(
        SpleeterError, match=r"SPLEETERRT_PLAN: expected one of auto, stored, plain, got 'small'"
    ):
        load_model(path)
    with pytest.raises(
        ValueError, match=r"SPLEETERRT_PLAN: expected one of auto, stored, plain, got 'small'"
    ):
        nn.load_model_file(str(path))


def replaced(path: Path, name: str, value: np.ndarray | None) -> None:
    """Write the file again with another tensor, its checksum right; None: without it."""
    metadata = metadata_of(path)["__metadata__"]
    content = load_file(path)
    checksums = json.loads(metadata["crc32c"])
    if value is None:
        del content[name], checksums[name]
    else:
        content[name] = np.array(value, order="C")
        checksums[name] = crc32c(content[name])
    save_file(content, path, {**metadata, "crc32c": json.dumps(checksums)})


def refused(path: Path, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_packed(path)
    if nn.FAST_ISAS:
        with pytest.raises(ValueError, match=message):
            nn.load_model_file(str(path))


def test_metadata_nested_too_deeply(int8: Path) -> None:
    metadata = metadata_of(int8)["__metadata__"]
    config = '{"a":' * 100_000
    checksums = {**json.loads(metadata["crc32c"]), "": crc32c(config.encode())}
    save_file(load_file(int8), int8, {**metadata, "config": config, "crc32c": json.dumps(checksums)})
    refused(int8, r"model\.safetensors: corrupt metadata")


def with_first(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(scales: np.ndarray) -> np.ndarray:
        scales = scales.copy()
        scales[0] = value
        return scales

    return change


@pytest.mark.parametrize("kernel", [KERNEL, TRANSPOSED])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda scales: None, "missing"),
        (lambda scales: scales[:-1], r"expected shape \(\d,\), got \(\d,\)"),
        (lambda scales: scales[:, None], r"expected shape \(\d,\), got \(\d, 1\)"),
        (lambda scales: np.resize(scales, 25), r"expected shape \(\d,\), got \(25,\)"),
        (lambda scales: scales[0], r"expected shape \(\d,\), got \(\)"),
        (lambda scales: scales.astype(np.float16), "expected float32"),
        (lambda scales: scales.astype(np.float64), "expected float32"),
        (lambda scales: scales.astype(np.int8), "expected float32"),
        (with_first(np.nan), "holds values that are not finite"),
        (with_first(np.inf), "holds values that are not finite"),
        (with_first(0), "expected positive scales"),
        (with_first(-1), "expected positive scales"),
    ],
    ids=range(12),
)
def test_hostile_scales(int8: Path, kernel: str, change: Any, message: str) -> None:
    name = f"rest/{kernel}_scale"
    replaced(int8, name, change(load_file(int8)[name]))
    refused(int8, rf"model\.safetensors: stem 'rest', tensor {kernel}_scale: {message}")


def test_scales_that_make_infinities(int8: Path) -> None:
    name = f"rest/{KERNEL}_scale"
    replaced(int8, name, np.full_like(load_file(int8)[name], 3e38))
    refused(int8, rf"stem 'rest', tensor {KERNEL}: holds values that are not finite")


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        (KERNEL, np.int16),
        (KERNEL, np.uint8),
        (KERNEL, np.float64),
        ("conv2d_2/bias", np.int8),
        ("batch_normalization_3/gamma", np.float16),
    ],
)
def test_other_dtypes_in_a_file(int8: Path, name: str, dtype: Any) -> None:
    value = load_file(int8)[f"vocals/{name}"]
    replaced(int8, f"vocals/{name}", value.astype(dtype))
    refused(int8, f"stem 'vocals', tensor {name}: expected float32")
    if name == KERNEL:
        with pytest.raises(ModelError, match=r"model\.safetensors: expected kernels in float32 or"):
            stored_dtype(int8)


def test_bfloat16_is_none_of_ours(tmp_path: Path, weights: dict[str, Any]) -> None:
    path = tmp_path / "model.safetensors"
    save_packed(path, CONFIG, weights, "float16")
    raw = path.read_bytes()
    assert raw.count(b'"F16"') > 0
    length = int.from_bytes(raw[:8], "little")
    header = raw[8 : 8 + length].replace(b'"F16"', b'"BF16"')
    path.write_bytes(len(header).to_bytes(8, "little") + header + raw[8 + length :])
    refused(path, r"/kernel: expected float32")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_float16_that_is_not_finite(tmp_path: Path, weights: dict[str, Any], value: float) -> None:
    path = tmp_path / "model.safetensors"
    save_packed(path, CONFIG, weights, "float16")
    kernel = load_file(path)[f"vocals/{KERNEL}"].copy()
    kernel.flat[5] = value
    replaced(path, f"vocals/{KERNEL}", kernel)
    refused(path, f"stem 'vocals', tensor {KERNEL}: holds values that are not finite")


@pytest.mark.parametrize("part", ["", "_scale"])
def test_flipped_bytes_are_found(int8: Path, part: str) -> None:
    header = metadata_of(int8)
    raw = bytearray(int8.read_bytes())
    name = f"vocals/{TRANSPOSED}{part}"
    raw[8 + int.from_bytes(raw[:8], "little") + header[name]["data_offsets"][0]] ^= 1
    int8.write_bytes(raw)
    refused(int8, f"stem 'vocals', tensor {TRANSPOSED}{part}: wrong checksum")


@needs_fast
def test_damage(int8: Path) -> None:
    """Flipped bytes all over the file and cut ends, for both readers."""
    whole = int8.read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")
    for at in [*range(0, start, 41), *range(start, len(whole), 509), len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[at] ^= 0x04
        int8.write_bytes(damaged)
        refused(int8, r"model\.safetensors: ")
    for length in [*range(0, len(whole), 2003), len(whole) - 1]:
        int8.write_bytes(whole[:length])
        refused(int8, r"model\.safetensors: ")


def test_dtypes_may_be_mixed(int8: Path, weights: dict[str, Any]) -> None:
    """Each kernel says for itself what it is; scales that nobody needs are left alone."""
    replaced(int8, f"rest/{KERNEL}", weights["rest"][KERNEL])
    replaced(int8, f"rest/{TRANSPOSED}", weights["rest"][TRANSPOSED].astype(np.float16))
    assert stored_dtype(int8) == "int8"
    np.testing.assert_array_equal(read_packed(int8)[1]["rest"][KERNEL], weights["rest"][KERNEL])
    if nn.FAST_ISAS:
        assert bits_of(load_model(int8)) == bits_of(Model(*read_packed(int8)))
