"""Coefficient files of the original real-time engine: one stem's network in one file, read and written.

Little-endian float32, nothing else, in the order of the layers:

    e1..e6   kernel [out][in][kh][kw], bias [out]; but for e6, batch norm as shift [out], scale [out]
    d1..d6   kernel [in][out][kh][kw], bias [out], shift [out], scale [out]
    out      kernel [2][1][4][4], bias [2]

kh runs over time (T) and kw over frequency (F); kernels are not flipped; batch norm is y = x * scale + shift.
That is 9,822,725 numbers with Spleeter's widths. Stem, activations, sizes and rate are not in the file.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np

from .._kernels import nn
from ..atomic import write_whole
from ..errors import ModelError
from ..network.config import DEPTH, OFFICIAL_CONFIGS, ModelConfig
from ..network.layers import fold_batch_norm
from ..network.tensors import StemWeights, Tensor, check_finite_tensor, expected_shapes, layer_name
from ..regular import open_regular

COEFFICIENTS_SUFFIX = ".dat"  # of the files that are written; they are read under any name
CONFIG_NAME = "config.json"

_UNUSED_NORM = layer_name("batch_normalization", DEPTH - 1)  # after e6, whose raw output goes on
# A variance with which folding a batch norm of mean 0 gives gamma and beta to the bit: in double, variance +
# epsilon is 1 to 2e-8, its root to 1e-8, and the quotient rounds to gamma, whose neighbours are 6e-8 away.
_VARIANCE = np.float32(1 - nn.BATCH_NORM_EPSILON)
_TENSOR_OF = {"scale": "gamma", "shift": "beta"}


def layout(config: ModelConfig) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """(layer, part, shape) of a file's arrays in their order; part is kernel, bias, shift or scale."""
    for name, shape in expected_shapes(config).items():
        layer, part = name.split("/")
        if part == "kernel":
            height, width, *channels = shape  # in, out; of transposed ones out, in
            yield layer, part, (*reversed(channels), height, width)
        elif part == "bias":
            yield layer, part, shape
        elif part == "gamma" and layer != _UNUSED_NORM:
            yield layer, "shift", shape
            yield layer, "scale", shape


def count(config: ModelConfig) -> int:
    """Numbers in a file."""
    return sum(math.prod(shape) for _, _, shape in layout(config))


def default_config(stems: Collection[str]) -> ModelConfig:
    """Spleeter's configuration for so many stems.

    LeakyReLU and ReLU for two, ELU for four, ELU and a softmax across stems for five.

    Raises:
        ModelError: it has none for this number.
    """
    for config in OFFICIAL_CONFIGS.values():
        if len(config.instruments) == len(stems):
            return with_stems(config, stems)
    raise ModelError(
        "coefficient files do not say their networks' activations, and Spleeter has no model of "
        f"{len(stems)} stem{'s' if len(stems) > 1 else ''} to take them from: name a configuration (config=, "
        "--config), e.g. spleeter:4stems for ELU"
    )


def with_stems(config: ModelConfig, stems: Collection[str]) -> ModelConfig:
    """A configuration for these stems: in its own order if it has the same ones, else in theirs."""
    if set(stems) == set(config.instruments):
        return config
    if config.softmax and len(stems) != len(config.instruments):
        raise ModelError(
            "the masks of a softmax model depend on one another: "
            f"expected {len(config.instruments)} stems, got {len(stems)}"
        )
    return config.replace(instruments=tuple(stems))


def stems_beside(config_path: Path, config: ModelConfig) -> dict[str, Path]:
    """The files beside a configuration, as `save_coefficients` writes them: those of all stems, or none.

    Raises:
        ModelError: those of some stems. (The configuration may name a checkpoint that is another model.)
    """
    files = {stem: config_path.with_name(f"{stem}{COEFFICIENTS_SUFFIX}") for stem in config.instruments}
    missing = [file.name for file in files.values() if not file.is_file()]
    if 0 < len(missing) < len(files):
        raise ModelError(f"{config_path}: of its stems' coefficient files not found: {', '.join(missing)}")
    return {} if missing else files


def save_coefficients(
    folder: Path, config: ModelConfig, weights: Mapping[str, Mapping[str, Tensor]]
) -> list[Path]:
    """Write a model into `folder`, each file in one step. Returns their paths.

    A file per stem, `vocals.dat`, and a `config.json` with what these lack, unless it is there already.

    Raises:
        ModelError: the folder holds another model's `config.json` or a batch norm cannot be folded (then
            nothing is written), or a file cannot be written.
    """
    contents = {
        f"{stem}{COEFFICIENTS_SUFFIX}": _bytes(config, stem, weights[stem]) for stem in config.instruments
    }
    config_path = folder / CONFIG_NAME
    if not config_path.exists():
        contents[CONFIG_NAME] = (json.dumps(config.to_dict(), indent=2) + "\n").encode()
    elif ModelConfig.from_file(config_path) != config:
        raise ModelError(f"{config_path} is another model's; choose another folder")
    paths = []
    for name, content in contents.items():
        paths.append(folder / name)
        try:
            write_whole(paths[-1], content)
        except OSError as error:
            raise ModelError(f"{paths[-1]}: cannot write: {error.strerror or error}") from error
    return paths


def _bytes(config: ModelConfig, stem: str, tensors: Mapping[str, Tensor]) -> bytes:
    parts = []
    for layer, part, _ in layout(config):
        if part == "kernel":
            parts.append(tensors[f"{layer}/kernel"].transpose(3, 2, 0, 1))
        elif part == "bias":
            parts.append(tensors[f"{layer}/bias"])
        else:
            names = ("gamma", "beta", "moving_mean", "moving_variance")
            gamma, beta, mean, variance = (tensors[f"{layer}/{name}"] for name in names)
            scale, shift = fold_batch_norm(gamma, beta, mean, variance)
            parts.append(scale if part == "scale" else shift)
            check_finite_tensor(f"stem {stem!r}, {layer}: its {part}", parts[-1])
    return b"".join(part.astype("<f4").tobytes() for part in parts)


def read_coefficients(
    config: ModelConfig, files: Mapping[str, Path], stems: Collection[str] | None = None
) -> dict[str, StemWeights]:
    """Each stem's file as float32 tensors by stem and name.

    stems: of these alone; None: of all.

    Batch norms are such that folding them gives the file's scale and shift to the bit.

    Raises:
        ModelError: a file cannot be read, has another size than the configuration's networks, or holds values
            that are not finite.
    """
    wanted = [stem for stem in config.instruments if stems is None or stem in stems]
    return {stem: _read(config, files[stem]) for stem in wanted}


def _read(config: ModelConfig, path: Path) -> StemWeights:
    numbers = count(config)
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            content = file.read() if size == 4 * numbers else b""
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    if len(content) != 4 * numbers:
        raise ModelError(
            f"{path}: expected the {4 * numbers} bytes of a coefficient file ({numbers} float32, for filters "
            f"{', '.join(map(str, config.conv_n_filters))}), got {size}; it is another file or truncated, or "
            "its network has other filters: name a configuration with its conv_n_filters (config=, --config)"
        )
    values = np.frombuffer(content, "<f4").astype(np.float32)
    if not np.isfinite(values).all():
        raise ModelError(f"{path}: holds values that are not finite; is it a coefficient file?")
    return _tensors(config, values)


def _tensors(config: ModelConfig, values: Tensor) -> StemWeights:
    tensors: StemWeights = {}
    for name, shape in expected_shapes(config).items():  # of the batch norm that no file has, too
        part = name.partition("/")[2]
        tensors[name] = np.full(shape, {"gamma": 1, "moving_variance": _VARIANCE}.get(part, 0), np.float32)
    at = 0
    for layer, part, shape in layout(config):
        array = values[at : at + math.prod(shape)].reshape(shape)
        at += array.size
        if part == "kernel":
            array = np.ascontiguousarray(array.transpose(2, 3, 1, 0))
        tensors[f"{layer}/{_TENSOR_OF.get(part, part)}"] = array
    return tensors
