"""Audio files: the adapter (Spleeter's interface), reading and writing in blocks.

    AudioReader(path) -> blocks float32 (n, channels) -> ... -> StemFileWriter(paths).write(blocks)

Built on soundfile (libsndfile) and soxr, and PyAV (FFmpeg) where it is installed and needed; all are imported
on first use only.
"""

from __future__ import annotations

from enum import Enum


class Codec(str, Enum):
    """Names of output codecs; each member equals, formats and prints as its value."""

    WAV = "wav"
    MP3 = "mp3"
    OGG = "ogg"
    M4A = "m4a"
    WMA = "wma"
    FLAC = "flac"
    OPUS = "opus"  # not in Spleeter

    # A plain (str, Enum) prints "Codec.WAV" up to Python 3.10 and formats differently since 3.12.
    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, format_spec: str) -> str:
        return format(str(self.value), format_spec)


__all__ = ["Codec"]
