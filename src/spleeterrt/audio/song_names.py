"""Which files of a folder are songs, by their names."""

from __future__ import annotations

from . import ffmpeg

LIBSNDFILE_SUFFIXES = (
    ".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2",
    ".aif", ".aiff", ".aifc", ".caf", ".au", ".snd",
)  # fmt: skip

# What systems put beside songs under the songs' own endings: macOS' companions, Android's bin and unfinished
# downloads, Emacs' locks. Any other name is a song's, also with a dot in front: `...And Justice.wav`.
_CLUTTER = ("._", ".trashed-", ".pending-", ".#")
CLUTTER_FOLDERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN")


def audio_suffixes() -> tuple[str, ...]:
    """The endings by which folders are searched, in small letters."""
    return LIBSNDFILE_SUFFIXES + (ffmpeg.AUDIO_SUFFIXES if ffmpeg.ffmpeg_installed() else ())


def is_clutter(name: str) -> bool:
    """Whether a file of this name is no song whatever its ending says."""
    return name.startswith(_CLUTTER)
