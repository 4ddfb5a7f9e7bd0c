"""From a source to a `Model` that can run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..arguments import flag, names
from ..network.config import ModelConfig
from ..network.method_plan import default_isa, make_plan
from ..network.model import Model
from .reading import open_packable
from .sources import Config, Source


def load_model(
    source: Source,
    *,
    progress: bool = True,
    low_memory: bool = False,
    config: Config | None = None,
    networks: Sequence[str] | None = None,
) -> Model:
    """Load a model.

    Args:
        source: `"spleeter:2stems"`, `4stems`, `5stems` (each also `-16kHz`), downloaded where it is
            missing; `"starter:2stems"`, `4stems`, in the package; a Spleeter `config.json`; a folder with
            a TensorFlow checkpoint; a `.safetensors` file; ONNX files (`spleeterrt[onnx]`): their folder, or
            {stem: file}; coefficient files of the original real-time engine: {stem: file}, or their folder
            with a `config.json`.
        progress: show a progress bar while downloading, on a terminal.
        low_memory: all weights as they are (transformed anew for every segment) and smaller workspaces: half
            of the weights' memory, somewhat slower, the same to within rounding.
        config: what {stem: coefficient file} lacks (activations, filters, sizes): a `ModelConfig`, a
            `config.json`, or a model's name, `"spleeter:4stems"`. None: Spleeter's for two, four or five
            stems.
        networks: names of the stems whose networks will run (for modes that need few); None: all.

    Raises:
        ModelError: missing or corrupt; the message names the file and the tensor.
    """
    low_memory, progress = flag("low_memory", low_memory), flag("progress", progress)
    networks = None if networks is None else names("networks", networks)
    found, weights, origin, types = open_packable(source, progress=progress, config=config, stems=networks)
    plan = make_plan(found, default_isa(), low_memory, types)
    model = Model(found, weights, origin, plan=plan, consume=True, networks=networks)
    model.recipe = recipe_of(source, bool(low_memory), config, model.networks)
    return model


class Recipe(NamedTuple):
    """The arguments of `load_model`, for any current folder."""

    source: str | dict[str, str]
    low_memory: bool
    config: str | ModelConfig | None
    networks: tuple[str, ...]

    def load(self, config: ModelConfig) -> Model:
        """What unpickling a model calls."""
        model = load_model(
            self.source,
            progress=False,
            low_memory=self.low_memory,
            config=self.config,
            networks=self.networks,
        )
        return model.with_config(config)


def recipe_of(source: Source, low_memory: bool, config: Config | None, networks: tuple[str, ...]) -> Recipe:
    """With paths for any current folder."""
    return Recipe(
        {stem: _absolute(path) for stem, path in source.items()}
        if isinstance(source, Mapping)
        else _absolute(source),
        low_memory,
        config if config is None or isinstance(config, ModelConfig) else _absolute(config),
        networks,
    )


def _absolute(source: str | os.PathLike[str]) -> str:
    """Names of models stay as they are."""
    text = os.fspath(source)
    return os.path.abspath(text) if os.path.exists(text) else text


__all__ = ["Recipe", "load_model", "recipe_of"]
