"""Writing a model in other formats."""

from __future__ import annotations

from pathlib import Path

from ..arguments import file_path, told
from ..errors import ModelError
from ..names import MODEL_FORMATS
from . import coefficients
from .checkpoint import has_checkpoint
from .onnx_files import save_onnx
from .packed import check_dtype, save_packed
from .reading import load, open_model
from .sources import Config, PathLike, Source


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
    if not isinstance(format, str) or format not in MODEL_FORMATS:
        raise ModelError(f"format: expected one of {', '.join(MODEL_FORMATS)}, got {told(format)}")
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
