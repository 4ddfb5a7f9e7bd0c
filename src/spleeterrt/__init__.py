"""spleeterrt: Spleeter's music source separation on the CPU, without TensorFlow.

The public names are imported on first use, so that `import spleeterrt` and
`spleeterrt --help` cost a few milliseconds.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._version import __version__
    from .compat.as_spleeter import install_as_spleeter
    from .embedding import get_cmake_dir, get_include, get_library
    from .errors import AudioError, ModelError, SeparationCancelled, SpleeterError
    from .models.loading import load_model
    from .network.config import ModelConfig
    from .network.model import Model
    from .realtime.latency_plan import StreamPlan, plan_stream
    from .realtime.stream import StreamSeparator, StreamStats
    from .reaper import save_reaper_project
    from .separator import Separator
    from .unpack import unpack_stems

# Spleeter's modules that this package does not have of its own (`spleeterrt.utils.logging`,
# `spleeterrt.model.provider`) lie in `compat/`, which is searched last.
__path__.append(os.path.join(os.path.dirname(__file__), "compat"))

_HOME = {
    "AudioError": "errors",
    "Model": "network.model",
    "ModelConfig": "network.config",
    "ModelError": "errors",
    "SeparationCancelled": "errors",
    "Separator": "separator",
    "SpleeterError": "errors",
    "StreamPlan": "realtime.latency_plan",
    "StreamSeparator": "realtime.stream",
    "StreamStats": "realtime.stream",
    "__version__": "_version",
    "get_cmake_dir": "embedding",
    "get_include": "embedding",
    "get_library": "embedding",
    "install_as_spleeter": "as_spleeter",
    "load_model": "models.loading",
    "plan_stream": "realtime.latency_plan",
    "save_reaper_project": "reaper",
    "unpack_stems": "unpack",
}

__all__ = [
    "AudioError",
    "Model",
    "ModelConfig",
    "ModelError",
    "SeparationCancelled",
    "Separator",
    "SpleeterError",
    "StreamPlan",
    "StreamSeparator",
    "StreamStats",
    "__version__",
    "get_cmake_dir",
    "get_include",
    "get_library",
    "install_as_spleeter",
    "load_model",
    "plan_stream",
    "save_reaper_project",
    "unpack_stems",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
