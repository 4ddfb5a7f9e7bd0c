"""What belongs to FFmpeg (PyAV, an optional extra) and whether it is there; imports nothing of it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

NEEDS_FFMPEG = "needs FFmpeg: pip install 'spleeterrt[ffmpeg]'"

# Audio files that libsndfile does not read; of video files the audio track is read.
AUDIO_SUFFIXES = (
    ".m4a", ".m4b", ".aac", ".wma", ".ac3", ".eac3", ".dts", ".ape", ".wv", ".tta", ".tak", ".mka", ".mpc",
    ".amr", ".ra", ".dsf", ".dff", ".spx", ".weba", ".stem.mp4",
)  # fmt: skip
VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".wmv", ".asf", ".flv", ".f4v", ".mpg", ".mpeg", ".vob",
    ".ts", ".mts", ".m2ts", ".ogv", ".3gp", ".3g2", ".rm", ".mxf",
)  # fmt: skip
FFMPEG_SUFFIXES = AUDIO_SUFFIXES + VIDEO_SUFFIXES

ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_MATROSKA_HEADER = bytes.fromhex("1a45dfa3")


@cache
def ffmpeg_installed() -> bool:
    return find_spec("av") is not None


def is_foreign(start: bytes) -> bool:
    """Whether a file that starts so (16 bytes) is of FFmpeg, whatever its name: MP4, Matroska, ASF."""
    return start[4:8] == b"ftyp" or start.startswith((ASF_HEADER, _MATROSKA_HEADER))


def __getattr__(name: str) -> Any:
    if name == "FFMPEGProcessAudioAdapter":  # which Spleeter has in its module of this name
        return getattr(import_module("spleeterrt.spleeter_names"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
