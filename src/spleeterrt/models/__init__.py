"""Models: where they come from, and their weights in memory.

    source -> (store: find or download) -> checkpoint | packed | onnx_files | coefficients -> ModelConfig and
    float32 tensors by stem

A source is `"spleeter:4stems"`, `"starter:4stems"` (in the package), a Spleeter `config.json`, a checkpoint
folder, a `.safetensors` file, ONNX files (their folder, one that holds all stems, or {stem: file}), or
coefficient files of the original real-time engine ({stem: file}, or their folder with a `config.json`).
"""

from __future__ import annotations

from ..names import DTYPES
from ..names import MODEL_FORMATS as FORMATS
from ..network.tensors import StemWeights, check_weights, expected_shapes
from .inventory import InstalledModel, ModelInfo, get, info, list_models, verify
from .reading import load, open_model
from .sources import PREFIX, Config, Source, configuration, from_paths
from .writing import convert, export

__all__ = [
    "DTYPES",
    "FORMATS",
    "PREFIX",
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
