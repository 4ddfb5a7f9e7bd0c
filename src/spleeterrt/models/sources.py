"""Sources of models: what users name, and where its weights are, or would be."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, Union

from ..arguments import path as checked_path
from ..arguments import told
from ..errors import ArgumentTypeError, ModelError
from ..network.config import MODEL_NAMES, OFFICIAL_CONFIGS, STARTER_STEMS, ModelConfig
from ..network.modes import model_stems
from ..regular import open_regular
from . import coefficients, store
from .checkpoint import find_index, has_checkpoint, infer_config, read_index
from .onnx_files import by_stem, is_onnx, onnx_stems, read_onnx
from .packed import read_header

PREFIX = "spleeter:"
STARTER_PREFIX = "starter:"
STARTER_FILE = Path(__file__).with_name("starter.safetensors")

PathLike: TypeAlias = Union[str, "os.PathLike[str]"]
Source: TypeAlias = PathLike | Mapping[str, PathLike]
Config: TypeAlias = PathLike | ModelConfig
"""A configuration, a Spleeter `config.json`, or a model's name, `"spleeter:4stems"`."""


@dataclass(frozen=True)
class Place:
    """Where a source's weights are, or would be.

    Attributes:
        name: how the user named it.
        config: None where the checkpoint itself has to tell.
        path: checkpoint folder, `.safetensors` file, ONNX file or folder of them, if there is one.
        searched: the folders looked at.
        target: the folder that a download would fill; None if there is nothing to download.
        onnx: ONNX files by stem.
        coefficients: coefficient files by stem.
        stems: the stems to take of a `.safetensors` file; None: those that make one model (`model_stems`).
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
            return config.replace(instruments=self.stems or model_stems(config.instruments))
        index = find_index(path)
        return infer_config(read_index(index), index)


def configuration(source: Source) -> ModelConfig:
    """A model's configuration; of an official model or a `config.json` no weights need be there.

    Raises:
        SpleeterError: not a source, or its configuration or index cannot be read.
    """
    place = resolve(source)
    if place.config is not None:
        return place.config
    if place.path is None:
        raise place.missing()
    return place.read_config(place.path)


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


def resolve(source: Source, config: Config | None = None) -> Place:
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
        return resolve_official(text.removeprefix(PREFIX))
    if text.startswith(STARTER_PREFIX):
        return resolve_starter(text)
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
            return Place(text, own, path)
        if config_path.is_file():
            return _resolve_config(config_path)
        if stems := onnx_stems(path):
            return Place(text, None, path, onnx=stems)
        raise ModelError(
            f"{path}: no checkpoint in this folder (no .index file), no config.json and no ONNX file"
        )
    if path.suffix.lower() == ".safetensors":
        if not path.is_file():
            raise ModelError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}")
        return Place(text, None, path)
    if is_onnx(path) and path.is_file():
        return Place(text, None, path, onnx=by_stem([path]))
    if path.suffix.lower() == ".json" or _begins_json(path):
        return _resolve_config(path)
    raise _not_a_source(source)


def _resolve_stems(source: Mapping[str, PathLike], config: Config | None) -> Place:
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
        return Place(name, found, folder, coefficients=files)
    if not all(onnx):
        raise ModelError(f"ONNX and other files in one model: {name}")
    if config is not None:
        raise ModelError(f"{name}: ONNX files have their own configuration; name none")
    return Place(name, None, folder, onnx=files)


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


def resolve_official(name: str) -> Place:
    config = OFFICIAL_CONFIGS.get(name)
    if config is None:
        raise _not_a_source(PREFIX + name)
    folders = [root / config.model_dir for root in store.model_roots()]
    return Place(PREFIX + name, config, _first(folders), folders, store.download_root() / config.model_dir)


def resolve_starter(name: str) -> Place:
    stems = STARTER_STEMS.get(name.removeprefix(STARTER_PREFIX))
    if stems is None:
        raise _not_a_source(name)
    path = STARTER_FILE if STARTER_FILE.is_file() else None  # a package without it
    return Place(name, None, path, [STARTER_FILE.parent], stems=stems)


def _resolve_config(path: Path) -> Place:
    """Find the checkpoint of a Spleeter configuration, by its `model_dir`."""
    config = ModelConfig.from_file(path)
    home = path.absolute().parent
    # A checkpoint comes first, as where the folder itself is named.
    if not has_checkpoint(home) and (files := coefficients.stems_beside(path, config)):
        return Place(str(path), config, path.parent, coefficients=files)
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
    return Place(str(path), config, _first(folders), folders, target)


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
