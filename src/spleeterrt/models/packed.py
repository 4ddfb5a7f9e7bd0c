"""Our own model file: one safetensors file with every stem's float32 tensors.

Tensors are named `<stem>/<tensor>`, for example `vocals/conv2d_3/kernel`. The metadata hold
`format` ("spleeterrt"), `version`, `config` (the model's configuration as JSON) and `crc32c` (JSON: a
CRC-32C of the configuration, under the empty name, and of every tensor), as safetensors itself has no
checksums. Source of the container: https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..config import ModelConfig
from ..errors import ModelError, SpleeterError
from .checksum import crc32c
from .weights import StemWeights, check_finite, check_shape, check_weights, expected_shapes

FORMAT = "spleeterrt"
VERSION = "1"


def save_packed(path: Path, config: ModelConfig, weights: Mapping[str, StemWeights]) -> None:
    """Write a model file in one step: whatever happens, `path` holds the old content or the new.

    Raises:
        ModelError: the weights do not fit the configuration, or the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    check_weights(config, weights, path)
    tensors = {
        f"{stem}/{name}": np.ascontiguousarray(weights[stem][name])
        for stem in config.instruments
        for name in expected_shapes(config)
    }
    config_json = json.dumps(config.to_dict())
    checksums = {"": crc32c(config_json.encode()), **{name: crc32c(value) for name, value in tensors.items()}}
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "config": config_json,
        "crc32c": json.dumps(checksums),
    }
    temporary = path.with_name(f".{path.name}.{os.urandom(16).hex()}.tmp")
    try:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        save_file(tensors, temporary, metadata)
        temporary.chmod(mode)  # those of any new file: safetensors gives its own to nobody else
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot write: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def read_header(path: Path) -> tuple[ModelConfig, dict[str, int]]:
    """Read a model file's configuration and its tensors' checksums, without the tensors.

    Raises:
        ModelError: not a model file of ours, or a damaged one.
    """
    with _Reader(path) as reader:
        return reader.config, reader.checksums


def read_packed(path: Path, stems: Sequence[str] | None = None) -> tuple[ModelConfig, dict[str, StemWeights]]:
    """Read a model file: its configuration, and float32 tensors by stem and name.

    stems: of these alone; None: of all.

    Raises:
        ModelError: names the file and the tensor: not such a file, truncated, wrong checksum, missing
            tensor, wrong dtype or shape, values that are not finite.
    """
    with _Reader(path) as reader:
        shapes = expected_shapes(reader.config)
        weights: dict[str, StemWeights] = {}
        for stem in reader.config.instruments:
            if stems is not None and stem not in stems:
                continue
            weights[stem] = {}
            for name, shape in shapes.items():
                where = f"{path}: stem {stem!r}, tensor {name}"
                tensor = reader.tensor(f"{stem}/{name}", where)
                check_shape(where, shape, tensor.shape)
                check_finite(where, tensor)
                weights[stem][name] = tensor
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
        except (SpleeterError, KeyError, ValueError, AttributeError) as error:
            raise ModelError(f"{self.path}: corrupt metadata: {error!r}") from error

    def tensor(self, name: str, where: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        """One tensor, float32, checksum verified."""
        if name not in self._names:
            raise ModelError(f"{where}: missing")
        try:
            value: np.ndarray[Any, Any] = self._file.get_tensor(name)
        except self._damage as error:
            raise ModelError(f"{where}: cannot be read: {error}") from error
        if value.dtype != np.float32:
            raise ModelError(f"{where}: expected float32, got {value.dtype}")
        if crc32c(value) != self.checksums.get(name):
            raise ModelError(f"{where}: wrong checksum, the file is corrupt")
        return value

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.__exit__(None, None, None)
