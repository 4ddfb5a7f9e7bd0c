"""What may be chosen by name. Imports nothing of the package: the command line need not load it to tell."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Mode: TypeAlias = Literal["ratio", "direct", "residual", "three"]
CodecName: TypeAlias = Literal[
    "wav", "flac", "ogg", "mp3", "opus", "aiff", "caf", "w64", "au", "m4a", "wma", "stem", "stem-alac"
]  # fmt: skip
BitDepth: TypeAlias = Literal["int16", "int24", "float32"]
ClipMode: TypeAlias = Literal["clamp", "rescale", "none"]
Channels: TypeAlias = Literal["stereo", "source"]
ActivityFormat: TypeAlias = Literal["csv", "json", "audacity"]

MODES: tuple[Mode, ...] = get_args(Mode)
CODECS: tuple[CodecName, ...] = get_args(CodecName)
BIT_DEPTHS: tuple[BitDepth, ...] = get_args(BitDepth)
CLIP_MODES: tuple[ClipMode, ...] = get_args(ClipMode)
CHANNELS: tuple[Channels, ...] = get_args(Channels)
ACTIVITY_FORMATS: tuple[ActivityFormat, ...] = get_args(ActivityFormat)

DTYPES = ("float32", "float16", "int8")
"""What a `.safetensors` model's kernels are stored in, the largest first."""

MODEL_FORMATS = ("safetensors", "coefficients")
"""What `convert` writes."""

ONNX_LAYOUTS = ("spleeterrt", "sherpa")
"""How the inputs and outputs of exported ONNX files lie."""

MIXTURE_NAME = "mixture"
"""MUSDB18's name of the song itself, without the ending."""

LIVE_BLOCK = 256
"""Samples of a block in real time where nobody says, and no JACK server does."""
