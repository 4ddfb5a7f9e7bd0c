"""Models: where they come from, and their weights in memory.

    source -> (store: find or download) -> checkpoint | packed | onnx_files -> ModelConfig and float32
    tensors by stem

A source is `"spleeter:4stems"`, a Spleeter `config.json`, a checkpoint folder, a `.safetensors` file, or ONNX
files: their folder, one that holds all stems, or {stem: file}.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, Union

from ..config import OFFICIAL_CONFIGS, ModelConfig
from ..errors import ModelError
from . import store
from .checkpoint import find_index, infer_config, open_checkpoint, read_index, verify_checksums
from .onnx_files import by_stem, is_onnx, onnx_stems, read_onnx, save_onnx
from .packed import read_header, read_packed, save_packed
from .weights import StemWeights, Tensor, check_weights, expected_shapes

PREFIX = "spleeter:"

PathLike: TypeAlias = Union[str, "os.PathLike[str]"]
Source: TypeAlias = PathLike | Mapping[str, PathLike]

__all__ = [
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
    """An official model: its name after `spleeter:`, its folder if it is here, and that folder's bytes."""

    name: str
    path: Path | None
    bytes: int | None


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model without running it.

    Attributes:
        path: the checkpoint folder, the `.safetensors` file, the ONNX file or the folder of ONNX files; None
            if it is not on this machine.
        kind: `"TensorFlow checkpoint"`, `"safetensors"` or `"ONNX"`.
        tensors: tensors in the file, those that separation does not need included; None without a file.
        parameters: numbers in the networks of all stems.
        bytes: size on disk; None without a file.
    """

    config: ModelConfig
    path: Path | None
    kind: str
    tensors: int | None
    parameters: int
    bytes: int | None


@dataclass(frozen=True)
class _Place:
    """Where a source's weights are, or would be.

    Attributes:
        name: how the user named it.
        config: None where the checkpoint itself has to tell.
        path: checkpoint folder, `.safetensors` file, ONNX file or folder of them, if there is one.
        searched: the folders looked at.
        target: the folder that a download would fill; None if there is nothing to download.
        onnx: ONNX files by stem.
    """

    name: str
    config: ModelConfig | None
    path: Path | None
    searched: Sequence[Path] = ()
    target: Path | None = None
    onnx: Mapping[str, Path] = field(default_factory=dict)

    @property
    def packed(self) -> bool:
        return self.path is not None and self.path.is_file()

    def obtain(self, progress: bool) -> Path:
        """The path, after a download if need be."""
        if self.path is not None:
            return self.path
        if self.target is not None:
            return store.download(self.target.name, self.target, progress)
        raise self.missing()

    def missing(self) -> ModelError:
        looked = "".join(f"\n  {folder}" for folder in self.searched)
        hint = f"\n`spleeterrt models get {self.target.name}` downloads it" if self.target else ""
        return ModelError(f"model {self.name} not found; looked in:{looked}{hint}")

    def read_config(self, path: Path) -> ModelConfig:
        if self.onnx:
            return read_onnx(self.onnx)[0]
        if self.config is not None:
            return self.config
        if path.is_file():
            return read_header(path)[0]
        index = find_index(path)
        return infer_config(read_index(index), index)


def load(source: Source, progress: bool = True) -> tuple[ModelConfig, dict[str, StemWeights], Path]:
    """Load a model, downloading an official one that is nowhere on this machine.

    Args:
        source: `"spleeter:<name>"`, a Spleeter `config.json`, a checkpoint folder, a `.safetensors` file, an
            ONNX file with all stems, a folder of ONNX files, or {stem: ONNX file}.
        progress: show a progress bar of a download, if standard error is a terminal.

    Returns:
        Configuration, float32 tensors by stem and name, and the folder or file they come from.

    Raises:
        SpleeterError: not a source, nothing found there, or a model that is damaged or does not fit its
            configuration (`ModelError`: names file and tensor).
    """
    config, stems, path = open_model(source, progress)
    return config, {stem: dict(tensors) for stem, tensors in stems.items()}, path


def open_model(
    source: Source, progress: bool = True, stems: Sequence[str] | None = None
) -> tuple[ModelConfig, dict[str, Mapping[str, Tensor]], Path]:
    """Like `load`, but a checkpoint's tensors are read, and found to be damaged, on access only.

    So a network can be prepared without all of its original weights in memory. stems: those that will be
    wanted; of a `.safetensors` file the others are left out. None: all.
    """
    place = _resolve(source)
    path = place.obtain(progress)
    if place.onnx:
        config, read = read_onnx(place.onnx)
        return config, dict(read), path
    if place.packed:
        config, packed = read_packed(path, stems)
        return config, dict(packed), path
    config = place.read_config(path)
    hint = ""
    if place.name.startswith(PREFIX):
        hint = f"Remove the folder {path} to have the model downloaded again"
    try:
        return config, dict(open_checkpoint(path, config, hint)), path
    except ModelError as error:
        if not hint:
            raise
        raise ModelError(f"{error}\n{hint}") from error


def get(name: str, progress: bool = True) -> Path:
    """Make sure that an official model is on this machine. Returns its folder.

    Args:
        name: `"4stems"` or `"spleeter:4stems"`.
    """
    return _resolve_official(name.removeprefix(PREFIX)).obtain(progress)


def list_models() -> list[InstalledModel]:
    """The official models, and where they are on this machine."""
    models = []
    for name in OFFICIAL_CONFIGS:
        path = _resolve_official(name).path
        models.append(InstalledModel(name, path, None if path is None else _bytes(path)))
    return models


def info(source: Source) -> ModelInfo:
    """Describe a model; its tensors are not read (but those of ONNX files) and nothing is downloaded.

    Raises:
        SpleeterError: not a source, or its configuration or index cannot be read.
    """
    place = _resolve(source)
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
    if place.packed:
        kind, tensors = "safetensors", len(read_header(path)[1])
    else:
        kind, tensors = "TensorFlow checkpoint", len(read_index(find_index(path)))
    return ModelInfo(config, path, kind, tensors, _parameters(config), _bytes(path))


def configuration(source: Source) -> ModelConfig:
    """A model's configuration; of an official model or a `config.json` no weights need be there.

    Raises:
        SpleeterError: not a source, or its configuration or index cannot be read.
    """
    place = _resolve(source)
    if place.config is not None:
        return place.config
    if place.path is None:
        raise place.missing()
    return place.read_config(place.path)


def verify(source: Source) -> ModelInfo:
    """Read a model whole and check every checksum and shape; nothing is downloaded.

    Raises:
        ModelError: names the file and the tensor that is wrong.
    """
    place = _resolve(source)
    if place.path is None:
        raise place.missing()
    load(source, progress=False)
    if not place.packed and not place.onnx:
        verify_checksums(read_index(find_index(place.path)))
    return info(source)


def convert(source: Source, destination: PathLike, progress: bool = True) -> Path:
    """Write a model as one float32 `.safetensors` file. Returns its path.

    Raises:
        SpleeterError: as `load`; or the destination is not a `.safetensors` path, or cannot be written.
    """
    path = Path(destination)
    if path.suffix.lower() != ".safetensors":
        raise ModelError(f"{path}: the destination's name must end in .safetensors")
    config, weights, _ = load(source, progress)
    save_packed(path, config, weights)
    return path


def export(source: Source, folder: PathLike, progress: bool = True) -> list[Path]:
    """Write a model as ONNX files, one per stem (one for all stems of a softmax model). Returns their paths.

    Raises:
        SpleeterError: as `load`; or a file cannot be written, or the package onnx is missing.
    """
    config, weights, _ = open_model(source, progress)
    return save_onnx(Path(folder), config, weights)


def from_paths(paths: Sequence[PathLike]) -> Source:
    """The source that a command line names: one path or name, or ONNX files, a stem each."""
    if len(paths) == 1:
        return paths[0]
    files = [Path(path) for path in paths]
    for file in files:
        if not is_onnx(file):
            raise ModelError(f"{file}: only ONNX files can be several")
    stems = by_stem(files)
    if len(stems) < len(files):
        raise ModelError(f"several files of one stem: {', '.join(map(str, files))}")
    return stems


def _resolve(source: Source) -> _Place:
    if isinstance(source, Mapping) and source:
        return _resolve_stems(source)
    if not isinstance(source, (str, os.PathLike)):
        raise _not_a_source(source)
    text = os.fspath(source)
    if not isinstance(text, str) or not text or "\0" in text:
        raise _not_a_source(source)
    if text.startswith(PREFIX):
        return _resolve_official(text.removeprefix(PREFIX))
    path = Path(text)
    try:
        os.stat(path)
    except FileNotFoundError:
        pass  # named below, by what it was meant to be
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    if path.is_dir():
        config_path = path / "config.json"
        if store.has_checkpoint(path):
            config = ModelConfig.from_file(config_path) if config_path.is_file() else None
            return _Place(text, config, path)
        if config_path.is_file():
            return _resolve_config(config_path)
        if stems := onnx_stems(path):
            return _Place(text, None, path, onnx=stems)
        raise ModelError(
            f"{path}: no checkpoint in this folder (no .index file), no config.json and no ONNX file"
        )
    if path.suffix.lower() == ".safetensors":
        if not path.is_file():
            raise ModelError(f"{path}: no such file")
        return _Place(text, None, path)
    if is_onnx(path) and path.is_file():
        return _Place(text, None, path, onnx=by_stem([path]))
    if path.suffix.lower() == ".json" or _begins_json(path):
        return _resolve_config(path)
    raise _not_a_source(source)


def _resolve_stems(source: Mapping[str, PathLike]) -> _Place:
    files = {stem: Path(path) for stem, path in source.items()}
    for stem, path in files.items():
        if not is_onnx(path) or not path.is_file():
            raise ModelError(f"{stem}: {path}: {'no such file' if is_onnx(path) else 'not an ONNX file'}")
    first = next(iter(files.values()))
    return _Place(", ".join(map(str, files.values())), None, first.parent, onnx=files)


def _resolve_official(name: str) -> _Place:
    config = OFFICIAL_CONFIGS.get(name)
    if config is None:
        raise _not_a_source(PREFIX + name)
    folders = [root / config.model_dir for root in store.model_roots()]
    return _Place(PREFIX + name, config, _first(folders), folders, store.download_root() / config.model_dir)


def _resolve_config(path: Path) -> _Place:
    """Find the checkpoint of a Spleeter configuration, by its `model_dir`."""
    config = ModelConfig.from_file(path)
    home = path.absolute().parent
    folders: list[Path] = []
    target = None
    if config.model_dir:
        model_dir = Path(config.model_dir)
        # Joined to an absolute path, a root or the configuration's folder falls away.
        folders += [root / model_dir for root in (*store.model_roots(), home, home.parent)]
        if store.can_download(model_dir.name):
            target = store.download_root() / model_dir
    folders = list(dict.fromkeys([*folders, home]))
    return _Place(str(path), config, _first(folders), folders, target)


def _first(folders: Sequence[Path]) -> Path | None:
    return next((folder for folder in folders if store.has_checkpoint(folder)), None)


def _begins_json(path: Path) -> bool:
    """Whether a file under any name looks like a JSON object: Spleeter takes those too."""
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip().startswith(b"{")
    except OSError:
        return False


def _not_a_source(source: object) -> ModelError:
    names = [PREFIX + name for name in OFFICIAL_CONFIGS]
    message = f"{source!r} is not a model"
    if isinstance(source, (str, os.PathLike)) and not os.path.lexists(source):
        message = f"{os.fspath(source)!r}: no such model, file or folder"
    if isinstance(source, str):
        import difflib

        wanted = PREFIX + source.lower().removeprefix(PREFIX)
        if close := difflib.get_close_matches(wanted, names, n=1, cutoff=0.75):
            message += f"; did you mean {close[0]}?"
    return ModelError(
        f"{message}\nA model is one of {', '.join(names)}; a Spleeter config.json; "
        "a folder with a TensorFlow checkpoint or ONNX files; a .safetensors or .onnx file"
    )


def _parameters(config: ModelConfig) -> int:
    return len(config.instruments) * sum(math.prod(shape) for shape in expected_shapes(config).values())


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
    return sum(file.stat().st_size for file in files)
