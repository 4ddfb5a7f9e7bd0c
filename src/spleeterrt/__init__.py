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
    from .config import ModelConfig
    from .errors import AudioError, ModelError, SeparationCancelled, SpleeterError
    from .network import Model, load_model
    from .separator import Separator
    from .stream import StreamSeparator, StreamStats
    from .stream_plan import StreamPlan, plan_stream

# Spleeter's modules that this package does not have of its own (`spleeterrt.utils.logging`,
# `spleeterrt.model.provider`) lie in `compat/`, which is searched last.
__path__.append(os.path.join(os.path.dirname(__file__), "compat"))

_HOME = {
    "AudioError": "errors",
    "Model": "network",
    "ModelConfig": "config",
    "ModelError": "errors",
    "SeparationCancelled": "errors",
    "Separator": "separator",
    "SpleeterError": "errors",
    "StreamPlan": "stream_plan",
    "StreamSeparator": "stream",
    "StreamStats": "stream",
    "__version__": "_version",
    "install_as_spleeter": "as_spleeter",
    "load_model": "network",
    "plan_stream": "stream_plan",
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
    "install_as_spleeter",
    "load_model",
    "plan_stream",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
