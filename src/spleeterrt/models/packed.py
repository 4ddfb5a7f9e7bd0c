"""Our own model file: one safetensors file with every stem's tensors.

Tensors are named `<stem>/<tensor>`, for example `vocals/conv2d_3/kernel`. They are float32, but a kernel may
be float16, or int8 beside its scales, `vocals/conv2d_3/kernel_scale` (`quantized`). The metadata hold
`format` ("spleeterrt"), `version`, `config` (the model's configuration as JSON) and `crc32c` (JSON: a
CRC-32C of the configuration, under the empty name, and of every tensor's bytes), as safetensors itself has
no checksums. Source of the container: https://huggingface.co/docs/safetensors.

`core/model_file.cpp` reads the same files without Python, to the same bits.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..atomic import sweep, temporary
from ..config import ModelConfig
from ..errors import ModelError, SpleeterError
from .checksum import crc32c
from .quantized import DTYPES, Stored, channel_axis, choose_dtypes, dequantize, encode, is_kernel, scale_name
from .weights import StemWeights, Tensor, check_finite, check_shape, check_weights, expected_shapes

FORMAT = "spleeterrt"
VERSION = "1"


def save_packed(
    path: Path, config: ModelConfig, weights: Mapping[str, StemWeights], dtype: str = "float32"
) -> None:
    """Write a model file in one step: whatever happens, `path` holds the old content or the new.

    Args:
        dtype: of the kernels, one of `quantized.DTYPES`; with int8, outer layers are float16.

    Raises:
        ModelError: the weights do not fit the configuration or float16, or the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    check_dtype(dtype)
    check_weights(config, weights, path)
    tensors: dict[str, Stored] = {}
    dtypes = choose_dtypes(expected_shapes(config), dtype)
    for stem in config.instruments:
        for name, stored in dtypes.items():
            for part, value in encode(name, weights[stem][name], stored).items():
                if value.dtype == np.float16 and not np.isfinite(value).all():
                    raise ModelError(
                        f"{path}: stem {stem!r}, tensor {name}: holds values beyond float16's 65504; "
                        "take float32"
                    )
                tensors[f"{stem}/{part}"] = value
    config_json = json.dumps(config.to_dict())
    checksums = {"": crc32c(config_json.encode()), **{name: crc32c(value) for name, value in tensors.items()}}
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "config": config_json,
        "crc32c": json.dumps(checksums),
    }
    sweep(path.parent)
    made = temporary(path.parent)
    try:
        made.touch(exist_ok=False)
        mode = made.stat().st_mode
        save_file(tensors, made, metadata)
        made.chmod(mode)  # those of any new file: safetensors gives its own to nobody else
        os.replace(made, path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot write: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            made.unlink(missing_ok=True)


def check_dtype(dtype: object) -> None:
    """Raise `ModelError` for a dtype that kernels cannot be stored in."""
    if dtype not in DTYPES:
        raise ModelError(f"dtype: expected one of {', '.join(DTYPES)}, got {dtype!r}")


def read_header(path: Path) -> tuple[ModelConfig, dict[str, int]]:
    """Read a model file's configuration and its tensors' checksums, without the tensors.

    Raises:
        ModelError: not a model file of ours, or a damaged one.
    """
    with _Reader(path) as reader:
        return reader.config, reader.checksums


def stored_dtype(path: Path) -> str:
    """What a model file is: the smallest of `quantized.DTYPES` that it stores kernels in.

    Raises:
        ModelError: as `read_header`, or kernels are stored otherwise.
    """
    with _Reader(path) as reader:
        found = {reader.dtype(name) for name in reader.checksums if is_kernel(name)}
    if not found or not found <= {*DTYPES}:
        raise ModelError(f"{path}: expected kernels in {' or '.join(DTYPES)}, got {sorted(found)}")
    return max(found, key=DTYPES.index)


def read_packed(path: Path, stems: Sequence[str] | None = None) -> tuple[ModelConfig, dict[str, StemWeights]]:
    """Read a model file: its configuration, and float32 tensors by stem and name, whatever it stores them in.

    stems: of these alone; None: of all.

    Raises:
        ModelError: names the file and the tensor: not such a file, truncated, wrong checksum, missing
            tensor or scales, wrong dtype or shape, values that are not finite, scales that are not positive.
    """
    with _Reader(path) as reader:
        shapes = expected_shapes(reader.config)
        weights: dict[str, StemWeights] = {}
        for stem in reader.config.instruments:
            if stems is not None and stem not in stems:
                continue
            weights[stem] = {}
            for name, shape in shapes.items():
                weights[stem][name] = reader.tensor(stem, name, shape)
        return reader.config, weights


class _Reader:
    """An open model file; every failure is a `ModelError` that names it."""

    config: ModelConfig
    checksums: dict[str, int]

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        self.path = path
        self._damage: tuple[type[Exception], ...] = (
            SafetensorError,
            OSError,
            ValueError,
            TypeError,
            KeyError,
        )
        try:
            self._file = cast(Any, safe_open(path, framework="np"))
            self._file.__enter__()
            self._names = set(self._file.keys())
            metadata = self._file.metadata() or {}
        except self._damage as error:
            raise ModelError(f"{path}: not a readable safetensors file: {error}") from error
        try:
            self._read_metadata(metadata)
        except BaseException:
            self.__exit__()
            raise

    def _read_metadata(self, metadata: Mapping[str, str]) -> None:
        if metadata.get("format") != FORMAT:
            raise ModelError(f"{self.path}: not a model file of spleeterrt (its metadata do not say so)")
        if metadata.get("version") != VERSION:
            raise ModelError(
                f"{self.path}: version {metadata.get('version')} of the format; "
                f"this spleeterrt reads {VERSION}"
            )
        try:
            text = metadata["config"]
            checksums = json.loads(metadata["crc32c"])
            self.checksums = {name: value for name, value in checksums.items() if name}
            if checksums[""] != crc32c(text.encode()):
                raise ModelError(f"{self.path}: corrupt: wrong checksum of the configuration")
            self.config = ModelConfig.from_dict(json.loads(text))
        except ModelError:
            raise
        except (SpleeterError, KeyError, ValueError, AttributeError, RecursionError) as error:
            raise ModelError(f"{self.path}: corrupt metadata: {error!r}") from error

    def dtype(self, name: str) -> str:
        """How a tensor is stored: numpy's name of the dtype where it is one of ours, else safetensors'."""
        try:
            stored = str(self._file.get_slice(name).get_dtype())
        except self._damage as error:
            raise ModelError(f"{self.path}: tensor {name}: cannot be read: {error}") from error
        return {"F32": "float32", "F16": "float16", "I8": "int8"}.get(stored, stored)

    def tensor(self, stem: str, name: str, shape: tuple[int, ...]) -> Tensor:
        """One tensor in float32, checked; of an int8 kernel its scales, too."""
        where = f"{self.path}: stem {stem!r}, tensor {name}"
        stored = self._stored(f"{stem}/{name}", where, DTYPES if is_kernel(name) else ("float32",))
        check_shape(where, shape, stored.shape)
        if stored.dtype == np.int8:
            axis = channel_axis(name)
            scales = self.tensor(stem, scale_name(name), (shape[axis],))
            if not (scales > 0).all():
                raise ModelError(f"{where}_scale: expected positive scales")
            with np.errstate(over="ignore"):
                tensor = dequantize(stored, scales, axis)
        else:
            tensor = stored.astype(np.float32, copy=False)
        check_finite(where, tensor)
        return tensor

    def _stored(self, name: str, where: str, dtypes: Sequence[str]) -> Stored:
        """One tensor as it is stored, dtype and checksum verified."""
        if name not in self._names:
            raise ModelError(f"{where}: missing")
        if (dtype := self.dtype(name)) not in dtypes:
            raise ModelError(f"{where}: expected {' or '.join(dtypes)}, got {dtype}")
        try:
            value: Stored = self._file.get_tensor(name)
        except self._damage as error:
            raise ModelError(f"{where}: cannot be read: {error}") from error
        if crc32c(value) != self.checksums.get(name):
            raise ModelError(f"{where}: wrong checksum, the file is corrupt")
        return value

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.__exit__(None, None, None)
