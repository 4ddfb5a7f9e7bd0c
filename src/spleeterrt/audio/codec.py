"""`Codec`: the names of output codecs as an enumeration, as Spleeter has it."""

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
    # not in Spleeter
    OPUS = "opus"
    AIFF = "aiff"
    CAF = "caf"
    W64 = "w64"
    AU = "au"
    STEM = "stem"
    STEM_ALAC = "stem-alac"

    # A plain (str, Enum) prints "Codec.WAV" up to Python 3.10 and formats differently since 3.12.
    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, format_spec: str) -> str:
        return format(str(self.value), format_spec)
