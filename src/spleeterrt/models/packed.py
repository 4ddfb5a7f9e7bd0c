"""Our own model file: one safetensors file with every stem's tensors.

Tensors are named `<stem>/<tensor>`, for example `vocals/conv2d_3/kernel`. They are float32, but a kernel may
be float16, or int8 beside its scales, `vocals/conv2d_3/kernel_scale` (`quantized`). The metadata hold
`format` ("spleeterrt"), `version`, `config` (the model's configuration as JSON) and `crc32c` (JSON: a
CRC-32C of the configuration, under the empty name, and of every tensor's bytes), as safetensors itself has
no checksums. Source of the container: https://huggingface.co/docs/safetensors.

`core/network/model_file.cpp` reads them, for Python and for programs without it: both take the same files.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from .._kernels import nn
from ..arguments import told
from ..arrays import Float32
from ..atomic import replace, sweep, temporary
from ..errors import ConfigError, ModelError, reason
from ..names import DTYPES
from ..network.config import ModelConfig
from ..network.method_plan import Plan, network_fields, network_of
from ..network.tensors import StemWeights, check_weights, expected_shapes
from .checksum import crc32c
from .quantized import Stored, choose_dtypes, encode_tensor, is_kernel

FORMAT = "spleeterrt"
VERSION = "1"


def save_packed(
    path: Path, config: ModelConfig, weights: Mapping[str, StemWeights], dtype: str = "float32"
) -> None:
    """Write a model file in one step: whatever happens, `path` holds the old content or the new.

    Args:
        dtype: of the kernels, one of `names.DTYPES`; with int8, outer layers are float16.

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
            for part, value in encode_tensor(name, weights[stem][name], stored).items():
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
        _open(made)  # what cannot be read replaces nothing
        replace(made, path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot write: {reason(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            made.unlink(missing_ok=True)


def check_dtype(dtype: object) -> None:
    """Raise `ModelError` for a dtype that kernels cannot be stored in."""
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ModelError(f"dtype: expected one of {', '.join(DTYPES)}, got {told(dtype)}")


def read_header(path: Path) -> tuple[ModelConfig, dict[str, str]]:
    """Read a model file's configuration and its tensors' dtypes by name, without the tensors.

    Raises:
        ModelError: not a model file of ours, or a damaged one.
    """
    return _open(path)[1:]


def stored_dtype(path: Path) -> str:
    """What a model file is: the smallest of `names.DTYPES` that it stores kernels in.

    Raises:
        ModelError: as `read_header`, or kernels are stored otherwise.
    """
    found = {dtype for name, dtype in read_header(path)[1].items() if is_kernel(name)}
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
    file, config, _ = _open(path)
    layers = nn.tensor_shapes(network_of(config))
    weights: dict[str, StemWeights] = {}
    with _as_model_error():
        file.check()
        for stem in config.instruments:
            if stems is not None and stem not in stems:
                continue
            weights[stem] = {}
            for layer, shapes in enumerate(layers):
                for index, (name, shape) in enumerate(shapes.items()):
                    weights[stem][name] = tensor = np.empty(shape, np.float32)
                    file.read(stem, layer, index, tensor.reshape(-1))
    return config, weights


class PackedStem:
    """A stem's tensors in an open model file, which packs them without their being arrays first; small
    kernels stay what they are where the plan says so."""

    def __init__(self, file: nn.ModelFile, stem: str, lock: threading.Lock) -> None:
        self._file, self._stem, self._lock = file, stem, lock

    def pack(self, plan: Plan, arena: Float32) -> None:
        """Into an arena of zeros, `weight_layout` long.

        Raises:
            ModelError: as of `read_packed`.
        """
        with self._lock, _as_model_error():
            self._file.load(plan, self._stem, arena)


def open_packed(path: Path) -> tuple[dict[str, PackedStem], tuple[str, ...]]:
    """A model file's stems, and what the layers' kernels are stored in, for `make_plan`.

    Raises:
        ModelError: as of `read_packed`, but for the tensors' bytes, which are not read yet.
    """
    file, config, _ = _open(path)
    with _as_model_error():
        file.check()
        types = file.types
    lock = threading.Lock()
    return {stem: PackedStem(file, stem, lock) for stem in config.instruments}, types


def _open(path: Path) -> tuple[nn.ModelFile, ModelConfig, dict[str, str]]:
    """The file as the kernels read it, its configuration, and its tensors' dtypes: numpy's names of ours,
    else safetensors'."""
    with _as_model_error():
        file = nn.ModelFile(str(path).encode() if os.name == "nt" else os.fsencode(path))
    fields, network = file.config
    try:
        config = ModelConfig(**fields, **network_fields(network))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    names = {"F32": "float32", "F16": "float16", "I8": "int8"}
    return file, config, {name: names.get(dtype, dtype) for name, dtype in file.tensors.items()}


@contextlib.contextmanager
def _as_model_error() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ModelError(str(error)) from error
