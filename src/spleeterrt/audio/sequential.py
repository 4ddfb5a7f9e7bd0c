"""`sequential_file`: libsndfile streams that soundfile does not seek in."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def sequential_file() -> Any:
    """The class `soundfile.SoundFile`, made sequential.

    soundfile seeks to the place where it already is after each read and write of a seekable
    file: slow for FLAC, and wrong for MP3, whose decoder then loses its bit reservoir.
    """
    import soundfile

    return type("SequentialFile", (soundfile.SoundFile,), {"seekable": lambda self: False})
