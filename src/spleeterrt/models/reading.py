"""Reading a model's weights, whatever holds them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..network.config import OFFICIAL_CONFIGS, ModelConfig
from ..network.tensors import StemWeights, Tensor
from . import coefficients
from .checkpoint import find_index, open_checkpoint, read_index
from .onnx_files import read_onnx
from .packed import open_packed, read_packed
from .sources import PREFIX, Config, Source, resolve


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
        return found, dict(read_packed(path, stems or found.instruments)[1]), path
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


def open_packable(
    source: Source,
    progress: bool = True,
    config: Config | None = None,
    stems: Sequence[str] | None = None,
) -> tuple[ModelConfig, dict[str, Any], Path, tuple[str, ...] | None]:
    """Like `open_model`, for a `Model`, and what the layers' kernels are stored in, for `make_plan` (None:
    float32). A `.safetensors` file's tensors go to the model without being arrays first."""
    place = resolve(source, config)
    if not place.packed or place.onnx or place.coefficients:
        return *open_model(source, progress, config, stems), None
    path = place.obtain(progress)
    found = place.read_config(path)
    packed, types = open_packed(path)
    return found, {stem: packed[stem] for stem in found.instruments}, path, types


def kernel_types(source: Source) -> tuple[str, ...] | None:
    """What the layers' kernels are stored in, for `make_plan`; None: float32, or nothing there yet."""
    place = resolve(source)
    if not place.packed or place.onnx or place.coefficients:
        return None
    return open_packed(place.obtain(False))[1]


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
