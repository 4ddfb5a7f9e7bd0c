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
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, Union

from ..arguments import file_path, told
from ..arguments import path as checked_path
from ..config import MODEL_NAMES, OFFICIAL_CONFIGS, STARTER_STEMS, ModelConfig
from ..errors import ArgumentTypeError, ModelError
from ..regular import open_regular
from . import coefficients, store
from .checkpoint import (
    find_index,
    has_checkpoint,
    infer_config,
    open_checkpoint,
    read_index,
    verify_checksums,
)
from .onnx_files import by_stem, is_onnx, onnx_stems, read_onnx, save_onnx
from .packed import check_dtype, read_header, read_packed, save_packed, stored_dtype
from .quantized import DTYPES
from .weights import StemWeights, Tensor, check_weights, expected_shapes

PREFIX = "spleeter:"
STARTER_PREFIX = "starter:"
STARTER_FILE = Path(__file__).with_name("starter.safetensors")

PathLike: TypeAlias = Union[str, "os.PathLike[str]"]
Source: TypeAlias = PathLike | Mapping[str, PathLike]
Config: TypeAlias = PathLike | ModelConfig
"""A configuration, a Spleeter `config.json`, or a model's name, `"spleeter:4stems"`."""

FORMATS = ("safetensors", "coefficients")
"""What `convert` writes."""

__all__ = [
    "DTYPES",
    "FORMATS",
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
        coefficients: coefficient files by stem.
        stems: the stems to take of a `.safetensors` file; None: all.
    """

    name: str
    config: ModelConfig | None
    path: Path | None
    searched: Sequence[Path] = ()
    target: Path | None = None
    onnx: Mapping[str, Path] = field(default_factory=dict)
    coefficients: Mapping[str, Path] = field(default_factory=dict)
    stems: tuple[str, ...] | None = None

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
            config = read_header(path)[0]
            return config if self.stems is None else config.replace(instruments=self.stems)
        index = find_index(path)
        return infer_config(read_index(index), index)


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
    place = _resolve(source, config)
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
        return _resolve_starter(name).obtain(progress)
    return _resolve_official(name.removeprefix(PREFIX)).obtain(progress)


def list_models() -> list[InstalledModel]:
    """The models that have a name, and where they are on this machine."""
    models = []
    for name in MODEL_NAMES:
        path = _resolve(name).path
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
    if place.coefficients:
        arrays = len(config.instruments) * len(list(coefficients.layout(config)))
        size = sum(file.stat().st_size for file in place.coefficients.values())
        return ModelInfo(config, path, "coefficients", arrays, _parameters(config), size)
    if place.packed:
        kind, tensors, dtype = "safetensors", len(read_header(path)[1]), stored_dtype(path)
    else:
        kind, tensors, dtype = "TensorFlow checkpoint", len(read_index(find_index(path))), None
    return ModelInfo(config, path, kind, tensors, _parameters(config), _bytes(path), dtype)


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


def _resolve(source: Source, config: Config | None = None) -> _Place:
    """Find a source; `config` is for {stem: coefficient file} alone."""
    if isinstance(source, Mapping) and source:
        return _resolve_stems(source, config)
    if config is not None:
        raise ModelError(
            f"{source!r} has its own configuration; another is for coefficient files by stem only"
        )
    if not isinstance(source, (str, os.PathLike)):
        raise _not_a_source(source)
    text = os.fspath(source)
    if not isinstance(text, str) or not text or "\0" in text:
        raise _not_a_source(source)
    checked_path("model", text)
    if text.startswith(PREFIX):
        return _resolve_official(text.removeprefix(PREFIX))
    if text.startswith(STARTER_PREFIX):
        return _resolve_starter(text)
    path = Path(text)
    try:
        os.stat(path)
    except FileNotFoundError:
        pass  # named below, by what it was meant to be
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    if path.is_dir():
        config_path = path / "config.json"
        if has_checkpoint(path):
            own = ModelConfig.from_file(config_path) if config_path.is_file() else None
            return _Place(text, own, path)
        if config_path.is_file():
            return _resolve_config(config_path)
        if stems := onnx_stems(path):
            return _Place(text, None, path, onnx=stems)
        raise ModelError(
            f"{path}: no checkpoint in this folder (no .index file), no config.json and no ONNX file"
        )
    if path.suffix.lower() == ".safetensors":
        if not path.is_file():
            raise ModelError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}")
        return _Place(text, None, path)
    if is_onnx(path) and path.is_file():
        return _Place(text, None, path, onnx=by_stem([path]))
    if path.suffix.lower() == ".json" or _begins_json(path):
        return _resolve_config(path)
    raise _not_a_source(source)


def _resolve_stems(source: Mapping[str, PathLike], config: Config | None) -> _Place:
    """A file per stem: ONNX by their names, else coefficients."""
    if not all(isinstance(path, (str, os.PathLike)) for path in source.values()):
        raise _not_a_source(source)
    files = {stem: Path(path) for stem, path in source.items()}
    for stem, path in files.items():
        if not os.path.isfile(path):
            raise ModelError(f"{stem}: {path}: {'not a file' if os.path.exists(path) else 'no such file'}")
    name, folder = ", ".join(map(str, files.values())), next(iter(files.values())).parent
    onnx = [is_onnx(path) for path in files.values()]
    if not any(onnx):
        if config is None:
            found = coefficients.default_config(files)
        else:
            found = coefficients.with_stems(_read_config(config), files)
        return _Place(name, found, folder, coefficients=files)
    if not all(onnx):
        raise ModelError(f"ONNX and other files in one model: {name}")
    if config is not None:
        raise ModelError(f"{name}: ONNX files have their own configuration; name none")
    return _Place(name, None, folder, onnx=files)


def _read_config(config: Config) -> ModelConfig:
    if isinstance(config, ModelConfig):
        return config
    if not isinstance(config, (str, os.PathLike)):
        raise ModelError(f"config: expected a ModelConfig, a config.json or a model's name, got {config!r}")
    name = os.fspath(config)
    if name.startswith(STARTER_PREFIX):
        return configuration(name)
    if not name.startswith(PREFIX):
        return ModelConfig.from_file(name)
    if (official := OFFICIAL_CONFIGS.get(name.removeprefix(PREFIX))) is None:
        raise _not_a_source(name)
    return official


def _resolve_official(name: str) -> _Place:
    config = OFFICIAL_CONFIGS.get(name)
    if config is None:
        raise _not_a_source(PREFIX + name)
    folders = [root / config.model_dir for root in store.model_roots()]
    return _Place(PREFIX + name, config, _first(folders), folders, store.download_root() / config.model_dir)


def _resolve_starter(name: str) -> _Place:
    stems = STARTER_STEMS.get(name.removeprefix(STARTER_PREFIX))
    if stems is None:
        raise _not_a_source(name)
    path = STARTER_FILE if STARTER_FILE.is_file() else None  # a package without it
    return _Place(name, None, path, [STARTER_FILE.parent], stems=stems)


def _resolve_config(path: Path) -> _Place:
    """Find the checkpoint of a Spleeter configuration, by its `model_dir`."""
    config = ModelConfig.from_file(path)
    home = path.absolute().parent
    # A checkpoint comes first, as where the folder itself is named.
    if not has_checkpoint(home) and (files := coefficients.stems_beside(path, config)):
        return _Place(str(path), config, path.parent, coefficients=files)
    folders: list[Path] = []
    target = None
    if config.model_dir:
        model_dir = Path(config.model_dir)
        # Joined to an absolute path, a root or the configuration's folder falls away.
        folders += [root / model_dir for root in (*store.model_roots(), home, home.parent)]
        # A configuration from anywhere must not say where on this machine a download goes.
        inside = not model_dir.is_absolute() and ".." not in model_dir.parts
        if inside and store.can_download(model_dir.name):
            target = store.download_root() / model_dir
    folders = list(dict.fromkeys([*folders, home]))
    return _Place(str(path), config, _first(folders), folders, target)


def _first(folders: Sequence[Path]) -> Path | None:
    return next((folder for folder in folders if has_checkpoint(folder)), None)


def _begins_json(path: Path) -> bool:
    """Whether a file under any name looks like a JSON object: Spleeter takes those too."""
    try:
        with open_regular(path) as file:
            return file.read(64).lstrip().startswith(b"{")
    except OSError:
        return False


def _not_a_source(source: object) -> ModelError:
    message = f"{source!r} is not a model"
    if isinstance(source, (str, os.PathLike)) and not os.path.lexists(source):
        message = f"{os.fspath(source)!r}: no such model, file or folder"
    if isinstance(source, str) and (meant := _meant(source.lower())):
        message += f"; did you mean {' or '.join(meant)}?"
    return ModelError(
        f"{message}\nA model is one of {', '.join(MODEL_NAMES)}; a Spleeter config.json; "
        "a folder with a TensorFlow checkpoint, ONNX or coefficient files; a .safetensors or .onnx file; or "
        "{stem: file} (--stem STEM=FILE) of ONNX or coefficient files"
    )


def _meant(text: str) -> list[str]:
    """Names of models that are like a text."""
    from difflib import get_close_matches

    family, _, name = text.partition(":")
    families = [PREFIX.rstrip(":"), STARTER_PREFIX.rstrip(":")]
    if not name and (close := get_close_matches(family, families, n=1, cutoff=0.75)):
        return [known for known in MODEL_NAMES if known.startswith(close[0]) and "16kHz" not in known]
    if family == families[1]:
        # One stem more or less is nearer than another family.
        return [f"{STARTER_PREFIX}{'2stems' if name.startswith('2') else '4stems'}"]
    return get_close_matches(text if ":" in text else PREFIX + text, MODEL_NAMES, n=1, cutoff=0.75)


def _parameters(config: ModelConfig) -> int:
    return len(config.instruments) * sum(math.prod(shape) for shape in expected_shapes(config).values())


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
    return sum(file.stat().st_size for file in files)
