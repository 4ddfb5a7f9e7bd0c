"""Models: where they come from, and their weights in memory.

    source -> (store: find or download) -> checkpoint | packed | onnx_files | coefficients -> ModelConfig and
    float32 tensors by stem

A source is `"spleeter:4stems"`, `"starter:4stems"` (in the package), a Spleeter `config.json`, a checkpoint
folder, a `.safetensors` file, ONNX files (their folder, one that holds all stems, or {stem: file}), or
coefficient files of the original real-time engine ({stem: file}, or their folder with a `config.json`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..arguments import file_path, told
from ..arguments import path as checked_path
from ..errors import ArgumentTypeError, ModelError
from ..network.config import MODEL_NAMES, OFFICIAL_CONFIGS, ModelConfig
from ..network.tensors import StemWeights, Tensor, check_weights, expected_shapes
from . import coefficients
from .checkpoint import (
    find_index,
    has_checkpoint,
    open_checkpoint,
    read_index,
    verify_checksums,
)
from .onnx_files import by_stem, is_onnx, read_onnx, save_onnx
from .packed import check_dtype, read_header, read_packed, save_packed, stored_dtype
from .quantized import DTYPES
from .sources import (
    PREFIX,
    STARTER_PREFIX,
    Config,
    PathLike,
    Source,
    configuration,
    resolve,
    resolve_official,
    resolve_starter,
)

FORMATS = ("safetensors", "coefficients")
"""What `convert` writes."""

__all__ = [
    "DTYPES",
    "FORMATS",
    "PREFIX",
    "Config",
    "InstalledModel",
    "ModelInfo",
    "Source",
    "StemWeights",
    "check_weights",
    "configuration",
    "convert",
    "expected_shapes",
    "export",
    "from_paths",
    "get",
    "info",
    "list_models",
    "load",
    "open_model",
    "verify",
]


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


def load(
    source: Source, progress: bool = True, config: Config | None = None
) -> tuple[ModelConfig, dict[str, StemWeights], Path]:
    """Load a model, downloading an official one that is nowhere on this machine.

    Args:
        source: `"spleeter:<name>"`, `"starter:<name>"`, a Spleeter `config.json`, a checkpoint folder, a
            `.safetensors` file, an ONNX file with all stems, a folder of ONNX files, {stem: ONNX file},
            {stem: coefficient file}, or a folder of these with a `config.json`.
        progress: show a progress bar of a download, if standard error is a terminal.
        config: of {stem: coefficient file}, but for its stems; None: Spleeter's for so many stems.

    Returns:
        Configuration, float32 tensors by stem and name, and the folder or file they come from.

    Raises:
        SpleeterError: not a source, nothing found there, or a model that is damaged or does not fit its
            configuration (`ModelError`: names file and tensor).
    """
    found, stems, path = open_model(source, progress, config)
    return found, {stem: dict(tensors) for stem, tensors in stems.items()}, path


def open_model(
    source: Source,
    progress: bool = True,
    config: Config | None = None,
    stems: Sequence[str] | None = None,
) -> tuple[ModelConfig, dict[str, Mapping[str, Tensor]], Path]:
    """Like `load`, but a checkpoint's tensors are read, and found to be damaged, on access only.

    So a network can be prepared without all of its original weights in memory. stems: those that will be
    wanted; of a `.safetensors` file and of coefficient files the others are left out. None: all.
    """
    place = resolve(source, config)
    path = place.obtain(progress)
    if place.onnx:
        found, read = read_onnx(place.onnx)
        return found, dict(read), path
    found = place.read_config(path)
    if place.packed:
        return found, dict(read_packed(path, stems or place.stems)[1]), path
    if place.coefficients:
        return found, dict(coefficients.read_coefficients(found, place.coefficients, stems)), path
    if place.config is None:
        _say_what_is_assumed(find_index(path), found)
    hint = ""
    if place.name.startswith(PREFIX):
        hint = f"Remove the folder {path} to have the model downloaded again"
    try:
        return found, dict(open_checkpoint(path, found, hint)), path
    except ModelError as error:
        if not hint:
            raise
        raise ModelError(f"{error}\n{hint}") from error


def _say_what_is_assumed(index: Path, config: ModelConfig) -> None:
    """Warn that a training's checkpoint does not hold all that it was trained with; nothing of the official
    models, as they are downloaded."""
    if index.name == "model.index" and not any("Adam" in name for name in read_index(index)):
        return
    official = next(n for n, c in OFFICIAL_CONFIGS.items() if c.instruments == config.instruments)
    logging.getLogger("spleeterrt").warning(
        "%s: no config.json beside this checkpoint, so it is taken to be trained as %s%s: frame_length %d, "
        "frame_step %d, T %d, F %d, %d Hz, stems %s; if not, put its config.json into the folder",
        index,
        PREFIX,
        official,
        config.frame_length,
        config.frame_step,
        config.T,
        config.F,
        config.sample_rate,
        ", ".join(config.instruments),
    )


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


def convert(
    source: Source,
    destination: PathLike,
    progress: bool = True,
    *,
    dtype: str = "float32",
    format: str = "safetensors",
    config: Config | None = None,
) -> Path:
    """Write a model as one `.safetensors` file, or as a folder of coefficient files. Returns its path.

    Args:
        dtype: what the kernels are stored in, one of `DTYPES`; in memory every model is float32.
        format: one of `FORMATS`. `"coefficients"`: the destination becomes a folder with `<stem>.dat` for the
            original real-time engine, float32, and a `config.json`, with which it is a model here.
        config: as of `load`.

    Raises:
        SpleeterError: as `load`; or the destination is not a `.safetensors` path, or cannot be written.
    """
    check_dtype(dtype)
    if not isinstance(format, str) or format not in FORMATS:
        raise ModelError(f"format: expected one of {', '.join(FORMATS)}, got {told(format)}")
    path = file_path("destination", destination)
    if format == "coefficients":
        if dtype != "float32":
            raise ModelError(f"coefficient files are float32, not {dtype}")
        if has_checkpoint(path):  # which is what this folder is read as
            raise ModelError(f"{path}: holds a checkpoint; choose another folder")
        found, tensors, _ = load(source, progress, config)
        coefficients.save_coefficients(path, found, tensors)
        return path
    if path.suffix.lower() != ".safetensors":
        raise ModelError(f"{path}: the destination's name must end in .safetensors")
    found, weights, _ = load(source, progress, config)
    save_packed(path, found, weights, dtype)
    return path


def export(
    source: Source, folder: PathLike, progress: bool = True, *, layout: str = "spleeterrt"
) -> list[Path]:
    """Write a model as ONNX files, one per stem (one for all stems of a softmax model). Returns their paths.

    Args:
        layout: `"spleeterrt"`: `magnitude` to `<stem>`, float32 (segments, T, F, 2), all but the last
            dimension free; `"sherpa"`: what sherpa-onnx reads, of a model like `spleeter:2stems` only.

    Raises:
        SpleeterError: as `load`; or a file cannot be written, the layout cannot hold the model, or the
            package onnx is missing.
    """
    target = file_path("folder", folder)
    config, weights, _ = open_model(source, progress)
    return save_onnx(target, config, weights, layout)


def from_paths(paths: Sequence[PathLike]) -> Source:
    """The source that a command line names: one path or name, or ONNX files, a stem each."""
    if not isinstance(paths, (list, tuple)):
        raise ArgumentTypeError(f"paths: expected a list, got {told(paths)}")
    if len(paths) == 1:
        return paths[0]
    files = [Path(checked_path("model", path)) for path in paths]
    for file in files:
        if not is_onnx(file):
            raise ModelError(f"{file}: only ONNX files can be several (coefficient files: --stem STEM=FILE)")
    stems = by_stem(files)
    if len(stems) < len(files):
        raise ModelError(f"several files of one stem: {', '.join(map(str, files))}")
    return stems


def _parameters(config: ModelConfig) -> int:
    return len(config.instruments) * sum(math.prod(shape) for shape in expected_shapes(config).values())


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
    return sum(file.stat().st_size for file in files)
