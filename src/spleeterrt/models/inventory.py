"""What there is of a model: where it lies, what its files hold, whether they are whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ..arguments import told
from ..errors import ArgumentTypeError
from ..network.config import MODEL_NAMES, ModelConfig
from ..network.tensors import expected_shapes
from . import coefficients
from .checkpoint import find_index, read_index, verify_checksums
from .onnx_files import read_onnx
from .packed import read_header, read_packed, stored_dtype
from .reading import load
from .sources import PREFIX, STARTER_PREFIX, Source, resolve, resolve_official, resolve_starter


@dataclass(frozen=True)
class InstalledModel:
    """A model that has a name: that, its file or folder if it is here, and the bytes of it."""

    name: str
    path: Path | None
    bytes: int | None


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model without running it.

    Attributes:
        path: the checkpoint folder, the `.safetensors` file, the ONNX file or the folder of ONNX or
            coefficient files; None if it is not on this machine.
        kind: `"TensorFlow checkpoint"`, `"safetensors"`, `"ONNX"` or `"coefficients"`.
        tensors: tensors in the file, those that separation does not need included; None without a file.
        parameters: numbers in the networks of all stems.
        bytes: size on disk; None without a file.
        dtype: the smallest of `DTYPES` that a `.safetensors` file stores kernels in; None of others.
    """

    config: ModelConfig
    path: Path | None
    kind: str
    tensors: int | None
    parameters: int
    bytes: int | None
    dtype: str | None = None


def get(name: str, progress: bool = True) -> Path:
    """Make sure that a model is on this machine. Returns its folder; of one in the package its file.

    Args:
        name: `"4stems"` or `"spleeter:4stems"`; `"starter:4stems"`.
    """
    if not isinstance(name, str):
        raise ArgumentTypeError(f"name: expected that of a model, got {told(name)}")
    if name.startswith(STARTER_PREFIX):
        return resolve_starter(name).obtain(progress)
    return resolve_official(name.removeprefix(PREFIX)).obtain(progress)


def list_models() -> list[InstalledModel]:
    """The models that have a name, and where they are on this machine."""
    models = []
    for name in MODEL_NAMES:
        path = resolve(name).path
        models.append(InstalledModel(name, path, None if path is None else _bytes(path)))
    return models


def info(source: Source) -> ModelInfo:
    """Describe a model; its tensors are not read (but those of ONNX files) and nothing is downloaded.

    Raises:
        SpleeterError: not a source, or its configuration or index cannot be read.
    """
    place = resolve(source)
    path = place.path
    if path is None:
        if place.config is None or place.target is None:
            raise place.missing()
        config = place.config
        return ModelInfo(config, None, "TensorFlow checkpoint", None, _parameters(config), None)
    if place.onnx:
        found, stems = read_onnx(place.onnx)
        tensors = sum(map(len, stems.values()))
        size = sum(file.stat().st_size for file in place.onnx.values())
        return ModelInfo(found, path, "ONNX", tensors, _parameters(found), size)
    config = place.read_config(path)
    if place.coefficients:
        arrays = len(config.instruments) * len(list(coefficients.layout(config)))
        size = sum(file.stat().st_size for file in place.coefficients.values())
        return ModelInfo(config, path, "coefficients", arrays, _parameters(config), size)
    if place.packed:
        kind, tensors, dtype = "safetensors", len(read_header(path)[1]), stored_dtype(path)
    else:
        kind, tensors, dtype = "TensorFlow checkpoint", len(read_index(find_index(path))), None
    return ModelInfo(config, path, kind, tensors, _parameters(config), _bytes(path), dtype)


def verify(source: Source) -> ModelInfo:
    """Read a model whole and check every checksum and shape; nothing is downloaded.

    Raises:
        ModelError: names the file and the tensor that is wrong.
    """
    place = resolve(source)
    if place.path is None:
        raise place.missing()
    if place.packed and not place.onnx:
        read_packed(place.path)  # of all its stems, also where the source takes some
    else:
        load(source, progress=False)
    if not (place.packed or place.onnx or place.coefficients):
        verify_checksums(read_index(find_index(place.path)))
    return info(source)


def _parameters(config: ModelConfig) -> int:
    return len(config.instruments) * sum(math.prod(shape) for shape in expected_shapes(config).values())


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
    return sum(file.stat().st_size for file in files)
