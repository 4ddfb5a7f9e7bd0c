"""Weights that the processes of a machine share: packed once into a file of the user's cache, then mapped.

A file holds the arenas of `network.Model`, page-aligned, and at its end 32 bytes: a mark and a CRC-32C. Its
name says all that the bytes depend on: the model's digest, the networks, their plan, this package's version.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._version import __version__
from ..arrays import Float32
from ..atomic import replace, sweep, temporary
from ..errors import ModelError
from ..network.config import ModelConfig
from ..network.layers import weight_layout
from ..network.method_plan import Plan, default_isa, make_plan, network_of
from ..network.model import Model
from .checksum import crc32c
from .loading import recipe_of
from .reading import kernel_types, open_model, open_packable
from .sources import Source, configuration

if TYPE_CHECKING:
    import numpy.typing as npt

KEPT_SECONDS = 30 * 24 * 3600.0  # for how long a file stays that nobody has mapped

_MARK = b"spleeterrt packed weights 1\n"  # 28 bytes, then the checksum
_TAIL = len(_MARK) + 4

logger = logging.getLogger("spleeterrt")


def model_digest(source: Source) -> str:
    """What tells a model from others, whatever it is stored in: SHA-256 of configuration and tensors, in hex.

    Raises:
        SpleeterError: as of `load_model`.
    """
    config, weights, _ = open_model(source)
    facts = {**config.to_dict(), "model_dir": ""}  # where it lies is no part of it
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for stem in config.instruments:
        tensors = weights.pop(stem)
        for name in sorted(tensors):
            tensor = np.ascontiguousarray(tensors[name], np.float32)
            digest.update(f"\n{stem}/{name} {tensor.shape}\n".encode())
            digest.update(tensor.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def load_mapped(
    source: Source,
    digest: str,
    *,
    low_memory: bool = False,
    networks: Sequence[str] | None = None,
    folder: Path | None = None,
) -> Model:
    """`load_model`, with weights that all processes of this machine share.

    Args:
        digest: the model's (`model_digest`), which names the file in the cache; where there is none yet,
            `source` must have it.
        networks: the stems whose networks will run; None: all.
        folder: of the files; None: in the user's cache.

    Raises:
        ModelError: missing, corrupt, or another model than the digest says.
    """
    config = configuration(source)
    plan = make_plan(config, default_isa(), low_memory, kernel_types(source))
    chosen = tuple(stem for stem in config.instruments if networks is None or stem in networks)
    shape = (len(chosen), weight_layout(config, plan).size)
    folder = weights_folder() if folder is None else folder
    path = folder / f"{_key(digest, config, plan, chosen)}.weights"
    weights = _map(path, shape)
    if weights is None:
        if model_digest(source) != digest:
            raise ModelError(
                f"{source}: another model than the one that this work was begun with; every machine must "
                "have the same"
            )
        model = _pack(source, path, plan, chosen)
        if model is not None:
            return model
        weights = _map(path, shape)
        if weights is None:
            raise ModelError(f"{path}: packed weights that cannot be read again; remove the file")
    with contextlib.suppress(OSError):
        os.utime(path)  # in use
    model = Model.of_packed(config, plan, weights, path, chosen)
    model.recipe = recipe_of(source, low_memory, None, chosen)
    return model


def weights_folder() -> Path:
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("spleeterrt", appauthor=False)) / "weights"


def _key(digest: str, config: ModelConfig, plan: Plan, networks: tuple[str, ...]) -> str:
    facts = (__version__, digest, network_of(config), tuple(plan), networks)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def _map(path: Path, shape: tuple[int, ...]) -> Float32 | None:
    """The file's weights; None where there is no whole one."""
    count = shape[0] * shape[1]
    try:
        if path.stat().st_size != 4 * count + _TAIL:
            return None
        whole: npt.NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
    except OSError:
        return None
    weights = whole[: 4 * count].view(np.float32).reshape(shape)
    tail = whole[4 * count :].tobytes()
    if tail != _MARK + crc32c(weights).to_bytes(4, "little"):
        return None
    return weights


def _pack(source: Source, path: Path, plan: Plan, networks: tuple[str, ...]) -> Model | None:
    """Write the file; where that cannot be, the model as it is, in this process's own memory."""
    config, tensors, origin, _ = open_packable(source, stems=networks)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path.parent)
        made = temporary(path.parent)
        try:

            def arena(shape: tuple[int, int]) -> Float32:
                return np.memmap(made, np.float32, "w+", shape=shape)

            model = Model(config, tensors, origin, plan=plan, consume=True, networks=networks, arena=arena)
            checksum, shape = crc32c(model.packed_weights), model.packed_weights.shape
            del model
            with open(made, "ab") as file:
                file.write(_MARK + checksum.to_bytes(4, "little"))
            _publish(made, path, shape)
        finally:
            with contextlib.suppress(OSError):
                made.unlink(missing_ok=True)
    except OSError as error:
        logger.warning(
            "%s: cannot be written (%s): every worker has weights of its own",
            path.parent,
            error.strerror or error,
        )
        config, tensors, origin, _ = open_packable(source, stems=networks)
        return Model(config, tensors, origin, plan=plan, consume=True, networks=networks)
    return None


def _publish(made: Path, path: Path, shape: tuple[int, ...]) -> None:
    """Give the file its name, unless another process was earlier: then its file is the one to map."""
    try:
        os.link(made, path)
    except FileExistsError:
        if _map(path, shape) is None:  # damaged
            replace(made, path)
    except OSError:  # a file system without hard links
        replace(made, path)


def _clear(folder: Path) -> None:
    """Remove what interrupted runs have left, and files that have not been used for long."""
    sweep(folder)
    for path in folder.glob("*.weights"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink()
