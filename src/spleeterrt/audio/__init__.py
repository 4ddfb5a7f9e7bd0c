"""Audio files: the adapter (Spleeter's interface), reading and writing in blocks.

    AudioReader(path) -> blocks float32 (n, channels) -> ... -> StemFileWriter(paths).write(blocks)

`downmix` makes stereo of more channels.

Built on soundfile (libsndfile) and soxr, and PyAV (FFmpeg) where it is installed and needed; all are imported
on first use only.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..names import CodecName as CodecName
from .codec import Codec

if TYPE_CHECKING:
    from .channels import downmix

# Spleeter's `audio.convertor` and `audio.spectrogram`.
__path__.append(os.path.join(os.path.dirname(os.path.dirname(__file__)), "compat", "audio"))


def __getattr__(name: str) -> Any:
    if name == "downmix":  # on first use, because it needs NumPy
        from .channels import downmix

        return downmix
    if name == "STFTBackend":  # of Spleeter 2.0 to 2.3
        return getattr(import_module("spleeterrt.spleeter_names"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Codec", "downmix"]
